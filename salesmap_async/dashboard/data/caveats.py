"""Why figures may be other than one thinks, in words for the page."""

from __future__ import annotations

from collections.abc import Iterable

from salesmap_async.dashboard.data.database import Snapshot
from salesmap_async.seoul import seoul_year

DECIDES = {
    "deal.status": "Won 딜과 진행 중인 딜을 찾을 수 없습니다",
    "deal.contract_date": "수주 연도를 알 수 없어 연도별 수주 금액이 모두 0원입니다",
    "deal.amount": "수주 금액이 모두 0원입니다",
    "deal.owner": "딜 담당자를 알 수 없어 딜체크에 딜이 나오지 않습니다",
    "deal.expected_amount": "예상 체결액이 모두 비어 있습니다",
    "deal.course_format": "모든 과정이 오프라인으로 계산됩니다",
    "people.upper_org": "모든 수주가 미입력(BU)으로 계산됩니다",
    "people.team_signature": "수주를 팀별로 나눌 수 없습니다",
    "organization.size": "기업 규모로 나눌 수 없습니다",
}
"""Meanings that decide figures -> what it does to them that the workspace has no such field."""

DECIDES_DEAL_CHECK = tuple(name for name in DECIDES if name.startswith("deal."))


def caveats(snapshot: Snapshot, won: str) -> list[str]:
    """Return what is missing, what the configuration leaves out, and what cannot be read."""
    return [*_missing(snapshot), *without_field(snapshot, DECIDES), *_unreadable(snapshot, won)]


def without_field(snapshot: Snapshot, meanings: Iterable[str]) -> list[str]:
    """Return a warning for each of these meanings that the configuration maps to no field."""
    return [
        f"{name}: 비워 둔 항목이라 {DECIDES[name]} (dashboard.toml의 columns)"
        for name in meanings
        if snapshot.columns.is_left_out(*name.split("."))
    ]


def _missing(snapshot: Snapshot) -> list[str]:
    return [
        f"{name}: 스냅샷에 없는 항목입니다 (dashboard.toml의 columns)"
        for name in snapshot.columns.absent()
    ]


def _unreadable(snapshot: Snapshot, won: str) -> list[str]:
    count = snapshot.remembered(
        "unreadable contract dates", lambda each: _count_unreadable(each, won)
    )
    name = snapshot.columns.full_name("deal", "contract_date")
    said = f"{name}: 날짜를 읽을 수 없는 Won 딜 {count:,}건은 연도별 금액에서 빠졌습니다"
    return [said] if count else []


def _count_unreadable(snapshot: Snapshot, won: str) -> int:
    if not all(snapshot.columns.has("deal", meaning) for meaning in ("status", "contract_date")):
        return 0
    rows = snapshot.rows(
        """
        SELECT {deal.contract_date}, count(*) FROM deal
        WHERE {deal.status} = ? AND {deal.contract_date} <> '' GROUP BY 1
        """,
        won,
    )
    return sum(count for contract_date, count in rows if seoul_year(contract_date) is None)
