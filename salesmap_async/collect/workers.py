"""The workers: every list at once, one request per slot, each page handed to the writer.

A worker first takes the next slot and only then the chain that needs it most, and one worker at a
time does so: a slot is asked for only when some chain is ready for it, so that none is wasted and
the longest list never waits behind short ones. When a slot comes up for which no chain is ready, a
list that can be is split in two, or forms are begun before people and deals are complete. Tasks are
started here and nowhere else.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from salesmap_async.api.client import Client
from salesmap_async.api.endpoints import CORE_TABLES, Endpoint
from salesmap_async.api.pages import Page
from salesmap_async.api.throttle import Slot, Throttle
from salesmap_async.collect.answers import Position, is_not_to_be_had, page_write
from salesmap_async.collect.chains import Chain, restored_chain
from salesmap_async.collect.ranges import slots_to_fill
from salesmap_async.collect.schedule import Dropped, Schedule
from salesmap_async.collect.webforms import Webforms
from salesmap_async.errors import (
    RequestRefusedError,
    SalesmapError,
    StoppedError,
    TablesFailedError,
    TokenRefusedError,
    UnusableAnswerError,
)
from salesmap_async.events import Listener, Note, Warned
from salesmap_async.stop import Stop
from salesmap_async.store.writer import Writer

GRACE_S = 5.0
"""How long pages in flight may still arrive after a stop was requested."""


class Collector:
    """Reads all chains of a run to their end, each when `schedule` says.

    `webforms` adds the chains of the submissions once the lists they depend on are complete; None
    where the run does not read them.
    """

    def __init__(
        self,
        *,
        client: Client,
        throttle: Throttle,
        writer: Writer,
        schedule: Schedule,
        webforms: Webforms | None,
        concurrency: int,
        stop: Stop,
        tell: Listener,
    ) -> None:
        self._client = client
        self._throttle = throttle
        self._writer = writer
        self._schedule = schedule
        self._webforms = webforms
        self._concurrency = concurrency
        self._stop = stop
        self._tell = tell
        # One worker at a time asks for a slot; one at a time changes what is in the schedule.
        self._turn = asyncio.Lock()
        self._taking = asyncio.Lock()
        self._changed = asyncio.Event()
        self._in_flight: set[asyncio.Timeout] = set()

    async def collect(self, chains: Sequence[Chain]) -> None:
        """Read `chains` and those that follow from them to their end.

        Raises TablesFailedError when some table failed and all others are complete, StoppedError
        after a stop, or the first error that ends a run (token, quota, work DB). Everything read
        until then is with the writer.
        """
        self._schedule.add(chains)
        if self._webforms is not None:
            self._schedule.await_forms()
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
        if failures := self._schedule.tallies.errors():
            raise TablesFailedError(failures, cure=self._schedule.cure or _without(failures))

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
            # Not after an error: the run is over, and this page is not to be asked again.
            self._schedule.put_back(chain)
            self._changed.set()

    async def _take(self) -> tuple[Chain, Slot] | None:
        """Wait for a ready chain, then for a slot; None when all is read or the run stops."""
        async with self._turn:
            while True:
                while not self._schedule.has_ready:
                    if self._schedule.is_over or self._stop.requested:
                        return None
                    await self._wait_for_ready()
                try:
                    slot = await self._throttle.slot()
                except StoppedError:
                    return None
                # What was ready may have been dropped meanwhile.
                if (chain := self._schedule.next()) is not None:
                    return chain, slot

    async def _wait_for_ready(self) -> None:
        """Wait until a chain comes back; make one when a slot would stay idle meanwhile."""
        self._changed.clear()
        if self._throttle.interval_s > 0:
            try:
                async with asyncio.timeout(self._throttle.free_in_s()):
                    await self._changed.wait()
            except TimeoutError:
                await self._use_idle_slot()
        if not self._schedule.has_ready:
            await self._changed.wait()

    async def _read_page(self, chain: Chain, slot: Slot) -> None:
        """Ask the next page of `chain` and hand what is to be stored of it to the writer."""
        try:
            await self._ask(chain, slot)
        except (RequestRefusedError, UnusableAnswerError) as error:
            await self._take_answer(chain, error)
        except TokenRefusedError as error:
            if not is_not_to_be_had(chain, error):
                raise
            await self._take_answer(chain, error)

    async def _take_answer(self, chain: Chain, answer: Page | SalesmapError) -> None:
        """Take the next page of `chain`, or what came instead and concerns this list alone."""
        # One at a time: while chains are dropped or begun, no page of theirs may be on its way.
        async with self._taking:
            before = Position.of(chain)
            outcome = self._schedule.answered(chain, answer)
            if outcome.dropped is not None:
                await self._forget(outcome.dropped)
            if outcome.storable is not None:
                page = page_write(chain, outcome.storable, before, self._writer.laying)
                await self._writer.write(page)
                self._schedule.stored(chain)

    async def _ask(self, chain: Chain, slot: Slot) -> None:
        """Ask and take the next page of `chain`; a stop leaves it GRACE_S to arrive."""
        endpoint = chain.endpoint

        async def take(page: Page) -> None:
            self._in_flight.discard(limit)
            if not limit.expired():  # else this task is cancelled at its next await
                limit.reschedule(None)  # what has arrived is stored, however long that takes
            await self._take_answer(chain, page)

        try:
            async with asyncio.timeout(None) as limit:
                self._in_flight.add(limit)
                if self._stop.requested:
                    self._end_soon(limit)
                try:
                    await self._client.page(
                        endpoint.path,
                        endpoint.list_key,
                        chain.cursor,
                        slot,
                        since=chain.span.asked_since(chain.cursor),
                        take=take,
                    )
                finally:
                    self._in_flight.discard(limit)
        except TimeoutError:
            self._stop.check()
            raise

    async def _forget(self, dropped: Dropped) -> None:
        """Forget ranges that were given up, with what they have read."""
        await self._writer.drop_chains(
            dropped.names,
            kept=dropped.kept,
            progress=dict(dropped.progress),
            reopened=dropped.reopened,
        )
        self._changed.set()
        self._tell(Warned(f"{dropped.table} is read as one list, not by dates: {dropped.why}"))
        self._schedule.tallies.tell_if_complete(dropped.table)

    # -- chains that come up on the way -----------------------------------------------------------

    async def _use_idle_slot(self) -> None:
        """Make a chain: a range of a list that can be split, else forms known by now."""
        async with self._taking:
            if not self._schedule.has_ready and not await self._split():
                await self._begin_forms()

    async def _split(self) -> bool:
        """Cut a new range off the list that has most left, if there is one worth it."""
        slots = slots_to_fill(self._client.sent.latency_s, self._throttle.interval_s)
        found = self._schedule.split(slots, datetime.now(UTC))
        if found is None:
            return False
        endpoint, new = found
        [row] = await self._writer.add_chains([new])
        self._schedule.add([restored_chain(endpoint, row)])
        self._changed.set()
        self._tell(Note(f"reading {new.name} beside the rest of the list"))
        return True

    async def _begin_forms(self) -> None:
        """Start the forms that are named by now, when much was read since the last look."""
        if self._webforms is not None and self._schedule.is_time_to_look_for_forms():
            self._schedule.add_forms(await self._webforms.chains_so_far(self._writer))
            self._changed.set()

    async def _add_webforms(self) -> None:
        """Start the submissions once everything they depend on is complete."""
        tallies = self._schedule.tallies
        if self._webforms is None or not self._webforms.may_start(tallies.open_tables()):
            return
        webforms, self._webforms = self._webforms, None
        blocked = [table for table in webforms.depends_on if tallies.error(table)]
        if not blocked:
            async with self._taking:
                chains = await webforms.chains(self._writer)
                self._schedule.drop_forms_but({chain.name for chain in chains})
                self._schedule.add_forms(chains)
                self._changed.set()
        self._schedule.forms_known(
            f"not read, because {', '.join(blocked)} failed" if blocked else ""
        )

    # -- stopping ---------------------------------------------------------------------------------

    async def _limit_grace(self) -> None:
        """After a stop, let idle workers go and give pages in flight GRACE_S."""
        await self._stop.wait()
        self._changed.set()
        for limit in self._in_flight:
            self._end_soon(limit)

    def _end_soon(self, limit: asyncio.Timeout) -> None:
        limit.reschedule(asyncio.get_running_loop().time() + GRACE_S)


@dataclass(frozen=True, slots=True)
class Asked:
    """A single record to ask for."""

    endpoint: Endpoint
    record_id: str


async def ask_records(
    wanted: Sequence[Asked], *, client: Client, throttle: Throttle, stop: Stop
) -> dict[Asked, bool | None]:
    """Ask for each record by its id, as fast as the slots come: does the server have it?

    None where it does not say. Raises StoppedError.
    """
    answers: dict[Asked, bool | None] = {}

    async def ask(asked: Asked) -> None:
        slot = await throttle.slot()
        try:
            answers[asked] = await client.has_record(asked.endpoint, asked.record_id, slot)
        except StoppedError:
            raise
        except SalesmapError:
            answers[asked] = None

    try:
        async with asyncio.TaskGroup() as tasks:
            for asked in wanted:
                tasks.create_task(ask(asked))
    except BaseExceptionGroup as group:
        raise _first_cause(group) from None
    stop.check()
    return answers


def _without(failures: Iterable[str]) -> str:
    """Return how to do without optional tables that failed, where there are some."""
    optional = [table for table in failures if table not in CORE_TABLES]
    if not optional:
        return ""
    return f"if it stays so, a run with --skip {','.join(optional)} publishes the rest"


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
