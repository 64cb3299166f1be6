"""Snapshot a whole Salesmap CRM workspace into one SQLite file, complete or not at all.

from salesmap_async import Secret, Settings, take_snapshot

report = await take_snapshot(Settings(token=Secret("...")))
"""

from salesmap_async.errors import SalesmapError
from salesmap_async.run.snapshot import RunReport, take_snapshot
from salesmap_async.settings import Secret, Settings
from salesmap_async.version import VERSION as __version__

__all__ = ["RunReport", "SalesmapError", "Secret", "Settings", "__version__", "take_snapshot"]
