"""The shapes of what changed."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import Field
from typing_extensions import TypedDict

from salesmap_async.dashboard.data.shapes import exact


@exact
class StateOfTimeline(TypedDict):
    number: int
    run_tag: str
    at: str


@exact
class SumsOfState(TypedDict):
    at: str
    run_tag: str
    open_krw: int
    won_krw: int


@exact
class Timeline(TypedDict):
    states: list[StateOfTimeline]
    sums: list[SumsOfState]


@exact
class Kind(TypedDict):
    kind: Annotated[
        str,
        Field(
            description="new, won, lost, moved on, moved back, amount up, amount down, new owner or"
            " gone."
        ),
    ]
    count: int
    amount_krw: int


@exact
class DealEvent(TypedDict):
    kind: str
    deal_id: str
    name: str | None
    organization: str | None
    organization_id: str | None
    person_id: str | None
    owner: str | None
    team: str | None
    amount_krw: int
    old: str | None
    new: str | None


@exact
class TableChanges(TypedDict):
    table: str
    new: int
    gone: int
    changed: int


@exact
class Changes(TypedDict):
    old: Annotated[StateOfTimeline | None, Field(description="None: there is nothing before.")]
    new: StateOfTimeline | None
    is_first: Annotated[bool, Field(description="No older state is there: the first one is taken.")]
    kinds: list[Kind]
    events: list[DealEvent]
    left_out: Annotated[int, Field(description="Events that are counted but not listed.")]
    owners: list[str]
    teams: list[str]
    tables: list[TableChanges]


@exact
class LifeEvent(TypedDict):
    at: str
    run_tag: str
    kind: Annotated[str, Field(description="known (from the first state on), new, changed, gone.")]
    field: str | None
    old: Any
    new: Any


@exact
class Life(TypedDict):
    items: list[LifeEvent]
