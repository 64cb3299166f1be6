"""How one answered page gets into the tables of the work DB.

I2: its records, the keys and shapes that are new with them and its chain's progress are written in
one transaction. The writer begins it and commits it; nothing is committed here.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

import aiosqlite

from salesmap_async import exact_json
from salesmap_async.store.laying import Keys, LaidRecord, Laying, came
from salesmap_async.store.missing import store_links
from salesmap_async.store.page_write import PageWrite


async def learn(laying: Laying, connection: aiosqlite.Connection) -> None:
    """Let `laying` know what the work DB has."""
    last = await connection.execute_fetchall("SELECT coalesce(max(id), 0) FROM shape")
    rows = await connection.execute_fetchall("SELECT chain, name FROM key ORDER BY chain, place")
    keys: dict[str, list[str]] = {}
    for chain, name in map(tuple, rows):
        keys.setdefault(chain, []).append(exact_json.loads(name.encode()))
    kinds = await connection.execute_fetchall("SELECT name, kinds FROM chain")
    lists = {name: (keys.get(name, ()), text) for name, text in map(tuple, kinds)}
    laying.learn(next(iter(last))[0], lists)


async def store_page(connection: aiosqlite.Connection, page: PageWrite) -> int:
    """Write one page; return how many records were new."""
    if page.restart:
        for table in ("record", "key"):
            await connection.execute_fetchall(f"DELETE FROM {table} WHERE chain = ?", (page.chain,))
    await _store_keys(connection, page)
    records = page.laid.records
    if page.known_pages is not None:
        records = await _unknown(connection, page)
    if records:
        place = (page.table, page.chain, page.page)
        await connection.executemany(
            "INSERT INTO record VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
            [
                (*place, position, each.id, each.shape, each.nulls, each.body)
                for position, each in enumerate(records)
            ],
        )
        await store_links(connection, page.links)
    await connection.execute_fetchall(
        "UPDATE chain SET state = ?, pages = ?, rows = ? + CASE WHEN ? THEN 0 ELSE rows END,"
        " progress = ?, error = ?, kinds = coalesce(?, kinds),"
        " started_at = coalesce(started_at, ?), ended_at = ?"
        " WHERE name = ?",
        (
            page.state,
            page.pages,
            len(records),
            page.restart,
            exact_json.dumps(page.progress),
            page.error,
            "{}" if page.restart else page.laid.kinds,
            page.at,
            page.at if page.state != "reading" else None,
            page.chain,
        ),
    )
    return len(records)


async def _store_keys(connection: aiosqlite.Connection, page: PageWrite) -> None:
    if page.laid.keys:
        await connection.executemany(
            "INSERT INTO key VALUES (?, ?, ?)",
            [(page.chain, place, exact_json.dumps(key)) for place, key in page.laid.keys],
        )
    if page.laid.shapes:
        await connection.executemany(
            "INSERT INTO shape VALUES (?, ?)",
            [(number, exact_json.dumps(keys)) for keys, number in page.laid.shapes.items()],
        )


async def _unknown(connection: aiosqlite.Connection, page: PageWrite) -> Sequence[LaidRecord]:
    """Return the page's records that do not stand as they came in `known_pages`."""
    keys = await _keys_of(connection, page.chain)
    shapes = {number: own for own, number in page.laid.shapes.items()}
    rows = await connection.execute_fetchall(
        "SELECT keys, nulls, body FROM record LEFT JOIN shape ON shape.id = record.shape"
        " WHERE chain = ? AND page BETWEEN ? AND ?",
        (page.chain, *(page.known_pages or (0, -1))),
    )
    known = Counter(
        _as_it_came(exact_json.loads(own.encode()) if own else keys, nulls, body)
        for own, nulls, body in map(tuple, rows)
    )
    unknown = []
    for record in page.laid.records:
        own = await _shape(connection, record.shape, shapes)
        said = _as_it_came(own or keys, record.nulls, record.body)
        if known[said] > 0:
            known[said] -= 1
        else:
            unknown.append(record)
    return unknown


def _as_it_came(keys: Sequence[str], nulls: str | None, body: str) -> str:
    """Return a record as text that does not depend on how it was laid out."""
    values = exact_json.loads(body.encode())
    record = came(keys[: len(values)], values, nulls)
    return exact_json.dumps(sorted(record.items(), key=lambda item: item[0]))


async def _keys_of(connection: aiosqlite.Connection, chain: str) -> Keys:
    rows = await connection.execute_fetchall(
        "SELECT name FROM key WHERE chain = ? ORDER BY place", (chain,)
    )
    return tuple(exact_json.loads(row[0].encode()) for row in rows)


async def _shape(
    connection: aiosqlite.Connection, shape: int | None, new: Mapping[int, Keys]
) -> Keys | None:
    if shape is None or shape in new:
        return None if shape is None else new[shape]
    rows = await connection.execute_fetchall("SELECT keys FROM shape WHERE id = ?", (shape,))
    return tuple(exact_json.loads(next(iter(rows))[0].encode()))
