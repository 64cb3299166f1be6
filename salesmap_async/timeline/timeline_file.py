"""How the timeline lies on the disk: every state of the snapshots that it was fed, in one file.

Not copies but what changed. For each table of the snapshots, as number N:

- `latest_N`: its rows as they were last seen, columns `c1`, `c2` ... by the numbers in `field`.
  None declares a type, so a value stays as it came; a field that is gone keeps its last values.
- `changed_N`, `came_N`, `gone_N`: by state, what undoes it: the former values of fields, the rows
  that were new, the rows that went, whole. A row keeps its number; none is used twice.
- `flood`: the former values of a field that changed in more than a third of the rows, compressed.

A table whose key changes, or that would need more columns than SQLite has, goes on under a new
number. `state` has a line per state, with what its tables were like: layout, order, fingerprint;
what several states have in common lies in `shared` once. The view `change` is for people.
"""

from __future__ import annotations

import hashlib
import json
import os
import sqlite3
import zlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Protocol

from salesmap_async.errors import SalesmapError, UsageError
from salesmap_async.publish.damage import is_damage
from salesmap_async.sqlite_file import opened, quoted, roll_back_leftovers

VERSION = 1
APPLICATION_ID = 0x534D544C
"""`SMTL` in the header of the file: no snapshot, and no other program's."""

_MOST_VIEWED = 150
"""Tables in the view `change`; SQLite joins at most 500 SELECTs, and each takes three."""

