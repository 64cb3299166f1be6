"""The endpoints of the screen 딜."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query
from pydantic import Field

from salesmap_async.dashboard.data.context import Dashboard, ThisDashboard
from salesmap_async.dashboard.data.database import Snapshot
from salesmap_async.dashboard.data.lacking import lacks
from salesmap_async.dashboard.data.years import base_year_of
from salesmap_async.dashboard.deals import models
from salesmap_async.dashboard.deals.facts import DealFacts, deal_facts
from salesmap_async.dashboard.deals.filters import MOST_DAYS, DealFilter, Order, Sort
from salesmap_async.dashboard.deals.listing import choices, list_deals, owner_lines
from salesmap_async.dashboard.web.answers import Answer
from salesmap_async.dashboard.web.parameters import UNAVAILABLE, BaseYear
from salesmap_async.paths import timeline_path

router = APIRouter(prefix="/api", default_response_class=Answer)


class DealQuery(DealFilter):
    """The filters, the order, and which part of the list."""

    sort: Sort = "expected_close"
    order: Order = "asc"
    limit: Annotated[int, Field(ge=1, le=10_000)] = 50
    offset: Annotated[int, Field(ge=0, le=1_000_000_000)] = 0


@router.get("/deals", response_model=models.ListedDeals, responses=UNAVAILABLE)
def get_all_deals(here: ThisDashboard, query: Annotated[DealQuery, Query()]) -> Answer:
    """List deals, with the sums of all that the filters let through."""
    with here.database.open() as snapshot:
        facts = _facts(here, snapshot)
        items, sums = list_deals(
            facts,
            snapshot.columns,
            query,
            sort=query.sort,
            order=query.order,
            limit=query.limit,
            offset=query.offset,
        )
        lacking = lacks(
            snapshot.columns, "open_deals", "open_amount", "won_total", "owners", "overdue"
        )
        return Answer(
            {
                "items": items,
                "sums": sums,
                "today": facts.today.isoformat(),
                "stale_days": query.stale_days,
                **lacking,
            }
        )


@router.get("/deal-choices", response_model=models.Choices, responses=UNAVAILABLE)
def get_choices(here: ThisDashboard) -> Answer:
    """Return what the filters of the list may be set to."""
    with here.database.open() as snapshot:
        return Answer(choices(_facts(here, snapshot)))


@router.get("/deal-owners", response_model=models.Owners, responses=UNAVAILABLE)
def get_owners(
    here: ThisDashboard,
    base_year: BaseYear = None,
    stale_days: Annotated[int, Query(ge=1, le=MOST_DAYS)] = 30,
) -> Answer:
    """Return for each colleague what is open, won, overdue and stale, and what closes next."""
    with here.database.open() as snapshot:
        facts = _facts(here, snapshot)
        year = base_year_of(snapshot, here.config, base_year)
        lines = owner_lines(facts, snapshot.columns, year=year, stale_days=stale_days)
        lacking = lacks(
            snapshot.columns, "owners", "open_deals", "open_amount", "won_amount", "overdue"
        )
        return Answer(
            {
                "items": lines,
                "year": year,
                "today": facts.today.isoformat(),
                "stale_days": stale_days,
                **lacking,
            }
        )


def _facts(here: Dashboard, snapshot: Snapshot) -> DealFacts:
    return deal_facts(snapshot, here.config, timeline_path(here.settings.db_path))
