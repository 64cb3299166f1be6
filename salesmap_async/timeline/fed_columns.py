"""The columns of a table that is fed: what they are called on both sides, what makes a change.

A value has changed where SQLite's IS says so. To that 1 and 1.0 are the same, and 0.0 and -0.0 are:
a column declared REAL or INTEGER makes them what they were when the state is given back; in one
that declares no type they are compared by their storage class and sign too.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import blake2b
from typing import Any

from salesmap_async.sqlite_file import quoted


@dataclass(frozen=True, slots=True)
class Column:
    """A column of the new state; `field` is its number in the timeline, `at` its physical name."""

    name: str
    declared: str
    field: int

    @property
    def at(self) -> str:
        """Its name in the tables of the timeline."""
        return f"c{self.field}"

    @property
    def is_typed(self) -> bool:
        """Whether its declaration gives a number its storage class (SQLite's affinity rules)."""
        declared = self.declared.upper()
        return bool(declared) and ("INT" in declared or "BLOB" not in declared)


def named(columns: Sequence[Column], of: str) -> str:
    """Return the columns as the snapshot names them."""
    return ", ".join(f"{of}{quoted(each.name)}" for each in columns)


def listed(columns: Sequence[Column], of: str = "") -> str:
    """Return the columns as the timeline names them."""
    return ", ".join(f"{of}{each.at}" for each in columns)


def same_key(key: Sequence[Column]) -> str:
    """Return the condition that row `n` of the snapshot and `h` of the timeline have one key."""
    return " AND ".join(f"h.{each.at} = +n.{quoted(each.name)}" for each in key)


def has_key(key: Sequence[Column]) -> str:
    """Return the condition that row `n` has a key at all."""
    return " AND ".join(f"n.{quoted(each.name)} IS NOT NULL" for each in key)


def differences(columns: Sequence[Column]) -> list[str]:
    """Return the conditions of which one holds where two rows differ (as rows: no deep trees)."""
    conditions = []
    untyped = [each for each in columns if not each.is_typed]
    for some, shape in (
        (columns, "+{}"),
        (untyped, "typeof({})"),
        (untyped, "CASE WHEN {0} = 0 THEN is_minus_zero({0}) END"),
    ):
        if some:
            new = ", ".join(shape.format(f"n.{quoted(each.name)}") for each in some)
            latest = ", ".join(shape.format(f"h.{each.at}") for each in some)
            conditions.append(f"({new}) IS NOT ({latest})")
    return conditions


def is_same(column: Column, value: Any, former: Any) -> bool:
    """Tell whether a value has stayed the same: what `differences` asks in SQL."""
    if column.is_typed and type(value) in (int, float) and type(former) in (int, float):
        return bool(value == former)
    return repr(value) == repr(former)


def digest(values: Sequence[Any]) -> bytes:
    """Return what tells a row from all others by what it holds."""
    return blake2b(repr(values).encode("utf-8", "surrogatepass"), digest_size=16).digest()