_CREATE = f"""
PRAGMA application_id = {APPLICATION_ID};
PRAGMA user_version = {VERSION};
CREATE TABLE state (
  number INTEGER PRIMARY KEY, run_tag TEXT, at TEXT, kind TEXT, fingerprint TEXT,
  workspace_id TEXT, workspace_name TEXT, tables BLOB, counts TEXT);
CREATE TABLE shared (sha256 BLOB PRIMARY KEY, content BLOB) WITHOUT ROWID;
CREATE TABLE data_table (number INTEGER PRIMARY KEY, name TEXT, key TEXT, next_row INTEGER);
CREATE TABLE field (number INTEGER PRIMARY KEY, "table" INTEGER, name TEXT);
CREATE TABLE flood (
  state INTEGER, "table" INTEGER, field INTEGER, part INTEGER, content BLOB,
  PRIMARY KEY (state, "table", field, part)) WITHOUT ROWID;
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class TableState:
    """One table in one state. `columns`: number of the field, name, declared type, in order.

    `order`: the shared list of row numbers in stored order, None where that is the key's. `sql` are
    the statements that make the table and its indexes. `sha256`: its `content_sha256`, '' once a
    record of it was forgotten.
    """

    name: str
    number: int
    columns: tuple[tuple[int, str, str], ...]
    sql: tuple[str, ...]
    rows: int
    sha256: str
    order: str | None = None

    @classmethod
    def of(cls, said: Mapping[str, Any]) -> TableState:
        """Return what `asdict` has made of one, after JSON."""
        columns = tuple((number, name, declared) for number, name, declared in said["columns"])
        return cls(**{**said, "columns": columns, "sql": tuple(said["sql"])})


@dataclass(frozen=True, slots=True, kw_only=True)
class State:
    """One state of the snapshots. `at`: when its reading began (ISO 8601).

    `counts`: per table, how many records are `new`, `gone` and `changed` since the state before.
    """

    number: int
    run_tag: str
    at: str
    kind: str
    fingerprint: str
    workspace_id: str | None
    workspace_name: str | None
    counts: Mapping[str, Mapping[str, int]] = field(default_factory=dict)


class DamagedTimelineError(SalesmapError):
    """What the timeline holds cannot be read."""


def is_damaged(error: sqlite3.Error | SalesmapError) -> bool:
    """Tell whether the file itself is broken, or no timeline at all."""
    return isinstance(error, DamagedTimelineError) or is_damage(error)


class Identified(Protocol):
    """What says which snapshot it is: a `Published`, a `SnapshotFile`."""

    @property
    def fingerprint(self) -> str: ...
    @property
    def webforms_tag(self) -> str | None: ...


def fingerprint_of(snapshot: Identified) -> str:
    """Return what tells a snapshot from all others, also after a run of web forms alone."""
    return f"{snapshot.fingerprint}/{snapshot.webforms_tag or ''}"


MetaTable = tuple[str, str, list[Any]]
"""A table of what a snapshot says of itself: name, SQL, rows."""


@contextmanager
def timeline_opened(path: Path, *, write: bool = False) -> Iterator[sqlite3.Connection]:
    """Open the timeline in one state, or for one transaction that is committed at the end.

    Raises UsageError where it is none, or of a later version; sqlite3.Error.
    """
    if path.is_file():
        roll_back_leftovers(path)
    elif write:
        os.close(os.open(path, os.O_CREAT | os.O_RDWR, 0o600))
    if not write and (not path.is_file() or path.stat().st_size == 0):
        raise UsageError(f"there is no timeline at {path}", cure="each run feeds one")
    with opened(path, "rw" if write else "ro", timeout_s=60.0) as connection:
        connection.execute("PRAGMA cache_size = -16000")
        connection.create_function("is_minus_zero", 1, _is_minus_zero, deterministic=True)
        connection.execute("BEGIN IMMEDIATE" if write else "BEGIN")
        _check(connection, path, write=write)
        yield connection
        if connection.in_transaction:
            connection.execute("COMMIT")


def _is_minus_zero(value: object) -> bool:
    return str(value) == "-0.0"


def _check(connection: sqlite3.Connection, path: Path, *, write: bool) -> None:
    (application,) = connection.execute("PRAGMA application_id").fetchone()
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    (tables,) = connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
    if application == 0 and tables == 0 and write:
        for statement in filter(str.strip, _CREATE.split(";")):
            connection.execute(statement)
    elif application != APPLICATION_ID:
        raise UsageError(f"{path} is no timeline", cure="move that file away")
    elif version > VERSION:
        raise UsageError(f"{path} was written by a later version", cure="upgrade this program")


# -- what lies in it ------------------------------------------------------------------------------


def states_of(connection: sqlite3.Connection) -> list[State]:
    """Return all states, in the order in which they were fed."""
    rows = connection.execute(
        "SELECT number, run_tag, at, kind, fingerprint, workspace_id, workspace_name, counts"
        " FROM state ORDER BY number"
    )
    return [
        State(
            number=number, run_tag=tag, at=at, kind=kind, fingerprint=fingerprint,
            workspace_id=workspace, workspace_name=name, counts=json.loads(counts or "{}"),
        )
        for number, tag, at, kind, fingerprint, workspace, name, counts in rows
    ]  # fmt: skip


def tables_of(
    connection: sqlite3.Connection, state: int
) -> tuple[dict[str, TableState], list[MetaTable]]:
    """Return the tables of a state by name, and what it said of itself."""
    (packed,) = connection.execute("SELECT tables FROM state WHERE number = ?", (state,)).fetchone()
    said = unpack(packed)
    tables = [TableState.of(unpack(shared(connection, each))) for each in said["tables"]]
    meta = [unpack(shared(connection, each)) for each in said["meta"]]
    return {each.name: each for each in tables}, [(name, sql, rows) for name, sql, rows in meta]


def put_state(
    connection: sqlite3.Connection,
    state: State,
    tables: Iterable[TableState],
    meta: Iterable[MetaTable],
) -> None:
    """Add a state, or write it anew."""
    said = {
        "tables": [share(connection, pack(asdict(each))) for each in tables],
        "meta": [share(connection, pack(each)) for each in meta],
    }
    connection.execute(
        "INSERT OR REPLACE INTO state VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
        (
            state.number, state.run_tag, state.at, state.kind, state.fingerprint,
            state.workspace_id, state.workspace_name, pack(said), json.dumps(state.counts),
        ),
    )  # fmt: skip


def share(connection: sqlite3.Connection, content: bytes) -> str:
    """Keep `content` once, and return what it is found by."""
    sha256 = hashlib.sha256(content).digest()
    connection.execute("INSERT OR IGNORE INTO shared VALUES (?, ?)", (sha256, content))
    return sha256.hex()


def shared(connection: sqlite3.Connection, name: str) -> bytes:
    """Return what `share` has kept."""
    rows = connection.execute("SELECT content FROM shared WHERE sha256 = ?", (bytes.fromhex(name),))
    row = rows.fetchone()
    if row is None:
        raise DamagedTimelineError("the timeline is damaged: it lacks a part that a state names")
    content: bytes = row[0]
    return content


def pack(value: Any) -> bytes:
    """Return a JSON value, exactly and compressed; bytes become `{"blob": hex}`."""
    text = json.dumps(value, separators=(",", ":"), default=_blob)
    return zlib.compress(text.encode(), 6)


def unpack(packed: bytes) -> Any:
    """Return what `pack` was given."""
    try:
        return json.loads(zlib.decompress(packed), object_hook=_unblob)
    except (zlib.error, ValueError) as error:
        raise DamagedTimelineError(f"the timeline is damaged: {error}") from None


def _blob(value: Any) -> Any:
    if isinstance(value, bytes):
        return {"blob": value.hex()}
    raise TypeError(f"no {type(value).__name__} comes from SQLite")


def _unblob(found: dict[str, Any]) -> Any:
    return bytes.fromhex(found["blob"]) if found.keys() == {"blob"} else found


def steps(numbers: Sequence[int]) -> list[int]:
    """Return each number's distance from the one before: what compresses well."""
    return [number - last for last, number in zip((0, *numbers), numbers, strict=False)]


