"""What this machine must offer a run: paths that can be written, disk space, a good file system.

One list: `doctor` shows all of it, and a run refuses to start at the first failure in it. Each
check really tries and leaves nothing.
"""

from __future__ import annotations

import os
import platform
import shutil
import sqlite3
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from salesmap_async.files import is_full
from salesmap_async.paths import timeline_path
from salesmap_async.publish.kept import backups_of
from salesmap_async.settings import Settings, option_flag

Level = Literal["ok", "warning", "failed"]

SMALLEST_FREE_BYTES = 50 * 1024 * 1024
PATHS = ("db_path", "backup_dir", "log_dir", "checkpoint_dir")
DISK_SPACE = "disk space"
"""The check of that name."""
_NETWORK = frozenset(
    {"nfs", "nfs4", "cifs", "smb3", "smbfs", "9p", "afs", "ceph", "glusterfs", "lustre"}
    | {"fuse.sshfs", "fuse.rclone", "fuse.s3fs", "davfs", "fuse.davfs2", "vboxsf", "drvfs"}
)
_CLOUD_FOLDERS = (
    *("onedrive", "dropbox", "google drive", "googledrive", "my drive", "icloud"),
    *("mobile documents", "nextcloud", "box sync", "mybox", "naver mybox"),
)
_WAL_RESET_BUG = ((3, 7, 0), (3, 51, 2))


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """What one check found. `cure` says what helps, where something does.

    `way_out`: the command of this program that helps, with its arguments.
    """

    what: str
    level: Level
    said: str
    cure: str = ""
    way_out: tuple[str, ...] = ()


def machine_checks(settings: Settings) -> Iterator[Finding]:
    """Check this machine for a run with `settings`."""
    for name in PATHS:
        yield _writable(name, getattr(settings, name))
    yield from _disk_space(settings)
    yield _temporary_space(settings)
    yield from _file_systems(settings)
    yield _versions()


def nearest_folder(path: Path) -> Path | None:
    """Return the deepest existing one of a path and its parents; None: not even the drive is."""
    return next((each for each in (path, *path.parents) if each.exists()), None)


def _folder_of(name: str, path: Path) -> Path:
    return path.parent if name == "db_path" else path


def _writable(name: str, path: Path) -> Finding:
    what, flag = f"write {option_flag(name)}", option_flag(name)
    nearest = nearest_folder(_folder_of(name, path))
    if nearest is None:
        return Finding(
            what=what,
            level="failed",
            said=f"{flag} {path}: there is no such drive",
            cure="connect it, or name another place",
        )
    try:
        with tempfile.TemporaryFile(dir=nearest) as file:
            file.write(b"x")
            file.flush()
    except OSError as error:
        if is_full(error):
            return Finding(
                what=what,
                level="failed",
                said=f"{flag} {path}: the disk of {nearest} is full",
                cure="free some space (`prune` says what can go), or use another disk",
            )
        return Finding(
            what=what,
            level="failed",
            said=f"{flag} {path}: {nearest} is not a folder that can be written to "
            f"({error.strerror})",
            cure=f"make it writable, or name another place with {flag}",
        )
    if path.is_file() and not os.access(path, os.W_OK):
        return Finding(
            what=what,
            level="failed",
            said=f"{flag} {path} is read-only",
            cure="make the file writable",
        )
    will_be_made = "" if path.exists() or name == "db_path" else " (will be made)"
    return Finding(what=what, level="ok", said=f"{path}{will_be_made}")


def _disk_space(settings: Settings) -> Iterator[Finding]:
    """Compare each disk with what a run needs: the work DB, the new DB, the backup.

    That is the last DB three times where all lie on one disk, and never less than twice. The
    backups that are still to come, until the oldest ones go, are only warned about.
    """
    size = _size_of(settings.db_path)
    disks: dict[int, list[str]] = {}
    folders: dict[int, Path] = {}
    for name in PATHS:
        folder = nearest_folder(_folder_of(name, getattr(settings, name)))
        if folder is not None:
            disk = folder.stat().st_dev
            disks.setdefault(disk, []).append(name)
            folders.setdefault(disk, folder)
    for disk, names in disks.items():
        yield _space_on(settings, folders[disk], names, size)


