"""Keep what a run replaces, and prune what was kept before.

Only a complete, verified copy ever gets a backup's name: `<stem>_before_<run tag><suffix>`. A
backup is repeatable: once the final DB holds that run's data, the copy made before stays as it is.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Collection
from contextlib import suppress
from pathlib import Path

from salesmap_async.errors import LockedError, PublishError
from salesmap_async.events import Listener, Note, Step, Warned
from salesmap_async.files import place
from salesmap_async.publish.kept import WasRun, backups_of, to_prune
from salesmap_async.publish.manifest import read_one_row
from salesmap_async.publish.replace import copy_into
from salesmap_async.sqlite_file import (
    cure_of,
    is_locked,
    opened,
    remove_with_leftovers,
    roll_back_leftovers,
    row_count,
    table_names,
)


def back_up(
    source: Path,
    dest: Path,
    *,
    tell: Listener,
    stop: Callable[[], None] = lambda: None,
    deadline_s: float = 10.0,
) -> Path | None:
    """Copy the database `source` to `dest`, verified; return where. None: there is no source.

    Another backup of that name is never overwritten: the new one gets a number. `stop` may raise
    to give up.
    `deadline_s` bounds the wait for a lock. Raises LockedError when it is not given, PublishError
    otherwise; then `dest` is as it was.
    """
    if not source.exists() or source.stat().st_size == 0:
        return None
    temporary = dest.with_name(f".{dest.name}.part")
    try:
        roll_back_leftovers(source)
        with opened(source, "ro", timeout_s=min(5.0, deadline_s)) as database:
            dest = _free_name(dest, database)
            tell(Step("backup", str(dest)))
            dest.parent.mkdir(parents=True, exist_ok=True)
            remove_with_leftovers(temporary)
            _copy(database, temporary, deadline_s, stop)
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
    return dest


def already_holds(path: Path, run_tag: str, tables: Collection[str]) -> bool:
    """Tell whether `path` holds every one of `tables` as run `run_tag` read it."""
    try:
        with opened(path, "ro") as connection:
            return all(tag == run_tag for tag in _tags(connection, tables))
    except sqlite3.Error:
        return False


def prune_backups(
    final_db: Path,
    backup_dir: Path,
    keep: int,
    *,
    was_run: WasRun,
    fresh: Path | None = None,
    tell: Listener,
) -> None:
    """Delete all but the newest `keep` backups of one final DB; a refusal only warns.

    `fresh` is the one that was made just now: it goes last, whatever any clock said.
    """
    try:
        backups = backups_of(final_db, backup_dir, was_run=was_run)
    except OSError as error:
        tell(Warned(f"backups in {backup_dir} could not be listed: {error}"))
        return
    for path in to_prune(backups, keep, fresh):
        try:
            path.unlink(missing_ok=True)
        except OSError as error:
            tell(Warned(f"the old backup {path} could not be deleted: {error}"))
        else:
            tell(Note(f"deleted the old backup {path.name}"))


def _copy(
    source: sqlite3.Connection, temporary: Path, deadline_s: float, stop: Callable[[], None]
) -> None:
    with opened(temporary, "rwc") as copy:
        copy_into(source, copy, deadline_s=deadline_s, stop=stop)
        copy.execute("PRAGMA journal_mode = DELETE").fetchone()
        (verdict,) = copy.execute("PRAGMA quick_check(1)").fetchone()
        if verdict != "ok":
            raise PublishError(
                f"the copy {temporary} is damaged: {verdict}; the final DB is unchanged",
                cure="check the disk and the final DB, then resume the run",
            )
        if _counts(copy) != _counts(source):
            raise PublishError(
                f"{temporary} is not a whole copy: another program writes to the final DB",
                cure="close the programs that use it, then resume the run",
            )


def _counts(connection: sqlite3.Connection) -> dict[str, int]:
    return {table: row_count(connection, table) for table in table_names(connection)}


def _tags(connection: sqlite3.Connection, tables: Collection[str]) -> list[str | None]:
    return [
        read_one_row(connection, "manifest", where="table", value=table).get("run_tag")
        for table in tables
    ]


def _free_name(dest: Path, source: sqlite3.Connection) -> Path:
    """Return `dest`, or a numbered sibling where `dest` is a backup of something else."""
    candidate, number = dest, 1
    while candidate.exists() and not _same_content(candidate, source):
        number += 1
        candidate = dest.with_name(f"{dest.stem}_{number}{dest.suffix}")
    return candidate


def _same_content(backup: Path, source: sqlite3.Connection) -> bool:
    """Tell whether `backup` holds the same tables of the same runs as `source`."""
    try:
        with opened(backup, "ro") as connection:
            return _identity(connection) == _identity(source)
    except sqlite3.Error:
        return False


def _identity(connection: sqlite3.Connection) -> tuple[object, ...]:
    counts = _counts(connection)
    tag = read_one_row(connection, "run_info").get("run_tag")
    return tag, counts, _tags(connection, counts)
