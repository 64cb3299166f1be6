"""A list that can be asked for from a moment on, read in ranges side by side.

Such a list is in the order of `createdAt`, oldest first. Its first range is the plain list; every
other one is the same list from a moment on (`startDate`), begun when a slot would stay idle. A
range has no end of its own: it goes on until it has read past the first record that the next range
really got. So whatever a server makes of that moment (rounds it, shifts it, leaves it out), no
record that stands in the order of `createdAt` is missed between two ranges, and `endDate` is not
needed.

What remains to be trusted is looked at on every page: a record without `createdAt` or id, out of
order or from before the moment asked for shows that the filter cannot be. Then the ranges are
dropped, and the first one goes on plainly to the end of the list. What no page shows is a record
without a date that the filter keeps back: so the end of a range that meets no other one is asked
for once more without the filter, and a list that had one in the last snapshot is not split.

No I/O here.
"""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any

from salesmap_async.api.endpoints import Endpoint
from salesmap_async.api.pages import Page
from salesmap_async.collect.chains import Chain, ChainBrokenError, Storable
from salesmap_async.collect.dates import KnownDates
from salesmap_async.collect.trail import record_id
from salesmap_async.errors import RequestRefusedError, SalesmapError
from salesmap_async.store.work_db import NewChain
from salesmap_async.times import moment_of

LEAST_PAGES = 3.0
"""A range with fewer pages left is not worth the request that a split costs."""

LEAST_GAIN = 3.0
"""So many slots, about, a split must save: it costs one, and how much is left is a guess."""


class FilterUntrustedError(SalesmapError):
    """The list is not what a date filter needs, or the server does not filter as it says."""


@dataclass(frozen=True, slots=True)
class GivenUp:
    """A list that goes on plainly, by `plain`. `reopened`: that chain had ended at another range.
    `dropped` are the other ranges.
    """

    plain: Chain
    reopened: bool
    dropped: Sequence[Chain]


class Ranges:
    """All dated lists of a run and the ranges they are read in.

    `dates` are known per table; it may be empty. With `split` off, every list stays plain; ranges
    that an earlier start has begun are read to their end.
    """

    def __init__(self, dates: Mapping[str, KnownDates], *, split: bool) -> None:
        self._dates = dates
        self._split = split
        self._lists: dict[str, _DatedList] = {}

    def add(self, chain: Chain) -> None:
        """Take up a range of a dated list; other chains are none of this module's business."""
        endpoint = chain.endpoint
        if endpoint.dated:
            known = self._dates.get(endpoint.table, KnownDates())
            fresh = _DatedList(endpoint, known, plain=known.undated > 0)
            self._lists.setdefault(endpoint.path, fresh).add(chain)

    def take(self, chain: Chain, page: Page) -> Storable:
        """Let `chain` take its page, or end it where the next range has begun.

        Raises FilterUntrustedError before the page is taken, and ChainBrokenError.
        """
        dated = self._lists.get(chain.endpoint.path)
        if dated is None or dated.plain or not (self._split or len(dated.ranges) > 1):
            return chain.take(page)
        if chain.span.tail:
            return chain.take(page)
        moments = _moments(page.records, chain)
        met = dated.next_beginning(chain)
        if met is not None and moments and moments[-1] > met and chain.straight:
            return chain.meet(page.records[: bisect_right(moments, met)])
        try:
            storable = chain.begin_tail(page) if _ends(chain, page) else chain.take(page)
        except ChainBrokenError as error:
            if chain.span.since is None:
                raise
            raise FilterUntrustedError(str(error)) from None
        if moments:
            chain.span.advance(moments[0], moments[-1])
        return storable

    def blames_filter(self, chain: Chain, error: SalesmapError) -> bool:
        """Tell whether an error on the first page of a range is due to what it was asked for.

        A server that only was out of order for a while has answered other ranges before. And a
        refusal of the record that a range ends with leaves it unknown whether that is the end.
        """
        span, is_refused = chain.span, isinstance(error, RequestRefusedError)
        if span.since is not None and span.tail and is_refused:
            return True
        if span.since is None or chain.pages:
            return False
        others = self._lists[chain.endpoint.path].ranges
        answered = any(each.pages for each in others if each.span.since is not None)
        return is_refused or not answered

    def pages_read(self, chain: Chain) -> int:
        """Return how many pages were read of the list of `chain`, in all its ranges."""
        dated = self._lists.get(chain.endpoint.path)
        return sum(each.pages for each in dated.ranges) if dated else chain.pages

    def give_up(self, endpoint: Endpoint) -> GivenUp:
        """Drop all ranges of a list but the first, which goes on plainly to the end."""
        dated = self._lists[endpoint.path]
        first, *dropped = dated.ranges
        dated.plain = first.span.plain = True
        dated.ranges = [first]
        for chain in dropped:
            chain.drop()
        return GivenUp(first, first.reopen(), dropped)

    def split(self, slots: int, now: datetime) -> tuple[Endpoint, NewChain] | None:
        """Return a new range of a list, cut off where most is left; None if it is not worth it.

        `slots` is how many ranges of one list keep the throttle busy.
        """
        rests = [
            (rest.gain(slots), rest, dated)
            for dated in self._lists.values()
            if self._split and not dated.plain and (rest := dated.rest(now)) is not None
        ]
        if not rests:
            return None
        gain, rest, dated = max(rests, key=lambda each: each[0])
        if rest.left < LEAST_PAGES or gain < LEAST_GAIN:
            return None
        new = dated.cut(rest.chain, rest.kept(slots), now)
        return None if new is None else (dated.endpoint, new)

    def pages_left(self, chain: Chain) -> float | None:
        """Return about how many pages a range has left; None where the list is in one piece."""
        dated = self._lists.get(chain.endpoint.path)
        if dated is None or len(dated.ranges) < 2:
            return None
        return dated.left(chain, datetime.now(UTC))


