"""Sizes, ages and times as people read them."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from salesmap_async.cli.language import local
from salesmap_async.money import in_eok
from salesmap_async.times import span

_UNITS = (("kB", 1e3), ("MB", 1e6), ("GB", 1e9))


def size(count: int | None) -> str:
    """Return a number of bytes in the unit that fits: `12.3 MB`; `-` for None."""
    if count is None:
        return "-"
    if count < 1000:
        return f"{count} B"
    unit, length = next((each for each in _UNITS if count < 999.5 * each[1]), _UNITS[-1])
    amount = count / length
    return f"{amount:.1f} {unit}" if amount < 100 else f"{amount:.0f} {unit}"


def age(then: datetime | None, *, now: datetime | None = None) -> str:
    """Return `5 min ago`; a moment to come says so; `unknown` for None."""
    if then is None:
        return "unknown"
    passed = (now or datetime.now(UTC)) - then
    if passed < timedelta(seconds=-5):
        return f"{span(passed)} in the future"
    return f"{span(passed)} ago"


def clock(then: datetime | None) -> str:
    """Return the moment on this machine's clock, with its offset; `unknown` for None."""
    if then is None:
        return "unknown"
    here = then.astimezone()
    return f"{here:%Y-%m-%d %H:%M:%S} {offset(here)}"


def offset(here: datetime) -> str:
    """Return how far a local time is ahead of UTC: `+09:00`."""
    text = f"{here:%z}"
    return f"{text[:3]}:{text[3:5]}"


def number(count: int | None) -> str:
    """Return a count with commas; `-` for None."""
    return "-" if count is None else f"{count:,}"


def change_lines(changes: Mapping[str, Any]) -> tuple[list[str], list[str]]:
    """Return what changed, per table and in sales: `deal +3 -1 ~12`, `2 won 0.45억`."""
    signs = {"new": "+", "gone": "-", "changed": "~"}
    tables = []
    for table, counts in changes.get("tables", {}).items():
        said = [f"{sign}{counts[each]:,}" for each, sign in signs.items() if counts.get(each)]
        if said:
            tables.append(f"{table} {' '.join(said)}")
    sales = [
        f"{count:,} {local(kind)} {in_eok(amount)}"
        for kind, (count, amount) in changes.get("sales", {}).items()
    ]
    return tables, sales
