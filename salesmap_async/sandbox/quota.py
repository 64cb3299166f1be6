"""The quota of a workspace: so many requests in any ten seconds, for all its clients together."""

from __future__ import annotations

from collections import deque

LIMIT = 100
WINDOW_S = 10.0


class Quota:
    """A sliding window over the admitted requests; a refused request costs nothing.

    `used_by_others`: how many of each window's requests another client takes.
    """

    def __init__(self, *, used_by_others: int = 0) -> None:
        self._limit = LIMIT - used_by_others
        self._admitted: deque[float] = deque()

    def admit(self, now_s: float) -> float | None:
        """Count a request, or return the seconds until one would be admitted."""
        while self._admitted and self._admitted[0] <= now_s - WINDOW_S:
            self._admitted.popleft()
        if len(self._admitted) >= self._limit:
            oldest = self._admitted[0] if self._admitted else now_s
            return oldest + WINDOW_S - now_s
        self._admitted.append(now_s)
        return None
