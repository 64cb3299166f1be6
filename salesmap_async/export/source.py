"""What is exported: tables of one snapshot, or the result of one statement, in one state of it."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

from salesmap_async.errors import UsageError
from salesmap_async.publish.manifest import META_TABLES, read_one_row
from salesmap_async.publish.published import oldest_read_in, snapshot_opened
from salesmap_async.publish.sql_after import tables_made
from salesmap_async.safe_sql import Result, SqlLimits, reading_safely
from salesmap_async.sqlite_file import (
    column_types,
    opened,
    quoted,
    row_count,
    table_names,
)

Row = tuple[Any, ...]
Kind = Literal["TEXT", "INTEGER", "REAL", "NUMBER", ""]

SQL_LIMITS = SqlLimits(time_s=3600.0)
"""Of `--sql`: its result may be a whole table."""


@dataclass(frozen=True, slots=True)
class Column:
    """A column; `kind` is TEXT, INTEGER or REAL where all its values are that, NUMBER where all
    are numbers of both kinds, else ''.
    """

    name: str
    kind: Kind = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ExportTable:
    """A table to export. `read` begins anew each time; `rows` is None where it is not known.

    `key`: the columns that tell its rows apart, () where nothing does.
    """

    name: str
    columns: tuple[Column, ...]
    read: Callable[[], Iterator[Row]]
    rows: int | None = None
    key: tuple[str, ...] = ()

    def through(self, change: Callable[[Row], Row]) -> ExportTable:
        """Return the table with each row changed."""
        return replace(self, read=lambda: map(change, self.read()))


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """One state of a snapshot. `captured_at` is ISO 8601 in UTC; None: it does not say."""

    path: Path
    run_tag: str | None
    workspace_id: str | None
    workspace_name: str | None
    captured_at: str | None
    tables: tuple[ExportTable, ...]


@contextmanager
def open_source(
    path: Path, *, only: Sequence[str] = (), sql: str | None = None
) -> Iterator[Source]:
    """Open the snapshot `path` for an export: one state of it until the block ends.

    `only` names the tables (default: all that hold data of the CRM); `sql` takes their place.
    Raises UsageError where a table does not exist, sqlite3.Error where the file cannot be read.
    """
    with snapshot_opened(path) as connection:
        info = read_one_row(connection, "run_info")
        source = Source(
            path=path,
            run_tag=_text(info.get("run_tag")),
            workspace_id=_text(info.get("workspace_id")),
            workspace_name=_text(info.get("workspace_name")),
            captured_at=oldest_read_in(connection),
            tables=(),
        )
        if sql is None:
            tables = tuple(_table(connection, name) for name in _chosen(connection, only))
            yield replace(source, tables=tables)
            return
    with reading_safely(path, SQL_LIMITS) as reader:
        columns = _columns_of(reader.run(sql))
        result = ExportTable(name="result", columns=columns, read=lambda: reader.run(sql).rows)
        yield replace(source, tables=(result,))


def _chosen(connection: sqlite3.Connection, only: Sequence[str]) -> list[str]:
    made = tables_made(connection)
    present = [name for name in table_names(connection) if name not in made]
    wanted = [name.strip() for each in only for name in each.split(",") if name.strip()]
    if unknown := [name for name in wanted if name not in present]:
        raise UsageError(
            f"--table: there is no table {', '.join(unknown)}; there are: {', '.join(present)}",
            cure="name tables of the snapshot",
        )
    return list(dict.fromkeys(wanted)) or [name for name in present if name not in META_TABLES]


def _table(connection: sqlite3.Connection, name: str) -> ExportTable:
    typed = column_types(connection, name)
    names = ", ".join(quoted(column) for column, _ in typed)

    def read() -> Iterator[Row]:
        rows = connection.cursor().execute(f"SELECT {names} FROM {quoted(name)} NOT INDEXED")
        return map(_without_blobs, rows)

    undeclared = [column for column, declared in typed if declared not in _DECLARED]
    numbers = _number_columns(connection, name, undeclared)
    return ExportTable(
        name=name,
        columns=tuple(
            Column(column, _DECLARED.get(declared, "NUMBER" if column in numbers else ""))
            for column, declared in typed
        ),
        read=read,
        rows=row_count(connection, name),
        key=_key(connection, name),
    )


_DECLARED: dict[str, Kind] = {"TEXT": "TEXT", "INTEGER": "INTEGER", "REAL": "REAL"}
_COLUMNS_AT_ONCE = 500


def _number_columns(
    connection: sqlite3.Connection, table: str, columns: Sequence[str]
) -> frozenset[str]:
    """Return those of `columns` that have numbers and nothing else."""
    found: set[str] = set()
    for begin in range(0, len(columns), _COLUMNS_AT_ONCE):
        some = columns[begin : begin + _COLUMNS_AT_ONCE]
        tests = ", ".join(
            f"max(CASE typeof({quoted(c)}) WHEN 'null' THEN NULL WHEN 'integer' THEN 0"
            " WHEN 'real' THEN 0 ELSE 1 END)"
            for c in some
        )
        row = connection.execute(f"SELECT {tests} FROM {quoted(table)}").fetchone()
        found.update(column for column, other in zip(some, row, strict=True) if other == 0)
    return frozenset(found)


def _columns_of(result: Result) -> tuple[Column, ...]:
    """Return the columns of a statement's result, with the kinds that its values have."""
    kinds: list[set[type]] = [set() for _ in result.columns]
    for row in result.rows:
        for known, value in zip(kinds, row, strict=True):
            known.add(type(value))
    return tuple(
        Column(name, _kind_of(types - {type(None)}))
        for name, types in zip(_apart(result.columns), kinds, strict=True)
    )


