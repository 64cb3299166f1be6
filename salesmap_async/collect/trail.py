"""What is remembered of the pages of a list: enough to tell whether a record still stands there.

A record is named by its id, else by its content; whether it was edited shows a digest of it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from salesmap_async import exact_json
from salesmap_async.api.pages import Page

TRAIL_LENGTH = 5
"""How many of a list's last pages are remembered with their cursors."""


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


@dataclass(slots=True)
class Trail:
    """The pages of one list so far. `steps`: the last of them, oldest first.

    `seen`: the cursors that were given. `longest`: records on the longest page.
    """

    id_key: str
    steps: list[TrailStep] = field(default_factory=list)
    seen: set[str] = field(default_factory=set)
    longest: int = 0
    _first: tuple[str, str] = ("", "")  # name and content of the record that the list began with
    _ends: dict[str, str] = field(default_factory=dict)  # last records of pages: name -> content

    def __bool__(self) -> bool:
        return bool(self.steps)

    @property
    def last(self) -> TrailStep:
        """The last page that was answered; there must be one."""
        return self.steps[-1]

    def progress(self) -> dict[str, Any]:
        """Return what a resume needs, as JSON values."""
        return {
            "trail": [[s.page, s.cursor, s.next_cursor, s.last, s.content] for s in self.steps],
            "first": self._first,
            "longest": self.longest,
        }

    @classmethod
    def restored(cls, id_key: str, progress: Mapping[str, Any]) -> Trail:
        """Return the trail that `progress` tells of."""
        steps = [TrailStep(*step) for step in progress.get("trail", ())]
        trail = cls(id_key, steps, {step.next_cursor for step in steps})
        trail.longest = progress.get("longest", 0)
        trail._first = tuple(progress.get("first", ("", "")))
        return trail

    # -- going on ---------------------------------------------------------------------------------

    def add(self, stored_as: int, asked_with: str | None, page: Page, next_cursor: str) -> None:
        """Remember `page`, whose records are stored from the page `stored_as` on."""
        last, content = self.last_of(page)
        if asked_with is None and page.records:
            self._first = self._named(page.records[0])
        if page.records:
            self._ends[last] = content
        self.seen.add(next_cursor)
        self.longest = max(self.longest, len(page.records))
        step = TrailStep(stored_as, asked_with, next_cursor, last, content)
        self.steps = [*self.steps, step][-TRAIL_LENGTH:]

    def forget_after(self, step: TrailStep) -> None:
        """Forget the pages after `step`: they may come again, with the cursors they gave."""
        later = self.steps[self.steps.index(step) + 1 :]
        self.seen -= {each.next_cursor for each in later}
        self.steps = self.steps[: len(self.steps) - len(later)]

    def forget_from(self, step: TrailStep) -> None:
        """Forget `step` and the pages after it."""
        self.forget_after(step)
        self.steps.remove(step)
        self.seen.discard(step.next_cursor)

    def replace_last(self, step: TrailStep) -> None:
        """Take `step` for what the last page gave."""
        self.seen.discard(self.last.next_cursor)
        self.seen.add(step.next_cursor)
        self.steps[-1] = step

    # -- what a page looks like beside those before ------------------------------------------------

    def repeats(self, page: Page, *, unchanged: bool = False) -> bool:
        """Tell whether a record ended an earlier page already, in the same content if so asked."""
        for record in page.records:
            known = self._ends.get(record_id(record, self.id_key) or "")
            if known and (not unchanged or known == _content_of(record)):
                return True
        return False

    def begins_like_the_list(self, page: Page) -> bool:
        """Tell whether a page begins with the record that the first page began with."""
        if not page.records:
            return False
        name = record_id(page.records[0], self.id_key)
        return name in (None, self._first[0]) and self._named(page.records[0]) == self._first

    def content_in(self, page: Page, step: TrailStep) -> str | None:
        """Return the content of the step's last record, if `page` still has that record."""
        for record in page.records:
            content = ""
            name = record_id(record, self.id_key) or (content := _content_of(record))
            if name == step.last:
                return content or _content_of(record)
        return "" if not step.last and not page.records else None

    def last_of(self, page: Page) -> tuple[str, str]:
        """Return the name of a page's last record and its content; two '' without one."""
        return self._named(page.records[-1]) if page.records else ("", "")

    def _named(self, record: Mapping[str, Any]) -> tuple[str, str]:
        content = _content_of(record)
        return record_id(record, self.id_key) or content, content


def record_id(record: Mapping[str, Any], id_key: str) -> str | None:
    """Return a record's id as text, or None where it has none (missing, null or blank)."""
    value = record.get(id_key)
    if value is None:
        return None
    text = value if isinstance(value, str) else exact_json.dumps(value)
    if not text.strip():
        return None
    return exact_json.without_lone_surrogates(text)


def _content_of(record: Mapping[str, Any]) -> str:
    return hashlib.sha256(exact_json.dumps(record).encode()).hexdigest()[:32]
