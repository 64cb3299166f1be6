"""Snapshot a whole Salesmap CRM workspace into one SQLite file, complete or not at all.

from salesmap_async import Secret, Settings, take_snapshot

report = await take_snapshot(Settings(token=Secret("...")))

The names are imported when they are asked for: so the command can catch signals before the rest is
imported.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from salesmap_async.version import VERSION as __version__

if TYPE_CHECKING:
    from salesmap_async.errors import SalesmapError
    from salesmap_async.run.snapshot import RunReport, take_snapshot
    from salesmap_async.settings import Secret, Settings

__all__ = ["RunReport", "SalesmapError", "Secret", "Settings", "__version__", "take_snapshot"]

_HOMES = {
    "RunReport": "run.snapshot",
    "SalesmapError": "errors",
    "Secret": "settings",
    "Settings": "settings",
    "take_snapshot": "run.snapshot",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
