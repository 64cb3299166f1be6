"""Put a finished file in the place of another one.

Rule 1: only this module puts a snapshot in another's place; `files` does the renaming.
Rule 2: the target is the old file or the new one, whole, whatever breaks. Never a copy over a file
that exists: a reader in the middle of it would see both.
Rule 3: a database is replaced only when nothing lies beside it. A `-wal` or `-journal` of the old
file would be applied to the new one and turn it back, silently, or damage it.
Rule 4: what was put in place is on the disk (fsync of file and directory) and opened again before
it counts.

On Windows an open viewer refuses the rename for as long as it stays open (WinError 5 or 32); a few
retries help against scanners and indexers only. Then SQLite itself writes into the live file; then
the snapshot is kept beside it.
"""

from __future__ import annotations

import os
import shutil
import sqlite3
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import NoReturn

from salesmap_async.errors import KeptAsideError, PublishError
from salesmap_async.events import Listener, Note, Step, Warned
from salesmap_async.files import (
    Sleep,
    fsync_directory,
    is_lock,
    place,
    replace_file_with_retry,
)
from salesmap_async.sqlite_file import (
    cure_of,
    is_locked,
    is_wal,
    opened,
    remove_with_leftovers,
    sidecars,
)


def install(
    building: Path,
    final: Path,
    sibling: Path,
    *,
    run_tag: str,
    tell: Listener,
    stop: Callable[[], None] = lambda: None,
    deadline_s: float = 10.0,
    sleep: Sleep = time.sleep,
) -> None:
    """Make `building` the final DB, by the gentlest means that works.

    `deadline_s` bounds the wait for readers when SQLite writes into the live file; `stop` may raise
    to end a wait before the swap. Raises
    KeptAsideError when the final path stays locked (the snapshot then lies at `sibling`, the final
    DB is unchanged) and PublishError otherwise; its `published` says on which side of the swap.
    """
    _check_tag(building, run_tag)
    _check_writable(final)

    def pause(seconds: float) -> None:
        stop()
        sleep(seconds)

    if not _rename_over(building, final, tell=tell, sleep=pause) and not _write_into(
        building, final, tell=tell, stop=stop, deadline_s=deadline_s
    ):
        keep_aside(building, final, sibling, run_tag=run_tag, tell=tell, sleep=sleep)
    try:
        fsync_directory(final.parent)
        _check_tag(final, run_tag)
        remove_with_leftovers(building)
    except (OSError, PublishError) as error:
        failed = PublishError(
            f"{final} holds the new snapshot, but this failed afterwards: {error}",
            cure="check the disk, then resume the run: it only completes what is left",
        )
        failed.published = True
        raise failed from error


def settle_sidecars(path: Path, *, timeout_s: float = 2.0) -> bool:
    """Leave nothing beside the database `path` that could outlive it; False while it is in use.

    A committed `-wal` goes into the file, a hot `-journal` is rolled back, the header leaves WAL
    mode. Without a database, sidecars belong to nothing and are deleted.
    """
    if not path.exists():
        for leftover in sidecars(path):
            leftover.unlink()
        return True
    if not sidecars(path) and not is_wal(path):
        return True
    try:
        with opened(path, "rw", timeout_s=timeout_s) as connection:
            _settle(connection, path)
    except sqlite3.Error as error:
        if is_locked(error):
            return False
        raise PublishError(
            f"{path} cannot be brought to rest: {error}; it is unchanged", cure=cure_of(error)
        ) from error
    return not sidecars(path)


def copy_into(
    source: sqlite3.Connection,
    target: sqlite3.Connection,
    *,
    deadline_s: float,
    stop: Callable[[], None] = lambda: None,
) -> None:
    """Copy a whole database with SQLite's backup API.

    It waits for a lock for ever by itself; here TimeoutError ends it after `deadline_s`.
    """
    ends_at = time.monotonic() + deadline_s

    def watch(status: int, _remaining: int, _total: int) -> None:
        stop()
        if status in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED) and time.monotonic() > ends_at:
            raise TimeoutError(f"database is locked for more than {deadline_s:g} s")

    source.backup(target, pages=-1, progress=watch, sleep=0.05)


def _rename_over(building: Path, final: Path, *, tell: Listener, sleep: Sleep) -> bool:
    """Settle and rename; False when another program's lock prevents it."""
    tell(Step("settle_sidecars", final.name))
    try:
        if not settle_sidecars(final):
            tell(Note(f"{final} is in use: a rename would not be safe"))
            return False
        if final.exists():
            _take_over_access(final, building)
        replace_file_with_retry(building, final, sleep=sleep, tell=tell)
    except OSError as error:
        if is_lock(error):
            tell(Note(f"replace_file_with_retry gave up: {error}"))
            return False
        raise PublishError(
            f"{final} could not be replaced: {error}; it is unchanged",
            cure="check the disk and its permissions, then resume the run",
        ) from error
    return True


