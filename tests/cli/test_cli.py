"""The command as a person uses it: real processes, real signals, exit codes and words."""

from __future__ import annotations

import os
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from salesmap_async.sandbox import Fault, Sandbox, Workspace
from tests.support.cli_process import (
    LIMIT_S,
    POSIX,
    QUICK,
    ServedSandbox,
    cli,
    env_of,
    environment,
    finish,
    no_process_is_left,
    start,
)
from tests.support.history import history_lines
from tests.support.runs import rows_of, table_hashes

__all__ = ["no_process_is_left"]


def files_below(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*"))


def test_a_first_sandbox_run_needs_nothing(tmp_path: Path) -> None:
    """No token, no file, no option: a snapshot and a summary."""
    code, out, err = cli(tmp_path, "run", "--sandbox", "--min-interval", "0.105")
    assert (code, "Traceback" in err) == (0, False)
    assert "webform_history" in out
    assert str(tmp_path / "sandbox_latest.db") in out
    assert len(rows_of(tmp_path / "sandbox_latest.db", "people")) > 500


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--concurrency", "0"), "--concurrency must be 1 or more"),
        (("--concurrency", "many"), "--concurrency"),
        (("--min-interval", "-1"), "--min-interval must be 0 or more"),
        (("--min-interval", "nan"), "--min-interval must be a number"),
        (("--checkpoint-interval", "0"), "--checkpoint-interval must be 1 or more"),
        (("--keep-backups", "-1"), "--keep-backups must be 0 or more"),
        (("--request-timeout", "0"), "--request-timeout must be more than 0"),
        (("--only", "peoples"), "--only: no table is called peoples"),
        (("--include", "nothing"), "--include: no table is called nothing"),
        (("--only", "memo", "--skip", "memo"), "leave no table to read"),
        (("--db-path", "."), "is a directory"),
        (("--log-dir", "file"), "is a file"),
        (("--base-url", "http://crm.example.com/api/v2"), "use https"),
        (("--base-url", "https://me:secret@crm.example.com"), "must not hold credentials"),
        (("--base-url", "ftp://crm.example.com"), "must start with https"),
        (("--base-url", "//x"), "must start with https"),
        (("--base-url", "https://"), "is not an API root"),
        (("--run-tag", "a/b"), "--run-tag 'a/b'"),
        (("--run-tag", ".."), "--run-tag '..'"),
        (("--resume-run-tag", "nowhere"), "there is no run nowhere"),
        (("--resume", "--run-tag", "x"), "--run-tag names a new run"),
        (("--webform-only", "--only", "memo"), "--webform-only reads web forms alone"),
        (("--webform-people", "some"), "--webform-people"),
        (("--token-file", "nowhere.txt"), "cannot be read"),
        (("--nonsense",), "No such option"),
        ((), "there is no token"),
    ],
)
def test_a_bad_value_is_one_line_exit_2_and_nothing_touched(
    tmp_path: Path, arguments: Sequence[str], words: str
) -> None:
    """What a user can cause is named in one line; no file appears, no traceback."""
    (tmp_path / "file").touch()
    token = {} if not arguments else {"SALESMAP_TOKEN": "t"}
    code, out, err = cli(tmp_path, "run", *arguments, **token)
    assert (code, out) == (2, "")
    assert words in err
    assert len(err.strip().splitlines()) == 1
    assert set(files_below(tmp_path)) <= {"file", "salesmap_latest.db.lock"}


def test_paths_and_pace_come_from_the_environment_and_decisions_do_not(tmp_path: Path) -> None:
    """SALESMAP_<NAME> gives paths and pace; resume, tags and permissions are typed each time."""
    with ServedSandbox(tmp_path) as server:
        code, _, err = cli(
            tmp_path,
            "run",
            SALESMAP_DB_PATH="from env.db",
            SALESMAP_LOG_DIR="env logs",
            SALESMAP_CHECKPOINT_DIR="env checkpoints",
            SALESMAP_BACKUP_DIR="env backups",
            SALESMAP_MIN_INTERVAL="0",
            SALESMAP_RUN_TAG="ignored",
            SALESMAP_RESUME="1",
            SALESMAP_WEBFORM_ONLY="1",
            SALESMAP_SANDBOX="1",
            **env_of(server),
        )
    assert (code, err.count("WARNING run")) == (0, 0)
    assert rows_of(tmp_path / "from env.db", "people")
    (published,) = [
        line
        for line in history_lines(tmp_path / "env logs" / "run_history.jsonl")
        if line["status"] == "published"
    ]
    assert (published["kind"], published["run_tag"] == "ignored") == ("full", False)
    assert (tmp_path / "env checkpoints").is_dir()


