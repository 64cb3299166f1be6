"""The workers: every list at once, one request per slot, each page handed to the writer.

A worker first takes the next slot and only then the chain that needs it most, and one worker at a
time does so: a slot is asked for only when some chain is ready for it, so that none is wasted and
the longest list never waits behind short ones. Tasks are started here and nowhere else.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from salesmap_async import exact_json
from salesmap_async.api.client import Client
from salesmap_async.api.endpoints import SUBMISSION_TABLE
from salesmap_async.api.pages import FORM_GONE, Page
from salesmap_async.api.throttle import Slot, Throttle
from salesmap_async.collect.chains import Chain, ChainBrokenError, Storable, record_id
from salesmap_async.collect.order import Order
from salesmap_async.collect.webforms import Webforms
from salesmap_async.errors import (
    RequestRefusedError,
    SalesmapError,
    StoppedError,
    TablesFailedError,
    UnusableAnswerError,
)
from salesmap_async.events import Listener, TableFinished, TableProgress, Warned
from salesmap_async.stop import Stop
from salesmap_async.store.page_write import PageWrite, StoredRecord
from salesmap_async.store.writer import Writer

GRACE_S = 5.0
"""How long pages in flight may still arrive after a stop was requested."""


@dataclass(slots=True)
class _Tally:
    """Cumulative figures of one table over its chains."""

    open_chains: int = 0
    pages: int = 0
    rows: int = 0
    error: str = ""


class Collector:
    """Reads all chains of a run to their end.

    `webforms` adds the chains of the submissions once the lists they depend on are complete; None
    where the run does not read them.
    """

    def __init__(
        self,
        *,
        client: Client,
        throttle: Throttle,
        writer: Writer,
        order: Order,
        webforms: Webforms | None,
        concurrency: int,
        stop: Stop,
        tell: Listener,
    ) -> None:
        self._client = client
        self._throttle = throttle
        self._writer = writer
        self._order = order
        self._webforms = webforms
        self._concurrency = concurrency
        self._stop = stop
        self._tell = tell
        self._turn = asyncio.Lock()
        self._changed = asyncio.Event()
        self._ready: dict[str, Chain] = {}
        self._busy = 0
        self._cure = ""
        self._tallies: dict[str, _Tally] = {}
        self._in_flight: set[asyncio.Timeout] = set()

    async def collect(self, chains: Sequence[Chain]) -> None:
        """Read `chains` and those that follow from them to their end.

        Raises TablesFailedError when some table failed and all others are complete, StoppedError
        after a stop, or the first error that ends a run (token, quota, work DB). Everything read
        until then is with the writer.
        """
        self._add(chains)
        try:
            await self._add_webforms()
            async with asyncio.TaskGroup() as tasks:
                grace = tasks.create_task(self._limit_grace())
                async with asyncio.TaskGroup() as workers:
                    for number in range(self._concurrency):
                        workers.create_task(self._work(), name=f"worker {number}")
                grace.cancel()
        except BaseExceptionGroup as group:
            raise _first_cause(group) from None
        self._stop.check()
        failures = {table: t.error for table, t in self._tallies.items() if t.error}
        if failures:
            raise TablesFailedError(failures, cure=self._cure)

    # -- one worker -------------------------------------------------------------------------------

    async def _work(self) -> None:
        while (taken := await self._take()) is not None:
            chain, slot = taken
            try:
                await self._read_page(chain, slot)
                if chain.ended:
                    await self._add_webforms()
            except StoppedError:
                return
            # Not after an error: the run is over, and nobody shall ask this page again.
            self._put_back(chain)

    async def _take(self) -> tuple[Chain, Slot] | None:
        """Wait for a ready chain, then for a slot; None when all is read or the run stops."""
        async with self._turn:
            while not self._ready:
                if not self._busy or self._stop.requested:
                    return None
                self._changed.clear()
                await self._changed.wait()
            try:
                slot = await self._throttle.slot()
            except StoppedError:
                return None
            chain = self._order.neediest(self._ready.values())
            del self._ready[chain.name]
            self._busy += 1
            return chain, slot

    def _put_back(self, chain: Chain) -> None:
        self._busy -= 1
        if not chain.ended:
            self._ready[chain.name] = chain
        self._changed.set()

    async def _read_page(self, chain: Chain, slot: Slot) -> None:
        endpoint = chain.endpoint
        before = chain.pages, chain.rows
        records: list[StoredRecord] = []
        try:
            async with asyncio.timeout(None) as limit:
                self._in_flight.add(limit)
                if self._stop.requested:
                    self._end_soon(limit)
                try:
                    page = await self._client.page(
                        endpoint.path, endpoint.list_key, chain.cursor, slot
                    )
                finally:
                    self._in_flight.discard(limit)
            records = _as_stored(page, endpoint.id_key)
            storable = chain.take(page)
        except TimeoutError:
            self._stop.check()
            raise
        except RequestRefusedError as error:
            storable = _after_refusal(chain, error)
            self._cure = self._cure or (error.cure if chain.state == "failed" else "")
        except (UnusableAnswerError, ChainBrokenError) as error:
            storable = _given_up(chain, str(error))
        await self._writer.write(_page_write(chain, storable, records))
        self._order.advanced(chain)
        tally = self._tallies[endpoint.table]
        tally.pages += chain.pages - before[0]
        tally.rows += chain.rows - before[1]
        self._tell_progress(chain, tally)

    def _tell_progress(self, chain: Chain, tally: _Tally) -> None:
        self._tell(TableProgress(chain.endpoint.table, tally.pages, tally.rows))
        if chain.ended:
            self._chain_ended(chain, tally)

    def _chain_ended(self, chain: Chain, tally: _Tally) -> None:
        table = chain.endpoint.table
        if chain.state == "failed":
            tally.error = tally.error or chain.error
        elif chain.state == "skipped":
            self._tell(Warned(f"{table}: {chain.error}"))
        tally.open_chains -= 1
        self._tell_if_complete(table)

    def _tell_if_complete(self, table: str) -> None:
        tally = self._tallies[table]
        if tally.open_chains == 0:
            self._tell(
                TableFinished(
                    table,
                    tally.pages,
                    tally.rows,
                    "failed" if tally.error else "done",
                    tally.error,
                )
            )

    # -- chains -----------------------------------------------------------------------------------

    def _add(self, chains: Sequence[Chain]) -> None:
        """Take up chains; those that an earlier start has read only count."""
        for chain in chains:
            tally = self._tallies.setdefault(chain.endpoint.table, _Tally())
            tally.pages += chain.pages
            tally.rows += chain.rows
            if not chain.ended:
                tally.open_chains += 1
                self._ready[chain.name] = chain
        for table in {chain.endpoint.table for chain in chains}:
            self._tell_if_complete(table)
        self._changed.set()

    async def _add_webforms(self) -> None:
        """Start the submissions once everything they depend on is complete."""
        if self._webforms is None or not self._webforms.may_start(self._open_tables()):
            return
        webforms, self._webforms = self._webforms, None
        blocked = [table for table in webforms.depends_on if self._error_of(table)]
        if blocked:
            why = f"not read, because {', '.join(blocked)} failed"
            self._tallies[SUBMISSION_TABLE] = _Tally(error=why)
            self._tell_if_complete(SUBMISSION_TABLE)
            return
        self._tallies.setdefault(SUBMISSION_TABLE, _Tally())
        chains = await webforms.chains(self._writer)
        self._add(chains)
        if not chains:
            self._tell_if_complete(SUBMISSION_TABLE)

    def _open_tables(self) -> set[str]:
        return {table for table, tally in self._tallies.items() if tally.open_chains}

    def _error_of(self, table: str) -> str:
        return self._tallies[table].error if table in self._tallies else ""

    # -- stopping ---------------------------------------------------------------------------------

    async def _limit_grace(self) -> None:
        """After a stop, let idle workers go and give pages in flight GRACE_S."""
        await self._stop.wait()
        self._changed.set()
        for limit in self._in_flight:
            self._end_soon(limit)

    def _end_soon(self, limit: asyncio.Timeout) -> None:
        limit.reschedule(asyncio.get_running_loop().time() + GRACE_S)


def _after_refusal(chain: Chain, error: RequestRefusedError) -> Storable:
    """Decide what a refused page means for its chain."""
    if chain.endpoint.table == SUBMISSION_TABLE and FORM_GONE in error.reason:
        chain.leave_out(f"{chain.label} is gone upstream: skipped")
        return Storable(0, ())
    if error.status == 400 and chain.cursor is not None:
        try:
            return chain.cursor_refused(error.reason)
        except ChainBrokenError as broken:
            return _given_up(chain, str(broken))
    return _given_up(chain, str(error))


def _given_up(chain: Chain, why: str) -> Storable:
    chain.fail(why)
    return Storable(0, ())


def _as_stored(page: Page, id_key: str) -> list[StoredRecord]:
    """Return the page's records as the work DB keeps them, before anything moves on."""
    try:
        return [
            StoredRecord(id=record_id(record, id_key), body=exact_json.dumps(record))
            for record in page.records
        ]
    except ValueError as error:
        raise UnusableAnswerError(f"a record cannot be stored: {error}", status=200) from None


def _page_write(chain: Chain, storable: Storable, records: list[StoredRecord]) -> PageWrite:
    return PageWrite(
        chain=chain.name,
        table=chain.endpoint.table,
        page=storable.page,
        pages=chain.pages,
        records=records if storable.records else (),
        state=chain.state,
        progress=chain.progress(),
        error=chain.error,
        at=datetime.now(UTC).isoformat(timespec="milliseconds"),
        known_pages=storable.known_pages,
        restart=storable.restart,
    )


def _first_cause(group: BaseExceptionGroup[BaseException]) -> BaseException:
    """Return the one error to show: the first of ours, else the first of all."""
    flat: list[BaseException] = []
    waiting: list[BaseException] = [group]
    while waiting:
        error = waiting.pop(0)
        if isinstance(error, BaseExceptionGroup):
            waiting += error.exceptions
        else:
            flat.append(error)
    return next((error for error in flat if isinstance(error, SalesmapError)), flat[0])
