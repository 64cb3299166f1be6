"""What a published run prints at its end."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import asdict
from io import StringIO

import click
from rich.console import Console
from rich.table import Table
from rich.text import Text

from salesmap_async.cli.console import labelled
from salesmap_async.cli.figures import change_lines
from salesmap_async.cli.language import local
from salesmap_async.publish.manifest import ManifestRow
from salesmap_async.run.log import printable
from salesmap_async.run.snapshot import RunReport

_LABEL_WIDTH = 11


def show_summary(report: RunReport) -> None:
    """Print the summary to standard output; what is published stays so if it cannot be printed."""
    text = StringIO()
    print_summary(report, Console(file=text, width=shutil.get_terminal_size().columns))
    with suppress(OSError):
        click.echo(text.getvalue(), nl=False)


def print_summary(report: RunReport, console: Console) -> None:
    """Print rows, columns, pages and seconds per table, the traffic, and where things lie."""
    table = Table(title=local(f"Snapshot {report.run_tag}"), title_justify="left")
    table.add_column(local("table"))
    for heading in ("rows", "columns", "pages", "seconds"):
        table.add_column(local(heading), justify="right")
    table.add_column(local("remarks"), overflow="fold")
    for row in report.tables:
        seconds = report.table_seconds.get(row.table)
        table.add_row(
            row.table,
            f"{row.row_count:,}",
            f"{row.column_count:,}",
            f"{row.pages:,}",
            "-" if seconds is None else f"{seconds:.1f}",
            Text(printable(_remarks(row, report.run_tag))),
        )
    console.print(table)
    for line in _lines(report):
        console.print(Text(printable(line)), soft_wrap=True)


def _remarks(row: ManifestRow, run_tag: str) -> str:
    counts = {
        "new": row.added or 0,
        "gone": row.gone or 0,
        "unlisted": row.unlisted,
        "came twice": row.duplicates,
        "repaired": row.repaired,
        "without id": row.without_id,
        "dropped_missing": row.dropped_missing,
        "dropped_not_allowed": row.dropped_not_allowed,
    }
    signs = {"new": "+", "gone": "-"}
    remarks = [f"{signs.get(said, '')}{n:,} {local(said)}" for said, n in counts.items() if n]
    if row.run_tag not in (run_tag, ""):
        remarks.append(local(f"carried over from {row.run_tag}"))
    return "; ".join(remarks)


def _pace(report: RunReport) -> str:
    """Say how long the reading took, and what no program could have been faster than."""
    traffic, floor = report.traffic, report.floor
    took = f"{traffic.requests:,} requests in {traffic.seconds:.1f} s"
    if floor.table:
        return f"{took}; {floor.table}, page after page, takes at least {floor.seconds:.1f} s"
    return f"{took}; at this pace they take at least {floor.seconds:.1f} s"


def summary_lines(report: RunReport) -> list[str]:
    """Return what a channel or a monitor is told of a published run, in the screen's language."""
    rows = sum(row.row_count for row in report.tables)
    said = (
        f"{report.paths.final_db.name} is published: run {report.run_tag}, {rows:,} rows, "
        f"{report.traffic.seconds:.0f} s"
    )
    return [local(said), *_changes(report), *_warnings(report)]


def _changes(report: RunReport) -> Iterator[str]:
    """Yield what the snapshot changed, where that is known and something did."""
    tables, sales = ([], []) if report.changes is None else change_lines(asdict(report.changes))
    for label, said in (("changes", tables), ("sales", sales)):
        if said:
            yield labelled(label, "; ".join(said), _LABEL_WIDTH)


def _warnings(report: RunReport) -> Iterator[str]:
    return (labelled("warning", text, _LABEL_WIDTH) for text in report.warnings)


def _lines(report: RunReport) -> Iterator[str]:
    paths, traffic = report.paths, report.traffic
    yield local(_pace(report))
    yield local(
        f"{traffic.retries} retries, {traffic.refusals} refused (429), "
        f"{traffic.waited_s:.0f} s waited for the quota"
    )
    yield from _changes(report)
    for label, path in (
        ("final DB", paths.final_db),
        ("backup", paths.backup_db),
        ("log", paths.log_file),
        ("manifest", paths.manifest_json),
        ("history", paths.history_file),
        ("timeline", paths.timeline_db),
    ):
        is_there = label not in ("backup", "timeline") or path.exists()
        yield labelled(label, str(path) if is_there else "none", _LABEL_WIDTH)
    yield from _warnings(report)
