"""When the records of a list were created, as far as the last snapshot tells. No I/O."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Self

from salesmap_async.times import moment_of


@dataclass(frozen=True, slots=True)
class KnownDates:
    """`createdAt` of each `records_each`-th record of a list in the last snapshot, oldest first.

    `until`: when that snapshot was taken; what came later is not known. None: nothing is.
    `undated`: how many records had no date.
    """

    moments: Sequence[datetime] = ()
    records_each: int = 1
    until: datetime | None = None
    undated: int = 0

    @classmethod
    def read(
        cls, texts: Iterable[str], records_each: int, *, until: str | None, undated: int
    ) -> Self:
        """Make it of ISO times; those that are none are left out."""
        moments = sorted(filter(None, map(moment_of, texts)))
        return cls(moments, records_each, moment_of(until) if moments else None, undated)

    def records_between(self, begin: datetime, end: datetime) -> int:
        """Return about how many records were created after `begin` and before `end`."""
        first, last = self._places(begin, end)
        return max(0, last - first) * self.records_each

    def record_span(self) -> timedelta | None:
        """Return the mean time from one record to the next; None where too little is known."""
        if len(self.moments) < 2:
            return None
        records = (len(self.moments) - 1) * self.records_each
        return (self.moments[-1] - self.moments[0]) / records

    def moment_at(self, part: float, begin: datetime, end: datetime) -> datetime:
        """Return when `part` of what was created between these moments had been."""
        first, last = self._places(begin, end)
        if last - first > 1:
            return self.moments[first + int((last - first) * part)]
        return begin + (end - begin) * part

    def _places(self, begin: datetime, end: datetime) -> tuple[int, int]:
        return bisect_right(self.moments, begin), bisect_left(self.moments, end)
