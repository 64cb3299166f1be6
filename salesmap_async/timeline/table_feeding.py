"""Feeding one table: copied the first time, compared with the last state from then on.

A row is told apart by its key; rows without one by all they hold, as multisets.
"""

from __future__ import annotations

import sqlite3
from collections import defaultdict
from collections.abc import Sequence

from salesmap_async.publish.rows import rows_at_once
from salesmap_async.sqlite_file import column_types, quoted
from salesmap_async.timeline.difference import FLOODING_SHARE, LEAST_FLOOD
from salesmap_async.timeline.fed_columns import (
    Column,
    differences,
    digest,
    has_key,
    is_same,
    listed,
    named,
    same_key,
)
from salesmap_async.timeline.timeline_file import (
    DataTable,
    TableState,
    add_fields,
    create_table,
    data_tables,
    fields_of,
    index_table,
    pack,
    share,
    steps,
)

_MOST_FIELDS = 1_990
_MOST_FRESH = 200
"""New fields at once; adding more takes longer than taking the rows in as of a new table."""

_FIELDS_AT_ONCE = 900
_FLOOD_ROWS = 50_000
"""Former values in one compressed part."""

Counts = dict[str, int]


class TableFeeding:
    """Feeds one table of the attached `new` to the timeline."""

    def __init__(self, connection: sqlite3.Connection, name: str, state: int) -> None:
        self._db = connection
        self._name = name
        self._state = state
        self._types = column_types(connection, name, "new")
        self._source = f"new.{quoted(name)}"
        self._sql = tuple(
            sql
            for (sql,) in connection.execute(
                "SELECT sql FROM new.sqlite_master WHERE tbl_name = ? AND sql IS NOT NULL"
                " AND type IN ('table', 'index') ORDER BY type DESC, rowid",
                (name,),
            )
        )

    def is_as_in(self, state: TableState, sha256: str) -> bool:
        """Tell whether the table is, to the last bit, what it was in `state`."""
        columns = tuple((name, declared) for _, name, declared in state.columns)
        return (state.sha256, state.sql, columns) == (sha256, self._sql, self._types)

    def feed(self, sha256: str) -> tuple[TableState, Counts]:
        """Take in the table; return what it is like now, and what has changed in it."""
        key = self._find_key()
        table = self._known(key)
        if table is None:
            rows, order, counts = self._copy(key)
            table = data_tables(self._db, self._name)[-1]
        else:
            rows, order, counts = self._compare(table)
        fields = fields_of(self._db, table)
        state = TableState(
            name=self._name,
            number=table.number,
            columns=tuple((fields[name], name, declared) for name, declared in self._types),
            sql=self._sql,
            rows=rows,
            sha256=sha256,
            order=order,
        )
        return state, counts

    def _find_key(self) -> tuple[str, ...]:
        """Return the columns of the key, the id first; () where the rows have none."""
        info = self._db.execute(f"PRAGMA new.table_info({quoted(self._name)})").fetchall()
        declared = [row[1] for row in sorted(info, key=lambda row: row[5]) if row[5]]
        if declared:
            return (declared[-1], *declared[:-1])
        if "id" not in dict(self._types):
            return ()
        twice = self._db.execute(
            f"SELECT EXISTS (SELECT 1 FROM {self._source} WHERE id IS NOT NULL"
            " GROUP BY +id HAVING count(*) > 1)"
        ).fetchone()[0]
        if twice:
            return ()
        # Without an index each look for a row would read the whole table.
        self._db.execute("DROP TABLE IF EXISTS temp.source")
        self._db.execute(f"CREATE TEMP TABLE source AS SELECT * FROM {self._source} NOT INDEXED")
        self._db.execute("CREATE INDEX temp.source_id ON source (id)")
        self._source = "temp.source"
        return ("id",)

    def _known(self, key: Sequence[str]) -> DataTable | None:
        """Return the table that goes on; None where the rows are to be taken in as of a new one."""
        tables = data_tables(self._db, self._name)
        if not tables:
            return None
        fields = fields_of(self._db, tables[-1])
        fresh = [name for name, _ in self._types if name not in fields]
        if tuple(fields.get(each) for each in key) != tables[-1].key:
            return None
        too_many = len(fields) + len(fresh) > _MOST_FIELDS or len(fresh) > _MOST_FRESH
        return None if too_many else tables[-1]

    def _copy(self, key: Sequence[str]) -> tuple[int, str | None, Counts]:
        table = create_table(self._db, self._name, [name for name, _ in self._types], key)
        columns = self._columns(table)
        self._db.execute(
            f"INSERT INTO {table.latest} ({listed(columns)})"
            f" SELECT {named(columns, '')} FROM {self._source} NOT INDEXED"
        )
        index_table(self._db, table)
        (rows,) = self._db.execute(f"SELECT count(*) FROM {table.latest}").fetchone()
        self._set_next_row(table, rows + 1)
        order = None
        if not self._is_in_order_of(key):
            order = self._keep_order(f"SELECT _row FROM {table.latest} ORDER BY _row")
        return rows, order, {"new": rows}

    def _columns(self, table: DataTable) -> list[Column]:
        fields = fields_of(self._db, table)
        return [Column(name, declared, fields[name]) for name, declared in self._types]

    def _set_next_row(self, table: DataTable, number: int) -> None:
        self._db.execute(
            "UPDATE data_table SET next_row = ? WHERE number = ?", (number, table.number)
        )

    # -- what has changed -------------------------------------------------------------------------

    def _compare(self, table: DataTable) -> tuple[int, str | None, Counts]:
        known = fields_of(self._db, table)
        fresh = [name for name, _ in self._types if name not in known]
        add_fields(self._db, table, fresh)
        columns = self._columns(table)
        key = [each for number in table.key for each in columns if each.field == number]
        old = [each for each in columns if each.name not in fresh and each not in key]
        for made in ("pair", "lost", "found", "keyless"):
            self._db.execute(f"DROP TABLE IF EXISTS temp.{made}")
        self._db.execute("CREATE TEMP TABLE lost (row INTEGER PRIMARY KEY)")
        self._db.execute("CREATE TEMP TABLE keyless (source_row INTEGER PRIMARY KEY, row INTEGER)")
        (base,) = self._db.execute(
            "SELECT next_row FROM data_table WHERE number = ?", (table.number,)
        ).fetchone()
        self._find_pairs(table, key, old)
        self._find_lost(table, key)
        changed = self._record_changes(table, key, old)
        self._match_keyless(table, key, columns)
        gone = self._remove_lost(table)
        new, base = self._add_new(table, key, columns, base)
        self._set_next_row(table, base)
        if fresh and key:
            self._fill_fresh(table, key, [each for each in columns if each.name in fresh])
        (rows,) = self._db.execute(f"SELECT count(*) FROM {self._source}").fetchone()
        counts = {"new": new, "gone": gone, "changed": changed}
        return rows, self._order(table, key), counts

    def _find_pairs(self, table: DataTable, key: Sequence[Column], old: Sequence[Column]) -> None:
        """Note each keyed row that differs from the latest one (`row`), or has none (NULL)."""
        names = ", ".join(f"k{place}" for place in range(len(key)))
        self._db.execute(f"CREATE TEMP TABLE pair (row INTEGER{', ' if key else ''}{names})")
        if not key:
            return
        differs = " OR ".join(["h._row IS NULL", *differences(old)])
        self._db.execute(
            f"INSERT INTO temp.pair SELECT h._row, {named(key, 'n.')} FROM {self._source} AS n"
            f" NOT INDEXED LEFT JOIN {table.latest} AS h ON {same_key(key)}"
            f" WHERE {has_key(key)} AND ({differs})"
        )

    def _find_lost(self, table: DataTable, key: Sequence[Column]) -> None:
        """Note the latest rows whose key has gone; no pass over them where none can have."""
        if not key:
            return
        came, keyed, before = self._db.execute(
            "SELECT (SELECT count(*) FROM temp.pair WHERE row IS NULL),"
            f" (SELECT count(*) FROM {self._source} AS n WHERE {has_key(key)}),"
            f" (SELECT count(*) FROM {table.latest} WHERE"
            f" {' AND '.join(f'{each.at} IS NOT NULL' for each in key)})"
        ).fetchone()
        if keyed - came == before:
            return
        on = " AND ".join(
            f"n.{quoted(each.name)} = +h.{each.at}"
            f" AND typeof(n.{quoted(each.name)}) = typeof(h.{each.at})"
            for each in key
        )
        self._db.execute(
            f"INSERT INTO temp.lost SELECT h._row FROM {table.latest} AS h"
            f" LEFT JOIN {self._source} AS n ON {on}"
            f" WHERE {' AND '.join(f'h.{each.at} IS NOT NULL' for each in key)}"
            f" AND n.{quoted(key[0].name)} IS NULL"
        )

    def _record_changes(
        self, table: DataTable, key: Sequence[Column], old: Sequence[Column]
    ) -> int:
        """Write down the former values, set the new ones; return how many rows changed."""
        self._db.execute(
            "CREATE TEMP TABLE found (field INTEGER, row INTEGER, old, new,"
            " PRIMARY KEY (field, row)) WITHOUT ROWID"
        )
        for begin in range(0, len(old), _FIELDS_AT_ONCE) if key else ():
            self._find_values(table, key, old[begin : begin + _FIELDS_AT_ONCE])
        (rows,) = self._db.execute(f"SELECT count(*) FROM {table.latest}").fetchone()
        flooding, fields = [], []
        for field, count in self._db.execute(
            "SELECT field, count(*) FROM temp.found GROUP BY field"
        ).fetchall():
            fields.append(field)
            if count > max(rows * FLOODING_SHARE, LEAST_FLOOD):
                flooding.append(field)
        apart = ", ".join(map(str, flooding))
        self._db.execute(
            f"INSERT INTO {table.changed} SELECT ?, row, field, old, new FROM temp.found"
            f" WHERE field NOT IN ({apart}) ORDER BY row, field",
            (self._state,),
        )
        for field in flooding:
            self._keep_flood(table, field)
        for field in fields:
            self._db.execute(
                f"UPDATE {table.latest} SET c{field} ="
                " (SELECT new FROM temp.found WHERE field = ?1 AND row = _row)"
                " WHERE _row IN (SELECT row FROM temp.found WHERE field = ?1)",
                (field,),
            )
        (changed,) = self._db.execute(
            f"SELECT count(DISTINCT row) FROM temp.found WHERE field NOT IN ({apart})"
        ).fetchone()
        return int(changed)

    def _find_values(
        self, table: DataTable, key: Sequence[Column], columns: Sequence[Column]
    ) -> None:
        on = " AND ".join(f"n.{quoted(each.name)} = k{place}" for place, each in enumerate(key))
        rows = self._db.cursor().execute(
            f"SELECT p.row, {named(columns, 'n.')}, {listed(columns, 'h.')} FROM temp.pair AS p"
            f" CROSS JOIN {self._source} AS n ON {on}"
            f" CROSS JOIN {table.latest} AS h ON h._row = p.row"
        )
        width = len(columns)
        while batch := rows.fetchmany(rows_at_once(2 * width)):
            self._db.executemany(
                "INSERT INTO temp.found VALUES (?, ?, ?, ?)",
                [
                    (column.field, row[0], former, value)
                    for row in batch
                    for column, value, former in zip(
                        columns, row[1 : width + 1], row[width + 1 :], strict=True
                    )
                    if not is_same(column, value, former)
                ],
            )

    def _keep_flood(self, table: DataTable, field: int) -> None:
        found = self._db.cursor().execute(
            "SELECT row, old FROM temp.found WHERE field = ? ORDER BY row", (field,)
        )
        part = 0
        while batch := found.fetchmany(_FLOOD_ROWS):
            rows, values = zip(*batch, strict=True)
            self._db.execute(
                "INSERT INTO flood VALUES (?, ?, ?, ?, ?)",
                (self._state, table.number, field, part, pack([steps(rows), values])),
            )
            part += 1

    def _match_keyless(
        self, table: DataTable, key: Sequence[Column], columns: Sequence[Column]
    ) -> None:
        """Find each row without a key among the latest ones; note those that are left over.

        `keyless` says which is which, NULL for a new one. Their digests are held in memory.
        """
        latest: defaultdict[bytes, list[int]] = defaultdict(list)
        without = " OR ".join(f"{each.at} IS NULL" for each in key) or "1"
        for row, *values in self._db.execute(
            f"SELECT _row, {listed(columns)} FROM {table.latest} WHERE {without} ORDER BY _row DESC"
        ):
            latest[digest(values)].append(row)
        without = " OR ".join(f"{quoted(each.name)} IS NULL" for each in key) or "1"
        (some,) = self._db.execute(
            f"SELECT EXISTS (SELECT 1 FROM {self._source} WHERE {without})"
        ).fetchone()
        # A table without a rowid has no rows without a key.
        picked = f"rowid, {named(columns, '')}" if some else "NULL"
        for source_row, *values in self._db.execute(
            f"SELECT {picked} FROM {self._source} NOT INDEXED WHERE {without}"
        ):
            known = latest.get(digest(values))
            self._db.execute(
                "INSERT INTO temp.keyless VALUES (?, ?)",
                (source_row, known.pop() if known else None),
            )
        self._db.executemany(
            "INSERT INTO temp.lost VALUES (?)",
            ((row,) for left_over in latest.values() for row in left_over),
        )

    def _remove_lost(self, table: DataTable) -> int:
        columns = ", ".join(f"c{number}" for number in fields_of(self._db, table).values())
        self._db.execute(
            f"INSERT INTO {table.gone} (_row, _state, {columns})"
            f" SELECT _row, ?, {columns} FROM {table.latest}"
            " WHERE _row IN (SELECT row FROM temp.lost)",
            (self._state,),
        )
        return self._db.execute(
            f"DELETE FROM {table.latest} WHERE _row IN (SELECT row FROM temp.lost)"
        ).rowcount

    def _add_new(
        self, table: DataTable, key: Sequence[Column], columns: Sequence[Column], base: int
    ) -> tuple[int, int]:
        """Add the rows that are new, numbered from `base` on; return how many, and the next number.

        Where a number is left out nothing is lost.
        """
        on = " AND ".join(f"n.{quoted(each.name)} = k{place}" for place, each in enumerate(key))
        count = 0
        for source, place in (
            (f"temp.pair AS p CROSS JOIN {self._source} AS n ON {on}", "p.rowid"),
            (f"temp.keyless AS p CROSS JOIN {self._source} AS n ON n.rowid = p.source_row",
             "p.source_row"),
        ):  # fmt: skip
            if not key and source.startswith("temp.pair"):
                continue
            where = source.split(" AS ")[0]
            (last,) = self._db.execute(
                f"SELECT max({place.removeprefix('p.')}) FROM {where} WHERE row IS NULL"
            ).fetchone()
            if last is None:
                continue
            count += self._db.execute(
                f"INSERT INTO {table.latest} (_row, {listed(columns)})"
                f" SELECT ? + {place}, {named(columns, 'n.')} FROM {source} WHERE p.row IS NULL",
                (base,),
            ).rowcount
            self._db.execute(
                f"INSERT INTO {table.came} SELECT ?, ? + {place} FROM {where} AS p"
                " WHERE row IS NULL",
                (self._state, base),
            )
            if where == "temp.keyless":
                self._db.execute(
                    "UPDATE temp.keyless SET row = ? + source_row WHERE row IS NULL", (base,)
                )
            base += last + 1
        return count, base

    def _fill_fresh(self, table: DataTable, key: Sequence[Column], fresh: Sequence[Column]) -> None:
        """Set the fields that no state had before: what undoes them is that no state has them."""
        on = " AND ".join(f"n.{quoted(e.name)} = {table.latest}.{e.at}" for e in key)
        self._db.execute(
            f"UPDATE {table.latest} SET ({listed(fresh)}) ="
            f" (SELECT {named(fresh, 'n.')} FROM {self._source} AS n WHERE {on})"
            f" WHERE {' AND '.join(f'{each.at} IS NOT NULL' for each in key)}"
        )

    # -- in which order ---------------------------------------------------------------------------

    def _order(self, table: DataTable, key: Sequence[Column]) -> str | None:
        if self._is_in_order_of([each.name for each in key]):
            return None
        join = f"LEFT JOIN {table.latest} AS h ON {same_key(key)}" if key else ""
        row = "coalesce(h._row, w.row)" if key else "w.row"
        return self._keep_order(
            f"SELECT {row} FROM {self._source} AS n NOT INDEXED"
            f" LEFT JOIN temp.keyless AS w ON {self._keyless_on(key)} {join}"
        )

    def _keyless_on(self, key: Sequence[Column]) -> str:
        """A table without a rowid has no rows without a key."""
        (some,) = self._db.execute("SELECT EXISTS (SELECT 1 FROM temp.keyless)").fetchone()
        return "w.source_row = n.rowid" if some or not key else "0"

    def _is_in_order_of(self, key: Sequence[str]) -> bool:
        """Tell whether the rows lie in the order of a key of one column of text."""
        if len(key) != 1:
            return False
        last = ""
        for (value,) in self._db.execute(
            f"SELECT {quoted(key[0])} FROM {self._source} NOT INDEXED"
        ):
            if type(value) is not str or value <= last:
                return False
            last = value
        return True

    def _keep_order(self, select: str) -> str:
        return share(self._db, pack(steps([row for (row,) in self._db.execute(select)])))
