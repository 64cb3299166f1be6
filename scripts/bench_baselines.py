"""What the benchmark compares with: the same lists read by a plain program.

    python scripts/bench_baselines.py BASE_URL TOKEN --pause 0.12 --concurrency 1

With `--concurrency 1` one request after the other, each `--pause` seconds after the last answer, as
scripts for this API do. With more, every list at once: no pace, no retries, no checks of an answer.
`--finish` makes it the lower bound of a safe collector: each page is committed to a work file in
WAL mode, then come one copy in the order of the ids, the indexes of the links, one hash, the
integrity check and fsync. Nothing is left out that a power cut would ask for, and nothing is done
twice. Needs the installed package.
"""

from __future__ import annotations

import argparse
import asyncio
import hashlib
import json
import os
import sqlite3
from collections.abc import AsyncIterator, Iterable
from contextlib import closing
from typing import Any

import aiohttp
import orjson

from salesmap_async.api.endpoints import CORE_TABLES, Endpoint, endpoints_of, submissions_of

FORMS_KEY = "제출된 웹폼 목록"
LINKS = frozenset({"id", "organizationId", "peopleId", "dealId", "leadId", "webFormId"})

Record = dict[str, Any]


class Tables:
    """Tables that grow a column whenever a new key comes; `safe`: each page is committed."""

    def __init__(self, connection: sqlite3.Connection, *, safe: bool) -> None:
        self._connection = connection
        self._safe = safe
        self._columns: dict[str, dict[str, str]] = {}
        if safe:
            connection.execute("PRAGMA journal_mode = WAL")
            connection.execute("PRAGMA synchronous = NORMAL")

    def add(self, table: str, records: list[Record]) -> None:
        """Append records, with their values as SQLite takes them."""
        if not records:
            return
        columns = self._columns.setdefault(table, {})
        for record in records:
            for key in record.keys() - columns.keys():
                self._add_column(table, columns, key)
        places = ",".join("?" * len(columns))
        self._connection.executemany(
            f"INSERT INTO {table} VALUES ({places})",
            [[_value(record.get(key)) for key in columns] for record in records],
        )
        if self._safe:
            self._connection.commit()

    def finish(self) -> str:
        """Copy every table in the order of its ids, index, hash, check and sync; return the hash.

        The copy is not journaled: until it is complete, it does not exist.
        """
        digest = hashlib.sha256()
        self._connection.execute("ATTACH 'final.db' AS final")
        self._connection.execute("PRAGMA final.journal_mode = OFF")
        self._connection.execute("PRAGMA final.synchronous = OFF")
        for table, columns in self._columns.items():
            self._connection.execute(
                f"CREATE TABLE final.{table} AS SELECT * FROM {table} ORDER BY id"
            )
            for key in columns.keys() & LINKS:
                name = '"' + columns[key] + '"'
                self._connection.execute(f'CREATE INDEX final."{table} {key}" ON {table} ({name})')
            for row in self._connection.execute(f"SELECT * FROM final.{table} NOT INDEXED"):
                digest.update(orjson.dumps(row))
        self._connection.commit()
        assert self._connection.execute("PRAGMA final.integrity_check(1)").fetchone() == ("ok",)
        with open("final.db", "rb+") as final:  # noqa: PTH123
            os.fsync(final.fileno())
        return digest.hexdigest()

    def _add_column(self, table: str, columns: dict[str, str], key: str) -> None:
        # Names that differ by case only would be one column; the number keeps them apart.
        columns[key] = f"{key} {len(columns)}" if columns else key
        name = '"' + columns[key].replace('"', '""') + '"' if key != "id" else "id"
        if len(columns) == 1:
            self._connection.execute(f"CREATE TABLE {table} ({name})")
        else:
            self._connection.execute(f"ALTER TABLE {table} ADD COLUMN {name}")


class Reader:
    """Reads lists by their cursors, `concurrency` requests at a time."""

    def __init__(self, session: aiohttp.ClientSession, base_url: str, pause_s: float) -> None:
        self._session = session
        self._base_url = base_url
        self._pause_s = pause_s

    async def pages(self, endpoint: Endpoint) -> AsyncIterator[list[Record]]:
        """Yield the pages of one list; none where the server refuses it."""
        cursor: str | None = None
        while True:
            query = {} if cursor is None else {"cursor": cursor}
            async with self._session.get(self._base_url + endpoint.path, params=query) as answer:
                body = await answer.read()
            await asyncio.sleep(self._pause_s)
            if answer.status != 200:
                return
            data = _parsed(body)["data"]
            yield [record | dict(endpoint.added) for record in data[endpoint.list_key]]
            cursor = data.get("nextCursor") or data.get("nextCurosr")
            if cursor is None:
                return


async def read_all(reader: Reader, tables: Tables, concurrency: int) -> None:
    """Read the core lists, then the forms that people on deals have submitted."""
    people_on_deals: set[str] = set()
    forms_of: dict[str, list[Record]] = {}

    async def read(endpoint: Endpoint) -> None:
        async for records in reader.pages(endpoint):
            if endpoint.table == "people":
                forms_of.update((r["id"], r.get(FORMS_KEY) or []) for r in records)
            elif endpoint.table == "deal":
                people_on_deals.update(r["peopleId"] for r in records if r.get("peopleId"))
            tables.add(endpoint.table, records)

    await _each(read, endpoints_of(CORE_TABLES), concurrency)
    named = [form["id"] for person in people_on_deals for form in forms_of.get(person, [])]
    await _each(read, [submissions_of(form_id) for form_id in sorted(set(named))], concurrency)


async def _each(read: Any, endpoints: Iterable[Endpoint], concurrency: int) -> None:
    places = asyncio.Semaphore(concurrency)

    async def one(endpoint: Endpoint) -> None:
        async with places:
            await read(endpoint)

    await asyncio.gather(*map(one, endpoints))


def _parsed(body: bytes) -> Any:
    try:
        return orjson.loads(body)
    except orjson.JSONDecodeError:  # half an emoji, which orjson refuses and SQLite too
        text = json.dumps(json.loads(body), ensure_ascii=False)
        return orjson.loads(text.encode("utf-8", "replace"))


def _value(value: Any) -> Any:
    return orjson.dumps(value).decode() if isinstance(value, dict | list) else value


async def main() -> None:
    """Read everything into plain.db in the current folder."""
    parser = argparse.ArgumentParser(description="Read the core lists plainly.")
    parser.add_argument("base_url")
    parser.add_argument("token")
    parser.add_argument("--pause", type=float, default=0.0, help="seconds after each answer")
    parser.add_argument("--concurrency", type=int, default=1, help="lists at a time")
    parser.add_argument("--finish", action="store_true", help="the lower bound of a safe collector")
    options = parser.parse_args()
    headers = {"Authorization": f"Bearer {options.token}"}
    with closing(sqlite3.connect("plain.db")) as connection:
        tables = Tables(connection, safe=options.finish)
        async with aiohttp.ClientSession(headers=headers) as session:
            reader = Reader(session, options.base_url, options.pause)
            await read_all(reader, tables, options.concurrency)
        connection.commit()
        if options.finish:
            print(tables.finish())


if __name__ == "__main__":
    asyncio.run(main())
