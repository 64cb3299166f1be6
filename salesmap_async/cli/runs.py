"""`runs`: the history as a table."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import click
from rich.table import Table
from rich.text import Text

from salesmap_async.cli import as_json as answers
from salesmap_async.cli.console import cell, say, table_console
from salesmap_async.cli.explain import explaining
from salesmap_async.cli.figures import change_lines, number, offset, size
from salesmap_async.cli.help import command
from salesmap_async.cli.language import local
from salesmap_async.cli.options import path_options
from salesmap_async.operate.runs import RunEntry, RunHistory, read_runs
from salesmap_async.paths import history_path
from salesmap_async.run.log import printable
from salesmap_async.settings import Settings


@command()
@path_options
@click.option("--json", "as_json", is_flag=True, help="Print a JSON list with every detail.")
@click.option("--changes", is_flag=True, help="Show what each run's snapshot changed.")
@click.option(
    "--limit",
    type=click.IntRange(min=0),
    default=50,
    show_default=True,
    help="How many of the newest runs to list; 0 lists all.",
)
def runs(as_json: bool, changes: bool, limit: int, **options: Any) -> None:
    """List the runs of the final DB, newest first."""
    with explaining() as attempt:
        settings = attempt.settings = Settings(**options)
        history = read_runs(settings, most=limit or None)
        if as_json:
            answers.print_json([answers.run(run) for run in history.runs])
            for line in _left_out(history):
                say(line, err=True)
            return
        console = table_console()
        if history.runs:
            console.print(_changes(history.runs) if changes else _table(history.runs))
        for line in _remarks(settings, history):
            say(line)


def _table(entries: tuple[RunEntry, ...]) -> Table:
    table = Table(box=None, padding=(0, 1, 0, 0), pad_edge=False)
    here = datetime.now(UTC).astimezone()
    for heading in ("run", "status"):
        table.add_column(local(heading), overflow="fold")
    table.add_column(f"{local('when')} ({offset(here)})", no_wrap=True)
    for heading in ("seconds", "rows", "requests", "429s", "size"):
        table.add_column(local(heading), justify="right", no_wrap=True)
    for run in entries:
        table.add_row(
            Text(
                printable(run.run_tag)
                + (local(" (web forms)") if run.kind == "webform-only" else "")
            ),
            cell(run.status),
            f"{run.started_at.astimezone(here.tzinfo):%m-%d %H:%M}" if run.started_at else "-",
            "-" if run.seconds is None else f"{run.seconds:,.0f}",
            number(run.rows),
            number(run.requests),
            number(run.refusals),
            size(run.size_bytes),
        )
    return table


def _kind(run: RunEntry) -> str:
    return local(" (web forms)") if run.kind == "webform-only" else ""


def _changes(entries: tuple[RunEntry, ...]) -> Table:
    table = Table(box=None, padding=(0, 1, 0, 0), pad_edge=False)
    for heading in ("run", "records", "sales"):
        table.add_column(local(heading), overflow="fold")
    for run in entries:
        if run.changes is not None:
            tables, sales = change_lines(run.changes)
            table.add_row(
                Text(printable(run.run_tag)),
                cell("; ".join(tables) or "nothing has changed"),
                Text(printable("; ".join(sales) or "-")),
            )
    return table


def _remarks(settings: Settings, history: RunHistory) -> Iterator[str]:
    if not history.runs:
        yield f"There is no run of {settings.db_path} in {history_path(settings.log_dir)}."
    yield from _left_out(history)
    for other in history.other_dbs:
        yield f"It also has runs of {other}; name it with --db-path."


def _left_out(history: RunHistory) -> Iterator[str]:
    if history.left_out:
        yield f"{history.left_out:,} earlier runs are left out; `--limit 0` lists all."
