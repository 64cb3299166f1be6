"""`status` and `runs`: what each broken run has left, and what to type next."""

from __future__ import annotations

import dataclasses
import shlex
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from salesmap_async import take_snapshot
from salesmap_async.errors import UsageError
from salesmap_async.operate.freshness import too_old
from salesmap_async.operate.leftovers import leftovers_of
from salesmap_async.operate.look import SnapshotFile
from salesmap_async.operate.runs import KILLED, RUNNING, read_runs
from salesmap_async.operate.status import read_status
from salesmap_async.run.history import History
from salesmap_async.run.lock import run_lock
from tests.support.cli_process import (
    POSIX,
    QUICK,
    ServedSandbox,
    cli,
    env_of,
    no_process_is_left,
    start,
)
from tests.support.operate_runs import (
    as_json,
    bytes_below,
    damage,
    kept_aside,
    killed,
    path_flags,
    refused,
    small_sandbox,
    stopped,
    tear_the_history,
)
from tests.support.runs import MakeSettings

__all__ = ["no_process_is_left"]


async def test_before_the_first_run_there_is_nothing_and_nothing_is_made(
    make_settings: MakeSettings, tmp_path: Path
) -> None:
    """An empty folder stays empty, and the next command is `run`."""
    async with small_sandbox() as sandbox:
        found = read_status(make_settings(sandbox))
    assert (found.run, found.final, found.backups, found.checkpoint) == (None, None, (), None)
    assert (found.advice.command, found.advice.arguments) == ("run", ())
    assert list(tmp_path.iterdir()) == []


async def test_a_published_run_has_nothing_left(make_settings: MakeSettings) -> None:
    """Its snapshot is the final DB, its backup is what stood there before."""
    async with small_sandbox() as sandbox:
        settings = make_settings(sandbox)
        await take_snapshot(dataclasses.replace(settings, run_tag="a"))
        await take_snapshot(dataclasses.replace(settings, run_tag="b"))
        found = read_status(settings)
    assert found.run is not None
    assert found.final is not None
    assert found.own_backup is not None
    assert (found.run.run_tag, found.run.status) == ("b", "published")
    assert (found.final.run_tag, found.own_backup.run_tag) == ("b", "a")
    assert found.final.webform_rows
    assert found.leftovers == ()
    assert (found.advice.command, found.advice.arguments) == ("run", ())


async def test_a_stopped_run_goes_on_at_its_cursors(make_settings: MakeSettings) -> None:
    """Each unfinished table shows its pages, rows and cursor; looking changes no row."""
    async with small_sandbox() as sandbox:
        settings = make_settings(sandbox)
        await stopped(settings, "t")
        found = read_status(settings)
    assert found.checkpoint is not None
    assert (found.checkpoint.why_not, found.checkpoint.complete) == ("", False)
    reading = [each for each in found.checkpoint.tables if each.state == "reading" and each.pages]
    assert reading
    assert all(each.cursor and each.rows for each in reading)
    assert found.advice.arguments == ("--resume-run-tag", "t")


async def test_a_run_without_an_end_is_killed_or_running_by_its_lock(
    make_settings: MakeSettings,
) -> None:
    """The lock tells: free, it was killed; held, it is at work, and its work DB is left alone."""
    async with small_sandbox() as sandbox:
        settings = make_settings(sandbox)
        await killed(settings, "t")
    found = read_status(settings)
    assert found.run is not None
    assert (found.run.status, found.advice.arguments) == (KILLED, ("--resume-run-tag", "t"))
    damage(settings.paths("t").work_db)  # whoever opens it will notice
    with run_lock(settings.db_path):
        found = read_status(settings)
    assert found.run is not None
    assert found.checkpoint is not None
    assert (found.run.status, found.advice.command) == (RUNNING, "status")
    assert found.checkpoint.why_not == ""
    assert sum(each.rows for each in found.checkpoint.tables) > 0


async def test_a_kill_after_the_swap_leaves_only_the_rest_to_do(
    make_settings: MakeSettings,
) -> None:
    """The history lacks the published line: a resume that asks nothing completes the run."""
    async with small_sandbox() as sandbox:
        settings = make_settings(sandbox)
        await stopped(settings, "t")
        work = settings.paths("t").work_dir
        half = bytes_below(work)
        await take_snapshot(dataclasses.replace(settings, resume_run_tag="t"))
        history = settings.paths("t").history_file
        history.write_bytes(b"\n".join(history.read_bytes().splitlines()[:-1]) + b"\n")
        for name, data in half.items():
            (work / name).write_bytes(data)
        found = read_status(settings)
    assert found.run is not None
    assert found.final is not None
    assert (found.run.status, found.final.run_tag) == (KILLED, "t")
    assert found.advice.arguments == ("--resume-run-tag", "t")


