"""`--sql-after`: a user's own SQL is in the new snapshot whole, or the run ends before the swap."""

from __future__ import annotations

import sqlite3
from pathlib import Path
from typing import Any

import pytest

from salesmap_async.errors import PublishError, UsageError
from salesmap_async.events import Warned
from salesmap_async.export.source import open_source
from salesmap_async.operate.look import look_at
from salesmap_async.publish.sql_after import read_sql_after
from salesmap_async.run.plan import is_resumable
from tests.support.operate_runs import small_sandbox
from tests.support.runs import Events, Snapshot, table_hashes

GOOD = """
-- a view; "quoted; semicolons" are none
CREATE VIEW won AS SELECT * FROM deal WHERE "상태" = 'Won;';
CREATE INDEX deal_by_state ON deal ("상태");
CREATE VIRTUAL TABLE memo_words USING fts5(words);
INSERT INTO memo_words (rowid, words) SELECT rowid, coalesce(id, '') FROM memo;
CREATE TABLE note (text); INSERT INTO note VALUES ('a;b');
CREATE TRIGGER note_kept AFTER DELETE ON note BEGIN SELECT 1; INSERT INTO note VALUES (1); END;
/* the end */
"""


def sql_file(folder: Path, text: str) -> Path:
    path = folder / "after.sql"
    path.write_text(text, encoding="utf-8")
    return path


def asked(db: Path, sql: str) -> list[Any]:
    connection = sqlite3.connect(db)
    try:
        return connection.execute(sql).fetchall()
    finally:
        connection.close()


async def test_views_indexes_and_full_text_search_are_there(
    snapshot: Snapshot, events: Events, tmp_path: Path
) -> None:
    """Night after night; no warning, no row more, and the data tables as without it."""
    path = sql_file(tmp_path, GOOD)
    async with small_sandbox() as sandbox:
        await snapshot(sandbox, run_tag="plain")
        plain = look_at(tmp_path / "final.db")
        hashes = table_hashes(tmp_path / "final.db")
        for tag in ("first", "second"):
            report = await snapshot(sandbox, run_tag=tag, sql_after=path)
            assert not [each for each in report.warnings if "holds what" in each]
        db = tmp_path / "final.db"
        assert asked(db, "SELECT count(*) FROM memo_words")[0][0] > 0
        assert asked(db, "SELECT count(*) FROM won") == [(0,)]
        assert asked(db, "SELECT text FROM note") == [("a;b",)]
        found = look_at(db)
        assert found is not None
        assert plain is not None
        assert found.rows == plain.rows
        assert {t: h for t, h in table_hashes(db).items() if t in hashes} == hashes
        with open_source(db) as source:
            assert not {"note", "memo_words_data"} & {each.name for each in source.tables}
        await snapshot(sandbox, run_tag="without")
    [warned] = [each.text for each in events.of(Warned) if "will not make" in each.text]
    assert "view won" in warned


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("SELECT 1;\n\nCREATE VIEW x AS SELEC 1;", "line 3: near"),
        ("UPDATE deal SET id = id;", "would change a table of the snapshot"),
        ("DELETE FROM MEMO;", "would change a table of the snapshot"),
        ("INSERT INTO manifest DEFAULT VALUES;", "would change a table"),
        ("DROP TABLE people;", "would change a table of the snapshot"),
        ("ALTER TABLE deal ADD COLUMN x;", "would change a table of the snapshot"),
        ("CREATE TRIGGER t AFTER INSERT ON deal BEGIN SELECT 1; END;", "would change a table"),
        ("CREATE TABLE x (y); COMMIT; INSERT INTO x VALUES (1);", "a transaction of its own"),
        ("ATTACH 'other.db' AS other;", "needs ATTACH"),
        ("PRAGMA journal_mode = WAL;", "PRAGMA"),
        ("PRAGMA writable_schema = 1;", "PRAGMA"),
        ("CREATE TABLE x AS SELECT 1; SELECT * FROM nowhere;", "no such table: nowhere"),
    ],
)
async def test_sql_that_fails_ends_the_run_before_the_swap(
    snapshot: Snapshot, tmp_path: Path, text: str, said: str
) -> None:
    """The final DB is as it was to the byte; corrected, the same run only publishes."""
    path = sql_file(tmp_path, text)
    async with small_sandbox() as sandbox:
        await snapshot(sandbox, run_tag="before")
        before = (tmp_path / "final.db").read_bytes()
        with pytest.raises(PublishError) as failed:
            await snapshot(sandbox, run_tag="run", sql_after=path)
        assert said in str(failed.value)
        assert (tmp_path / "final.db").read_bytes() == before
        assert failed.value.run is not None
        assert is_resumable(failed.value.run)
        assert not (tmp_path / "other.db").exists()
        path.write_text("CREATE VIEW x AS SELECT 1 AS y;", encoding="utf-8")
        requests = len(sandbox.arrivals)
        await snapshot(sandbox, resume_run_tag="run", sql_after=path)
        assert len(sandbox.arrivals) == requests
    assert asked(tmp_path / "final.db", "SELECT y FROM x") == [(1,)]


async def test_a_file_that_cannot_be_used_is_refused_at_the_start(
    snapshot: Snapshot, tmp_path: Path
) -> None:
    """Before anything is asked of the API."""
    for path in (tmp_path / "none.sql", sql_file(tmp_path, "CREATE VIEW x AS SELECT 'open")):
        async with small_sandbox() as sandbox:
            with pytest.raises(UsageError):
                await snapshot(sandbox, sql_after=path)
            assert not sandbox.arrivals


def test_statements_are_told_apart(tmp_path: Path) -> None:
    """A trigger is one; each knows its line; a comment at the end is none that fails."""
    read = read_sql_after(sql_file(tmp_path, GOOD))
    assert [line for line, _ in read.statements] == [2, 4, 5, 6, 7, 7, 8, 9]
    assert read_sql_after(sql_file(tmp_path, " \n")).statements == ()
