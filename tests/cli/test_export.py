"""The command `export`: what it prints, what it refuses, and where it leads on."""

from __future__ import annotations

import json
import shlex
import signal
import sqlite3
import subprocess
import sys
import time
from contextlib import closing
from pathlib import Path

import pytest

from tests.support.cli_process import POSIX, cli, environment, finish, no_process_is_left, start
from tests.support.export_db import hostile_snapshot

__all__ = ["no_process_is_left"]


@pytest.fixture
def here(tmp_path: Path) -> Path:
    hostile_snapshot(tmp_path)
    return tmp_path


def test_names_rows_and_losses_are_told(here: Path) -> None:
    """The default name holds DB and run; what the format could not hold stands below."""
    code, out, err = cli(here, "export", "--db-path", "crm.db", "--format", "csv")
    assert (code, err) == (0, "")
    assert out.startswith("Exported crm_t1_csv: ")
    assert "  deal: 35 rows" in out
    assert "Not held as it is: " in out
    assert (here / "crm_t1_csv" / "people.csv").is_file()
    code, _, err = cli(here, "export", "--db-path", "crm.db", "--format", "csv")
    assert (code, "is there already" in err, "--force" in err) == (2, True, True)


def test_sql_without_a_format_is_a_table(here: Path) -> None:
    """The answer where there is no sqlite3 program; with one it is a file."""
    sql = 'SELECT count(*) AS "딜 수", max("정수") FROM deal'
    code, out, _ = cli(here, "export", "--db-path", "crm.db", "--sql", sql)
    assert code == 0
    assert "딜 수" in out.splitlines()[0]
    assert out.splitlines()[-1] == "(1 rows)"
    for hostile in ("DELETE FROM deal", "ATTACH 'x.db' AS x", "SELECT 1; SELECT 2", "nonsense"):
        code, _, err = cli(here, "export", "--db-path", "crm.db", "--sql", hostile)
        assert (code, "statement" in err) == (2, True)
    assert not (here / "x.db").exists()


def test_standard_output_has_the_data_alone(here: Path) -> None:
    """Singer messages for a target, or one table; what is told goes to the other stream."""
    code, out, err = cli(here, "export", "--db-path", "crm.db", "--format", "singer", "--out", "-")
    kinds = [json.loads(line)["type"] for line in out.split("\n")[:-1]]
    assert (code, kinds[0], kinds[-1]) == (0, "SCHEMA", "STATE")
    assert err.startswith("Exported ")
    code, _, err = cli(here, "export", "--db-path", "crm.db", "--format", "csv", "--out", "-")
    assert (code, "takes one table" in err) == (2, True)
    code, out, _ = cli(
        here,
        "export",
        "--db-path",
        "crm.db",
        "--format",
        "jsonl",
        "--out",
        "-",
        "--table",
        "people",
    )
    assert [json.loads(line)["id"] for line in out.splitlines()] == ["p1", "p2"]


def test_wrong_wishes_are_refused_in_words(here: Path) -> None:
    """Each in one line, exit code 2, with nothing written."""
    for words, said in (
        ((), "--format is missing"),
        (("--format", "csv", "--table", "nowhere"), "there is no table nowhere"),
        (("--format", "csv", "--partition"), "--format parquet"),
        (("--format", "csv", "--sql", "SELECT 1", "--table", "deal"), "exclude each other"),
        (("--format", "xlsx", "--out", "-"), "cannot go to standard output"),
        (("--format", "csv", "--from", "20200101_000000"), "no backup"),
    ):
        code, _, err = cli(here, "export", "--db-path", "crm.db", *words)
        assert (code, said in err) == (2, True), (words, err)
    code, _, err = cli(here, "export", "--format", "csv")
    assert (code, "Take one first. Next: python -m salesmap_async run" in err) == (2, True)
    assert sorted(each.name for each in here.iterdir()) == ["crm.db", "work of built.db"]


