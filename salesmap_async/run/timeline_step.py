"""The step after the swap: the timeline is fed.

The snapshot is published by then. What fails here only warns; the next run catches up.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from salesmap_async.errors import SalesmapError
from salesmap_async.events import Listener, Note, Step, Warned
from salesmap_async.paths import RunPaths
from salesmap_async.publish.kept import backups_of
from salesmap_async.publish.published import read_contents
from salesmap_async.sqlite_file import opened, roll_back_leftovers
from salesmap_async.timeline.between import sales_between
from salesmap_async.timeline.feeding import feed
from salesmap_async.timeline.sales import KINDS
from salesmap_async.timeline.timeline_file import (
    State,
    fingerprint_of,
    is_damaged,
    states_of,
    timeline_opened,
)

WasRun = Callable[[str], bool]


@dataclass(frozen=True, slots=True, kw_only=True)
class Changes:
    """What changed since the snapshot before: per table `new`, `gone` and `changed` records.

    `sales`: per kind of `timeline.sales.KINDS`, how many deals and their sum in KRW.
    """

    tables: Mapping[str, Mapping[str, int]] = field(default_factory=dict)
    sales: Mapping[str, tuple[int, int]] = field(default_factory=dict)


def feed_timeline(paths: RunPaths, *, was_run: WasRun, tell: Listener) -> Changes | None:
    """Feed what the timeline lacks, the new final DB last; return what changed, None: unknown."""
    timeline = paths.timeline_db
    tell(Step("timeline", timeline.name))
    try:
        if _has_states(timeline) and not _is_fed(timeline, paths.final_db):
            for backup in (*missed(timeline, paths, was_run=was_run), paths.backup_db):
                # What was replaced comes last: after a restore that is an earlier state again.
                if backup.exists() and feed(timeline, backup):
                    tell(Note(f"timeline: {backup.name} was missed, and is fed now"))
        feed(timeline, paths.final_db, trusted=True)
        return _changes(timeline)
    except Exception as error:  # whatever it is, the snapshot is published
        cure = "the next run catches up"
        if isinstance(error, sqlite3.Error | SalesmapError) and is_damaged(error):
            cure = "move that file away: the next run begins a new one"
        tell(
            Warned(
                f"the timeline {timeline} could not be fed: {error}; the snapshot is published, "
                f"and {cure}"
            )
        )
        return None


def build_timeline(paths: RunPaths, *, was_run: WasRun, told: Callable[[Path, State], None]) -> int:
    """Feed the backups that are newer than what the timeline has, then the final DB.

    Return how many states are new. Raises SalesmapError, sqlite3.Error, OSError.
    """
    fed = 0
    for snapshot in (*missed(paths.timeline_db, paths, was_run=was_run), paths.final_db):
        state = feed(paths.timeline_db, snapshot)
        if state is not None:
            fed += 1
            told(snapshot, state)
    return fed


def missed(timeline: Path, paths: RunPaths, *, was_run: WasRun) -> Iterator[Path]:
    """Yield the backups that are newer than the last state and not fed yet, the oldest first."""
    states: Sequence[State] = ()
    if _has_states(timeline):
        with timeline_opened(timeline) as connection:
            states = states_of(connection)
    known = {state.fingerprint for state in states}
    newest = max((state.at for state in states), default="")
    for backup in reversed(backups_of(paths.final_db, paths.backup_dir, was_run=was_run)):
        roll_back_leftovers(backup.path)
        with opened(backup.path, "ro") as connection:
            said = read_contents(connection, recount=False)
        if fingerprint_of(said) not in known and (said.captured_at_utc or "") > newest:
            yield backup.path


def _has_states(timeline: Path) -> bool:
    """Tell whether something was fed; a first feeding that failed leaves an empty file."""
    return timeline.exists() and timeline.stat().st_size > 0


def _is_fed(timeline: Path, final: Path) -> bool:
    """Tell whether the last state is the final DB: an earlier start of the run has fed it."""
    with timeline_opened(timeline) as connection:
        states = states_of(connection)
    with opened(final, "ro") as connection:
        said = read_contents(connection, recount=False)
    return bool(states) and states[-1].fingerprint == fingerprint_of(said)


def _changes(timeline: Path) -> Changes:
    with timeline_opened(timeline) as connection:
        states = states_of(connection)
        if len(states) < 2:
            return Changes()
        sums: dict[str, tuple[int, int]] = {}
        for event in sales_between(connection, states[-2], states[-1]):
            count, amount = sums.get(event.kind, (0, 0))
            sums[event.kind] = (count + 1, amount + event.amount_krw)
        told = {kind: sums[kind] for kind in KINDS if kind in sums}
        return Changes(tables=states[-1].counts, sales=told)
