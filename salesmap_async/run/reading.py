"""The first half of a run: from the API into the work DB.

It begins the run once the token is known to be good, reads every list to its end, and marks the
work DB as complete. Whatever ends it, everything read until then is committed.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from salesmap_async.api.client import Client, Whoami
from salesmap_async.api.endpoints import SUBMISSION_TABLE, Endpoint, endpoints_of
from salesmap_async.api.throttle import Throttle
from salesmap_async.collect.chains import Chain, new_chain, restored_chain
from salesmap_async.collect.dates import KnownDates
from salesmap_async.collect.order import Order
from salesmap_async.collect.ranges import Ranges
from salesmap_async.collect.schedule import Schedule
from salesmap_async.collect.webforms import Webforms
from salesmap_async.collect.workers import Collector
from salesmap_async.errors import SalesmapError, StoreError, TagTakenError, UsageError
from salesmap_async.events import Listener, Note, RunStarted
from salesmap_async.publish.published import Published, creation_times
from salesmap_async.run.children import children_of, read_children
from salesmap_async.run.continuing import (
    Continued,
    as_values,
    choose,
    drop_read_anew,
    from_values,
    put_before,
    tell_difference,
)
from salesmap_async.run.floor import Floor, floor_of
from salesmap_async.run.missing import MissingRecords
from salesmap_async.run.plan import RunPlan
from salesmap_async.run.preflight import ask_workspace, check_workspace
from salesmap_async.run.record import RunRecord, now
from salesmap_async.stop import Stop
from salesmap_async.store.work_db import (
    RunIdentity,
    open_work_db,
    read_chains,
    read_run_values,
    seconds_by_table,
)
from salesmap_async.store.writer import Writer

MOST_DATES = 1000
"""So many dates of the last snapshot tell well enough where a list can be split."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Traffic:
    """What all starts of a run together have sent and waited. `waited_s`: for the quota;
    `answered_s`: for answers, all requests added up.
    """

    requests: int = 0
    retries: int = 0
    refusals: int = 0
    waited_s: float = 0.0
    answered_s: float = 0.0
    seconds: float = 0.0

    @property
    def latency_s(self) -> float:
        """The mean time of an answer."""
        return self.answered_s / self.requests if self.requests else 0.0

    def __add__(self, other: Traffic) -> Traffic:
        return Traffic(
            requests=self.requests + other.requests,
            retries=self.retries + other.retries,
            refusals=self.refusals + other.refusals,
            waited_s=round(self.waited_s + other.waited_s, 3),
            answered_s=round(self.answered_s + other.answered_s, 3),
            seconds=round(self.seconds + other.seconds, 3),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Collected:
    """What a complete work DB says of its run. Times are ISO 8601 in UTC."""

    workspace_id: str | None
    workspace_name: str | None
    role: str | None
    started_at: str
    collected_at: str
    traffic: Traffic
    table_seconds: dict[str, float]
    floor: Floor


def missing_token() -> UsageError:
    """Return the error of a run that would have to ask the API without a token."""
    return UsageError(
        "there is no token",
        cure="set SALESMAP_TOKEN, or use --token-file; or try --sandbox, which needs none",
    )


def is_complete(work_db: Path) -> bool:
    """Tell whether everything was read, so that only publishing is left."""
    with open_work_db(work_db) as connection:
        return "collected_at" in read_run_values(connection)


def read_collected(work_db: Path, *, interval_s: float) -> Collected:
    """Return what a complete work DB says of its run, which was read at the pace `interval_s`."""
    with open_work_db(work_db) as connection:
        values = read_run_values(connection)
        chains = read_chains(connection)
    traffic = Traffic(**values["traffic"])
    return Collected(
        workspace_id=values["workspace_id"],
        workspace_name=values["workspace_name"],
        role=values.get("role"),
        started_at=values["started_at"],
        collected_at=values["collected_at"],
        traffic=traffic,
        table_seconds=seconds_by_table(chains),
        floor=floor_of(chains, interval_s=interval_s, latency_s=traffic.latency_s),
    )


Admit = Callable[[str | None], None]
"""Told the workspace's id; raises UsageError where this run is not to read it."""


def any_workspace(_workspace_id: str | None) -> None:
    """Admit every workspace."""


class RunReader:
    """Reads the workspace of one planned run."""

    def __init__(
        self,
        plan: RunPlan,
        *,
        published: Published | None,
        webforms: Webforms | None,
        record: RunRecord,
        stop: Stop,
        tell: Listener,
        admit: Admit,
    ) -> None:
        self._admit = admit
        self._plan = plan
        self._settings = plan.settings
        self._published = published
        self._webforms = webforms
        self._record = record
        self._stop = stop
        self._tell = tell
        self._started_s = time.monotonic()

    async def read(self) -> None:
        """Ask whose token it is, begin the run, and read everything into the work DB.

        Raises UsageError before the run has begun, and any SalesmapError after.
        """
        dates = await asyncio.to_thread(self._known_dates)
        throttle = self._throttle()
        async with self._client(throttle) as client:
            whoami = await ask_workspace(client, self._tell)
            self._check_workspace(whoami)
            begin_run(self._plan, whoami.workspace_name, self._published, self._record, self._tell)
            async with self._writer(whoami) as writer:
                try:
                    await writer.remember(role=whoami.role)
                    await self._read_lists(client, throttle, writer, dates)
                    await self._look_for_missing(client, throttle, writer)
                except BaseException:
                    # What ended the run is what counts, not that the disk refuses this too.
                    with suppress(StoreError):
                        await writer.remember(traffic=self._traffic(client, throttle, writer))
                    raise
                await writer.remember(
                    collected_at=now(), traffic=self._traffic(client, throttle, writer)
                )

    def _endpoints(self) -> tuple[Endpoint, ...]:
        return () if self._plan.kind == "webform-only" else endpoints_of(self._plan.tables)

    async def _read_lists(
        self,
        client: Client,
        throttle: Throttle,
        writer: Writer,
        dates: Mapping[str, KnownDates],
    ) -> None:
        endpoints = self._endpoints()
        continued, due = await self._continued(writer)
        going_on = {each.endpoint.path: each.chain() for each in continued}
        rows = await writer.add_chains(
            [going_on.get(endpoint.path) or new_chain(endpoint) for endpoint in endpoints]
        )
        ranges = Ranges(dates, split=not self._settings.no_split)
        expected_rows = self._published.rows if self._published else {}

        def collector(ranges: Ranges, webforms: Webforms | None, tell: Listener) -> Collector:
            return Collector(
                client=client,
                throttle=throttle,
                writer=writer,
                schedule=Schedule(order=Order(expected_rows, ranges), ranges=ranges, tell=tell),
                webforms=webforms,
                concurrency=self._settings.concurrency,
                stop=self._stop,
                tell=tell,
            )

        chains = list(map(restored_chain, endpoints, rows))
        await collector(ranges, self._webforms, self._tell).collect(
            [*chains, *await _begun_ranges(endpoints, writer)]
        )
        for child in children_of(self._plan.tables):
            await read_children(
                child,
                writer,
                lambda some, tell: collector(Ranges({}, split=False), None, tell).collect(some),
                interval_s=self._settings.interval_s,
                tell=self._tell,
            )
        await drop_read_anew(writer, continued, self._tell)
        if due is not None and "compared" not in writer.run_values:
            await tell_difference(writer, self._settings.db_path, due, self._tell)
            await writer.remember(compared=True)

    async def _continued(self, writer: Writer) -> tuple[tuple[Continued, ...], Continued | None]:
        """Return which logs go on where the last run stopped, as this run's first start decided."""
        endpoints = self._endpoints()
        if "continued" not in writer.run_values:
            chosen: tuple[tuple[Continued, ...], Continued | None] = ((), None)
            if self._settings.continue_logs and self._plan.earlier is None:
                final_db = self._settings.db_path if self._published else None
                chosen = choose(final_db, endpoints, now=datetime.now(UTC), tell=self._tell)
            await writer.remember(**as_values(*chosen))
        continued, due = from_values(writer.run_values, endpoints)
        await put_before(writer, self._settings.db_path, continued)
        return continued, due

    async def _look_for_missing(self, client: Client, throttle: Throttle, writer: Writer) -> None:
        """Ask for what no list gave, and read the lists anew that did not give everything (I9)."""
        if self._plan.kind == "webform-only":
            return
        published = self._published
        missing = MissingRecords(
            tables=[table for table in self._plan.tables if table != SUBMISSION_TABLE],
            final_db=self._settings.db_path,
            published=published.tables_read if published else (),
            most=self._settings.confirm_missing,
            run_tag=self._plan.paths.run_tag,
            writer=writer,
            tell=self._tell,
        )
        findings = await missing.look(client, throttle, self._stop)
        if findings.incomplete:
            await writer.read_anew(findings.incomplete)
            await self._read_lists(client, throttle, writer, {})
            await missing.look(client, throttle, self._stop)

    def _known_dates(self) -> dict[str, KnownDates]:
        """Return when the records of the dated lists were created, by the last snapshot."""
        dated = [endpoint.table for endpoint in self._endpoints() if endpoint.dated]
        if self._published is None or self._settings.no_split:
            return {}
        known = {}
        for table in dated:
            if table in self._published.tables_read:
                times = creation_times(self._settings.db_path, table, most=MOST_DATES)
                until, undated = self._published.captured_at_utc, times.undated
                known[table] = KnownDates.read(
                    times.texts, times.each, until=until, undated=undated
                )
                if undated:
                    self._tell(Note(f"{table} is read as one list: {undated} have no createdAt"))
        return known

    def _traffic(self, client: Client, throttle: Throttle, writer: Writer) -> dict[str, Any]:
        """Return the traffic of all starts of the run up to now, as JSON values."""
        earlier = Traffic(**writer.run_values.get("traffic", {}))
        this_start = Traffic(
            requests=client.sent.requests,
            retries=client.sent.retries,
            refusals=client.sent.refusals,
            waited_s=throttle.waited_s,
            answered_s=client.sent.answered_s,
            seconds=time.monotonic() - self._started_s,
        )
        return asdict(earlier + this_start)

    def _check_workspace(self, whoami: Whoami) -> None:
        self._admit(whoami.workspace_id)
        check_workspace(
            whoami.workspace_id,
            whoami.workspace_name,
            published=self._published,
            final_db=self._settings.db_path,
            tables=self._plan.tables,
        )
        earlier = self._plan.earlier
        if earlier is not None and earlier.workspace_id not in (None, whoami.workspace_id):
            raise UsageError(
                f"run {earlier.run_tag} reads workspace "
                f"{earlier.workspace_name or earlier.workspace_id}, but the token belongs to "
                f"{whoami.workspace_name or 'an unknown one'}",
                cure="use that workspace's token, or start a new run with another --db-path",
            )

    def _throttle(self) -> Throttle:
        return Throttle(
            min_interval_s=self._settings.interval_s,
            backoff_s=self._settings.backoff_s,
            max_backoff_s=self._settings.max_backoff_s,
            max_429_wait_s=self._settings.max_429_wait_s,
            stop=self._stop,
            tell=self._tell,
        )

    def _client(self, throttle: Throttle) -> Client:
        if self._settings.token is None:
            raise missing_token()
        return Client(
            base_url=self._settings.base_url,
            token=self._settings.token,
            throttle=throttle,
            stop=self._stop,
            tell=self._tell,
            max_retries=self._settings.max_retries,
            backoff_s=self._settings.backoff_s,
            max_backoff_s=self._settings.max_backoff_s,
            request_timeout_s=self._settings.request_timeout_s,
            max_answer_mib=self._settings.max_answer_mib,
            ca_file=self._settings.ca_file,
            proxy=self._settings.proxy,
        )

    def _writer(self, whoami: Whoami) -> Writer:
        identity = None
        if self._plan.earlier is None:
            identity = RunIdentity(
                run_tag=self._plan.paths.run_tag,
                kind=self._plan.kind,
                db_path=str(self._settings.db_path),
                base_url=self._settings.base_url,
                workspace_id=whoami.workspace_id,
                workspace_name=whoami.workspace_name,
                tables=self._plan.tables,
                webform_people=self._settings.webform_people,
                started_at=now(),
            )
        return Writer(
            self._plan.paths.work_db,
            checkpoint_interval=self._settings.checkpoint_interval,
            tell=self._tell,
            identity=identity,
        )


async def _begun_ranges(endpoints: Iterable[Endpoint], writer: Writer) -> list[Chain]:
    """Return the ranges that an earlier start of the run has split off these lists."""
    by_path = {endpoint.path: endpoint for endpoint in endpoints}
    return [
        restored_chain(by_path[row.path], row)
        for row in await writer.stored_chains()
        if row.since is not None and row.path in by_path
    ]


def begin_run(
    plan: RunPlan,
    workspace_name: str | None,
    published: Published | None,
    record: RunRecord,
    tell: Listener,
) -> None:
    """The preflight has passed: from here on the run leaves traces.

    Raises TagTakenError when another run took the tag meanwhile, UsageError when the run's folder
    or log cannot be made.
    """
    try:
        plan.paths.work_dir.mkdir(parents=True, exist_ok=plan.earlier is not None)
    except FileExistsError:
        raise TagTakenError(f"a run {plan.paths.run_tag} exists already") from None
    except OSError as error:
        raise UsageError(
            f"the run's folder {plan.paths.work_dir} cannot be made: {error.strerror}"
        ) from None
    started = RunStarted(
        paths=plan.paths,
        base_url=plan.settings.base_url,
        workspace=workspace_name or "unknown workspace",
        tables=plan.tables,
        expected_rows=published.rows if published else {},
        resumed=plan.earlier is not None,
    )
    try:
        tell(started)
        record.begin()
    except SalesmapError:
        with suppress(OSError):
            plan.paths.work_dir.rmdir()  # where it holds nothing yet
        raise