def test_a_backup_is_exported_by_its_run(here: Path) -> None:
    """Or by its file."""
    (here / "backups").mkdir()
    (here / "crm.db").rename(here / "backups" / "crm_before_20260102_000000.db")
    with closing(sqlite3.connect(here / "crm.db")) as connection, connection:
        connection.execute("CREATE TABLE deal (id TEXT)")
        connection.execute("CREATE TABLE run_info (run_tag TEXT)")
        connection.execute("INSERT INTO run_info VALUES ('t2')")
    for wanted in ("t1", "backups/crm_before_20260102_000000.db"):
        code, out, err = cli(
            here, "export", "--db-path", "crm.db", "--format", "jsonl", "--from", wanted, "--force"
        )
        assert (code, "deal: 35 rows" in out) == (0, True), err


@POSIX
def test_ctrl_c_leaves_nothing_half(here: Path) -> None:
    """Neither a file nor a folder; exit code 130."""
    with closing(sqlite3.connect(here / "crm.db")) as connection, connection:
        connection.execute(
            "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 150000)"
            " INSERT INTO deal (id, \"글\") SELECT 'x' || i, 'text' FROM n"
        )
    process = start(here, "export", "--db-path", "crm.db", "--format", "xlsx", "--table", "deal")
    while not list(here.glob(".*.part*")) and process.poll() is None:
        time.sleep(0.001)  # polling another process, until it has begun or ended
    process.send_signal(signal.SIGINT)
    code, _, err = finish(process)
    assert (code, "nothing of the export is left" in err) == (130, True)
    assert sorted(each.name for each in here.iterdir()) == ["crm.db", "work of built.db"]


@POSIX
@pytest.mark.parametrize("words", [("--format", "jsonl"), ("--format", "singer", "--out", "-")])
def test_an_output_that_nobody_reads_changes_no_exit_code(
    here: Path, words: tuple[str, ...]
) -> None:
    """What is written is written; who has read enough of a stream has it."""
    process = start(here, "export", "--db-path", "crm.db", *words)
    assert process.stdout is not None
    process.stdout.close()
    process.stdout = None
    assert process.wait(30) == 0


@POSIX
@pytest.mark.parametrize("format_", ["xlsx", "csv", "jsonl", "parquet", "singer"])
def test_a_file_that_cannot_grow_is_one_line(here: Path, format_: str) -> None:
    """As on a full disk: exit code 1, the same command to try again, and nothing is left."""
    words = [sys.executable, "-m", "salesmap_async", "export", "--db-path", "crm.db"]
    words += ["--format", format_, "--out", "out"]
    done = subprocess.run(
        ["sh", "-c", f"ulimit -f 4; exec {shlex.join(words)}"],
        cwd=here, env=environment(), capture_output=True, encoding="utf-8", check=False,
    )  # fmt: skip
    assert (done.returncode, "Traceback" in done.stderr) == (1, False), done.stderr
    assert "the export cannot be written: " in done.stderr
    again = f"Next: python -m salesmap_async export --db-path crm.db --format {format_}"
    assert again in done.stderr
    assert sorted(each.name for each in here.iterdir()) == ["crm.db", "work of built.db"]


@pytest.mark.parametrize(
    ("missing", "extra", "words"),
    [
        ("xlsxwriter", "excel", ("export", "--db-path", "crm.db", "--format", "xlsx")),
        ("pyarrow", "parquet", ("export", "--db-path", "crm.db", "--format", "parquet")),
        ("xlsxwriter", "excel", ("diff", "crm.db", "crm.db", "--format", "xlsx")),
        ("distributed", "dask", ("fleet", "run", "fleet.toml", "--dask", "tcp://127.0.0.1:1")),
    ],
)
def test_a_missing_extra_is_one_line(
    here: Path, missing: str, extra: str, words: tuple[str, ...]
) -> None:
    """What to install, in a form that can be pasted."""
    (here / "fleet.toml").write_text("[[workspaces]]\nname = 'a'\ntoken_env = 'A'\n")
    program = (
        f"import sys; sys.modules[{missing!r}] = None; sys.argv[0] = 'salesmap-async'\n"
        "from salesmap_async.__main__ import main\nmain()"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, *words],
        cwd=here, env=environment(A="token"), capture_output=True, encoding="utf-8", check=False,
    )  # fmt: skip
    assert done.returncode == 2, done.stderr
    assert f'pip install "salesmap-async[{extra}]"' in done.stderr
    assert f'pip install -e ".[{extra}]"' in done.stderr
    assert "Traceback" not in done.stderr
