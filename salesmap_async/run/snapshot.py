"""One run, top to bottom: plan, lock, read, publish, timeline, history.

I4: whatever happens, the final DB is the old one or the complete new one. A run is finished when
its published line is in the history; started again before that, it does the steps that are left.
"""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TypeVar

from salesmap_async.api.endpoints import SUBMISSION_TABLE, select_tables
from salesmap_async.collect.webforms import Webforms
from salesmap_async.errors import (
    DamagedError,
    DamagedLateError,
    LockedError,
    PublishError,
    StartRefusedError,
    TagTakenError,
    UsageError,
)
from salesmap_async.events import Event, Listener, Note, Warned, ignore, tell_all, unfailing
from salesmap_async.outlast import outlast
from salesmap_async.paths import RunPaths
from salesmap_async.publish.damage import damage_in, examine_quickly
from salesmap_async.publish.manifest import ManifestRow, RunInfo
from salesmap_async.publish.publication import (
    Publication,
    publish_snapshot,
    publish_webforms,
)
from salesmap_async.publish.published import Published, damaged, read_published
from salesmap_async.publish.sql_after import SqlAfter, read_sql_after
from salesmap_async.run.checks import temporary_folder
from salesmap_async.run.floor import Floor
from salesmap_async.run.history import PUBLISHED
from salesmap_async.run.lock import StillHeld, run_lock
from salesmap_async.run.log import RunLog
from salesmap_async.run.plan import RunPlan, make_plan
from salesmap_async.run.preflight import check_paths, check_workspace
from salesmap_async.run.reading import (
    Admit,
    Collected,
    RunReader,
    Traffic,
    any_workspace,
    begin_run,
    is_complete,
    missing_token,
    read_collected,
)
from salesmap_async.run.record import RunRecord, noting_refusals
from salesmap_async.run.timeline_step import Changes, feed_timeline
from salesmap_async.settings import PARTIAL_FIELDS, Settings
from salesmap_async.sqlite_file import temporary_files_in
from salesmap_async.stop import Stop
from salesmap_async.store.checkpoint import read_mirror, write_mirror
from salesmap_async.version import VERSION

_Result = TypeVar("_Result")


@dataclass(frozen=True, slots=True, kw_only=True)
class RunReport:
    """A published run.

    `tables` are the manifest's rows. `table_seconds` runs from a table's first page to its last.
    `traffic` counts all starts of the run; `floor` is what its reading could have taken at best.
    `changes`: since the snapshot before, None where the timeline was not fed.
    """

    run_tag: str
    paths: RunPaths
    tables: tuple[ManifestRow, ...]
    table_seconds: Mapping[str, float]
    traffic: Traffic
    floor: Floor
    changes: Changes | None
    warnings: tuple[str, ...]


async def take_snapshot(
    settings: Settings,
    listener: Listener = ignore,
    *,
    stop: Stop | None = None,
    admit: Admit = any_workspace,
) -> RunReport:
    """Read the workspace and publish it as `settings.db_path`, or raise a SalesmapError.

    `admit` is told the workspace's id before anything is read; it may refuse it (UsageError).

    Every error says what happened; `error.run` names the files of the run, if it had begun, and
    `error.published` is true when the final DB already holds the new data.
    """
    stop = stop or Stop()
    while True:
        plan = make_plan(settings)
        try:
            with noting_refusals(plan.paths, plan.kind):
                check_paths(plan.settings)
                _check_token(plan)
                sql_after = _sql_after(plan)
                with run_lock(plan.settings.db_path) as still_held, RunLog() as log:
                    # Again: what another run has done until it gave the lock back counts.
                    plan = make_plan(settings)
                    tell = tell_all(log, unfailing(listener, log))
                    with temporary_files_in(temporary_folder(plan.settings)):
                        return await _Run(plan, tell, stop, still_held, admit, sql_after).do()
        except TagTakenError:
            # Two runs of different DBs, started in the same second: the next tag is free.
            if settings.run_tag is not None:
                raise


def _sql_after(plan: RunPlan) -> SqlAfter | None:
    """Return the SQL to run on the new snapshot. Raises UsageError where it cannot be read."""
    path = plan.settings.sql_after
    return None if path is None else read_sql_after(path)


def _check_token(plan: RunPlan) -> None:
    """Raise UsageError where a token is needed and missing, before anything is made anywhere."""
    needs_none = plan.earlier is not None and is_complete(plan.paths.work_db)
    if plan.settings.token is None and not needs_none:
        raise missing_token()


