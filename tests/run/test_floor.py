"""The floor that a run's summary names, and which of its two terms bounds it. Pure."""

from __future__ import annotations

import pytest

from salesmap_async.run.floor import Floor, floor_of
from salesmap_async.store.work_db import ChainRow


def chain_of(table: str, pages: int, name: str = "") -> ChainRow:
    return ChainRow(
        name=name or table,
        table=table,
        path=f"/{table}",
        added={},
        state="done",
        pages=pages,
        rows=0,
        progress={},
        error="",
        started_at=None,
        ended_at=None,
    )


def test_many_lists_are_bound_by_the_pace() -> None:
    """Every page is a request, and requests start an interval apart."""
    chains = [chain_of(table, 100) for table in ("memo", "people", "deal", "lead")]
    floor = floor_of(chains, interval_s=0.12, latency_s=0.3)
    assert floor == Floor(pages=400, page_s=0.12)
    assert floor.seconds == pytest.approx(48.0)


def test_one_long_list_is_bound_by_its_answers() -> None:
    """Its pages come one after the other, each at the slot after its answer."""
    chains = [chain_of("people", 100), chain_of("deal", 20)]
    floor = floor_of(chains, interval_s=0.12, latency_s=0.3)
    assert floor.table == "people"
    assert floor.pages == 100
    assert floor.page_s == pytest.approx(0.36)


def test_a_list_read_in_ranges_counts_by_its_longest_range() -> None:
    """Ranges are read side by side."""
    chains = [chain_of("memo", 50, f"memo since {number}") for number in range(4)]
    assert floor_of(chains, interval_s=0.12, latency_s=0.3).table == ""


def test_without_an_interval_only_answers_count() -> None:
    """At interval 0 the longest list bounds."""
    floor = floor_of([chain_of("deal", 10)], interval_s=0, latency_s=0.5)
    assert floor.table == "deal"
    assert floor.seconds == pytest.approx(5.0)


def test_no_list_has_no_floor() -> None:
    """A run of nothing takes no time."""
    assert floor_of([], interval_s=0.12, latency_s=0.3).seconds == 0
