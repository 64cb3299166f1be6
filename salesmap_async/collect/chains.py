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
class TrailStep:
    """An answered page: the cursor it was asked with, the one it gave, its last record.

    `page` is the first stored page that may hold its records: its own number, or an earlier one
    where it was read again. `last` names the last record, `content` is a digest of it.
    """

    page: int
    cursor: str | None
    next_cursor: str
    last: str
    content: str = ""


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

    `name` is unique in the run; `label` is what a person calls the list. Of a dated list, `since`
    is the moment from which on it is asked for (None: from its beginning), `first_at` and `last_at`
    are those of the first and the last record read; a `plain` one is not to be split; one at its
    `tail` is asked for without the moment. `dropped`: it counts no more. `expected_pages`: a guess,
    None without one. `remark`: what is odd about how it ended.
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
    since: datetime | None = None
    first_at: datetime | None = None
    last_at: datetime | None = None
    expected_pages: float | None = None
    dropped: bool = False
    plain: bool = False
    tail: bool = False
    _trail: list[TrailStep] = field(default_factory=list)
    _seen: set[str] = field(default_factory=set)
    _first: tuple[str, str] = ("", "")  # name and content of the record that the list began with
    _longest: int = 0  # records on its longest page
    _ends: dict[str, str] = field(default_factory=dict)  # last records of pages: name -> content
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
    # It has ended where another range of its list begins.
    _met: bool = False

    @property
    def ended(self) -> bool:
        return self.state != "reading"

    @property
    def asked_since(self) -> datetime | None:
        """The moment to ask the next page for: beyond its end, a range is the list as it is."""
        return None if self.tail and self.cursor is not None else self.since

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
            "cursor": self._resume_cursor(),
            "trail": [[s.page, s.cursor, s.next_cursor, s.last, s.content] for s in self._trail],
            "first": self._first,
            "longest": self._longest,
            "short": self._short_stood,
            "volatile": self._volatile,
            "known": [*self._known_pages, self._known_left] if self._known_pages else None,
            "dates": [each and each.isoformat() for each in (self.first_at, self.last_at)],
            "met": self._met,
            "plain": self.plain,
            "tail": self.tail,
        }

    def take(self, page: Page) -> Storable:
        """Take the answer to `cursor`; return what to store. Raises ChainBrokenError."""
        if self._doubt is not None:
            return self._take_again(self._doubt, page)
        if self._is_unpaged_repeat(page):
            return self._end(Page([], None))
        if self._is_first_page_again(page):
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
        self._met = True
        return self._store(Page(list(records), None))

    def begin_tail(self, page: Page) -> Storable:
        """Take the last page that a filter lets through; go on after it without the filter.

        The cursor is the id of its last record, as those that the server gives are; should they be
        something else, a memo names its own. After an empty page the last cursor serves again.
        """
        self.tail = True
        if not page.records:
            return self._nothing()
        own = page.records[-1].get("cursorId")
        by_id = not self._trail or self._trail[-1].next_cursor == self._trail[-1].last
        cursor = self._last_of(page)[0] if by_id or not isinstance(own, str) else own
        return self.take(Page(page.records, cursor))

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

    # -- answers that count -----------------------------------------------------------------------

    def _accept(self, page: Page) -> Storable:
        if page.next_cursor is None:
            return self._end(page)
        leads_nowhere = self._why_it_leads_nowhere(page)
        if leads_nowhere and self._records_move:
            return self._read_anew(leads_nowhere)  # after a jump back that no check has shown
        if leads_nowhere:
            raise ChainBrokenError(leads_nowhere)
        self._advance(page, page.next_cursor)
        return self._store(page)

    def _end(self, page: Page) -> Storable:
        self.state = "done"
        full = self._longest or self.endpoint.page_size
        if self.endpoint.paged and not page.says_end and len(page.records) >= full:
            self.remark = "its last page is full, and the answer has no key for a cursor at all"
        if not page.records and self.cursor is not None:
            return self._nothing()
        return self._store(page)

    def _why_it_leads_nowhere(self, page: Page) -> str:
        """Return how the cursors run without end; '' where they lead on."""
        stale = self._known_pages is None and self._repeats(page, unchanged=True)
        self._stale = self._stale + 1 if stale else 0
        self._empty = 0 if page.records else self._empty + 1
        if page.next_cursor == self.cursor:
            return "the cursors run in a circle: the server gave the one it was asked with"
        given_before = page.next_cursor in self._seen
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

    def _advance(self, page: Page, next_cursor: str) -> None:
        last, content = self._last_of(page)
        first = self._known_pages[0] if self._known_pages else self.pages
        step = TrailStep(first, self.cursor, next_cursor, last, content)
        if self.cursor is None and page.records:
            self._first = self._named(page.records[0])
        self._seen.add(next_cursor)
        if page.records:
            self._ends[last] = content
        self._longest = max(self._longest, len(page.records))
        self._trail = [*self._trail, step][-TRAIL_LENGTH:]
        self.cursor = next_cursor

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
            and self._last_of(page)[0] == self._trail[-1].last
        )

    def _is_first_page_again(self, page: Page) -> bool:
        """Tell whether the server took the cursor for none: it may have expired."""
        if self.cursor is None or not page.records:
            return False
        name = record_id(page.records[0], self.endpoint.id_key)
        return name in (None, self._first[0]) and self._named(page.records[0]) == self._first

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
        if len(page.records) < self._longest and self._short_stood < SHORT_PAGES_CHECKED:
            return True  # the end may be near because it moved there
        # It may have moved to where the list was read before, as in one with the newest first.
        return self._known_pages is None and self._repeats(page)

    def _repeats(self, page: Page, *, unchanged: bool = False) -> bool:
        """Tell whether a record ended an earlier page already, in the same content if so asked."""
        for record in page.records:
            known = self._ends.get(record_id(record, self.endpoint.id_key) or "")
            if known and (not unchanged or known == _content_of(record)):
                return True
        return False

    def _last_of(self, page: Page) -> tuple[str, str]:
        """Return the name of a page's last record (its id, else its content), and its content."""
        return self._named(page.records[-1]) if page.records else ("", "")

    def _named(self, record: Mapping[str, Any]) -> tuple[str, str]:
        content = _content_of(record)
        return record_id(record, self.endpoint.id_key) or content, content

    # -- answers in doubt -------------------------------------------------------------------------

    def _go_back(self, answer: Page | None) -> Storable:
        """Ask the page before again: does the record of the cursor stand where it stood?"""
        if not self._trail:
            return self._read_anew("the server refuses a cursor it gave long ago")
        self._doubt = Doubt(answer)
        self.cursor = self._trail[-1].cursor
        return self._nothing()

    def _further_back(self, doubt: Doubt, answer: Page | None) -> Storable:
        """Doubt `answer` itself: ask the page before that one."""
        doubt.answer, doubt.again = answer, ""
        doubt.pages_back += 1
        if doubt.pages_back > len(self._trail):
            return self._read_anew("none of the list's last cursors leads on")
        self.cursor = self._trail[-doubt.pages_back].cursor
        return self._nothing()

    def _take_again(self, doubt: Doubt, page: Page) -> Storable:
        """Take the page of the trail that was asked again."""
        step = self._trail[-doubt.pages_back]
        if step.cursor is not None and self._is_first_page_again(page):
            return self._further_back(doubt, None)
        found = self._content_in(page, step)
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

    def _content_in(self, page: Page, step: TrailStep) -> str | None:
        """Return the content of the step's last record, if `page` still has that record."""
        for record in page.records:
            content = ""
            name = record_id(record, self.endpoint.id_key) or (content := _content_of(record))
            if name == step.last:
                return content or _content_of(record)
        return "" if not step.last and not page.records else None

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
        self._forget_after(step)
        return self._accept(answer)

    def _ask_again(self, step: TrailStep, page: Page) -> Storable:
        """The record is there and yet its cursor was refused: ask once more, by its fresh cursor.

        Cursors may expire; the page that was asked again tells the one that is good now.
        """
        self._count_detour()
        self._forget_after(step)
        self._seen.discard(step.next_cursor)
        fresh = replace(step, next_cursor=page.next_cursor or step.next_cursor)
        self._seen.add(fresh.next_cursor)
        self._trail[-1] = fresh
        self._refused = self.cursor = fresh.next_cursor
        return self._nothing()

    def _go_on_from(self, step: TrailStep, page: Page) -> Storable:
        """Take the page that was asked again as the next one; later pages may come again."""
        self._doubt, self._resumed = None, False
        self._count_detour()
        self._forget_after(step)
        self._trail.remove(step)
        self._seen.discard(step.next_cursor)
        return self._accept(page)

    def _count_detour(self) -> None:
        self._doubts += 1
        if self._doubts > MOST_DOUBTS:
            raise ChainBrokenError("the end of the list stays in doubt: it changes all the time")

    def _forget_after(self, step: TrailStep) -> None:
        """Go on after `step`, whose later pages may come again."""
        later = self._trail[self._trail.index(step) + 1 :]
        self._seen -= {each.next_cursor for each in later}
        self._trail = self._trail[: len(self._trail) - len(later)]
        first = min(step.page, self._known_pages[0] if self._known_pages else step.page)
        self._known_pages = (first, self.pages - 1)
        self._known_left = self.pages - first + 1

    def _read_anew(self, why: str) -> Storable:
        if self._restarted:
            raise ChainBrokenError(f"{why}; and so again after the list was read anew")
        self._restarted = True
        self.cursor, self.pages, self.rows = None, 0, 0
        self.first_at = self.last_at = None
        self._trail, self._seen, self._ends = [], set(), {}
        self._first, self._longest = ("", ""), 0
        self._known_pages, self._refused, self._doubt = None, None, None
        self._stale = self._empty = 0
        self._resumed = False
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
    chain._first = tuple(progress.get("first", ("", "")))
    chain._longest = progress.get("longest", 0)
    chain._short_stood = progress.get("short", 0)
    chain._volatile = progress.get("volatile", False)
    chain._resumed = bool(chain._trail)
    chain.cursor = progress.get("cursor")
    if known := progress.get("known"):
        chain._known_pages, chain._known_left = (known[0], known[1]), known[2]
    chain.first_at, chain.last_at = map(_moment, progress.get("dates", (None, None)))
    chain._met, chain.plain = progress.get("met", False), progress.get("plain", False)
    chain.tail = progress.get("tail", False)
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


def _content_of(record: Mapping[str, Any]) -> str:
    return hashlib.sha256(exact_json.dumps(record).encode()).hexdigest()[:32]
