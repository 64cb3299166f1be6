"""An Excel workbook that leaves memory row by row, and whose texts stay texts."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from salesmap_async.commandline import how_to_install
from salesmap_async.errors import UsageError

MOST_ROWS = 1_048_575
"""Rows of a sheet below its header."""

MOST_COLUMNS = 16_384
MOST_CHARACTERS = 32_767
MOST_EXACT = 10**15 - 1
"""The largest integer that Excel does not round."""


@contextmanager
def workbook(path: Path) -> Iterator[Any]:
    """Give a new workbook that is at `path` when the block ends.

    Raises UsageError without XlsxWriter, OSError where it cannot be written.
    """
    try:
        import xlsxwriter
    except ModuleNotFoundError:
        raise UsageError("--format xlsx needs xlsxwriter", cure=how_to_install("excel")) from None
    options = {
        "constant_memory": True,
        "strings_to_formulas": False,
        "strings_to_urls": False,
        "strings_to_numbers": False,
        "nan_inf_to_errors": True,
    }
    # Its sheets lie in files until the end, which it leaves behind where it fails.
    folder = sheets_of(path)
    try:
        folder.mkdir(exist_ok=True)
        with xlsxwriter.Workbook(str(path), options | {"tmpdir": str(folder)}) as book:
            yield book
    except xlsxwriter.exceptions.FileCreateError as error:
        [cause] = error.args
        raise (cause if isinstance(cause, OSError) else OSError(str(error))) from None
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def write_value(sheet: Any, line: int, place: int, value: Any) -> None:
    """Write a text as text, a number as one unless Excel would round it, nothing for None."""
    if isinstance(value, str):
        sheet.write_string(line, place, value[:MOST_CHARACTERS])
    elif isinstance(value, int) and abs(value) > MOST_EXACT:
        sheet.write_string(line, place, str(value))
    elif value is not None:
        sheet.write_number(line, place, value)


def sheets_of(path: Path) -> Path:
    """Return the folder in which the sheets of a workbook lie while it is written."""
    return path.with_name(f"{path.name}.sheets")
