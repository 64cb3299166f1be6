"""One export: the right writer for a format, whole files under a temporary name, and a report.

What is exported is one state of the snapshot. Nothing has its final name before it is complete;
whatever ends an export early, nothing of it is left.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import sqlite3
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Literal, TextIO, get_args

from salesmap_async.commandline import how_to_install
from salesmap_async.errors import SalesmapError, UsageError
from salesmap_async.excel_book import sheets_of
from salesmap_async.export.excel import write_xlsx
from salesmap_async.export.lake import Lake, partition_of
from salesmap_async.export.losses import Losses
from salesmap_async.export.mask import Mask, read_key
from salesmap_async.export.parquet import Type, fields_of, write_parquet
from salesmap_async.export.singer import write_singer_state, write_singer_table
from salesmap_async.export.source import ExportTable, Source, names_of_people, open_source
from salesmap_async.export.text_files import write_csv, write_jsonl
from salesmap_async.files import is_full, place, place_folder
from salesmap_async.sqlite_file import opened

Format = Literal["xlsx", "csv", "jsonl", "parquet", "singer"]
FORMATS: tuple[Format, ...] = get_args(Format)
ONE_FILE = ("xlsx", "singer")
"""Formats of one file; the others have one for each table, in a folder."""

STREAMED = ("csv", "jsonl", "singer")
"""Formats that can go to standard output."""

STDOUT = Path("-")

TellTable = Callable[[str, int], None]
"""Told of a table and how many more of its rows are written."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ExportRequest:
    """What to export. `db_path` is the final DB, `snapshot` the file to read: it, or a backup.

    `out` None: named after the DB and its run, in the present folder. `raw`: CSV cells that look
    like a formula stay as they are. `max_name_bytes`: of a column's name in Parquet.
    """

    db_path: Path
    snapshot: Path
    format: Format
    out: Path | None = None
    tables: tuple[str, ...] = ()
    sql: str | None = None
    mask: bool = False
    partition: bool = False
    force: bool = False
    raw: bool = False
    bom: bool = True
    max_name_bytes: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ExportReport:
    """What was written: rows by table, `out` and its size, and what the format could not hold."""

    out: Path
    rows: dict[str, int]
    size_bytes: int
    seconds: float
    losses: tuple[str, ...]


class ExportError(SalesmapError):
    """An export that failed; nothing of it is left."""


def export(
    request: ExportRequest, progress: TellTable = lambda _table, _rows: None
) -> ExportReport:
    """Export a snapshot. Raises UsageError, and ExportError where the disk or the DB fails."""
    _check(request)
    began = time.monotonic()
    losses = Losses()
    try:
        with _steady(request) as path, open_source(path, only=request.tables, sql=request.sql) as s:
            source = _masked(request, s) if request.mask else s
            out = request.out or _usual_out(request, source)
            rows = _write(request, source, out, losses, progress)
    except ModuleNotFoundError as error:
        raise UsageError(
            f"--format parquet needs {error.name}",
            cure=how_to_install("parquet"),
        ) from None
    except sqlite3.Error as error:
        raise ExportError(f"{request.snapshot} cannot be read: {error}") from error
    except BrokenPipeError:
        raise
    except OSError as error:
        raise ExportError(*_said_of(error, request)) from error
    return ExportReport(
        out=out,
        rows=rows,
        size_bytes=_size_of(out),
        seconds=time.monotonic() - began,
        losses=tuple(losses.lines()),
    )


def _check(request: ExportRequest) -> None:
    if request.partition and request.format != "parquet":
        raise UsageError("--partition writes a lake of Parquet files; add --format parquet")
    if request.partition and request.sql is not None:
        raise UsageError("--partition exports tables; leave out --sql")
    if request.sql is not None and request.tables:
        raise UsageError("--sql and --table exclude each other")
    if request.out == STDOUT and request.format not in STREAMED:
        raise UsageError(f"--format {request.format} cannot go to standard output; name --out")


