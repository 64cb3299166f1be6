"""Which kinds of values stand under the keys of records: what a column's type depends on.

They are noted while pages are stored, so that a table can be laid out before its records are read.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Mapping, Sequence
from math import copysign
from typing import Any, Literal

from salesmap_async import exact_json
from salesmap_async.exact_json import fits_int64

Kind = Literal["text", "json", "integer", "boolean", "huge", "number", "minus zero"]
"""`huge` is an integer beyond 64 bits; it and `minus zero` come beside `integer` and `number`."""

_KINDS: dict[type, Kind] = {
    str: "text",
    dict: "json",
    list: "json",
    bool: "boolean",
    int: "integer",
    float: "number",
}


class Kinds:
    """The kinds met under each key. Its length grows whenever something new is met.

    `known` is what `as_json` has told before.
    """

    def __init__(self, known: str = "{}") -> None:
        self._known = from_json(known)
        self._types: dict[str, set[type]] = {}
        self._special: set[tuple[str, Kind]] = set()
        self._size = 0

    def __len__(self) -> int:
        return self._size + len(self._special)

    def add(self, record: Mapping[str, Any]) -> None:
        """Note every key of `record` and the kind of its value; null is none."""
        for key, value in record.items():
            self._add(key, (value,))

    def add_columns(self, keys: Iterable[str], rows: Sequence[Sequence[Any]]) -> None:
        """Note the kinds of records with these keys: much faster than one record after another."""
        for key, column in zip(keys, zip(*rows, strict=True), strict=bool(rows)):
            self._add(key, column)

    def _add(self, key: str, values: Sequence[Any]) -> None:
        types = set(map(type, values))
        known = self._types.setdefault(key, set())
        if not types <= known:
            self._size += len(types - known)
            known |= types
        if int in types and _has_huge(values, types):
            self._special.add((key, "huge"))
        if float in types and 0.0 in values and _has_minus_zero(values):
            self._special.add((key, "minus zero"))

    def by_key(self) -> dict[str, set[Kind]]:
        """Return every key with its kinds."""
        kinds = {key: set(known) for key, known in self._known.items()}
        for key, types in self._types.items():
            kinds.setdefault(key, set()).update(_KINDS[each] for each in types if each in _KINDS)
        for key, kind in self._special:
            kinds[key].add(kind)
        return kinds

    def as_json(self) -> str:
        """Return `by_key` as a JSON object."""
        return exact_json.dumps({key: sorted(kinds) for key, kinds in self.by_key().items()})


def _has_huge(values: Sequence[Any], types: set[type]) -> bool:
    if len(types) == 1:
        return not (fits_int64(min(values)) and fits_int64(max(values)))
    try:
        array("q", [value for value in values if type(value) is int])
    except OverflowError:
        return True
    return False


def _has_minus_zero(values: Iterable[Any]) -> bool:
    return any(type(each) is float and each == 0 and copysign(1, each) < 0 for each in values)


def from_json(text: str) -> dict[str, set[Kind]]:
    """Read what `Kinds.as_json` has written."""
    return {key: set(kinds) for key, kinds in exact_json.loads(text.encode()).items()}
