"""How records are laid out in the work DB: as lists of values, their keys stored once.

Keys are most of the text of a wide record, and records of one list leave keys out one by one. So a
record is laid out over *all keys its list has had so far*, in the order in which they were met; the
keys are extended once per page. A null may then stand for a key that the record does not have:
`nulls` tells which ones came.

A record that has few of its list's keys, or no id (such records are ordered and compared by their
own text), keeps a *shape* of its own instead: just its keys, in their order. Equal shapes are
mostly stored once; which number one has does not matter.

No I/O: what is laid out here is stored by `page_store` with the page.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from salesmap_async import exact_json
from salesmap_async.store.kinds import Kinds

Keys = tuple[str, ...]
Record = Mapping[str, Any]

MOST_SHAPES = 1_000
"""How many are remembered, so that memory does not grow with the workspace (I7)."""

SPARSE = 4
"""A record with less than one in so many of its list's keys is laid out over its own."""

EVERY_NULL = ""
"""`nulls` of a record that has all its keys: each null came."""


@dataclass(frozen=True, slots=True)
class LaidRecord:
    """One row of `record`: `body` is the JSON list of its values.

    `shape` None: they belong to the first keys of the list. `nulls`: the places of nulls that came,
    as JSON; None: none came.
    """

    id: str | None
    shape: int | None
    nulls: str | None
    body: str


@dataclass(frozen=True, slots=True, kw_only=True)
class LaidPage:
    """The records of one page, and what is new with them.

    `keys`: (place, key) of the list. `shapes`: keys -> number. `kinds`: all that the list has had,
    as JSON; None where nothing is new.
    """

    records: Sequence[LaidRecord] = ()
    keys: Sequence[tuple[int, str]] = ()
    shapes: Mapping[Keys, int] = field(default_factory=dict)
    kinds: str | None = None

    @property
    def size(self) -> int:
        """About how much memory it takes, in characters."""
        return sum(len(each.body) for each in self.records)


@dataclass(slots=True)
class _List:
    """What is known of one list: key -> place, and which of its keys are stored."""

    places: dict[str, int]
    stored: int
    kinds: Kinds

    @classmethod
    def of(cls, keys: Iterable[str], kinds: str) -> _List:
        places = {key: place for place, key in enumerate(keys)}
        return cls(places, len(places), Kinds(kinds))


class Laying:
    """Lays out the pages of a run, in the order in which they will be stored."""

    def __init__(self) -> None:
        self._lists: dict[str, _List] = {}
        self._shapes: dict[Keys, int] = {}
        self._last_shape = 0

    def learn(self, last_shape: int, lists: Mapping[str, tuple[Sequence[str], str]]) -> None:
        """Know what a work DB has: per list its keys in order, and its kinds as JSON."""
        self._last_shape = last_shape
        self._lists = {name: _List.of(keys, kinds) for name, (keys, kinds) in lists.items()}

    def forget(self, lists: Iterable[str]) -> None:
        """Know nothing any more of lists that are dropped, or have ended."""
        for name in lists:
            self._lists.pop(name, None)

    def lay_out(self, name: str, records: Sequence[tuple[str | None, Record]]) -> LaidPage:
        """Lay out records, each with its id, of the list `name`.

        Raises ValueError where JSON cannot hold one of them.
        """
        known = self._lists.setdefault(name, _List.of((), "{}"))
        before = len(known.kinds)
        shapes: dict[Keys, int] = {}
        dense = [_is_dense(*each, known.places) for each in records]
        _extend(known.places, [record for (_, record), is_dense in zip(records, dense, strict=True)
                               if is_dense])  # fmt: skip
        keys, rows, columns = list(known.places), [], []
        for (record_id, record), is_dense in zip(records, dense, strict=True):
            if is_dense:
                values = list(map(record.get, keys))
                nulls = _nulls(record, values, known.places)
                columns.append(values)
                rows.append(LaidRecord(record_id, None, nulls, exact_json.dumps(values)))
            else:
                known.kinds.add(record)
                shape, body = self._shape(tuple(record), shapes), list(record.values())
                rows.append(LaidRecord(record_id, shape, EVERY_NULL, exact_json.dumps(body)))
        known.kinds.add_columns(keys, columns)
        new = [(known.places[key], key) for key in keys[known.stored :]]
        known.stored = len(keys)
        return LaidPage(
            records=rows,
            keys=new,
            shapes=shapes,
            kinds=known.kinds.as_json() if len(known.kinds) > before else None,
        )

    def _shape(self, keys: Keys, new: dict[Keys, int]) -> int:
        if len(self._shapes) > MOST_SHAPES:
            self._shapes.clear()
        number = self._shapes.get(keys)
        if number is None:
            self._last_shape = number = self._last_shape + 1
            self._shapes[keys] = new[keys] = number
        return number


def came(keys: Sequence[str], values: Sequence[Any], nulls: str | None) -> dict[str, Any]:
    """Return a record as it came, from its keys and values and what `nulls` says of them."""
    pairs = zip(keys, values, strict=True)
    if nulls == EVERY_NULL:
        return dict(pairs)
    told = set(exact_json.loads(nulls.encode())) if nulls else ()
    return {
        key: value for place, (key, value) in enumerate(pairs) if value is not None or place in told
    }


def _is_dense(record_id: str | None, record: Record, places: Mapping[str, int]) -> bool:
    return record_id is not None and len(record) * SPARSE >= len(places)


def _extend(places: dict[str, int], records: Sequence[Record]) -> None:
    if set().union(*records) <= places.keys():
        return
    for record in records:
        for key in record:
            places.setdefault(key, len(places))


def _nulls(record: Record, values: Sequence[Any], places: Mapping[str, int]) -> str | None:
    """Return which of the nulls came; what is missing is null in `values` too."""
    missing = len(values) - len(record)
    if values.count(None) == missing:
        return None
    if missing == 0:
        return EVERY_NULL
    return exact_json.dumps([places[key] for key, value in record.items() if value is None])
