"""`diff`: what changed between two snapshots."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any, TextIO

import click

from salesmap_async.cli.console import say
from salesmap_async.cli.explain import explaining
from salesmap_async.cli.help import command
from salesmap_async.cli.options import path_options
from salesmap_async.commandline import path_command, same_command_again
from salesmap_async.errors import SalesmapError, UsageError
from salesmap_async.run.log import printable
from salesmap_async.settings import Settings

if TYPE_CHECKING:
    from salesmap_async.timeline.report import Report


@command()
@click.argument("old", required=False)
@click.argument("new", required=False)
@path_options
@click.option("--table", "tables", multiple=True, metavar="TABLE[,TABLE...]", help="Only these.")
@click.option("--field", "fields", multiple=True, metavar="FIELD", help="Only these fields.")
@click.option(
    "--format",
    "format_",
    type=click.Choice(("text", "json", "html", "xlsx")),
    default="text",
    show_default=True,
    help="Excel needs the extra [excel].",
)
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    help="File to write; default: standard output, for xlsx diff_OLD_NEW.xlsx.",
)
@click.option("--summary", is_flag=True, help="Only counts, not the records.")
@click.option("--all-fields", is_flag=True, help="Also fields that changed in a third of all.")
@click.option("--exit-code", is_flag=True, help="Exit code 1 where something has changed.")
def diff(
    old: str | None,
    new: str | None,
    tables: tuple[str, ...],
    fields: tuple[str, ...],
    format_: str,
    out: Path | None,
    summary: bool,
    all_fields: bool,
    exit_code: bool,
    **options: Any,
) -> None:
    """Show what changed between two snapshots.

    Records, their fields, and what it means in sales.

    OLD and NEW are files, runs, days (2026-01-31: what was valid at its end, in Seoul), `yesterday`
    or `today`; what has no backup any more comes from the timeline. Without them the newest backup
    is compared with the final DB. A field that came or
    went counts once; one that changed in more than a third of the records is counted apart.
    """
    with explaining() as attempt:
        settings = attempt.settings = Settings(**options)
        attempt.next_command = lambda error: _next_command(settings, error)
        from salesmap_async.operate.states import States
        from salesmap_async.timeline.difference import comparing
        from salesmap_async.timeline.report import Report

        states = States.of(settings)
        with TemporaryDirectory(prefix="salesmap-diff-") as folder:
            place = Path(folder)
            newer = states.newest() if new is None else states.named_or_rebuilt(new, place)
            older = states.before(newer) if old is None else states.named_or_rebuilt(old, place)
            with comparing(older.path, newer.path) as comparison:
                wanted = _names(tables) or comparison.tables()
                comparison.check(wanted, fields)
                found = [
                    comparison.table(each, fields=fields, all_fields=all_fields) for each in wanted
                ]
                report = Report(older, newer, comparison, found)
                try:
                    _write(report, format_, out, summary=summary)
                except BrokenPipeError:  # who reads it has enough
                    pass
                except OSError as error:
                    raise SalesmapError(
                        f"the difference cannot be written: {error.strerror or error}"
                    ) from None
                changed = not report.is_empty
    if exit_code and changed:
        raise SystemExit(1)


def _next_command(settings: Settings, error: SalesmapError) -> str:
    if not isinstance(error, UsageError):
        return same_command_again()
    words = ("run",) if "take one first" in error.cure else ("diff", "--help")
    return path_command(settings, *words)


def _names(items: tuple[str, ...]) -> list[str]:
    return [name.strip() for each in items for name in each.split(",") if name.strip()]


def _write(report: Report, format_: str, out: Path | None, *, summary: bool) -> None:
    from salesmap_async.timeline import report as writing

    if format_ == "xlsx":
        from salesmap_async.timeline.workbook import write_workbook

        name = f"diff_{report.old.run_tag or 'old'}_{report.new.run_tag or 'new'}.xlsx"
        path = out or Path(name)
        write_workbook(report, path)
        say(f"written: {path}")
        return
    with _opened(out) as file:
        if format_ == "json":
            writing.write_json(report, file, summary=summary)
        elif format_ == "html":
            writing.write_html(report, file, summary=summary)
        else:
            for line in writing.text_lines(report, summary=summary):
                file.write(printable(line) + "\n")


@contextmanager
def _opened(out: Path | None) -> Iterator[TextIO]:
    """Give standard output, or a file that has its name once it is complete."""
    if out is None:
        yield sys.stdout
        sys.stdout.flush()
        return
    from salesmap_async.files import place

    temporary = out.with_name(f".{out.name}.part")
    try:
        with temporary.open("w", encoding="utf-8", newline="\n") as file:
            yield file
        place(temporary, out)
    finally:
        with suppress(OSError):
            temporary.unlink(missing_ok=True)