def _take_over_access(final: Path, building: Path) -> None:
    """Give the new file the owner, group and mode of the old one, where the user may."""
    if sys.platform != "win32":
        with suppress(OSError):
            owner = final.stat()
            os.chown(building, owner.st_uid, owner.st_gid)
    with suppress(OSError):
        shutil.copymode(final, building)


def _write_into(
    building: Path,
    final: Path,
    *,
    tell: Listener,
    stop: Callable[[], None],
    deadline_s: float,
) -> bool:
    """Let SQLite write the new content into the live file, in one transaction."""
    if not final.exists():
        return False
    tell(Step("fallback: sqlite backup API into the live file", str(final)))
    try:
        with opened(building, "ro") as source, opened(final, "rw", timeout_s=0.1) as target:
            copy_into(source, target, deadline_s=deadline_s, stop=stop)
    except (sqlite3.Error, TimeoutError) as error:
        tell(Note(f"the live file could not be written: {error}"))
        return False
    return True


def keep_aside(
    building: Path,
    final: Path,
    sibling: Path,
    *,
    run_tag: str,
    tell: Listener,
    sleep: Sleep = time.sleep,
) -> NoReturn:
    """Keep the snapshot beside the final DB; always raises.

    A file at the sibling's name is only replaced if this run has left it there.
    """
    kept_at = building
    sibling = _free_sibling(sibling, run_tag)
    with suppress(OSError, PublishError):
        if settle_sidecars(sibling):  # it may be there, and in use, since an earlier try
            kept_at = _moved_aside(building, sibling, tell=tell, sleep=sleep)
    tell(Warned(f"{final} stayed locked and is unchanged; the new snapshot lies at {kept_at}"))
    raise KeptAsideError(
        f"{final} stayed locked by another program",
        kept_at=kept_at,
        cure=f"close the programs that use {final}, then resume the run",
    )


def _free_sibling(sibling: Path, run_tag: str) -> Path:
    candidate, number = sibling, 1
    while candidate.exists() and not _holds(candidate, run_tag):
        number += 1
        candidate = sibling.with_name(f"{sibling.stem}_{number}{sibling.suffix}")
    return candidate


def _holds(path: Path, run_tag: str) -> bool:
    try:
        _check_tag(path, run_tag)
    except PublishError:
        return False
    return True


def _moved_aside(building: Path, sibling: Path, *, tell: Listener, sleep: Sleep) -> Path:
    """Rename, or else copy, to the sibling name; return where the snapshot lies."""
    tell(Step("fallback: rename to the sibling name", str(sibling)))
    try:
        replace_file_with_retry(building, sibling, sleep=sleep, tell=tell)
        fsync_directory(sibling.parent)
    except OSError as error:
        tell(Note(f"rename refused: {error}"))
        return _copied_aside(building, sibling, tell=tell)
    return sibling


def _copied_aside(building: Path, sibling: Path, *, tell: Listener) -> Path:
    """Copy to the sibling name by way of a temporary one; return where the snapshot lies."""
    tell(Step("fallback: copy to the sibling name", str(sibling)))
    temporary = sibling.with_name(f".{sibling.name}.part")
    try:
        shutil.copyfile(building, temporary)
        place(temporary, sibling, tell=tell)
    except OSError as error:
        tell(Note(f"copy refused: {error}"))
        with suppress(OSError):
            temporary.unlink(missing_ok=True)
        return building
    return sibling


def _settle(connection: sqlite3.Connection, path: Path) -> None:
    connection.execute("SELECT count(*) FROM sqlite_master").fetchone()  # rolls a hot journal back
    # Leaving WAL needs the file to itself; from PERSIST to DELETE removes a journal left over.
    for mode in ("DELETE", "PERSIST", "DELETE"):
        connection.execute(f"PRAGMA journal_mode = {mode}").fetchone()
    leftovers = [each for each in sidecars(path) if not each.name.endswith("-journal")]
    if leftovers:
        connection.execute("BEGIN EXCLUSIVE")
        for leftover in leftovers:
            leftover.unlink(missing_ok=True)
        connection.execute("ROLLBACK")


def _check_writable(final: Path) -> None:
    if final.exists() and not os.access(final, os.W_OK):
        raise PublishError(
            f"{final} is read-only; it is unchanged",
            cure="make the file writable, then resume the run",
        )
    if not os.access(final.parent, os.W_OK):
        raise PublishError(
            f"the directory {final.parent} is read-only; nothing was changed",
            cure="make the directory writable, then resume the run",
        )


def _check_tag(path: Path, run_tag: str) -> None:
    """Raise PublishError unless `path` can be opened and holds the snapshot of `run_tag`."""
    try:
        with opened(path, "ro") as connection:
            row = connection.execute("SELECT run_tag FROM run_info").fetchone()
    except sqlite3.Error as error:
        raise PublishError(f"{path} cannot be read: {error}", cure=cure_of(error)) from error
    if row is None or row[0] != run_tag:
        raise PublishError(f"{path} does not hold the snapshot of run {run_tag}")