@POSIX
@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_stops_in_order_and_the_printed_command_goes_on(
    tmp_path: Path, number: signal.Signals, code: int
) -> None:
    """Exit 130 or 143, old DB untouched, and the command on the screen finishes the run."""
    with ServedSandbox(tmp_path, "--latency", "0.05") as server:
        process = start(tmp_path, "run", "--run-tag", "t", *QUICK, "--concurrency", "2",
                        **env_of(server))  # fmt: skip
        server.wait_for(8)
        process.send_signal(number)
        stopped, out, err = finish(process)
        assert (stopped, out) == (code, "")
        assert not (tmp_path / "salesmap_latest.db").exists()
        command = shlex.split(err.strip().splitlines()[-1].split("Next: ")[1])
        assert command[:6] == ["python", "-m", "salesmap_async", "run", "--resume-run-tag", "t"]
        resumed, out, err = cli(tmp_path, *command[3:], **env_of(server))
        assert (resumed, "Snapshot t" in out) == (0, True)
        code_new, _, _ = cli(tmp_path, "run", *QUICK, "--db-path", "new.db", **env_of(server))
        assert code_new == 0
    assert table_hashes(tmp_path / "salesmap_latest.db") == table_hashes(tmp_path / "new.db")
    statuses = [x["status"] for x in history_lines(tmp_path / "logs" / "run_history.jsonl")][:4]
    assert statuses == ["started", "interrupted", "started", "published"]


@POSIX
def test_a_signal_ends_a_long_wait_at_once(tmp_path: Path) -> None:
    """While the gate is closed for ten minutes, Ctrl-C does not wait for it."""
    faults = tmp_path / "faults.json"
    faults.write_text(
        '[{"action": "429", "path": "/people", "flavour": "retry_after", "seconds": 500}]'
    )
    with ServedSandbox(tmp_path, "--faults", str(faults)) as server:
        process = start(tmp_path, "run", *QUICK, **env_of(server))
        assert process.stderr is not None
        said = ""
        while "429: waiting" not in said:
            said = process.stderr.readline()
            assert said, "the run ended before the gate closed"
        process.send_signal(signal.SIGINT)
        code, _, err = finish(process)
    assert code == 130
    assert "--resume-run-tag" in err


@POSIX
def test_two_signals_while_a_request_hangs_end_in_order(tmp_path: Path) -> None:
    """The second signal cancels what the first one still waits for: no traceback, resumable."""
    faults = tmp_path / "faults.json"
    faults.write_text('[{"action": "hang", "path": "/people", "nth": 2}]')
    with ServedSandbox(tmp_path, "--faults", str(faults)) as server:
        process = start(tmp_path, "run", "--run-tag", "t", *QUICK, **env_of(server))
        server.wait_for(10)
        process.send_signal(signal.SIGINT)
        process.send_signal(signal.SIGTERM)
        code, _, err = finish(process)
        assert code in (130, 143)
        assert "Traceback" not in err
        assert "--resume-run-tag t" in err
        # Where the stop came before the request that hangs, the resumed run meets it.
        again = ("run", "--resume-run-tag", "t", "--request-timeout", "5")
        resumed, _, _ = cli(tmp_path, *again, *QUICK, **env_of(server))
        assert resumed == 0


async def test_output_survives_a_terminal_that_cannot_show_it(tmp_path: Path) -> None:
    """A cp949 or ASCII console gets question marks, not a crash."""
    for encoding in ("cp949", "ascii"):
        code, out, err = cli(
            tmp_path, "run", "--sandbox", "--min-interval", "0.105", "--only", "webform,team",
            PYTHONIOENCODING=encoding,
        )  # fmt: skip
        assert (code, "Traceback" in err) == (0, False)
        assert "Snapshot" in out


def test_quiet_prints_only_the_summary_and_verbose_every_checkpoint(tmp_path: Path) -> None:
    """--quiet leaves standard error empty; -v tells each commit."""
    with ServedSandbox(tmp_path) as server:
        code, out, err = cli(tmp_path, "run", "--quiet", *QUICK, **env_of(server))
        assert (code, err) == (0, "")
        assert "Snapshot" in out
        code, _, err = cli(tmp_path, "run", "-v", *QUICK, **env_of(server))
        assert (code, "checkpoint: " in err, "workspace " in err) == (0, True, True)


def test_bars_on_demand_show_every_table(tmp_path: Path) -> None:
    """--progress draws a bar per table even when nobody looks."""
    with ServedSandbox(tmp_path) as server:
        code, _, err = cli(tmp_path, "run", "--progress", *QUICK, **env_of(server))
    assert code == 0
    for table in ("people", "memo", "webform_history"):
        assert table in err


def test_a_failed_run_says_what_is_safe_and_what_to_type(tmp_path: Path) -> None:
    """Exit 1 names the table and the cause, the unchanged DB, the log and the next command."""
    faults = tmp_path / "faults.json"
    faults.write_text('[{"action": "success_false", "path": "/memo", "nth": 2, "times": 9}]')
    with ServedSandbox(tmp_path, "--faults", str(faults)) as server:
        code, out, err = cli(
            tmp_path,
            "run",
            "--db-path",
            "my crm.db",
            *QUICK,
            "--max-retries",
            "1",
            **env_of(server),
        )
        assert (code, out) == (1, "")
        paragraph = err.strip().splitlines()[-1]
        for words in ("memo", "does not say success", "is as it was", "kept in", "Log: ", "Next: "):
            assert words in paragraph
        command = shlex.split(paragraph.split("Next: ")[1])
        faults_gone, _, _ = cli(tmp_path, *command[3:], "--max-retries", "9", **env_of(server))
        assert faults_gone == 0
    assert rows_of(tmp_path / "my crm.db", "memo")


