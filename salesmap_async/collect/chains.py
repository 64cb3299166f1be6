"""One list read by its cursors: which page to ask next, and when the list has surely ended.

I3: a next cursor must not have been seen in its chain. An end counts only if it is sure: records
without a further cursor are; an empty page after a cursor, or a refused cursor (400), is not,
because the record that the cursor names may just have been deleted. Then the page before is asked
again: if it ends at the same record, an empty page was the end, and a refused cursor is asked once
more; else the chain goes on from the page's new end, or from one page further back. Only when none
of the last cursors helps is the list read anew.

No I/O here: a Chain is told each answer and says what to store and what to ask next.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from salesmap_async import exact_json
from salesmap_async.api.endpoints import Endpoint
from salesmap_async.api.pages import Page
from salesmap_async.errors import SalesmapError
from salesmap_async.store.work_db import ChainRow, ChainState, NewChain

TRAIL_LENGTH = 5
"""How many of a chain's last pages are remembered with their cursors."""

MOST_DOUBTS = 50
"""A list whose end is in doubt more often than this is not being read, it is being chased."""


class ChainBrokenError(SalesmapError):
    """The server's cursors lead nowhere; the table fails by name."""


@dataclass(frozen=True, slots=True)
class TrailStep:
    """An answered page: the cursor it was asked with, the one it gave, its last record.

    `page` is the first stored page that may hold its records: its own number, or an earlier one
    where it was read again.
    """

    page: int
    cursor: str | None
    next_cursor: str
    last: str


@dataclass(frozen=True, slots=True)
class Storable:
    """What of an answer is to be stored, under which page number.

    `known_pages`: the pages it was read again from, whose records are not stored twice.
    `restart`: everything stored before is void, the list is read anew.
    """

    page: int
    records: Sequence[dict[str, Any]]
    known_pages: tuple[int, int] | None = None
    restart: bool = False