def numbers(distances: Sequence[int]) -> list[int]:
    """Undo `steps`."""
    found, last = [], 0
    for distance in distances:
        last += distance
        found.append(last)
    return found


# -- one table ------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class DataTable:
    """A table's number, its name, and the fields of its key: the id first, then what lists add."""

    number: int
    name: str
    key: tuple[int, ...]

    @property
    def latest(self) -> str:
        return f"latest_{self.number}"

    @property
    def changed(self) -> str:
        return f"changed_{self.number}"

    @property
    def came(self) -> str:
        return f"came_{self.number}"

    @property
    def gone(self) -> str:
        return f"gone_{self.number}"


def data_tables(connection: sqlite3.Connection, name: str | None = None) -> list[DataTable]:
    """Return the tables (of one name), those that go on last."""
    rows = connection.execute("SELECT number, name, key FROM data_table ORDER BY number")
    tables = [DataTable(number, each, tuple(json.loads(key))) for number, each, key in rows]
    return [each for each in tables if name in (None, each.name)]


def fields_of(connection: sqlite3.Connection, table: DataTable) -> dict[str, int]:
    """Return the numbers of all fields that the table ever had, by name."""
    rows = connection.execute(
        'SELECT name, number FROM field WHERE "table" = ? ORDER BY number', (table.number,)
    )
    return dict(rows.fetchall())


