"""What the timeline says for the screen: between two states, over all states, of one record."""

from __future__ import annotations

import sqlite3
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta
from functools import lru_cache
from pathlib import Path
from typing import Literal

from salesmap_async.dashboard.changes import models
from salesmap_async.dashboard.data.context import Dashboard
from salesmap_async.dashboard.web.errors import UnavailableError, UnknownStateError
from salesmap_async.errors import UsageError
from salesmap_async.operate.timeline import state_named
from salesmap_async.paths import timeline_path
from salesmap_async.seoul import seoul_date
from salesmap_async.timeline.between import sales_between, sums_of_states
from salesmap_async.timeline.lives import life_of
from salesmap_async.timeline.sales import KINDS, SalesEvent
from salesmap_async.timeline.timeline_file import State, states_of, timeline_opened

MOST_EVENTS = 1_000

Since = Literal["yesterday", "week", "month"]


def timeline(here: Dashboard) -> models.Timeline:
    """Return the states, and what was open and won in each; none where there is no timeline."""
    if not _is_there(here):
        return {"states": [], "sums": []}
    path = timeline_path(here.settings.db_path)
    with _opened(here) as connection:
        states = states_of(connection)
    stat = path.stat()
    return {
        "states": [_state(each) for each in states],
        "sums": _sums(path, (stat.st_ino, stat.st_size, stat.st_mtime_ns)),
    }


@lru_cache(maxsize=4)
def _sums(path: Path, _state: tuple[int, ...]) -> list[models.SumsOfState]:
    """Return the sums of each state; each state of the file is read once."""
    with timeline_opened(path) as connection:
        return [
            {
                "at": each.state.at,
                "run_tag": each.state.run_tag,
                "open_krw": each.open_krw,
                "won_krw": each.won_krw,
            }
            for each in sums_of_states(connection)
        ]


def changes(
    here: Dashboard, *, old: str | None, new: str | None, since: Since, owner: str, team: str
) -> models.Changes:
    """Return what happened to the deals from `old` (else `since`) to `new` (else the newest)."""
    if not _is_there(here):
        return _nothing(None)
    with _opened(here) as connection:
        states = states_of(connection)
        if not states:
            return _nothing(None)
        later = _named(states, new) if new else states[-1]
        earlier, is_first = (_named(states, old), False) if old else _before(states, later, since)
        if earlier is None or earlier.number >= later.number:
            return _nothing(later)
        everything = list(sales_between(connection, earlier, later))
    events = [
        event
        for event in everything
        if (not owner or event.owner == owner) and (not team or event.team == team)
    ]
    events.sort(key=lambda event: (KINDS.index(event.kind), -abs(event.amount_krw), event.deal_id))
    return {
        "old": _state(earlier),
        "new": _state(later),
        "is_first": is_first,
        "kinds": _kinds(events),
        "events": [_event(each) for each in events[:MOST_EVENTS]],
        "left_out": max(0, len(events) - MOST_EVENTS),
        "owners": sorted({each.owner for each in everything if each.owner}),
        "teams": sorted({each.team for each in everything if each.team}),
        "tables": _tables([s for s in states if earlier.number < s.number <= later.number]),
    }


def life(here: Dashboard, table: str, record_id: str) -> models.Life:
    """Return the life of a record, the newest event first; none where there is no timeline.

    Raises UnknownStateError.
    """
    if not _is_there(here):
        return {"items": []}
    with _opened(here) as connection:
        try:
            events = life_of(connection, table, record_id)
        except UsageError as error:
            raise UnknownStateError(str(error)) from None
    return {
        "items": [
            {
                "at": each.state.at,
                "run_tag": each.state.run_tag,
                "kind": each.kind,
                "field": each.field,
                "old": each.old,
                "new": each.new,
            }
            for each in reversed(events)
        ]
    }


def _is_there(here: Dashboard) -> bool:
    path = timeline_path(here.settings.db_path)
    return path.is_file() and path.stat().st_size > 0


@contextmanager
def _opened(here: Dashboard) -> Iterator[sqlite3.Connection]:
    """Open the timeline; it is being fed for some seconds after each run."""
    try:
        with timeline_opened(timeline_path(here.settings.db_path)) as connection:
            yield connection
    except (UsageError, sqlite3.Error, OSError) as error:
        raise UnavailableError(
            f"The timeline cannot be read: {error}", command=here.command("doctor", "--offline")
        ) from None


def _named(states: Sequence[State], word: str) -> State:
    try:
        return state_named(list(states), word)
    except UsageError as error:
        raise UnknownStateError(str(error)) from None


def _before(states: Sequence[State], later: State, since: Since) -> tuple[State | None, bool]:
    """Return the state to compare with, and whether it is only the first one that is there.

    Days are counted from the day of `later`, which need not be today.
    """
    day = seoul_date(later.at)
    earlier = [each for each in states if each.number < later.number]
    if day is None or not earlier:
        return None, True
    back = {
        "yesterday": day - timedelta(days=1),
        "week": day - timedelta(days=7),
        "month": day.replace(day=1) - timedelta(days=1),
    }[since]
    try:
        return state_named(earlier, back.isoformat()), False
    except UsageError:
        return earlier[0], True


def _kinds(events: Sequence[SalesEvent]) -> list[models.Kind]:
    counts, sums = Counter(each.kind for each in events), Counter[str]()
    for each in events:
        sums[each.kind] += each.amount_krw
    return [{"kind": kind, "count": counts[kind], "amount_krw": sums[kind]} for kind in KINDS]


def _tables(states: Sequence[State]) -> list[models.TableChanges]:
    """Return the counts of these states added up; a record may be counted in several."""
    sums: dict[str, Counter[str]] = {}
    for state in states:
        for table, counts in state.counts.items():
            sums.setdefault(table, Counter()).update(counts)
    return [
        {"table": table, "new": each["new"], "gone": each["gone"], "changed": each["changed"]}
        for table, each in sums.items()
        if any(each.values())
    ]


def _state(state: State) -> models.StateOfTimeline:
    return {"number": state.number, "run_tag": state.run_tag, "at": state.at}


def _event(event: SalesEvent) -> models.DealEvent:
    return {
        "kind": event.kind,
        "deal_id": event.deal_id,
        "name": event.name,
        "organization": event.organization,
        "organization_id": event.organization_id,
        "person_id": event.person_id,
        "owner": event.owner,
        "team": event.team,
        "amount_krw": event.amount_krw,
        "old": event.old,
        "new": event.new,
    }


def _nothing(later: State | None) -> models.Changes:
    return {
        "old": None,
        "new": None if later is None else _state(later),
        "is_first": True,
        "kinds": [],
        "events": [],
        "left_out": 0,
        "owners": [],
        "teams": [],
        "tables": [],
    }
