"""The endpoints about what was sold, and what may be sold next."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query

from salesmap_async.dashboard.data.config import Team
from salesmap_async.dashboard.data.context import Dashboard, ThisDashboard
from salesmap_async.dashboard.data.lacking import lacks
from salesmap_async.dashboard.data.years import base_year_of, years_to
from salesmap_async.dashboard.sales import models
from salesmap_async.dashboard.sales.deal_check import deal_check
from salesmap_async.dashboard.sales.pipeline import pipeline
from salesmap_async.dashboard.sales.statepath_input import statepath_of
from salesmap_async.dashboard.sales.won import won_summary
from salesmap_async.dashboard.web.answers import Answer
from salesmap_async.dashboard.web.errors import NotFoundError, UnknownTeamError
from salesmap_async.dashboard.web.parameters import (
    UNAVAILABLE,
    UNKNOWN_ID,
    UNKNOWN_TEAM,
    BaseYear,
    RecordId,
)

router = APIRouter(prefix="/api", default_response_class=Answer)


@router.get("/orgs/{org_id}/won-summary", response_model=models.WonSummary, responses=UNKNOWN_ID)
def get_won_summary(here: ThisDashboard, org_id: RecordId, base_year: BaseYear = None) -> Answer:
    """Return what the organization bought, by the upper organization of the buyer."""
    with here.database.open() as snapshot:
        years = years_to(base_year_of(snapshot, here.config, base_year))
        won = here.config.statuses.won
        items = won_summary(snapshot, org_id, years=years, won=won)
        lacking = lacks(snapshot.columns, "won_deals", "won_amount", "upper_orgs")
        return Answer({"items": items, "years": years, **lacking})


@router.get("/orgs/{org_id}/statepath", response_model=models.OneStatePath, responses=UNKNOWN_ID)
def get_statepath(here: ThisDashboard, org_id: RecordId, base_year: BaseYear = None) -> Answer:
    """Return where the organization stood last year, where it stands now, and what follows."""
    with here.database.open() as snapshot:
        year = base_year_of(snapshot, here.config, base_year)
        item = statepath_of(snapshot, org_id, base_year=year, config=here.config)
        lacking = lacks(snapshot.columns, "statepath")
        return Answer({"item": item, "years": years_to(year, 2), **lacking})


@router.get("/deal-check", response_model=models.DealCheck, responses=UNKNOWN_TEAM)
def get_deal_check_of_team(
    here: ThisDashboard,
    team: Annotated[str, Query(max_length=200, description="Key of a configured team.")],
    base_year: BaseYear = None,
) -> Answer:
    """Return the open deals of a team."""
    found = _team(here, team)
    if found is None:
        raise UnknownTeamError(team, [each.key for each in here.config.teams])
    return _deal_check(here, found, base_year)


@router.get("/deal-check/{key}", response_model=models.DealCheck, responses=UNKNOWN_ID)
def get_deal_check(here: ThisDashboard, key: RecordId, base_year: BaseYear = None) -> Answer:
    """Return the open deals of a team."""
    found = _team(here, key)
    if found is None:
        raise NotFoundError("team", key)
    return _deal_check(here, found, base_year)


@router.get("/pipeline", response_model=models.Pipeline, responses=UNAVAILABLE)
def get_pipeline(
    here: ThisDashboard, years: Annotated[int, Query(ge=1, le=10)] = 3, base_year: BaseYear = None
) -> Answer:
    """Return Won by month and year, open deals by stage, the win rate by size."""
    with here.database.open() as snapshot:
        year = base_year_of(snapshot, here.config, base_year)
        statuses = here.config.statuses
        return Answer(pipeline(snapshot, base_year=year, year_count=years, statuses=statuses))


def _team(here: Dashboard, key: str) -> Team | None:
    return next((team for team in here.config.teams if team.key == key), None)


def _deal_check(here: Dashboard, team: Team, base_year: int | None) -> Answer:
    with here.database.open() as snapshot:
        year = base_year_of(snapshot, here.config, base_year)
        return Answer(deal_check(snapshot, team, base_year=year, statuses=here.config.statuses))
