"""What the timeline tells of records: the life of one, and what changed since some moment."""

from __future__ import annotations

import sqlite3
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from salesmap_async.errors import UsageError
from salesmap_async.timeline.timeline_file import (
    DataTable,
    State,
    data_tables,
    fields_of,
    states_of,
)
from salesmap_async.times import moment_of

_NAMES = ("이름", "name")

Kind = Literal["known", "new", "changed", "gone"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """One thing that happened to a record: `known` from the first state on, new, changed, gone.

    `field`, `old` and `new` are of a change alone.
    """

    state: State
    table: str
    id: Any
    kind: Kind
    name: str | None = None
    field: str | None = None
    old: Any = None
    new: Any = None


def life_of(connection: sqlite3.Connection, table_name: str, record_id: str) -> list[Event]:
    """Return the life of a record, the oldest event first.

    Fields that change in most records at once are not told. Raises UsageError where the timeline
    has no such table, or no such record.
    """
    states = states_of(connection)
    tables = _tables_named(connection, table_name)
    life: list[tuple[int, int, Event]] = []
    for table in tables:
        if table.key:
            life += _incarnations(connection, states, table, record_id)
    if not life:
        raise UsageError(
            f"the timeline has no record {record_id} in {table_name}",
            cure="look for the id in the final DB, or in the table `change` of the timeline",
        )
    return [event for _, _, event in sorted(life, key=lambda each: each[:2])]


def log_of(
    connection: sqlite3.Connection,
    *,
    since: datetime | None = None,
    tables: Collection[str] = (),
    fields: Collection[str] = (),
) -> Iterator[Event]:
    """Yield what changed in the states that were read since then, table by table, state by state.

    `fields`: changes of these alone. Raises UsageError for a table or a field that never was.
    """
    states = [s for s in states_of(connection) if not since or _is_since(s, since)]
    known = [t for name in tables for t in _tables_named(connection, name)]
    known = known or data_tables(connection)
    names = {
        table.number: {n: f for f, n in fields_of(connection, table).items()} for table in known
    }
    if unknown := set(fields) - {each for some in names.values() for each in some.values()}:
        raise UsageError(
            f"there never was a field {', '.join(sorted(unknown))} in "
            f"{', '.join(tables) or 'any table'}",
            cure="name fields as the snapshots have them",
        )
    return _events(connection, states, known, names, fields)


def _events(
    connection: sqlite3.Connection,
    states: Sequence[State],
    tables: Sequence[DataTable],
    names: Mapping[int, Mapping[int, str]],
    fields: Collection[str],
) -> Iterator[Event]:
    for state in states:
        for table in tables:
            known = names[table.number]
            wanted = [str(number) for number, name in known.items() if name in fields]
            where = f" AND c.field IN ({', '.join(wanted)})" if fields else ""
            row_id, name, join = _named(connection, table)
            for found_id, found_name, field, old, new in connection.execute(
                f"SELECT {row_id}, {name}, c.field, c.old, c.new FROM {table.changed} AS c {join}"
                f" WHERE c.state = ?{where} ORDER BY c.row, c.field",
                (state.number,),
            ):
                yield Event(
                    state=state, table=table.name, id=found_id, kind="changed",
                    name=_text(found_name), field=known[field], old=old, new=new,
                )  # fmt: skip
            if not fields:
                yield from _came_and_gone(connection, state, table)


def _came_and_gone(
    connection: sqlite3.Connection, state: State, table: DataTable
) -> Iterator[Event]:
    row_id, name, join = _named(connection, table)
    kinds: tuple[tuple[Kind, str], ...] = (
        ("new", f"SELECT {row_id}, {name} FROM {table.came} AS c {join} WHERE c.state = ?"),
        (
            "gone",
            f"SELECT {row_id}, {name} FROM (SELECT _row AS row FROM {table.gone}"
            f" WHERE _state = ?) AS c {join}",
        ),
    )
    for kind, sql in kinds:
        for found_id, found_name in connection.execute(sql, (state.number,)):
            yield Event(
                state=state, table=table.name, id=found_id, kind=kind, name=_text(found_name)
            )


def _incarnations(
    connection: sqlite3.Connection, states: Sequence[State], table: DataTable, record_id: str
) -> Iterator[tuple[int, int, Event]]:
    """Yield the events of all rows that bore this id, with state and place to sort them by."""
    by_number = {state.number: state for state in states}
    names = {number: name for name, number in fields_of(connection, table).items()}
    named = next((f"c{n}" for n, each in names.items() if each in _NAMES), "NULL")
    key = f"c{table.key[0]}"
    rows = connection.execute(
        f"SELECT _row, NULL, {named} FROM {table.latest} WHERE {key} = ?1 UNION ALL"
        f" SELECT _row, _state, {named} FROM {table.gone} WHERE {key} = ?1",
        (record_id,),
    ).fetchall()
    for row, went_in, name in rows:

        def event(number: int, kind: Kind, **more: Any) -> Event:
            return Event(
                state=by_number[number], table=table.name, id=record_id, kind=kind,
                name=_text(name), **more,  # noqa: B023 - called at once
            )  # fmt: skip

        came = _found_in_a_state(connection, f"{table.came} AS c", row)
        for (number,) in came:
            yield number, 1, event(number, "new")
        if not came and states:
            first = states[0].number
            yield first, 0, event(first, "known")
        for number, field, old, new in _found_in_a_state(
            connection, f"{table.changed} AS c", row, "c.field, c.old, c.new"
        ):
            yield number, 2, event(number, "changed", field=names[field], old=old, new=new)
        if went_in is not None:
            yield went_in, 3, event(went_in, "gone")


def _found_in_a_state(
    connection: sqlite3.Connection, place: str, row: int, columns: str = ""
) -> list[tuple[Any, ...]]:
    """Return the entries of a row, a look per state: an index would be as large as its table."""
    more = f", {columns}" if columns else ""
    return connection.execute(
        f"SELECT s.number{more} FROM state AS s CROSS JOIN {place}"
        " ON c.state = s.number AND c.row = ?",
        (row,),
    ).fetchall()


def _named(connection: sqlite3.Connection, table: DataTable) -> tuple[str, str, str]:
    """Return how a row's id and name are selected, and the join that they need."""
    if not table.key:
        return "NULL", "NULL", ""
    fields = fields_of(connection, table)
    number = next((fields[each] for each in _NAMES if each in fields), None)
    key = table.key[0]
    places = ((table.latest, "l"), (table.gone, "g"))
    join = " ".join(f"LEFT JOIN {place} AS {a} ON {a}._row = c.row" for place, a in places)
    name = f"coalesce(l.c{number}, g.c{number})" if number else "NULL"
    return f"coalesce(l.c{key}, g.c{key})", name, join


def _tables_named(connection: sqlite3.Connection, name: str) -> list[DataTable]:
    tables = data_tables(connection, name)
    if not tables:
        known = dict.fromkeys(each.name for each in data_tables(connection))
        raise UsageError(
            f"the timeline has no table {name}; it has: {', '.join(known)}",
            cure="name one of these",
        )
    return tables


def _is_since(state: State, since: datetime) -> bool:
    at = moment_of(state.at)
    return at is not None and at >= since


def _text(value: object) -> str | None:
    return None if value is None else str(value)
