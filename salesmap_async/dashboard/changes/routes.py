"""The endpoints about what changed."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query

from salesmap_async.dashboard.changes import models
from salesmap_async.dashboard.changes.queries import Since, changes, life, timeline
from salesmap_async.dashboard.data.context import ThisDashboard
from salesmap_async.dashboard.web.answers import Answer
from salesmap_async.dashboard.web.parameters import UNAVAILABLE, UNKNOWN_STATE, Text

router = APIRouter(prefix="/api", default_response_class=Answer)

Word = Annotated[
    str | None, Query(min_length=1, max_length=100, description="A run, or a day: 2026-01-31.")
]


@router.get("/timeline", response_model=models.Timeline, responses=UNAVAILABLE)
def get_timeline(here: ThisDashboard) -> Answer:
    """Return the states that can be compared, with the sums of each."""
    return Answer(timeline(here))


@router.get("/changes", response_model=models.Changes, responses=UNKNOWN_STATE)
def get_changes(
    here: ThisDashboard,
    since: Since = "yesterday",
    old: Word = None,
    new: Word = None,
    owner: Text = "",
    team: Text = "",
) -> Answer:
    """Return what happened to the deals: since a day, or between any two states."""
    return Answer(changes(here, old=old, new=new, since=since, owner=owner, team=team))


@router.get("/life", response_model=models.Life, responses=UNKNOWN_STATE)
def get_life(
    here: ThisDashboard,
    table: Annotated[str, Query(min_length=1, max_length=100)],
    id: Annotated[str, Query(min_length=1, max_length=200)],  # noqa: A002 - the API's word
) -> Answer:
    """Return when a record was first seen, each change of a field, and when it went."""
    return Answer(life(here, table, id))
