"""The history of one final DB, folded to what each run came to."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from itertools import takewhile
from pathlib import Path
from typing import Any

from salesmap_async.errors import StoreError
from salesmap_async.paths import RunPaths, history_path
from salesmap_async.run.history import (
    NOT_STARTED,
    PUBLISHED,
    RESTORE,
    RESTORED,
    STARTED,
    FoldedRun,
    History,
)
from salesmap_async.run.lock import is_held
from salesmap_async.settings import Settings
from salesmap_async.store.checkpoint import read_mirror
from salesmap_async.store.work_db import open_work_db, read_chains
from salesmap_async.times import moment_of

KILLED = "killed"
RUNNING = "running"


@dataclass(frozen=True, slots=True, kw_only=True)
class RunEntry:
    """One run. `status` is that of the history, or killed or running where it has no end line.

    `started_at` is its last start. `seconds` counts the reading of all starts, or from the start
    to the end where only those are known; `rows` what was published, or else read. None: unknown.
    A start that was refused is an entry of its own, with no `starts`.
    `size_bytes` is the published file's; `changes` what the run's snapshot changed, by table and in
    sales, None where that is unknown.
    """

    run_tag: str
    status: str
    kind: str
    final_db: Path
    starts: int = 1
    started_at: datetime | None = None
    ended_at: datetime | None = None
    seconds: float | None = None
    rows: int | None = None
    requests: int | None = None
    refusals: int | None = None
    size_bytes: int | None = None
    pid: int | None = None
    error: str = ""
    changes: Mapping[str, Any] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class RunHistory:
    """The newest runs of one final DB, the most recently active first.

    `left_out` older ones are not among them; `other_dbs` have runs in the same history; `busy`: a
    program holds the run lock of the final DB.
    """

    runs: tuple[RunEntry, ...]
    left_out: int
    other_dbs: tuple[Path, ...]
    busy: bool

    def of(self, run_tag: str) -> RunEntry | None:
        """Return the run of that tag."""
        return next((run for run in self.runs if run.run_tag == run_tag), None)

    @property
    def last_run(self) -> RunEntry | None:
        """The most recently active run: no restore, and not a start that was refused."""
        runs = (run for run in self.runs if run.kind != RESTORE and run.status != NOT_STARTED)
        return next(runs, None)

    @property
    def last_refused(self) -> RunEntry | None:
        """The last start, if it was refused; None where it was not."""
        last = next((run for run in self.runs if run.kind != RESTORE), None)
        return last if last is not None and last.status == NOT_STARTED else None

    @property
    def unpublished(self) -> tuple[RunEntry, ...]:
        """Runs and refused starts that ended since the last published run, newest first."""
        since = takewhile(lambda run: run.status != PUBLISHED, self.runs)
        return tuple(run for run in since if run.kind != RESTORE and run.status != RUNNING)

    @property
    def last_published(self) -> RunEntry | None:
        """The run that published last."""
        return next((run for run in self.runs if run.status == PUBLISHED), None)

    def restored_since(self, run: RunEntry | None) -> RunEntry | None:
        """Return the last restore after the end of `run`, if there was one."""
        for each in self.runs:
            if each is run:
                return None
            if each.status == RESTORED:
                return each
        return None


def final_db_of(settings: Settings, run_tag: str) -> Path | None:
    """Return which final DB run `run_tag` works on; None for an unknown run.

    Raises UsageError where the history cannot be read.
    """
    for line in history_of(settings).of_tags({run_tag}):
        if line.final_db is not None:
            return Path(line.final_db)
    if run_tag not in {folder.name for folder in settings.checkpoint_dir.glob("*/")}:
        return None
    paths = settings.paths(run_tag)
    named = (read_mirror(paths.checkpoint_json) or {}).get("db_path")
    return Path(named) if isinstance(named, str) else settings.db_path


def read_runs(
    settings: Settings, *, most: int | None = None, also: str | None = None
) -> RunHistory:
    """Read the history of `settings.db_path`: its `most` newest runs (None: all), and run `also`.

    Raises UsageError where it cannot be read.
    """
    recent = history_of(settings).recent_runs(settings.db_path, most=most, also=also)
    busy = is_held(settings.db_path)
    runs = [entry_of(run, settings) for run in recent.runs]
    newest = next((at for at, run in enumerate(runs) if run.status != NOT_STARTED), None)
    if busy and newest is not None and runs[newest].status == KILLED:
        runs[newest] = replace(runs[newest], status=RUNNING)
    return RunHistory(
        runs=tuple(runs),
        left_out=recent.left_out,
        other_dbs=tuple(map(Path, sorted(recent.other_dbs))),
        busy=busy,
    )


def history_of(settings: Settings) -> History:
    """Return the history that the runs of these settings are written to."""
    return History(history_path(settings.log_dir))


def entry_of(run: FoldedRun, settings: Settings, *, with_rows: bool = True) -> RunEntry:
    """Return the entry of one run; what its lines leave open its checkpoint.json may tell.

    `with_rows`: also from the work DB; not while this process holds the run lock, for which it
    would wait.
    """
    line = run.line
    open_end = line.status == STARTED
    status = KILLED if open_end else line.status
    rows = None if line.rows is None else sum(line.rows.values())
    if open_end or rows is None:
        mirror = read_mirror(settings.paths(line.run_tag).checkpoint_json) or {}
        if open_end and mirror.get("state") == PUBLISHED:
            status = PUBLISHED  # only its line in the history was torn
        if with_rows and rows is None and line.kind != RESTORE:
            rows = _safe_rows(settings.paths(line.run_tag), mirror)
    started_at = moment_of(line.started_at)
    ended_at = None if open_end else moment_of(line.at)
    return RunEntry(
        run_tag=line.run_tag,
        status=status,
        kind=line.kind or "full",
        final_db=settings.db_path,
        starts=run.starts or (0 if status == NOT_STARTED else 1),
        started_at=started_at,
        ended_at=ended_at,
        seconds=line.seconds if line.seconds is not None else _between(started_at, ended_at),
        rows=rows,
        requests=line.requests,
        refusals=line.refusals,
        size_bytes=line.size_bytes,
        pid=line.pid,
        error=line.error or "",
        changes=line.changes,
    )


def _between(started_at: datetime | None, ended_at: datetime | None) -> float | None:
    if started_at is None or ended_at is None or ended_at < started_at:
        return None
    return (ended_at - started_at).total_seconds()


def _safe_rows(paths: RunPaths, mirror: Mapping[str, Any]) -> int | None:
    """Return the rows that a resume would have: of the work DB, else of its mirror.

    A run at work keeps its work DB to itself; its mirror lags by less than a second.
    """
    if not is_held(paths.final_db):
        try:
            with open_work_db(paths.work_db) as connection:
                return sum(chain.rows for chain in read_chains(connection))
        except StoreError:
            pass
    return _rows(mirror.get("tables"))


def _rows(tables: object) -> int | None:
    """Return the sum of the tables' rows of a checkpoint.json."""
    if not isinstance(tables, dict):
        return None
    counts = [each.get("rows") for each in tables.values() if isinstance(each, dict)]
    return sum(count for count in counts if isinstance(count, int))
