"""The pipeline screen: Won by month and year, open deals by stage, win rate by size."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date
from functools import partial

from salesmap_async.dashboard.data.config import Statuses
from salesmap_async.dashboard.data.database import Snapshot
from salesmap_async.dashboard.data.lacking import can_tell, lacks
from salesmap_async.dashboard.data.stages import Stage, in_pipeline_order, open_deals
from salesmap_async.dashboard.data.years import captured_on, years_to
from salesmap_async.dashboard.sales.models import Pipeline
from salesmap_async.lenient import NOT_GIVEN, trimmed
from salesmap_async.money import krw
from salesmap_async.seoul import seoul_date

MONTHS = range(1, 13)


@dataclass(slots=True)
class _Total:
    """How many deals, and their KRW."""

    count: int = 0
    amount: int = 0

    def add(self, amount: object) -> None:
        self.count += 1
        self.amount += krw(amount) or 0


@dataclass(frozen=True, slots=True, kw_only=True)
class PipelineFigures:
    """The sums of a whole snapshot. Days are those of the contract in Seoul."""

    won: dict[date, _Total]
    open: dict[Stage, _Total]
    decided: dict[str, tuple[int, int]]


def pipeline(
    snapshot: Snapshot, *, base_year: int, year_count: int, statuses: Statuses
) -> Pipeline:
    """Return the figures of `year_count` years; open deals and win rates are of all deals."""
    figures = snapshot.remembered("pipeline", lambda each: _figures(each, statuses))
    years, today = years_to(base_year, year_count), captured_on(snapshot)
    tells = partial(can_tell, snapshot.columns)
    has_counts, has_amounts = tells("won_count"), tells("won_amount")
    by_month = _by_month(figures.won, years)
    by_year = {
        year: _sum(total for (each, _), total in by_month.items() if each == year) for year in years
    }
    return {
        "years": years,
        "today": today.isoformat(),
        "won_by_month": [
            {
                "year": year,
                "month": month,
                "amount": total.amount if has_amounts else None,
                "count": total.count if has_counts else None,
            }
            for (year, month), total in by_month.items()
        ],
        "won_by_year": [
            {
                "year": year,
                "amount": total.amount if has_amounts else None,
                "count": total.count if has_counts else None,
            }
            for year, total in by_year.items()
        ],
        "compared": [
            {
                "year": year,
                "before": _before(figures.won, year, today) if has_amounts else None,
                "is_partial": year == today.year,
            }
            for year in years
        ],
        "open_by_stage": [
            {
                "pipeline": line,
                "stage": stage,
                "count": total.count,
                "amount": total.amount if tells("open_amount") else None,
            }
            for (line, stage), total in figures.open.items()
        ],
        "win_rate_by_size": [
            {"size": size, "won": won, "lost": lost, "rate": won / (won + lost)}
            for size, (won, lost) in figures.decided.items()
        ],
        **lacks(
            snapshot.columns, "won_count", "won_amount", "open_deals", "open_amount", "win_rates"
        ),
    }


def _by_month(won: Mapping[date, _Total], years: list[int]) -> dict[tuple[int, int], _Total]:
    found = {(year, month): _Total() for year in years for month in MONTHS}
    for day, total in won.items():
        if day.year in years:
            month = found[day.year, day.month]
            month.count += total.count
            month.amount += total.amount
    return found


def _before(won: Mapping[date, _Total], year: int, today: date) -> int:
    """Return KRW of the year before `year`; of a year that is not over until the same day."""
    until = (today.month, today.day) if year == today.year else (12, 31)
    return sum(
        total.amount
        for day, total in won.items()
        if day.year == year - 1 and (day.month, day.day) <= until
    )


def _sum(totals: Iterable[_Total]) -> _Total:
    found = list(totals)
    return _Total(sum(each.count for each in found), sum(each.amount for each in found))


def _figures(snapshot: Snapshot, statuses: Statuses) -> PipelineFigures:
    open_by_stage: dict[Stage, _Total] = defaultdict(_Total)
    if can_tell(snapshot.columns, "open_deals"):
        for stage, expected_amount in open_deals(snapshot, (statuses.won, statuses.lost)):
            open_by_stage[stage].add(expected_amount)
    order = in_pipeline_order(snapshot)
    last = len(order)
    return PipelineFigures(
        won=_won_by_day(snapshot, statuses.won),
        open={
            stage: open_by_stage[stage]
            for stage in sorted(open_by_stage, key=lambda each: (order.get(each, last), each))
        },
        decided=_decided_by_size(snapshot, statuses),
    )


def _won_by_day(snapshot: Snapshot, won: str) -> dict[date, _Total]:
    totals: dict[date, _Total] = defaultdict(_Total)
    for contract_date, amount in snapshot.each(
        "SELECT {deal.contract_date}, {deal.amount} FROM deal WHERE {deal.status} = ?", won
    ):
        day = seoul_date(contract_date)
        if day is not None:
            totals[day].add(amount)
    return dict(totals)


def _decided_by_size(snapshot: Snapshot, statuses: Statuses) -> dict[str, tuple[int, int]]:
    """Return (won, lost) by the size of the deal's organization, most decided deals first."""
    if not can_tell(snapshot.columns, "win_rates"):
        return {}
    counts: dict[str, list[int]] = defaultdict(lambda: [0, 0])
    for size, status, count in snapshot.rows(
        """
        SELECT {organization.size}, {deal.status}, count(*)
        FROM deal LEFT JOIN organization ON {organization.id} = {deal.organizationId}
        WHERE {deal.status} IN (?, ?) GROUP BY 1, 2
        """,
        statuses.won,
        statuses.lost,
    ):
        counts[trimmed(size) or NOT_GIVEN][0 if status == statuses.won else 1] += count
    ranked = sorted(counts, key=lambda size: (-sum(counts[size]), size))
    return {size: (counts[size][0], counts[size][1]) for size in ranked}
