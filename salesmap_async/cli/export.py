"""`export`: the snapshot in other people's formats."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from salesmap_async.cli.console import say
from salesmap_async.cli.explain import explaining
from salesmap_async.cli.figures import number, size
from salesmap_async.cli.help import command
from salesmap_async.cli.language import local
from salesmap_async.cli.options import path_options
from salesmap_async.commandline import path_command, same_command_again
from salesmap_async.errors import SalesmapError, UsageError
from salesmap_async.run.log import printable
from salesmap_async.settings import Settings

if TYPE_CHECKING:
    from salesmap_async.export.export import ExportReport, TellTable

_FORMATS = ("xlsx", "csv", "jsonl", "parquet", "singer")
_MOST_SHOWN = 1_000


@command()
@path_options
@click.option(
    "--format", "format_", type=click.Choice(_FORMATS), help="Of the files; needed but for --sql."
)
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    help="File or folder to write; - is standard output. Default: named after DB and run, here.",
)
@click.option(
    "--table", "tables", multiple=True, metavar="TABLE[,TABLE...]", help="Only these tables."
)
@click.option("--sql", help="Export the result of one SELECT; without --format print it.")
@click.option(
    "--from",
    "wanted",
    metavar="FILE|RUN_TAG",
    help="A backup, by its file or its run; default: the final DB.",
)
@click.option(
    "--mask", is_flag=True, help="Put tokens in the place of names, phone numbers and addresses."
)
@click.option("--partition", is_flag=True, help="Parquet: add the day to a lake of partitions.")
@click.option("--force", is_flag=True, help="Replace what is there already.")
@click.option("--no-bom", is_flag=True, help="CSV: without the mark by which Excel knows UTF-8.")
@click.option("--raw", is_flag=True, help="CSV: leave cells that look like a formula as they are.")
@click.option(
    "--max-name-bytes",
    type=click.IntRange(24),
    help="Parquet: shorten longer column names, as PostgreSQL (63) would.",
)
def export(
    format_: str | None,
    out: Path | None,
    tables: tuple[str, ...],
    sql: str | None,
    wanted: str | None,
    mask: bool,
    partition: bool,
    force: bool,
    no_bom: bool,
    raw: bool,
    max_name_bytes: int | None,
    **options: Any,
) -> None:
    """Write the snapshot as Excel, CSV, JSON, Parquet or Singer.

    One state of it, complete files or none; what a format cannot hold is told. `--sql` runs one
    statement that reads, and prints its result or exports it. Excel needs the extra `[excel]`,
    Parquet `[parquet]`.
    """
    with explaining() as attempt:
        settings = attempt.settings = Settings(**options)
        attempt.next_command = lambda error: _next_command(settings, error)
        snapshot = _snapshot(settings, wanted)
        if format_ is None:
            _print_result(snapshot, sql, mask=mask)
            return
        from salesmap_async.export.export import STDOUT, ExportRequest
        from salesmap_async.export.export import export as write_export

        request = ExportRequest(
            db_path=settings.db_path,
            snapshot=snapshot,
            format=format_,  # type: ignore[arg-type]  # one of the choices
            out=out,
            tables=tables,
            sql=sql,
            mask=mask,
            partition=partition,
            force=force,
            raw=raw,
            bom=not no_bom,
            max_name_bytes=max_name_bytes,
        )
        try:
            with _progress() as progress:
                report = write_export(request, progress)
        except BrokenPipeError:  # who reads the stream has enough
            return
        except KeyboardInterrupt:
            say("salesmap-async: stopped; nothing of the export is left.", err=True)
            raise SystemExit(130) from None
        _tell(report, to_stderr=out == STDOUT)


def _next_command(settings: Settings, error: SalesmapError) -> str:
    if "take one first" in error.cure:
        return path_command(settings, "run")
    if isinstance(error, UsageError):
        return path_command(settings, "export", "--help")
    return same_command_again()


def _snapshot(settings: Settings, wanted: str | None) -> Path:
    """Return the file that is meant. Raises UsageError."""
    if wanted is None:
        if not settings.db_path.is_file():
            raise UsageError(f"there is no snapshot at {settings.db_path}", cure="take one first")
        return settings.db_path
    from salesmap_async.operate.backups import choose_backup
    from salesmap_async.operate.look import look_at

    final = look_at(settings.db_path)
    if final is not None and wanted in (final.run_tag, str(settings.db_path)):
        return settings.db_path
    return choose_backup(settings, wanted).path


def _print_result(snapshot: Path, sql: str | None, *, mask: bool) -> None:
    """Print the result of a statement as a table, at most so many rows of it."""
    if sql is None:
        raise UsageError(f"--format is missing: one of {', '.join(_FORMATS)}", cure="add it")
    if mask:
        raise UsageError("--mask is for exports; add --format", cure="for example --format csv")
    from itertools import islice

    from rich.table import Table
    from rich.text import Text

    from salesmap_async.cli.console import table_console
    from salesmap_async.export.source import open_source

    with open_source(snapshot, sql=sql) as source:
        [result] = source.tables
        rows = list(islice(result.read(), _MOST_SHOWN + 1))
    table = Table(box=None, padding=(0, 2, 0, 0), pad_edge=False)
    for column in result.columns:
        table.add_column(Text(printable(column.name)), overflow="fold")
    for row in rows[:_MOST_SHOWN]:
        table.add_row(*(Text("-" if each is None else printable(str(each))) for each in row))
    console = table_console()
    console.print(table, soft_wrap=True)
    if len(rows) > _MOST_SHOWN:
        say(f"({_MOST_SHOWN:,} rows shown; add --format csv for all of them)")
    else:
        say(f"({len(rows):,} rows)")


@contextmanager
def _progress() -> Iterator[TellTable]:
    """Show which table is written and how far, on a terminal."""
    if not sys.stderr.isatty():
        yield lambda _table, _rows: None
        return
    from rich.console import Console
    from rich.progress import Progress, SpinnerColumn, TextColumn

    told = f"{{task.description}} {{task.completed:,.0f}} {local('rows')}"
    columns = (SpinnerColumn(), TextColumn(told))
    with Progress(*columns, console=Console(stderr=True), transient=True) as bars:
        tasks: dict[str, Any] = {}

        def advance(table: str, rows: int) -> None:
            if table not in tasks:
                tasks[table] = bars.add_task(printable(table), total=None)
            bars.advance(tasks[table], rows)

        yield advance


def _tell(report: ExportReport, *, to_stderr: bool) -> None:
    rows = sum(report.rows.values())
    tables = f"{len(report.rows)} tables, " if len(report.rows) != 1 else ""
    said = "" if to_stderr else f"{report.out}: {size(report.size_bytes)}, "
    lines = [f"Exported {said}{tables}{number(rows)} rows in {report.seconds:.1f} s."]
    lines += [f"  {table}: {number(count)} rows" for table, count in report.rows.items()]
    lines += [f"Not held as it is: {line}." for line in report.losses]
    with suppress(OSError):  # it is written, whether that can be told or not
        for line in lines:
            say(line, err=to_stderr)
