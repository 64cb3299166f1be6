"""One record as one row of its table, and the fingerprint of a table.

`content_sha256` covers the names and declared types of the columns and every row in order, as JSON.
It is computed while a table is filled, and by `table_sha256` from any file; both agree.
"""

from __future__ import annotations

import hashlib
import sqlite3
from collections.abc import Callable, Iterable, Sequence
from functools import lru_cache
from operator import itemgetter
from typing import Any

import orjson

from salesmap_async import exact_json
from salesmap_async.publish.records import Record
from salesmap_async.publish.schema import Layout
from salesmap_async.sqlite_file import column_types, quoted
from salesmap_async.store.laying import MOST_SHAPES, Keys

_NEWLINE = orjson.OPT_APPEND_NEWLINE
_NO_VALUE = bytearray()
"""Bound as x'', which no row holds: a row's values come from JSON, and that has no blobs."""


class RowMaker:
    """Turns records into rows of `layout`."""

    def __init__(self, layout: Layout) -> None:
        self._columns = tuple(column.key for column in layout.columns)
        self._pickers = lru_cache(MOST_SHAPES)(self._make_picker)
        self._last_keys: Keys | None = None
        self._pick: Callable[[list[Any]], tuple[Any, ...]] = tuple
        self._overflow = layout.overflow
        # The first value of a row is the id.
        self._converted = tuple(
            place for place, column in enumerate(layout.columns, start=1) if column.converted
        )

    def row(self, record: Record) -> list[Any]:
        """Return the values of one row, in the order of the columns."""
        if record.keys is not self._last_keys:
            self._last_keys, self._pick = record.keys, self._pickers(record.keys)
        row = [record.id, *self._pick([*record.values, None])]
        for place in self._converted:
            if row[place] is not None:
                row[place] = stored(row[place])
        if self._overflow:
            by_key = record.by_key()
            spilled = {label: by_key[key] for key, label in self._overflow if key in by_key}
            row.append(exact_json.dumps(spilled) if spilled else None)
        return row

    def _make_picker(self, keys: Keys) -> Callable[[list[Any]], tuple[Any, ...]]:
        """Return what picks the columns from the values of `keys` and a last None, for those that
        are missing.
        """
        places = {key: place for place, key in enumerate(keys)}
        picked = [places.get(key, -1) for key in self._columns]
        if len(picked) > 1:
            return itemgetter(*picked)
        return lambda values: tuple(values[place] for place in picked)


def rows_at_once(columns: int) -> int:
    """Return how many rows of so many columns are held in memory together (I7)."""
    return max(1, min(200, 20_000 // max(1, columns)))


def stored(value: Any) -> str | int | float:
    """Return a JSON value as SQLite stores it without loss."""
    if isinstance(value, (dict, list)):  # `dict | list` would be built anew for each value
        return exact_json.dumps(value)
    if isinstance(value, bool):
        return int(value)
    if isinstance(value, int) and not exact_json.fits_int64(value):
        return str(value)
    return value  # type: ignore[no-any-return]


def bindable(row: Iterable[Any]) -> list[Any]:
    """Return a row as `Layout.statements` fills a table with it: None as an empty blob.

    sqlite3 looks for an adapter of each None it binds, in vain, and for none of a bytearray
    (`need_adapt` in CPython's Modules/_sqlite): that search is half of the time of storing a wide
    row, a third of a build.
    """
    return [_NO_VALUE if value is None else value for value in row]


class Fingerprint:
    """The SHA-256 of a table, row by row."""

    def __init__(self, typed_names: Iterable[tuple[str, str]]) -> None:
        layout = [list(each) for each in typed_names]
        self._hash = hashlib.sha256(orjson.dumps(layout, option=_NEWLINE))

    def add(self, rows: Iterable[Sequence[Any]]) -> None:
        """Take in the next rows."""
        lines = [orjson.dumps(row, default=_blob, option=_NEWLINE) for row in rows]
        self._hash.update(b"".join(lines))

    def hexdigest(self) -> str:
        """Return the fingerprint of what has been added."""
        return self._hash.hexdigest()


def table_sha256(connection: sqlite3.Connection, table: str) -> str:
    """Return the `content_sha256` of a table as it lies in a database, in stored order.

    An older tool's text that is not UTF-8 counts as if it held U+FFFD there.
    """
    try:
        return _sha256_of(connection, table)
    except sqlite3.OperationalError as error:
        if "decode" not in str(error):
            raise
    connection.text_factory = lambda text: text.decode(errors="replace")
    try:
        return _sha256_of(connection, table)
    finally:
        connection.text_factory = str


def _sha256_of(connection: sqlite3.Connection, table: str) -> str:
    typed_names = column_types(connection, table)
    columns = ", ".join(quoted(name) for name, _ in typed_names)
    fingerprint = Fingerprint(typed_names)
    rows = connection.cursor()
    rows.execute(f"SELECT {columns} FROM {quoted(table)} NOT INDEXED")
    while batch := rows.fetchmany(rows_at_once(len(typed_names))):
        fingerprint.add(batch)
    return fingerprint.hexdigest()


def _blob(value: Any) -> Any:
    if isinstance(value, bytes):
        return ["blob", value.hex()]
    raise TypeError(f"SQLite does not return a {type(value).__name__}")