@dataclass(slots=True)
class Chain:
    """The progress of one list. `cursor` is the next one to ask (None: the first page).

    `name` is unique in the run; `label` is what a person calls the list. Of a dated list, `since`
    is the moment from which on it is asked for (None: from its beginning), `first_at` and `last_at`
    are those of the first and the last record read; a `plain` one is not to be split. `dropped`:
    it counts no more. `expected_pages`: a guess, None without one.
    """

    endpoint: Endpoint
    name: str
    label: str
    state: ChainState = "reading"
    error: str = ""
    cursor: str | None = None
    pages: int = 0
    rows: int = 0
    since: datetime | None = None
    first_at: datetime | None = None
    last_at: datetime | None = None
    expected_pages: float | None = None
    dropped: bool = False
    plain: bool = False
    _trail: list[TrailStep] = field(default_factory=list)
    _seen: set[str] = field(default_factory=set)
    # While the end is in doubt: how many pages back we are asking; the cursor that was refused.
    _pages_back: int = 0
    _refused: str | None = None
    _doubts: int = 0
    _restarted: bool = False
    # After a detour: the stored pages that may come again, and for how many more pages.
    _known_pages: tuple[int, int] | None = None
    _known_left: int = 0
    # It has ended where another range of its list begins.
    _met: bool = False

    @property
    def ended(self) -> bool:
        return self.state != "reading"

    @property
    def straight(self) -> bool:
        """Whether the next page is one that was not read before."""
        return not self._pages_back and self._known_pages is None

    def progress(self) -> dict[str, Any]:
        """Return what a resume needs, as JSON values."""
        return {
            "cursor": self._resume_cursor(),
            "trail": [[s.page, s.cursor, s.next_cursor, s.last] for s in self._trail],
            "known": [*self._known_pages, self._known_left] if self._known_pages else None,
            "dates": [each and each.isoformat() for each in (self.first_at, self.last_at)],
            "met": self._met,
            "plain": self.plain,
        }

    def take(self, page: Page) -> Storable:
        """Take the answer to `cursor`; return what to store. Raises ChainBrokenError."""
        if self._pages_back:
            return self._take_in_doubt(page)
        self._refused = None
        if self._is_unpaged_repeat(page):
            return self._end(Page([], None))
        if page.next_cursor is not None:
            return self._advance(page)
        if page.records or self.cursor is None:
            return self._end(page)
        return self._doubt()

    def cursor_refused(self, reason: str) -> Storable:
        """Take a 400 to `cursor`: its record may be gone. Raises ChainBrokenError."""
        if self._pages_back:
            self._refused = self.cursor
            return self._further_back()
        if self.cursor == self._refused:
            return self._read_anew(f"the server refuses the cursor it gave itself: {reason}")
        self._refused = self.cursor
        return self._doubt()

    def fail(self, error: str) -> None:
        """Give the list up for this run; a resume goes on at its cursor."""
        self.state = "failed"
        self.error = error

    def meet(self, records: Sequence[dict[str, Any]]) -> Storable:
        """End where another range of the list begins; `records` are those of the page before it."""
        self.state = "done"
        self._met = True
        return self._store(Page(list(records), None))

    def reopen(self) -> bool:
        """Go on after all if another range was met, whose page is asked again; tell whether so."""
        if not self._met:
            return False
        self.state, self._met = "reading", False
        self._known_pages, self._known_left = (self.pages - 1, self.pages - 1), 1
        return True

    def drop(self) -> None:
        """Count no more: other chains read what this one was to read."""
        self.state = "done"
        self.dropped = True

    def leave_out(self, reason: str) -> None:
        """End the chain without its records: what it lists does not exist any more."""
        self.state = "skipped"
        self.error = reason

    # -- the sure part ----------------------------------------------------------------------------

    def _advance(self, page: Page) -> Storable:
        assert page.next_cursor is not None  # noqa: S101  (narrowing for the type checker)
        if page.next_cursor in self._seen or page.next_cursor == self.cursor:
            raise ChainBrokenError(
                "the cursors run in a circle: the server gave one of them a second time"
            )
        first = self._known_pages[0] if self._known_pages else self.pages
        step = TrailStep(first, self.cursor, page.next_cursor, _last_of(page))
        self._seen.add(page.next_cursor)
        self._trail = [*self._trail, step][-TRAIL_LENGTH:]
        self.cursor = page.next_cursor
        return self._store(page)

    def _end(self, page: Page) -> Storable:
        self.state = "done"
        return self._store(page)

    def _store(self, page: Page) -> Storable:
        storable = Storable(self.pages, page.records, self._known_pages)
        if self._known_pages is not None:
            self._known_left -= 1
            if self._known_left <= 0:
                self._known_pages = None
        self.pages += 1
        self.rows += len(page.records)
        return storable

    def _nothing(self) -> Storable:
        return Storable(max(self.pages - 1, 0), ())

    def _is_unpaged_repeat(self, page: Page) -> bool:
        """Tell whether a list without pages answered its cursor with the first page again."""
        return (
            not self.endpoint.paged
            and bool(self._trail)
            and bool(page.records)
            and _last_of(page) == self._trail[-1].last
        )

    # -- the doubtful part ------------------------------------------------------------------------

    def _doubt(self) -> Storable:
        self._doubts += 1
        if self._doubts > MOST_DOUBTS:
            raise ChainBrokenError("the end of the list stays in doubt: it changes all the time")
        return self._further_back()

    def _further_back(self) -> Storable:
        self._pages_back += 1
        if self._pages_back > len(self._trail):
            return self._read_anew("none of the list's last cursors leads on")
        self.cursor = self._trail[-self._pages_back].cursor
        return self._nothing()

    def _take_in_doubt(self, page: Page) -> Storable:
        step = self._trail[-self._pages_back]
        if not page.records and page.next_cursor is None and step.cursor is not None:
            return self._further_back()
        same_end = page.next_cursor == step.next_cursor or (
            bool(page.records) and page.next_cursor is not None and _last_of(page) == step.last
        )
        if not same_end:
            return self._go_on_from(step, page)
        if self._refused == step.next_cursor:
            return self._ask_again(step, page)
        self._forget_after(step)
        self.state = "done"
        return self._nothing()

    def _ask_again(self, step: TrailStep, page: Page) -> Storable:
        """The record is there and yet its cursor was refused: ask once more, by its fresh cursor.

        Cursors may expire; the page that was asked again tells the one that is good now.
        """
        self._forget_after(step)
        self._seen.discard(step.next_cursor)
        fresh = replace(step, next_cursor=page.next_cursor or step.next_cursor)
        self._seen.add(fresh.next_cursor)
        self._trail[-1] = fresh
        self._refused = self.cursor = fresh.next_cursor
        return self._nothing()

    def _go_on_from(self, step: TrailStep, page: Page) -> Storable:
        """Take the page that was asked again as the next one; later pages may come again."""
        self._forget_after(step)
        self._trail.remove(step)
        self._seen.discard(step.next_cursor)
        if page.next_cursor is None:
            return self._end(page)
        return self._advance(page)

    def _forget_after(self, step: TrailStep) -> None:
        """End the doubt: go on after `step`, whose later pages may come again."""
        later = self._trail[self._trail.index(step) + 1 :]
        self._seen -= {each.next_cursor for each in later}
        self._trail = self._trail[: len(self._trail) - len(later)]
        first = min(step.page, self._known_pages[0] if self._known_pages else step.page)
        self._known_pages = (first, self.pages - 1)
        self._known_left = self.pages - first + 1
        self._pages_back = 0

    def _read_anew(self, why: str) -> Storable:
        if self._restarted:
            raise ChainBrokenError(f"{why}; and so again after the list was read anew")
        self._restarted = True
        self.cursor, self.pages, self.rows = None, 0, 0
        self.first_at = self.last_at = None
        self._trail, self._seen, self._pages_back = [], set(), 0
        self._known_pages, self._refused = None, None
        return Storable(0, (), restart=True)

    def _resume_cursor(self) -> str | None:
        return self._trail[-1].next_cursor if self._trail else None


