"""How one answered page gets into the tables of the work DB.

I2: its records, the shapes and kinds that are new with them and its chain's progress are written
in one transaction. The writer begins it and commits it; nothing is committed here.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence

import aiosqlite

from salesmap_async import exact_json
from salesmap_async.store.kinds import Kinds
from salesmap_async.store.missing import store_links
from salesmap_async.store.page_write import PageWrite, StoredRecord
from salesmap_async.store.shapes import Shapes


class PageStore:
    """Stores pages, and knows which shapes and kinds the work DB has already.

    After an error it knows too much: the transaction is rolled back, and the run ends.
    """

    def __init__(self) -> None:
        self._shapes = Shapes(0)
        self._kinds: dict[str, Kinds] = {}

    async def prepare(self, connection: aiosqlite.Connection) -> None:
        """Learn what an existing work DB has."""
        last = await connection.execute_fetchall("SELECT coalesce(max(id), 0) FROM shape")
        self._shapes = Shapes(next(iter(last))[0])

    def forget(self, chains: Iterable[str]) -> None:
        """Drop what is known of chains that are dropped."""
        for chain in chains:
            self._kinds.pop(chain, None)

    async def store(self, connection: aiosqlite.Connection, page: PageWrite) -> int:
        """Write one page; return how many records were new."""
        if page.restart:
            await connection.execute_fetchall("DELETE FROM record WHERE chain = ?", (page.chain,))
        records, place = page.records, (page.table, page.chain, page.page)
        if page.known_pages is not None:
            records = await _unknown(connection, page)
        if records:
            shapes = await self._shapes_of(connection, records)
            await connection.executemany(
                "INSERT INTO record VALUES (?, ?, ?, ?, ?, ?, ?)",
                [
                    (*place, position, record.id, shape, record.body)
                    for position, (record, shape) in enumerate(zip(records, shapes, strict=True))
                ],
            )
            await store_links(connection, page.links)
        ended = page.state != "reading"
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
                await self._new_kinds(connection, page, records),
                page.at,
                page.at if ended else None,
                page.chain,
            ),
        )
        return len(records)

    async def _shapes_of(
        self, connection: aiosqlite.Connection, records: Sequence[StoredRecord]
    ) -> list[int]:
        """Return the number of each record's shape; store the new ones."""
        numbers, new = self._shapes.number(tuple(each.record) for each in records)
        if new:
            await connection.executemany(
                "INSERT INTO shape VALUES (?, ?)",
                [(number, exact_json.dumps(keys)) for keys, number in new.items()],
            )
        return numbers

    async def _new_kinds(
        self, connection: aiosqlite.Connection, page: PageWrite, records: Sequence[StoredRecord]
    ) -> str | None:
        """Return the chain's kinds as JSON where this page adds to them, else None."""
        if page.restart:
            self._kinds[page.chain] = Kinds()
        elif page.chain not in self._kinds:
            rows = await connection.execute_fetchall(
                "SELECT kinds FROM chain WHERE name = ?", (page.chain,)
            )
            self._kinds[page.chain] = Kinds(next(iter(rows))[0])
        kinds = self._kinds[page.chain]
        before = len(kinds)
        for record in records:
            kinds.add(record.record)
        if page.state != "reading":
            del self._kinds[page.chain]
        if len(kinds) == before and not page.restart:
            return None
        return kinds.as_json()


async def _unknown(connection: aiosqlite.Connection, page: PageWrite) -> list[StoredRecord]:
    """Return the page's records that do not stand byte for byte in `known_pages`."""
    rows = await connection.execute_fetchall(
        "SELECT keys, body FROM record JOIN shape ON shape.id = record.shape"
        " WHERE chain = ? AND page BETWEEN ? AND ?",
        (page.chain, *(page.known_pages or (0, -1))),
    )
    known = Counter(map(tuple, rows))
    unknown = []
    for record in page.records:
        stored = exact_json.dumps(tuple(record.record)), record.body
        if known[stored] > 0:
            known[stored] -= 1
        else:
            unknown.append(record)
    return unknown
