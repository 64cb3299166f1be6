"""What the page asks first: the years it shows, its configuration, the snapshot and its age."""

from __future__ import annotations

from datetime import UTC, datetime

from salesmap_async.dashboard.data.caveats import caveats
from salesmap_async.dashboard.data.config import DashboardConfig, team_label
from salesmap_async.dashboard.data.database import Snapshot
from salesmap_async.dashboard.data.suggestion import missing_fields, toml_block
from salesmap_async.dashboard.data.summary import open_status
from salesmap_async.dashboard.data.years import base_year_of, known_years, years_to
from salesmap_async.dashboard.operations.models import AboutData, AboutSnapshot
from salesmap_async.publish.manifest import META_TABLES, read_one_row
from salesmap_async.publish.published import oldest_read_in
from salesmap_async.sqlite_file import quoted
from salesmap_async.times import moment_of

STALE_AFTER_S = 24 * 3600


def about(snapshot: Snapshot, config: DashboardConfig) -> AboutData:
    """Return what the page needs to know of the data before it shows anything."""
    base_year = base_year_of(snapshot, config, None)
    missing = missing_fields(snapshot)
    return {
        "base_year": base_year,
        "years": years_to(base_year),
        "known_years": known_years(snapshot, config.statuses.won, base_year),
        "default_size": config.default_size,
        "status_won": config.statuses.won,
        "status_open": open_status(snapshot, config.statuses),
        "crm_url": config.crm_url,
        "own_side_owner_label": config.own_side_owner_label,
        "teams": [team_label(team) for team in config.teams if team.menu],
        "snapshot": _about_snapshot(snapshot),
        "warnings": caveats(snapshot, config.statuses.won),
        "missing": missing,
        "missing_toml": toml_block(missing),
    }


def _about_snapshot(snapshot: Snapshot) -> AboutSnapshot:
    info = read_one_row(snapshot.connection, "run_info")
    captured_at_utc = oldest_read_in(snapshot.connection)
    captured_at = moment_of(captured_at_utc)
    age_s = None if captured_at is None else (datetime.now(UTC) - captured_at).total_seconds()
    return {
        "run_tag": _text(info.get("run_tag")),
        "captured_at_utc": captured_at_utc,
        "published_at": snapshot.state.changed_at.isoformat(timespec="seconds"),
        "workspace_id": _text(info.get("workspace_id")),
        "workspace_name": _text(info.get("workspace_name")),
        "rows_total": snapshot.remembered("rows in all", _rows_in_all),
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


def _text(value: object) -> str | None:
    return None if value is None else str(value)
