"""What the page asks first: the years it shows, its configuration, the snapshot and its age."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from salesmap_async.dashboard.caveats import caveats
from salesmap_async.dashboard.config import DashboardConfig, Team
from salesmap_async.dashboard.database import Snapshot
from salesmap_async.dashboard.seoul import SEOUL, seoul_year
from salesmap_async.operate.look import moment
from salesmap_async.publish.manifest import META_TABLES, read_one_row
from salesmap_async.publish.sqlite_file import quoted

STALE_AFTER_S = 24 * 3600


def base_year_of(snapshot: Snapshot, config: DashboardConfig, asked: int | None) -> int:
    """Return the year asked for, else the configured one, else that of the snapshot in Seoul."""
    if asked is not None or config.base_year is not None:
        return asked or config.base_year or 0
    captured_at = read_one_row(snapshot.connection, "run_info").get("captured_at_utc")
    return seoul_year(captured_at) or _changed_at(snapshot).astimezone(SEOUL).year


def years_to(base_year: int, count: int = 3) -> list[int]:
    """Return that many years up to `base_year`, the oldest first."""
    return list(range(base_year - count + 1, base_year + 1))


def about(snapshot: Snapshot, config: DashboardConfig) -> dict[str, Any]:
    """Return everything the page needs before it shows anything."""
    base_year = base_year_of(snapshot, config, None)
    return {
        "base_year": base_year,
        "years": years_to(base_year),
        "default_size": config.default_size,
        "status_won": config.statuses.won,
        "status_open": config.statuses.open,
        "crm_url": config.crm_url,
        "own_side_owner_label": config.own_side_owner_label,
        "teams": [team_label(team) for team in config.teams if team.in_menu],
        "snapshot": _about_snapshot(snapshot),
        "warnings": caveats(snapshot, config.statuses.won),
    }


def team_label(team: Team, crm_team: str | None = None) -> dict[str, str]:
    """Return how the page names a team; where its name in the CRM is not known, the first one."""
    return {"key": team.key, "label": team.label, "crm_team": crm_team or team.crm_team[0]}


def _about_snapshot(snapshot: Snapshot) -> dict[str, Any]:
    info = read_one_row(snapshot.connection, "run_info")
    captured_at = moment(info.get("captured_at_utc"))
    age_s = None if captured_at is None else (datetime.now(UTC) - captured_at).total_seconds()
    return {
        "run_tag": _text(info.get("run_tag")),
        "captured_at_utc": _text(info.get("captured_at_utc")),
        "published_at": _changed_at(snapshot).isoformat(timespec="seconds"),
        "workspace_id": _text(info.get("workspace_id")),
        "workspace_name": _text(info.get("workspace_name")),
        "rows_total": snapshot.once("rows in all", _rows_in_all),
        "size_bytes": snapshot.state.size_bytes,
        "state": str(snapshot.state),
        "age_s": None if age_s is None else max(0, round(age_s)),
        "stale": age_s is not None and age_s > STALE_AFTER_S,
        "file": str(snapshot.path),
    }


def _rows_in_all(snapshot: Snapshot) -> int:
    tables = [name for name in snapshot.columns.tables if name not in META_TABLES]
    counts = [snapshot.row(f"SELECT count(*) FROM {quoted(name)}") for name in tables]
    return sum(row[0] for row in counts if row)


def _changed_at(snapshot: Snapshot) -> datetime:
    return datetime.fromtimestamp(snapshot.state.changed_ns / 1e9, UTC)


def _text(value: object) -> str | None:
    return None if value is None else str(value)
