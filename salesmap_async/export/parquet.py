"""Parquet, and the lake: partitions by workspace and day whose types never change.

A type must not depend on what one day's values happen to be, or a warehouse refuses the next day.
So there are two: numbers are DOUBLE, everything else is text. A column whose values all are numbers
is DOUBLE; a value in it that DOUBLE cannot hold exactly (an integer beyond 2^53, or a text that
comes later) stands in a text column beside it, `<name>__text`. Objects and lists are JSON text.

A lake remembers in `schema.json` which type each column got first, and keeps to it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any, Literal

from salesmap_async.export.losses import Losses
from salesmap_async.export.source import Column, ExportTable, Row
from salesmap_async.export.text_files import Progress

Type = Literal["double", "text"]

LARGEST_EXACT = 2**53
OTHERS = "__text"
"""Ends the name of the column that has what a DOUBLE column cannot hold."""

_CELLS_AT_ONCE = 2_000_000


@dataclass(frozen=True, slots=True)
class Field:
    """One column of a table: its name in the file, and its type there."""

    name: str
    stored_as: str
    type: Type


def fields_of(
    table: ExportTable, known: Mapping[str, Type], *, max_name_bytes: int | None
) -> tuple[Field, ...]:
    """Return how each column is stored; `known` are the types that a lake has given before."""
    taken: set[str] = set()
    return tuple(
        Field(
            column.name,
            _stored_name(column.name, taken, max_name_bytes),
            known.get(column.name) or _type_of(column),
        )
        for column in table.columns
    )


def _type_of(column: Column) -> Type:
    return "double" if column.kind in ("INTEGER", "REAL", "NUMBER") else "text"


def _stored_name(name: str, taken: set[str], max_bytes: int | None) -> str:
    """Return a name that is not too long and that no other column has in another case."""
    stored, number = _shortened(name, name, max_bytes), 1
    while stored.casefold() in taken or f"{stored}{OTHERS}".casefold() in taken:
        number += 1
        stored = _shortened(f"{name}_{number}", name, max_bytes)
    taken |= {stored.casefold(), f"{stored}{OTHERS}".casefold()}
    return stored


def _shortened(name: str, whole: str, max_bytes: int | None) -> str:
    """Cut a name that is too long, at a letter, and end it with a digest of the whole."""
    if max_bytes is None or len((name + OTHERS).encode()) <= max_bytes:
        return name
    ending = "_" + hashlib.sha256(whole.encode()).hexdigest()[:8]
    room = max(1, max_bytes - len((ending + OTHERS).encode()))
    return name.encode()[:room].decode(errors="ignore") + ending


def write_parquet(
    table: ExportTable,
    fields: Sequence[Field],
    path: Path,
    losses: Losses,
    progress: Progress,
) -> int:
    """Write a table; return its number of rows. Raises ImportError without pyarrow."""
    import pyarrow
    import pyarrow.parquet

    has_others = _columns_with_others(table, fields)
    schema = pyarrow.schema(
        [
            pyarrow.field(name, pyarrow.float64() if type_ == "double" else pyarrow.string())
            for name, type_ in _layout(fields, has_others)
        ]
    )
    size = max(1, min(20_000, _CELLS_AT_ONCE // max(1, len(fields))))
    count = 0
    with pyarrow.parquet.ParquetWriter(path, schema, compression="zstd") as writer:
        for rows in _batches(table.read(), size):
            arrays = []
            for field, has, values in zip(fields, has_others, zip(*rows, strict=True), strict=True):
                if field.type == "text":
                    arrays.append(pyarrow.array(list(map(_as_text, values)), pyarrow.string()))
                    continue
                numbers = list(map(_as_double, values)) if has else values
                arrays.append(pyarrow.array(numbers, pyarrow.float64(), from_pandas=False))
                if has:
                    arrays.append(pyarrow.array(list(map(_others, values)), pyarrow.string()))
            writer.write_batch(pyarrow.record_batch(arrays, schema=schema))
            count += len(rows)
            progress(len(rows))
    for field, has in zip(fields, has_others, strict=True):
        place = f"{table.name}.{field.name}"
        losses.count(f"columns have a second one, ...{OTHERS}, with what is no number", place, has)
        if field.stored_as != field.name:
            losses.count("columns are called otherwise, see column_map.json", place)
    return count


def _layout(fields: Sequence[Field], has_others: Sequence[bool]) -> Iterator[tuple[str, Type]]:
    for field, has in zip(fields, has_others, strict=True):
        yield field.stored_as, field.type
        if has:
            yield field.stored_as + OTHERS, "text"


def _columns_with_others(table: ExportTable, fields: Sequence[Field]) -> list[bool]:
    """Tell for each column whether a value of it is no number that DOUBLE holds exactly."""
    doubles = [place for place, field in enumerate(fields) if field.type == "double"]
    found = [False] * len(fields)
    for row in table.read():
        for place in doubles:
            value = row[place]
            if value is not None and not _is_double(value):
                found[place] = True
    return found


def _is_double(value: Any) -> bool:
    kind = type(value)
    return kind is float or (kind is int and -LARGEST_EXACT <= value <= LARGEST_EXACT)


def _as_double(value: Any) -> float | None:
    return float(value) if value is not None and _is_double(value) else None


def _others(value: Any) -> str | None:
    return None if value is None or _is_double(value) else _as_text(value)


def _as_text(value: Any) -> str | None:
    return value if value is None or type(value) is str else repr(value)


def _batches(rows: Iterator[Row], size: int) -> Iterator[list[Row]]:
    while batch := list(islice(rows, size)):
        yield batch
