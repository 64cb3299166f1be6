"""A look at one snapshot file: the final DB, a backup, a copy kept aside. Never raises."""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from salesmap_async.api.endpoints import SUBMISSION_TABLE
from salesmap_async.publish.damage import QUICK_LOOK_S, Examined, examine_quickly, is_damage
from salesmap_async.publish.published import read_contents
from salesmap_async.sqlite_file import is_locked, opened, roll_back_leftovers
from salesmap_async.times import moment_of


@dataclass(frozen=True, slots=True, kw_only=True)
class SnapshotFile:
    """What a file says of the snapshot in it; None for what it does not say.

    `captured_at`: when the reading of its oldest table began. `rows` are those of all data tables,
    `webform_rows` those of `webform_history`, which run `webforms_tag` read. `changed_at` is the
    file's own time. Two files of one `fingerprint` hold the same snapshot. `problem` says why the
    file cannot be read; `locked`: only for now; `damaged`: not until it is replaced. `examined`
    says how far it was searched for damage.
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
    damaged: bool = False
    examined: str = ""


def look_at(path: Path, *, timeout_s: float = 1.0, search: bool = False) -> SnapshotFile | None:
    """Return what `path` holds; None where there is no file, or an empty one.

    `search`: also for damage that does not show by itself, for some seconds at most.
    """
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
            damaged=is_damage(error),
        )
    examined = _searched(path) if search else Examined()
    return SnapshotFile(
        path=path,
        size_bytes=stat.st_size,
        changed_at=changed_at,
        run_tag=found.run_tag,
        captured_at=moment_of(found.oldest_read_utc),
        workspace_id=found.workspace_id,
        workspace_name=found.workspace_name,
        rows=sum(found.rows.values()),
        webform_rows=found.rows.get(SUBMISSION_TABLE),
        webforms_tag=found.webforms_tag,
        fingerprint=found.fingerprint,
        problem=examined.damage,
        damaged=bool(examined.damage),
        examined=how_far(examined) if search else "",
    )


def how_far(examined: Examined) -> str:
    """Say how much of the file was searched for damage."""
    if not examined.left_out:
        return "no damage in any table"
    seen = examined.tables - examined.left_out
    return (
        f"no damage in {seen} of {examined.tables} tables, more were not searched in "
        f"{QUICK_LOOK_S:g} s (`doctor --deep` searches all)"
    )


def _searched(path: Path) -> Examined:
    try:
        return examine_quickly(path)
    except (sqlite3.Error, OSError):  # locked since it was read: no damage that is known
        return Examined(tables=1, left_out=1)
