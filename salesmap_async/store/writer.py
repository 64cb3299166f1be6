"""The writer: one task that owns the only connection to the work DB.

I2: a page's records and its chain's progress are committed in one transaction, and a page is never
split. It commits at the first page end with at least `checkpoint_interval` records pending, and
whenever a chain ends. The task is never cancelled from outside; it ends by a sentinel. Any SQLite
error is final: the transaction is rolled back, nothing more is written, and every caller
gets a StoreError, so that the run ends and can be resumed from the last commit.
"""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TypeVar

import aiosqlite

from salesmap_async import exact_json
from salesmap_async.errors import StoreError
from salesmap_async.events import CheckpointCommitted, Listener
from salesmap_async.outlast import outlast
from salesmap_async.store.chains import drop_chains
from salesmap_async.store.checkpoint import TABLE_STATES, table_states
from salesmap_async.store.laying import Laying
from salesmap_async.store.mirror import Mirror
from salesmap_async.store.missing import MISSING_SCHEMA
from salesmap_async.store.page_store import learn, store_page
from salesmap_async.store.page_write import PageWrite
from salesmap_async.store.work_db import (
    CHAIN_COLUMNS,
    SCHEMA,
    ChainRow,
    NewChain,
    RunIdentity,
    chain_row,
)

QUEUE_PAGES = 8
MOST_QUEUED = 2_000_000
"""Pages waiting for the disk, and about their characters; beyond, fetching waits (I7)."""
_PAGE_BYTES = 16_384
"""Wide records fill such pages better than SQLite's usual ones; set before the file exists."""

_Result = TypeVar("_Result")
Job = Callable[[aiosqlite.Connection], Awaitable[_Result]]


@dataclass(frozen=True, slots=True)
class _Request:
    """A job whose result is awaited."""

    job: Job[Any]
    attach: Path | None
    done: asyncio.Future[Any]


