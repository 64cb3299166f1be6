"""The shapes of records: organizations, people, deals, memos, web forms."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import Field
from typing_extensions import TypedDict

from salesmap_async.dashboard.data.lacking import Lacks
from salesmap_async.dashboard.data.shapes import exact
from salesmap_async.dashboard.data.webforms import WebForm


@exact
class Sizes(Lacks):
    sizes: list[str]


@exact
class Organization(TypedDict):
    id: str
    name: str | None
    size: str | None
    team: list[Any]
    owner: dict[str, Any] | None


@exact
class Organizations(Lacks):
    """`won`: KRW won in the base year by id, by which the list is sorted; null: unknown."""

    items: list[Organization]
    won: dict[str, int | None]
    years: list[int]


@exact
class OneOrganization(TypedDict):
    item: Organization


@exact
class Memo(TypedDict):
    id: str | None
    text: str | None
    html: Annotated[str | None, Field(description="Sanitised: formatting alone.")]
    ownerId: str | None
    ownerName: str | None
    createdAt: str | None
    updatedAt: str | None


@exact
class Memos(Lacks):
    items: list[Memo]


@exact
class Person(TypedDict):
    id: str | None
    organizationId: str | None
    name: str | None
    upper_org: str | None
    team_signature: str | None
    title_signature: str | None
    edu_area: str | None
    email: str | None
    phone: str | None
    deal_count: int | None
    webforms: list[WebForm]
    webform_count: int


@exact
class People(Lacks):
    items: list[Person]


@exact
class Submission(TypedDict):
    date: str
    name: str


@exact
class Submissions(TypedDict):
    items: list[Submission]


@exact
class Deal(TypedDict):
    id: str | None
    peopleId: str | None
    organizationId: str | None
    name: str | None
    status: str | None
    amount: int | None
    expected_amount: int | None
    contract_date: str | None
    ownerName: str | None
    created_at: str | None


@exact
class Deals(Lacks):
    items: list[Deal]


@exact
class ShortMemo(TypedDict):
    id: str | None
    text: str | None
    createdAt: str | None


@exact
class GroupedForm(TypedDict):
    name: str
    date: str | list[str]


@exact
class GroupedPerson(TypedDict):
    id: str | None
    name: str | None
    title_signature: str | None
    edu_area: str | None
    webforms: list[GroupedForm]
    memos: list[ShortMemo]


@exact
class GroupedDeal(TypedDict):
    id: str | None
    peopleId: str | None
    name: str | None
    status: str | None
    probability: str | None
    expected_close_date: str | None
    lost_at: str | None
    lost_reason: str | None
    course_format: str | None
    category: str | None
    start_date: str | None
    end_date: str | None
    created_at: str | None
    team: Any
    owner: Any
    amount: int | None
    expected_amount: int | None
    net_percent: Any
    contract_date: str | None
    memos: list[ShortMemo]


@exact
class Group(TypedDict):
    upper_org: str
    team: str
    people: list[GroupedPerson]
    deals: list[GroupedDeal]


@exact
class CompactOrganization(TypedDict):
    id: str
    name: str | None
    size: str | None
    industry: str | None
    industry_major: str | None
    industry_mid: str | None


@exact
class GroupedOrganization(CompactOrganization):
    memos: list[ShortMemo]


@exact
class Figures(TypedDict):
    """KRW of one year; null: cannot be told."""

    total: int | None
    online: int | None
    offline: int | None
    deals: int


@exact
class CompactGroup(TypedDict):
    """`won`: by year, e.g. "2025"."""

    upper_org: str
    team: str
    people: int
    deals: int
    won: dict[str, Figures]


@exact
class CompactWonGroups(Lacks):
    organization: CompactOrganization
    groups: list[CompactGroup]
    years: list[int]


@exact
class WonGroups(Lacks):
    organization: GroupedOrganization
    groups: list[Group]
    years: list[int]
