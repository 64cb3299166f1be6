"""What a range of a dated list knows of its times."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any


@dataclass(slots=True)
class Span:
    """The part of a dated list that one chain reads; that of another list says nothing.

    `since`: the moment from which on it is asked for (None: from the list's beginning). `first_at`
    and `last_at` are those of the first and the last record read. `plain`: the list is not to be
    split. `tail`: the range has read what the moment lets through and is asked for without it.
    `met`: it has ended where another range of its list begins.
    """

    since: datetime | None = None
    first_at: datetime | None = None
    last_at: datetime | None = None
    plain: bool = False
    tail: bool = False
    met: bool = False

    def asked_since(self, cursor: str | None) -> datetime | None:
        """Return the moment to ask for: beyond its end, a range is the list as it is."""
        return None if self.tail and cursor is not None else self.since

    def advance(self, first: datetime, last: datetime) -> None:
        """Note a page whose records are from `first` to `last`."""
        self.first_at = self.first_at or first
        self.last_at = last

    def begin_anew(self) -> None:
        """Forget what was read."""
        self.first_at = self.last_at = None

    def progress(self) -> dict[str, Any]:
        """Return what a resume needs, as JSON values."""
        return {
            "dates": [each and each.isoformat() for each in (self.first_at, self.last_at)],
            "met": self.met,
            "plain": self.plain,
            "tail": self.tail,
        }

    @classmethod
    def restored(cls, since: str | None, progress: Mapping[str, Any]) -> Span:
        """Return the span from `since` on that `progress` tells of."""
        first_at, last_at = map(_moment, progress.get("dates", (None, None)))
        flags = {name: bool(progress.get(name)) for name in ("met", "plain", "tail")}
        return cls(_moment(since), first_at, last_at, **flags)


def _moment(text: str | None) -> datetime | None:
    return None if text is None else datetime.fromisoformat(text)
