"""Singer: SCHEMA, RECORD and STATE messages, one JSON object a line, for any Singer target.

Names and keys are those of the DB. Types are as simple as targets are: text, integer, number; a
column of several kinds is text, so that a target that keeps one type per column holds all of it.
"""

from __future__ import annotations

from typing import Any, TextIO

from salesmap_async import exact_json
from salesmap_async.export.losses import Losses
from salesmap_async.export.source import Column, ExportTable, Source
from salesmap_async.export.text_files import Progress

_TYPES = {"TEXT": "string", "INTEGER": "integer", "REAL": "number", "NUMBER": "number"}
_BATCH = 200


def write_singer_table(
    table: ExportTable, file: TextIO, losses: Losses, progress: Progress, *, extracted_at: str
) -> int:
    """Write the schema of a table and its records; return their number."""
    schema = {
        "type": "SCHEMA",
        "stream": table.name,
        "schema": {
            "type": "object",
            "properties": {column.name: _schema_of(column) for column in table.columns},
        },
        "key_properties": list(table.key),
    }
    _write(file, schema)
    names = [column.name for column in table.columns]
    mixed = [place for place, column in enumerate(table.columns) if column.kind not in _TYPES]
    numbers = [0] * len(names)
    count = 0
    for count, row in enumerate(table.read(), start=1):
        record: dict[str, Any] = dict(zip(names, row, strict=True))
        for place in mixed:
            if type(row[place]) in (int, float):
                record[names[place]] = repr(row[place])
                numbers[place] += 1
        message = {
            "type": "RECORD",
            "stream": table.name,
            "record": record,
            "time_extracted": extracted_at,
        }
        _write(file, message)
        if count % _BATCH == 0:
            progress(_BATCH)
    progress(count % _BATCH)
    for name, times in zip(names, numbers, strict=True):
        losses.count("numbers in columns of several kinds were written as text",
                     f"{table.name}.{name}", times)  # fmt: skip
    return count


def write_singer_state(source: Source, file: TextIO) -> None:
    """Write the message that ends a snapshot: of which run it was."""
    state = {"run_tag": source.run_tag, "captured_at": source.captured_at}
    _write(file, {"type": "STATE", "value": state})


def _schema_of(column: Column) -> dict[str, Any]:
    return {"type": ["null", _TYPES.get(column.kind, "string")]}


def _write(file: TextIO, message: dict[str, Any]) -> None:
    file.write(exact_json.dumps(message) + "\n")
