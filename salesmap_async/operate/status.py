"""What is left of a run, and what to do next: the contract's section 7.

While a run is at work its work DB is left alone: a second connection could refuse it the end of
its write-ahead log. What it has read by then stands in `checkpoint.json`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from salesmap_async.errors import StoreError, UsageError
from salesmap_async.operate.backups import list_backups
from salesmap_async.operate.leftovers import Leftover, leftovers_of
from salesmap_async.operate.look import SnapshotFile, look_at
from salesmap_async.operate.runs import (
    KILLED,
    RUNNING,
    RunEntry,
    RunHistory,
    final_db_of,
    history_of,
    read_runs,
)
from salesmap_async.operate.timeline import TimelineLook, look_at_timeline
from salesmap_async.paths import RunPaths
from salesmap_async.run.history import NOT_STARTED, PUBLISHED, RESTORE
from salesmap_async.run.plan import make_plan
from salesmap_async.settings import Settings
from salesmap_async.sqlite_file import sidecars
from salesmap_async.store.checkpoint import read_mirror
from salesmap_async.store.work_db import ChainRow, open_work_db, read_chains, read_run_values
from salesmap_async.times import moment_of

_LOOKED_AT = 20
"""Runs of the history; the last one that published and the last one at all are among them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TableState:
    """How far one table has got. `cursor`: where it goes on; None: at its start, or many lists."""

    table: str
    state: str
    pages: int = 0
    rows: int = 0
    cursor: str | None = None
    error: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Checkpoint:
    """The unpublished data of a run. `why_not` says why it cannot be resumed; '' if it can.

    `complete`: everything is read, only publishing is left. `superseded`: a run of the same kind
    that started later has been published. `mirror_ok`: checkpoint.json can be read.
    """

    folder: Path
    tables: tuple[TableState, ...]
    base_url: str
    complete: bool
    why_not: str
    superseded: bool
    mirror_ok: bool
    written_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Advice:
    """What to do next: the command with its arguments, and in `why` what it does or needs."""

    command: str
    arguments: tuple[str, ...] = ()
    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Status:
    """Everything that is left of one run. `run` and what belongs to it: None before any run.

    `settings` name the final DB of that run. `last_published` is the last run that published,
    `restored` the restore since then, if there was one.
    """

    settings: Settings
    run: RunEntry | None
    paths: RunPaths | None
    final: SnapshotFile | None
    final_sidecars: tuple[Path, ...]
    backups: tuple[SnapshotFile, ...]
    timeline: TimelineLook | None
    own_backup: SnapshotFile | None
    checkpoint: Checkpoint | None
    leftovers: tuple[Leftover, ...]
    last_published: RunEntry | None
    restored: RunEntry | None
    history: RunHistory
    advice: Advice


def read_status(settings: Settings, run_tag: str | None = None) -> Status:
    """Look at everything that the last run of this DB, or run `run_tag`, has left.

    Raises UsageError for an unknown tag, and where the history cannot be read.
    """
    if run_tag is not None:
        final_db = final_db_of(settings, run_tag)
        if final_db is None:
            raise UsageError(f"there is no run {run_tag}", cure=_known(settings))
        settings = replace(settings, db_path=final_db)
    history = read_runs(settings, most=_LOOKED_AT, also=run_tag)
    run = _chosen(settings, history, run_tag)
    paths = settings.paths(run.run_tag) if run else None
    checkpoint = _checkpoint(settings, run, paths) if run and paths else None
    backups = list_backups(settings)
    final = look_at(settings.db_path, search=True)
    restored = history.restored_since(history.last_published)
    return Status(
        settings=settings,
        run=run,
        paths=paths,
        final=final,
        final_sidecars=sidecars(settings.db_path),
        backups=backups,
        timeline=look_at_timeline(settings),
        own_backup=next((b for b in backups if paths and b.path == paths.backup_db), None),
        checkpoint=checkpoint,
        leftovers=leftovers_of(paths) if paths else (),
        last_published=history.last_published,
        restored=restored,
        history=history,
        advice=advise(
            run=run,
            refused=history.last_refused is not None,
            busy=history.busy,
            checkpoint=checkpoint,
            final=final,
            has_backups=any(not each.problem and each.run_tag for each in backups),
            restored=history.restored_since(run),
        ),
    )


