"""The difference between two snapshots: records added, gone and changed, field by field.

Records are told apart by their key, those without one by all they hold: they are compared as
multisets. A record has changed where a field that both snapshots have holds another value; a field
that came or went is one fact about the table, not a change of every record. So is a field that
changed in more than a third of the records, a counter of days for example: it floods, and is
counted apart unless it is asked for.

SQLite compares. Nothing is held in memory but what is asked for, one record at a time; a value is
compared as it is stored, never by the types that its columns were declared with.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import lru_cache
from pathlib import Path
from typing import Any

from salesmap_async.errors import UsageError
from salesmap_async.publish.manifest import META_TABLES
from salesmap_async.publish.sql_after import tables_made
from salesmap_async.sqlite_file import column_types, opened, quoted, table_names, uri_of

FLOODING_SHARE = 1 / 3
LEAST_FLOOD = 30
"""In a small table a third is a handful: those are changes like others."""

_TARGETS = {
    "organizationId": "organization",
    "peopleId": "people",
    "dealId": "deal",
    "leadId": "lead",
}
_NAMES = ("이름", "name")
_COLUMNS_AT_ONCE = 400

Key = tuple[Any, ...]


@dataclass(frozen=True, slots=True)
class Change:
    """One record: its key, what it is called, and its changed fields, each with both values."""

    key: Key
    name: str | None
    fields: Mapping[str, tuple[Any, Any]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class TableDifference:
    """What changed in one table, counted. `by_field`: how many records changed in each field.

    `flooding`: fields that changed in too many records, with their counts; `changed` counts the
    records that differ in another field. `keyless`: rows without a key that came and went.
    """

    table: str
    key: tuple[str, ...]
    rows_old: int
    rows_new: int
    added: int = 0
    gone: int = 0
    changed: int = 0
    by_field: Mapping[str, int] = field(default_factory=dict)
    flooding: Mapping[str, int] = field(default_factory=dict)
    fields_added: tuple[str, ...] = ()
    fields_gone: tuple[str, ...] = ()
    keyless: tuple[int, int] = (0, 0)

    @property
    def is_empty(self) -> bool:
        """Whether the table is the same in both."""
        return not (
            self.added
            or self.gone
            or self.changed
            or self.flooding
            or self.fields_added
            or self.fields_gone
            or any(self.keyless)
        )


@contextmanager
def comparing(old: Path, new: Path) -> Iterator[Comparison]:
    """Open two snapshots side by side, each in one state. Raises UsageError without one."""
    for path in (old, new):
        if not path.is_file():
            raise UsageError(f"there is no snapshot at {path}")
    with opened(new, "ro") as connection:
        connection.execute("ATTACH ? AS old", (uri_of(old, "ro"),))
        connection.execute("PRAGMA cache_size = -8000")
        connection.execute("BEGIN")
        yield Comparison(connection)


class Comparison:
    """Two open snapshots: the new one is `main`, the old one `old`."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        self.name_of = lru_cache(50_000)(self._read_name)

    def tables(self) -> tuple[str, ...]:
        """Return the data tables of both, those of the new one first."""
        names = dict.fromkeys(
            name
            for schema in ("main", "old")
            for name in table_names(self._connection, schema)
            if name not in (*META_TABLES, *tables_made(self._connection, schema))
        )
        return tuple(names)

    def check(self, tables: Sequence[str], fields: Sequence[str]) -> None:
        """Raise UsageError for a table, or a field of these tables, that neither snapshot has."""
        present = self.tables()
        if unknown := [each for each in tables if each not in present]:
            raise UsageError(
                f"there is no table {', '.join(unknown)}; there are: {', '.join(present)}",
                cure="name tables of the snapshots",
            )
        schemas = ("main", "old")
        columns = {
            c for table in tables for schema in schemas for c in self._columns(schema, table)
        }
        if unknown := [each for each in fields if each not in columns]:
            raise UsageError(
                f"there is no field {', '.join(unknown)} in {', '.join(tables)}",
                cure="name fields as the snapshot has them",
            )

    def table(
        self, table: str, *, fields: Sequence[str] = (), all_fields: bool = False
    ) -> TableDifference:
        """Count what changed in a table; `fields`: look at these alone."""
        new, old = (self._columns(schema, table) for schema in ("main", "old"))
        key = self._key(table, old) if new and old else ()
        difference = TableDifference(
            table=table,
            key=key,
            rows_old=self._count("old", table) if old else 0,
            rows_new=self._count("main", table) if new else 0,
            fields_added=tuple(each for each in new if each not in old) if old else (),
            fields_gone=tuple(each for each in old if each not in new) if new else (),
        )
        if not new or not old:
            counts = (difference.rows_new, difference.rows_old)
            return replace(difference, added=counts[0], gone=counts[1])
        common = [each for each in new if each in old and each not in key]
        if fields:
            common = [each for each in common if each in fields]
        by_field = self._count_changes(table, key, common) if key else {}
        joined = difference.rows_new
        flooding = {
            name: count
            for name, count in by_field.items()
            if not all_fields and not fields
            and count > max(joined * FLOODING_SHARE, LEAST_FLOOD)
        }  # fmt: skip
        counted = {name: n for name, n in by_field.items() if n and name not in flooding}
        return replace(
            difference,
            added=self._count_missing(table, key, "main", "old") if key else 0,
            gone=self._count_missing(table, key, "old", "main") if key else 0,
            changed=self._count_changed(table, key, list(counted)),
            by_field=counted,
            flooding=flooding,
            keyless=self._count_keyless(table, key, [*key, *common]),
        )

    # -- the records ------------------------------------------------------------------------------

    def added(self, difference: TableDifference) -> Iterator[Change]:
        """Yield the records that only the new snapshot has, by key."""
        return self._missing(difference, "main", "old")

    def gone(self, difference: TableDifference) -> Iterator[Change]:
        """Yield the records that only the old snapshot has, by key."""
        return self._missing(difference, "old", "main")

    def changed(self, difference: TableDifference) -> Iterator[Change]:
        """Yield the records that changed in `by_field`, by key."""
        names = list(difference.by_field)
        if not names:
            return
        key, named = difference.key, self._name_column("main", difference.table)
        picked = [*(f"n.{quoted(c)}" for c in key), f"n.{named}" if named else "NULL"]
        picked += [f"{side}.{quoted(c)}" for c in names for side in "on"]
        rows = self._connection.execute(
            f"SELECT {', '.join(picked)} FROM {_joined(difference.table, key)}"
            f" WHERE {_differs(names)} ORDER BY {', '.join(picked[: len(key)])}"
        )
        for row in rows:
            values = row[len(key) + 1 :]
            pairs = zip(names, values[0::2], values[1::2], strict=True)
            yield Change(
                row[: len(key)],
                _text(row[len(key)]),
                {name: (old, new) for name, old, new in pairs if not _same(old, new)},
            )

    def values(self, schema: str, table: str, key: Key, columns: Sequence[str]) -> dict[str, Any]:
        """Return some values of one record; None for columns that are not there."""
        present = [c for c in columns if c in self._columns(schema, table)]
        found: dict[str, Any] = dict.fromkeys(columns)
        if present and "id" in self._columns(schema, table):
            row = self._connection.execute(
                f"SELECT {', '.join(map(quoted, present))} FROM {schema}.{quoted(table)}"
                " WHERE id IS ?",
                (key[-1],),
            ).fetchone()
            found |= dict(zip(present, row, strict=True)) if row else {}
        return found

    def columns(self, table: str) -> tuple[str, ...]:
        """Return the columns of a table that either of the two has."""
        both = (*self._columns("main", table), *self._columns("old", table))
        return tuple(dict.fromkeys(both))

    def pipelines(self) -> list[tuple[Any, Any]]:
        """Return name and stages of each deal pipeline, where the new snapshot has them."""
        if not {"name", "pipelineStageList"} <= set(self._columns("main", "deal_pipeline")):
            return []
        rows = self._connection.execute("SELECT name, pipelineStageList FROM main.deal_pipeline")
        return rows.fetchall()

    def shown(self, field_name: str, value: Any) -> Any:
        """Return a value for people: the name of a record where a link names one."""
        target = _TARGETS.get(field_name)
        return (self.name_of(target, value) or value) if target and value else value

    # -- SQL --------------------------------------------------------------------------------------

    def _columns(self, schema: str, table: str) -> tuple[str, ...]:
        return tuple(name for name, _ in column_types(self._connection, table, schema))

    def _key(self, table: str, old: Sequence[str]) -> tuple[str, ...]:
        """Return the primary key of the new table, where the old one's rows have it too, once."""
        rows = self._connection.execute(f"PRAGMA main.table_info({quoted(table)})").fetchall()
        key = tuple(row[1] for row in sorted(rows, key=lambda row: row[5]) if row[5])
        key = key or (("id",) if any(row[1] == "id" for row in rows) else ())
        if not key or not set(key) <= set(old):
            return ()
        return key if all(self._is_unique(schema, table, key) for schema in ("main", "old")) else ()

    def _is_unique(self, schema: str, table: str, key: Sequence[str]) -> bool:
        info = self._connection.execute(f"PRAGMA {schema}.table_info({quoted(table)})").fetchall()
        if {row[1] for row in info if row[5]} == set(key):
            return True
        columns = ", ".join(map(quoted, key))
        found = self._connection.execute(
            f"SELECT EXISTS (SELECT 1 FROM {schema}.{quoted(table)}"
            f" WHERE {' AND '.join(f'{quoted(c)} IS NOT NULL' for c in key)}"
            f" GROUP BY {columns} HAVING count(*) > 1)"
        )
        return not found.fetchone()[0]

    def _count(self, schema: str, table: str) -> int:
        rows = self._connection.execute(f"SELECT count(*) FROM {schema}.{quoted(table)}")
        return int(rows.fetchone()[0])

    def _count_changes(
        self, table: str, key: Sequence[str], columns: Sequence[str]
    ) -> dict[str, int]:
        counts: dict[str, int] = {}
        for begin in range(0, len(columns), _COLUMNS_AT_ONCE):
            some = columns[begin : begin + _COLUMNS_AT_ONCE]
            sums = ", ".join(f"sum(+n.{quoted(c)} IS NOT +o.{quoted(c)})" for c in some)
            row = self._connection.execute(f"SELECT {sums} FROM {_joined(table, key)}").fetchone()
            counts.update((c, int(n or 0)) for c, n in zip(some, row, strict=True))
        return counts

    def _count_changed(self, table: str, key: Sequence[str], columns: Sequence[str]) -> int:
        if not columns:
            return 0
        rows = self._connection.execute(
            f"SELECT count(*) FROM {_joined(table, key)} WHERE {_differs(columns)}"
        )
        return int(rows.fetchone()[0])

    def _count_missing(self, table: str, key: Sequence[str], has: str, lacks: str) -> int:
        rows = self._connection.execute(f"SELECT count(*) {_lacking(table, key, has, lacks)}")
        return int(rows.fetchone()[0])

    def _missing(self, difference: TableDifference, has: str, lacks: str) -> Iterator[Change]:
        table, key = difference.table, difference.key
        columns = self._columns(has, table)
        key = key or (("id",) if "id" in columns else ())
        if not columns or not key:
            return
        named = self._name_column(has, table)
        picked = [*(f"a.{quoted(c)}" for c in key), f"a.{named}" if named else "NULL"]
        order = ", ".join(picked[: len(key)])
        where = (
            _lacking(table, key, has, lacks)
            if self._columns(lacks, table)
            else f"FROM {has}.{quoted(table)} AS a"
        )
        for row in self._connection.execute(f"SELECT {', '.join(picked)} {where} ORDER BY {order}"):
            yield Change(row[:-1], _text(row[-1]))

    def _count_keyless(
        self, table: str, key: Sequence[str], columns: Sequence[str]
    ) -> tuple[int, int]:
        """Return how many rows without a key only the new and only the old table has."""
        if not columns:
            return 0, 0
        where = f"WHERE {' OR '.join(f'{quoted(c)} IS NULL' for c in key)}" if key else ""
        names = ", ".join(f"+{quoted(c)} AS {quoted(c)}" for c in columns)
        rows = self._connection.execute(
            "SELECT sum(max(net, 0)), sum(max(-net, 0)) FROM (SELECT sum(side) AS net FROM ("
            f"SELECT 1 AS side, {names} FROM main.{quoted(table)} {where} UNION ALL"
            f" SELECT -1, {names} FROM old.{quoted(table)} {where})"
            f" GROUP BY {', '.join(map(quoted, columns))})"
        )
        came, went = rows.fetchone()
        return int(came or 0), int(went or 0)

    def _name_column(self, schema: str, table: str) -> str | None:
        columns = self._columns(schema, table)
        return next((quoted(name) for name in _NAMES if name in columns), None)

    def _read_name(self, table: str, record_id: Any) -> str | None:
        for schema in ("main", "old"):
            named = self._name_column(schema, table)
            if named is None:
                continue
            row = self._connection.execute(
                f"SELECT {named} FROM {schema}.{quoted(table)} WHERE id IS ?", (record_id,)
            ).fetchone()
            if row is not None:
                return _text(row[0])
        return None