async def test_the_sandbox_run_resumes_though_its_port_changes(tmp_path: Path) -> None:
    """The sandbox is the same workspace each time: its runs resume by workspace id."""
    process = start(tmp_path, "run", "--sandbox", "--run-tag", "t")
    history = tmp_path / "logs" / "checkpoints" / "t" / "checkpoint.json"
    ends_at = time.monotonic() + LIMIT_S
    while not history.exists() and time.monotonic() < ends_at:
        time.sleep(0.01)  # bounded polling for the run's first checkpoint
    process.send_signal(signal.SIGTERM)
    _, _, err = finish(process)
    command = shlex.split(err.strip().splitlines()[-1].split("Next: ")[1])
    code, out, _ = cli(tmp_path, *command[3:], "--min-interval", "0.105")
    assert (code, "Snapshot t" in out) == (0, True)


def test_files_of_a_run_are_for_their_user_alone(tmp_path: Path) -> None:
    """Customer data: databases, logs and checkpoints are made 0600, folders 0700."""
    if os.name == "nt":
        pytest.skip("POSIX modes; on Windows the user folder's ACL counts")
    with ServedSandbox(tmp_path) as server:
        for _ in range(2):
            assert cli(tmp_path, "run", *QUICK, **env_of(server))[0] == 0
    for path in tmp_path.rglob("*"):
        if path.name != "arrivals.jsonl":
            assert path.stat().st_mode & 0o077 == 0, path


async def test_a_pythons_own_use_of_the_library(tmp_path: Path, make_settings: Any) -> None:
    """`take_snapshot` is the same run for notebooks and schedulers."""
    from salesmap_async import take_snapshot

    fault = Fault(action="status", status=500, path="/people")
    async with Sandbox(Workspace.generate(records=200, forms=1), faults=[fault]) as sandbox:
        report = await take_snapshot(make_settings(sandbox))
    assert (report.traffic.retries, report.traffic.requests > 10) == (1, True)


@POSIX
@pytest.mark.parametrize(
    ("redirection", "shown"),
    [
        *((each, "--progress") for each in ("2>&1 | head -1", "2>/dev/full", ">/dev/full 2>&1")),
        *((each, "-v") for each in ("2>&1 | head -1", "2>&-")),
        *((each, "--no-progress") for each in ("| true", ">/dev/full", ">&-")),
    ],
)
def test_output_that_nobody_reads_does_not_change_the_run(
    tmp_path: Path, redirection: str, shown: str
) -> None:
    """A closed pipe, a full device or no terminal at all: published all the same, and exit 0."""
    with ServedSandbox(tmp_path) as server:
        command = shlex.join([sys.executable, "-m", "salesmap_async", "run", shown, *QUICK])
        result = subprocess.run(
            ["bash", "-c", f"set -o pipefail; {command} {redirection}; exit $?"],
            cwd=tmp_path,
            env=environment(**env_of(server)),
            capture_output=True,
            timeout=LIMIT_S,
            check=False,
        )
    lines = history_lines(tmp_path / "logs" / "run_history.jsonl")
    assert [line["status"] for line in lines] == ["started", "published"]
    assert result.returncode == 0
    assert b"Traceback" not in result.stderr


@POSIX
@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_while_the_program_is_imported_ends_it_in_order(number: int, code: int) -> None:
    """One line and the documented exit code; nothing has begun."""
    script = (
        "import os, signal; from salesmap_async.first_moments import end_quietly_on_signals\n"
        f"end_quietly_on_signals(); os.kill(os.getpid(), {int(number)}); signal.pause()"
    )
    ended = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, timeout=LIMIT_S, check=False
    )
    assert ended.returncode == code
    assert ended.stderr == b"salesmap-async: stopped; nothing was touched.\n"


def test_signals_are_caught_before_anything_large_is_imported() -> None:
    """What stands above that line in `__main__`, the package's own import too, is small."""
    script = "import sys, salesmap_async.first_moments; print(*sys.modules)"
    ended = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    assert not {"aiohttp", "click", "rich", "sqlite3", "asyncio"} & set(ended.stdout.split())


def test_after_the_summary_no_signal_changes_the_end() -> None:
    """What is published is published: a late Ctrl-C does not call it stopped."""
    script = (
        "import os, signal; from salesmap_async.cli.signals import ignore_signals\n"
        "ignore_signals()\n"
        "for number in (signal.SIGTERM, signal.SIGINT): os.kill(os.getpid(), number)"
    )
    assert subprocess.run([sys.executable, "-c", script], check=False).returncode == 0
