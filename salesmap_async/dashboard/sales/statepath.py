"""StatePath: where a customer stood last year, where it stands now, and what that suggests.

Pure. Each year has four cells: HRD or business unit (BU), online or offline. Sums are whole KRW
and are compared as such; 억 are made only for the answer.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from salesmap_async.dashboard.data.shapes import with_years
from salesmap_async.dashboard.sales.models import (
    Counterparty,
    Doubts,
    Event,
    Path,
    Play,
    StatePath,
    YearState,
)
from salesmap_async.lenient import NOT_GIVEN
from salesmap_async.money import KRW_PER_EOK, eok

CELLS = ("HRD_ONLINE", "HRD_OFFLINE", "BU_ONLINE", "BU_OFFLINE")
RAILS = ("ONLINE", "OFFLINE")
LANES = ("HRD", "BU")
NOTHING = "Ø"
BUCKETS = (NOTHING, "P5", "P4", "P3", "P2", "P1", "P0", "S0")

_COMPANY_BOUNDS = (10_000_000, 25_000_000, 50_000_000, 100_000_000, 200_000_000, 1_000_000_000)
_RAIL_BOUNDS = (5_000_000, 12_500_000, 25_000_000, 50_000_000, 100_000_000, 500_000_000)
"""KRW at which P4, P3, P2, P1, P0 and S0 begin, the bound included."""

PLAYS = {
    "OPEN": "새로 열린 영역입니다. 첫 과정의 만족도와 담당자를 확인해 다음 과정으로 잇습니다.",
    "CLOSE": "매출이 끊긴 영역입니다. 중단 사유를 확인하고 재개할 조건과 시기를 제안합니다.",
    "SCALE_UP": "커진 영역입니다. 성과를 정리해 연간 계획과 대상 확대를 함께 제안합니다.",
    "SCALE_DOWN": "줄어든 영역입니다. 예산과 경쟁 상황을 확인하고 작게 다시 시작할 안을 냅니다.",
    "COMPANY_SCALE_CHANGE": "회사 전체 등급이 바뀌었습니다. 담당 체계와 연간 목표를 다시 정합니다.",
    "RAIL_SCALE_CHANGE": "온라인·오프라인 등급이 바뀌었습니다. 두 방식을 묶은 과정을 제안합니다.",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class WonDeal:
    """One Won deal of the organization; `amount_krw` 0 where it has none.

    `of_known_person`: its person exists and works for the same organization.
    """

    year: int
    amount_krw: int
    upper_org: str
    is_online: bool
    of_known_person: bool


def bucket_of_company(amount_krw: int) -> str:
    """Return the grade of a year's total."""
    return _bucket(amount_krw, _COMPANY_BOUNDS)


def bucket_of_rail(amount_krw: int) -> str:
    """Return the grade of a rail's total or of one cell."""
    return _bucket(amount_krw, _RAIL_BOUNDS)


def lane_of(upper_org: str, keywords: Iterable[str]) -> str:
    """Return HRD where the name holds one of `keywords`, in any case of letters; else BU."""
    if upper_org == NOT_GIVEN:
        return "BU"
    name = upper_org.casefold()
    return "HRD" if any(keyword.casefold() in name for keyword in keywords) else "BU"


def statepath(
    company_name: str | None,
    deals: Iterable[WonDeal],
    *,
    base_year: int,
    lane_keywords: Iterable[str],
) -> StatePath:
    """Return the whole item: two years, the path between them, recommendations, what to doubt."""
    years = (base_year - 1, base_year)
    counted = [deal for deal in deals if deal.year in years]
    lanes = {deal.upper_org: lane_of(deal.upper_org, lane_keywords) for deal in counted}
    before, now = (_cells(counted, year, lanes) for year in years)
    states = {year: _state(year, cells) for year, cells in zip(years, (before, now), strict=True)}
    events = _events(states[years[0]], states[base_year])
    target = _target_cell(now)
    path: Path = {
        "from_state_code": states[years[0]]["bucket"],
        "to_state_code": states[base_year]["bucket"],
        "events": events,
        "seed": _seed(before, now),
    }
    item: StatePath = {
        "company_name": company_name,
        "year_states": {str(year): state for year, state in states.items()},
        "ops_reco": {
            "next_objective_type": _objective(events, states[base_year]),
            "next_target_cell": target,
            "target_counterparties": _counterparties(_groups(counted, lanes), target, years),
            "action_play_top3": _plays(events),
        },
        "qa": _doubts(counted, before, now, years),
    }
    return with_years(item, {f"path_{years[0]}_to_{base_year}": path})


