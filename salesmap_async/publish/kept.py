"""Which files are backups of one final DB, and how old is what they hold.

A name tells little: two DBs of one name may share a folder, and a user's own copy may be called
like a backup. So a file counts as this DB's by what it says itself: a snapshot of the same
workspace that was published at this path. Where it names another path, it counts only if the DB
seems to have been moved together with its folder: the other path is gone, the file name is the
same, and the backups lie below the DB's folder. A file that says nothing (of an earlier version, of
another tool, damaged) is this DB's by its exact name.

How old a backup is, its snapshot says, not the file: a copy has a new date. A date in the future
was written by a clock that was ahead, and counts as the oldest.
"""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from salesmap_async.publish.manifest import read_one_row
from salesmap_async.sqlite_file import opened
from salesmap_async.times import moment_of

WasRun = Callable[[str], bool]
"""Tells whether a run of that tag has left anything, so that a backup may be called after it."""

_TAG = r"[A-Za-z0-9._-]{1,64}"
_GENERATED_TAG = re.compile(r"(restore_)?\d{8}_\d{6}(_\d+)?")
_TOLERATED_SKEW = timedelta(minutes=5)
_LONG_AGO = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True, kw_only=True)
class Backup:
    """One backup; `taken_at` is when its snapshot was read, or else the file's own time."""

    path: Path
    taken_at: datetime


def backups_of(final_db: Path, backup_dir: Path, *, was_run: WasRun) -> tuple[Backup, ...]:
    """Return the backups of `final_db`, that with the newest snapshot first.

    Raises OSError where the folder is there and cannot be listed.
    """
    named = re.compile(f"{re.escape(final_db.stem)}_before_({_TAG}){re.escape(final_db.suffix)}")
    workspace_id = _said_by(final_db).get("workspace_id")
    found = []
    try:
        paths = sorted(backup_dir.iterdir())
    except FileNotFoundError:
        return ()
    for path in paths:
        name = named.fullmatch(path.name)
        if name is None or not path.is_file():
            continue
        says = _said_by(path)
        if _is_named_by_a_run(name[1], was_run) and _is_of(final_db, workspace_id, path, says):
            found.append(Backup(path=path, taken_at=_taken_at(path, says)))
    return tuple(sorted(found, key=lambda each: (each.taken_at, each.path.name), reverse=True))


def to_prune(backups: tuple[Backup, ...], keep: int, fresh: Path | None) -> tuple[Path, ...]:
    """Return the backups that go; `fresh`, which was made just now, counts as the newest.

    It is one of them whatever it says itself: a DB that was copied still names its first place.
    """
    others = [each.path for each in backups if each.path != fresh]
    newest_first = others if fresh is None else [fresh, *others]
    return tuple(newest_first[keep:])


def _is_named_by_a_run(tag: str, was_run: WasRun) -> bool:
    """Tell whether a run made this name: a number is behind it where the name was taken."""
    return bool(_GENERATED_TAG.fullmatch(tag)) or was_run(tag) or was_run(re.sub(r"_\d+$", "", tag))


def _is_of(final_db: Path, workspace_id: object, path: Path, says: dict[str, Any]) -> bool:
    theirs = says.get("workspace_id")
    if workspace_id and theirs and workspace_id != theirs:
        return False
    recorded = says.get("final_db_path")
    if not isinstance(recorded, str) or not recorded:
        return True
    if Path(recorded) == final_db:
        return True
    was_moved = Path(recorded).name == final_db.name and not Path(recorded).exists()
    return was_moved and path.is_relative_to(final_db.parent)


def _taken_at(path: Path, says: dict[str, Any]) -> datetime:
    by_file = datetime.fromtimestamp(path.stat().st_mtime, UTC)
    taken_at = moment_of(says.get("captured_at_utc")) or by_file
    return taken_at if taken_at <= datetime.now(UTC) + _TOLERATED_SKEW else _LONG_AGO


def _said_by(path: Path) -> dict[str, Any]:
    """Return the row of `run_info`; {} where the file has none, or cannot be read."""
    try:
        if not path.is_file() or path.stat().st_size == 0:
            return {}
        with opened(path, "ro", timeout_s=1.0) as connection:
            return read_one_row(connection, "run_info")
    except (sqlite3.Error, OSError, UnicodeError):
        return {}
