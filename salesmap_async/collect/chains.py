"""One list read by its cursors: which page to ask next, and when the list has surely ended.

I3: a cursor names the last record of a page, and its answer is what follows that record *now*.
Where people edit the records of a list, it may have moved meanwhile, in a list ordered by the last
change to the very end; or it was deleted. What is answered then is short, empty or refused, or
begins somewhere else, and the rest of the list would be lost. So some answers count only once the
page before was asked again:

- an empty page without a cursor, and a refused cursor (400): in every list;
- where edits move records: an end, a page that is shorter than earlier ones, the first page after a
  resume, and a page with a record that ended an earlier page.

If the page before still holds the cursor's record, unchanged, that record has not moved, and the
answer counts. If not, the answer to the cursor before that one is in question in the same way, and
so on. The first answer that counts is where the list goes on; a page asked without a cursor always
counts. Only when none of the last cursors helps is the list read anew, once.

No I/O here: a Chain is told each answer and says what to store and what to ask next.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from salesmap_async.api.endpoints import Endpoint
from salesmap_async.api.pages import Page
from salesmap_async.collect.span import Span
from salesmap_async.collect.trail import Trail, TrailStep
from salesmap_async.errors import SalesmapError
from salesmap_async.store.work_db import ChainRow, ChainState, NewChain

MOST_DOUBTS = 50
"""A list that has to be gone back in more often than this is not being read, it is being chased."""

SHORT_PAGES_CHECKED = 5
"""A list with so many short pages that all stood has short pages; only its end is checked."""

STALE_PAGES = 3
"""So many pages in a row with nothing but what was read before have no end."""

EMPTY_PAGES = 20
"""So many empty pages in a row, each with a fresh cursor, have no end either."""


class ChainBrokenError(SalesmapError):
    """The server's cursors lead nowhere; the table fails by name."""


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
class Doubt:
    """An answer that may not count, and how many pages before it are being asked again.

    `answer` is what came for the cursor that the page asked now ends with; None: a refusal.
    `again`: the content of the record in question as the page asked again has shown it.
    """

    answer: Page | None
    pages_back: int = 1
    again: str = ""