Cells = Mapping[str, int]
"""KRW of one year by cell."""


def _bucket(amount_krw: int, bounds: tuple[int, ...]) -> str:
    if amount_krw <= 0:
        return NOTHING
    return BUCKETS[1 + sum(amount_krw >= bound for bound in bounds)]


def _cells(deals: Iterable[WonDeal], year: int, lanes: Mapping[str, str]) -> Cells:
    cells = dict.fromkeys(CELLS, 0)
    for deal in deals:
        if deal.year == year:
            cells[f"{lanes[deal.upper_org]}_{_rail(deal)}"] += deal.amount_krw
    return cells


def _rail(deal: WonDeal) -> str:
    return "ONLINE" if deal.is_online else "OFFLINE"


def _of_rail(cells: Cells, rail: str) -> int:
    return sum(cells[f"{lane}_{rail}"] for lane in LANES)


def _of_lane(cells: Cells, lane: str) -> int:
    return sum(cells[f"{lane}_{rail}"] for rail in RAILS)


def _state(year: int, cells: Cells) -> YearState:
    total, online, offline = sum(cells.values()), *(_of_rail(cells, rail) for rail in RAILS)
    return {
        "year": year,
        "total_eok": eok(total),
        "online_eok": eok(online),
        "offline_eok": eok(offline),
        "hrd_eok": eok(_of_lane(cells, "HRD")),
        "bu_eok": eok(_of_lane(cells, "BU")),
        "bucket": bucket_of_company(total),
        "bucket_online": bucket_of_rail(online),
        "bucket_offline": bucket_of_rail(offline),
        "cells": {
            cell: {"amt_eok": eok(amount), "bucket": bucket_of_rail(amount)}
            for cell, amount in cells.items()
        },
    }


def _events(before: YearState, now: YearState) -> list[Event]:
    events: list[Event] = []
    for cell in CELLS:
        old, new = before["cells"][cell]["bucket"], now["cells"][cell]["bucket"]
        if old != new:
            events.append({"type": _change(old, new), "cell": cell, "from": old, "to": new})
    if before["bucket"] != now["bucket"]:
        old, new = before["bucket"], now["bucket"]
        events.append({"type": "COMPANY_SCALE_CHANGE", "from": old, "to": new})
    for rail in RAILS:
        old, new = _bucket_of(before, rail), _bucket_of(now, rail)
        if old != new:
            events.append({"type": "RAIL_SCALE_CHANGE", "rail": rail, "from": old, "to": new})
    return events


def _bucket_of(state: YearState, rail: str) -> str:
    return state["bucket_online"] if rail == "ONLINE" else state["bucket_offline"]


def _change(old: str, new: str) -> str:
    if old == NOTHING:
        return "OPEN"
    if new == NOTHING:
        return "CLOSE"
    return "SCALE_UP" if BUCKETS.index(new) > BUCKETS.index(old) else "SCALE_DOWN"


def _seed(before: Cells, now: Cells) -> str:
    """Return which lane bought first, and so may have led to the other."""
    hrd_before, bu_before = _of_lane(before, "HRD"), _of_lane(before, "BU")
    hrd_now, bu_now = _of_lane(now, "HRD"), _of_lane(now, "BU")
    if hrd_before > 0 and bu_before <= 0 and bu_now > 0:
        return "H→B"
    if bu_before > 0 and hrd_before <= 0 and hrd_now > 0:
        return "B→H"
    if hrd_before <= 0 and bu_before <= 0 and hrd_now > 0 and bu_now > 0:
        return "SIMUL"
    return "NONE"


def _objective(events: Iterable[Event], now: YearState) -> str:
    if any(event["type"] in ("CLOSE", "SCALE_DOWN") for event in events):
        return "RETENTION"
    is_open = any(cell["bucket"] == NOTHING for cell in now["cells"].values())
    return "OPEN" if is_open else "SCALE_UP"


