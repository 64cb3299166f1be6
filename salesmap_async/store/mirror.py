"""Keeps `checkpoint.json` up to date while the work DB is written; see `checkpoint`."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path
from typing import Any

from salesmap_async.events import Listener, Warned
from salesmap_async.store.checkpoint import RENAME_ATTEMPTS, write_mirror

PAUSE_S = 0.25
"""While pages come faster than people read, the mirror is not written for each."""


class Mirror:
    """Writes the mirror to `path`; what refuses it is told once, and survived."""

    def __init__(self, path: Path, tell: Listener) -> None:
        self._path = path
        self._tell = tell
        self._written_at_s = float("-inf")
        self._failed = False
        self._rename_works = True

    def is_due(self) -> bool:
        """Whether PAUSE_S have passed since it was written."""
        return time.monotonic() >= self._written_at_s + PAUSE_S

    async def write(self, content: dict[str, Any]) -> None:
        """Write it now, in a thread."""
        self._written_at_s = time.monotonic()
        try:
            # Once refused, the rename is not waited for again: every commit would be late.
            attempts = RENAME_ATTEMPTS if self._rename_works else 1
            self._rename_works = await asyncio.to_thread(
                write_mirror, self._path, content, attempts=attempts
            )
        except OSError as error:
            self._rename_works = False
            if not self._failed:
                self._tell(Warned(f"checkpoint.json cannot be written ({error}); the data is safe"))
            self._failed = True