class Writer:
    """Stores pages in the order they are given. Use it as an async context manager.

    `identity` makes a new work DB; without it the existing one is opened.
    """

    def __init__(
        self,
        path: Path,
        *,
        checkpoint_interval: int,
        tell: Listener,
        identity: RunIdentity | None = None,
    ) -> None:
        self._path = path
        self._checkpoint_interval = checkpoint_interval
        self._tell = tell
        self._new_identity = identity
        self._queue: asyncio.Queue[PageWrite | _Request | None] = asyncio.Queue(QUEUE_PAGES)
        self._queued_size = 0
        self._has_room = asyncio.Event()
        self._has_room.set()
        self._connection: aiosqlite.Connection | None = None
        self._task: asyncio.Task[None] | None = None
        self._error: StoreError | None = None
        self._run: dict[str, Any] = {}
        self.laying = Laying()
        self._mirror = Mirror(path.with_name("checkpoint.json"), tell)
        self._pending_records = 0
        self._committed_records = 0

    async def __aenter__(self) -> Self:
        try:
            self._connection = await aiosqlite.connect(self._path, isolation_level=None, uri=True)
            await self._prepare(self._connection)
        except sqlite3.Error as error:
            await self._close()
            raise self._broken(error) from error
        except BaseException:
            await self._close()
            raise
        self._task = asyncio.create_task(self._consume(self._connection), name="writer")
        return self

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        # A connection left open would hang the exit.
        _, cancelled = await outlast(asyncio.ensure_future(self._finish()))
        if cancelled:
            raise asyncio.CancelledError
        if exc is None and self._error is not None:
            raise self._error

    @property
    def broken(self) -> bool:
        """Whether the work DB has refused something; nothing more can be stored then."""
        return self._error is not None

    @property
    def run_values(self) -> dict[str, Any]:
        """What the `run` table holds."""
        return dict(self._run)

    async def write(self, page: PageWrite) -> None:
        """Queue one page; waits while the disk is behind. Raises StoreError once writing failed.

        One caller at a time.
        """
        self._raise_if_broken()
        await self._has_room.wait()
        self._count_queued(page.laid.size)
        await self._queue.put(page)
        self._raise_if_broken()

    def _count_queued(self, size: int) -> None:
        self._queued_size += size
        if self._queued_size < MOST_QUEUED:
            self._has_room.set()
        else:
            self._has_room.clear()

    async def run(self, job: Job[_Result], *, attach: Path | None = None) -> _Result:
        """Run `job` on the connection after everything queued so far, in its own transaction.

        `attach` is a database that the job may read as `final`; it is open in no other moment.
        """
        self._raise_if_broken()
        done: asyncio.Future[_Result] = asyncio.get_running_loop().create_future()
        await self._queue.put(_Request(job, attach, done))
        return await done

    async def add_chains(self, chains: Sequence[NewChain]) -> list[ChainRow]:
        """Add the chains that the work DB does not know yet; return all those named, as stored."""
        names = [chain.name for chain in chains]

        async def add(connection: aiosqlite.Connection) -> list[ChainRow]:
            await connection.executemany(
                'INSERT OR IGNORE INTO chain (name, "table", path, added, since, progress)'
                " VALUES (?, ?, ?, ?, ?, ?)",
                [
                    (
                        c.name,
                        c.table,
                        c.path,
                        exact_json.dumps(c.added),
                        c.since,
                        exact_json.dumps(c.progress),
                    )
                    for c in chains
                ],
            )
            rows = await connection.execute_fetchall(f"SELECT {CHAIN_COLUMNS} FROM chain")
            stored = {row.name: row for row in map(chain_row, map(tuple, rows))}
            return [stored[name] for name in names]

        return await self.run(add)

    async def stored_chains(self) -> list[ChainRow]:
        """Return every chain that the work DB knows."""

        async def read(connection: aiosqlite.Connection) -> list[ChainRow]:
            rows = await connection.execute_fetchall(f"SELECT {CHAIN_COLUMNS} FROM chain")
            return [chain_row(tuple(row)) for row in rows]

        return await self.run(read)

    async def drop_chains(
        self, names: Sequence[str], *, kept: str, progress: dict[str, Any], reopened: bool
    ) -> None:
        """Forget the chains `names` with their records.

        In the same transaction the chain `kept` gets its new progress, and is read on if reopened.
        """

        async def drop(connection: aiosqlite.Connection) -> None:
            marks = ", ".join("?" * len(names))
            self.laying.forget(await drop_chains(connection, f"name IN ({marks})", names))
            again = ", state = 'reading', ended_at = NULL" if reopened else ""
            await connection.execute_fetchall(
                f"UPDATE chain SET progress = ?{again} WHERE name = ?",
                (exact_json.dumps(progress), kept),
            )

        await self.run(drop)

    async def read_anew(self, tables: Sequence[str]) -> None:
        """Forget all that was read of these tables, ranges of their lists too.

        That they are read a second time is remembered in the same transaction (`read_anew`).
        """
        again = sorted({*self._run.get("read_anew", ()), *tables})
        marks = ", ".join("?" * len(tables))

        async def forget(connection: aiosqlite.Connection) -> None:
            self.laying.forget(await drop_chains(connection, f'"table" IN ({marks})', tables))
            await connection.execute_fetchall(
                "INSERT OR REPLACE INTO run VALUES ('read_anew', ?)", (exact_json.dumps(again),)
            )

        await self.run(forget)
        self._run["read_anew"] = again

    async def remember(self, **values: Any) -> None:
        """Store run-wide values in the `run` table."""

        async def put(connection: aiosqlite.Connection) -> None:
            await connection.executemany(
                "INSERT OR REPLACE INTO run VALUES (?, ?)",
                [(key, exact_json.dumps(value)) for key, value in values.items()],
            )

        await self.run(put)
        self._run |= values

    # -- the task -------------------------------------------------------------------------------

    async def _consume(self, connection: aiosqlite.Connection) -> None:
        """Take from the queue until the sentinel; after an error only empty it."""
        while (item := await self._queue.get()) is not None:
            try:
                if isinstance(item, PageWrite):
                    self._count_queued(-item.laid.size)
                    self._raise_if_broken()
                    await self._store(connection, item)
                else:
                    await self._do(connection, item)
            except StoreError:
                continue
            except Exception as error:
                # Whatever it is, the task must go on taking, or its callers would wait for ever.
                self._error = self._broken(error)
                await _roll_back(connection)

    async def _store(self, connection: aiosqlite.Connection, page: PageWrite) -> None:
        if not connection.in_transaction:
            await connection.execute_fetchall("BEGIN IMMEDIATE")
        self._pending_records += await store_page(connection, page)
        ended = page.state != "reading"
        if ended or self._pending_records >= self._checkpoint_interval:
            await self._commit(connection, mirror=ended or self._mirror.is_due())

    async def _do(self, connection: aiosqlite.Connection, request: _Request) -> None:
        if self._error is not None:
            _settle(request.done, error=self._error)
            return
        try:
            if connection.in_transaction:
                await self._commit(connection)
            if request.attach is not None:
                uri = f"{request.attach.as_uri()}?mode=ro"
                await connection.execute_fetchall("ATTACH ? AS final", (uri,))
            await connection.execute_fetchall("BEGIN")
            result = await request.job(connection)
            await self._commit(connection)
            if request.attach is not None:
                await connection.execute_fetchall("DETACH final")
        except Exception as error:
            _settle(request.done, error=self._broken(error))
            raise
        _settle(request.done, result=result)

    async def _commit(self, connection: aiosqlite.Connection, *, mirror: bool = True) -> None:
        await connection.commit()
        if not self._path.exists():
            # A deleted file takes every write; nothing of it could ever be published.
            raise FileNotFoundError(f"{self._path} has vanished")
        self._committed_records += self._pending_records
        self._pending_records = 0
        if mirror:
            await self._write_mirror(connection)
        self._tell(CheckpointCommitted(self._committed_records))

    async def _write_mirror(self, connection: aiosqlite.Connection) -> None:
        rows = await connection.execute_fetchall(TABLE_STATES)
        await self._mirror.write(self._run | {"tables": table_states(map(tuple, rows))})

    # -- opening and closing --------------------------------------------------------------------

    async def _prepare(self, connection: aiosqlite.Connection) -> None:
        # WAL with NORMAL keeps every commit over a kill; a power cut may take the last ones, rows
        # and cursor together. PRAGMAs go through execute_fetchall: a statement left open would
        # keep a read transaction.
        connection.text_factory = _lenient_text
        await connection.execute_fetchall(f"PRAGMA page_size = {_PAGE_BYTES}")
        await connection.execute_fetchall("PRAGMA journal_mode = WAL")
        await connection.execute_fetchall("PRAGMA synchronous = NORMAL")
        if self._new_identity is not None:
            await connection.execute_fetchall("BEGIN IMMEDIATE")
            for statement in (SCHEMA + MISSING_SCHEMA).split(";"):
                if statement.strip():
                    await connection.execute_fetchall(statement)
            await connection.executemany(
                "INSERT INTO run VALUES (?, ?)",
                [
                    (name, exact_json.dumps(getattr(self._new_identity, name)))
                    for name in RunIdentity.__slots__
                ],
            )
            await connection.commit()
        rows = await connection.execute_fetchall("SELECT key, value FROM run")
        self._run = {key: exact_json.loads(value.encode()) for key, value in map(tuple, rows)}
        await learn(self.laying, connection)
        await self._write_mirror(connection)

    async def _finish(self) -> None:
        if self._task is not None:
            await self._queue.put(None)
            await self._task
            self._task = None
        try:
            await self._settle_wal()
        except sqlite3.Error as error:
            self._error = self._error or self._broken(error)
        await self._close()

    async def _settle_wal(self) -> None:
        """Commit what is pending and bring the log into the file.

        An error while SQLite checkpoints by itself is not reported; this explicit one is. That a
        reader keeps the log from being emptied does no harm.
        """
        connection = self._connection
        if connection is None or self._error is not None:
            return
        if connection.in_transaction:
            await self._commit(connection, mirror=False)
        await self._write_mirror(connection)
        await connection.execute_fetchall("PRAGMA wal_checkpoint(TRUNCATE)")

    async def _close(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            await connection.close()

    def _broken(self, error: Exception) -> StoreError:
        return StoreError(
            f"the work DB {self._path} cannot be used: {error}",
            cure="look at free disk space and at the folder's permissions, then resume the run",
        )

    def _raise_if_broken(self) -> None:
        if self._error is not None:
            raise self._error


def _lenient_text(data: bytes) -> str:
    """Read text that SQL functions cut out of JSON with a lone surrogate in it."""
    return data.decode("utf-8", "replace")


async def _roll_back(connection: aiosqlite.Connection) -> None:
    try:
        await connection.rollback()
    except sqlite3.Error:
        # SQLITE_FULL and SQLITE_IOERR have rolled back by themselves; the run ends either way.
        return


def _settle(
    done: asyncio.Future[Any], *, result: Any = None, error: StoreError | None = None
) -> None:
    """Answer the caller, unless it was cancelled meanwhile."""
    if done.done():
        return
    if error is not None:
        done.set_exception(error)
    else:
        done.set_result(result)