def _target_cell(now: Cells) -> str:
    """Return the cell with most room: an empty one, else one of a low grade and little money."""
    return min(CELLS, key=lambda cell: (-_room(now[cell]), cell))


def _room(amount_krw: int) -> int:
    """Return the score of a cell, in KRW so that it is exact: 10 less its grade, 5 less its 억."""
    grade = BUCKETS.index(bucket_of_rail(amount_krw))
    if grade == 0:
        return 100 * KRW_PER_EOK
    return max(0, 10 - grade) * KRW_PER_EOK + max(0, 5 * KRW_PER_EOK - amount_krw)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Group:
    """One upper organization: KRW by (year, rail)."""

    upper_org: str
    lane: str
    sums: Mapping[tuple[int, str], int]

    def of_year(self, year: int) -> int:
        return sum(self.of(year, rail) for rail in RAILS)

    def of(self, year: int, rail: str) -> int:
        return self.sums.get((year, rail), 0)


def _groups(deals: Iterable[WonDeal], lanes: Mapping[str, str]) -> list[_Group]:
    """Return the upper organizations by name, each whole, whatever teams it has."""
    sums: dict[str, dict[tuple[int, str], int]] = {upper_org: {} for upper_org in sorted(lanes)}
    for deal in deals:
        own, key = sums[deal.upper_org], (deal.year, _rail(deal))
        own[key] = own.get(key, 0) + deal.amount_krw
    return [_Group(upper_org=name, lane=lanes[name], sums=own) for name, own in sums.items()]


def _counterparties(
    groups: list[_Group], target: str, years: tuple[int, int]
) -> list[Counterparty]:
    """Return whom to talk to: A buys most, B buys the other rail in the target lane, C is new."""
    if not groups:
        return []
    ranked = sorted(groups, key=lambda group: -group.of_year(years[1]))
    first = ranked[0]
    second = _second(ranked, target, years[1])
    third = _third(ranked, {first.upper_org, second.upper_org}, years)
    chosen = zip("ABC", (first, second, third), strict=True)
    return [_counterparty(rank, group, years) for rank, group in chosen]


def _second(ranked: list[_Group], target: str, base_year: int) -> _Group:
    lane, rail = target.split("_")
    opposite = RAILS[1 - RAILS.index(rail)]
    in_lane = [group for group in ranked[1:] if group.lane == lane]
    with_money = [group for group in in_lane if group.of(base_year, opposite) > 0]
    return (with_money or in_lane or ranked)[0]


def _third(ranked: list[_Group], used: set[str], years: tuple[int, int]) -> _Group:
    unused = [group for group in ranked if group.upper_org not in used]
    new = [group for group in unused if group.of_year(years[0]) <= 0 < group.of_year(years[1])]
    near = [group for group in ranked[1:3] if group.upper_org not in used]
    return (new or near or ranked)[0]


def _counterparty(rank: str, group: _Group, years: tuple[int, int]) -> Counterparty:
    whom: Counterparty = {
        "rank": rank,
        "group_id": group.upper_org,
        "upper_org": group.upper_org,
        "lane": group.lane,
    }
    sums = {f"amt_{year}_eok": eok(group.of_year(year)) for year in years}
    rails = {f"{rail.lower()}_{years[1]}_eok": eok(group.of(years[1], rail)) for rail in RAILS}
    return with_years(whom, sums | rails)


def _plays(events: Iterable[Event]) -> list[Play]:
    kinds = list(dict.fromkeys(event["type"] for event in events))
    return [{"type": kind, "text": PLAYS[kind]} for kind in kinds[:3]]


def _doubts(deals: Iterable[WonDeal], before: Cells, now: Cells, years: tuple[int, int]) -> Doubts:
    totals = [sum(cells.values()) for cells in (before, now)]
    nobody = [deal.amount_krw for deal in deals if not deal.of_known_person]
    return {
        "flags": ["no_won_amount"] if all(total <= 0 for total in totals) else [],
        "checks": {f"y{year}_ok": total >= 0 for year, total in zip(years, totals, strict=True)},
        "no_person": {"deals": len(nobody), "amount_krw": sum(nobody)},
    }
