"""Which years the screens show, where no others are asked for."""

from __future__ import annotations

from datetime import date

from salesmap_async.dashboard.data.config import DashboardConfig
from salesmap_async.dashboard.data.database import Snapshot
from salesmap_async.dashboard.data.summary import won_sums
from salesmap_async.publish.manifest import read_one_row
from salesmap_async.seoul import SEOUL, seoul_date

LAST_EARLY_MONTH = 3
"""March."""


def base_year_of(snapshot: Snapshot, config: DashboardConfig, asked: int | None) -> int:
    """Return the year asked for, else the configured one, else that of the snapshot in Seoul."""
    if asked is not None or config.base_year is not None:
        return asked or config.base_year or 0
    return captured_on(snapshot).year


def captured_on(snapshot: Snapshot) -> date:
    """Return the day in Seoul on which the snapshot was read."""
    captured_at = read_one_row(snapshot.connection, "run_info").get("captured_at_utc")
    return seoul_date(captured_at) or snapshot.state.changed_at.astimezone(SEOUL).date()


def known_years(snapshot: Snapshot, won: str, base_year: int) -> list[int]:
    """Return the years that a screen may show: those with Won deals and the base year, in order."""
    if not snapshot.columns.has_table("deal"):
        return [base_year]
    years = {year for year, sums in won_sums(snapshot, won).of_deals.items() if sums}
    return sorted(years | {base_year})


def retention_years(base_year: int, today: date) -> list[int]:
    """Return the years in which who bought is a customer already.

    In the first months of a year next to nobody has bought in it yet: the year before counts too.
    """
    is_early = base_year == today.year and today.month <= LAST_EARLY_MONTH
    return [base_year - 1, base_year] if is_early else [base_year]


def years_to(base_year: int, count: int = 3) -> list[int]:
    """Return that many years up to `base_year`, the oldest first."""
    return list(range(base_year - count + 1, base_year + 1))
