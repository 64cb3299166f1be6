"""A snapshot in words and figures, read from the file alone.

How full a field is, is counted; its label, type and choices come from the table `field`, where the
workspace's field lists were read. Of a table that holds nothing, nothing is said but its columns.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from salesmap_async.api.endpoints import LINKS, WEBFORM_TABLE
from salesmap_async.lenient import text_or_none
from salesmap_async.publish.manifest import META_TABLES, read_one_row
from salesmap_async.publish.sql_after import tables_made
from salesmap_async.sqlite_file import column_types, quoted, row_count, table_names

_COLUMNS_AT_ONCE = 200
"""Of one counting statement: SQLite's result columns are bounded."""
_LONGEST_EXAMPLE = 40
_ROWS_WITH_EXAMPLES = 2_000
"""So many rows are looked at for examples."""
_TYPE_KEYS = ("type", "fieldType")
_NAME_KEYS = ("name", "label", "fieldName")
_TABLE_OF = {"custom-object": "custom_object"}
"""Object type of the field lists -> table, where they are named differently."""
_LINKED = {**LINKS, "webFormId": WEBFORM_TABLE}


@dataclass(frozen=True, slots=True, kw_only=True)
class Field:
    """A column, named as the CRM labels it. `type`: what it is declared as; `mixed` for values of
    several kinds, `empty` for none. `filled`: the share of rows with a value, 0 to 1. `crm_type`:
    the CRM's own word for its kind, None where the field list was not read. `links_to`: the table
    whose id it holds.
    """

    name: str
    type: str
    filled: float
    crm_type: str | None = None
    links_to: str | None = None
    examples: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """A table. `read_at`: when the reading of it began (ISO 8601, UTC), None where unknown."""

    name: str
    rows: int
    read_at: str | None
    fields: tuple[Field, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Snapshot:
    """What the snapshot says of itself, for whoever gets data out of it."""

    workspace: str | None
    run_tag: str | None
    captured_at: str | None


def snapshot_of(connection: sqlite3.Connection) -> Snapshot:
    """Return whose data it is, and of when."""
    info = read_one_row(connection, "run_info")
    return Snapshot(
        workspace=text_or_none(info.get("workspace_name") or info.get("workspace_id")),
        run_tag=text_or_none(info.get("run_tag")),
        captured_at=text_or_none(info.get("captured_at_utc")),
    )


def describe(
    connection: sqlite3.Connection, *, tables: Collection[str] = (), examples: int = 0
) -> tuple[Table, ...]:
    """Return all data tables, or these; with so many `examples` of each field."""
    made = tables_made(connection)
    crm_types = _crm_types(connection)
    return tuple(
        _table(connection, name, crm_types.get(name, {}), examples)
        for name in table_names(connection)
        if name not in META_TABLES and name not in made and (not tables or name in tables)
    )


def _table(
    connection: sqlite3.Connection, name: str, crm_types: Mapping[str, str], examples: int
) -> Table:
    columns = column_types(connection, name)
    rows = row_count(connection, name)
    filled = _filled(connection, name, [column for column, _ in columns]) if rows else {}
    shown = _examples(connection, name, columns, examples) if rows and examples else {}
    said = read_one_row(connection, "manifest", where="table", value=name)
    return Table(
        name=name,
        rows=rows,
        read_at=text_or_none(said.get("read_from")),
        fields=tuple(
            Field(
                name=column,
                type=declared or ("mixed" if filled.get(column) else "empty"),
                filled=filled.get(column, 0) / rows if rows else 0.0,
                crm_type=crm_types.get(column),
                links_to=_LINKED.get(column) if column != "id" else None,
                examples=tuple(shown.get(column, ())),
            )
            for column, declared in columns
        ),
    )


def _filled(connection: sqlite3.Connection, table: str, columns: Sequence[str]) -> dict[str, int]:
    counts: dict[str, int] = {}
    for at in range(0, len(columns), _COLUMNS_AT_ONCE):
        some = columns[at : at + _COLUMNS_AT_ONCE]
        asked = ", ".join(f"count({quoted(column)})" for column in some)
        row = connection.execute(f"SELECT {asked} FROM {quoted(table)}").fetchone()
        counts |= dict(zip(some, row, strict=True))
    return counts


def _examples(
    connection: sqlite3.Connection,
    table: str,
    columns: Sequence[tuple[str, str]],
    most: int,
) -> dict[str, list[str]]:
    """Return some values of each column that differ, shortened; of the first rows only."""
    found: dict[str, list[str]] = {column: [] for column, _ in columns}
    names = ", ".join(quoted(column) for column, _ in columns)
    rows = connection.execute(f"SELECT {names} FROM {quoted(table)} LIMIT {_ROWS_WITH_EXAMPLES}")
    lacking = set(found)
    for row in rows:
        for (column, _), value in zip(columns, row, strict=True):
            if column in lacking and value is not None:
                text = _short(value)
                if text and text not in found[column]:
                    found[column].append(text)
                    if len(found[column]) == most:
                        lacking.discard(column)
        if not lacking:
            break
    return found


def _short(value: Any) -> str:
    text = " ".join(str(value).split())
    return text if len(text) <= _LONGEST_EXAMPLE else text[: _LONGEST_EXAMPLE - 1] + "…"


def _crm_types(connection: sqlite3.Connection) -> dict[str, dict[str, str]]:
    """Return the CRM's kind of each field, by table and column, where the field lists were read."""
    columns = dict(column_types(connection, "field"))
    name = next((each for each in _NAME_KEYS if each in columns), None)
    kind = next((each for each in _TYPE_KEYS if each in columns), None)
    if name is None or kind is None or "objectType" not in columns:
        return {}
    found: dict[str, dict[str, str]] = {}
    for object_type, field, crm_type in connection.execute(
        f"SELECT objectType, {quoted(name)}, {quoted(kind)} FROM field"
    ):
        table = _TABLE_OF.get(str(object_type), str(object_type))
        found.setdefault(table, {})[str(field)] = str(crm_type)
    return found
