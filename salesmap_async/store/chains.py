"""How chains leave the work DB: their records go with them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import aiosqlite


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
