"""I8: one run per final DB at a time, by a lock that the operating system drops with its holder."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from salesmap_async.errors import RunLockedError, UsageError
from salesmap_async.paths import lock_path

# `is_held` takes the lock for a moment to find out; a run holds it for seconds. So a run waits
# longer for the lock than a look does, and a look long enough to outlast another look.
_RUN_WAIT_S = 0.5
_LOOK_WAIT_S = 0.4
_POLL_S = 0.005


@contextmanager
def run_lock(final_db: Path, *, wait_s: float = _RUN_WAIT_S) -> Iterator[None]:
    """Hold the lock of `final_db`. Raises RunLockedError where another run has it.

    `wait_s` outlasts a look (`is_held`), so that none makes a run end. The lock file stays behind;
    only the lock on it counts.
    """
    path = lock_path(final_db)
    lock = FileLock(path)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        lock.acquire(timeout=wait_s, poll_interval=_POLL_S)
    except Timeout:
        raise RunLockedError(
            f"another run is working on {final_db}", cure="wait for it to end, then try again"
        ) from None
    except OSError as error:
        raise UsageError(f"the lock file {path} cannot be used: {error.strerror}") from None
    try:
        yield
    finally:
        lock.release()


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
