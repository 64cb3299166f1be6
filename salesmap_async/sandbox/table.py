"""One list of the workspace: a mutable sequence of records that are made when they are looked at.

An entry is either the number of a record not looked at yet or the record itself. Taking a record
out keeps it, so that an edit stays; serving a page does not, so a large workspace stays small.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, MutableSequence
from datetime import UTC, datetime, timedelta
from typing import Any, overload

Record = dict[str, Any]

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
LONG_AGO_US = -(2**63)


class Table(MutableSequence[Record]):
    """Records in list order. `created_us` tells when a record not made yet was created."""

    def __init__(
        self,
        records: Iterable[Record] = (),
        *,
        id_key: str = "id",
        count: int = 0,
        make: Callable[[int], Record] | None = None,
        id_of: Callable[[int], str] | None = None,
        created_us: Callable[[int], int] | None = None,
    ) -> None:
        self.id_key = id_key
        self._entries: list[int | Record] = [*range(count), *records]
        self._make = make or _never
        self._id_of = id_of or (lambda index: str(self._make(index)[id_key]))
        self._created_us = created_us
        self._positions: dict[str, int] = {}

    def __len__(self) -> int:
        return len(self._entries)

    @overload
    def __getitem__(self, position: int) -> Record: ...
    @overload
    def __getitem__(self, position: slice) -> MutableSequence[Record]: ...
    def __getitem__(self, position: int | slice) -> Record | MutableSequence[Record]:
        if isinstance(position, slice):
            return [self[each] for each in range(*position.indices(len(self)))]
        entry = self._entries[position]
        if isinstance(entry, int):
            entry = self._entries[position] = self._make(entry)
        return entry

    @overload
    def __setitem__(self, position: int, value: Record) -> None: ...
    @overload
    def __setitem__(self, position: slice, value: Iterable[Record]) -> None: ...
    def __setitem__(self, position: int | slice, value: Any) -> None:
        self._entries[position] = value
        self._positions.clear()

    def __delitem__(self, position: int | slice) -> None:
        del self._entries[position]
        self._positions.clear()

    def insert(self, index: int, value: Record) -> None:
        self._entries.insert(index, value)
        self._positions.clear()

    def __iter__(self) -> Iterator[Record]:
        return (self[position] for position in range(len(self)))

    def __repr__(self) -> str:
        return f"Table({len(self)} records)"

    def peek(self, position: int) -> Record:
        """Return the record at `position` to be read only: it is not kept."""
        entry = self._entries[position]
        return self._make(entry) if isinstance(entry, int) else entry

    def position(self, record_id: str) -> int | None:
        """Return where the first record with this id stands, or None."""
        found = self._positions.get(record_id)
        if found is None or self.id_at(found) != record_id:
            self._positions = self._indexed()
            found = self._positions.get(record_id)
        return found

    def id_at(self, position: int) -> str | None:
        """Return the id of the record at `position`, None when it has none."""
        entry = self._entries[position]
        if isinstance(entry, int):
            return self._id_of(entry)
        record_id = entry.get(self.id_key)
        return record_id if isinstance(record_id, str) else None

    def created_us_at(self, position: int) -> int:
        """Return `createdAt` of the record at `position` in microseconds since 1970."""
        entry = self._entries[position]
        if isinstance(entry, int) and self._created_us is not None:
            return self._created_us(entry)
        try:
            return microseconds(self.peek(position)["createdAt"])
        except (KeyError, TypeError, ValueError):
            return LONG_AGO_US

    def _indexed(self) -> dict[str, int]:
        positions: dict[str, int] = {}
        for position in range(len(self)):
            record_id = self.id_at(position)
            if record_id is not None:
                positions.setdefault(record_id, position)
        return positions


def microseconds(text: str) -> int:
    """Return an ISO time as microseconds since 1970; without an offset it is UTC.

    Raises ValueError for a text that is no ISO time.
    """
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return (moment - EPOCH) // timedelta(microseconds=1)


def _never(index: int) -> Record:
    raise IndexError(index)
