"""Which kinds of values stand under the keys of records: what a column's type depends on.

They are noted while pages are stored, so that a table can be laid out before its records are read.
"""

from __future__ import annotations

from collections.abc import Mapping
from math import copysign
from typing import Any, Literal

from salesmap_async import exact_json
from salesmap_async.exact_json import MAX_INT64, MIN_INT64

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
        self._types: set[tuple[str, type]] = set()
        self._special: set[tuple[str, Kind]] = set()

    def __len__(self) -> int:
        return len(self._types) + len(self._special)

    def add(self, record: Mapping[str, Any]) -> None:
        """Note every key of `record` and the kind of its value; null is none."""
        self._types.update(zip(record, map(type, record.values()), strict=True))
        self._special.update(
            (key, "huge" if value else "minus zero")
            for key, value in record.items()
            if (type(value) is int and not MIN_INT64 <= value <= MAX_INT64)
            or (type(value) is float and value == 0 and copysign(1, value) < 0)
        )

    def by_key(self) -> dict[str, set[Kind]]:
        """Return every key with its kinds."""
        kinds = {key: set(known) for key, known in self._known.items()}
        for key, value_type in self._types:
            known = kinds.setdefault(key, set())
            if value_type in _KINDS:
                known.add(_KINDS[value_type])
        for key, kind in self._special:
            kinds[key].add(kind)
        return kinds

    def as_json(self) -> str:
        """Return `by_key` as a JSON object."""
        return exact_json.dumps({key: sorted(kinds) for key, kinds in self.by_key().items()})


def from_json(text: str) -> dict[str, set[Kind]]:
    """Read what `Kinds.as_json` has written."""
    return {key: set(kinds) for key, kinds in exact_json.loads(text.encode()).items()}