def new_chain(endpoint: Endpoint) -> NewChain:
    """Return what the work DB keeps of a list before its first page."""
    return NewChain(
        name=endpoint.chain_name,
        table=endpoint.table,
        path=endpoint.path,
        added=dict(endpoint.added),
    )


def restored_chain(endpoint: Endpoint, row: ChainRow, label: str = "") -> Chain:
    """Rebuild a chain from its stored progress; a failed one is tried again at its cursor."""
    progress = row.progress
    chain = Chain(endpoint, row.name, label or row.name, pages=row.pages, rows=row.rows)
    chain.since = _moment(row.since)
    chain.state = "reading" if row.state == "failed" else row.state
    chain.error = "" if row.state == "failed" else row.error
    chain._trail = [TrailStep(*step) for step in progress.get("trail", ())]
    chain._seen = {step.next_cursor for step in chain._trail}
    chain.cursor = progress.get("cursor")
    if known := progress.get("known"):
        chain._known_pages, chain._known_left = (known[0], known[1]), known[2]
    chain.first_at, chain.last_at = map(_moment, progress.get("dates", (None, None)))
    chain._met, chain.plain = progress.get("met", False), progress.get("plain", False)
    return chain


def record_id(record: Mapping[str, Any], id_key: str) -> str | None:
    """Return a record's id as text, or None where it has none (missing, null or blank)."""
    value = record.get(id_key)
    if value is None:
        return None
    text = value if isinstance(value, str) else exact_json.dumps(value)
    if not text.strip():
        return None
    return exact_json.without_lone_surrogates(text)


def _moment(text: str | None) -> datetime | None:
    return None if text is None else datetime.fromisoformat(text)


def _last_of(page: Page) -> str:
    """Return what a page's last record is recognised by: its id, else a digest of its content."""
    if not page.records:
        return ""
    record = page.records[-1]
    return record_id(record, "id") or hashlib.sha256(exact_json.dumps(record).encode()).hexdigest()
