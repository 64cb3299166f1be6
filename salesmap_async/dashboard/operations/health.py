"""Whether the dashboard can answer: the snapshot is there and is not damaged."""

from __future__ import annotations

import sqlite3
from contextlib import suppress

from salesmap_async.dashboard.data.context import Dashboard
from salesmap_async.dashboard.web.errors import NoDatabaseError, UnavailableError
from salesmap_async.publish.damage import examine_quickly


def check_health(here: Dashboard) -> None:
    """Raise UnavailableError without a whole snapshot; a lock is a matter of moments and passes."""
    path = here.db_path
    try:
        stat = path.stat()
    except OSError:
        raise NoDatabaseError(path, command=here.command("run")) from None
    damage = ""
    with suppress(sqlite3.Error):
        damage = examine_quickly(path).damage if stat.st_size else "the file is empty"
    if damage:
        raise UnavailableError(f"The database is damaged: {damage}", command=here.command("doctor"))
