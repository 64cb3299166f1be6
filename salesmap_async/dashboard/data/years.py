"""Which years the screens show, where no others are asked for."""

from __future__ import annotations

from salesmap_async.dashboard.data.config import DashboardConfig
from salesmap_async.dashboard.data.database import Snapshot
from salesmap_async.publish.manifest import read_one_row
from salesmap_async.seoul import SEOUL, seoul_year


def base_year_of(snapshot: Snapshot, config: DashboardConfig, asked: int | None) -> int:
    """Return the year asked for, else the configured one, else that of the snapshot in Seoul."""
    if asked is not None or config.base_year is not None:
        return asked or config.base_year or 0
    captured_at = read_one_row(snapshot.connection, "run_info").get("captured_at_utc")
    return seoul_year(captured_at) or snapshot.state.changed_at.astimezone(SEOUL).year


def years_to(base_year: int, count: int = 3) -> list[int]:
    """Return that many years up to `base_year`, the oldest first."""
    return list(range(base_year - count + 1, base_year + 1))
