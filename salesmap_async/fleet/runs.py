"""Snapshots of many workspaces in one process: each is a run of its own.

Each has its own pace, lock, log and history; one that fails never stops the others. At most so many
run side by side. A workspace that has come up before in this fleet is refused when its second entry
starts: they would share a quota.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import partial
from typing import Literal

from salesmap_async.errors import SalesmapError, UsageError, exit_code_of
from salesmap_async.fleet.config import Entry
from salesmap_async.notify.notifier import Failure, Notifier
from salesmap_async.operate.metrics import write_metrics_after_run
from salesmap_async.operate.runs import read_runs
from salesmap_async.operate.upkeep import tidy_up
from salesmap_async.run.history import PUBLISHED
from salesmap_async.run.reading import Admit, any_workspace
from salesmap_async.run.snapshot import take_snapshot
from salesmap_async.stop import Stop

State = Literal["published", "left alone", "failed", "not begun"]

_THREADS_OF_A_RUN = 3
"""Of the shared pool: one that builds, one that writes the mirror, one that looks things up."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What became of one workspace; a plain value, which can come from another machine.

    `exit_code` is that of a run of its own; 0: `left alone` too. `rows` are per table, where it was
    published; `error` and `cure` say why it was not.
    """

    name: str
    state: State
    exit_code: int = 0
    run_tag: str | None = None
    rows: Mapping[str, int] | None = None
    seconds: float | None = None
    error: str = ""
    cure: str = ""
    warnings: tuple[str, ...] = ()


Told = Callable[[Outcome], None]
NextCommand = Callable[[Outcome], str]
"""Returns what to type for a workspace that is not published."""


class Workspaces:
    """Which entry has which workspace, for the length of one fleet run."""

    def __init__(self) -> None:
        self._owners: dict[str, str] = {}

    def admit(self, name: str, workspace_id: str | None) -> None:
        """Let the entry `name` have its workspace. Raises UsageError where another one has it."""
        if workspace_id is None:
            return
        owner = self._owners.setdefault(workspace_id, name)
        if owner != name:
            raise UsageError(
                f"its token belongs to the workspace that {owner} reads: they would share a quota",
                cure="leave one of the two out",
            )


async def run_fleet(
    entries: Sequence[Entry],
    *,
    parallel: int,
    resume: bool,
    stop: Stop,
    told: Told,
    next_command: NextCommand = lambda _outcome: "",
) -> list[Outcome]:
    """Take a snapshot of each entry, at most `parallel` at once; return what became of each.

    `resume`: only those whose last run is not published, each going on where it stopped.
    """
    places, workspaces = asyncio.Semaphore(parallel), Workspaces()

    async def one(entry: Entry) -> Outcome:
        async with places:
            outcome = await run_entry(
                entry,
                resume=resume,
                only_unpublished=resume,
                stop=stop,
                admit=partial(workspaces.admit, entry.name),
                next_command=next_command,
            )
        told(outcome)
        return outcome

    # The loop's own pool has a handful: a build would keep the writers of other runs waiting. The
    # loop shuts it down with its own end.
    threads = ThreadPoolExecutor(_THREADS_OF_A_RUN * parallel + 1)
    asyncio.get_running_loop().set_default_executor(threads)
    return list(await asyncio.gather(*map(one, entries)))


async def run_entry(
    entry: Entry,
    *,
    resume: bool,
    only_unpublished: bool,
    stop: Stop,
    next_command: NextCommand,
    admit: Admit = any_workspace,
) -> Outcome:
    """Take the snapshot of one entry; never raises a SalesmapError.

    `resume`: go on with an unfinished run, if there is one. `only_unpublished`: leave an entry
    alone whose last run is published.
    """
    if stop.requested:
        return Outcome(name=entry.name, state="not begun", exit_code=130)
    if only_unpublished:
        try:
            if await asyncio.to_thread(is_published, entry):
                return Outcome(name=entry.name, state="left alone")
        except SalesmapError as error:
            return _failed(entry, error)
    problems: list[str] = []
    notifier = Notifier(entry.settings, warn=problems.append)
    notifier.started()
    outcome = await _outcome(entry, resume=resume, stop=stop, admit=admit)
    await asyncio.to_thread(_follow_up, entry, outcome, notifier, next_command, problems.append)
    return replace(outcome, warnings=tuple(filter(None, problems)))


def _follow_up(
    entry: Entry,
    outcome: Outcome,
    notifier: Notifier,
    next_command: NextCommand,
    warn: Callable[[str], None],
) -> None:
    """Tidy up after a published run, write its metrics, and tell those that want to know."""
    if outcome.state == "published":
        for problem in tidy_up(entry.settings):
            warn(problem)
    warn(write_metrics_after_run(entry.settings))
    if outcome.state == "published":
        rows = sum((outcome.rows or {}).values())
        notifier.published(f"{entry.name} is published: run {outcome.run_tag}, {rows:,} rows")
        return
    command = next_command(outcome)
    notifier.failed(
        Failure(
            db_path=entry.settings.db_path,
            run_tag=outcome.run_tag or "",
            exit_code=outcome.exit_code,
            reason=outcome.error,
            said=f"{entry.name}: exit code {outcome.exit_code}: {outcome.error}. Next: {command}",
            next_command=command,
        )
    )


async def _outcome(entry: Entry, *, resume: bool, stop: Stop, admit: Admit) -> Outcome:
    try:
        report = await take_snapshot(replace(entry.settings, resume=resume), stop=stop, admit=admit)
    except SalesmapError as error:
        return _failed(entry, error)
    return Outcome(
        name=entry.name,
        state="published",
        run_tag=report.run_tag,
        rows={row.table: row.row_count for row in report.tables},
        seconds=report.traffic.seconds,
    )


def _failed(entry: Entry, error: SalesmapError) -> Outcome:
    return Outcome(
        name=entry.name,
        state="failed",
        exit_code=exit_code_of(error),
        run_tag=error.run.run_tag if error.run else None,
        error=str(error),
        cure=error.cure,
    )


def is_published(entry: Entry) -> bool:
    """Tell whether the last run of an entry is published, so that nothing is left to resume."""
    newest = next(iter(read_runs(entry.settings, most=1).runs), None)
    return newest is not None and newest.status == PUBLISHED