def slots_to_fill(latency_s: float, interval_s: float) -> int:
    """Return how many ranges keep every slot busy: one in flight for each, and one ready."""
    return math.ceil(latency_s / interval_s) + 1


@dataclass(frozen=True, slots=True)
class _Rest:
    """What a list has left, in pages: `left` on its longest range `chain`, `in_all` on all."""

    chain: Chain
    left: float
    in_all: float

    def gain(self, slots: int) -> float:
        """Return the slots saved by sharing the longest range out among all.

        Alone, a range takes one page per latency; all together, they take one page per slot.
        """
        return self.left * (slots - 1) - self.in_all

    def kept(self, slots: int) -> float:
        """Return the part that the longest range keeps, so that all ranges end together."""
        share = max(self.in_all / slots, LEAST_PAGES / 2)
        return min(share / self.left, 0.5)


@dataclass(slots=True)
class _DatedList:
    """The ranges of one list, oldest first. `plain`: it is not to be split (any more)."""

    endpoint: Endpoint
    known: KnownDates
    ranges: list[Chain] = field(default_factory=list)
    plain: bool = False

    def add(self, chain: Chain) -> None:
        self.plain = self.plain or chain.span.plain
        self.ranges.append(chain)
        self.ranges.sort(key=lambda each: (each.span.since is not None, each.span.since))

    def next_beginning(self, chain: Chain) -> datetime | None:
        """Return when the first record of the next range was created, as far as one has begun."""
        return next((each.span.first_at for each in self._after(chain) if each.span.first_at), None)

    def rest(self, now: datetime) -> _Rest | None:
        """Return what is left; None where no range can be cut now."""
        lefts = {chain.name: self.left(chain, now) for chain in self.ranges if not chain.ended}
        whole = [chain for chain in self.ranges if chain.name in lefts and chain.straight]
        if not whole:
            return None
        longest = max(whole, key=lambda chain: lefts[chain.name])
        return _Rest(longest, lefts[longest.name], sum(lefts.values()))

    def left(self, chain: Chain, now: datetime) -> float:
        """Return about how many pages there are from a range's position to its end."""
        begin, end = chain.span.last_at or chain.span.since, self._end(chain, now)
        if begin is None or end <= begin:
            return 0.0
        page_size = self.endpoint.page_size
        known = self.known.records_between(begin, end) / page_size
        beyond = max(begin, self.known.until) if self.known.until else begin
        span = self._page_span(chain)
        return known + ((end - beyond) / span if span and end > beyond else 0.0)

    def cut(self, chain: Chain, kept: float, now: datetime) -> NewChain | None:
        """Return the range that begins after the part `kept` of what `chain` has left."""
        begin, end = chain.span.last_at or chain.span.since, self._end(chain, now)
        if begin is None or end <= begin:
            return None
        since = self.known.moment_at(kept, begin, end).astimezone(UTC)
        text = since.isoformat(timespec="milliseconds")
        if not begin < datetime.fromisoformat(text) < end:
            return None
        return NewChain(
            name=f"{self.endpoint.chain_name} since {text}",
            table=self.endpoint.table,
            path=self.endpoint.path,
            added=dict(self.endpoint.added),
            since=text,
        )

    def _after(self, chain: Chain) -> Sequence[Chain]:
        return self.ranges[self.ranges.index(chain) + 1 :]

    def _end(self, chain: Chain, now: datetime) -> datetime:
        following = next((each.span.since for each in self._after(chain)), None)
        return following or now

    def _page_span(self, chain: Chain) -> timedelta:
        """Return how much time a page covers: in the last snapshot, else on this range, else on
        another; zero where nothing is known, or all records are of one moment.
        """
        if (span := self.known.record_span()) is not None:
            return span * self.endpoint.page_size
        for each in (chain, *self.ranges):
            if each.span.first_at and each.span.last_at and each.span.last_at > each.span.first_at:
                return (each.span.last_at - each.span.first_at) / each.pages
        return timedelta(0)


def _ends(chain: Chain, page: Page) -> bool:
    """Tell whether a range ends with `page`, by the word of a list that is asked with a filter."""
    asked = chain.span.since is not None and chain.straight
    return asked and page.next_cursor is None and (bool(page.records) or chain.cursor is not None)


def _moments(records: Sequence[Mapping[str, Any]], chain: Chain) -> list[datetime]:
    """Return when the records of a page were created. Raises FilterUntrustedError."""
    moments: list[datetime] = []
    for record in records:
        moment = moment_of(record.get("createdAt"))
        if moment is None:
            raise FilterUntrustedError("a record has no createdAt that is a time")
        if record_id(record, chain.endpoint.id_key) is None:
            raise FilterUntrustedError("a record has no id: it could count twice")
        moments.append(moment)
    since, last_at = chain.span.since, chain.span.last_at
    expected = moments if last_at is None or not chain.straight else [last_at, *moments]
    if any(later < earlier for earlier, later in pairwise(expected)):
        raise FilterUntrustedError("its records are not in the order of createdAt")
    if since is not None and moments and moments[0] < since:
        raise FilterUntrustedError("it gives records from before the startDate it was asked for")
    return moments
