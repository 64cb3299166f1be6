"""I8: one run per final DB at a time, by a lock that the operating system drops with its holder.

What is locked is a file, not a name: where its name is deleted or given to another file, a second
run could lock that one. So a run looks again before it swaps.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from filelock import FileLock, Timeout

from salesmap_async.errors import PublishError, RunLockedError, UsageError
from salesmap_async.paths import lock_path

StillHeld = Callable[[], None]

# `is_held` takes the lock for a moment to find out; a run holds it for seconds. So a run waits
# longer for the lock than a look does, and a look long enough to outlast another look.
_RUN_WAIT_S = 0.5
_LOOK_WAIT_S = 0.4
_POLL_S = 0.005
_HISTORY_WAIT_S = 30.0


@contextmanager
def run_lock(final_db: Path, *, wait_s: float = _RUN_WAIT_S) -> Iterator[StillHeld]:
    """Hold the lock of `final_db`. Raises RunLockedError where another run has it.

    Yields a function that raises PublishError once the lock file is not the locked one any more.

    `wait_s` outlasts a look (`is_held`), so that none makes a run end. The lock file stays behind,
    and only the lock on it counts; where the block is refused by a UsageError, what was made for
    the lock is removed.
    """
    path = lock_path(final_db)
    lock = FileLock(path)
    new = _missing(path)
    refused = False
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        lock.acquire(timeout=wait_s, poll_interval=_POLL_S)
    except Timeout:
        raise RunLockedError(
            f"another run is working on {final_db}", cure="wait for it to end, then try again"
        ) from None
    except OSError as error:
        raise UsageError(f"the lock file {path} cannot be used: {error.strerror}") from None
    except NotImplementedError:
        raise UsageError(
            f"the lock file {path} cannot be used: its file system has no locks",
            cure="put --db-path on a local disk",
        ) from None
    try:
        locked = _identity(path)

        def still_held() -> None:
            if _identity(path) != locked:
                raise PublishError(
                    f"the lock file {path} was deleted or replaced while the run was at work: "
                    "another run may be at work too",
                    cure="see that no other run is at work on this DB, then resume the run",
                )

        yield still_held
    except UsageError:
        refused = True
        raise
    finally:
        lock.release()
        if refused:
            _remove(new)


@contextmanager
def history_lock(history: Path) -> Iterator[bool]:
    """Hold the right to change the history file: runs of several final DBs may share it.

    Yields whether it is held. Where no lock can be taken (a full disk, a file system without
    locks) it is not, and the history may only grow. Raises PublishError where another process
    does not give it back.
    """
    path = history.with_name(f".{history.name}.lock")
    lock = FileLock(path)
    try:
        lock.acquire(timeout=_HISTORY_WAIT_S, poll_interval=_POLL_S)
    except Timeout:
        raise PublishError(
            f"the run history {history} stayed locked: {path} is held by another process",
            cure="end that process, then resume the run",
        ) from None
    except (OSError, NotImplementedError):
        yield False
        return
    try:
        yield True
    finally:
        lock.release()


def _missing(path: Path) -> list[Path]:
    """Return `path` and the folders above it, as far as they do not exist; the deepest first."""
    return [each for each in (path, *path.parents) if not each.exists()]


def _remove(new: list[Path]) -> None:
    """Leave nothing at a mistyped path; a folder that holds something else by now stays."""
    with suppress(OSError):
        for each in new:
            each.rmdir() if each.is_dir() else each.unlink()


def _identity(path: Path) -> tuple[int, int] | None:
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_dev, found.st_ino


def is_held(final_db: Path) -> bool:
    """Tell whether a run holds the lock of `final_db`; to find out it is taken for a moment.

    Raises UsageError where the lock file cannot be used.
    """
    if not lock_path(final_db).exists():
        return False
    try:
        with run_lock(final_db, wait_s=_LOOK_WAIT_S):
            return False
    except RunLockedError:
        return True
