"""The time that no reader of these lists can be faster than, and what sets it.

Either the pace (every page is one request, and requests start an interval apart) or the longest
chain (its pages come one after the other, each after its answer and then at the next slot).
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

from salesmap_async.store.work_db import ChainRow


@dataclass(frozen=True, slots=True, kw_only=True)
class Floor:
    """`pages` x `page_s` seconds; `table` is the longest list, '' where the pace of all counts."""

    pages: int
    page_s: float
    table: str = ""

    @property
    def seconds(self) -> float:
        return self.pages * self.page_s


def floor_of(chains: Iterable[ChainRow], *, interval_s: float, latency_s: float) -> Floor:
    """Return the floor of reading `chains`; `latency_s` is the mean time of an answer."""
    chains = list(chains)
    every = Floor(pages=sum(chain.pages for chain in chains), page_s=interval_s)
    longest = max(chains, key=lambda chain: chain.pages, default=None)
    if longest is None:
        return every
    page_s = math.ceil(latency_s / interval_s) * interval_s if interval_s else latency_s
    alone = Floor(pages=longest.pages, page_s=page_s, table=longest.table)
    return max(every, alone, key=lambda floor: floor.seconds)
