"""The shapes of what was sold and may be sold: Won summary, StatePath, deal check, pipeline."""

from __future__ import annotations

from salesmap_async.dashboard.data.shapes import Shape, TeamLabel, YearlyShape


class WonLine(YearlyShape):
    """Besides: KRW by year (`won2025`), and the owners of the base year (`owners2025`)."""

    upper_org: str
    total: int
    contacts: list[str]
    owners: list[str]
    dealCount: int


class WonSummary(Shape):
    items: list[WonLine]
    years: list[int]


class CellState(Shape):
    amt_eok: float
    bucket: str


class YearState(Shape):
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


class Counterparty(YearlyShape):
    """Besides: 억 of both years, and online and offline of the base year."""

    rank: str
    group_id: str
    upper_org: str
    lane: str


class Play(Shape):
    type: str
    text: str


class Recommendations(Shape):
    next_objective_type: str
    next_target_cell: str
    target_counterparties: list[Counterparty]
    action_play_top3: list[Play]


class NoPerson(Shape):
    deals: int
    amount_krw: int


class Doubts(Shape):
    flags: list[str]
    checks: dict[str, bool]
    no_person: NoPerson


class StatePath(YearlyShape):
    """Besides: the path, as `path_2024_to_2025`."""

    company_name: str | None
    year_states: dict[str, YearState]
    ops_reco: Recommendations
    qa: Doubts


class OneStatePath(Shape):
    item: StatePath
    years: list[int]


class CheckedDeal(YearlyShape):
    """Besides: KRW that the organization bought in the base year, as `orgWon2025Total`."""

    dealId: str | None
    orgId: str | None
    orgName: str
    isRetention: bool
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


class DealCheckMeta(Shape):
    team: TeamLabel
    members: int
    warnings: list[str]
    base_year: int


class DealCheck(Shape):
    items: list[CheckedDeal]
    years: list[int]
    meta: DealCheckMeta


class MonthWon(Shape):
    year: int
    month: int
    amount: int
    count: int


class YearWon(Shape):
    year: int
    amount: int
    count: int


class StageOpen(Shape):
    pipeline: str
    stage: str
    count: int
    amount: int


class SizeRate(Shape):
    size: str
    won: int
    lost: int
    rate: float | None


class Pipeline(Shape):
    years: list[int]
    won_by_month: list[MonthWon]
    won_by_year: list[YearWon]
    open_by_stage: list[StageOpen]
    win_rate_by_size: list[SizeRate]
