"""The published DB, opened for one request: read-only, and closed with its end.

Each run puts a new file in the place of the old one, and web forms alone are renewed inside it. A
request sees one state from its first to its last query: the file it opened, under a read lock.
What is worth remembering (columns, small summaries) belongs to that state of that file and goes
with it. No connection outlives its request, because on Windows it would block the next snapshot.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from threading import Lock, RLock
from typing import Any, TypeVar

from salesmap_async.dashboard.data.columns import ColumnMap, Columns, read_columns
from salesmap_async.dashboard.web.errors import NoDatabaseError, UnavailableError
from salesmap_async.sqlite_file import opened

_TRIES = 20
_LOCK_WAIT_S = 5.0
_Value = TypeVar("_Value")


@dataclass(frozen=True, slots=True)
class FileState:
    """One state of the file: another inode, size or time is another state.

    `wal_size_bytes`, `wal_changed_ns`: of what a writer in WAL mode has put beside it; 0 for none.
    """

    inode: int
    size_bytes: int
    changed_ns: int
    wal_size_bytes: int = 0
    wal_changed_ns: int = 0

    @property
    def changed_at(self) -> datetime:
        """When the file was changed last, in UTC."""
        return datetime.fromtimestamp(self.changed_ns / 1e9, UTC)

    def __str__(self) -> str:
        beside = f"-{self.wal_size_bytes}-{self.wal_changed_ns}" if self.wal_size_bytes else ""
        return f"{self.inode}-{self.size_bytes}-{self.changed_ns}{beside}"


class Memory:
    """What has been worked out from one state of the file, each thing once."""

    def __init__(self, state: FileState, columns: Columns) -> None:
        self.state = state
        self.columns = columns
        self._lock = RLock()
        self._known: dict[str, Any] = {}

    def remembered(self, name: str, make: Callable[[], _Value]) -> _Value:
        """Return what `make` returned the first time; others wait for it meanwhile."""
        with self._lock:
            if name not in self._known:
                self._known[name] = make()
            found: _Value = self._known[name]
            return found


class Snapshot:
    """The open DB of one request."""

    def __init__(self, path: Path, connection: sqlite3.Connection, memory: Memory) -> None:
        self.path = path
        self.columns = memory.columns
        self.state = memory.state
        self._connection = connection
        self._memory = memory

    def rows(self, template: str, *values: Any) -> list[tuple[Any, ...]]:
        """Return the rows of a query whose columns are written as `{deal.amount}`."""
        return self._connection.execute(self.columns.sql(template), values).fetchall()

    def each(self, template: str, *values: Any) -> Iterator[tuple[Any, ...]]:
        """Return the rows one by one, for queries over a whole table."""
        return self._connection.execute(self.columns.sql(template), values)

    def row(self, template: str, *values: Any) -> tuple[Any, ...] | None:
        """Return the first row of a query, None where there is none."""
        return next(iter(self.rows(template, *values)), None)

    def remembered(self, name: str, make: Callable[[Snapshot], _Value]) -> _Value:
        """Return `make(self)`, worked out once for this state of the file."""
        return self._memory.remembered(name, lambda: make(self))

    @property
    def connection(self) -> sqlite3.Connection:
        """For readers of the tables about the snapshot itself."""
        return self._connection


class Database:
    """Where the final DB lies, and what is remembered of its present state."""

    def __init__(
        self, path: Path, meanings: ColumnMap, *, run_command: str, doctor_command: str
    ) -> None:
        self.path = path
        self._meanings = meanings
        self._run_command = run_command
        self._doctor_command = doctor_command
        self._lock = Lock()
        self._memory: Memory | None = None

    @contextmanager
    def open(self) -> Iterator[Snapshot]:
        """Open the DB as it is now.

        Raises NoDatabaseError without a file and UnavailableError where it keeps changing; a
        file that is no database, or is locked, raises sqlite3.Error.
        """
        for _ in range(_TRIES):
            before = self._state()
            with opened(self.path, "ro", timeout_s=_LOCK_WAIT_S) as connection:
                connection.row_factory = _without_blobs
                connection.execute("BEGIN")
                connection.execute("SELECT 1 FROM sqlite_master LIMIT 1").fetchone()
                # Under the read lock: the file that was opened is the one that was looked at.
                if self._state() == before:
                    yield Snapshot(self.path, connection, self._memory_of(before, connection))
                    return
        raise UnavailableError(f"{self.path} is being replaced; try again")

    def state(self) -> FileState | None:
        """Return the present state of the file; None where it cannot be looked at."""
        try:
            return self._state()
        except UnavailableError:
            return None

    def _state(self) -> FileState:
        try:
            stat = self.path.stat()
        except FileNotFoundError:
            raise NoDatabaseError(self.path, command=self._run_command) from None
        except OSError as error:
            raise UnavailableError(
                f"{self.path} cannot be looked at: {error.strerror}",
                command=self._doctor_command,
            ) from None
        return FileState(stat.st_ino, stat.st_size, stat.st_mtime_ns, *self._wal_state())

    def _wal_state(self) -> tuple[int, int]:
        """Return size and time; an empty one holds nothing, and a reader may make it himself."""
        try:
            stat = self.path.with_name(self.path.name + "-wal").stat()
        except OSError:
            return 0, 0
        return (stat.st_size, stat.st_mtime_ns) if stat.st_size else (0, 0)

    def _memory_of(self, state: FileState, connection: sqlite3.Connection) -> Memory:
        with self._lock:
            if self._memory is None or self._memory.state != state:
                self._memory = Memory(state, read_columns(connection, self._meanings))
            return self._memory


def _without_blobs(_cursor: sqlite3.Cursor, row: tuple[Any, ...]) -> tuple[Any, ...]:
    """Return bytes as text: the collector writes none, and JSON has none."""
    if bytes not in map(type, row):
        return row
    return tuple(
        value.decode(errors="replace") if isinstance(value, bytes) else value for value in row
    )