def advise(
    *,
    run: RunEntry | None,
    refused: bool,
    busy: bool,
    checkpoint: Checkpoint | None,
    final: SnapshotFile | None,
    has_backups: bool,
    restored: RunEntry | None,
) -> Advice:
    """Return the one next step; `refused`: the last start was, so that its reason comes first."""
    if busy:
        return Advice(command="status", why="A program is at work on this DB: wait for the end.")
    if final is not None and final.problem and not final.locked:
        return _around(final, run, checkpoint, has_backups=has_backups)
    if run is None or run.kind == RESTORE or run.status == NOT_STARTED:
        return Advice(command="run", why="This takes a snapshot.")
    if run.status == PUBLISHED and refused:
        return Advice(
            command="run",
            why="The last start was refused: mend what it says above; then this takes the next "
            "snapshot.",
        )
    if run.status == PUBLISHED:
        return Advice(command="run", why="Nothing is left to do; this takes the next snapshot.")
    fresh = ("--webform-only",) if run.kind == "webform-only" and final is not None else ()
    if checkpoint is None or checkpoint.why_not:
        return Advice(
            command="run",
            arguments=fresh,
            why="This run cannot go on; a new one reads everything anew.",
        )
    if checkpoint.superseded:
        return Advice(
            command="run",
            arguments=fresh,
            why="A newer run has been published since: going on with this one would put older data "
            "over newer. Take a new snapshot; `prune` removes what is left of this one.",
        )
    return _resume(run, checkpoint, restored)


def _around(
    final: SnapshotFile, run: RunEntry | None, checkpoint: Checkpoint | None, *, has_backups: bool
) -> Advice:
    """Return the way out where the final DB cannot be read."""
    if not final.damaged:
        return Advice(
            command="doctor",
            why="The final DB cannot be read, see above: mend that; then this says what is left.",
        )
    if has_backups:
        return Advice(command="restore", why="The final DB is damaged: choose a backup.")
    goes_on = run is not None and checkpoint is not None and not checkpoint.why_not
    if run is not None and goes_on and run.kind == "full":
        return Advice(
            command="run",
            arguments=("--resume-run-tag", run.run_tag, "--replace-damaged"),
            why="The final DB is damaged and there is no backup: this goes on with the run and "
            "publishes over it; its bytes are kept.",
        )
    return Advice(
        command="run",
        arguments=("--replace-damaged",),
        why="The final DB is damaged and there is no backup: this takes a new snapshot and "
        "publishes it over that; its bytes are kept.",
    )


def _resume(run: RunEntry, checkpoint: Checkpoint, restored: RunEntry | None) -> Advice:
    arguments: tuple[str, ...] = ("--resume-run-tag", run.run_tag)
    if run.status == "refused":
        arguments += ("--allow-shrink",)
        why = "If the tables really shrank, this publishes them; if not, take a new snapshot."
    elif run.status == "kept_aside":
        why = "Close the programs that use the final DB; then this publishes what was read."
    elif checkpoint.complete:
        why = "Everything is read; this only publishes it."
    else:
        why = "This goes on where the run stopped."
    if restored is not None:
        why += " The DB was restored since: this replaces what was restored."
    return Advice(command="run", arguments=arguments, why=why)


def _chosen(settings: Settings, history: RunHistory, run_tag: str | None) -> RunEntry | None:
    """Return the run asked for, else the last one; one without history is known by its folder."""
    if run_tag is None:
        if history.last_run is not None:
            return history.last_run
        run_tag = _newest_folder(settings)
        if run_tag is None:
            return None
    known = history.of(run_tag)
    if known is not None:
        return known
    mirror = read_mirror(settings.paths(run_tag).checkpoint_json) or {}
    status = PUBLISHED if mirror.get("state") == PUBLISHED else KILLED
    return RunEntry(
        run_tag=run_tag,
        status=RUNNING if history.busy and status == KILLED and not history.runs else status,
        kind=str(mirror.get("kind") or "full"),
        final_db=settings.db_path,
        started_at=moment_of(mirror.get("started_at")),
    )


