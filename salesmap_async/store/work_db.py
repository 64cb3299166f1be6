"""The layout of the work DB, and how it is read once it is not written any more.

The work DB *is* the checkpoint: records as they came, and how far each chain has got.

- `run(key, value)`: what the run is about; values are JSON text.
- `chain`: one row for each list that is read by its cursors. Its rows and its progress change in
  the same transaction (I2), by `store/writer.py` alone. `kinds`: the keys of all its records, each
  with the kinds of its values, a JSON object.
- `key`: the keys of a chain's records, each as JSON, in the order in which they were met; `shape`:
  the keys of a record that has its own, a JSON list. See `laying`.
- `record`: one row for each record, never altered: `body` is the JSON list of its values, in the
  order of its shape's keys; where `shape` is NULL, of as many keys of its chain. `nulls` tells
  which nulls in it came. `id` is the record's id as text, or NULL; `page` and `position` count
  from 0 in the chain.
- `known_person`, `allowed_person`, `form`: what the web-form step works on, see
  `store/forms.py`. A submission of a person outside `allowed_person` is not published.

Two rows of one id in one table are two versions: the one later in chain order
(chain name, page, position) counts.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any, Literal

from salesmap_async import exact_json
from salesmap_async.errors import StoreError

ChainState = Literal["reading", "done", "skipped", "failed"]


class OtherVersionError(StoreError):
    """The work DB was begun by another version of this program."""


LAYOUT_VERSION = 2
"""What `PRAGMA user_version` says; it grows with each change of the tables below."""

SCHEMA = (
    f"PRAGMA user_version = {LAYOUT_VERSION};"
    + """