def create_table(
    connection: sqlite3.Connection, name: str, columns: Sequence[str], key: Sequence[str]
) -> DataTable:
    """Make an empty table; `key`: the id first."""
    cursor = connection.execute("INSERT INTO data_table VALUES (NULL, ?, '[]', 1)", (name,))
    number = int(cursor.lastrowid or 0)
    numbers = _number_fields(connection, number, columns)
    table = DataTable(number, name, tuple(numbers[each] for each in key))
    connection.execute(
        "UPDATE data_table SET key = ? WHERE number = ?", (json.dumps(table.key), number)
    )
    listed = "".join(f", c{each}" for each in numbers.values())
    connection.execute(f"CREATE TABLE {table.latest} (_row INTEGER PRIMARY KEY{listed})")
    connection.execute(
        f"CREATE TABLE {table.gone} (_row INTEGER PRIMARY KEY, _state INTEGER{listed})"
    )
    connection.execute(
        f"CREATE TABLE {table.changed} (state INTEGER, row INTEGER, field INTEGER, old, new,"
        " PRIMARY KEY (state, row, field)) WITHOUT ROWID"
    )
    connection.execute(
        f"CREATE TABLE {table.came} (state INTEGER, row INTEGER, PRIMARY KEY (state, row))"
        " WITHOUT ROWID"
    )
    return table


def _number_fields(
    connection: sqlite3.Connection, table: int, names: Sequence[str]
) -> dict[str, int]:
    numbers: dict[str, int] = {}
    for name in names:
        cursor = connection.execute("INSERT INTO field VALUES (NULL, ?, ?)", (table, name))
        numbers[name] = int(cursor.lastrowid or 0)
    return numbers


def index_table(connection: sqlite3.Connection, table: DataTable) -> None:
    """Make its rows be found by their key."""
    if table.key:
        key = ", ".join(f"c{number}" for number in table.key)
        connection.execute(f"CREATE UNIQUE INDEX key_{table.number} ON {table.latest} ({key})")
        connection.execute(f"CREATE INDEX gone_key_{table.number} ON {table.gone} ({key})")


def add_fields(connection: sqlite3.Connection, table: DataTable, names: Sequence[str]) -> None:
    """Give the table more fields; SQLite takes some milliseconds for each in a wide table."""
    for number in _number_fields(connection, table.number, names).values():
        for place in (table.latest, table.gone):
            connection.execute(f"ALTER TABLE {place} ADD COLUMN c{number}")


def drop_table(connection: sqlite3.Connection, table: DataTable) -> None:
    """Remove all of a table that no state has any more."""
    for place in (table.latest, table.changed, table.came, table.gone):
        connection.execute(f"DROP TABLE {place}")
    for place in ("flood", "field"):
        connection.execute(f'DELETE FROM {place} WHERE "table" = ?', (table.number,))
    connection.execute("DELETE FROM data_table WHERE number = ?", (table.number,))


def make_view(connection: sqlite3.Connection) -> None:
    """Make `change`: what changed, a row per field; a record that came or went has no field.

    Then `new` or `old` is its id.
    """
    connection.execute("DROP VIEW IF EXISTS change")
    selects = []
    for table in data_tables(connection)[-_MOST_VIEWED:]:
        name = "'" + table.name.replace("'", "''") + "'"
        of_key = f"c{table.key[0]}" if table.key else "NULL"
        row_id = f"coalesce(l.{of_key}, g.{of_key})" if table.key else "NULL"
        who = f"LEFT JOIN {table.latest} AS l ON l._row = c.row" if table.key else ""
        who += f" LEFT JOIN {table.gone} AS g ON g._row = c.row" if table.key else ""
        selects += [
            f"SELECT s.run_tag, s.at, {name}, {row_id}, f.name, c.old, c.new"
            f" FROM {table.changed} AS c JOIN state AS s ON s.number = c.state"
            f" JOIN field AS f ON f.number = c.field {who}",
            f"SELECT s.run_tag, s.at, {name}, {row_id}, NULL, NULL, {row_id}"
            f" FROM {table.came} AS c JOIN state AS s ON s.number = c.state {who}",
            f"SELECT s.run_tag, s.at, {name}, {of_key}, NULL, {of_key}, NULL"
            f" FROM {table.gone} JOIN state AS s ON s.number = _state",
        ]
    if selects:
        names = ", ".join(map(quoted, ("run_tag", "at", "table", "id", "field", "old", "new")))
        connection.execute(f"CREATE VIEW change ({names}) AS {' UNION ALL '.join(selects)}")
