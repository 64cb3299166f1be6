"""Giving a state back: the snapshot as it was, each data table to the last bit.

From the rows as they were last seen the changes are undone, the newest state first, down to the one
that is wanted. What is written is compared with the fingerprints of that state's manifest before it
gets its name.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterable, Sequence
from itertools import groupby
from operator import itemgetter
from pathlib import Path
from typing import Any

from salesmap_async.errors import SalesmapError
from salesmap_async.files import place
from salesmap_async.publish.rows import table_sha256
from salesmap_async.sqlite_file import opened, quoted, remove_with_leftovers, uri_of
from salesmap_async.timeline.timeline_file import (
    DataTable,
    State,
    TableState,
    data_tables,
    numbers,
    shared,
    states_of,
    tables_of,
    timeline_opened,
    unpack,
)


def rebuild(timeline: Path, state: State, out: Path) -> tuple[str, ...]:
    """Write the snapshot of `state` to `out`; return the tables that records were forgotten of.

    Raises SalesmapError where a table does not come out as it was, OSError, sqlite3.Error; then
    nothing is written.
    """
    temporary = out.with_name(f".{out.name}.{os.getpid()}.part")
    try:
        os.close(os.open(temporary, os.O_CREAT | os.O_RDWR | os.O_TRUNC, 0o600))
        with timeline_opened(timeline) as source, opened(temporary, "rw") as connection:
            for pragma in ("encoding = 'UTF-8'", "journal_mode = OFF", "synchronous = OFF"):
                connection.execute(f"PRAGMA {pragma}").fetchall()
            connection.execute("ATTACH ? AS timeline", (uri_of(timeline, "ro"),))
            connection.execute("BEGIN")
            tables, meta = tables_of(source, state.number)
            later = [s.number for s in states_of(source) if s.number > state.number][::-1]
            known = {each.number: each for each in data_tables(source)}
            for table in tables.values():
                _Rebuilding(connection, source, known[table.number], table).write(later)
            for name, sql, rows in meta:
                _write_meta(connection, name, sql, rows)
            connection.execute("COMMIT")
            forgotten = tuple(each.name for each in tables.values() if not each.sha256)
            for table in tables.values():
                if table.sha256 and table_sha256(connection, table.name) != table.sha256:
                    raise SalesmapError(
                        f"{table.name} of {state.run_tag} does not come out of the timeline as it"
                        " was; nothing is written"
                    )
        place(temporary, out)
        return forgotten
    finally:
        remove_with_leftovers(temporary)


def _write_meta(
    connection: sqlite3.Connection, name: str, sql: str, rows: Sequence[Sequence[Any]]
) -> None:
    connection.execute(sql)
    for row in rows:
        marks = ", ".join("?" * len(row))
        connection.execute(f"INSERT INTO {quoted(name)} VALUES ({marks})", row)


class _Rebuilding:
    """Writes one table; `timeline` is attached to `out` under that name."""

    def __init__(
        self,
        out: sqlite3.Connection,
        source: sqlite3.Connection,
        table: DataTable,
        state: TableState,
    ) -> None:
        self._out = out
        self._source = source
        self._table = table
        self._state = state
        self._fields = [number for number, _, _ in state.columns]
        self._at = ", ".join(f"c{number}" for number in self._fields)

    def write(self, later: Sequence[int]) -> None:
        """Write the table; `later`: the states that are undone, the newest first."""
        create, *indexes = self._state.sql
        self._out.execute(create)
        undone = [state for state in later if self._has_changed_in(state)]
        rows = f"timeline.{self._table.latest}"
        if undone:
            rows = "temp.undone"
            self._undo(undone)
        names = ", ".join(quoted(name) for _, name, _ in self._state.columns)
        self._out.execute(
            f"INSERT INTO main.{quoted(self._state.name)} ({names})"
            f" SELECT {self._at} FROM {self._in_order(rows)}"
        )
        for index in indexes:
            self._out.execute(index)
        self._out.execute("DROP TABLE IF EXISTS temp.undone")

    def _has_changed_in(self, state: int) -> bool:
        table = self._table
        (found,) = self._source.execute(
            f"SELECT EXISTS (SELECT 1 FROM {table.changed} WHERE state = ?1)"
            f" OR EXISTS (SELECT 1 FROM {table.came} WHERE state = ?1)"
            f" OR EXISTS (SELECT 1 FROM {table.gone} WHERE _state = ?1)"
            ' OR EXISTS (SELECT 1 FROM flood WHERE state = ?1 AND "table" = ?2)',
            (state, table.number),
        ).fetchone()
        return bool(found)

    def _undo(self, states: Sequence[int]) -> None:
        table, out = self._table, self._out
        out.execute(f"CREATE TEMP TABLE undone (_row INTEGER PRIMARY KEY, {self._at})")
        out.execute(f"INSERT INTO temp.undone SELECT _row, {self._at} FROM timeline.{table.latest}")
        for state in states:
            out.execute(
                "DELETE FROM temp.undone WHERE _row IN"
                f" (SELECT row FROM timeline.{table.came} WHERE state = ?)",
                (state,),
            )
            out.execute(
                f"INSERT INTO temp.undone SELECT _row, {self._at} FROM timeline.{table.gone}"
                " WHERE _state = ?",
                (state,),
            )
            self._set_back(state)

    def _set_back(self, state: int) -> None:
        """Give the fields that changed in `state` their former values."""
        former = self._source.execute(
            f"SELECT field, old, row FROM {self._table.changed} WHERE state = ? ORDER BY field",
            (state,),
        )
        for field, changes in groupby(former, itemgetter(0)):
            self._set(field, (change[1:] for change in changes))
        for field, content in self._source.execute(
            'SELECT field, content FROM flood WHERE state = ? AND "table" = ?',
            (state, self._table.number),
        ):
            distances, values = unpack(content)
            self._set(field, zip(values, numbers(distances), strict=True))

    def _set(self, field: int, values: Iterable[tuple[Any, Any]]) -> None:
        """Set a field, where the state that is wanted has it, in rows by number."""
        if field in self._fields:
            self._out.executemany(f"UPDATE temp.undone SET c{field} = ? WHERE _row = ?", values)

    def _in_order(self, rows: str) -> str:
        if self._state.order is None:
            return f"{rows} ORDER BY c{self._table.key[0]}"
        self._out.execute("DROP TABLE IF EXISTS temp.stored")
        self._out.execute("CREATE TEMP TABLE stored (number INTEGER PRIMARY KEY, row INTEGER)")
        self._out.executemany(
            "INSERT INTO temp.stored (row) VALUES (?)",
            ((row,) for row in numbers(unpack(shared(self._source, self._state.order)))),
        )
        return f"temp.stored CROSS JOIN {rows} ON _row = row ORDER BY number"
