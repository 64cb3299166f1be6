"""The shapes of what was sold and may be sold: Won summary, StatePath, deal check, pipeline."""

from __future__ import annotations

from typing import NotRequired

from typing_extensions import TypedDict

from salesmap_async.dashboard.data.lacking import Lacks
from salesmap_async.dashboard.data.shapes import TeamLabel, exact, yearly


@yearly
class WonLine(TypedDict):
    """Besides: KRW by year (`won2025`), and the owners of the base year (`owners2025`).

    Amounts are null where they cannot be told.
    """

    upper_org: str
    total: int | None
    contacts: list[str]
    owners: list[str]
    dealCount: int


@exact
class WonSummary(Lacks):
    items: list[WonLine]
    years: list[int]


@exact
class CellState(TypedDict):
    amt_eok: float
    bucket: str


@exact
class YearState(TypedDict):
    year: int
    total_eok: float
    online_eok: float
    offline_eok: float
    hrd_eok: float
    bu_eok: float
    bucket: str
    bucket_online: str
    bucket_offline: str
    cells: dict[str, CellState]


@yearly
class Counterparty(TypedDict):
    """Besides: 억 of both years, and online and offline of the base year."""

    rank: str
    group_id: str
    upper_org: str
    lane: str


Event = TypedDict(
    "Event",
    {"type": str, "from": str, "to": str, "cell": NotRequired[str], "rail": NotRequired[str]},
)
"""What has changed from a year to the next: in one cell, on one rail, or in all."""


@exact
class Path(TypedDict):
    from_state_code: str
    to_state_code: str
    events: list[Event]
    seed: str


@exact
class Play(TypedDict):
    type: str
    text: str


@exact
class Recommendations(TypedDict):
    next_objective_type: str
    next_target_cell: str
    target_counterparties: list[Counterparty]
    action_play_top3: list[Play]


@exact
class NoPerson(TypedDict):
    deals: int
    amount_krw: int


@exact
class Doubts(TypedDict):
    flags: list[str]
    checks: dict[str, bool]
    no_person: NoPerson


@yearly
class StatePath(TypedDict):
    """Besides: the path, as `path_2024_to_2025`."""

    company_name: str | None
    year_states: dict[str, YearState]
    ops_reco: Recommendations
    qa: Doubts


@exact
class OneStatePath(Lacks):
    """`item` is null where it cannot be worked out; `lacking` says why."""

    item: StatePath | None
    years: list[int]


@yearly
class CheckedDeal(TypedDict):
    """Besides: KRW that the organization bought in the base year, as `orgWon2025Total`."""

    dealId: str | None
    orgId: str | None
    orgName: str
    isRetention: bool | None
    createdAt: str | None
    dealName: str | None
    courseFormat: str | None
    owners: list[str]
    probability: str | None
    expectedCloseDate: str | None
    expectedAmount: int | None
    memoCount: int
    upperOrg: str | None
    teamSignature: str | None
    personId: str | None
    personName: str | None
    part: str


@exact
class DealCheckMeta(TypedDict):
    team: TeamLabel
    members: int
    warnings: list[str]
    base_year: int


@exact
class DealCheck(Lacks):
    """`retention_years`: who bought in one of them is a customer already."""

    retention_years: list[int]
    items: list[CheckedDeal]
    years: list[int]
    meta: DealCheckMeta


@exact
class MonthWon(TypedDict):
    """Null: cannot be told."""

    year: int
    month: int
    amount: int | None
    count: int | None


@exact
class YearWon(TypedDict):
    """Null: cannot be told."""

    year: int
    amount: int | None
    count: int | None


@exact
class Comparison(TypedDict):
    """`before`: KRW of the year before, until the same day where the year is not over."""

    year: int
    before: int | None
    is_partial: bool


@exact
class StageOpen(TypedDict):
    pipeline: str
    stage: str
    count: int
    amount: int | None


@exact
class SizeRate(TypedDict):
    size: str
    won: int
    lost: int
    rate: float | None


@exact
class Pipeline(Lacks):
    """`today`: the day in Seoul on which the snapshot was read."""

    years: list[int]
    today: str
    won_by_month: list[MonthWon]
    won_by_year: list[YearWon]
    compared: list[Comparison]
    open_by_stage: list[StageOpen]
    win_rate_by_size: list[SizeRate]
