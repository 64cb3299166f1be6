"""How far a log had got, as the manifest keeps it for `--continue-logs`. Pure, but for one look.

A run keeps the last page of each log that had a cursor, with the time at which the server gave it;
the newest that is a day old and all later ones stay, so that each night has one that is old enough.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Self

from salesmap_async import exact_json
from salesmap_async.store.work_db import EARLIER_PREFIX, ChainRow
from salesmap_async.times import moment_of

VERSION_7 = "????????-????-7???-[89ab]???-????????????"
"""The form of such an id, as GLOB takes it."""
_KEPT_AGE = timedelta(hours=24)
_MOST_KEPT = 50

Step = tuple[int, str | None, str, str, str]
"""A page: its number, the cursor it was asked with, the one it gave, its last record's name and a
digest of that."""


@dataclass(frozen=True, slots=True)
class Kept:
    """A page that the server gave at `at` (ISO 8601, UTC)."""

    at: str
    step: Step

    def values(self) -> list[Any]:
        """Return it as a list of JSON values; `of` reads that."""
        return [self.at, *self.step]

    @classmethod
    def of(cls, values: Sequence[Any]) -> Self:
        at, number, cursor, next_cursor, last, content = values
        return cls(str(at), (number, cursor, next_cursor, last, content))


@dataclass(frozen=True, slots=True, kw_only=True)
class Continuation:
    """What the manifest keeps of a log. `ordered`: all ids are version-7 UUIDs in list order.

    `full_at`: when it was last read in full; `kept`: the oldest page first.
    """

    ordered: bool
    full_at: str
    kept: tuple[Kept, ...]

    def newest_before(self, moment: datetime) -> Kept | None:
        """Return the newest page that the server gave by then."""
        old = [each for each in self.kept if (at := moment_of(each.at)) and at <= moment]
        return old[-1] if old else None

    def as_text(self) -> str:
        return exact_json.dumps(
            {
                "ordered": self.ordered,
                "full_at": self.full_at,
                "kept": [each.values() for each in self.kept],
            }
        )


def read_continuation(row: Mapping[str, Any]) -> Continuation | None:
    """Return what a row of the manifest keeps; None for a table that no run has kept one of."""
    try:
        said = exact_json.loads(str(row.get("continuation") or "null").encode())
        return Continuation(
            ordered=bool(said["ordered"]),
            full_at=str(said["full_at"]),
            kept=tuple(Kept.of(each) for each in said["kept"]),
        )
    except (ValueError, TypeError, KeyError):
        return None


def continuation_of(
    work: sqlite3.Connection, chains: Sequence[ChainRow], before: Continuation | None
) -> tuple[str, str]:
    """Return what the manifest is to keep of a log, and since when it was continued ('': not).

    `before`: what the last snapshot kept of it; its pages serve again after a full reading too.
    """
    own = [chain for chain in chains if chain.path]
    earlier = next((chain for chain in chains if chain.name.startswith(EARLIER_PREFIX)), None)
    if len(own) != 1 or own[0].state != "done":
        return "", ""
    [chain] = own
    at = chain.ended_at or ""
    since = str(earlier.progress.get("since") or "") if earlier is not None else ""
    steps = chain.progress.get("trail") or []
    kept = before.kept if before is not None else ()
    if steps:
        kept = (*kept, Kept.of([at, *steps[-1]]))
    found = Continuation(
        ordered=_is_ordered(work, chain) and (earlier is None or bool(before and before.ordered)),
        full_at=before.full_at if earlier is not None and before is not None else at,
        kept=_worth_keeping(kept),
    )
    return found.as_text(), since


def _worth_keeping(kept: Sequence[Kept]) -> tuple[Kept, ...]:
    """Return the newest page that is a day older than the last one, and all after it."""
    last = moment_of(kept[-1].at) if kept else None
    if last is None:
        return ()
    old = [
        number
        for number, each in enumerate(kept)
        if (at := moment_of(each.at)) and last - at >= _KEPT_AGE
    ]
    return tuple(kept[old[-1] if old else 0 :])[-_MOST_KEPT:]


def _is_ordered(work: sqlite3.Connection, chain: ChainRow) -> bool:
    """Tell whether the ids of a list are version-7 UUIDs that grow from record to record.

    Pages that were asked again may bring a record twice.
    """
    (others,) = work.execute(
        "SELECT count(*) FROM (SELECT id, lag(id) OVER (ORDER BY page, position) AS before"
        " FROM record WHERE chain = ?) WHERE id IS NULL OR id NOT GLOB ? OR before > id",
        (chain.name, VERSION_7),
    ).fetchone()
    return bool(others == 0)
