"""A small snapshot whose rows name their run, and second processes that have it open."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from salesmap_async.sqlite_file import uri_of

OLD_ROWS, NEW_ROWS = 1_000, 3_000

OLD_ROWS, NEW_ROWS = 1_000, 3_000


def snapshot(path: Path, run_tag: str, rows: int, *, journal_mode: str = "DELETE") -> Path:
    """Write a small snapshot: one table of equal rows and its run_info."""
    with closing(sqlite3.connect(path)) as connection:
        connection.execute(f"PRAGMA journal_mode = {journal_mode}").fetchall()
        connection.execute("CREATE TABLE deal (id TEXT PRIMARY KEY, tag TEXT)")
        connection.executemany(
            "INSERT INTO deal VALUES (?, ?)", [(f"{number:08}", run_tag) for number in range(rows)]
        )
        connection.execute("CREATE TABLE run_info (run_tag TEXT)")
        connection.execute("INSERT INTO run_info VALUES (?)", (run_tag,))
        connection.commit()
    return path


def content(path: Path) -> tuple[str, int]:
    """Return (run tag, rows) as a reader sees them, all rows being of that run."""
    with closing(sqlite3.connect(uri_of(path, "ro"), uri=True)) as connection:
        (tag,) = connection.execute("SELECT run_tag FROM run_info").fetchone()
        tags = connection.execute("SELECT tag, count(*) FROM deal GROUP BY tag").fetchall()
        assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    assert [each for each, _ in tags] == [tag]
    return tag, tags[0][1]


OLD, NEW = ("old", OLD_ROWS), ("new", NEW_ROWS)

VIEWER = """
import sqlite3, sys
path, what = sys.argv[1:]
connection = sqlite3.connect(path, isolation_level=None)
connection.execute("SELECT count(*) FROM deal").fetchone()
if what == "read transaction":
    connection.execute("BEGIN")
    connection.execute("SELECT count(*) FROM deal").fetchone()
if what == "half-read cursor":
    cursor = connection.execute("SELECT * FROM deal")
    cursor.fetchone()
if what == "small writer":
    connection.execute("BEGIN IMMEDIATE")
    connection.execute("UPDATE deal SET tag = 'half' WHERE id = '00000001'")
if what == "writer":
    connection.execute("PRAGMA cache_size = 1")
    connection.execute("BEGIN IMMEDIATE")
    connection.execute("UPDATE deal SET tag = 'half'")
print("ready", flush=True)
sys.stdin.readline()
if what == "crash":
    import os
    os._exit(1)
if connection.in_transaction:
    connection.rollback()
connection.close()
"""


@contextmanager
def viewer(path: Path, what: str) -> Iterator[subprocess.Popen[str]]:
    """Run a second process that uses the DB; it is there when this yields."""
    with subprocess.Popen(
        [sys.executable, "-c", VIEWER, str(path), what],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        yield process
        if process.poll() is None:
            process.stdin.write("\n")