def _space_on(settings: Settings, folder: Path, names: list[str], size: int) -> Finding:
    free = shutil.disk_usage(folder).free
    needed = max(size * max(2, len({*names} - {"log_dir"})), SMALLEST_FREE_BYTES)
    flags = ", ".join(map(option_flag, names))
    said = f"{free >> 20:,} MiB are free on the disk of {folder} ({flags})"
    if free < needed:
        return Finding(
            what=DISK_SPACE,
            level="failed",
            said=f"only {said}, a run needs about {needed >> 20:,} MiB",
            cure="free some space (`prune` says what can go), or use another disk",
        )
    to_come = _backups_to_come(settings) * size if "backup_dir" in names else 0
    if free < needed + to_come:
        return Finding(
            what=DISK_SPACE,
            level="warning",
            said=f"{said}; {settings.keep_backups} backups will take {to_come >> 20:,} MiB more",
            cure="lower --keep-backups, or use another --backup-dir",
        )
    first_feeding = _timeline_to_come(settings, size) if "db_path" in names else 0
    if free < needed + to_come + first_feeding:
        return Finding(
            what=DISK_SPACE,
            level="warning",
            said=f"{said}; the timeline will take {first_feeding >> 20:,} MiB more",
            cure="free some space, or leave it out with --no-timeline",
        )
    return Finding(
        what=DISK_SPACE, level="ok", said=f"{said}; a run needs about {needed >> 20:,} MiB"
    )


def temporary_folder(settings: Settings) -> Path | None:
    """Return where SQLite's temporary files are to go; None where the system's folder is good.

    What is sorted while the snapshot is built may be as large as the DB.
    """
    system = _system_temporary_folder()
    needed = max(_size_of(settings.db_path), SMALLEST_FREE_BYTES)
    if system is not None and shutil.disk_usage(system).free >= needed:
        return None
    return nearest_folder(settings.checkpoint_dir)


def _temporary_space(settings: Settings) -> Finding:
    what, system = "temporary space", _system_temporary_folder()
    folder = temporary_folder(settings)
    if folder is None:
        return Finding(what=what, level="ok", said=f"{system} is large enough")
    why = f"{system} is too small" if system else "no folder of the system can be written to"
    return Finding(
        what=what,
        level="warning",
        said=f"{why}: SQLite's temporary files go to {folder}",
        cure="name a folder with room in TMPDIR, if that disk is not the right one",
    )


def _system_temporary_folder() -> Path | None:
    """Return the folder that SQLite would take; None where it cannot write to any."""
    try:
        usual = [Path(tempfile.gettempdir())]
    except FileNotFoundError:
        usual = []
    for folder in (*usual, Path("/var/tmp"), Path("/tmp")):  # noqa: S108
        if folder.is_dir() and os.access(folder, os.W_OK | os.X_OK):
            return folder
    return None


def _size_of(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0


def _backups_to_come(settings: Settings) -> int:
    """Return how many more backups are made before the oldest is deleted."""
    try:
        present = len(
            backups_of(
                settings.db_path,
                settings.backup_dir,
                was_run=lambda tag: settings.paths(tag).has_traces(),
            )
        )
    except OSError:
        present = 0
    return 0 if settings.no_backup else max(0, settings.keep_backups - present)


def _timeline_to_come(settings: Settings, size: int) -> int:
    """Return what the timeline will take beside the final DB: at first as much as that."""
    if settings.no_timeline:
        return 0
    return max(0, size * 11 // 10 - _size_of(timeline_path(settings.db_path)))


def _file_systems(settings: Settings) -> Iterator[Finding]:
    mounts = _mounts()
    good = []
    for name in ("db_path", "checkpoint_dir"):
        path: Path = getattr(settings, name)
        kind = file_system_of(path, mounts)
        cloud = cloud_folder_in(path)
        if kind in _NETWORK or cloud:
            why = f"{cloud} synchronises it" if cloud else f"it is on the network ({kind})"
            yield Finding(
                what="file system",
                level="warning",
                said=f"{option_flag(name)} {path}: {why}; locks and renames may fail there",
                cure=f"put {option_flag(name)} on a local disk, and copy the result",
            )
        elif kind:
            good.append(f"{option_flag(name)} on {kind}")
    if good:
        yield Finding(what="file system", level="ok", said=", ".join(good))


def file_system_of(path: Path, mounts: dict[str, str]) -> str:
    """Return the type of the file system of `path`, by its longest mount point; '' if unknown."""
    known = [str(each) for each in (path, *path.parents) if str(each) in mounts]
    return mounts[known[0]] if known else ""


def cloud_folder_in(path: Path) -> str:
    """Return the part of `path` that a cloud service is known to synchronise; '' for none."""
    for part in path.parts:
        if part.casefold().startswith(_CLOUD_FOLDERS):
            return part
    return ""


def _mounts() -> dict[str, str]:
    """Return file system types by mount point, where the system tells (Linux); {} elsewhere."""
    try:
        lines = Path("/proc/mounts").read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return {}
    fields = [line.split(" ") for line in lines]
    return {each[1].replace("\\040", " "): each[2] for each in fields if len(each) > 2}


def _versions() -> Finding:
    said = f"Python {platform.python_version()}, SQLite {sqlite3.sqlite_version}"
    lowest, highest = _WAL_RESET_BUG
    if lowest <= sqlite3.sqlite_version_info <= highest:
        said += " (its WAL-reset bug needs two writing connections; a run has one)"
    return Finding(what="versions", level="ok", said=f"{said} on {sys.platform}")
