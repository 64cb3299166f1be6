"""Tables that a run does not read are copied from the present final DB, of any program.

A copy is the same table: its SQL, rows, indexes, key names, and its manifest row with the tag of
the run that read it. An older tool's DB may lack any of that but the rows.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from salesmap_async.api.endpoints import ALL_TABLES
from salesmap_async.publish.manifest import META_TABLES, ManifestRow
from salesmap_async.publish.rows import table_sha256
from salesmap_async.publish.schema import fold
from salesmap_async.sqlite_file import (
    column_types,
    opened,
    quoted,
    roll_back_leftovers,
    row_count,
    table_names,
    uri_of,
)

_COUNTERS = (
    "pages",
    "duplicates",
    "repaired",
    "without_id",
    "dropped_missing",
    "dropped_not_allowed",
    "unlisted",
)


@contextmanager
def attached(connection: sqlite3.Connection, path: Path, name: str) -> Iterator[None]:
    """Attach `path` read-only as `name`; nothing may be open on it at the end."""
    roll_back_leftovers(path)
    connection.execute(f"ATTACH ? AS {quoted(name)}", (uri_of(path, "ro"),))
    yield
    connection.execute(f"DETACH {quoted(name)}")


def tables_to_carry(path: Path, read_now: Collection[str]) -> tuple[str, ...]:
    """Return the tables of `path` that are known and that this run does not read.

    Known are those of the catalogue and of the manifest of `path`.
    """
    roll_back_leftovers(path)
    with opened(path, "ro") as old:
        present = table_names(old)
        known = set(ALL_TABLES)
        if "table" in dict(column_types(old, "manifest")):
            known |= {name for (name,) in old.execute('SELECT "table" FROM manifest')}
    left_out = {fold(table) for table in (*read_now, *META_TABLES)}
    return tuple(table for table in present if table in known and fold(table) not in left_out)


def copy_table(connection: sqlite3.Connection, table: str, source: str) -> None:
    """Copy `table` with rows in stored order, indexes and key names from the attached `source`."""
    master = f"{quoted(source)}.sqlite_master"
    (create,) = connection.execute(
        f"SELECT sql FROM {master} WHERE type = 'table' AND name = ?", (table,)
    ).fetchone()
    connection.execute(create)
    columns = ", ".join(quoted(name) for name, _ in column_types(connection, table, source))
    connection.execute(
        f"INSERT INTO main.{quoted(table)} ({columns})"
        f" SELECT {columns} FROM {quoted(source)}.{quoted(table)} NOT INDEXED"
    )
    for (index,) in connection.execute(
        f"SELECT sql FROM {master} WHERE type = 'index' AND tbl_name = ? AND sql IS NOT NULL",
        (table,),
    ).fetchall():
        connection.execute(index)
    if {"table", "key", "column"} <= dict(column_types(connection, "column_map", source)).keys():
        connection.execute(
            'INSERT INTO main.column_map ("table", "key", "column")'
            f' SELECT "table", "key", "column" FROM {quoted(source)}.column_map WHERE "table" = ?',
            (table,),
        )


def carried_row(
    connection: sqlite3.Connection, table: str, old: dict[str, Any], *, run_tag: str
) -> ManifestRow:
    """Return the manifest row of a copied table: what `old` says, and what is really there.

    `run_tag` is the tag of the old snapshot, for a manifest without tags.
    """
    counters = {name: _count(old.get(name)) for name in _COUNTERS}
    return ManifestRow(
        table=table,
        endpoint=str(old.get("endpoint") or ""),
        row_count=row_count(connection, table),
        column_count=len(column_types(connection, table)),
        errors=str(old.get("errors") or ""),
        content_sha256=table_sha256(connection, table),
        scope=str(old.get("scope") or ""),
        continued_since=str(old.get("continued_since") or ""),
        continuation=str(old.get("continuation") or ""),
        read_from=str(old.get("read_from") or ""),
        read_to=str(old.get("read_to") or ""),
        run_tag=str(old["run_tag"] if old.get("run_tag") is not None else run_tag),
        **counters,
    )


def _count(value: Any) -> int:
    return value if isinstance(value, int) else 0
