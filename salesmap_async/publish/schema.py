"""The layout of one table: column names, order, types and overflow. Pure.

A layout depends on the set of keys and on the kinds of their values, never on what came first.

Names. A column is called as the API's key, verbatim, unless that cannot be. Then it gets another
name by this rule, and `column_map` says which:

1. Of keys that SQLite cannot tell apart (it folds ASCII letters only) the first keeps its name:
   required columns come first, then code point order.
2. A key that is empty, holds NUL or a lone surrogate, or is called like a column of our own
   (`_overflow`; `id` where the record's id stands under another key) never keeps its name.
3. Each other key, in code point order, is named after itself, with U+FFFD for what cannot be
   stored and `_empty` for nothing; where that name is taken, `_2`, `_3` ... is appended.

Order. `id`, then the keys that end in `Id`, then the rest, each by code point. Of more than 1,900
keys the last ones (never a required one) go to the JSON column `_overflow`, key by key.

Types. A column is declared only where every value has the one storage kind; nothing else keeps
`1` and `1.0`, or a phone number's zero, as they came. REAL would turn -0.0 into 0.0.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass

from salesmap_async.api.endpoints import SUBMISSION_TABLE, list_keys
from salesmap_async.exact_json import has_lone_surrogate, without_lone_surrogates
from salesmap_async.sqlite_file import quoted
from salesmap_async.store.kinds import Kind

MAX_COLUMNS = 1_900
OVERFLOW = "_overflow"
LINK_COLUMNS = ("organizationId", "peopleId", "dealId", "leadId", "webFormId")

_REQUIRED: dict[str, tuple[str, ...]] = {
    "people": ("organizationId",),
    "deal": ("peopleId", "organizationId"),
    "lead": ("peopleId", "organizationId"),
    "memo": ("peopleId", "dealId", "leadId", "organizationId"),
    SUBMISSION_TABLE: (*LINK_COLUMNS, "createdAt", "contents"),
}

_DECLARED: dict[Kind, str] = {
    "text": "TEXT",
    "json": "TEXT",
    "huge": "TEXT",
    "integer": "INTEGER",
    "boolean": "INTEGER",
    "number": "REAL",
    "minus zero": "",
}
STORED_AS_THEY_ARE = frozenset[Kind](("text", "integer", "number", "minus zero"))

_FOLD = {code: code + 32 for code in range(ord("A"), ord("Z") + 1)}
_UNSTORABLE = re.compile("[\0\ud800-\udfff]")


@dataclass(frozen=True, slots=True)
class Column:
    """One column: its key in the records, its name and its declared type ('' for none)."""

    key: str
    name: str
    declared: str
    converted: bool


@dataclass(frozen=True, slots=True)
class Layout:
    """One table. `columns` does not hold `id` and `_overflow`; `overflow` is (key, JSON key).

    `key_columns`: those that are its primary key.
    """

    table: str
    key_columns: tuple[str, ...]
    columns: tuple[Column, ...]
    overflow: tuple[tuple[str, str], ...]
    mapped: tuple[tuple[str, str], ...]

    @property
    def typed_names(self) -> tuple[tuple[str, str], ...]:
        """Name and declared type of every column, in order."""
        middle = ((column.name, column.declared) for column in self.columns)
        return (("id", "TEXT"), *middle, *(((OVERFLOW, "TEXT"),) if self.overflow else ()))

    def statements(self) -> tuple[str, str]:
        """Return the SQL that creates the table and the SQL that fills it.

        An empty blob is stored as NULL: see `rows.bindable`.
        """
        lone_key = " PRIMARY KEY" if self.key_columns == ("id",) else ""
        parts = [f'"id" TEXT{lone_key}']
        parts += [f"{quoted(name)} {kind}".strip() for name, kind in self.typed_names[1:]]
        if not lone_key:
            parts.append(f"PRIMARY KEY ({', '.join(map(quoted, self.key_columns))})")
        table, marks = quoted(self.table), ", ".join(["nullif(?, x'')"] * len(self.typed_names))
        return (
            f"CREATE TABLE {table} ({', '.join(parts)})",
            f"INSERT INTO {table} VALUES ({marks})",
        )

    def indexes(self) -> tuple[str, ...]:
        """Return the SQL of the indexes on the link columns."""
        table, names = quoted(self.table), {column.name for column in self.columns}
        return tuple(
            f"CREATE INDEX {quoted(f'{self.table}_{name}')} ON {table} ({quoted(name)})"
            for name in LINK_COLUMNS
            if name in names
        )


def lay_out(table: str, kinds: Mapping[str, Collection[Kind]], *, id_key: str = "id") -> Layout:
    """Lay out `table` for records with the keys of `kinds`, each with the kinds of its values."""
    lists = list_keys(table)
    required = {*_REQUIRED.get(table, ()), *lists, id_key}
    keys = {*kinds, *required}
    own = {OVERFLOW} if id_key == "id" else {OVERFLOW, "id"}
    names = name_columns(keys, required=required, own=own)
    if id_key == "id":
        keys.remove("id")
    kept, spilled = _split(keys, required)
    columns = tuple(_column(key, names[key], kinds.get(key, ())) for key in kept)
    overflow = tuple((key, names[key] if has_lone_surrogate(key) else key) for key in spilled)
    return Layout(
        table=table,
        key_columns=(*(names[key] for key in lists), "id"),
        columns=columns,
        overflow=overflow,
        mapped=(
            *((without_lone_surrogates(key), names[key]) for key in kept if names[key] != key),
            *((label, OVERFLOW) for _, label in overflow),
        ),
    )


def name_columns(
    keys: Collection[str], *, required: Collection[str], own: Collection[str]
) -> dict[str, str]:
    """Return each key's column name, by the rule above; `own` are names no key may have."""
    taken = {fold(name) for name in own}
    names: dict[str, str] = {}
    for key in sorted(keys, key=lambda key: (key not in required, key)):
        if key and not _UNSTORABLE.search(key) and fold(key) not in taken:
            names[key] = key
            taken.add(fold(key))
    for key in sorted(set(keys) - set(names)):
        names[key] = unused(storable(key) or "_empty", taken)
        taken.add(fold(names[key]))
    return names


def unused(base: str, taken_folds: Collection[str]) -> str:
    """Return `base`, or `base_2`, `base_3` ...: the first whose fold is not taken."""
    name, number = base, 1
    while fold(name) in taken_folds:
        number += 1
        name = f"{base}_{number}"
    return name


def fold(name: str) -> str:
    """Return `name` as SQLite compares it: ASCII letters alone lose their case."""
    return name.translate(_FOLD)


def storable(name: str) -> str:
    """Return `name` with U+FFFD for NUL and lone surrogates."""
    return _UNSTORABLE.sub("\ufffd", name)


def _split(keys: Iterable[str], required: Collection[str]) -> tuple[list[str], list[str]]:
    """Return the keys that get a column and those that overflow, both in order."""
    ordered = sorted(keys, key=lambda key: (not key.endswith("Id"), key))
    if len(ordered) < MAX_COLUMNS:  # `id` is one more
        return ordered, []
    by_need = sorted(ordered, key=lambda key: key not in required)
    kept = set(by_need[: MAX_COLUMNS - 1])
    return [key for key in ordered if key in kept], [key for key in ordered if key not in kept]


def _column(key: str, name: str, kinds: Collection[Kind]) -> Column:
    declared = {_DECLARED[kind] for kind in kinds}
    return Column(
        key=key,
        name=name,
        declared=declared.pop() if len(declared) == 1 else "",
        converted=not STORED_AS_THEY_ARE.issuperset(kinds),
    )
