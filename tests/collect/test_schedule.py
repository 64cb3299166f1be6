"""The schedule without a loop: which list is next, and what an answer means for the others."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from salesmap_async.api.endpoints import ENDPOINTS, Endpoint, submissions_of
from salesmap_async.api.pages import Page
from salesmap_async.collect.chains import Chain
from salesmap_async.collect.order import Order
from salesmap_async.collect.ranges import Ranges
from salesmap_async.collect.schedule import Schedule
from salesmap_async.collect.span import Span
from salesmap_async.errors import RequestRefusedError, TokenRefusedError, UnusableAnswerError
from salesmap_async.events import Event, Warned
from salesmap_async.events import TableFinished as Finished

BEGIN = datetime(2026, 1, 1, tzinfo=UTC)


def endpoint_of(table: str) -> Endpoint:
    return next(each for each in ENDPOINTS if each.table == table)


def chain_of(table: str, since: datetime | None = None) -> Chain:
    endpoint = endpoint_of(table)
    name = endpoint.chain_name if since is None else f"{endpoint.chain_name} since {since}"
    return Chain(endpoint, name, table, span=Span(since))


def memos(first: int, count: int, *, cursor: bool, dated: bool = True) -> Page:
    records = [
        {
            "id": f"m{number:04}",
            "createdAt": (BEGIN + timedelta(days=number)).isoformat() if dated else None,
        }
        for number in range(first, first + count)
    ]
    return Page(records, records[-1]["id"] if cursor else None)


class Told:
    """A schedule, and what it has told."""

    def __init__(self, rows: dict[str, int] | None = None) -> None:
        self.events: list[Event] = []
        ranges = Ranges({}, split=True)
        order = Order(rows or {}, ranges)
        self.schedule = Schedule(order=order, ranges=ranges, tell=self.events.append)

    def of(self, kind: type[Any]) -> list[Any]:
        return [each for each in self.events if isinstance(each, kind)]


def test_the_list_with_most_left_is_next_and_none_is_asked_twice_at_once() -> None:
    """Busy from `next` until it is put back; over when nothing is ready or busy."""
    schedule = Told({"people": 500, "deal": 5000, "organization": 50}).schedule
    assert schedule.is_over
    schedule.add([chain_of(table) for table in ("people", "deal", "organization")])
    asked = [schedule.next() for _ in range(4)]
    assert [each and each.name for each in asked] == ["deal", "people", "organization", None]
    assert (schedule.has_ready, schedule.is_over) == (False, False)
    people = asked[1]
    assert people is not None
    schedule.put_back(people)
    assert schedule.next() is people


def test_a_list_that_has_ended_is_not_put_back() -> None:
    """Its end is told once, with its rows."""
    told = Told()
    told.schedule.add([chain_of("people")])
    chain = told.schedule.next()
    assert chain is not None
    outcome = told.schedule.answered(chain, Page([{"id": "a"}], None))
    assert outcome.storable is not None
    told.schedule.stored(chain)
    told.schedule.put_back(chain)
    assert told.schedule.is_over
    assert [(each.table, each.rows) for each in told.of(Finished)] == [("people", 1)]


def test_ranges_that_cannot_be_trusted_are_dropped_and_their_late_pages_count_no_more() -> None:
    """The list goes on plainly; what a dropped range is asked for in that moment is nothing."""
    schedule = Told().schedule
    plain, early, late = (
        chain_of("memo", since)
        for since in (None, BEGIN + timedelta(days=100), BEGIN + timedelta(days=200))
    )
    schedule.add([plain, early, late])
    busy = [schedule.next(), schedule.next(), schedule.next()]
    assert set(map(id, busy)) == set(map(id, (plain, early, late)))
    schedule.answered(plain, memos(0, 50, cursor=True))
    outcome = schedule.answered(early, memos(100, 50, cursor=True, dated=False))
    assert outcome.storable is None
    assert outcome.dropped is not None
    assert list(outcome.dropped.names) == [early.name, late.name]
    assert (outcome.dropped.kept, outcome.dropped.reopened) == (plain.name, False)
    assert "createdAt" in outcome.dropped.why
    assert schedule.answered(late, memos(200, 50, cursor=True)).storable is None
    for chain in (plain, early, late):
        schedule.put_back(chain)
    assert schedule.next() is plain
    assert schedule.next() is None


def test_the_plain_list_takes_the_page_that_shows_the_filter_cannot_be() -> None:
    """Nothing of it is asked for twice: its progress before the page is what the drop stores."""
    schedule = Told().schedule
    plain, late = chain_of("memo"), chain_of("memo", BEGIN + timedelta(days=100))
    schedule.add([plain, late])
    outcome = schedule.answered(plain, memos(0, 50, cursor=True, dated=False))
    assert outcome.dropped is not None
    assert outcome.dropped.progress["cursor"] is None
    assert outcome.storable is not None
    assert len(outcome.storable.records) == 50


@pytest.mark.parametrize(
    "error",
    [
        RequestRefusedError("no", status=404, cure="check --base-url"),
        RequestRefusedError("no", status=400),
        UnusableAnswerError("broken", status=500),
    ],
)
def test_a_refused_core_list_fails_by_name(error: Any) -> None:
    """And keeps what the server's refusal says helps."""
    told = Told()
    chain = chain_of("deal")
    told.schedule.add([chain])
    told.schedule.answered(chain, error)
    told.schedule.stored(chain)
    assert told.schedule.tallies.errors() == {"deal": str(error)}
    assert told.schedule.cure == error.cure


def test_an_optional_list_that_is_not_to_be_had_is_left_out() -> None:
    """With a warning; it is no failure."""
    told = Told()
    chain = chain_of("todo")
    told.schedule.add([chain])
    told.schedule.answered(chain, TokenRefusedError("GET /todo answered 403", status=403))
    told.schedule.stored(chain)
    assert chain.state == "skipped"
    assert told.schedule.tallies.errors() == {}
    assert any("left out" in each.text for each in told.of(Warned))


def test_forms_that_no_record_names_in_the_end_are_dropped() -> None:
    """They were begun early; one that is busy is not taken in any more."""
    schedule = Told().schedule
    kept, gone, busy = (
        Chain(submissions_of(form), f"webForm/{form}/submit", form) for form in ("a", "b", "c")
    )
    schedule.await_forms()
    schedule.add_forms([busy])
    assert schedule.next() is busy
    schedule.add_forms([kept, gone, busy])
    schedule.drop_forms_but({kept.name})
    schedule.forms_known()
    assert schedule.answered(busy, Page([{"id": "s"}], None)).storable is None
    schedule.put_back(busy)
    assert schedule.next() is kept
    assert schedule.next() is None


def test_forms_are_looked_for_again_when_half_as_much_more_was_read() -> None:
    """Not after each page: a look reads all people that are stored."""
    schedule = Told().schedule
    chain = chain_of("people")
    schedule.add([chain])
    looks = []
    for number in range(1, 21):
        page = Page([{"id": f"{number}-{n}"} for n in range(50)], f"c{number}")
        schedule.answered(chain, page)
        looks += [number] if schedule.is_time_to_look_for_forms() else []
    assert looks == [1, 3, 6, 10, 16]