async def test_a_refused_run_names_allow_shrink(make_settings: MakeSettings) -> None:
    """Exit 4: everything is read, and publishing it is for a person to allow."""
    async with small_sandbox() as sandbox:
        settings = make_settings(sandbox)
        await take_snapshot(settings)
        await refused(settings, sandbox.workspace, "t")
        found = read_status(settings)
    assert found.run is not None
    assert found.checkpoint is not None
    assert (found.run.status, found.checkpoint.complete) == ("refused", True)
    assert found.advice.arguments == ("--resume-run-tag", "t", "--allow-shrink")
    assert "memo" in found.run.error


async def test_a_run_kept_aside_shows_its_copy(
    make_settings: MakeSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Exit 3: the copy beside the final DB is listed, and the resume only publishes."""
    async with small_sandbox() as sandbox:
        settings = make_settings(sandbox)
        await take_snapshot(settings)
        kept_at = await kept_aside(settings, "t", monkeypatch)
        found = read_status(settings)
    assert found.run is not None
    assert found.run.status == "kept_aside"
    assert kept_at in [each.path for each in found.leftovers]
    assert "Close the programs" in found.advice.why
    assert found.advice.arguments == ("--resume-run-tag", "t")


async def test_without_its_work_db_a_run_cannot_go_on(make_settings: MakeSettings) -> None:
    """checkpoint.json alone holds no data: a new run is the next step."""
    async with small_sandbox() as sandbox:
        settings = make_settings(sandbox)
        await stopped(settings, "t")
    settings.paths("t").work_db.unlink()
    found = read_status(settings)
    assert found.checkpoint is not None
    assert "work DB" in found.checkpoint.why_not
    assert (found.advice.command, found.advice.arguments) == ("run", ())


async def test_a_damaged_checkpoint_json_does_not_matter(make_settings: MakeSettings) -> None:
    """The work DB decides; the damage is mentioned."""
    async with small_sandbox() as sandbox:
        settings = make_settings(sandbox)
        await stopped(settings, "t")
    settings.paths("t").checkpoint_json.write_text('{"tables": ')
    found = read_status(settings)
    assert found.checkpoint is not None
    assert (found.checkpoint.mirror_ok, found.checkpoint.why_not) == (False, "")
    assert found.advice.arguments == ("--resume-run-tag", "t")


async def test_a_run_that_was_overtaken_is_not_gone_on_with(make_settings: MakeSettings) -> None:
    """It would put older data over newer."""
    async with small_sandbox() as sandbox:
        settings = make_settings(sandbox)
        await stopped(settings, "old")
        await take_snapshot(dataclasses.replace(settings, run_tag="new"))
    found = read_status(settings, "old")
    assert found.checkpoint is not None
    assert found.checkpoint.superseded
    assert found.advice.arguments == ()


async def test_a_damaged_final_db_is_restored_first(make_settings: MakeSettings) -> None:
    """No run can start over it; with a backup the next command is `restore`."""
    async with small_sandbox() as sandbox:
        settings = make_settings(sandbox)
        await take_snapshot(settings)
        await take_snapshot(settings)
    damage(settings.db_path)
    found = read_status(settings)
    assert found.final is not None
    assert found.final.problem
    assert found.advice.command == "restore"


async def test_an_unknown_tag_is_refused_with_those_known(make_settings: MakeSettings) -> None:
    """Exit 2, and the last runs are named; a tag is never a way out of the folder."""
    async with small_sandbox() as sandbox:
        settings = make_settings(sandbox)
        await take_snapshot(dataclasses.replace(settings, run_tag="a"))
    for tag in ("b", "..", "../../logs"):
        with pytest.raises(UsageError, match="there is no run") as unknown:
            read_status(settings, tag)
        assert "are a" in unknown.value.cure


async def test_a_torn_history_keeps_its_whole_lines(make_settings: MakeSettings) -> None:
    """A torn last line hides nothing but itself, and odd values do not break the list."""
    async with small_sandbox() as sandbox:
        settings = make_settings(sandbox)
        await take_snapshot(dataclasses.replace(settings, run_tag="a"))
        await stopped(settings, "b")
    tear_the_history(settings)
    odd = {"run_tag": "c", "status": "started", "final_db_path": str(settings.db_path)}
    history = History(settings.paths("c").history_file)
    history.append(odd | {"started_at": 7, "tables": [], "pid": "x"})
    a, b, c = reversed(read_runs(settings).runs)
    assert [run.status for run in (a, b, c)] == ["published", "interrupted", KILLED]
    assert a.rows
    assert a.size_bytes == settings.db_path.stat().st_size
    assert (a.requests or 0) > 10
    assert b.rows
    assert (c.started_at, c.pid) == (None, None)


async def test_without_a_history_the_folder_still_tells(make_settings: MakeSettings) -> None:
    """A lost run_history.jsonl does not hide a run that can go on."""
    async with small_sandbox() as sandbox:
        settings = make_settings(sandbox)
        await stopped(settings, "t")
    settings.paths("t").history_file.unlink()
    found = read_status(settings)
    assert found.run is not None
    assert (found.run.run_tag, found.run.status) == ("t", KILLED)
    assert found.advice.arguments == ("--resume-run-tag", "t")


async def test_leftovers_go_by_exact_names(make_settings: MakeSettings, tmp_path: Path) -> None:
    """A file that only looks like a run's is a user's own."""
    async with small_sandbox() as sandbox:
        paths = make_settings(sandbox).paths("t")
    for own in (paths.building_db, paths.sibling_db):
        own.write_bytes(b"1")
    for other in ("final.db.t2.tmp", "final_t_copy.db", "final.db.old"):
        (tmp_path / other).write_bytes(b"1")
    assert {each.path for each in leftovers_of(paths)} == {paths.building_db, paths.sibling_db}


@POSIX
def test_the_command_after_a_real_kill(tmp_path: Path) -> None:
    """SIGKILL: `status` says so, `runs` lists it, and the printed command finishes the run."""
    faults = tmp_path / "faults.json"
    faults.write_text('[{"action": "hang", "path": "/people", "nth": 2}]')
    with ServedSandbox(tmp_path, "--faults", str(faults)) as server:
        process = start(tmp_path, "run", "--run-tag", "t", *QUICK, **env_of(server))
        server.wait_for(12)
        code, out, _ = cli(tmp_path, "status")
        assert (code, "is running" in out) == (0, True)
        process.kill()
        process.wait()
        code, out, err = cli(tmp_path, "status")
        assert (code, err) == (0, "")
        assert "was killed" in out
        assert "resumable" in out
        command = shlex.split(out.strip().splitlines()[-1].removeprefix("Next: "))
        code, out, _ = cli(tmp_path, "runs")
        assert (code, "killed" in out) == (0, True)
        code, out, _ = cli(tmp_path, *command[3:], *QUICK, **env_of(server))
        assert (code, "Snapshot t" in out) == (0, True)
    code, out, _ = cli(tmp_path, "runs", "--json")
    assert [(run["run_tag"], run["status"]) for run in as_json(out)] == [("t", "published")]


async def test_the_command_shows_text_of_the_crm_as_text(
    make_settings: MakeSettings, tmp_path: Path
) -> None:
    """Markup and control characters in an error line neither style, move nor crash anything."""
    async with small_sandbox() as sandbox:
        settings = make_settings(sandbox)
        await stopped(settings, "t")
    History(settings.paths("t").history_file).append(
        {"run_tag": "t", "status": "failed", "final_db_path": str(settings.db_path)}
        | {"error": "[/x] \x1b[31mred [bold]memo"},
    )
    code, out, err = cli(tmp_path, "status", *path_flags(settings))
    assert (code, err) == (0, "")
    assert "[/x]  [31mred [bold]memo" in out


def test_an_unknown_tag_on_the_command_line(tmp_path: Path) -> None:
    """Exit 2 in one line, and nothing is made."""
    code, out, err = cli(tmp_path, "status", "nowhere")
    assert (code, out, len(err.splitlines())) == (2, "", 1)
    assert "there is no run nowhere" in err
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("hours", "problem"),
    [(0, ""), (26, ""), (26.1, "at most 1 d 2 h are wanted"), (999, "41 d 15 h old")],
)
async def test_a_monitor_is_told_when_the_data_is_too_old(
    make_settings: MakeSettings, hours: float, problem: str
) -> None:
    """By the reading of its oldest table, not by the file's time."""
    async with small_sandbox() as sandbox:
        settings = make_settings(sandbox)
        await take_snapshot(settings)
    final = read_status(settings).final
    assert final is not None
    assert final.captured_at is not None
    now = final.captured_at + timedelta(hours=hours)
    assert problem in too_old(final, timedelta(hours=26), now=now)
    assert bool(too_old(final, timedelta(hours=26), now=now)) == bool(problem)


def test_a_monitor_is_told_of_no_snapshot() -> None:
    """And of one that cannot be read, or does not say how old it is."""
    now = datetime.now(UTC)
    assert too_old(None, timedelta(days=1), now=now) == "There is no snapshot"
    look = SnapshotFile(path=Path("x.db"), size_bytes=1, changed_at=now)
    assert "does not say" in too_old(look, timedelta(days=1), now=now)
    broken = dataclasses.replace(look, problem="damaged")
    assert "cannot be read" in too_old(broken, timedelta(days=1), now=now)


async def test_check_is_one_line_and_a_code(make_settings: MakeSettings) -> None:
    """0 where the data is fresh, 1 with the next command where it is not, 2 for a wrong time."""
    async with small_sandbox() as sandbox:
        settings = make_settings(sandbox)
        await take_snapshot(settings)
    flags = path_flags(settings)
    code, said, _ = cli(settings.db_path.parent, "status", "--check", *flags)
    assert (code, said.count("\n"), said[:3]) == (0, 1, "OK:")
    settings.db_path.unlink()
    code, said, _ = cli(settings.db_path.parent, "status", "--check", *flags)
    assert (code, said[:8], "Next: " in said) == (1, "PROBLEM:", True)
    for wrong in ("5x", "0h", "h", "-1h", "1.5h"):
        assert cli(settings.db_path.parent, "status", "--check", "--max-age", wrong)[0] == 2
