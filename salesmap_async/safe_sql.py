"""Runs SQL that somebody else wrote over a snapshot: it can read, and nothing else.

Four locks, each enough for what it is about: the file is opened read-only (`mode=ro`), the
connection refuses to write (`query_only`), an authorizer allows reading tables and calling harmless
functions alone (no ATTACH, no PRAGMA, no extension, no temporary table), and limits end what would
take too long or too much: seconds, length of the statement, of a value, and of the whole result.
"""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from salesmap_async.errors import UsageError
from salesmap_async.sqlite_file import is_locked, opened

_ALLOWED = frozenset(
    {sqlite3.SQLITE_SELECT, sqlite3.SQLITE_READ, sqlite3.SQLITE_FUNCTION, sqlite3.SQLITE_RECURSIVE}
)
_FORBIDDEN_FUNCTIONS = frozenset(
    {"load_extension", "readfile", "writefile", "edit", "fts3_tokenizer", "sqlite_log"}
)
_INSTRUCTIONS_BETWEEN_LOOKS = 20_000
_MOST_ATTACHED = 0


class SqlRefusedError(UsageError):
    """A statement that is not to be run, or that has reached a limit."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SqlLimits:
    """What one statement may take. None: no limit of its own."""

    time_s: float = 60.0
    statement_chars: int = 100_000
    value_bytes: int = 64 * 2**20
    rows: int | None = None
    result_bytes: int | None = None


@dataclass(frozen=True, slots=True)
class Result:
    """Columns and, one by one, rows. Reading them raises SqlRefusedError at a limit."""

    columns: tuple[str, ...]
    rows: Iterator[tuple[Any, ...]]


@contextmanager
def reading_safely(path: Path, limits: SqlLimits | None = None) -> Iterator[SafeReader]:
    """Open a snapshot for foreign SQL; all statements of the block see one state of it.

    Raises SqlRefusedError where it cannot be opened.
    """
    limits = limits or SqlLimits()
    try:
        with opened(path, "ro") as connection:
            _lock(connection, limits)
            yield SafeReader(connection, limits)
    except sqlite3.Error as error:
        raise SqlRefusedError(f"{path} cannot be read: {error}") from error


class SafeReader:
    """Runs statements over the open snapshot."""

    def __init__(self, connection: sqlite3.Connection, limits: SqlLimits) -> None:
        self._connection = connection
        self._limits = limits

    def run(self, statement: str) -> Result:
        """Run one statement that reads. Raises SqlRefusedError, saying what is wrong with it."""
        if len(statement) > self._limits.statement_chars:
            raise SqlRefusedError(
                f"the statement is longer than {self._limits.statement_chars:,} characters"
            )
        ends_at = time.monotonic() + self._limits.time_s
        self._connection.set_progress_handler(
            lambda: time.monotonic() > ends_at, _INSTRUCTIONS_BETWEEN_LOOKS
        )
        with self._explained():
            cursor = self._connection.execute(statement)
        if cursor.description is None:
            raise SqlRefusedError("the statement gives no rows; one SELECT is what can be run")
        return Result(tuple(column[0] for column in cursor.description), self._rows(cursor))

    def _rows(self, cursor: sqlite3.Cursor) -> Iterator[tuple[Any, ...]]:
        size = 0
        with self._explained():
            for number, row in enumerate(cursor, start=1):
                if self._limits.rows is not None and number > self._limits.rows:
                    raise SqlRefusedError(
                        f"the result has more than {self._limits.rows:,} rows",
                        cure="add LIMIT, or count and sum",
                    )
                size += _size_of(row)
                if self._limits.result_bytes is not None and size > self._limits.result_bytes:
                    raise SqlRefusedError(
                        f"the result is larger than {self._limits.result_bytes:,} bytes",
                        cure="name fewer columns, or add LIMIT",
                    )
                yield row

    @contextmanager
    def _explained(self) -> Iterator[None]:
        try:
            yield
        except (sqlite3.Error, sqlite3.Warning, ValueError, UnicodeError) as error:
            raise SqlRefusedError(*self._why(error)) from None

    def _why(self, error: Exception) -> tuple[str]:
        code = getattr(error, "sqlite_errorcode", None)
        if code == sqlite3.SQLITE_INTERRUPT:
            return (f"the statement took longer than {self._limits.time_s:g} s and was stopped",)
        if code == sqlite3.SQLITE_AUTH or code == sqlite3.SQLITE_READONLY:
            return (f"the statement may only read: {error}",)
        if code == sqlite3.SQLITE_TOOBIG:
            return ("the statement makes a value that is too large",)
        if isinstance(error, sqlite3.Error) and is_locked(error):
            return ("the snapshot is locked by another program; try again",)
        return (f"the statement cannot be run: {error}",)


def _lock(connection: sqlite3.Connection, limits: SqlLimits) -> None:
    connection.execute("PRAGMA query_only = ON")
    connection.execute("PRAGMA trusted_schema = OFF")
    for limit, value in (
        (sqlite3.SQLITE_LIMIT_ATTACHED, _MOST_ATTACHED),
        (sqlite3.SQLITE_LIMIT_LENGTH, limits.value_bytes),
        (sqlite3.SQLITE_LIMIT_LIKE_PATTERN_LENGTH, 1_000),
        (sqlite3.SQLITE_LIMIT_WORKER_THREADS, 0),
    ):
        connection.setlimit(limit, value)
    connection.execute("BEGIN")
    connection.execute("SELECT 1 FROM sqlite_master LIMIT 1").fetchone()
    connection.set_authorizer(_authorize)


def _authorize(action: int, one: str | None, two: str | None, *_: str | None) -> int:
    if action not in _ALLOWED:
        return sqlite3.SQLITE_DENY
    if action == sqlite3.SQLITE_FUNCTION and (two or "").lower() in _FORBIDDEN_FUNCTIONS:
        return sqlite3.SQLITE_DENY
    return sqlite3.SQLITE_OK


def _size_of(row: Sequence[Any]) -> int:
    return sum(len(each) if isinstance(each, str | bytes) else 8 for each in row)
