"""`status`: what is left of a run, and what to type next."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from rich.table import Table

from salesmap_async.cli.as_json import print_json
from salesmap_async.cli.as_json import status as as_json_of
from salesmap_async.cli.console import cell, labelled, say, show, table_console
from salesmap_async.cli.explain import explaining
from salesmap_async.cli.figures import age, clock, number, size
from salesmap_async.cli.help import command
from salesmap_async.cli.language import local
from salesmap_async.cli.options import duration, json_option, path_options
from salesmap_async.commandline import path_command, run_command
from salesmap_async.operate.freshness import freshness, too_old
from salesmap_async.operate.look import SnapshotFile
from salesmap_async.operate.metrics import write_metrics
from salesmap_async.operate.runs import KILLED, RUNNING, RunEntry
from salesmap_async.operate.status import Checkpoint, Status, TableState, read_status
from salesmap_async.operate.timeline import TimelineLook
from salesmap_async.paths import SANDBOX_DB
from salesmap_async.run.history import NOT_STARTED, PUBLISHED
from salesmap_async.settings import Settings

if TYPE_CHECKING:
    from rich.console import JustifyMethod

_LABEL_WIDTH = 12
_ENDS = {
    PUBLISHED: "is published",
    KILLED: "was killed: it never wrote how it ended, and no process holds its lock",
    RUNNING: "is running",
    "failed": "failed",
    "interrupted": "was stopped by a signal",
    "kept_aside": "is complete, but the final DB stayed locked",
    "refused": "is complete, but the gate refused it",
    "restored": "was a restore",
    NOT_STARTED: "was not started",
}


@command()
@click.argument("run_tag", required=False)
@path_options
@json_option
@click.option(
    "--metrics-file",
    type=click.Path(path_type=Path),
    envvar="SALESMAP_METRICS_FILE",
    show_envvar=True,
    help="Write the state there too, as Prometheus reads text files.",
)
@click.option(
    "--check",
    is_flag=True,
    help="For monitors: one line, and exit code 1 where the data is too old or unreadable.",
)
@click.option(
    "--max-age",
    callback=duration,
    default="26h",
    show_default=True,
    help="With --check: how old the data may be, like 90m, 26h or 2d.",
)
def status(
    run_tag: str | None,
    as_json: bool,
    metrics_file: Path | None,
    check: bool,
    max_age: timedelta,
    **options: Any,
) -> None:
    """Show what is left of the last run, and what to type next.

    It looks at final DB, backup, checkpoint, temporary files, manifest and web forms. It is safe
    while a run is at work.
    """
    with explaining(as_json=as_json) as attempt:
        settings = attempt.settings = Settings(**options)
        attempt.next_command = lambda _error: path_command(settings, "status")
        found = read_status(settings, run_tag)
        if metrics_file is not None:
            write_metrics(metrics_file, found)
        problem = too_old(found.final, max_age, now=datetime.now(UTC)) if check else ""
        if as_json:
            print_json(as_json_of(found, problem=problem, next_command=_next_command(found)))
        elif check:
            _say_check(found, problem)
        else:
            _show(found)
    if problem:
        raise SystemExit(1)


def _show(found: Status) -> None:
    console = table_console()
    for line in _lines(found):
        show(line)
    if _worth_a_table(found):
        console.print()
        console.print(_table(found))
    console.print()
    for line in (found.advice.why, f"Next: {_next_command(found)}"):
        say(line)


def _say_check(found: Status, problem: str) -> None:
    """Print whether the data is as fresh as wanted."""
    said = tuple(freshness(found.final, found.history))
    lines = said if not problem else (f"{problem}.", f"Next: {_next_command(found)}")
    show(" ".join((local("PROBLEM:" if problem else "OK:"), *map(local, lines))))


def _lines(found: Status) -> Iterator[str]:
    freshness_lines = tuple(freshness(found.final, found.history))
    yield from map(local, freshness_lines)
    if freshness_lines:
        yield ""
    yield from map(local, _about_the_run(found))
    yield ""
    sections = (
        ("final DB", _final_db(found)),
        ("backup", _backup(found)),
        ("timeline", timeline_lines(found.settings, found.timeline)),
        ("checkpoint", _checkpoint(found.checkpoint, found.run)),
        ("temporary", _temporary(found)),
        ("manifest", _reports(found)),
        ("web forms", _webforms(found)),
    )
    for label, lines in sections:
        for line in lines:
            yield labelled(label, line, _LABEL_WIDTH)
            label = ""


def timeline_lines(settings: Settings, timeline: TimelineLook | None) -> Iterator[str]:
    """Yield what the timeline holds."""
    if timeline is None:
        yield "none" if settings.no_timeline else "none yet: the next run begins it"
    elif timeline.problem:
        yield f"{timeline.path} cannot be read: {timeline.problem}"
    else:
        lag = "" if timeline.is_current else "; the next run feeds the present snapshot"
        since = f" since {timeline.first_at:%Y-%m-%d}" if timeline.first_at else ""
        states = "1 state" if len(timeline.states) == 1 else f"{len(timeline.states)} states"
        yield f"{timeline.path.name}, {states}{since}, {size(timeline.size_bytes)}{lag}"


def _about_the_run(found: Status) -> Iterator[str]:
    run = found.run
    if run is None:
        yield f"There is no run of {found.settings.db_path} yet."
        for other in found.history.other_dbs:
            yield f"The history has runs of {other}; name it with --db-path."
        return
    kind = "" if run.kind == "full" else f" ({run.kind})"
    yield f"Run {run.run_tag}{kind} {_ENDS.get(run.status, run.status)}."
    begun = f"started {clock(run.started_at)}, {age(run.started_at)}"
    if run.starts > 1:
        begun = f"start number {run.starts} at {clock(run.started_at)}, {age(run.started_at)}"
    if run.ended_at is not None:
        begun += f"; ended {age(run.ended_at)}"
    elif run.status == RUNNING and run.pid is not None:
        begun += f"; process {run.pid}"
    yield begun
    if run.error:
        yield f"error: {run.error}"
    if found.history.busy and run.status != RUNNING:
        yield "Another start, a restore or a prune holds the lock of this DB at this moment."
    if found.paths is not None and found.paths.log_file.exists():
        yield f"log: {found.paths.log_file}"


def _final_db(found: Status) -> Iterator[str]:
    final = found.final
    yield f"{found.settings.db_path}"
    if final is None:
        yield "does not exist yet"
    elif final.problem:
        yield f"{_trouble(final)}: {final.problem}"
    else:
        yield from _snapshot(final)
        yield final.examined
        published = found.last_published
        if found.run is not None and found.run.status == KILLED and _holds(final, found.run):
            yield "this is what the run read: it was killed after the swap"
        elif found.restored is not None:
            yield f"restored {age(found.restored.ended_at)}"
        elif published is not None and not _holds(final, published):
            yield f"NOT what run {published.run_tag} published last"
    for sidecar in found.final_sidecars:
        yield f"beside it: {sidecar.name} (`doctor` says what that means)"


def _trouble(final: SnapshotFile) -> str:
    if final.locked:
        return "locked"
    return "DAMAGED or not a database" if final.damaged else "cannot be read"


def _snapshot(file: SnapshotFile) -> Iterator[str]:
    if file.run_tag is None:
        yield f"made by another tool: it names no run; {number(file.rows)} rows"
        return
    yield (
        f"run {file.run_tag}, read {age(file.captured_at)}; {number(file.rows)} rows, "
        f"{size(file.size_bytes)}"
    )


def _holds(file: SnapshotFile, run: RunEntry) -> bool:
    return run.run_tag in (file.run_tag, file.webforms_tag)


def _backup(found: Status) -> Iterator[str]:
    if not found.backups:
        yield f"none in {found.settings.backup_dir}"
        return
    if found.own_backup is not None:
        yield f"{found.own_backup.path}"
        yield "what stood there before this run:"
        shown = found.own_backup
    else:
        yield f"{found.backups[0].path}"
        yield "the newest one; this run made none:" if found.run else "the newest one:"
        shown = found.backups[0]
    yield from [f"UNREADABLE: {shown.problem}"] if shown.problem else _snapshot(shown)
    if len(found.backups) > 1:
        yield f"{len(found.backups)} in all: `restore` lists them"


def _checkpoint(checkpoint: Checkpoint | None, run: RunEntry | None) -> Iterator[str]:
    if checkpoint is None:
        yield "none"
        return
    yield f"{checkpoint.folder}"
    if run is not None and run.status == PUBLISHED:
        yield "empty: the run is published"
    elif run is not None and run.status == RUNNING:
        yield f"the run is at work on it, last written {age(checkpoint.written_at)}"
    elif checkpoint.why_not:
        why = checkpoint.why_not.removeprefix(f"run {checkpoint.folder.name} cannot be resumed: ")
        yield f"NOT resumable: {why}"
    else:
        left = "only publishing is left" if checkpoint.complete else "it goes on as shown below"
        rows = sum(each.rows for each in checkpoint.tables)
        yield f"resumable: {number(rows)} rows are safe, {left}"
        yield f"last written {age(checkpoint.written_at)}"
    if not checkpoint.mirror_ok:
        yield "checkpoint.json is missing or damaged; only people read it, a resume does not"
    if checkpoint.superseded and run is not None and run.status != PUBLISHED:
        yield "ABANDONED: a run that started later has been published"


def _temporary(found: Status) -> Iterator[str]:
    """The work DB of a run that can go on is no temporary file: it is the checkpoint."""
    kept = found.advice.arguments[:1] == ("--resume-run-tag",) or found.history.busy
    files = [each for each in found.leftovers if not (kept and each.kind == "work DB")]
    for each in files:
        yield f"{each.path}"
        yield f"{each.kind}, {size(each.size_bytes)}"
    if not files:
        yield "none"


def _reports(found: Status) -> Iterator[str]:
    paths = found.paths
    if paths is None:
        yield "none"
        return
    present = [path for path in (paths.manifest_json, paths.run_info_json) if path.exists()]
    if not present:
        yield "no manifest, no run_info: no snapshot of this run was built and passed the gate"
    for path in present:
        yield f"{path}"


def _webforms(found: Status) -> Iterator[str]:
    final = found.final
    if final is None or final.problem:
        yield "unknown: the final DB cannot be asked"
    elif final.webform_rows is None:
        yield "the final DB has no table webform_history: `run --webform-only` adds it"
    elif final.webform_rows == 0:
        yield "webform_history is empty; if there are submissions: `run --webform-only`"
    else:
        read_by = f", read by run {final.webforms_tag}" if final.webforms_tag else ""
        yield f"webform_history has {number(final.webform_rows)} rows{read_by}"


def _worth_a_table(found: Status) -> bool:
    checkpoint = found.checkpoint
    return checkpoint is not None and not checkpoint.why_not and bool(checkpoint.tables)


def _table(found: Status) -> Table:
    table = Table(box=None, padding=(0, 2, 0, 0), pad_edge=False)
    tables = found.checkpoint.tables if found.checkpoint else ()
    headings = ["table", "state", "pages", "rows"]
    unfinished = any(each.state != "done" for each in tables)
    for heading in [*headings, "goes on after"] if unfinished else headings:
        numeric = heading in ("pages", "rows")
        justify: JustifyMethod = "right" if numeric else "left"
        table.add_column(local(heading), justify=justify, no_wrap=numeric)
    for each in tables:
        cells = [each.table, local(each.state), number(each.pages), number(each.rows)]
        after = [cell(_goes_on_after(each))] if unfinished else []
        table.add_row(*cells, *after)
    return table


def _goes_on_after(state: TableState) -> str:
    if state.state == "done":
        return ""
    where = state.cursor or ("each list's cursor" if state.pages else "-")
    return f"{where}: {state.error}" if state.error else where


def _next_command(found: Status) -> str:
    advice = found.advice
    if advice.command != "run":
        return path_command(found.settings, advice.command)
    sandbox = found.settings.db_path.name == SANDBOX_DB.name
    if "--resume-run-tag" in advice.arguments:
        return run_command(found.settings, *advice.arguments, sandbox=sandbox, token_file=None)
    return path_command(
        found.settings, "run", *(["--sandbox"] if sandbox else []), *advice.arguments
    )
