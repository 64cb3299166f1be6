"""When a request may start: one limiter and one 429 deadline for all workers.

I1: no two requests start less than `min_interval_s` apart, and while the deadline has not passed
none starts at all. The deadline is a moment of the loop's clock that only moves later; only the
clock opens the gate. Everything that sends asks `slot` first, hidden repeats included.

Refusals that keep coming mean that another program uses the quota too: the interval grows, at most
once in ten seconds and to five times its length, and creeps back to `min_interval_s` while none
come.
"""

from __future__ import annotations

import asyncio
import math
from dataclasses import dataclass

from aiolimiter import AsyncLimiter

from salesmap_async.errors import QuotaExhaustedError
from salesmap_async.events import GateClosed, Listener, PaceChanged
from salesmap_async.stop import Stop

REPEATED_WITHIN_S = 60.0
"""A closing so soon after the end of the one before makes the pace slower."""

SLOWER = 1.1
SLOWEST = 5.0
"""The interval grows by the factor SLOWER each time, up to SLOWEST times the usual one."""

CREEP_EVERY_S = 10.0
CREEP = 0.03
"""So often without a refusal, the interval shrinks by this part of the usual one. The quota counts
ten seconds: what a change of pace does shows no sooner."""


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
        self._min_interval_s = min_interval_s
        self.interval_s = min_interval_s
        self._limiter = _limiter(min_interval_s)
        self._backoff_s = backoff_s
        self._max_backoff_s = max_backoff_s
        self.max_429_wait_s = max_429_wait_s
        self._stop = stop
        self._tell = tell
        self._loop = asyncio.get_running_loop()
        # One interval of silence: an earlier process may just have sent a request.
        self._open_at = self._loop.time() + min_interval_s
        self._granted_at = self._loop.time()
        self._pace_since = self._slowed_at = -math.inf
        self._closings = 0
        self._refusals_in_a_row = 0
        self._refused_since: float | None = None
        self.waited_s = 0.0

    async def slot(self) -> Slot:
        """Wait for the gate and the limiter. Raises StoppedError when the run is to stop."""
        while True:
            await self._wait_for_gate()
            limiter = self._limiter
            if limiter is not None:
                async with self._stop.ending_waits():
                    await limiter.acquire()
            self._stop.check()
            # Meanwhile the gate may have closed, or the pace have changed.
            if self._loop.time() >= self._open_at and limiter is self._limiter:
                self._granted_at = self._loop.time()
                return Slot(self._closings)

    def free_in_s(self) -> float:
        """Return the seconds until a slot could start; 0 when one could start now."""
        free_at = max(self._open_at, self._granted_at + self.interval_s)
        return max(0.0, free_at - self._loop.time())

    def accepted(self, slot: Slot) -> None:
        """Note that the server answered this slot's request with anything but 429."""
        if slot.closings == self._closings:
            self._refusals_in_a_row = 0
            self._refused_since = None
        now = self._loop.time()
        longer = self.interval_s > self._min_interval_s
        if longer and now - max(self._pace_since, self._open_at) >= CREEP_EVERY_S:
            shorter_s = self.interval_s - CREEP * self._min_interval_s
            self._change_pace(max(shorter_s, self._min_interval_s), "no refusal for a while")

    def refused(self, slot: Slot, asked: tuple[float, str] | None) -> None:
        """Close the gate after a 429; `asked` is the wait the server named, and where.

        Answers to requests that were under way when the gate closed belong to that closing: they
        may move the deadline later, but they do not count as another refusal. Raises
        QuotaExhaustedError when the streak would last longer than `max_429_wait_s`.
        """
        now = self._loop.time()
        first_of_its_closing = slot.closings == self._closings
        if first_of_its_closing:
            self._slow_down(now)
            self._closings += 1
            self._refusals_in_a_row += 1
        if self._refused_since is None:
            self._refused_since = now
        wait_s, cause = asked or self._unasked_wait()
        if now + wait_s - self._refused_since > self.max_429_wait_s:
            raise QuotaExhaustedError(
                f"the server refuses requests (429) and {cause} asks to wait {wait_s:.0f} s: "
                f"{now - self._refused_since + wait_s:.0f} s in a row, more than "
                f"--max-429-wait {self.max_429_wait_s:g}",
                cure="another client may be using up the workspace's quota; go on later",
            )
        if now + wait_s > self._open_at:
            self.waited_s += now + wait_s - max(self._open_at, now)
            self._open_at = now + wait_s
            self._tell(GateClosed(wait_s, cause))

    def _slow_down(self, now: float) -> None:
        """Lengthen the interval when the gate has been closed before, not long ago."""
        repeated = self._closings > 0 and now - self._open_at <= REPEATED_WITHIN_S
        if repeated and now - self._slowed_at >= CREEP_EVERY_S:
            self._slowed_at = now
            longer_s = min(self.interval_s * SLOWER, self._min_interval_s * SLOWEST)
            self._change_pace(longer_s, "another client seems to use the quota too")

    def _change_pace(self, interval_s: float, why: str) -> None:
        """Go on with another limiter, not sooner after the last slot than with the old one."""
        if interval_s == self.interval_s:
            return
        self.interval_s = interval_s
        self._limiter = _limiter(interval_s)
        self._pace_since = self._loop.time()
        self._open_at = max(self._open_at, self._granted_at + interval_s)
        self._tell(PaceChanged(interval_s, why))

    def _unasked_wait(self) -> tuple[float, str]:
        refusals = max(self._refusals_in_a_row, 1)
        wait_s = min(self._backoff_s * refusals, self._max_backoff_s)
        return wait_s, f"refusal {refusals} in a row without a time"

    async def _wait_for_gate(self) -> None:
        while (left_s := self._open_at - self._loop.time()) > 0:
            await self._stop.sleep(left_s)
        self._stop.check()


def _limiter(interval_s: float) -> AsyncLimiter | None:
    """Return a limiter; without an interval, which AsyncLimiter refuses, only the gate is left."""
    return AsyncLimiter(1, interval_s) if interval_s > 0 else None