CREATE TABLE run (key TEXT PRIMARY KEY, value TEXT NOT NULL);
CREATE TABLE chain (
    name TEXT PRIMARY KEY,
    "table" TEXT NOT NULL,
    path TEXT NOT NULL,
    added TEXT NOT NULL,
    since TEXT,
    state TEXT NOT NULL DEFAULT 'reading',
    pages INTEGER NOT NULL DEFAULT 0,
    rows INTEGER NOT NULL DEFAULT 0,
    progress TEXT NOT NULL DEFAULT '{}',
    error TEXT NOT NULL DEFAULT '',
    kinds TEXT NOT NULL DEFAULT '{}',
    started_at TEXT,
    ended_at TEXT
);
CREATE TABLE key (
    chain TEXT NOT NULL, place INTEGER NOT NULL, name TEXT NOT NULL, PRIMARY KEY (chain, place)
) WITHOUT ROWID;
CREATE TABLE shape (id INTEGER PRIMARY KEY, keys TEXT NOT NULL);
CREATE TABLE record (
    "table" TEXT NOT NULL,
    chain TEXT NOT NULL,
    page INTEGER NOT NULL,
    position INTEGER NOT NULL,
    id TEXT,
    shape INTEGER,
    nulls TEXT,
    body TEXT NOT NULL
);
CREATE INDEX record_page ON record(chain, page);
CREATE TABLE known_person (id TEXT PRIMARY KEY, forms TEXT);
CREATE TABLE allowed_person (id TEXT PRIMARY KEY);
CREATE TABLE form (id TEXT PRIMARY KEY, name TEXT);
"""
)

EARLIER_PREFIX = "(earlier) "
"""Before the name of what the last snapshot has of a list that goes on: it sorts first, so what is
read now counts."""

RunKind = Literal["full", "webform-only"]


@dataclass(frozen=True, slots=True, kw_only=True)
class RunIdentity:
    """What a run remembers of itself, so that a resume reads the same things from the same place.

    `workspace_id` is None where the API did not tell it. `tables` are the tables to read.
    """

    run_tag: str
    kind: RunKind
    db_path: str
    base_url: str
    workspace_id: str | None
    workspace_name: str | None
    tables: tuple[str, ...]
    webform_people: str
    started_at: str


@dataclass(frozen=True, slots=True, kw_only=True)
class NewChain:
    """A chain before its first page. `added` are keys and values that belong to each record.

    `since`: the moment from which on its list is read, as ISO time; None: from its beginning.
    `progress`: how far it is taken to have got already.
    """

    name: str
    table: str
    path: str
    added: dict[str, str]
    since: str | None = None
    progress: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class ChainRow(NewChain):
    """One row of `chain`: a chain and how far it has got."""

    state: ChainState
    pages: int
    rows: int
    error: str
    started_at: str | None
    ended_at: str | None


CHAIN_COLUMNS = (
    'name, "table", path, added, since, state, pages, rows, progress, error, started_at, ended_at'
)


def chain_row(row: tuple[Any, ...]) -> ChainRow:
    """Build a ChainRow from a row selected as CHAIN_COLUMNS."""
    name, table, path, added, since, state, pages, rows, progress, error, began, ended = row
    return ChainRow(
        name=name,
        table=table,
        path=path,
        added=exact_json.loads(added.encode()),
        since=since,
        state=state,
        pages=pages,
        rows=rows,
        progress=exact_json.loads(progress.encode()),
        error=error,
        started_at=began,
        ended_at=ended,
    )


def read_run_values(connection: sqlite3.Connection) -> dict[str, Any]:
    """Return what the `run` table holds."""
    rows = connection.execute("SELECT key, value FROM run")
    return {key: exact_json.loads(text.encode()) for key, text in rows}


def read_identity(connection: sqlite3.Connection) -> RunIdentity:
    """Return what the run remembers of itself. Raises StoreError where something is missing."""
    values = read_run_values(connection)
    try:
        known: dict[str, Any] = {name: values[name] for name in RunIdentity.__slots__}
        return RunIdentity(**(known | {"tables": tuple(known["tables"])}))
    except KeyError as error:
        raise StoreError(f"the work DB does not say its {error}") from None


@contextmanager
def open_work_db(path: Path) -> Iterator[sqlite3.Connection]:
    """Open an existing work DB for reading and indexing; close it at the end.

    Raises StoreError when it is missing or SQLite refuses it, at any moment of the block.
    """
    if not path.is_file():
        raise StoreError(f"the work DB {path} is missing")
    connection: sqlite3.Connection | None = None
    try:
        connection = sqlite3.connect(path, isolation_level=None)
        _check_layout(connection, path)
        yield connection
    except sqlite3.Error as error:
        raise StoreError(f"the work DB {path} cannot be used: {error}") from error
    finally:
        if connection is not None:
            connection.close()


def is_of_another_version(path: Path) -> bool:
    """Tell whether a work DB is there, sound, and laid out otherwise."""
    try:
        with open_work_db(path):
            return False
    except OtherVersionError:
        return True
    except StoreError:
        return False


def _check_layout(connection: sqlite3.Connection, path: Path) -> None:
    (layout,) = connection.execute("PRAGMA user_version").fetchone()
    if layout != LAYOUT_VERSION:
        raise OtherVersionError(
            f"the work DB {path} was begun by another version of this program, which lays it out "
            "otherwise"
        )


def read_chains(connection: sqlite3.Connection) -> list[ChainRow]:
    """Return all chains in chain order."""
    rows = connection.execute(f"SELECT {CHAIN_COLUMNS} FROM chain ORDER BY name")
    return [chain_row(row) for row in rows]


def values_of(table: str, key: str) -> str:
    """Return the SQL of a subquery with the value of `key` in each record of `table`.

    Its columns: `id, chain, page, position`, and `value`, as `json_extract` gives it.
    """
    return f"""(
        SELECT record.id, record.chain, page, position,
               json_extract(body, '$[' || coalesce(own.place, of_list.place) || ']') AS value
        FROM record LEFT JOIN (
            SELECT shape.id AS shape, each.key AS place FROM shape, json_each(shape.keys) AS each
            WHERE each.value = '{key}'
        ) AS own USING (shape)
        LEFT JOIN key AS of_list
            ON record.shape IS NULL AND of_list.chain = record.chain
           AND of_list.name = '{exact_json.dumps(key)}'
        WHERE "table" = '{table}'
    )"""


def has_key(table: str, key: str) -> str:
    """Return the SQL of a condition: a record of `table` has `key`, be it null."""
    return f"""(
        EXISTS (SELECT 1 FROM key JOIN chain ON chain.name = key.chain
                WHERE "table" = '{table}' AND key.name = '{exact_json.dumps(key)}')
        OR EXISTS (SELECT 1 FROM record JOIN shape ON shape.id = record.shape,
                          json_each(shape.keys) AS each
                   WHERE "table" = '{table}' AND each.value = '{key}')
    )"""


def absent_rows(connection: sqlite3.Connection) -> list[tuple[Any, ...]]:
    """Return (table, id, verdict, asked_at) of the missing records that were asked for."""
    if not connection.execute("SELECT 1 FROM sqlite_master WHERE name = 'absent'").fetchone():
        return []  # a run of an earlier version
    return connection.execute('SELECT "table", id, verdict, asked_at FROM absent').fetchall()


def seconds_by_table(chains: Iterable[ChainRow]) -> dict[str, float]:
    """Return the seconds from the first to the last page of each table that has ended."""
    spans: dict[str, tuple[datetime, datetime]] = {}
    for chain in chains:
        if chain.started_at is None or chain.ended_at is None:
            continue
        began, ended = map(datetime.fromisoformat, (chain.started_at, chain.ended_at))
        known = spans.get(chain.table, (began, ended))
        spans[chain.table] = (min(began, known[0]), max(ended, known[1]))
    return {table: (ended - began).total_seconds() for table, (began, ended) in spans.items()}
