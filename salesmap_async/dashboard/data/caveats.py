"""Why figures may be other than one thinks, in words for the page."""

from __future__ import annotations

from salesmap_async.dashboard.data.database import Snapshot
from salesmap_async.seoul import seoul_year

LEFT_OUT = {
    "deal.course_format": "모든 과정이 오프라인으로 계산됩니다",
    "people.upper_org": "모든 수주가 미입력(BU)으로 계산됩니다",
    "people.team_signature": "수주를 팀별로 나눌 수 없습니다",
}
"""Meanings that a workspace may do without -> what that does to the figures."""


def caveats(snapshot: Snapshot, won: str) -> list[str]:
    """Return what is missing, what the configuration leaves out, and what cannot be read."""
    return [*_missing(snapshot), *_left_out(snapshot), *_unreadable(snapshot, won)]


def _left_out(snapshot: Snapshot) -> list[str]:
    return [
        f"{name}: 비워 둔 항목이라 {effect} (dashboard.toml의 columns)"
        for name, effect in LEFT_OUT.items()
        if snapshot.columns.is_left_out(*name.split("."))
    ]


def _missing(snapshot: Snapshot) -> list[str]:
    return [
        f"{snapshot.columns.full_name(*each)}: 스냅샷에 없는 항목입니다 (dashboard.toml의 columns)"
        for each in snapshot.columns.absent()
    ]


def _unreadable(snapshot: Snapshot, won: str) -> list[str]:
    count = snapshot.remembered(
        "unreadable contract dates", lambda each: _count_unreadable(each, won)
    )
    name = snapshot.columns.full_name("deal", "contract_date")
    said = f"{name}: 날짜를 읽을 수 없는 Won 딜 {count:,}건은 연도별 금액에서 빠졌습니다"
    return [said] if count else []


def _count_unreadable(snapshot: Snapshot, won: str) -> int:
    if not snapshot.columns.has_table("deal"):
        return 0
    rows = snapshot.rows(
        """
        SELECT {deal.contract_date}, count(*) FROM deal
        WHERE {deal.status} = ? AND {deal.contract_date} <> '' GROUP BY 1
        """,
        won,
    )
    return sum(count for contract_date, count in rows if seoul_year(contract_date) is None)
