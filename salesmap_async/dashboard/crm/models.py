"""The shapes of records: organizations, people, deals, memos, web forms."""

from __future__ import annotations

from typing import Any

from pydantic import Field

from salesmap_async.dashboard.data.shapes import Shape


class Sizes(Shape):
    sizes: list[str]


class Organization(Shape):
    id: str
    name: str | None
    size: str | None
    team: list[Any]
    owner: dict[str, Any] | None


class Organizations(Shape):
    items: list[Organization]
    years: list[int]


class OneOrganization(Shape):
    item: Organization


class Memo(Shape):
    id: str | None
    text: str | None
    html: str | None = Field(description="Sanitised: formatting alone.")
    ownerId: str | None
    ownerName: str | None
    createdAt: str | None
    updatedAt: str | None


class Memos(Shape):
    items: list[Memo]


class WebForm(Shape):
    name: str
    dates: list[str]
    date_label: str


class Person(Shape):
    id: str | None
    organizationId: str | None
    name: str | None
    upper_org: str | None
    team_signature: str | None
    title_signature: str | None
    edu_area: str | None
    email: str | None
    phone: str | None
    deal_count: int
    webforms: list[WebForm]
    webform_count: int


class People(Shape):
    items: list[Person]


class Submission(Shape):
    date: str
    name: str


class Submissions(Shape):
    items: list[Submission]


class Deal(Shape):
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


class Deals(Shape):
    items: list[Deal]


class ShortMemo(Shape):
    id: str | None
    text: str | None
    createdAt: str | None


class GroupedForm(Shape):
    name: str
    date: str | list[str]


class GroupedPerson(Shape):
    id: str | None
    name: str | None
    title_signature: str | None
    edu_area: str | None
    webforms: list[GroupedForm]
    memos: list[ShortMemo]


class GroupedDeal(Shape):
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


class Group(Shape):
    upper_org: str
    team: str
    people: list[GroupedPerson]
    deals: list[GroupedDeal]


class GroupedOrganization(Shape):
    id: str
    name: str | None
    size: str | None
    industry: str | None
    industry_major: str | None
    industry_mid: str | None
    memos: list[ShortMemo]


class WonGroups(Shape):
    organization: GroupedOrganization
    groups: list[Group]
    years: list[int]
