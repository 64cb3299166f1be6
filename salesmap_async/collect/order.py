"""Which ready chain needs the next slot most: the one with the most pages left.

Where the last snapshot tells a list's size, that is a subtraction. On a first run the sizes are
unknown; then a list counts as big as its usual share (the catalogue's `prior`) says beside the list
that is furthest ahead of its own. So every list advances by its share and none is left for the
end, where it would run alone at the speed of one answer after the other.

Lists without pages go first: they are one request each, and the web forms wait for one of them.
Where it is known how many people a form has, its list is as long as that; else it is short, and one
that goes on after its first page goes before those not yet begun.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping

from salesmap_async.api.endpoints import SUBMISSION_TABLE
from salesmap_async.collect.chains import Chain
from salesmap_async.collect.ranges import Ranges

_AHEAD = 1.05
"""The list that is furthest ahead is taken to go on for a little more than it has come."""

_SMALLEST_SCALE = 0.05
"""Before anything is known, a workspace counts as having a few pages of each big list."""


class Order:
    """`expected_rows` are the last snapshot's rows per table; it may be empty. `ranges` know of the
    lists that are read in several pieces.
    """

    def __init__(self, expected_rows: Mapping[str, int], ranges: Ranges) -> None:
        self._expected_rows = expected_rows
        self._ranges = ranges
        self._scale = _SMALLEST_SCALE

    def neediest(self, ready: Iterable[Chain]) -> Chain:
        """Return the chain to serve next; ties go to the bigger usual share, then by name."""
        return max(ready, key=lambda c: (self.pages_left(c), c.endpoint.prior, c.name))

    def advanced(self, chain: Chain) -> None:
        """Note that `chain` got a page, which tells something of the others' sizes."""
        endpoint = chain.endpoint
        big = endpoint.paged and endpoint.table != SUBMISSION_TABLE
        if big and self._expected_pages(chain) is None:
            pages = self._ranges.pages_read(chain)
            self._scale = max(self._scale, _AHEAD * pages / chain.endpoint.prior)

    def pages_left(self, chain: Chain) -> float:
        """Return how many pages `chain` is expected to have left; at least a little."""
        if not chain.endpoint.paged:
            return math.inf
        if chain.endpoint.table == SUBMISSION_TABLE and chain.expected_pages is None:
            return 2.0 if chain.pages else 1.0
        if (in_range := self._ranges.pages_left(chain)) is not None:
            return max(in_range, 0.5)
        expected = self._expected_pages(chain)
        if expected is None:
            expected = chain.endpoint.prior * self._scale
        return max(expected - chain.pages, 0.5)

    def _expected_pages(self, chain: Chain) -> float | None:
        if chain.expected_pages is not None:
            return chain.expected_pages
        rows = self._expected_rows.get(chain.endpoint.table)
        return None if rows is None else rows / chain.endpoint.page_size
