"""A look at one snapshot file: the final DB, a backup, a copy kept aside. Never raises."""

from __future__ import annotations

import hashlib
import sqlite3
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from salesmap_async.api.endpoints import SUBMISSION_TABLE
from salesmap_async.publish.manifest import META_TABLES, read_one_row
from salesmap_async.sqlite_file import (
    column_types,
    is_locked,
    opened,
    roll_back_leftovers,
    row_count,
    table_names,
)
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


@dataclass(frozen=True, slots=True)
class _Contents:
    info: Mapping[str, Any]
    rows: int
    webform_rows: int | None
    webforms_tag: str | None
    fingerprint: str = field(repr=False)


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
            found = _read(connection)
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
        run_tag=_text(found.info.get("run_tag")),
        captured_at=moment_of(found.info.get("captured_at_utc")),
        workspace_id=_text(found.info.get("workspace_id")),
        workspace_name=_text(found.info.get("workspace_name")),
        rows=found.rows,
        webform_rows=found.webform_rows,
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


def _read(connection: sqlite3.Connection) -> _Contents:
    present = [name for name in table_names(connection) if name not in META_TABLES]
    info = read_one_row(connection, "run_info")
    forms = read_one_row(connection, "manifest", where="table", value=SUBMISSION_TABLE)
    manifest = _manifest_rows(connection)
    rows = {
        table: count if isinstance(count, int) else row_count(connection, table)
        for table, count in ((table, manifest.get(table, (None,))[0]) for table in present)
    }
    webform_rows = None
    if SUBMISSION_TABLE in present:
        webform_rows = row_count(connection, SUBMISSION_TABLE)
    return _Contents(
        info=info,
        rows=sum(rows.values()),
        webform_rows=webform_rows,
        webforms_tag=_text(forms.get("run_tag")),
        fingerprint=hashlib.sha256(repr((sorted(info.items()), manifest)).encode()).hexdigest(),
    )


def _manifest_rows(connection: sqlite3.Connection) -> dict[str, tuple[Any, ...]]:
    """Return (row count, content hash) by table, in order; {} where there is no such manifest."""
    wanted = ("table", "row_count", "content_sha256")
    if not set(wanted) <= dict(column_types(connection, "manifest")).keys():
        return {}
    rows = connection.execute(
        'SELECT "table", row_count, content_sha256 FROM manifest ORDER BY "table"'
    )
    return {table: tuple(rest) for table, *rest in rows}


def _is_damage(error: sqlite3.Error) -> bool:
    code = getattr(error, "sqlite_errorcode", 0) & 0xFF
    return code in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)


def _text(value: object) -> str | None:
    return None if value is None or value == "" else str(value)
