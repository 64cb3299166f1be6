"""When a request may start: one limiter and one 429 deadline for all workers.

I1: no two requests start less than `min_interval_s` apart, and while the deadline has not passed
none starts at all. The deadline is a moment of the loop's clock that only moves later; only the
clock opens the gate. Everything that sends asks `slot` first, hidden repeats included.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

from aiolimiter import AsyncLimiter

from salesmap_async.errors import QuotaExhaustedError
from salesmap_async.events import GateClosed, Listener
from salesmap_async.stop import Stop


@dataclass(frozen=True, slots=True)
class Slot:
    """The right to start one request now; `closings` is how often the gate had closed before."""

    closings: int


class Throttle:
    """The pace of one run. Make it inside the running event loop.

    `backoff_s` times the number of refusals in a row, up to `max_backoff_s`, is waited where the
    server does not say how long; `max_429_wait_s` bounds one streak of refusals.
    """

    def __init__(
        self,
        *,
        min_interval_s: float,
        backoff_s: float,
        max_backoff_s: float,
        max_429_wait_s: float,
        stop: Stop,
        tell: Listener,
    ) -> None:
        # AsyncLimiter(1, 0) raises; without an interval only the gate is left.
        self._limiter = AsyncLimiter(1, min_interval_s) if min_interval_s > 0 else None
        self._backoff_s = backoff_s
        self._max_backoff_s = max_backoff_s
        self._max_429_wait_s = max_429_wait_s
        self._stop = stop
        self._tell = tell
        self._loop = asyncio.get_running_loop()
        # One interval of silence: an earlier process may just have sent a request.
        self._open_at = self._loop.time() + min_interval_s
        self._closings = 0
        self._refusals_in_a_row = 0
        self._refused_since: float | None = None
        self.waited_s = 0.0

    async def slot(self) -> Slot:
        """Wait for the gate and the limiter. Raises StoppedError when the run is to stop."""
        while True:
            # The gate is looked at again after the limiter: it may have closed meanwhile.
            await self._wait_for_gate()
            if self._limiter is not None:
                async with self._stop.ending_waits():
                    await self._limiter.acquire()
            self._stop.check()
            if self._loop.time() >= self._open_at:
                return Slot(self._closings)

    def accepted(self, slot: Slot) -> None:
        """Note that the server answered this slot's request with anything but 429."""
        if slot.closings == self._closings:
            self._refusals_in_a_row = 0
            self._refused_since = None

    def refused(self, slot: Slot, asked: tuple[float, str] | None) -> None:
        """Close the gate after a 429; `asked` is the wait the server named, and where.

        Answers to requests that were under way when the gate closed belong to that closing: they
        may move the deadline later, but they do not count as another refusal. Raises
        QuotaExhaustedError when the streak would last longer than `max_429_wait_s`.
        """
        now = self._loop.time()
        first_of_its_closing = slot.closings == self._closings
        if first_of_its_closing:
            self._closings += 1
            self._refusals_in_a_row += 1
        if self._refused_since is None:
            self._refused_since = now
        wait_s, cause = asked or self._unasked_wait()
        if now + wait_s - self._refused_since > self._max_429_wait_s:
            raise QuotaExhaustedError(
                f"the server refuses requests (429) and {cause} asks to wait {wait_s:.0f} s: "
                f"{now - self._refused_since + wait_s:.0f} s in a row, more than "
                f"--max-429-wait {self._max_429_wait_s:g}",
                cure="another client may be using up the workspace's quota; go on later",
            )
        if now + wait_s > self._open_at:
            self.waited_s += now + wait_s - max(self._open_at, now)
            self._open_at = now + wait_s
            self._tell(GateClosed(wait_s, cause))

    def _unasked_wait(self) -> tuple[float, str]:
        refusals = max(self._refusals_in_a_row, 1)
        wait_s = min(self._backoff_s * refusals, self._max_backoff_s)
        return wait_s, f"refusal {refusals} in a row without a time"

    async def _wait_for_gate(self) -> None:
        while (left_s := self._open_at - self._loop.time()) > 0:
            await self._stop.sleep(left_s)
        self._stop.check()