class _Run:
    """One start of one run, under its lock."""

    def __init__(
        self,
        plan: RunPlan,
        listener: Listener,
        stop: Stop,
        still_held: StillHeld,
        admit: Admit,
        sql_after: SqlAfter | None,
    ) -> None:
        self._sql_after = sql_after
        self._still_held = still_held
        self._admit = admit
        self._plan = plan
        self._settings = plan.settings
        self._paths = plan.paths
        self._stop = stop
        self._listener = listener
        self._warnings: list[str] = []
        self._damage = ""
        self._record = RunRecord(plan.paths, plan.kind, stop=stop, tell=self._tell)

    def _tell(self, event: Event) -> None:
        if isinstance(event, Warned):
            self._warnings.append(event.text)
        self._listener(event)

    async def do(self) -> RunReport:
        published = await _in_thread(self._read_published)
        webforms = self._webforms(published)
        if self._plan.remark:
            self._tell(Note(self._plan.remark))
        self._warn_of_additions(published)
        if self._sql_after is not None and self._plan.kind == "webform-only":
            self._tell(
                Warned(
                    "--sql-after belongs to whole snapshots and is not run now: what it made of "
                    "webform_history is as old as the last one"
                )
            )
        with self._record.ending():
            await self._read(published, webforms)
            collected = await _in_thread(self._collected)
            manifest = await _in_thread(lambda: self._publish(published, collected))
        changes = None
        if not self._settings.no_timeline:
            changes = await _in_thread(self._feed_timeline)
        self._close(manifest, collected, changes)
        return RunReport(
            run_tag=self._paths.run_tag,
            paths=self._paths,
            tables=manifest,
            table_seconds=collected.table_seconds,
            traffic=collected.traffic,
            floor=collected.floor,
            changes=changes,
            warnings=tuple(self._warnings),
        )

    def _feed_timeline(self) -> Changes | None:
        return feed_timeline(
            self._paths,
            was_run=lambda tag: self._settings.paths(tag).has_traces(),
            tell=self._tell,
        )

    def _read_published(self) -> Published | None:
        final_db = self._settings.db_path
        try:
            published = read_published(final_db)
            if published is not None and (damage := self._damage_of(final_db)):
                raise damaged(final_db, damage)
        except DamagedError as error:
            if not self._settings.replace_damaged:
                error.instead, error.without = ("--replace-damaged",), PARTIAL_FIELDS
                raise
            self._check_is_whole()
            self._damage = str(error)
            return None
        except LockedError as error:
            if self._plan.kind == "webform-only":
                raise
            raise StartRefusedError(str(error), cure=error.cure) from error
        if published is not None and not published.is_snapshot:
            raise StartRefusedError(
                f"{final_db} is a database, but no Salesmap snapshot: it holds "
                f"{', '.join(list(published.rows)[:5])}",
                cure="name another --db-path, or move that file away",
            )
        return published

    def _warn_of_additions(self, published: Published | None) -> None:
        """Name what others have made in the final DB: the new file will not have it."""
        if published is None or not published.is_ours or self._plan.kind == "webform-only":
            return
        lost = published.added_by_others
        if self._sql_after is None:
            lost += published.made_by_sql_after
        if lost:
            self._tell(
                Warned(
                    f"{self._settings.db_path.name} holds what this run will not make, and the new "
                    f"snapshot will not have it: {', '.join(lost)}. It stays in the backup"
                )
            )

    def _damage_of(self, final: Path) -> str:
        """Look for damage that reading does not show; thoroughly where it is to be replaced."""
        try:
            if self._settings.replace_damaged:
                return damage_in(final)
            return examine_quickly(final).damage
        except sqlite3.Error:  # locked since it was read; publishing waits for that
            return ""

    def _check_is_whole(self) -> None:
        """Raise UsageError where a run of some tables would publish over all of the others."""
        whole = set(select_tables(only=(), skip=(), include=()))
        if self._plan.kind == "webform-only" or not whole <= set(self._plan.tables):
            raise UsageError(
                f"{self._settings.db_path} is damaged, so tables that are not read now would be "
                "lost",
                cure="take a whole snapshot",
                instead=("--replace-damaged",),
                without=PARTIAL_FIELDS,
            )

    async def _read(self, published: Published | None, webforms: Webforms | None) -> None:
        """Read what is left to read; a run that has read everything needs neither API nor token."""
        earlier = self._plan.earlier
        if earlier is not None and is_complete(self._paths.work_db):
            check_workspace(
                earlier.workspace_id,
                earlier.workspace_name,
                published=published,
                final_db=self._settings.db_path,
                tables=self._plan.tables,
            )
            begin_run(self._plan, earlier.workspace_name, published, self._record, self._tell)
            return
        reader = RunReader(
            self._plan,
            published=published,
            webforms=webforms,
            record=self._record,
            stop=self._stop,
            tell=self._tell,
            admit=self._admit,
        )
        await reader.read()

    def _webforms(self, published: Published | None) -> Webforms | None:
        """Return the web-form step, or raise UsageError where its sources are nowhere."""
        if self._plan.kind == "webform-only" and published is None:
            raise UsageError(
                f"--webform-only renews an existing snapshot, and {self._settings.db_path} does "
                "not exist",
                cure="take a whole snapshot first",
                instead=(),
                without=PARTIAL_FIELDS,
            )
        if SUBMISSION_TABLE not in self._plan.tables:
            return None
        return Webforms(
            tables=self._plan.tables,
            people=self._settings.webform_people,
            final_db=self._settings.db_path,
            published_tables=published.tables_read if published else (),
        )

    def _collected(self) -> Collected:
        return read_collected(self._paths.work_db, interval_s=self._settings.interval_s)

    def _publish(
        self, published: Published | None, collected: Collected
    ) -> tuple[ManifestRow, ...]:
        publish = publish_webforms if self._plan.kind == "webform-only" else publish_snapshot
        try:
            return publish(self._publication(published, collected))
        except PublishError as error:
            if not error.published and (damage := self._damage_now()):
                raise DamagedLateError(
                    f"{self._paths.final_db} is damaged, so it cannot be kept as a backup: "
                    f"{damage}",
                    cure="publish over it as below: its bytes are kept in --backup-dir",
                ) from error
            raise

    def _damage_now(self) -> str:
        """Return what is wrong with the final DB, if that is why it could not be kept."""
        if self._damage or not self._paths.final_db.exists():
            return ""
        with suppress(sqlite3.Error):
            return damage_in(self._paths.final_db)
        return ""

    def _publication(self, published: Published | None, collected: Collected) -> Publication:
        return Publication(
            paths=self._paths,
            tables=self._plan.tables,
            run_info=self._run_info(collected),
            published=published,
            back_up=self._must_back_up(published),
            keep_backups=None if self._settings.no_backup else self._settings.keep_backups,
            allow_shrink=self._settings.allow_shrink,
            tell=self._tell,
            stop=self._may_go_on,
            damage=self._damage,
            sql_after=self._sql_after,
        )

    def _may_go_on(self) -> None:
        """Raise StoppedError after a stop, PublishError where the lock is not held any more."""
        self._stop.check()
        self._still_held()

    def _must_back_up(self, published: Published | None) -> bool:
        """Whether the present DB is kept: what this program did not write always is."""
        if published is None or not self._settings.no_backup:
            return True
        return not published.is_ours or bool(published.added_by_others)

    def _run_info(self, collected: Collected) -> RunInfo:
        return {
            "run_tag": self._paths.run_tag,
            "captured_at_utc": collected.started_at,
            "base_url": self._settings.base_url,
            "endpoints": ",".join(self._plan.tables),
            "note": self._plan.kind,
            "checkpoint_path": str(self._paths.work_dir),
            "final_db_path": str(self._paths.final_db),
            "workspace_id": collected.workspace_id,
            "workspace_name": collected.workspace_name,
            "role": collected.role,
            "webform_people": self._settings.webform_people,
            "version": VERSION,
            "started_at": collected.started_at,
            **asdict(collected.traffic),
        }

    def _close(
        self, manifest: tuple[ManifestRow, ...], collected: Collected, changes: Changes | None
    ) -> None:
        """Everything is published: say so in the history, then tidy up. What fails only warns."""
        tables = {
            row.table: {"rows": row.row_count, "columns": row.column_count} for row in manifest
        }
        try:
            self._record.publish(
                tables=tables,
                size_bytes=_size_of(self._paths.final_db),
                warnings=self._warnings,
                **({} if changes is None else {"changes": asdict(changes)}),
                **asdict(collected.traffic),
            )
        except PublishError as error:
            self._tell(Warned(f"{error}; the snapshot is published, the work DB is kept"))
            return
        mirror = read_mirror(self._paths.checkpoint_json) or {"run_tag": self._paths.run_tag}
        try:
            write_mirror(self._paths.checkpoint_json, mirror | {"state": PUBLISHED})
            for leftover in self._paths.work_dir.glob("snapshot.db*"):
                leftover.unlink()
        except OSError as error:
            self._tell(Warned(f"{self._paths.work_dir} could not be tidied up: {error}"))


def _size_of(path: Path) -> int | None:
    try:
        return path.stat().st_size
    except OSError:
        return None


async def _in_thread(work: Callable[[], _Result]) -> _Result:
    """Run `work` in a thread and wait for its end, whatever happens meanwhile.

    A thread cannot be cancelled, and its outcome (swapped or not) must be known before the run
    tells how it ended. A stop reaches it through `Stop.check`.
    """
    result, _ = await outlast(asyncio.get_running_loop().run_in_executor(None, work))
    return result