@dataclass(slots=True)
class Chain:
    """The progress of one list. `cursor` is the next one to ask (None: the first page).

    `name` is unique in the run; `label` is what a person calls the list. `span`: which part of a
    dated list it reads. `dropped`: it counts no more. `expected_pages`: a guess, None without one.
    `remark`: what is odd about how it ended.
    """

    endpoint: Endpoint
    name: str
    label: str
    state: ChainState = "reading"
    error: str = ""
    remark: str = ""
    cursor: str | None = None
    pages: int = 0
    rows: int = 0
    span: Span = field(default_factory=Span)
    expected_pages: float | None = None
    dropped: bool = False
    _trail: Trail = field(init=False)
    # How often in a row, or in all, something came that counts only so often.
    _stale: int = 0
    _empty: int = 0
    _short_stood: int = 0
    _doubts: int = 0
    _restarted: bool = False
    _resumed: bool = False
    # While an answer is in doubt: the doubt, and the cursor that was refused.
    _doubt: Doubt | None = None
    _refused: str | None = None
    _volatile: bool = False  # its records are never twice the same, edited or not
    # After a detour: the stored pages that may come again, and for how many more pages.
    _known_pages: tuple[int, int] | None = None
    _known_left: int = 0

    def __post_init__(self) -> None:
        self._trail = Trail(self.endpoint.id_key)

    @property
    def ended(self) -> bool:
        return self.state != "reading"

    @property
    def straight(self) -> bool:
        """Whether the next page is one that was not read before."""
        return self._doubt is None and self._known_pages is None

    @property
    def _records_move(self) -> bool:
        """Whether an edit can give a record another place in the list."""
        return self.endpoint.paged and not self.endpoint.in_creation_order

    def progress(self) -> dict[str, Any]:
        """Return what a resume needs, as JSON values."""
        return {
            "cursor": self._trail.last.next_cursor if self._trail else None,
            "short": self._short_stood,
            "volatile": self._volatile,
            "known": [*self._known_pages, self._known_left] if self._known_pages else None,
            **self._trail.progress(),
            **self.span.progress(),
        }

    def take(self, page: Page) -> Storable:
        """Take the answer to `cursor`; return what to store. Raises ChainBrokenError."""
        if self._doubt is not None:
            return self._take_again(self._doubt, page)
        if self._is_unpaged_repeat(page):
            return self._end(Page([], None))
        if self.cursor is not None and self._trail.begins_like_the_list(page):
            return self.cursor_refused("it answers with the first page again")
        self._refused = None
        if self._is_doubtful(page):
            return self._go_back(page)
        return self._accept(page)

    def cursor_refused(self, reason: str) -> Storable:
        """Take a 400 to `cursor`: its record may be gone. Raises ChainBrokenError."""
        if self._doubt is not None:
            self._refused = self.cursor
            return self._further_back(self._doubt, None)
        if self.cursor == self._refused:
            return self._read_anew(f"the server refuses the cursor it gave itself: {reason}")
        self._refused = self.cursor
        return self._go_back(None)

    def fail(self, error: str) -> None:
        """Give the list up for this run; a resume goes on at its cursor."""
        self.state = "failed"
        self.error = error

    def meet(self, records: Sequence[dict[str, Any]]) -> Storable:
        """End where another range of the list begins; `records` are those of the page before it."""
        self.state = "done"
        self.span.met = True
        return self._store(Page(list(records), None))

    def begin_tail(self, page: Page) -> Storable:
        """Take the last page that a filter lets through; go on after it without the filter.

        The cursor is the id of its last record, as those that the server gives are; should they be
        something else, a memo names its own. After an empty page the last cursor serves again.
        """
        self.span.tail = True
        if not page.records:
            return self._nothing()
        own = page.records[-1].get("cursorId")
        by_id = not self._trail or self._trail.last.next_cursor == self._trail.last.last
        cursor = self._trail.last_of(page)[0] if by_id or not isinstance(own, str) else own
        return self.take(Page(page.records, cursor))

    def reopen(self) -> bool:
        """Go on after all if another range was met, whose page is asked again; tell whether so."""
        if not self.span.met:
            return False
        self.state, self.span.met = "reading", False
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

    # -- answers that count -----------------------------------------------------------------------

    def _accept(self, page: Page) -> Storable:
        if page.next_cursor is None:
            return self._end(page)
        leads_nowhere = self._why_it_leads_nowhere(page)
        if leads_nowhere and self._records_move:
            return self._read_anew(leads_nowhere)  # after a jump back that no check has shown
        if leads_nowhere:
            raise ChainBrokenError(leads_nowhere)
        stored_as = self._known_pages[0] if self._known_pages else self.pages
        self._trail.add(stored_as, self.cursor, page, page.next_cursor)
        self.cursor = page.next_cursor
        return self._store(page)

    def _end(self, page: Page) -> Storable:
        self.state = "done"
        full = self._trail.longest or self.endpoint.page_size
        if self.endpoint.paged and not page.says_end and len(page.records) >= full:
            self.remark = "its last page is full, and the answer has no key for a cursor at all"
        if not page.records and self.cursor is not None:
            return self._nothing()
        return self._store(page)

    def _why_it_leads_nowhere(self, page: Page) -> str:
        """Return how the cursors run without end; '' where they lead on."""
        stale = self._known_pages is None and self._trail.repeats(page, unchanged=True)
        self._stale = self._stale + 1 if stale else 0
        self._empty = 0 if page.records else self._empty + 1
        if page.next_cursor == self.cursor:
            return "the cursors run in a circle: the server gave the one it was asked with"
        given_before = page.next_cursor in self._trail.seen
        if given_before and (stale or not page.records or not self._records_move):
            return "the cursors run in a circle: the server gave one of them a second time"
        if self._stale == STALE_PAGES:
            return (
                f"the cursors run in a circle: {STALE_PAGES} pages in a row brought records that "
                "were read before, under ever new cursors"
            )
        if self._empty == EMPTY_PAGES:
            return f"the list has no end: {EMPTY_PAGES} empty pages in a row, with ever new cursors"
        return ""

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

    # -- what an answer looks like ----------------------------------------------------------------

    def _is_unpaged_repeat(self, page: Page) -> bool:
        """Tell whether a list without pages answered its cursor with the first page again."""
        return (
            not self.endpoint.paged
            and bool(self._trail)
            and bool(page.records)
            and self._trail.last_of(page)[0] == self._trail.last.last
        )

    def _is_doubtful(self, page: Page) -> bool:
        """Tell whether the page before must be asked again, before `page` counts."""
        if not self._trail:
            return False  # asked without a cursor
        if not page.records and page.next_cursor is None:
            return True  # the cursor's record may have been deleted
        if not self._records_move:
            return False
        if page.next_cursor is None or self._resumed:
            return True  # the record may have moved to the end; or since the run was stopped
        if len(page.records) < self._trail.longest and self._short_stood < SHORT_PAGES_CHECKED:
            return True  # the end may be near because it moved there
        # It may have moved to where the list was read before, as in one with the newest first.
        return self._known_pages is None and self._trail.repeats(page)

    # -- answers in doubt -------------------------------------------------------------------------

    def _go_back(self, answer: Page | None) -> Storable:
        """Ask the page before again: does the record of the cursor stand where it stood?"""
        if not self._trail:
            return self._read_anew("the server refuses a cursor it gave long ago")
        self._doubt = Doubt(answer)
        self.cursor = self._trail.last.cursor
        return self._nothing()

    def _further_back(self, doubt: Doubt, answer: Page | None) -> Storable:
        """Doubt `answer` itself: ask the page before that one."""
        doubt.answer, doubt.again = answer, ""
        doubt.pages_back += 1
        if doubt.pages_back > len(self._trail.steps):
            return self._read_anew("none of the list's last cursors leads on")
        self.cursor = self._trail.steps[-doubt.pages_back].cursor
        return self._nothing()

    def _take_again(self, doubt: Doubt, page: Page) -> Storable:
        """Take the page of the trail that was asked again."""
        step = self._trail.steps[-doubt.pages_back]
        if step.cursor is not None and self._trail.begins_like_the_list(page):
            return self._further_back(doubt, None)
        found = self._trail.content_in(page, step)
        if found is not None and not self._has_moved(step, found):
            return self._settle(doubt, step, page)
        if found is not None and not doubt.again:
            doubt.again = found  # edited, or never twice the same: ask once more to tell
            return self._nothing()
        if found is not None and found != doubt.again:
            self._volatile = True
            return self._settle(doubt, step, page)
        if step.cursor is None:
            return self._go_on_from(step, page)
        return self._further_back(doubt, page)

    def _has_moved(self, step: TrailStep, content: str) -> bool:
        """Tell whether the step's last record may stand elsewhere now: it does once edited."""
        return self._records_move and not self._volatile and content != step.content

    def _settle(self, doubt: Doubt, step: TrailStep, page: Page) -> Storable:
        """The record stands where it stood: what was answered to its cursor counts."""
        answer, pages_back = doubt.answer, doubt.pages_back
        self._doubt, self._resumed = None, False
        if answer is None:
            return self._ask_again(step, page)
        self.cursor = step.next_cursor
        if pages_back == 1:
            self._short_stood += answer.next_cursor is not None
            return self._accept(answer)
        self._count_detour()
        self._expect_again(step)
        self._trail.forget_after(step)
        return self._accept(answer)

    def _ask_again(self, step: TrailStep, page: Page) -> Storable:
        """The record is there and yet its cursor was refused: ask once more, by its fresh cursor.

        Cursors may expire; the page that was asked again tells the one that is good now.
        """
        self._count_detour()
        self._expect_again(step)
        self._trail.forget_after(step)
        fresh = replace(step, next_cursor=page.next_cursor or step.next_cursor)
        self._trail.replace_last(fresh)
        self._refused = self.cursor = fresh.next_cursor
        return self._nothing()

    def _go_on_from(self, step: TrailStep, page: Page) -> Storable:
        """Take the page that was asked again as the next one; later pages may come again."""
        self._doubt, self._resumed = None, False
        self._count_detour()
        self._expect_again(step)
        self._trail.forget_from(step)
        return self._accept(page)

    def _count_detour(self) -> None:
        self._doubts += 1
        if self._doubts > MOST_DOUBTS:
            raise ChainBrokenError("the end of the list stays in doubt: it changes all the time")

    def _expect_again(self, step: TrailStep) -> None:
        """Go on after `step`: what was stored from it on may come again."""
        first = min(step.page, self._known_pages[0] if self._known_pages else step.page)
        self._known_pages = (first, self.pages - 1)
        self._known_left = self.pages - first + 1

    def _read_anew(self, why: str) -> Storable:
        if self._restarted:
            raise ChainBrokenError(f"{why}; and so again after the list was read anew")
        self._restarted = True
        self.cursor, self.pages, self.rows = None, 0, 0
        self._trail = Trail(self.endpoint.id_key)
        self.span.begin_anew()
        self._known_pages, self._refused, self._doubt = None, None, None
        self._stale = self._empty = 0
        self._resumed = False
        return Storable(0, (), restart=True)


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
    chain.span = Span.restored(row.since, progress)
    chain.state = "reading" if row.state == "failed" else row.state
    chain.error = "" if row.state == "failed" else row.error
    chain._trail = Trail.restored(endpoint.id_key, progress)
    chain._short_stood = progress.get("short", 0)
    chain._volatile = progress.get("volatile", False)
    chain._resumed = bool(chain._trail)
    chain.cursor = progress.get("cursor")
    if known := progress.get("known"):
        chain._known_pages, chain._known_left = (known[0], known[1]), known[2]
    return chain
