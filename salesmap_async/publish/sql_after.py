"""SQL of the user's own, run on the new snapshot before the gate: views, indexes, full-text search.

It runs in one transaction, so that it is there whole or the run ends before the swap (I4). What
the CRM sent stays as it came (I5): the data tables and what the snapshot says of itself may be
read and indexed, not changed. What the SQL made is noted in `run_info.sql_after`.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from salesmap_async.errors import PublishError, UsageError
from salesmap_async.events import Listener, Step
from salesmap_async.files import fsync_file
from salesmap_async.publish.manifest import read_one_row
from salesmap_async.sqlite_file import cure_of, opened, table_names

_STEPS_BETWEEN_LOOKS = 100_000
"""SQLite's virtual machine steps after which it is asked whether to stop."""

_WRITES = {
    sqlite3.SQLITE_INSERT: 0,
    sqlite3.SQLITE_UPDATE: 0,
    sqlite3.SQLITE_DELETE: 0,
    sqlite3.SQLITE_DROP_TABLE: 0,
    sqlite3.SQLITE_ALTER_TABLE: 1,
    sqlite3.SQLITE_CREATE_TRIGGER: 1,
    sqlite3.SQLITE_DROP_INDEX: 1,
}
"""What changes a table -> which argument of the authorizer names that table."""

_REFUSED = frozenset(
    {
        sqlite3.SQLITE_ATTACH,
        sqlite3.SQLITE_DETACH,
        sqlite3.SQLITE_TRANSACTION,
        sqlite3.SQLITE_SAVEPOINT,
    }
)
_PRAGMAS = frozenset({"data_version", "table_info", "table_xinfo", "index_list", "index_info"})
"""They only read; the first is what full-text tables ask for themselves."""


@dataclass(frozen=True, slots=True)
class SqlAfter:
    """The statements of a file, each with the number of the line that it begins on."""

    path: Path
    statements: tuple[tuple[int, str], ...]


def read_sql_after(path: Path) -> SqlAfter:
    """Read the file. Raises UsageError where it cannot be read, or ends within a statement."""
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        why = error.strerror if isinstance(error, OSError) else "it is not UTF-8 text"
        raise UsageError(f"--sql-after {path} cannot be read: {why}") from None
    statements = tuple(_statements(text))
    if statements and not sqlite3.complete_statement(statements[-1][1] + ";"):
        raise UsageError(
            f"--sql-after {path}: the statement on line {statements[-1][0]} has no end",
            cure="end it with ;",
        )
    return SqlAfter(path, statements)


def _statements(text: str) -> Iterator[tuple[int, str]]:
    """Yield every statement; the last one may be a comment, which SQLite takes as none."""
    start = 0
    for at, character in enumerate(text):
        if character == ";" and sqlite3.complete_statement(text[start : at + 1]):
            yield _line(text, start), text[start : at + 1]
            start = at + 1
    if text[start:].strip():
        yield _line(text, start), text[start:]


def _line(text: str, start: int) -> int:
    blank = len(text[start:]) - len(text[start:].lstrip())
    return text.count("\n", 0, start + blank) + 1


def apply_sql_after(
    sql: SqlAfter, building_db: Path, *, tell: Listener, stop: Callable[[], None]
) -> None:
    """Run the statements on the new snapshot. Raises PublishError; nothing of them is there then.

    `stop` raises to end the work.
    """
    tell(Step("sql after", sql.path.name))
    try:
        with opened(building_db, "rw") as connection:
            own = table_names(connection)
            before = _objects(connection)
            connection.execute("BEGIN")
            with _guarded(connection, own, stop):
                for line, statement in sql.statements:
                    _execute(connection, sql.path, line, statement)
            made = [each for each in _objects(connection) if each not in before]
            connection.execute("ALTER TABLE run_info ADD COLUMN sql_after TEXT")
            connection.execute(
                "UPDATE run_info SET sql_after = ?", (json.dumps(made, ensure_ascii=False),)
            )
            connection.execute("COMMIT")
            (verdict,) = connection.execute("PRAGMA integrity_check(1)").fetchone()
        if verdict != "ok":
            raise _failed(sql.path, f"the new snapshot is damaged after it: {verdict}")
        fsync_file(building_db)
    except (sqlite3.Error, OSError) as error:
        cure = cure_of(error) if isinstance(error, sqlite3.Error) else "check the disk"
        raise _failed(sql.path, str(error), cure) from error


def tables_made(connection: sqlite3.Connection, schema: str = "main") -> frozenset[str]:
    """Return the tables that such SQL has made: they are none of the CRM's."""
    info = read_one_row(connection, "run_info", schema=schema)
    made = (each.partition(" ") for each in made_by_sql_after(info))
    return frozenset(name for kind, _, name in made if kind == "table")


def made_by_sql_after(info: Mapping[str, Any]) -> tuple[str, ...]:
    """Return what the row of `run_info` says that such SQL has made, as `view NAME`."""
    try:
        made = json.loads(str(info.get("sql_after") or "[]"))
    except ValueError:
        return ()
    return tuple(map(str, made)) if isinstance(made, list) else ()


def _execute(connection: sqlite3.Connection, path: Path, line: int, statement: str) -> None:
    try:
        connection.execute(statement).fetchall()
    except (sqlite3.Error, sqlite3.Warning) as error:
        raise _failed(path, f"line {line}: {_said(error)}") from error


def _said(error: Exception) -> str:
    if "not authorized" in str(error):
        return (
            "it would change a table of the snapshot, or needs ATTACH, PRAGMA or a transaction of "
            "its own, which it may not"
        )
    return str(error)


def _failed(path: Path, why: str, cure: str = "") -> PublishError:
    return PublishError(
        f"the SQL of {path} failed: {why}; the final DB is unchanged",
        cure=cure or "correct that file, then resume the run, which only publishes",
    )


@contextmanager
def _guarded(
    connection: sqlite3.Connection, tables: Collection[str], stop: Callable[[], None]
) -> Iterator[None]:
    """Let the block change nothing of `tables`, and end it where `stop` raises."""
    names = {table.casefold() for table in tables}
    stopped: list[BaseException] = []

    def allow(action: int, first: str | None, second: str | None, *_: str | None) -> int:
        if action in _REFUSED or (action == sqlite3.SQLITE_PRAGMA and first not in _PRAGMAS):
            return sqlite3.SQLITE_DENY
        at = _WRITES.get(action)
        table = None if at is None else (first, second)[at]
        is_own = table is not None and table.casefold() in names
        return sqlite3.SQLITE_DENY if is_own else sqlite3.SQLITE_OK

    def look() -> int:
        try:
            stop()
        except BaseException as error:
            stopped.append(error)
        return len(stopped)

    connection.set_authorizer(allow)
    connection.set_progress_handler(look, _STEPS_BETWEEN_LOOKS)
    try:
        yield
    except BaseException:
        if stopped:
            raise stopped[0] from None
        raise
    finally:
        connection.set_authorizer(None)
        connection.set_progress_handler(None, 0)


def _objects(connection: sqlite3.Connection) -> list[str]:
    rows = connection.execute("SELECT type, name FROM sqlite_master ORDER BY type, name")
    return [f"{kind} {name}" for kind, name in rows if not name.startswith("sqlite_")]
