"""The snapshot screen: how the runs went, what the tables hold, which backups there are."""

from __future__ import annotations

from datetime import datetime
from itertools import islice

from salesmap_async.dashboard.data.database import Snapshot
from salesmap_async.dashboard.operations import models
from salesmap_async.operate.backups import list_backups
from salesmap_async.operate.runs import RunEntry, history_of, read_runs
from salesmap_async.settings import Settings
from salesmap_async.sqlite_file import column_types

_SHOWN_RUNS = 60
_MANIFEST = (
    "table", "row_count", "column_count", "errors", "endpoint", "pages", "duplicates", "repaired",
)  # fmt: skip


def runs(settings: Settings, limit: int) -> models.Runs:
    """Return the last runs, restores among them, the newest first; `running`: one is at work."""
    history = read_runs(settings, most=limit)
    return {
        "items": [_run(entry) for entry in history.runs[:limit]],
        "running": history.busy,
    }


def tables(snapshot: Snapshot, settings: Settings) -> models.Tables:
    """Return the manifest of the snapshot, and the rows of each table after each published run."""
    return {"items": _manifest(snapshot), "history": _rows_over_time(settings)}


def backups(settings: Settings) -> list[models.Backup]:
    """Return the backups of the DB, the most recently made first."""
    return [
        {
            "name": backup.path.name,
            "size_bytes": backup.size_bytes,
            "changed_at": backup.changed_at.isoformat(timespec="seconds"),
            "run_tag": backup.run_tag,
            "captured_at_utc": _iso(backup.captured_at),
            "problem": backup.problem or None,
        }
        for backup in list_backups(settings)
    ]


def _run(entry: RunEntry) -> models.Run:
    return {
        "run_tag": entry.run_tag,
        "kind": entry.kind,
        "status": entry.status,
        "started_at": _iso(entry.started_at),
        "ended_at": _iso(entry.ended_at),
        "seconds": entry.seconds,
        "rows": entry.rows,
        "requests": entry.requests,
        "refusals": entry.refusals,
        "error": entry.error or None,
    }


def _manifest(snapshot: Snapshot) -> list[models.ManifestTable]:
    names = {name for name, _ in column_types(snapshot.connection, "manifest")}
    if "table" not in names:
        return []
    columns = ", ".join(f'"{column}"' if column in names else "NULL" for column in _MANIFEST)
    return [
        {
            "table": table,
            "rows": row_count,
            "columns": column_count,
            "errors": errors,
            "endpoint": endpoint,
            "pages": pages,
            "duplicates": duplicates,
            "repaired": repaired,
        }
        for (
            table, row_count, column_count, errors, endpoint, pages, duplicates, repaired,
        ) in snapshot.rows(f"SELECT {columns} FROM manifest ORDER BY rowid")
    ]  # fmt: skip


def _rows_over_time(settings: Settings) -> list[models.RowsAfterRun]:
    """Return what was published when, oldest first.

    A run of a few tables leaves the others as they were.
    """
    published = history_of(settings).published(settings.db_path)
    shown = list(islice(published, _SHOWN_RUNS))
    rows: dict[str, int] = {}
    for older in published:
        rows = {**(older.rows or {}), **rows}
    history: list[models.RowsAfterRun] = []
    for line in reversed(shown):
        rows = {**rows, **(line.rows or {})}
        history.append({"run_tag": line.run_tag, "ended_at": line.ended_at, "rows": rows})
    return history


def _iso(moment: datetime | None) -> str | None:
    return None if moment is None else moment.isoformat(timespec="seconds")
