"""Foreign SQL over a snapshot: it reads, and nothing that it tries does anything else."""

from __future__ import annotations

import hashlib
import sqlite3
from pathlib import Path

import pytest

from salesmap_async import safe_sql
from salesmap_async.safe_sql import SqlLimits, SqlRefusedError, reading_safely
from tests.support.small_snapshots import snapshot

HOSTILE = (
    "INSERT INTO deal (id) VALUES ('x')",
    "REPLACE INTO deal (id) VALUES ('x')",
    "UPDATE deal SET id = 'x'",
    "DELETE FROM deal",
    "DELETE FROM deal RETURNING id",
    "WITH gone AS (SELECT id FROM deal) DELETE FROM deal WHERE id IN gone",
    "WITH x AS (SELECT 1) INSERT INTO deal SELECT * FROM x",
    "CREATE TABLE mine (a)",
    "CREATE TEMP TABLE mine AS SELECT * FROM deal",
    "CREATE VIEW mine AS SELECT 1",
    "CREATE INDEX mine ON deal (id)",
    "CREATE TRIGGER mine AFTER INSERT ON deal BEGIN SELECT 1; END",
    "CREATE VIRTUAL TABLE mine USING fts5(a)",
    "DROP TABLE deal",
    "ALTER TABLE deal RENAME TO gone",
    "ATTACH '/tmp/other.db' AS other",
    "DETACH main",
    "PRAGMA query_only = OFF",
    "PRAGMA writable_schema = ON",
    "PRAGMA journal_mode = WAL",
    "PRAGMA table_info(deal)",
    "SELECT * FROM pragma_table_info('deal')",
    "VACUUM",
    "VACUUM INTO '/tmp/copy.db'",
    "REINDEX",
    "ANALYZE",
    "BEGIN",
    "COMMIT",
    "SAVEPOINT a",
    "SELECT load_extension('/tmp/evil')",
    "SELECT writefile('/tmp/x', 'y')",
    "SELECT readfile('/etc/passwd')",
    "SELECT fts3_tokenizer('simple')",
    "SELECT 1; DROP TABLE deal",
    "SELECT 1; SELECT 2",
    "",
    "-- nothing",
    "SELECT 1 FROM nowhere",
    "SELECT \x00 1",
    "SELECT zeroblob(1000000000)",
    "SELECT group_concat(a.id || hex(randomblob(5000000))) FROM deal a, deal b, deal c",
    "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT max(i) FROM n",
    "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT i FROM n ORDER BY i",
    "SELECT " + "(" * 2000 + "1" + ")" * 2000,
    "SELECT '" + "x" * 100_001 + "'",
    "SELECT '\ud800'",
)


@pytest.fixture
def db(tmp_path: Path) -> Path:
    return snapshot(tmp_path / "a.db", "run", 5)


@pytest.mark.parametrize("statement", HOSTILE, ids=lambda each: each[:40].replace("\x00", "NUL"))
def test_hostile_statements_are_refused_and_change_nothing(db: Path, statement: str) -> None:
    """Each with one line that says why; the file, and what lies beside it, is the same."""
    before = hashlib.sha256(db.read_bytes()).hexdigest()
    with (
        pytest.raises(SqlRefusedError) as refused,
        reading_safely(db, SqlLimits(time_s=0.3)) as reader,
    ):
        list(reader.run(statement).rows)
    assert "\n" not in str(refused.value).strip()
    assert hashlib.sha256(db.read_bytes()).hexdigest() == before
    assert [each.name for each in db.parent.iterdir()] == ["a.db"]


@pytest.mark.parametrize(
    "statement",
    [each for each in HOSTILE if each.split(" ")[0] in ("INSERT", "DELETE", "CREATE", "DROP")],
)
def test_the_connection_itself_refuses_to_write(db: Path, statement: str) -> None:
    """Without the authorizer too, and where the file could be written to (`query_only`)."""
    with sqlite3.connect(db) as connection:
        safe_sql._lock(connection, SqlLimits())
        connection.set_authorizer(None)
        with pytest.raises(sqlite3.OperationalError, match="readonly"):
            connection.execute(statement)
    connection.close()


def test_reading_is_allowed(db: Path) -> None:
    """Joins, common table expressions, window functions, JSON: the statement of an analyst."""
    statement = """
        WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 3)
        SELECT n.i AS 번호, count(*) AS "딜 수", json_array(max(deal.id)),
               row_number() OVER (ORDER BY n.i)
        FROM n CROSS JOIN deal GROUP BY n.i
    """
    with reading_safely(db) as reader:
        result = reader.run(statement)
        assert result.columns[:2] == ("번호", "딜 수")
        assert [row[:2] for row in result.rows] == [(1, 5), (2, 5), (3, 5)]
        assert list(reader.run("EXPLAIN QUERY PLAN SELECT * FROM deal").rows)


def test_limits_of_rows_and_bytes(db: Path) -> None:
    """What is larger is refused where it becomes so, with what to do."""
    with reading_safely(db, SqlLimits(rows=4)) as reader:
        with pytest.raises(SqlRefusedError, match="more than 4 rows") as refused:
            list(reader.run("SELECT * FROM deal").rows)
        assert "LIMIT" in refused.value.cure
        assert len(list(reader.run("SELECT * FROM deal LIMIT 4").rows)) == 4
    with (
        reading_safely(db, SqlLimits(result_bytes=100)) as reader,
        pytest.raises(SqlRefusedError, match="larger than 100 bytes"),
    ):
        list(reader.run("SELECT hex(zeroblob(40)) FROM deal").rows)


def test_a_file_that_is_none_is_refused(tmp_path: Path) -> None:
    """Missing, or not a database."""
    (tmp_path / "text.db").write_text("no database" * 100)
    for name in ("none.db", "text.db"):
        with (
            pytest.raises(SqlRefusedError, match="cannot be read"),
            reading_safely(tmp_path / name),
        ):
            raise AssertionError("it was opened")
