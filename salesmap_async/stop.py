"""A one-way request to stop: once made it stays made, and every wait ends at once."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from salesmap_async.errors import StoppedError


class Stop:
    """Shared by everything that waits. `request` must be called in the event loop's thread."""

    def __init__(self) -> None:
        self._event = asyncio.Event()
        self._signal_number = int(signal.SIGINT)
        self._waits: set[asyncio.Timeout] = set()

    @property
    def requested(self) -> bool:
        """Whether the run was asked to stop."""
        return self._event.is_set()

    def request(self, signal_number: int = int(signal.SIGINT)) -> None:
        """Ask the run to stop. Only the first signal's number is kept."""
        if not self.requested:
            self._signal_number = signal_number
            self._event.set()
            for wait in self._waits:
                wait.reschedule(0)

    def check(self) -> None:
        """Raise StoppedError if a stop was requested. May be called from any thread."""
        if self.requested:
            name = signal.Signals(self._signal_number).name
            raise StoppedError(f"stopped by {name}", signal_number=self._signal_number)

    async def wait(self) -> None:
        """Wait until a stop is requested."""
        await self._event.wait()

    async def sleep(self, seconds: float) -> None:
        """Sleep, or raise StoppedError as soon as a stop is requested."""
        async with self.ending_waits():
            await asyncio.sleep(seconds)

    @asynccontextmanager
    async def ending_waits(self) -> AsyncIterator[None]:
        """Cut the block short and raise StoppedError as soon as a stop is requested."""
        try:
            async with asyncio.timeout(None) as wait:
                self._waits.add(wait)
                try:
                    self.check()
                    yield
                finally:
                    self._waits.discard(wait)
        except TimeoutError:
            self.check()
            raise
