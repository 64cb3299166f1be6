"""Which list is asked next, and what an answer means for it and for the others. No I/O, no loop.

The workers ask `next` and tell `answered`; what is to be stored or dropped they are told in turn.

- A chain is ready, or busy (its page is on the way), or it has ended. It is busy from `next` until
  it is put back, so that no list is asked twice at once.
- A range that cannot be trusted takes all ranges of its list with it: they are dropped, and the
  list goes on plainly. A page of a dropped chain that still comes counts no more.
- A form may be begun before people and deals are complete. At the end those that no record names
  are dropped.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from salesmap_async.api.endpoints import SUBMISSION_TABLE, Endpoint
from salesmap_async.api.pages import Page
from salesmap_async.collect.answers import after_refusal, given_up, is_not_to_be_had
from salesmap_async.collect.chains import Chain, ChainBrokenError, Storable
from salesmap_async.collect.order import Order
from salesmap_async.collect.ranges import FilterUntrustedError, Ranges
from salesmap_async.collect.tallies import Tallies
from salesmap_async.collect.webforms import SOURCE_TABLES
from salesmap_async.errors import RequestRefusedError, SalesmapError
from salesmap_async.events import Listener
from salesmap_async.store.work_db import NewChain

LOOK_AGAIN = 1.5
"""People and deals are looked through for forms again when so many times as much was read."""


@dataclass(frozen=True, slots=True)
class Dropped:
    """Ranges that are forgotten, by `names`. `kept` goes on with `progress`; `reopened`: it had
    ended at one of them. `why` is for people.
    """

    table: str
    names: Sequence[str]
    kept: str
    progress: Mapping[str, Any]
    reopened: bool
    why: str


@dataclass(frozen=True, slots=True)
class Outcome:
    """What an answer leads to: first forget `dropped`, then store `storable`. None: nothing."""

    storable: Storable | None
    dropped: Dropped | None = None


class Schedule:
    """The chains of one run.

    `order` decides between those that are ready, `ranges` know the lists that are read in pieces.
    `cure` is what the server's refusals say helps, once one has failed a list.
    """

    def __init__(self, *, order: Order, ranges: Ranges, tell: Listener) -> None:
        self._order = order
        self._ranges = ranges
        self._ready: dict[str, Chain] = {}
        self._busy: set[str] = set()
        self._forms: dict[str, Chain] = {}
        self._looked_for_forms_at = 0
        self.tallies = Tallies(tell)
        self.cure = ""

    # -- what is next -----------------------------------------------------------------------------

    @property
    def has_ready(self) -> bool:
        """Whether a chain can be asked now."""
        return bool(self._ready)

    @property
    def is_over(self) -> bool:
        """Whether nothing can be asked, now or once an answer has come."""
        return not self._ready and not self._busy

    def next(self) -> Chain | None:
        """Return the ready chain that needs the next slot most, busy from now on."""
        if not self._ready:
            return None
        chain = self._order.neediest(self._ready.values())
        del self._ready[chain.name]
        self._busy.add(chain.name)
        return chain

    def put_back(self, chain: Chain) -> None:
        """Take a chain back whose page was taken in."""
        self._busy.discard(chain.name)
        if not chain.ended:
            self._ready[chain.name] = chain

    def split(self, slots: int, now: datetime) -> tuple[Endpoint, NewChain] | None:
        """Return a new range of the list that has most left, if one is worth it."""
        return self._ranges.split(slots, now)

    # -- what an answer means ---------------------------------------------------------------------

    def answered(self, chain: Chain, answer: Page | SalesmapError) -> Outcome:
        """Let `chain` take its page, or the error that came instead."""
        if chain.dropped:
            return Outcome(None)
        if isinstance(answer, Page):
            return self._take_page(chain, answer)
        return self._take_error(chain, answer)

    def stored(self, chain: Chain) -> None:
        """Note that what an answer led to is with the writer."""
        self._order.advanced(chain)
        self.tallies.tell_page(chain)

    def _take_page(self, chain: Chain, page: Page) -> Outcome:
        try:
            return Outcome(self._ranges.take(chain, page))
        except FilterUntrustedError as error:
            dropped = self._give_up_ranges(chain, str(error))
        except ChainBrokenError as error:
            return Outcome(given_up(chain, str(error)))
        if chain.dropped:
            return Outcome(None, dropped)
        try:
            return Outcome(chain.take(page), dropped)
        except ChainBrokenError as error:
            return Outcome(given_up(chain, str(error)), dropped)

    def _take_error(self, chain: Chain, error: SalesmapError) -> Outcome:
        if is_not_to_be_had(chain, error):
            chain.leave_out(f"{chain.label} is left out: {error}")
            return Outcome(Storable(0, ()))
        if self._ranges.blames_filter(chain, error):
            return Outcome(None, self._give_up_ranges(chain, str(error)))
        if not isinstance(error, RequestRefusedError):
            return Outcome(given_up(chain, str(error)))
        storable = after_refusal(chain, error)
        self.cure = self.cure or (error.cure if chain.state == "failed" else "")
        return Outcome(storable)

    def _give_up_ranges(self, chain: Chain, why: str) -> Dropped:
        """Read the list of `chain` plainly; what its ranges have read is read again."""
        given = self._ranges.give_up(chain.endpoint)
        plain, names = given.plain, [each.name for each in given.dropped]
        for name in names:
            self._ready.pop(name, None)
        if given.reopened and plain.name not in self._busy:
            self._ready[plain.name] = plain
        table = chain.endpoint.table
        return Dropped(table, names, plain.name, plain.progress(), given.reopened, why)

    # -- chains -----------------------------------------------------------------------------------

    def add(self, chains: Sequence[Chain]) -> None:
        """Take up chains; those that an earlier start has read only count."""
        for chain in chains:
            self._ranges.add(chain)
            if not chain.ended:
                self._ready[chain.name] = chain
        self.tallies.add(chains)

    def add_forms(self, chains: Iterable[Chain]) -> None:
        """Take up the chains of forms that are not being read yet."""
        new = [chain for chain in chains if chain.name not in self._forms]
        self._forms |= {chain.name: chain for chain in new}
        self.add(new)

    def drop_forms_but(self, wanted: Collection[str]) -> None:
        """Drop forms that were begun early and that no record names; their records are gone."""
        for name, chain in self._forms.items():
            if name not in wanted:
                chain.drop()
                self._ready.pop(name, None)

    def await_forms(self) -> None:
        """Keep the submissions open until it is known which forms they come from."""
        self.tallies.await_chains(SUBMISSION_TABLE)

    def forms_known(self, error: str = "") -> None:
        """Note that no more forms will be added; `error` says why some never will be."""
        self.tallies.all_known(SUBMISSION_TABLE, error)

    def is_time_to_look_for_forms(self) -> bool:
        """Tell whether much was read since forms were last looked for; if so, this is that look."""
        pages = self.tallies.pages(SOURCE_TABLES)
        if pages < LOOK_AGAIN * self._looked_for_forms_at + 1:
            return False
        self._looked_for_forms_at = pages
        return True
