"""Which snapshot a word means: a file, a run, a day.

`latest` and `today` are the final DB's, `yesterday` and a date what was valid at the end of that
day in Seoul: the newest snapshot whose reading had begun by then.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path

from salesmap_async.errors import SalesmapError, UsageError
from salesmap_async.operate.backups import list_backups
from salesmap_async.operate.look import SnapshotFile, look_at
from salesmap_async.operate.timeline import look_at_timeline, state_named
from salesmap_async.paths import timeline_path
from salesmap_async.seoul import SEOUL, day_named, end_of
from salesmap_async.settings import Settings
from salesmap_async.timeline.rebuilding import rebuild
from salesmap_async.timeline.timeline_file import State
from salesmap_async.times import moment_of


@dataclass(frozen=True, slots=True)
class States:
    """The snapshots that are there: the final DB first, then its backups, the newest first."""

    settings: Settings
    files: tuple[SnapshotFile, ...]

    @classmethod
    def of(cls, settings: Settings) -> States:
        """Look at the final DB and its backups. Raises UsageError where they cannot be listed."""
        final = look_at(settings.db_path)
        backups = sorted(list_backups(settings), key=_read_at, reverse=True)
        files = (*((final,) if final else ()), *backups)
        return cls(settings, tuple(each for each in files if not each.problem))

    def newest(self) -> SnapshotFile:
        """Return the final DB. Raises UsageError without one."""
        if not self.files or self.files[0].path != self.settings.db_path:
            raise UsageError(
                f"there is no snapshot at {self.settings.db_path}", cure="take one first"
            )
        return self.files[0]

    def before(self, file: SnapshotFile) -> SnapshotFile:
        """Return the newest backup of another snapshot. Raises UsageError without one."""
        for each in self.files[1:]:
            if each.fingerprint != file.fingerprint:
                return each
        raise UsageError(
            "there is nothing to compare with: the first snapshot has no yesterday",
            cure="each run keeps the snapshot before as a backup; compare after the next one",
        )

    def named(self, word: str, *, now: datetime | None = None) -> SnapshotFile:
        """Return what `word` means. Raises UsageError, with what there is."""
        if word in ("latest", "today"):
            return self.newest()
        if (day := day_named(word, now=now)) is not None:
            return self._valid_at_end_of(day)
        of_run = [each for each in self.files if word in (each.run_tag, each.path.name)]
        if of_run:
            return of_run[0]
        found = look_at(Path(word)) if Path(word).is_file() else None
        if found is not None and not found.problem:
            return found
        raise UsageError(
            f"there is no snapshot {word}: no file, run or day of that name; there are "
            f"{_listed(self.files)}",
            cure="name one of these, or a day like 2026-01-31",
        )

    def named_or_rebuilt(self, word: str, folder: Path) -> SnapshotFile:
        """Return what `word` means; what only the timeline still has is written into `folder`.

        Raises UsageError like `named`, SalesmapError where the timeline cannot give it back.
        """
        state = self._in_timeline(word)
        try:
            found = self.named(word)
        except UsageError:
            if state is None:
                raise
        else:
            at = None if state is None else moment_of(state.at)
            if state is None or at is None or day_named(word) is None or at <= _read_at(found):
                return found
        path = folder / f"{state.run_tag}.db"
        rebuild(timeline_path(self.settings.db_path), state, path)
        rebuilt = look_at(path)
        if rebuilt is None:
            raise SalesmapError(f"{path} could not be written")
        return rebuilt

    def _in_timeline(self, word: str) -> State | None:
        timeline = look_at_timeline(self.settings)
        if timeline is None or timeline.problem or Path(word).is_file() or word == "latest":
            return None
        try:
            return state_named(timeline.states, word)
        except UsageError:
            return None

    def _valid_at_end_of(self, day: date) -> SnapshotFile:
        valid = [each for each in self.files if _read_at(each) < end_of(day)]
        if not valid:
            raise UsageError(
                f"no snapshot that is there was read by the end of {day}; there are "
                f"{_listed(self.files)}",
                cure="name a later day",
            )
        return max(valid, key=_read_at)


def _read_at(file: SnapshotFile) -> datetime:
    return file.captured_at or file.changed_at


def _listed(files: Sequence[SnapshotFile]) -> str:
    said = [
        f"{each.run_tag or each.path.name} ({_read_at(each).astimezone(SEOUL):%Y-%m-%d})"
        for each in files[:10]
    ]
    more = f" and {len(files) - 10} more" if len(files) > 10 else ""
    return (", ".join(said) or "none") + more