def _newest_folder(settings: Settings) -> str | None:
    """Return the tag of the newest run of this DB that left a checkpoint.json."""
    mirrors = [
        (str(mirror.get("started_at")), path.parent.name)
        for path in settings.checkpoint_dir.glob("*/checkpoint.json")
        if (mirror := read_mirror(path)) and mirror.get("db_path") == str(settings.db_path)
    ]
    return max(mirrors, default=(None, None))[1]


def _checkpoint(settings: Settings, run: RunEntry, paths: RunPaths) -> Checkpoint | None:
    if not paths.work_dir.is_dir():
        return None
    mirror = read_mirror(paths.checkpoint_json)
    written_at = _last_written(paths)  # before the work DB is opened, which settles its log
    why_not = ""
    values: Mapping[str, Any] = mirror or {}
    states = _states_of_mirror(mirror)
    if run.status == PUBLISHED:
        why_not = "it is published"
    elif run.status != RUNNING:
        try:
            make_plan(replace(settings, resume_run_tag=run.run_tag))
            with open_work_db(paths.work_db) as work_db:
                values = read_run_values(work_db)
                states = _states_of(read_chains(work_db), values.get("tables") or ())
        except (UsageError, StoreError) as error:
            why_not = str(error)
    started_at = str(values.get("started_at") or "")
    return Checkpoint(
        folder=paths.work_dir,
        tables=states,
        base_url=str(values.get("base_url") or ""),
        complete="collected_at" in values,
        why_not=why_not,
        superseded=bool(
            history_of(settings).superseded({run.run_tag: started_at}, settings.db_path, run.kind)
        ),
        mirror_ok=mirror is not None,
        written_at=written_at,
    )


def _states_of(chains: Iterable[ChainRow], tables: Iterable[str]) -> tuple[TableState, ...]:
    """Sum up the chains of each table, in the order in which the run names its tables."""
    by_table: dict[str, list[ChainRow]] = {table: [] for table in tables}
    for chain in chains:
        by_table.setdefault(chain.table, []).append(chain)
    return tuple(_state(table, found) for table, found in by_table.items())


def _state(table: str, chains: list[ChainRow]) -> TableState:
    if not chains:
        return TableState(table=table, state="not begun")
    states = {chain.state for chain in chains}
    state = next((each for each in ("reading", "failed") if each in states), "done")
    cursor = chains[0].progress.get("cursor") if len(chains) == 1 else None
    return TableState(
        table=table,
        state=state,
        pages=sum(chain.pages for chain in chains),
        rows=sum(chain.rows for chain in chains),
        cursor=cursor if isinstance(cursor, str) else None,
        error="; ".join(chain.error for chain in chains if chain.error and state != "done"),
    )


def _states_of_mirror(mirror: Mapping[str, Any] | None) -> tuple[TableState, ...]:
    tables = (mirror or {}).get("tables")
    if not isinstance(tables, dict):
        return ()
    return tuple(
        TableState(
            table=str(table),
            state=str(state.get("state")),
            pages=int(state.get("pages") or 0),
            rows=int(state.get("rows") or 0),
            cursor=state.get("cursor"),
        )
        for table, state in tables.items()
        if isinstance(state, dict)
    )


def _last_written(paths: RunPaths) -> datetime | None:
    times = []
    for path in (*paths.work_dir.glob("snapshot.db*"), paths.checkpoint_json):
        try:
            times.append(path.stat().st_mtime)
        except OSError:
            continue
    return datetime.fromtimestamp(max(times), UTC) if times else None


def _known(settings: Settings) -> str:
    tags = [
        run.run_tag for run in read_runs(settings, most=_LOOKED_AT).runs if run.kind != RESTORE
    ][:5]
    if not tags:
        return f"no run of {settings.db_path} is known"
    return f"the last runs of {settings.db_path.name} are {', '.join(tags)}"
