"""Excel: one workbook, a cover, and a sheet for each table.

Rows are written as they come and leave memory at once (`constant_memory`). A text stays a text:
never a formula, a link or a number. Times are dates in Seoul; numbers are numbers, unless they have
more digits than Excel keeps.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any

from salesmap_async.excel_book import (
    MOST_CHARACTERS,
    MOST_COLUMNS,
    MOST_ROWS,
    workbook,
    write_value,
)
from salesmap_async.export.losses import Losses
from salesmap_async.export.source import ExportTable, Source
from salesmap_async.export.text_files import Progress
from salesmap_async.seoul import seoul_time
from salesmap_async.times import moment_of

LONGEST_SHEET_NAME = 31

SHEET_NAMES = {
    "organization": "조직",
    "people": "사람",
    "deal": "딜",
    "lead": "리드",
    "memo": "메모",
    "user": "사용자",
    "team": "팀",
    "webform": "웹폼",
    "webform_history": "웹폼 제출 내역",
    "todo": "할 일",
    "product": "상품",
    "result": "결과",
}
COVER = "안내"

_TIME = re.compile(r"\d{4}-\d\d-\d\d([T ]\d\d:\d\d(:\d\d(\.\d{1,6})?)?(Z|[+-]\d\d:?\d\d)?)?")
_NOT_IN_A_NAME = re.compile(r"[\[\]:*?/\\']")
_FIRST_YEAR = 1900
_CUT = "cells longer than 32,767 characters were cut"
_BATCH = 200


def write_xlsx(
    source: Source,
    path: Path,
    losses: Losses,
    progress: Callable[[str, int], None],
) -> dict[str, int]:
    """Write a workbook; return the rows of each table. Raises as `excel_book` does."""
    rows: dict[str, int] = {}
    with workbook(path) as book:
        cover = book.add_worksheet(COVER)
        writer = _Writer(book, losses)
        taken = {COVER}
        for table in source.tables:
            rows[table.name] = writer.write(table, taken, partial(progress, table.name))
        _write_cover(cover, book, source, rows, losses)
    return rows


class _Writer:
    """Writes tables into the sheets of one workbook."""

    def __init__(self, book: Any, losses: Losses) -> None:
        self._book = book
        self._losses = losses
        self._header = book.add_format({"bold": True, "bottom": 1, "text_wrap": False})
        self._time = book.add_format({"num_format": "yyyy-mm-dd hh:mm:ss"})
        self._day = book.add_format({"num_format": "yyyy-mm-dd"})

    def write(self, table: ExportTable, taken: set[str], progress: Progress) -> int:
        columns = table.columns[:MOST_COLUMNS]
        for column in table.columns[MOST_COLUMNS:]:
            self._losses.count("columns beyond 16,384 were left out", f"{table.name}.{column.name}")
        sheet, line, count = None, MOST_ROWS, 0
        for count, row in enumerate(table.read(), start=1):
            if line == MOST_ROWS:
                self._finish(sheet, line, len(columns))
                sheet, line = self._begin(table, [each.name for each in columns], taken), 0
            line += 1
            for place, value in enumerate(row[: len(columns)]):
                if value is not None:
                    self._cell(sheet, line, place, value, table)
            if count % _BATCH == 0:
                progress(_BATCH)
        if sheet is None:
            sheet, line = self._begin(table, [each.name for each in columns], taken), 0
        self._finish(sheet, line, len(columns))
        progress(count % _BATCH)
        return count

    def _begin(self, table: ExportTable, names: list[str], taken: set[str]) -> Any:
        sheet = self._book.add_worksheet(sheet_name(table.name, taken))
        sheet.freeze_panes(1, 1)
        for place, name in enumerate(names):
            sheet.set_column(place, place, _width(name))
            sheet.write_string(0, place, name[:MOST_CHARACTERS], self._header)
        return sheet

    def _finish(self, sheet: Any, lines: int, columns: int) -> None:
        if sheet is not None and columns:
            sheet.autofilter(0, 0, lines, columns - 1)

    def _cell(self, sheet: Any, line: int, place: int, value: Any, table: ExportTable) -> None:
        if type(value) is str:
            if value[:2] in ("19", "20") and (moment := date_of(value)) is not None:
                shown = self._day if len(value) == 10 else self._time
                sheet.write_datetime(line, place, moment, shown)
                return
            if len(value) > MOST_CHARACTERS:
                self._losses.count(_CUT, f"{table.name}.{table.columns[place].name}")
        write_value(sheet, line, place, value)


def date_of(text: str) -> datetime | None:
    """Return what Excel shows of an ISO time: the time in Seoul, or the day as it is; else None."""
    if not _TIME.fullmatch(text):
        return None
    day_alone = len(text) == len("2026-01-31")
    moment = moment_of(text) if day_alone else seoul_time(text)
    if moment is None or moment.year < _FIRST_YEAR:
        return None
    return moment.replace(tzinfo=None)


def sheet_name(table: str, taken: set[str]) -> str:
    """Return a name for the sheet of a table that no other one has, and note it in `taken`."""
    base = _NOT_IN_A_NAME.sub("_", SHEET_NAMES.get(table, table)) or "_"
    name, number = base[:LONGEST_SHEET_NAME], 1
    while name.lower() in {each.lower() for each in taken}:
        number += 1
        ending = f" ({number})"
        name = base[: LONGEST_SHEET_NAME - len(ending)] + ending
    taken.add(name)
    return name


def _width(name: str) -> float:
    wide = sum(2 if ord(letter) > 0x1100 else 1 for letter in name)
    return float(min(max(wide + 4, 12), 40))


def _write_cover(
    sheet: Any, book: Any, source: Source, rows: dict[str, int], losses: Losses
) -> None:
    """Say what the workbook holds, by which rules, and what it could not hold."""
    bold = book.add_format({"bold": True})
    sheet.set_column(0, 0, 24)
    sheet.set_column(1, 1, 90)
    about: Iterable[tuple[str, str]] = (
        ("워크스페이스", f"{source.workspace_name or '-'} ({source.workspace_id or '-'})"),
        ("읽은 시각", _said(source.captured_at)),
        ("실행", source.run_tag or "-"),
        *((SHEET_NAMES.get(name, name), f"{count:,}행") for name, count in rows.items()),
        ("시각", "날짜와 시각은 서울 시간(UTC+9)입니다. 시간대가 없는 값은 UTC로 봅니다."),
        ("숫자", "15자리가 넘는 정수는 Excel이 반올림하므로 텍스트로 둡니다."),
        ("텍스트", "=, +, -, @로 시작해도 텍스트입니다. 수식과 링크는 없습니다."),
        *(("담지 못한 것", line) for line in losses.lines()),
    )
    for line, (label, text) in enumerate(about):
        sheet.write_string(line, 0, label, bold)
        sheet.write_string(line, 1, text)


def _said(captured_at: str | None) -> str:
    moment = date_of(captured_at) if captured_at else None
    return f"{moment:%Y-%m-%d %H:%M:%S} (서울)" if moment else captured_at or "-"
