"""The timeline of a final DB as an operator sees it, and which of its states a word means."""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from salesmap_async.errors import SalesmapError, UsageError
from salesmap_async.operate.look import look_at
from salesmap_async.paths import timeline_path
from salesmap_async.publish.damage import damage_in
from salesmap_async.seoul import day_named, end_of
from salesmap_async.settings import Settings
from salesmap_async.timeline.timeline_file import (
    State,
    fingerprint_of,
    states_of,
    timeline_opened,
)
from salesmap_async.times import moment_of

_MOST_LISTED = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class TimelineLook:
    """What a timeline holds. `is_current`: its last state is the final DB. `problem`: why not."""

    path: Path
    size_bytes: int
    states: tuple[State, ...] = ()
    is_current: bool = False
    problem: str = ""

    @property
    def first_at(self) -> datetime | None:
        return min((at for each in self.states if (at := moment_of(each.at))), default=None)


def look_at_timeline(settings: Settings, *, deep: bool = False) -> TimelineLook | None:
    """Return what the timeline holds; None where there is none. `deep`: search it for damage."""
    path = timeline_path(settings.db_path)
    if not path.is_file() or path.stat().st_size == 0:
        return None
    size = path.stat().st_size
    try:
        with timeline_opened(path) as connection:
            states = tuple(states_of(connection))
        problem = damage_in(path) if deep else ""
    except (SalesmapError, sqlite3.Error, OSError) as error:
        return TimelineLook(path=path, size_bytes=size, problem=str(error))
    final = look_at(settings.db_path)
    return TimelineLook(
        path=path,
        size_bytes=size,
        states=states,
        is_current=final is not None
        and bool(states)
        and states[-1].fingerprint == fingerprint_of(final),
        problem=problem,
    )


def state_named(states: tuple[State, ...] | list[State], word: str) -> State:
    """Return the state of a run, or that which was valid at the end of a day in Seoul.

    Raises UsageError, with what there is.
    """
    of_run = [each for each in states if each.run_tag == word]
    if of_run:
        return of_run[-1]
    if word == "latest" and states:
        return states[-1]
    if (day := day_named(word)) is not None:
        dated = [(at, each.number, each) for each in states if (at := moment_of(each.at))]
        valid = [each for each in dated if each[0] < end_of(day)]
        if valid:
            return max(valid, key=lambda each: each[:2])[2]
    listed = ", ".join(f"{each.run_tag} ({each.at[:10]})" for each in states[-_MOST_LISTED:])
    more = f" and {len(states) - _MOST_LISTED} earlier ones" if len(states) > _MOST_LISTED else ""
    raise UsageError(
        f"the timeline has no state {word}; it has {listed or 'none'}{more}",
        cure="name a run, or a day like 2026-01-31",
    )