def _usual_out(request: ExportRequest, source: Source) -> Path:
    if request.partition:
        return Path(f"{request.db_path.stem}_lake")
    stem = f"{request.db_path.stem}_{source.run_tag or 'unknown'}"
    if request.format in ONE_FILE:
        ending = "xlsx" if request.format == "xlsx" else "singer.jsonl"
        return Path(f"{stem}.{ending}")
    return Path(f"{stem}_{request.format}")


def _masked(request: ExportRequest, source: Source) -> Source:
    mask = Mask(read_key(request.db_path), names_of_people(source.path))
    return replace(source, tables=tuple(map(mask.masked, source.tables)))


@contextmanager
def _steady(request: ExportRequest) -> Iterator[Path]:
    """Give the file to read: on Windows a copy, for an open file would block the next snapshot."""
    if os.name != "nt":
        yield request.snapshot
        return
    copy = request.snapshot.with_name(f".{request.snapshot.name}.export-{os.getpid()}")
    try:
        with opened(request.snapshot, "ro") as source, opened(copy, "rwc") as target:
            source.backup(target)
        yield copy
    finally:
        with suppress(OSError):
            copy.unlink(missing_ok=True)


def _write(
    request: ExportRequest, source: Source, out: Path, losses: Losses, progress: TellTable
) -> dict[str, int]:
    if request.partition:
        return _write_partition(request, source, out, losses, progress)
    if out == STDOUT:
        return _write_stream(request, source, losses, progress)
    is_file = _is_one_file(request, source, out)
    _check_out(request, out, is_file=is_file)
    temporary = out.with_name(f".{out.name}.part")
    try:
        if is_file:
            rows = _write_file(request, source, temporary, losses, progress)
            place(temporary, out)
        else:
            shutil.rmtree(temporary, ignore_errors=True)
            temporary.mkdir(parents=True)
            rows = _write_folder(request, source, temporary, losses, progress)
            place_folder(temporary, out)
    finally:
        for left in (temporary, sheets_of(temporary)):
            _remove(left)
    return rows


def _is_one_file(request: ExportRequest, source: Source, out: Path) -> bool:
    """Tell whether `out` is a file: by its format, or by its name where there is one table."""
    if request.format in ONE_FILE:
        return True
    return len(source.tables) == 1 and out.suffix == f".{request.format}"


def _check_out(request: ExportRequest, out: Path, *, is_file: bool) -> None:
    """Raise UsageError where something stands at `out` that is not to be replaced."""
    if not out.exists():
        out.parent.mkdir(parents=True, exist_ok=True)
        return
    if out.is_dir() == is_file:
        raise UsageError(f"--out {out} is a {'folder' if is_file else 'file'}; name another place")
    if not request.force:
        raise UsageError(f"{out} is there already", cure="add --force to replace it")
    if out.samefile(request.snapshot) or request.db_path.absolute().is_relative_to(out.absolute()):
        raise UsageError(f"--out {out} would replace the snapshot itself")
    if not is_file and any(not _is_ours(each) for each in out.iterdir()):
        raise UsageError(f"{out} holds files that no export has made; name another place")


def _is_ours(path: Path) -> bool:
    return path.name == "column_map.json" or path.suffix.lstrip(".") in FORMATS


def _write_file(
    request: ExportRequest, source: Source, path: Path, losses: Losses, progress: TellTable
) -> dict[str, int]:
    if request.format == "xlsx":
        return write_xlsx(source, path, losses, progress)
    if request.format == "singer":
        with path.open("w", encoding="utf-8", newline="") as file:
            return _write_singer(source, file, losses, progress)
    [table] = source.tables
    rows, _ = _write_table(request, table, path, losses, progress)
    return {table.name: rows}


def _write_folder(
    request: ExportRequest, source: Source, folder: Path, losses: Losses, progress: TellTable
) -> dict[str, int]:
    rows, renamed = {}, {}
    for table in source.tables:
        path = unused(folder, file_stem(table.name), request.format)
        count, other_names = _write_table(request, table, path, losses, progress)
        rows[table.name], renamed[table.name] = count, other_names
    if any(renamed.values()):
        text = json.dumps({t: names for t, names in renamed.items() if names}, ensure_ascii=False)
        (folder / "column_map.json").write_text(text + "\n", encoding="utf-8")
    return rows


