"""The shapes of the list of deals and of the view by colleague."""

from __future__ import annotations

from typing_extensions import TypedDict

from salesmap_async.dashboard.data.lacking import Lacks
from salesmap_async.dashboard.data.shapes import exact


@exact
class ListedDeal(TypedDict):
    """`worth`: the amount, of an open deal the expected one. Days are days in Seoul.

    `active_on`: when a stage was entered or a memo written last, else when it was created.
    """

    id: str | None
    name: str | None
    organization_id: str | None
    organization: str | None
    person_id: str | None
    person: str | None
    organization_of_person: str | None
    status: str | None
    pipeline: str | None
    stage: str | None
    owners: str | None
    teams: str | None
    worth: int | None
    expected_close: str | None
    created: str | None
    contract: str | None
    active_on: str | None
    is_overdue: bool
    is_stale: bool


@exact
class Sums(TypedDict):
    """Of all deals that the filters let through, not of one page. Amounts are KRW.

    Null: cannot be told.
    """

    count: int
    worth: int | None
    open_count: int | None
    open_worth: int | None
    won_count: int | None
    won_worth: int | None
    overdue: int | None
    stale: int | None


@exact
class ListedDeals(Lacks):
    items: list[ListedDeal]
    sums: Sums
    today: str
    stale_days: int


@exact
class StageChoice(TypedDict):
    pipeline: str
    stage: str


@exact
class Choices(TypedDict):
    owners: list[str]
    teams: list[str]
    stages: list[StageChoice]
    statuses: list[str]


@exact
class Closing(TypedDict):
    id: str | None
    name: str | None
    expected_close: str
    worth: int | None


@exact
class OwnerLine(TypedDict):
    """One colleague. Won figures are of the base year, until the day of the snapshot.

    Null: cannot be told.
    """

    owner: str
    open_count: int | None
    open_worth: int | None
    won_count: int | None
    won_worth: int | None
    overdue: int | None
    stale: int | None
    next_closings: list[Closing]


@exact
class Owners(Lacks):
    items: list[OwnerLine]
    year: int
    today: str
    stale_days: int