def _kind_of(types: set[type]) -> Kind:
    alone: dict[type, Kind] = {str: "TEXT", int: "INTEGER", float: "REAL"}
    if len(types) == 1:
        return alone.get(next(iter(types)), "")
    return "NUMBER" if types == {int, float} else ""


def _key(connection: sqlite3.Connection, table: str) -> tuple[str, ...]:
    """Return the columns of the primary key; () where one of them is NULL in some row."""
    rows = connection.execute(f"PRAGMA table_info({quoted(table)})").fetchall()
    key = tuple(row[1] for row in sorted(rows, key=lambda row: row[5]) if row[5])
    if not key:
        return ()
    nulls = " OR ".join(f"{quoted(column)} IS NULL" for column in key)
    found = connection.execute(f"SELECT EXISTS (SELECT 1 FROM {quoted(table)} WHERE {nulls})")
    return () if found.fetchone()[0] else key


def _apart(names: Sequence[str]) -> list[str]:
    """Return the names of a result's columns, told apart where two are equal."""
    told: list[str] = []
    for name in names:
        candidate, number = name, 1
        while candidate in told:
            number += 1
            candidate = f"{name}_{number}"
        told.append(candidate)
    return told


def _without_blobs(row: Row) -> Row:
    """Return bytes as text: a run writes none, another tool may have."""
    if bytes not in map(type, row):
        return row
    return tuple(value.decode(errors="replace") if type(value) is bytes else value for value in row)


def names_of_people(path: Path) -> frozenset[str]:
    """Return the names of all people and users of a snapshot."""
    found: set[str] = set()
    with opened(path, "ro") as connection:
        for table in ("people", "user"):
            for column, _ in column_types(connection, table):
                if column in ("이름", "name"):
                    rows = connection.execute(f"SELECT {quoted(column)} FROM {quoted(table)}")
                    found.update(name.strip() for (name,) in rows if isinstance(name, str))
    return frozenset(found - {""})


def _text(value: object) -> str | None:
    return None if value is None or value == "" else str(value)
