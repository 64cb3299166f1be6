"""A look at one snapshot file: the final DB, a backup, a copy kept aside. Never raises."""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from salesmap_async.api.endpoints import SUBMISSION_TABLE
from salesmap_async.publish.published import read_contents
from salesmap_async.sqlite_file import is_locked, opened, roll_back_leftovers
from salesmap_async.times import moment_of


@dataclass(frozen=True, slots=True, kw_only=True)
class SnapshotFile:
    """What a file says of the snapshot in it; None for what it does not say.

    `rows` are those of all data tables, `webform_rows` those of `webform_history`, which run
    `webforms_tag` read. `changed_at` is the file's own time. Two files of one `fingerprint` hold
    the same snapshot. `problem` says why the file cannot be read; `locked`: only for now.
    """

    path: Path
    size_bytes: int
    changed_at: datetime
    run_tag: str | None = None
    captured_at: datetime | None = None
    workspace_id: str | None = None
    workspace_name: str | None = None
    rows: int | None = None
    webform_rows: int | None = None
    webforms_tag: str | None = None
    fingerprint: str = ""
    problem: str = ""
    locked: bool = False


def look_at(path: Path, *, timeout_s: float = 1.0) -> SnapshotFile | None:
    """Return what `path` holds; None where there is no file, or an empty one."""
    try:
        stat = path.stat()
    except OSError:
        return None
    if stat.st_size == 0:
        return None
    changed_at = datetime.fromtimestamp(stat.st_mtime, UTC)
    try:
        roll_back_leftovers(path)
        with opened(path, "ro", timeout_s=timeout_s) as connection:
            found = read_contents(connection, recount=False)
    except (sqlite3.Error, OSError, UnicodeError) as error:
        locked = isinstance(error, sqlite3.Error) and is_locked(error)
        return SnapshotFile(
            path=path,
            size_bytes=stat.st_size,
            changed_at=changed_at,
            problem=str(error),
            locked=locked,
        )
    return SnapshotFile(
        path=path,
        size_bytes=stat.st_size,
        changed_at=changed_at,
        run_tag=found.run_tag,
        captured_at=moment_of(found.captured_at_utc),
        workspace_id=found.workspace_id,
        workspace_name=found.workspace_name,
        rows=sum(found.rows.values()),
        webform_rows=found.rows.get(SUBMISSION_TABLE),
        webforms_tag=found.webforms_tag,
        fingerprint=found.fingerprint,
    )


def damage_in(path: Path) -> str:
    """Return what `integrity_check` finds wrong in the database `path`, '' for nothing.

    Raises sqlite3.Error where it cannot be asked, e.g. because of a lock.
    """
    try:
        roll_back_leftovers(path)
        with opened(path, "ro") as connection:
            (verdict,) = connection.execute("PRAGMA integrity_check(1)").fetchone()
    except sqlite3.DatabaseError as error:
        if not _is_damage(error):
            raise
        return str(error)
    return "" if verdict == "ok" else str(verdict)


def _is_damage(error: sqlite3.Error) -> bool:
    code = getattr(error, "sqlite_errorcode", 0) & 0xFF
    return code in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)
