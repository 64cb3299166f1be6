"""Put a backup in the place of the final DB, by the ladder that publishes a snapshot.

The backup itself is never moved: a verified copy of it, beside the final DB, is what is swapped
in. The present DB is kept first, under a name that no other backup has. Until the swap, whatever
fails leaves the final DB as it was (I4).
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from salesmap_async.errors import LockedError, PublishError, SalesmapError, UsageError
from salesmap_async.events import Listener, Step, Warned
from salesmap_async.files import fsync_file
from salesmap_async.operate.look import SnapshotFile, look_at
from salesmap_async.paths import RunPaths
from salesmap_async.publish.backup import back_up
from salesmap_async.publish.damage import damage_in, keep_damaged
from salesmap_async.publish.replace import copy_into, install
from salesmap_async.run.history import RESTORE, RESTORED, STARTED, History
from salesmap_async.run.lock import run_lock
from salesmap_async.run.record import now
from salesmap_async.settings import Settings
from salesmap_async.sqlite_file import (
    is_locked,
    opened,
    remove_with_leftovers,
)

_AGAIN = "restore again"


@dataclass(frozen=True, slots=True, kw_only=True)
class Restored:
    """A restore that was done. `kept_at` is where the DB before lies; None: there was none."""

    backup: SnapshotFile
    kept_at: Path | None
    damaged: bool


def check_backup(backup: SnapshotFile, final_db: Path) -> None:
    """Raise UsageError unless the file is whole, says which run made it, and is of the workspace.

    Another workspace's snapshot never replaces what `final_db` holds.
    """
    problem = backup.problem
    try:
        problem = problem or damage_in(backup.path)
    except sqlite3.Error as error:
        problem = str(error)
    if problem:
        raise UsageError(
            f"{backup.path} cannot be restored: {problem}", cure="choose another backup"
        )
    if backup.run_tag is None:
        raise UsageError(
            f"{backup.path} cannot be restored: it has no run_info that names its run",
            cure="choose another backup",
        )
    _check_workspace(backup, look_at(final_db))


def _check_workspace(backup: SnapshotFile, present: SnapshotFile | None) -> None:
    if present is None or None in (present.workspace_id, backup.workspace_id):
        return
    if present.workspace_id != backup.workspace_id:
        raise UsageError(
            f"{backup.path} is a snapshot of workspace "
            f"{backup.workspace_name or backup.workspace_id}, but {present.path} holds "
            f"{present.workspace_name or present.workspace_id}",
            cure="choose another backup, or name another --db-path to restore it to",
        )


def restore_backup(settings: Settings, backup: SnapshotFile, *, tell: Listener) -> Restored:
    """Make `backup` the final DB. Call `check_backup` first.

    Raises RunLockedError while a run is at work, LockedError when the final path stays locked, and
    PublishError otherwise; its `published` says on which side of the swap.
    """
    with run_lock(settings.db_path):
        paths = _unused_paths(settings)
        with _recorded(paths, backup, tell):
            try:
                return _restore(paths, backup, tell)
            except LockedError as error:
                raise LockedError(
                    f"{paths.final_db} stayed locked by another program",
                    cure=f"close the programs that use it (`doctor` names them), then {_AGAIN}",
                ) from error
            except PublishError as error:
                again = PublishError(str(error), cure=f"check the disk, then {_AGAIN}")
                again.published = error.published
                raise again from error
            finally:
                for leftover in (paths.building_db, paths.sibling_db):
                    with suppress(OSError):
                        remove_with_leftovers(leftover)


def _restore(paths: RunPaths, backup: SnapshotFile, tell: Listener) -> Restored:
    tell(Step("copy the backup", f"{backup.path} -> {paths.building_db}"))
    _copy(backup.path, paths.building_db)
    damage = _damage(paths.final_db)
    kept_at = (
        keep_damaged(paths.final_db, paths.damaged_db, damage, tell=tell)
        if damage
        else _keep(paths, tell)
    )
    install(
        paths.building_db,
        paths.final_db,
        paths.sibling_db,
        run_tag=backup.run_tag or "",
        tell=tell,
    )
    return Restored(backup=backup, kept_at=kept_at, damaged=bool(damage))


def _copy(source: Path, building: Path) -> None:
    try:
        with opened(source, "ro") as old, opened(building, "rwc") as new:
            copy_into(old, new, deadline_s=30.0)
            new.execute("PRAGMA journal_mode = DELETE").fetchone()
            (verdict,) = new.execute("PRAGMA integrity_check(1)").fetchone()
        if verdict != "ok":
            raise PublishError(f"the copy of {source} is damaged: {verdict}")
        fsync_file(building)
    except (sqlite3.Error, OSError) as error:
        raise PublishError(f"{source} could not be copied to {building}: {error}") from error


def _damage(final: Path) -> str:
    if not final.exists():
        return ""
    try:
        return damage_in(final)
    except sqlite3.Error as error:
        if is_locked(error):
            raise LockedError(f"{final} is locked") from error
        raise PublishError(f"{final} cannot be read: {error}") from error


def _keep(paths: RunPaths, tell: Listener) -> Path | None:
    back_up(paths.final_db, paths.backup_db, tell=tell)
    return paths.backup_db if paths.backup_db.exists() else None


def _unused_paths(settings: Settings) -> RunPaths:
    """Return the paths of this restore, which takes a tag of its own."""
    base = f"restore_{datetime.now(UTC):%Y%m%d_%H%M%S}"
    paths, number = settings.paths(base), 1
    while paths.backup_db.exists() or paths.building_db.exists() or paths.sibling_db.exists():
        number += 1
        paths = settings.paths(f"{base}_{number}")
    return paths


@contextmanager
def _recorded(paths: RunPaths, backup: SnapshotFile, tell: Listener) -> Iterator[None]:
    """Write the restore's two lines of the history; a failure after the swap only warns."""
    common = {
        "run_tag": paths.run_tag,
        "kind": RESTORE,
        "final_db_path": str(paths.final_db),
        "started_at": now(),
        "restored_from": str(backup.path),
        "restored_tag": backup.run_tag,
        "pid": os.getpid(),
    }

    history = History(paths.history_file)

    def end(status: str, **facts: Any) -> None:
        kept_at = str(paths.backup_db) if paths.backup_db.exists() else None
        line = common | {"status": status, "at": now(), "backup_path": kept_at} | facts
        try:
            history.append(line)
        except PublishError as error:
            tell(Warned(str(error)))

    history.append(common | {"status": STARTED, "at": common["started_at"]})
    try:
        yield
    except BaseException as error:
        published = isinstance(error, SalesmapError) and error.published
        failed = "failed" if isinstance(error, Exception) else "interrupted"
        end(RESTORED if published else failed, error=str(error) or type(error).__name__)
        raise
    end(RESTORED, size_bytes=backup.size_bytes, tables={"all": {"rows": backup.rows}})
