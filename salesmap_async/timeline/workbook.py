"""A difference as an Excel workbook: what happened to the deals, then all changes."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

from salesmap_async.excel_book import MOST_ROWS, workbook, write_value
from salesmap_async.files import place
from salesmap_async.timeline.report import Report


def write_workbook(report: Report, path: Path) -> None:
    """Write the workbook. Raises as `excel_book` does."""
    temporary = path.with_name(f".{path.name}.part")
    try:
        with workbook(temporary) as book:
            for name, headings, rows in (
                ("deals", ("what", "deal", "id", "organization", "owner", "from", "to", "KRW"),
                 _deals(report)),
                ("changes", ("table", "what", "id", "name", "field", "from", "to"),
                 _changes(report)),
            ):  # fmt: skip
                sheet = book.add_worksheet(name)
                sheet.freeze_panes(1, 0)
                for place_, heading in enumerate(headings):
                    sheet.write_string(0, place_, heading, book.add_format({"bold": True}))
                for line, row in enumerate(rows, start=1):
                    if line > MOST_ROWS:
                        break
                    for place_, value in enumerate(row):
                        write_value(sheet, line, place_, value)
        place(temporary, path)
    finally:
        with suppress(OSError):
            temporary.unlink(missing_ok=True)


def _deals(report: Report) -> Iterator[tuple[Any, ...]]:
    for e in report.events():
        yield e.kind, e.name, e.deal_id, e.organization, e.owner, e.old, e.new, e.amount_krw


def _changes(report: Report) -> Iterator[tuple[Any, ...]]:
    for table in report.tables:
        for change in report.comparison.added(table):
            yield table.table, "added", change.key[-1], change.name
        for change in report.comparison.gone(table):
            yield table.table, "gone", change.key[-1], change.name
        for change in report.comparison.changed(table):
            for name, (old, new) in change.fields.items():
                yield table.table, "changed", change.key[-1], change.name, name, old, new
