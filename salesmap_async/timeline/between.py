"""Deals between two states of the timeline, without giving either of them back.

Only the deals that something happened to are looked at. Their values at a state are the latest ones
with every later change undone, the newest first.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from salesmap_async.timeline.sales import (
    AMOUNT,
    DEALS,
    EXPECTED,
    LOST,
    PIPELINES,
    STATUS,
    WON,
    DealChange,
    SalesEvent,
    amount_of,
    fields_told_by,
    sales_events,
)
from salesmap_async.timeline.timeline_file import (
    DataTable,
    State,
    TableState,
    data_tables,
    fields_of,
    numbers,
    states_of,
    tables_of,
    unpack,
)

_NAMES = ("이름", "name")

_Values = dict[str, Any]
_Rows = dict[int, _Values]


def sales_between(connection: sqlite3.Connection, old: State, new: State) -> Iterator[SalesEvent]:
    """Yield what happened to the deals from one state to a later one."""
    return sales_events(
        _deal_changes(connection, old.number, new.number),
        pipelines=_pipelines(connection),
        organization=lru_cache(10_000)(lambda each: _organization(connection, each)),
    )


@dataclass(frozen=True, slots=True)
class Sums:
    """Deals of one state: what is open, and what is won, in KRW."""

    state: State
    open_krw: int
    won_krw: int


def sums_of_states(connection: sqlite3.Connection) -> list[Sums]:
    """Return the sums of each state that has deals, the oldest first."""
    states = states_of(connection)
    sums: list[Sums] = []
    deals: _Deals | None = None
    for state in reversed(states):
        table = tables_of(connection, state.number)[0].get(DEALS)
        if table is None:
            deals = None
            continue
        if deals is None or deals.number != table.number:
            deals = _Deals(connection, table, state.number)
        deals.go_back_to(state.number)
        sums.append(Sums(state, *deals.sums()))
    return sums[::-1]


class _Deals:
    """All deals at one state, and at the states before it."""

    def __init__(self, connection: sqlite3.Connection, table: TableState, state: int) -> None:
        self.number = table.number
        self._connection = connection
        self._table = _data_table(connection, table.number)
        self._state = state
        names = fields_of(connection, self._table)
        self._fields = {names[name]: name for name in (STATUS, AMOUNT, EXPECTED) if name in names}
        self._rows = _rows_at(connection, self._table, self._fields, state, rows=None)

    def go_back_to(self, state: int) -> None:
        """Undo what happened since `state`."""
        while self._state > state:
            _undo(self._connection, self._table, self._fields, self._state, self._rows, rows=None)
            self._state -= 1

    def sums(self) -> tuple[int, int]:
        """Return what is open and what is won."""
        open_krw = won_krw = 0
        for deal in self._rows.values():
            status = deal.get(STATUS)
            if status == WON:
                won_krw += amount_of(deal)
            elif status != LOST:
                open_krw += amount_of(deal)
        return open_krw, won_krw


def _deal_changes(connection: sqlite3.Connection, old: int, new: int) -> Iterator[DealChange]:
    before, after = (tables_of(connection, each)[0].get(DEALS) for each in (old, new))
    if before is None or after is None:
        return
    rows = None
    if before.number == after.number:
        rows = _touched(connection, _data_table(connection, before.number), old, new)
    sides = [
        _by_id(connection, table, state, rows) for table, state in ((before, old), (after, new))
    ]
    for deal_id in sorted({*sides[0], *sides[1]}):
        was, now = (side.get(deal_id) for side in sides)
        if was != now:
            said = now or was or {}
            name = next((said[each] for each in _NAMES if said.get(each) is not None), None)
            yield DealChange(deal_id, None if name is None else str(name), was, now)


def _by_id(
    connection: sqlite3.Connection, table: TableState, state: int, rows: Collection[int] | None
) -> dict[str, _Values]:
    """Return the deals of a state by id, with the fields that it had; none where ids are unsure."""
    data_table = _data_table(connection, table.number)
    had = {number for number, _, _ in table.columns}
    fields = {n: name for n, name in _fields(connection, data_table).items() if n in had}
    if not data_table.key:
        return {}
    found = _rows_at(connection, data_table, fields, state, rows=rows, key=data_table.key[0])
    return {str(deal.pop("")): deal for deal in found.values()}


def _touched(
    connection: sqlite3.Connection, table: DataTable, old: int, new: int
) -> set[int] | None:
    """Return the rows that something happened to after `old`, up to `new`; None: perhaps all."""
    fields = ", ".join(map(str, _fields(connection, table)))
    flooded = connection.execute(
        'SELECT EXISTS (SELECT 1 FROM flood WHERE "table" = ? AND state > ? AND state <= ?'
        f" AND field IN ({fields}))",
        (table.number, old, new),
    ).fetchone()[0]
    if flooded:
        return None
    rows = connection.execute(
        f"SELECT row FROM {table.changed} WHERE state > ?1 AND state <= ?2 AND field IN ({fields})"
        f" UNION SELECT row FROM {table.came} WHERE state > ?1 AND state <= ?2"
        f" UNION SELECT _row FROM {table.gone} WHERE _state > ?1 AND _state <= ?2",
        (old, new),
    )
    return {row for (row,) in rows}


def _rows_at(
    connection: sqlite3.Connection,
    table: DataTable,
    fields: Mapping[int, str],
    state: int,
    *,
    rows: Collection[int] | None,
    key: int | None = None,
) -> _Rows:
    """Return the rows (these, or all) as they were at `state`; the key stands under ''."""
    later = [each.number for each in states_of(connection) if each.number > state]
    picked = dict(fields) | ({key: ""} if key is not None else {})
    columns = "".join(f", c{number}" for number in picked)
    select = f"SELECT _row{columns} FROM {table.latest}"
    latest: Iterable[tuple[Any, ...]] = (
        connection.execute(select)
        if rows is None
        else (
            each for row in rows for each in connection.execute(f"{select} WHERE _row = ?", (row,))
        )
    )
    found = {row: dict(zip(picked.values(), values, strict=True)) for row, *values in latest}
    for each in reversed(later):
        _undo(connection, table, picked, each, found, rows=rows)
    return found


def _undo(
    connection: sqlite3.Connection,
    table: DataTable,
    fields: Mapping[int, str],
    state: int,
    found: _Rows,
    *,
    rows: Collection[int] | None,
) -> None:
    """Make the rows of `state` those of the state before."""
    for (row,) in connection.execute(f"SELECT row FROM {table.came} WHERE state = ?", (state,)):
        found.pop(row, None)
    columns = "".join(f", c{number}" for number in fields)
    for row, *values in connection.execute(
        f"SELECT _row{columns} FROM {table.gone} WHERE _state = ?", (state,)
    ):
        if rows is None or row in rows:
            found[row] = dict(zip(fields.values(), values, strict=True))
    listed = ", ".join(map(str, fields))
    for row, field, old in connection.execute(
        f"SELECT row, field, old FROM {table.changed} WHERE state = ? AND field IN ({listed})",
        (state,),
    ):
        if row in found:
            found[row][fields[field]] = old
    for field, content in connection.execute(
        f'SELECT field, content FROM flood WHERE state = ? AND "table" = ? AND field IN ({listed})',
        (state, table.number),
    ):
        distances, values = unpack(content)
        for row, old in zip(numbers(distances), values, strict=True):
            if row in found:
                found[row][fields[field]] = old


def _fields(connection: sqlite3.Connection, table: DataTable) -> dict[int, str]:
    """Return the fields that deals are told by, by number."""
    names = fields_of(connection, table)
    wanted = {*fields_told_by(names), *_NAMES}
    return {number: name for name, number in names.items() if name in wanted}


def _data_table(connection: sqlite3.Connection, number: int) -> DataTable:
    return next(each for each in data_tables(connection, DEALS) if each.number == number)


def _pipelines(connection: sqlite3.Connection) -> Sequence[tuple[Any, Any]]:
    for table in data_tables(connection, PIPELINES)[-1:]:
        fields = fields_of(connection, table)
        if {"name", "pipelineStageList"} <= fields.keys():
            name, stages = fields["name"], fields["pipelineStageList"]
            return connection.execute(f"SELECT c{name}, c{stages} FROM {table.latest}").fetchall()
    return ()


def _organization(connection: sqlite3.Connection, organization_id: object) -> str | None:
    for table in data_tables(connection, "organization")[::-1]:
        fields = fields_of(connection, table)
        name = next((fields[each] for each in _NAMES if each in fields), None)
        if organization_id is None or name is None or not table.key:
            continue
        for place in (table.latest, table.gone):
            row = connection.execute(
                f"SELECT c{name} FROM {place} WHERE c{table.key[0]} = ?", (organization_id,)
            ).fetchone()
            if row is not None and row[0] is not None:
                return str(row[0])
    return None
