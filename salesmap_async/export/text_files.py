"""CSV and JSON Lines: one text file for each table.

CSV is RFC 4180 (CRLF, quotes doubled), with a BOM for Excel unless that is left out. NULL is
nothing, an empty text is `""`: PostgreSQL's COPY tells them apart, spreadsheets do not. A text that
a spreadsheet would take for a formula gets a `'` before it, unless it is to be raw.

JSON Lines holds the values as they came from the API: text that is a JSON object or list is one
again. What SQLite does not keep apart stays as it is there: true and false are 1 and 0.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, TextIO

from salesmap_async import exact_json
from salesmap_async.export.losses import Losses
from salesmap_async.export.source import ExportTable, Row

BOM = "\ufeff"
_BATCH = 200
_QUOTED = re.compile(r'^$|["\r\n,]|^\s|\s$')
_FORMULA = re.compile(r"^\s*[=+\-@]|^[\t\r]")

Progress = Callable[[int], None]


def write_csv(
    table: ExportTable, file: TextIO, losses: Losses, progress: Progress, *, raw: bool, bom: bool
) -> int:
    """Write a table as CSV; return its number of rows."""
    if bom:
        file.write(BOM)
    names = [column.name for column in table.columns]
    changed = [0] * len(names)

    def safe(place: int, text: str) -> str:
        if not raw and _FORMULA.match(text):
            changed[place] += 1
            return "'" + text
        return text

    def cell(place: int, value: Any) -> str:
        if type(value) is str:
            if value[:1] in _SUSPICIOUS:
                value = safe(place, value)
            return f'"{value.replace(_Q, _QQ)}"' if _QUOTED.search(value) else value
        return "" if value is None else repr(value)

    file.write(",".join(cell(place, name) for place, name in enumerate(names)) + "\r\n")
    changed = [0] * len(names)
    count = 0
    for count, row in enumerate(table.read(), start=1):
        file.write(",".join([cell(place, value) for place, value in enumerate(row)]) + "\r\n")
        if count % _BATCH == 0:
            progress(_BATCH)
    progress(count % _BATCH)
    for name, times in zip(names, changed, strict=True):
        losses.count("texts begin like a formula and got a ' before them", _of(table, name), times)
    return count


_Q, _QQ = '"', '""'
_SUSPICIOUS = frozenset("=+-@\t\r\n \v\f\x1c\x1d\x1e\x1f\x85\xa0\u3000")


def formula_safe(value: Any) -> Any:
    """Return a value with a `'` before a text that a spreadsheet would take for a formula."""
    return "'" + value if isinstance(value, str) and _FORMULA.match(value) else value


def write_jsonl(table: ExportTable, file: TextIO, losses: Losses, progress: Progress) -> int:
    """Write a table as JSON Lines; return its number of rows."""
    names = [column.name for column in table.columns]
    count = 0
    for count, row in enumerate(table.read(), start=1):
        file.write(exact_json.dumps(_as_it_came(names, row)) + "\n")
        if count % _BATCH == 0:
            progress(_BATCH)
    progress(count % _BATCH)
    return count


def _as_it_came(names: list[str], row: Row) -> dict[str, Any]:
    return {
        name: nested(value) if type(value) is str and value[:1] in ("{", "[") else value
        for name, value in zip(names, row, strict=True)
    }


def nested(text: str) -> Any:
    """Return the JSON object or list that a text is; the text itself where it is none."""
    try:
        return exact_json.loads(text.encode()) if text[-1:] in ("}", "]") else text
    except ValueError:
        return text


def _of(table: ExportTable, column: str) -> str:
    return f"{table.name}.{column}"
