"""Whether the dashboard can answer: the snapshot is there and is not damaged."""

from __future__ import annotations

import sqlite3
from contextlib import suppress
from functools import lru_cache
from pathlib import Path

from salesmap_async.dashboard.data.context import Dashboard
from salesmap_async.dashboard.web.errors import NoDatabaseError, UnavailableError
from salesmap_async.publish.damage import QUICK_LOOK_S, examine


def check_health(here: Dashboard) -> None:
    """Raise UnavailableError without a whole snapshot; a lock is a matter of moments and passes."""
    path = here.db_path
    try:
        stat = path.stat()
    except OSError:
        raise NoDatabaseError(path, command=here.command("run")) from None
    damage = ""
    with suppress(sqlite3.Error):
        damage = _damage_of(path, (stat.st_ino, stat.st_size, stat.st_mtime_ns))
    if damage:
        raise UnavailableError(f"The database is damaged: {damage}", command=here.command("doctor"))


@lru_cache(maxsize=4)
def _damage_of(path: Path, _state: tuple[int, ...]) -> str:
    """Return what is wrong with this state of the file; each state is searched once."""
    if path.stat().st_size == 0:
        return "the file is empty"
    return examine(path, limit_s=QUICK_LOOK_S).damage