def _joined(table: str, key: Sequence[str]) -> str:
    on = " AND ".join(f"n.{quoted(c)} = o.{quoted(c)}" for c in key)
    return f"main.{quoted(table)} AS n JOIN old.{quoted(table)} AS o ON {on}"


def _differs(columns: Sequence[str]) -> str:
    new, old = (", ".join(f"+{side}.{quoted(c)}" for c in columns) for side in "no")
    return f"({new}) IS NOT ({old})"


def _lacking(table: str, key: Sequence[str], has: str, lacks: str) -> str:
    same = " AND ".join(f"b.{quoted(c)} = a.{quoted(c)}" for c in key)
    keyed = " AND ".join(f"a.{quoted(c)} IS NOT NULL" for c in key)
    return (
        f"FROM {has}.{quoted(table)} AS a WHERE {keyed} AND NOT EXISTS"
        f" (SELECT 1 FROM {lacks}.{quoted(table)} AS b WHERE {same})"
    )


def _same(one: Any, other: Any) -> bool:
    """Tell whether SQLite's IS takes two values for the same."""
    numbers = (int, float)
    if isinstance(one, numbers) and isinstance(other, numbers):
        return one == other
    return type(one) is type(other) and bool(one == other)


def _text(value: object) -> str | None:
    return None if value is None else str(value)
