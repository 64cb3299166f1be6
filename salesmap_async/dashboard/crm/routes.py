"""The endpoints of the organization screen."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query

from salesmap_async.dashboard.crm import models
from salesmap_async.dashboard.crm.deals import deals_of_person
from salesmap_async.dashboard.crm.memos import memos_of_deal, memos_of_organization, memos_of_person
from salesmap_async.dashboard.crm.orgs import EVERY_SIZE, list_organizations, organization, sizes
from salesmap_async.dashboard.crm.people import people_of, webforms_of_person
from salesmap_async.dashboard.crm.won_groups import compact, won_groups
from salesmap_async.dashboard.data.context import ThisDashboard
from salesmap_async.dashboard.data.lacking import lacks
from salesmap_async.dashboard.data.years import base_year_of, years_to
from salesmap_async.dashboard.web.answers import Answer
from salesmap_async.dashboard.web.parameters import (
    UNAVAILABLE,
    UNKNOWN_ID,
    BaseYear,
    Limit,
    Offset,
    RecordId,
    Text,
)

router = APIRouter(prefix="/api", default_response_class=Answer)


@router.get("/sizes", response_model=models.Sizes, responses=UNAVAILABLE)
def get_sizes(here: ThisDashboard) -> Answer:
    """Return the sizes that organizations have."""
    with here.database.open() as snapshot:
        return Answer({"sizes": sizes(snapshot), **lacks(snapshot.columns, "sizes")})


@router.get("/orgs", response_model=models.Organizations, responses=UNAVAILABLE)
def get_organizations(
    here: ThisDashboard,
    size: Text = EVERY_SIZE,
    search: Annotated[Text, Query(description="Part of the name or id.")] = "",
    limit: Limit = 200,
    offset: Offset = 0,
    base_year: BaseYear = None,
) -> Answer:
    """List the organizations that have people or deals, who bought most this year first."""
    with here.database.open() as snapshot:
        year = base_year_of(snapshot, here.config, base_year)
        items, won = list_organizations(
            snapshot,
            size=size,
            search=search,
            limit=limit,
            offset=offset,
            base_year=year,
            won=here.config.statuses.won,
        )
        lacking = lacks(snapshot.columns, "won_of_organization")
        return Answer({"items": items, "won": won, "years": years_to(year), **lacking})


@router.get("/orgs/{org_id}", response_model=models.OneOrganization, responses=UNKNOWN_ID)
def get_organization(here: ThisDashboard, org_id: RecordId) -> Answer:
    """Return one organization."""
    with here.database.open() as snapshot:
        return Answer({"item": organization(snapshot, org_id)})


@router.get("/orgs/{org_id}/memos", response_model=models.Memos, responses=UNKNOWN_ID)
def get_memos_of_organization(here: ThisDashboard, org_id: RecordId, limit: Limit = 100) -> Answer:
    """Return the memos on the organization itself, the newest first."""
    with here.database.open() as snapshot:
        items = memos_of_organization(snapshot, org_id, limit)
        return Answer({"items": items, **lacks(snapshot.columns, "memos")})


@router.get("/orgs/{org_id}/people", response_model=models.People, responses=UNKNOWN_ID)
def get_people(
    here: ThisDashboard,
    org_id: RecordId,
    has_deal: Annotated[bool | None, Query(alias="hasDeal")] = None,
) -> Answer:
    """Return all people of the organization, or those with or without deals."""
    with here.database.open() as snapshot:
        items = people_of(snapshot, org_id, has_deal=has_deal)
        return Answer({"items": items, **lacks(snapshot.columns, "deals_of_people")})


@router.get("/orgs/{org_id}/won-groups-json", response_model=models.WonGroups, responses=UNKNOWN_ID)
def get_won_groups(here: ThisDashboard, org_id: RecordId, base_year: BaseYear = None) -> Answer:
    """Return the organization with its people, web forms, memos and Won deals of three years."""
    with here.database.open() as snapshot:
        years = years_to(base_year_of(snapshot, here.config, base_year))
        won = here.config.statuses.won
        groups = won_groups(snapshot, org_id, years=years, won=won)
        return Answer({**groups, **lacks(snapshot.columns, "won_deals", "upper_orgs")})


@router.get(
    "/orgs/{org_id}/won-groups-json-compact",
    response_model=models.CompactWonGroups,
    responses=UNKNOWN_ID,
)
def get_compact_won_groups(
    here: ThisDashboard, org_id: RecordId, base_year: BaseYear = None
) -> Answer:
    """Return the groups of `won-groups-json` as sums, for clients of the earlier backend."""
    with here.database.open() as snapshot:
        years = years_to(base_year_of(snapshot, here.config, base_year))
        groups = won_groups(snapshot, org_id, years=years, won=here.config.statuses.won)
        lacking = lacks(snapshot.columns, "won_deals", "won_amount", "rails", "upper_orgs")
        sums = compact(snapshot.columns, groups, here.config.online_formats)
        return Answer({**sums, **lacking})


@router.get("/people/{person_id}/deals", response_model=models.Deals, responses=UNKNOWN_ID)
def get_deals(here: ThisDashboard, person_id: RecordId) -> Answer:
    """Return all deals of a person, the latest contract first."""
    with here.database.open() as snapshot:
        items = deals_of_person(snapshot, person_id)
        return Answer({"items": items, **lacks(snapshot.columns, "deals_of_people")})


@router.get("/people/{person_id}/memos", response_model=models.Memos, responses=UNKNOWN_ID)
def get_memos_of_person(here: ThisDashboard, person_id: RecordId, limit: Limit = 200) -> Answer:
    """Return the memos on a person that belong to no deal, the newest first."""
    with here.database.open() as snapshot:
        items = memos_of_person(snapshot, person_id, limit)
        return Answer({"items": items, **lacks(snapshot.columns, "memos")})


@router.get("/people/{person_id}/webforms", response_model=models.Submissions, responses=UNKNOWN_ID)
def get_webforms(here: ThisDashboard, person_id: RecordId) -> Answer:
    """Return the web forms of a person, one line per form and date."""
    with here.database.open() as snapshot:
        return Answer({"items": webforms_of_person(snapshot, person_id)})


@router.get("/deals/{deal_id}/memos", response_model=models.Memos, responses=UNKNOWN_ID)
def get_memos_of_deal(here: ThisDashboard, deal_id: RecordId, limit: Limit = 200) -> Answer:
    """Return the memos on a deal, the newest first."""
    with here.database.open() as snapshot:
        items = memos_of_deal(snapshot, deal_id, limit)
        return Answer({"items": items, **lacks(snapshot.columns, "memos")})
