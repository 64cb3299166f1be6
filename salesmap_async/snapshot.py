"""One run, top to bottom: preflight, collect, publish, history.

I4: whatever happens, the final DB is the old one or the complete new one. Every start of a run
leaves a `started` line in the history and, unless it is killed, an end line; a run is finished
when its published line is written. Started again before that, it does the steps that are left.
"""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from salesmap_async.api.client import Client, Whoami
from salesmap_async.api.endpoints import SUBMISSION_TABLE, endpoints_of
from salesmap_async.api.throttle import Throttle
from salesmap_async.collect.chains import chain_from_row, new_chain
from salesmap_async.collect.order import Order
from salesmap_async.collect.webforms import Webforms
from salesmap_async.collect.workers import Collector
from salesmap_async.errors import PublishError, SalesmapError, UsageError, exit_code_of
from salesmap_async.events import (
    Event,
    Listener,
    Note,
    RunEnded,
    RunStarted,
    Warned,
    ignore,
    tell_all,
)
from salesmap_async.lock import run_lock
from salesmap_async.logs import RunLog
from salesmap_async.paths import RunPaths
from salesmap_async.plan import PUBLISHED, RunPlan, make_plan
from salesmap_async.preflight import ask_workspace, check_paths, check_workspace
from salesmap_async.publish.history import append_line
from salesmap_async.publish.manifest import ManifestRow
from salesmap_async.publish.publication import (
    Publication,
    publish_snapshot,
    publish_webforms,
)
from salesmap_async.publish.published import Published, read_published
from salesmap_async.settings import Settings
from salesmap_async.stop import Stop
from salesmap_async.store.checkpoint import read_mirror, write_mirror
from salesmap_async.store.work_db import (
    ChainRow,
    RunIdentity,
    open_work_db,
    read_chains,
    read_run_values,
)
from salesmap_async.store.writer import Writer
from salesmap_async.version import VERSION

_END_STATUS = {1: "failed", 3: "kept_aside", 4: "refused"}


@dataclass(frozen=True, slots=True, kw_only=True)
class RunReport:
    """A published run. `seconds` is the time of all its starts together, `table_seconds` from the
    first to the last page of a table; requests, retries and waits are counted over all starts too.
    """

    run_tag: str
    paths: RunPaths
    tables: tuple[ManifestRow, ...]
    table_seconds: Mapping[str, float]
    requests: int
    retries: int
    refusals: int
    waited_s: float
    seconds: float
    warnings: tuple[str, ...]


async def take_snapshot(
    settings: Settings, listener: Listener = ignore, *, stop: Stop | None = None
) -> RunReport:
    """Read the workspace and publish it as `settings.db_path`, or raise a SalesmapError.

    Every error says what happened; `error.run` names the files of the run, if it had begun, and
    `error.published` is true when the final DB already holds the new data.
    """
    plan = make_plan(settings)
    check_paths(plan.settings)
    with run_lock(plan.settings.db_path), RunLog() as log:
        return await _Run(plan, tell_all(log, listener), stop or Stop()).do()


