"""SQLite databases as files: how they are opened, what may lie beside them, how they are removed.

A name may hold spaces, `#`, `?` and Korean letters. Everything opened here is closed here, because
an open handle blocks a rename on Windows.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from threading import Lock
from typing import Literal
from urllib.parse import quote

SIDECAR_ENDINGS = ("-wal", "-shm", "-journal")

Mode = Literal["ro", "rw", "rwc"]


def uri_of(path: Path, mode: Mode) -> str:
    """Return the URI that makes SQLite open exactly `path`."""
    posix = path.absolute().as_posix()
    slash = "" if posix.startswith("/") else "/"
    return f"file://{slash}{quote(os.fsencode(posix))}?mode={mode}"


@contextmanager
def opened(path: Path, mode: Mode, *, timeout_s: float = 5.0) -> Iterator[sqlite3.Connection]:
    """Open `path` in autocommit mode and close it; `timeout_s` bounds the wait for a lock."""
    connection = sqlite3.connect(
        uri_of(path, mode), uri=True, timeout=timeout_s, isolation_level=None
    )
    try:
        yield connection
    finally:
        connection.close()


@contextmanager
def temporary_files_in(folder: Path | None) -> Iterator[None]:
    """Let SQLite put what does not fit into memory into `folder` (None: where it usually does).

    This holds for all connections of the process, and a variable of the environment would be read
    too late: SQLite asks for it when its module is imported. Where runs side by side name several
    folders, the one named last counts, as long as one of them needs it.
    """
    if folder is None:
        yield
        return
    with _folders_lock:
        _folders.append(str(folder))
        _set_temporary_folder(_folders[-1])
    try:
        yield
    finally:
        with _folders_lock:
            _folders.remove(str(folder))
            _set_temporary_folder(_folders[-1] if _folders else "")


_folders: list[str] = []
_folders_lock = Lock()


def _set_temporary_folder(name: str) -> None:
    with closing(sqlite3.connect(":memory:")) as connection:
        connection.execute(f"PRAGMA temp_store_directory = {quoted(name)}")


def quoted(name: str) -> str:
    """Return `name` as an SQL identifier."""
    return '"' + name.replace('"', '""') + '"'


def is_locked(error: sqlite3.Error) -> bool:
    """Tell whether `error` means that another connection uses the database."""
    code = getattr(error, "sqlite_errorcode", None)
    return code is not None and code & 0xFF in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED)


def cure_of(error: sqlite3.Error) -> str:
    """Return what helps against `error`."""
    code = getattr(error, "sqlite_errorcode", 0) & 0xFF
    if code in (sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR):
        return "check the disk: free space, quota, connection; then resume the run"
    if code in (sqlite3.SQLITE_READONLY, sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_PERM):
        return "check the permissions of the file and of its directory; then resume the run"
    if is_locked(error):
        return "close the programs that use the file; then resume the run"
    return "resume the run; if it happens again, restore a backup of the final DB first"


def sidecars(path: Path) -> tuple[Path, ...]:
    """Return the sidecar files that lie beside `path`."""
    candidates = (path.with_name(path.name + ending) for ending in SIDECAR_ENDINGS)
    return tuple(each for each in candidates if each.exists())


def is_wal(path: Path) -> bool:
    """Tell whether the header of `path` asks for WAL mode."""
    with path.open("rb") as file:
        return 2 in file.read(20)[18:20]


def roll_back_leftovers(path: Path) -> None:
    """Let SQLite undo what a killed writer left half done; a read-only open cannot."""
    if path.with_name(path.name + "-journal").exists():
        with opened(path, "rw") as connection:
            connection.execute("SELECT count(*) FROM sqlite_master").fetchone()


def remove_with_leftovers(path: Path) -> None:
    """Remove `path` and everything beside it whose name starts with its name."""
    for each in path.parent.iterdir():
        if each.name.startswith(path.name):
            each.unlink(missing_ok=True)


def table_names(connection: sqlite3.Connection, schema: str = "main") -> tuple[str, ...]:
    """Return the ordinary tables of one attached database, in order of creation."""
    return tuple(
        name
        for (name,) in connection.execute(
            f"SELECT name FROM {quoted(schema)}.sqlite_master WHERE type = 'table'"
            " AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\' AND sql NOT LIKE 'CREATE VIRTUAL%'"
            " ORDER BY rowid"
        )
    )


def column_types(
    connection: sqlite3.Connection, table: str, schema: str = "main"
) -> tuple[tuple[str, str], ...]:
    """Return (name, declared type) of each stored column; () where there is no such table."""
    rows = connection.execute(f"PRAGMA {quoted(schema)}.table_info({quoted(table)})")
    return tuple((name, declared) for _, name, declared, *_ in rows)


def row_count(connection: sqlite3.Connection, table: str) -> int:
    """Count the rows of `table`."""
    (count,) = connection.execute(f"SELECT count(*) FROM {quoted(table)}").fetchone()
    return int(count)
