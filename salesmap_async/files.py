"""Files that are whole or not there: renames, and bringing bytes and names to the disk.

Only this module renames (`os.replace`). A rename needs a source in the same directory, and on
Windows it is refused while a program has the target open (WinError 5 or 32): a few retries help
against scanners and indexers only.
"""

from __future__ import annotations

import errno
import os
import shutil
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from salesmap_async.events import Listener, Note, Step, ignore

Sleep = Callable[[float], None]

_WINDOWS_LOCKED = (5, 32)
"""ERROR_ACCESS_DENIED and ERROR_SHARING_VIOLATION."""
_NO_DIRECTORY_FSYNC = (errno.EINVAL, errno.ENOTSUP, errno.EOPNOTSUPP)


def replace_file_with_retry(
    src: Path,
    dest: Path,
    attempts: int = 5,
    delay: float = 0.5,
    *,
    sleep: Sleep = time.sleep,
    tell: Listener = ignore,
) -> None:
    """Rename `src` over `dest`; wait `delay` seconds and try again while another program locks one.

    Raises the last OSError after `attempts`, and at once any error that is not about a lock.
    """
    for attempt in range(1, attempts + 1):
        tell(Step(f"replace_file_with_retry attempt {attempt}/{attempts}", f"{src.name} -> {dest}"))
        try:
            os.replace(src, dest)
        except OSError as error:
            if attempt == attempts or not is_lock(error):
                raise
            tell(Note(f"replace_file_with_retry: {error}; again in {delay} s"))
            sleep(delay)
        else:
            return


def place(temporary: Path, dest: Path, *, tell: Listener = ignore) -> None:
    """Rename a finished file to its name, durably."""
    fsync_file(temporary)
    replace_file_with_retry(temporary, dest, tell=tell)
    fsync_directory(dest.parent)


def place_folder(temporary: Path, dest: Path) -> None:
    """Give a finished folder its name; what stands there is moved aside first, and then deleted.

    Between the two renames nothing stands at `dest`. Raises OSError.
    """
    for each in temporary.rglob("*"):
        if each.is_file():
            fsync_file(each)
    old = dest.with_name(f".{dest.name}.old")
    shutil.rmtree(old, ignore_errors=True)
    if dest.exists():
        replace_file_with_retry(dest, old)
    replace_file_with_retry(temporary, dest)
    fsync_directory(dest.parent)
    shutil.rmtree(old, ignore_errors=True)


def write_text_atomically(path: Path, text: str) -> None:
    """Write `text` so that `path` holds all of it or what it held before. Raises OSError."""
    write_bytes_atomically(path, text.encode())


def write_bytes_atomically(path: Path, data: bytes) -> None:
    """Write `data` so that `path` holds all of it or what it held before. Raises OSError."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.part")
    try:
        temporary.write_bytes(data)
        place(temporary, path)
    finally:
        with suppress(OSError):
            temporary.unlink(missing_ok=True)


def fsync_file(path: Path) -> None:
    """Bring a file's bytes to the disk. Raises OSError."""
    with path.open("rb+") as file:
        os.fsync(file.fileno())


def fsync_directory(path: Path) -> None:
    """Bring a directory's names to the disk, where the file system can (not on Windows)."""
    if os.name == "nt":
        return
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    except OSError as error:
        if error.errno not in _NO_DIRECTORY_FSYNC:
            raise
    finally:
        os.close(descriptor)


def is_full(error: OSError) -> bool:
    """Tell whether `error` means that the disk, or this user's share of it, is full."""
    return error.errno in (errno.ENOSPC, errno.EDQUOT)


def is_lock(error: OSError) -> bool:
    """Tell whether `error` means that another program holds the file."""
    return (
        isinstance(error, PermissionError)
        or error.errno == errno.EBUSY
        or getattr(error, "winerror", None) in _WINDOWS_LOCKED
    )
