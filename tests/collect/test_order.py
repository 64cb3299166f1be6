"""Which chain gets the next slot: the one with the most pages left. Pure."""

from __future__ import annotations

import math

import pytest

from salesmap_async.api.endpoints import ENDPOINTS, submissions_of
from salesmap_async.collect.chains import Chain
from salesmap_async.collect.order import Order
from salesmap_async.collect.ranges import Ranges

CORE = {e.table: e for e in ENDPOINTS if e.group == "core"}


def chain_of(table: str, pages: int = 0) -> Chain:
    return Chain(CORE[table], table, table, pages=pages)


def test_a_first_run_begins_with_the_usual_order() -> None:
    """Nothing is known: the single requests, then memo, people, deal, lead, organization."""
    order = Order({}, Ranges({}, split=False))
    ready = [chain_of(table) for table in CORE]
    served = []
    while ready:
        chain = order.neediest(ready)
        served.append(chain.name)
        ready.remove(chain)
    assert set(served[:3]) == {"user", "team", "webform"}
    assert served[3:] == ["memo", "people", "deal", "lead", "organization"]


def test_known_sizes_decide_by_pages_not_by_rows() -> None:
    """Leads come by 10: 500 leads are more pages than 2,000 people."""
    order = Order({"lead": 500, "people": 2000}, Ranges({}, split=False))
    assert order.neediest([chain_of("people"), chain_of("lead")]).name == "lead"
    assert order.neediest([chain_of("people"), chain_of("lead", pages=20)]).name == "people"


def test_a_list_longer_than_expected_still_counts() -> None:
    """A list that outgrew the last snapshot never drops out."""
    assert Order({"memo": 50}, Ranges({}, split=False)).pages_left(chain_of("memo", pages=7)) > 0


def simulated_ratio(pages: dict[str, int], latency_s: float, expected: dict[str, int]) -> float:
    """Return a run's length over its floor: a slot per 0.12 s, the neediest ready chain first."""
    interval_s = 0.12
    order, chains = (
        Order(expected, Ranges({}, split=False)),
        {table: chain_of(table) for table in pages},
    )
    in_flight: list[tuple[float, str]] = []
    ready = set(pages)
    now_s, last_s = 0.0, 0.0
    while ready or in_flight:
        for done_s, table in sorted(in_flight):
            if done_s <= now_s + 1e-9:
                in_flight.remove((done_s, table))
                chains[table].pages += 1
                order.advanced(chains[table])
                if chains[table].pages < pages[table]:
                    ready.add(table)
        if ready:
            table = order.neediest([chains[each] for each in ready]).name
            ready.remove(table)
            in_flight.append((now_s + latency_s, table))
            last_s = now_s
            now_s += interval_s
        elif in_flight:
            now_s = max(now_s, min(in_flight)[0])
    slots = math.ceil(latency_s / interval_s - 1e-9)
    floor_s = max((sum(pages.values()) - 1) * interval_s, (max(pages.values()) - 1) * slots * 0.12)
    return last_s / floor_s


USUAL = {"organization": 80, "people": 160, "deal": 120, "lead": 100, "memo": 200}
MEMO_HEAVY = {"organization": 15, "people": 40, "deal": 40, "lead": 30, "memo": 500}
PEOPLE_HEAVY = {"organization": 15, "people": 500, "deal": 40, "lead": 30, "memo": 40}


@pytest.mark.parametrize("pages", [USUAL, MEMO_HEAVY, PEOPLE_HEAVY])
@pytest.mark.parametrize("latency_s", [0.1, 0.3, 1.0])
@pytest.mark.parametrize("known", [False, True])
def test_the_order_keeps_near_the_floor(
    pages: dict[str, int], latency_s: float, known: bool
) -> None:
    """First and second run end within 4 % of the floor, whichever list is the longest."""
    sizes = {table: number * CORE[table].page_size for table, number in pages.items()}
    assert simulated_ratio(pages, latency_s, sizes if known else {}) <= 1.04


def test_submissions_come_last_and_begun_ones_before_fresh_ones() -> None:
    """A form's list is short: long lists go first; one that goes on is longer than one page."""
    fresh, begun = (Chain(submissions_of(each), each, each) for each in ("fresh", "begun"))
    begun.pages = 1
    assert (
        Order({}, Ranges({}, split=False)).neediest([fresh, begun, chain_of("memo")]).name == "memo"
    )
    assert Order({}, Ranges({}, split=False)).neediest([fresh, begun]).name == "begun"


def test_small_lists_say_nothing_of_the_big_ones() -> None:
    """A list without pages does not make the workspace look bigger than it is."""
    order, user = Order({}, Ranges({}, split=False)), chain_of("user", pages=1)
    before = order.pages_left(chain_of("memo"))
    order.advanced(user)
    assert order.pages_left(chain_of("memo")) == before
