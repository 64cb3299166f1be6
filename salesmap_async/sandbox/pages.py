"""Which records a request gets, and which cursor goes with them. Plain functions, no server.

The cursor is the id of the last record given, exclusive. A record without an id is named by its
place. The end of a list is told in one of three forms, always the same one for a list.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import islice
from typing import Any, Literal
from zlib import crc32

from salesmap_async.api.endpoints import ENDPOINTS, Endpoint
from salesmap_async.sandbox.table import Record, Table, microseconds

EndForm = Literal["null", "absent", "empty_page"]
DateFilter = Literal["exact", "ignored", "days", "shifted", "refused"]
"""What becomes of `startDate` and `endDate`: `days` cuts them to UTC days, `shifted` takes them for
nine hours later, as a server does that mistakes the time zone."""

DAY_US = 86_400_000_000
SEOUL_US = 9 * 3_600_000_000

_END_FORMS: tuple[EndForm, ...] = ("null", "absent", "empty_page")
_ORDER = {endpoint.path: number for number, endpoint in enumerate(ENDPOINTS)}
_LINKS = ("ownerId", "dealId", "organizationId", "peopleId", "leadId")
_PLACE = "place-"
_MISPRINTED = frozenset({"/deal", "/lead"})


class BadParameterError(Exception):
    """A query parameter that the API answers with 400; the text is its reason."""


class UnknownCursorError(Exception):
    """A cursor that no record of the list carries."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Filters:
    """Which records of a list are wanted; the list is ordered by createdAt if dates are given."""

    since_us: int | None = None
    until_us: int | None = None
    links: tuple[tuple[str, str], ...] = ()
    types: frozenset[str] = frozenset()

    def window(self, table: Table) -> tuple[int, int]:
        """Return the first position wanted and the one after the last."""
        first, last = 0, len(table)
        places = range(last)
        if self.since_us is not None:
            first = bisect_left(places, self.since_us, key=table.created_us_at)
        if self.until_us is not None:
            last = bisect_right(places, self.until_us, key=table.created_us_at)
        return first, last

    def take(self, record: Record) -> bool:
        """Tell whether a record in the window is wanted."""
        if self.types and record.get("type") not in self.types:
            return False
        return all(record.get(name) == value for name, value in self.links)


NO_FILTERS = Filters()


def filters_of(path: str, query: Mapping[str, str], date_filter: DateFilter = "exact") -> Filters:
    """Return what `query` asks of the list at `path`. Raises BadParameterError."""
    activity = path.endswith("/activity")
    if path != "/memo" and not activity:
        return NO_FILTERS
    types = query.get("types", "") if activity else ""
    return Filters(
        since_us=_moment(query, "startDate", date_filter),
        until_us=_moment(query, "endDate", date_filter),
        links=() if activity else tuple((key, query[key]) for key in _LINKS if key in query),
        types=frozenset(types.split(",")) - {""},
    )


@dataclass(frozen=True, slots=True)
class SandboxPage:
    """Records in list order, the cursor of the last one, and whether more follow."""

    records: list[Record]
    last_cursor: str | None
    more: bool


def page_of(
    table: Table,
    *,
    cursor: str | None,
    size: int,
    filters: Filters = NO_FILTERS,
    by_place: bool = False,
) -> SandboxPage:
    """Return the page after `cursor`. Raises UnknownCursorError.

    `by_place`: the next cursor is an offset, which another record has once one before it is gone.
    """
    first, last = filters.window(table)
    start = first if cursor is None else max(first, _place_of(table, cursor) + 1)
    if filters.links or filters.types:
        wanted = (place for place in range(start, last) if filters.take(table.peek(place)))
        places = list(islice(wanted, size + 1))
    else:
        places = list(range(start, min(start + size + 1, last)))
    given = places[:size]
    return SandboxPage(
        records=[table.peek(place) for place in given],
        last_cursor=_cursor_at(table, given[-1], by_place=by_place) if given else None,
        more=len(places) > size,
    )


def list_data(endpoint: Endpoint, page: SandboxPage, *, cursor: str | None) -> dict[str, Any]:
    """Return the `data` object of the page that was asked for with `cursor`."""
    data: dict[str, Any] = {endpoint.list_key: page.records}
    form = end_form(endpoint.path)
    full = endpoint.paged and len(page.records) == endpoint.page_size
    if page.more or (form == "empty_page" and full):
        data[cursor_key(endpoint.path, cursor)] = page.last_cursor
    elif form != "absent":
        data[cursor_key(endpoint.path, cursor)] = None
    return data


def end_form(path: str) -> EndForm:
    """Return how the list at `path` tells its end."""
    return _END_FORMS[_ORDER.get(path, crc32(path.encode())) % len(_END_FORMS)]


def cursor_key(path: str, cursor: str | None) -> str:
    """Return the key of the next cursor, misprinted on some pages of deals and leads."""
    misprinted = path in _MISPRINTED and crc32((cursor or "").encode()) % 3 == 0
    return "nextCurosr" if misprinted else "nextCursor"


def _place_of(table: Table, cursor: str) -> int:
    if cursor.startswith(_PLACE) and cursor.removeprefix(_PLACE).isdecimal():
        return int(cursor.removeprefix(_PLACE))
    place = table.position(cursor)
    if place is None:
        raise UnknownCursorError(cursor)
    return place


def _cursor_at(table: Table, place: int, *, by_place: bool) -> str:
    return (None if by_place else table.id_at(place)) or f"{_PLACE}{place}"


def _moment(query: Mapping[str, str], name: str, date_filter: DateFilter) -> int | None:
    text = query.get(name)
    if not text or date_filter == "ignored":
        return None
    try:
        moment_us = microseconds(text)
    except ValueError:
        moment_us = None
    if moment_us is None or date_filter == "refused":
        raise BadParameterError(f"{name} 형식이 올바르지 않습니다.")
    match date_filter:
        case "days":
            return moment_us - moment_us % DAY_US
        case "shifted":
            return moment_us + SEOUL_US
        case _:
            return moment_us
