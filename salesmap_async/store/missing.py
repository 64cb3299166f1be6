"""What the work DB knows of records that are named but were not listed, and of those not there.

- `link(target, id)`: every id that a record names in a table of the catalogue, whether it is there
  or not. Kept while pages are stored: later it would cost reading everything once more.
- `absent(table, id, verdict, asked_at)`: records that were asked for by id because no list gave
  them; `gone`: the server has none, `unlisted`: it has, but gives it in no list.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

import aiosqlite

Verdict = Literal["gone", "unlisted"]

MISSING_SCHEMA = """
CREATE TABLE link (target TEXT, id TEXT, PRIMARY KEY (target, id)) WITHOUT ROWID;
CREATE TABLE absent (
    "table" TEXT, id TEXT, verdict TEXT NOT NULL, asked_at TEXT, PRIMARY KEY ("table", id)
) WITHOUT ROWID
"""
IDS_IN_ORDER = """
CREATE INDEX IF NOT EXISTS record_in_order ON record ("table", id, chain, page, position)
"""
"""Makes it cheap to look for an id; the build reads in this order."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Absent:
    """One record that was asked for by its id, and what came of it. `asked_at`: ISO 8601, UTC."""

    table: str
    id: str
    verdict: Verdict
    asked_at: str


async def store_links(connection: aiosqlite.Connection, links: Iterable[tuple[str, str]]) -> None:
    """Keep ids that records name, each with the table it is named in."""
    await connection.executemany("INSERT OR IGNORE INTO link VALUES (?, ?)", list(links))


async def not_read(connection: aiosqlite.Connection, table: str, ids: Sequence[str]) -> list[str]:
    """Return those of `ids` that no record of `table` has."""
    rows = await connection.execute_fetchall(
        'SELECT value FROM json_each(?) WHERE NOT EXISTS (SELECT 1 FROM record WHERE "table" = ?'
        " AND id = value)",
        (json.dumps(ids), table),
    )
    return [str(row[0]) for row in rows]


async def count_ids(connection: aiosqlite.Connection, table: str) -> int:
    """Return how many different ids the records of `table` have."""
    rows = await connection.execute_fetchall(
        'SELECT count(DISTINCT id) FROM record WHERE "table" = ?', (table,)
    )
    return int(next(iter(rows))[0])


async def named_but_not_read(connection: aiosqlite.Connection, table: str) -> list[str]:
    """Return the ids that records name in `table`, and that none of its records has."""
    rows = await connection.execute_fetchall(
        "SELECT id FROM link WHERE target = ?1 AND NOT EXISTS"
        ' (SELECT 1 FROM record WHERE "table" = ?1 AND record.id = link.id) ORDER BY id',
        (table,),
    )
    return [str(row[0]) for row in rows]


async def keep_absent(connection: aiosqlite.Connection, absent: Iterable[Absent]) -> None:
    """Keep what was asked; a newer verdict replaces an older one, a record that came has none."""
    await connection.executemany(
        "INSERT OR REPLACE INTO absent VALUES (?, ?, ?, ?)",
        [(each.table, each.id, each.verdict, each.asked_at) for each in absent],
    )
    await connection.execute_fetchall(
        'DELETE FROM absent WHERE EXISTS (SELECT 1 FROM record WHERE record."table" ='
        ' absent."table" AND record.id = absent.id)'
    )