class _Run:
    """One start of one run, under its lock."""

    def __init__(self, plan: RunPlan, tell: Listener, stop: Stop) -> None:
        self._plan = plan
        self._settings = plan.settings
        self._paths = plan.paths
        self._stop = stop
        self._listener = tell
        self._warnings: list[str] = []
        self._started = time.monotonic()
        self._begun = False

    def _tell(self, event: Event) -> None:
        if isinstance(event, Warned):
            self._warnings.append(event.text)
        self._listener(event)

    async def do(self) -> RunReport:
        published = await asyncio.to_thread(read_published, self._settings.db_path)
        if self._plan.kind == "webform-only" and published is None:
            raise UsageError(
                f"--webform-only renews an existing snapshot, and {self._settings.db_path} does "
                "not exist",
                cure="take a whole snapshot first",
                instead=(),
            )
        webforms = self._webforms(published)
        if self._plan.remark:
            self._tell(Note(self._plan.remark))
        with self._end_line():
            if self._has_collected_all():
                self._begin(self._workspace_name(), published)
            else:
                await self._collect(published, webforms)
            manifest = await asyncio.to_thread(self._publish, published)
        return await asyncio.to_thread(self._finish, manifest)

    # -- collecting -------------------------------------------------------------------------------

    async def _collect(self, published: Published | None, webforms: Webforms | None) -> None:
        settings = self._settings
        if settings.token is None:
            raise UsageError(
                "there is no token",
                cure="set SALESMAP_TOKEN, or use --token-file; or try --sandbox, which needs none",
            )
        throttle = Throttle(
            min_interval_s=settings.min_interval_s,
            backoff_s=settings.backoff_s,
            max_backoff_s=settings.max_backoff_s,
            max_429_wait_s=settings.max_429_wait_s,
            stop=self._stop,
            tell=self._tell,
        )
        client = Client(
            base_url=settings.base_url,
            token=settings.token,
            throttle=throttle,
            stop=self._stop,
            tell=self._tell,
            max_retries=settings.max_retries,
            backoff_s=settings.backoff_s,
            max_backoff_s=settings.max_backoff_s,
            request_timeout_s=settings.request_timeout_s,
        )
        async with client:
            whoami = await ask_workspace(client, self._tell)
            self._check_same_workspace(whoami, published)
            self._begin(whoami.workspace_name, published)
            async with self._writer(whoami) as writer:
                try:
                    await self._read_lists(writer, client, throttle, published, webforms)
                    await writer.remember(collected_at=_now())
                finally:
                    await self._remember_traffic(writer, client, throttle)

    async def _read_lists(
        self,
        writer: Writer,
        client: Client,
        throttle: Throttle,
        published: Published | None,
        webforms: Webforms | None,
    ) -> None:
        endpoints = () if self._plan.kind == "webform-only" else endpoints_of(self._plan.tables)
        rows = await writer.add_chains([new_chain(endpoint) for endpoint in endpoints])
        collector = Collector(
            client=client,
            throttle=throttle,
            writer=writer,
            order=Order(published.rows if published else {}),
            webforms=webforms,
            concurrency=self._settings.concurrency,
            stop=self._stop,
            tell=self._tell,
        )
        await collector.collect(map(chain_from_row, endpoints, rows))

    def _webforms(self, published: Published | None) -> Webforms | None:
        if SUBMISSION_TABLE not in self._plan.tables:
            return None
        return Webforms(
            tables=self._plan.tables,
            people=self._settings.webform_people,
            final_db=self._settings.db_path,
            published_tables=published.rows if published else (),
        )

    def _check_same_workspace(self, whoami: Whoami, published: Published | None) -> None:
        earlier = self._plan.earlier
        check_workspace(
            workspace_id=whoami.workspace_id,
            workspace_name=whoami.workspace_name,
            published=published,
            db=self._settings.db_path,
        )
        if earlier is not None and earlier.workspace_id not in (None, whoami.workspace_id):
            raise UsageError(
                f"run {earlier.run_tag} reads workspace "
                f"{earlier.workspace_name or earlier.workspace_id}, but the token belongs to "
                f"{whoami.workspace_name or 'an unknown one'}",
                cure="use that workspace's token, or start a new run with another --db-path",
            )

    def _writer(self, whoami: Whoami) -> Writer:
        identity = None
        if self._plan.earlier is None:
            identity = RunIdentity(
                run_tag=self._paths.run_tag,
                kind=self._plan.kind,
                db_path=str(self._settings.db_path),
                base_url=self._settings.base_url,
                workspace_id=whoami.workspace_id,
                workspace_name=whoami.workspace_name,
                tables=self._plan.tables,
                webform_people=self._settings.webform_people,
                started_at=_now(),
            )
        return Writer(
            self._paths.work_db,
            checkpoint_interval=self._settings.checkpoint_interval,
            tell=self._tell,
            identity=identity,
        )

    async def _remember_traffic(self, writer: Writer, client: Client, throttle: Throttle) -> None:
        """Add this start's traffic to the run's; a broken work DB must not hide the first error."""
        if writer.broken:
            return
        earlier = writer.run_values.get("traffic", {})
        now = {
            "requests": client.traffic.requests,
            "retries": client.traffic.retries,
            "refusals": client.traffic.refusals,
            "waited_s": throttle.waited_s,
            "seconds": time.monotonic() - self._started,
        }
        await writer.remember(
            traffic={key: round(earlier.get(key, 0) + value, 3) for key, value in now.items()}
        )

    # -- publishing -------------------------------------------------------------------------------

    def _has_collected_all(self) -> bool:
        if self._plan.earlier is None:
            return False
        with open_work_db(self._paths.work_db) as connection:
            return "collected_at" in read_run_values(connection)

    def _workspace_name(self) -> str | None:
        return self._plan.earlier.workspace_name if self._plan.earlier else None

    def _publish(self, published: Published | None) -> tuple[ManifestRow, ...]:
        publish = publish_webforms if self._plan.kind == "webform-only" else publish_snapshot
        return publish(
            Publication(
                paths=self._paths,
                tables=self._plan.tables,
                run_info=self._run_info(),
                published=published,
                keep_backups=None if self._settings.no_backup else self._settings.keep_backups,
                allow_shrink=self._settings.allow_shrink,
                tell=self._tell,
                stop=self._stop.check,
            )
        )

    def _run_info(self) -> dict[str, str | int | float | None]:
        with open_work_db(self._paths.work_db) as connection:
            values = read_run_values(connection)
        traffic = values.get("traffic", {})
        return {
            "run_tag": self._paths.run_tag,
            "captured_at_utc": values.get("collected_at"),
            "base_url": self._settings.base_url,
            "endpoints": ",".join(self._plan.tables),
            "note": self._plan.kind,
            "checkpoint_path": str(self._paths.work_dir),
            "final_db_path": str(self._paths.final_db),
            "workspace_id": values.get("workspace_id"),
            "workspace_name": values.get("workspace_name"),
            "webform_people": self._settings.webform_people,
            "version": VERSION,
            "started_at": values.get("started_at"),
            **{key: traffic.get(key, 0) for key in _TRAFFIC},
        }

    def _finish(self, manifest: tuple[ManifestRow, ...]) -> RunReport:
        """Everything is published: say so in the history, tidy up, report."""
        with open_work_db(self._paths.work_db) as connection:
            table_seconds = _seconds_by_table(read_chains(connection))
            traffic = read_run_values(connection).get("traffic", {})
        try:
            self._write_line(
                PUBLISHED,
                seconds=traffic.get("seconds"),
                requests=traffic.get("requests"),
                refusals=traffic.get("refusals"),
                tables={
                    row.table: {"rows": row.row_count, "columns": row.column_count}
                    for row in manifest
                },
                warnings=self._warnings,
            )
        except PublishError as error:
            self._tell(Warned(f"{error}; the snapshot is published, the work DB is kept"))
        else:
            self._tidy_up()
        return RunReport(
            run_tag=self._paths.run_tag,
            paths=self._paths,
            tables=manifest,
            table_seconds=table_seconds,
            warnings=tuple(self._warnings),
            **{key: traffic.get(key, 0) for key in _TRAFFIC},
        )

    def _tidy_up(self) -> None:
        """Mark the checkpoint as published and delete the work DB; what fails only warns."""
        mirror = read_mirror(self._paths.checkpoint_json) or {"run_tag": self._paths.run_tag}
        try:
            write_mirror(self._paths.checkpoint_json, mirror | {"state": PUBLISHED})
            for leftover in self._paths.work_dir.glob("snapshot.db*"):
                leftover.unlink()
        except OSError as error:
            self._tell(Warned(f"{self._paths.work_dir} could not be tidied up: {error}"))

    # -- history ----------------------------------------------------------------------------------

    def _begin(self, workspace_name: str | None, published: Published | None) -> None:
        """The preflight has passed: from here on the run leaves traces."""
        self._make_work_dir()
        self._tell(
            RunStarted(
                paths=self._paths,
                base_url=self._settings.base_url,
                workspace=workspace_name or "unknown workspace",
                tables=self._plan.tables,
                expected_rows=published.rows if published else {},
                resumed=self._plan.earlier is not None,
            )
        )
        self._write_line("started", started_at=_now(), pid=os.getpid())
        self._begun = True

    def _make_work_dir(self) -> None:
        try:
            self._paths.work_dir.mkdir(parents=True, exist_ok=self._plan.earlier is not None)
        except OSError as error:
            raise UsageError(
                f"the run's folder {self._paths.work_dir} cannot be made: {error.strerror}"
            ) from None

    @contextmanager
    def _end_line(self) -> Iterator[None]:
        """Write the end line of this start, whatever the end is; name the run in the error."""
        try:
            try:
                yield
            except asyncio.CancelledError:
                self._stop.check()  # a second signal: the same end as the first one, only sooner
                raise
        except SalesmapError as error:
            self._note_end(error)
            raise
        except BaseException as error:
            if self._begun:
                status = "failed" if isinstance(error, Exception) else "interrupted"
                self._write_end(status, f"{type(error).__name__}: {error}")
            raise

    def _note_end(self, error: SalesmapError) -> None:
        """Name the run in the error and write its end line; exit 2 and 5 leave no line."""
        code = exit_code_of(error)
        if self._begun:
            error.run = self._paths
            self._tell(RunEnded(self._paths.run_tag, code, str(error)))
        if self._begun or code == SalesmapError.exit_code:
            self._write_end(_END_STATUS.get(code, "interrupted"), str(error))

    def _write_end(self, status: str, error: str) -> None:
        """Write an end line; that the disk refuses it must not hide why the run ended."""
        try:
            if not self._begun:
                self._write_line("started", started_at=_now(), pid=os.getpid())
            self._write_line(status, error=error)
        except PublishError as unwritten:
            self._tell(Warned(str(unwritten)))

    def _write_line(self, status: str, **more: Any) -> None:
        line = {
            "run_tag": self._paths.run_tag,
            "status": status,
            "at": _now(),
            "kind": self._plan.kind,
            "final_db_path": str(self._paths.final_db),
            "log_path": _if_there(self._paths.log_file),
            "checkpoint_path": _if_there(self._paths.work_dir),
            "backup_path": _if_there(self._paths.backup_db),
            "manifest_path": _if_there(self._paths.manifest_json),
            "run_info_path": _if_there(self._paths.run_info_json),
        }
        append_line(self._paths.history_file, line | more)


_TRAFFIC = ("requests", "retries", "refusals", "waited_s", "seconds")


def _if_there(path: Path) -> str | None:
    return str(path) if path.exists() else None


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds")


def _seconds_by_table(chains: Iterable[ChainRow]) -> dict[str, float]:
    """Return the seconds from the first to the last page of each table."""
    spans: dict[str, tuple[datetime, datetime]] = {}
    for chain in chains:
        if chain.started_at is None or chain.ended_at is None:
            continue
        began, ended = map(datetime.fromisoformat, (chain.started_at, chain.ended_at))
        known = spans.get(chain.table, (began, ended))
        spans[chain.table] = (min(began, known[0]), max(ended, known[1]))
    return {table: (ended - began).total_seconds() for table, (began, ended) in spans.items()}