def _write_table(
    request: ExportRequest, table: ExportTable, path: Path, losses: Losses, progress: TellTable
) -> tuple[int, dict[str, str]]:
    """Write one table into one file; return its rows, and the columns that got other names."""
    if request.format == "parquet":
        fields = fields_of(table, {}, max_name_bytes=request.max_name_bytes)
        count = write_parquet(table, fields, path, losses, partial(progress, table.name))
        return count, {f.name: f.stored_as for f in fields if f.name != f.stored_as}
    with path.open("w", encoding="utf-8", newline="") as file:
        return _write_text(request, table, file, losses, progress), {}


def file_stem(table: str) -> str:
    """Return a file's name for a table: another tool's may hold what leads out of the folder."""
    return re.sub(r"[^\w-]", "_", table) or "_"


def unused(folder: Path, stem: str, ending: str) -> Path:
    """Return a path in `folder` that no file has, `stem` or `stem_2`, `stem_3` ..."""
    path, number = folder / f"{stem}.{ending}", 1
    while path.exists():
        number += 1
        path = folder / f"{stem}_{number}.{ending}"
    return path


def _write_stream(
    request: ExportRequest, source: Source, losses: Losses, progress: TellTable
) -> dict[str, int]:
    """Write to standard output: all tables as Singer messages, or one table."""
    out = sys.stdout
    if hasattr(out, "reconfigure"):
        out.reconfigure(encoding="utf-8", newline="")
    if request.format == "singer":
        return _write_singer(source, out, losses, progress)
    if len(source.tables) != 1:
        raise UsageError(
            "standard output takes one table", cure="add --table with its name, or --sql"
        )
    [table] = source.tables
    return {table.name: _write_text(request, table, out, losses, progress)}


def _write_text(
    request: ExportRequest, table: ExportTable, file: TextIO, losses: Losses, progress: TellTable
) -> int:
    def told(count: int) -> None:
        progress(table.name, count)

    if request.format == "csv":
        return write_csv(table, file, losses, told, raw=request.raw, bom=request.bom)
    return write_jsonl(table, file, losses, told)


def _write_singer(
    source: Source, file: TextIO, losses: Losses, progress: TellTable
) -> dict[str, int]:
    extracted_at = source.captured_at or ""
    rows = {
        table.name: write_singer_table(
            table,
            file,
            losses,
            partial(progress, table.name),
            extracted_at=extracted_at,
        )
        for table in source.tables
    }
    write_singer_state(source, file)
    return rows


def _write_partition(
    request: ExportRequest, source: Source, out: Path, losses: Losses, progress: TellTable
) -> dict[str, int]:
    partition = partition_of(source)
    lake = Lake(out)
    with lake.filling(partition, force=request.force) as folder:
        known = lake.types()
        rows: dict[str, int] = {}
        given: dict[str, dict[str, Type]] = {}
        for table in source.tables:
            fields = fields_of(
                table, known.get(table.name, {}), max_name_bytes=request.max_name_bytes
            )
            rows[table.name] = write_parquet(
                table,
                fields,
                unused(folder, file_stem(table.name), "parquet"),
                losses,
                partial(progress, table.name),
            )
            given[table.name] = {field.name: field.type for field in fields}
        lake.remember(given)
    return rows


def _remove(path: Path) -> None:
    with suppress(OSError):
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink(missing_ok=True)


def _size_of(out: Path) -> int:
    if out == STDOUT:
        return 0
    if out.is_dir():
        return sum(each.stat().st_size for each in out.rglob("*") if each.is_file())
    return out.stat().st_size


def _said_of(error: OSError, request: ExportRequest) -> tuple[str]:
    place_ = request.out or Path.cwd()
    if is_full(error):
        return (f"the disk of {place_} is full; nothing of the export is left",)
    return (f"the export cannot be written: {error.strerror or error}",)
