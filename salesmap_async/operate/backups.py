"""The backups of one final DB, and which one a person means."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from salesmap_async.errors import UsageError
from salesmap_async.operate.look import SnapshotFile, look_at
from salesmap_async.publish.kept import backups_of
from salesmap_async.settings import Settings


def list_backups(settings: Settings) -> tuple[SnapshotFile, ...]:
    """Return the backups of `settings.db_path`, that with the newest snapshot first.

    Raises UsageError where the folder cannot be read.
    """
    try:
        backups = backups_of(
            settings.db_path,
            settings.backup_dir,
            was_run=lambda tag: settings.paths(tag).has_traces(),
        )
    except OSError as error:
        raise UsageError(
            f"--backup-dir {settings.backup_dir} cannot be read: {error.strerror}",
            cure="check its permissions",
        ) from None
    looked_at = (look_at(backup.path) for backup in backups)
    return tuple(file for file in looked_at if file is not None)


def has_readable_backup(settings: Settings) -> bool:
    """Tell whether `restore` has anything to offer."""
    try:
        backups = list_backups(settings)
    except UsageError:
        return False
    return any(not each.problem and each.run_tag for each in backups)


def choose_backup(settings: Settings, wanted: str) -> SnapshotFile:
    """Return the backup that `wanted` names: a file, or the run whose snapshot it holds.

    Raises UsageError where that is none, or more than one.
    """
    backups = list_backups(settings)
    named = [each for each in backups if each.path.name == wanted]
    if named:
        return named[0]
    if Path(wanted).is_file() or Path(wanted).name != wanted:
        return _named_file(settings, Path(wanted).absolute())
    found = published_by(wanted, backups)
    if not found:
        final = look_at(settings.db_path)
        if final is not None and wanted in (final.run_tag, final.webforms_tag):
            raise UsageError(f"{settings.db_path} holds the snapshot of run {wanted} already")
        raise UsageError(
            f"no backup of {settings.db_path} in {settings.backup_dir} has that file name or "
            f"holds the snapshot of a run {wanted}"
        )
    if len({each.fingerprint for each in found}) > 1:
        names = ", ".join(each.path.name for each in found)
        raise UsageError(
            f"several backups hold the snapshot of run {wanted}, and they differ: {names}",
            cure="name one of these files",
        )
    return found[0]


def published_by(run_tag: str, backups: Sequence[SnapshotFile]) -> list[SnapshotFile]:
    """Return the backups of the snapshot that run `run_tag` published.

    A later run of web forms alone leaves the tag in `run_info`: where there are backups with and
    without its rows, those without are meant. Its own snapshot has its tag on the web forms.
    """
    readable = [each for each in backups if not each.problem]
    of_run = [each for each in readable if each.run_tag == run_tag]
    untouched = [each for each in of_run if each.webforms_tag in (None, run_tag)]
    of_webforms = [each for each in readable if each.webforms_tag == run_tag]
    return untouched or of_run or of_webforms


def _named_file(settings: Settings, path: Path) -> SnapshotFile:
    if path.exists() and settings.db_path.exists() and path.samefile(settings.db_path):
        raise UsageError(f"{path} is the final DB itself")
    found = look_at(path) if path.is_file() else None
    if found is None:
        raise UsageError(f"there is no file {path}, or it is empty")
    return found
