"""Keep what a run replaces, and prune what was kept before.

Only a complete, verified copy ever gets a backup's name: `<stem>_before_<run tag><suffix>`. A
backup is repeatable: once the final DB holds that run's data, the copy made before stays as it is.
"""

from __future__ import annotations

import re
import sqlite3
from contextlib import suppress
from pathlib import Path

from salesmap_async.errors import LockedError, PublishError
from salesmap_async.events import Listener, Note, Step, Warned
from salesmap_async.publish.replace import copy_into, place
from salesmap_async.publish.sqlite_file import (
    column_types,
    cure_of,
    is_locked,
    opened,
    remove_with_leftovers,
    roll_back_leftovers,
    row_count,
    table_names,
)

_TAG = r"[A-Za-z0-9._-]{1,64}"


def back_up(source: Path, dest: Path, *, tell: Listener, deadline_s: float = 30.0) -> None:
    """Copy the database `source` to `dest`, verified; nothing to do where there is none.

    `deadline_s` bounds the wait for a lock. Raises LockedError when it is not given, PublishError
    otherwise; then `dest` is as it was.
    """
    if not source.exists() or source.stat().st_size == 0:
        return
    temporary = dest.with_name(f".{dest.name}.part")
    try:
        roll_back_leftovers(source)
        with opened(source, "ro", timeout_s=min(5.0, deadline_s)) as database:
            if _holds_run(database, _tag_of(dest, source)):
                tell(Note(f"backup: {source.name} already holds this run, nothing to keep"))
                return
            tell(Step("backup", str(dest)))
            dest.parent.mkdir(parents=True, exist_ok=True)
            remove_with_leftovers(temporary)
            _copy(database, temporary, deadline_s)
        place(temporary, dest)
    except (sqlite3.Error, OSError) as error:
        if isinstance(error, TimeoutError) or (
            isinstance(error, sqlite3.Error) and is_locked(error)
        ):
            raise LockedError(
                f"the backup of {source} failed, because another program has locked it",
                cure="close the programs that use it, then resume the run",
            ) from error
        cure = cure_of(error) if isinstance(error, sqlite3.Error) else "check the disk, then resume"
        raise PublishError(
            f"the backup of {source} failed: {error}; the final DB is unchanged", cure=cure
        ) from error
    finally:
        with suppress(OSError):
            remove_with_leftovers(temporary)


def prune_backups(backup_dir: Path, stem: str, suffix: str, keep: int, *, tell: Listener) -> None:
    """Delete all but the newest `keep` backups of one final DB; a refusal only warns."""
    backup_name = backup_names(stem, suffix)
    try:
        backups = [
            (each.stat().st_mtime_ns, each)
            for each in backup_dir.iterdir()
            if backup_name.fullmatch(each.name) and each.is_file()
        ]
    except FileNotFoundError:
        return
    except OSError as error:
        tell(Warned(f"backups in {backup_dir} could not be listed: {error}"))
        return
    for _, backup in sorted(backups, reverse=True)[keep:]:
        try:
            backup.unlink()
        except OSError as error:
            tell(Warned(f"the old backup {backup} could not be deleted: {error}"))
        else:
            tell(Note(f"deleted the old backup {backup.name}"))


def backup_names(stem: str, suffix: str) -> re.Pattern[str]:
    """Return what a backup of the final DB `<stem><suffix>` is called."""
    return re.compile(f"{re.escape(stem)}_before_{_TAG}{re.escape(suffix)}")


def _copy(source: sqlite3.Connection, temporary: Path, deadline_s: float) -> None:
    with opened(temporary, "rwc") as copy:
        copy_into(source, copy, deadline_s=deadline_s)
        copy.execute("PRAGMA journal_mode = DELETE").fetchone()
        (verdict,) = copy.execute("PRAGMA quick_check(1)").fetchone()
        if verdict != "ok":
            raise PublishError(
                f"the copy {temporary} is damaged: {verdict}; the final DB is unchanged",
                cure="check the disk and the final DB, then resume the run",
            )
        if _counts(copy) != _counts(source):
            raise PublishError(
                f"{temporary} is not a whole copy: somebody writes to the final DB",
                cure="close the programs that use it, then resume the run",
            )


def _counts(connection: sqlite3.Connection) -> dict[str, int]:
    return {table: row_count(connection, table) for table in table_names(connection)}


def _holds_run(connection: sqlite3.Connection, run_tag: str) -> bool:
    """Tell whether any table of the database was read by run `run_tag`."""
    return any(
        "run_tag" in dict(column_types(connection, table))
        and connection.execute(f"SELECT 1 FROM {table} WHERE run_tag = ?", (run_tag,)).fetchone()
        is not None
        for table in ("run_info", "manifest")
    )


def _tag_of(dest: Path, source: Path) -> str:
    """Return the run tag in a backup's name; '' where it is named otherwise."""
    name = dest.name.removeprefix(f"{source.stem}_before_")
    return name.removesuffix(source.suffix) if name != dest.name else ""
