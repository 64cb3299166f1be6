"""Taking something out of the timeline: a record from every state, or the oldest states.

What is forgotten is overwritten in the file. The states that held the record cannot be given back
as they were any more, and say so.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from pathlib import Path

from salesmap_async.errors import UsageError
from salesmap_async.sqlite_file import opened
from salesmap_async.timeline.timeline_file import (
    DataTable,
    State,
    data_tables,
    drop_table,
    make_view,
    numbers,
    pack,
    put_state,
    states_of,
    steps,
    tables_of,
    timeline_opened,
    unpack,
)
from salesmap_async.times import moment_of


def forget(timeline: Path, table_name: str, record_id: str) -> int:
    """Remove a record from every state; return from how many.

    Raises UsageError where there is none, sqlite3.Error.
    """
    with timeline_opened(timeline, write=True) as connection:
        found = 0
        for table in data_tables(connection, table_name):
            for row in _rows_of(connection, table, record_id):
                _remove_row(connection, table, row)
                found += 1
        if not found:
            raise UsageError(f"the timeline has no record {record_id} in {table_name}")
        marked = [
            state
            for state in states_of(connection)
            if _mark(connection, state, table_name, record_id)
        ]
        _drop_unshared(connection)
    _overwrite(timeline)
    return len(marked)


def prune_states(timeline: Path, before: datetime) -> int:
    """Remove the states that are older; the newest stays. Return how many went."""
    with timeline_opened(timeline, write=True) as connection:
        states = states_of(connection)
        kept = [s.number for s in states if (moment_of(s.at) or before) >= before]
        first = min(kept, default=states[-1].number if states else 0)
        gone = [state.number for state in states if state.number < first]
        if not gone:
            return 0
        connection.execute("DELETE FROM state WHERE number < ?", (first,))
        in_use = {
            table.number
            for state in states_of(connection)
            for table in tables_of(connection, state.number)[0].values()
        }
        for table in data_tables(connection):
            if table.number not in in_use:
                drop_table(connection, table)
                continue
            # What undoes the first state leads to one that is not there any more.
            for place in (table.changed, table.came):
                connection.execute(f"DELETE FROM {place} WHERE state <= ?", (first,))
            connection.execute(f"DELETE FROM {table.gone} WHERE _state <= ?", (first,))
        connection.execute("DELETE FROM flood WHERE state <= ?", (first,))
        _drop_unshared(connection)
        make_view(connection)
    _overwrite(timeline)
    return len(gone)


def _rows_of(connection: sqlite3.Connection, table: DataTable, record_id: str) -> list[int]:
    if not table.key:
        return []
    key = f"c{table.key[0]}"
    rows = connection.execute(
        f"SELECT _row FROM {table.latest} WHERE {key} = ?1"
        f" UNION ALL SELECT _row FROM {table.gone} WHERE {key} = ?1",
        (record_id,),
    )
    return [row for (row,) in rows]


def _remove_row(connection: sqlite3.Connection, table: DataTable, row: int) -> None:
    for place, column in (
        (table.latest, "_row"),
        (table.gone, "_row"),
        (table.changed, "row"),
        (table.came, "row"),
    ):
        connection.execute(f"DELETE FROM {place} WHERE {column} = ?", (row,))
    for state, field, part, content in connection.execute(
        'SELECT state, field, part, content FROM flood WHERE "table" = ?', (table.number,)
    ).fetchall():
        distances, values = unpack(content)
        rows = numbers(distances)
        if row in rows:
            kept = [(r, value) for r, value in zip(rows, values, strict=True) if r != row]
            packed = pack([steps([r for r, _ in kept]), [value for _, value in kept]])
            connection.execute(
                'UPDATE flood SET content = ? WHERE state = ? AND "table" = ? AND field = ?'
                " AND part = ?",
                (packed, state, table.number, field, part),
            )


def _mark(connection: sqlite3.Connection, state: State, table_name: str, record_id: str) -> bool:
    """Say of a state that its table is not what it was; tell whether it has the table."""
    tables, meta = tables_of(connection, state.number)
    if table_name not in tables:
        return False
    tables[table_name] = replace(tables[table_name], sha256="")
    about = [
        (name, sql, [row for row in rows if name != "absent" or row[:2] != [table_name, record_id]])
        for name, sql, rows in meta
    ]
    put_state(connection, state, tables.values(), about)
    return True


def _drop_unshared(connection: sqlite3.Connection) -> None:
    """Remove what no state shares any more."""
    used: set[bytes] = set()
    for (packed,) in connection.execute("SELECT tables FROM state"):
        said = unpack(packed)
        used |= {bytes.fromhex(each) for each in (*said["tables"], *said["meta"])}
    for state in states_of(connection):
        orders: Sequence[str | None] = [
            each.order for each in tables_of(connection, state.number)[0].values()
        ]
        used |= {bytes.fromhex(each) for each in orders if each}
    for (sha256,) in connection.execute("SELECT sha256 FROM shared").fetchall():
        if sha256 not in used:
            connection.execute("DELETE FROM shared WHERE sha256 = ?", (sha256,))


def _overwrite(timeline: Path) -> None:
    """Write the file anew, so that nothing of what was removed is left in it."""
    with opened(timeline, "rw", timeout_s=60.0) as connection:
        connection.execute("VACUUM")
