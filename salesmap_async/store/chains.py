"""How chains leave the work DB (their records go with them), and how one differs from a table."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import aiosqlite

from salesmap_async.sqlite_file import quoted


async def drop_chains(
    connection: aiosqlite.Connection, condition: str, values: Sequence[Any] = ()
) -> list[str]:
    """Forget the chains that meet an SQL `condition` on `chain`; return their names."""
    rows = await connection.execute_fetchall(f"SELECT name FROM chain WHERE {condition}", values)
    names = [str(row[0]) for row in rows]
    for table, column in (("record", "chain"), ("key", "chain"), ("chain", "name")):
        await connection.executemany(
            f"DELETE FROM {table} WHERE {column} = ?", [(name,) for name in names]
        )
    return names


async def differing_ids(
    connection: aiosqlite.Connection, chain: str, table: str, *, up_to: str
) -> tuple[int, int]:
    """Count the ids of a chain, none after `up_to`, that the attached `final` has not in `table`;
    and those of `table` that the chain has not.
    """
    mine = "SELECT id FROM record WHERE chain = ?"
    known = f"SELECT id FROM final.{quoted(table)}"
    missed = await connection.execute_fetchall(
        f"SELECT count(*) FROM ({mine} AND id <= ? EXCEPT {known})", (chain, up_to)
    )
    gone = await connection.execute_fetchall(
        f"SELECT count(*) FROM ({known} EXCEPT {mine})", (chain,)
    )
    return next(iter(missed))[0], next(iter(gone))[0]


async def record_ids(connection: aiosqlite.Connection, table: str) -> list[str]:
    """Return the ids of all records of a table, each once, in order."""
    rows = await connection.execute_fetchall(
        'SELECT DISTINCT id FROM record WHERE "table" = ? AND id IS NOT NULL ORDER BY id', (table,)
    )
    return [str(row[0]) for row in rows]
