"""What is known of each workspace of a fleet, without the network."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from salesmap_async.errors import UsageError
from salesmap_async.fleet.config import Entry
from salesmap_async.operate.look import look_at
from salesmap_async.operate.runs import read_runs


@dataclass(frozen=True, slots=True, kw_only=True)
class EntryStatus:
    """A workspace: the snapshot in its final DB, and how its last run ended. None: there is none.

    `error` says what is wrong with the DB, or why the last run failed.
    """

    name: str
    db_path: str
    run_tag: str | None = None
    captured_at: datetime | None = None
    rows: int | None = None
    last_run: str | None = None
    error: str | None = None

    def as_json(self) -> dict[str, Any]:
        """Return it as JSON values."""
        captured = self.captured_at.isoformat() if self.captured_at else None
        return {
            "name": self.name,
            "db_path": self.db_path,
            "run_tag": self.run_tag,
            "captured_at": captured,
            "rows": self.rows,
            "last_run": self.last_run,
            "error": self.error,
        }


def status_of(entry: Entry) -> EntryStatus:
    """Look at one entry. Never raises: what cannot be read is told as its error."""
    final = look_at(entry.settings.db_path)
    try:
        newest = next(iter(read_runs(entry.settings, most=1).runs), None)
        problem = newest.error if newest else ""
    except UsageError as error:
        newest, problem = None, str(error)
    return EntryStatus(
        name=entry.name,
        db_path=str(entry.settings.db_path),
        run_tag=final.run_tag if final else None,
        captured_at=final.captured_at if final else None,
        rows=final.rows if final else None,
        last_run=newest.status if newest else None,
        error=(final.problem if final else "") or problem or None,
    )
