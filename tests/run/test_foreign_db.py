"""What lies at the final path and was not written by a run: refused, kept, or named."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from salesmap_async.errors import UsageError
from salesmap_async.events import Warned
from salesmap_async.sandbox import Sandbox, Workspace
from tests.support.runs import Events

Snapshot = Callable[..., Any]


def script(path: Path, sql: str) -> Path:
    with closing(sqlite3.connect(path)) as connection:
        connection.executescript(sql)
    return path


def small() -> Sandbox:
    return Sandbox(Workspace.generate(records=200, forms=1), quota=False)


def names_in(path: Path) -> set[str]:
    with closing(sqlite3.connect(path)) as connection:
        return {name for (name,) in connection.execute("SELECT name FROM sqlite_master")}


@pytest.mark.parametrize(
    "sql", ["CREATE TABLE invoices (id)", "CREATE TABLE a (x); CREATE VIEW v AS SELECT 1"]
)
async def test_a_database_that_is_no_snapshot_is_refused(
    snapshot: Snapshot, tmp_path: Path, sql: str
) -> None:
    """Nothing is asked, nothing is touched; the error names what it found."""
    path = script(tmp_path / "final.db", sql)
    before = path.read_bytes()
    async with small() as sandbox:
        with pytest.raises(UsageError, match="no Salesmap snapshot"):
            await snapshot(sandbox)
        assert not sandbox.arrivals
    assert path.read_bytes() == before


@pytest.mark.parametrize("empty", [b"", None])
async def test_an_empty_file_or_database_is_no_obstacle(
    snapshot: Snapshot, tmp_path: Path, empty: bytes | None
) -> None:
    """Containers mount an empty file; a database without tables is as good as one."""
    path = tmp_path / "final.db"
    if empty is None:
        script(path, "CREATE TABLE t (x); DROP TABLE t;")
    else:
        path.write_bytes(empty)
    async with small() as sandbox:
        await snapshot(sandbox)
    assert "people" in names_in(path)


async def test_another_tool_s_snapshot_is_backed_up_whatever_is_said(
    snapshot: Snapshot, tmp_path: Path
) -> None:
    """--no-backup is for what a run can make again."""
    script(
        tmp_path / "final.db", "CREATE TABLE people (id, note); INSERT INTO people VALUES (1, 'x')"
    )
    async with small() as sandbox:
        report = await snapshot(sandbox, no_backup=True)
        assert names_in(report.paths.backup_db) == {"people"}
        report = await snapshot(sandbox, no_backup=True)
    assert not report.paths.backup_db.exists()


async def test_what_others_made_in_the_final_db_is_named_and_stays_in_the_backup(
    snapshot: Snapshot, events: Events, tmp_path: Path
) -> None:
    """Views, tables and indexes; the run's own are not among them."""
    async with small() as sandbox:
        await snapshot(sandbox)
        script(
            tmp_path / "final.db",
            "CREATE VIEW big AS SELECT * FROM deal; CREATE TABLE notes (x);"
            " CREATE INDEX by_name ON people (id);",
        )
        report = await snapshot(sandbox, no_backup=True)
        [warned] = [e.text for e in events.of(Warned) if "will not make" in e.text]
        assert "index by_name, table notes, view big" in warned
        assert {"big", "notes", "by_name"} <= names_in(report.paths.backup_db)
        await snapshot(sandbox)
    assert sum("will not make" in each.text for each in events.of(Warned)) == 1
