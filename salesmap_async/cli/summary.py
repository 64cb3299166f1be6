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

from salesmap_async.cli.figures import change_lines
from salesmap_async.publish.manifest import ManifestRow
from salesmap_async.run.floor import Floor
from salesmap_async.run.log import printable
from salesmap_async.run.snapshot import RunReport


def show_summary(report: RunReport) -> None:
    """Print the summary to standard output; what is published stays so if it cannot be printed."""
    text = StringIO()
    print_summary(report, Console(file=text, width=shutil.get_terminal_size().columns))
    with suppress(OSError):
        click.echo(text.getvalue(), nl=False)


def print_summary(report: RunReport, console: Console) -> None:
    """Print rows, columns, pages and seconds per table, the traffic, and where things lie."""
    table = Table(title=f"Snapshot {report.run_tag}", title_justify="left")
    table.add_column("table")
    for heading in ("rows", "columns", "pages", "seconds"):
        table.add_column(heading, justify="right")
    table.add_column("remarks")
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
        console.print(Text(line), soft_wrap=True)


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
    remarks = [f"{signs.get(said, '')}{n:,} {said}" for said, n in counts.items() if n]
    if row.run_tag not in (run_tag, ""):
        remarks.append(f"carried over from {row.run_tag}")
    return "; ".join(remarks)


def _floor(floor: Floor) -> str:
    """Say what the reading could have taken at best, and what sets that."""
    if floor.table:
        bound = f"{floor.table} alone, one answer after the other"
    else:
        bound = "one request per interval"
    return f"{floor.seconds:.1f} s: {floor.pages:,} pages x {floor.page_s:.3g} s, {bound}"


def _changes(report: RunReport) -> Iterator[str]:
    """Yield what the snapshot changed, where that is known and something did."""
    tables, sales = ([], []) if report.changes is None else change_lines(asdict(report.changes))
    for label, said in (("changes", tables), ("sales", sales)):
        if said:
            yield f"{label:<11}{'; '.join(said)}"


def _lines(report: RunReport) -> list[str]:
    paths = report.paths
    traffic = report.traffic
    lines = [
        f"{traffic.requests:,} requests in {traffic.seconds:.1f} s; floor {_floor(report.floor)}",
        f"{traffic.retries} retries, {traffic.refusals} refused (429), "
        f"{traffic.waited_s:.0f} s waited for the quota",
        *_changes(report),
        f"final DB   {paths.final_db}",
        f"backup     {paths.backup_db if paths.backup_db.exists() else 'none'}",
        f"log        {paths.log_file}",
        f"manifest   {paths.manifest_json}",
        f"history    {paths.history_file}",
        f"timeline   {paths.timeline_db if paths.timeline_db.exists() else 'none'}",
    ]
    return lines + [f"warning    {printable(text)}" for text in report.warnings]
