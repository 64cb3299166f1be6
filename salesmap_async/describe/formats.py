"""The description as a page, as JSON, and as metadata for datasette."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict
from typing import Any

from salesmap_async.describe.description import Field, Snapshot, Table


def as_json(snapshot: Snapshot, tables: Iterable[Table]) -> dict[str, Any]:
    """Return the whole description as JSON values."""
    return {**asdict(snapshot), "tables": [asdict(table) for table in tables]}


def as_markdown(snapshot: Snapshot, tables: Sequence[Table]) -> Iterator[str]:
    """Yield the lines of a page: a table for each table, its links, its fields."""
    yield f"# {snapshot.workspace or 'A Salesmap workspace'}"
    yield ""
    yield f"Read at {snapshot.captured_at or 'an unknown time'} (UTC), run {snapshot.run_tag}."
    for table in tables:
        yield from ("", f"## `{table.name}`", "", f"{table.rows:,} rows.")
        links = [field for field in table.fields if field.links_to]
        if links:
            said = ", ".join(f"`{each.name}` -> `{each.links_to}.id`" for each in links)
            yield from ("", f"Links: {said}.")
        yield from ("", "| field | type | in the CRM | filled | examples |")
        yield "| --- | --- | --- | ---: | --- |"
        for field in table.fields:
            cells = (
                f"`{field.name}`",
                field.type,
                field.crm_type or "",
                f"{field.filled:.0%}",
                "; ".join(field.examples),
            )
            yield "| " + " | ".join(map(_cell, cells)) + " |"


def as_datasette(stem: str, snapshot: Snapshot, tables: Iterable[Table]) -> dict[str, Any]:
    """Return metadata for `datasette DB -m FILE`; its settings are what its newer versions read.

    Suggested facets are off: datasette counts every column for them, and a table of 264 columns
    took 24 s.
    """
    source = f"{snapshot.workspace}, read at {snapshot.captured_at} UTC"
    return {
        "title": snapshot.workspace or "Salesmap",
        "description": source,
        "settings": {"suggest_facets": False},
        "databases": {
            stem: {
                "description": source,
                "tables": {
                    table.name: {
                        "description": f"{table.rows:,} rows",
                        "columns": {field.name: _said(field) for field in table.fields},
                    }
                    for table in tables
                },
            }
        },
    }


def _said(field: Field) -> str:
    words = [field.crm_type or field.type, f"{field.filled:.0%} filled"]
    if field.links_to:
        words.append(f"id of {field.links_to}")
    return ", ".join(words)


def _cell(text: str) -> str:
    """Return a text of the CRM as text, never as Markdown or HTML."""
    text = text.replace("\\", "\\\\").replace("|", "\\|").replace("\n", " ")
    return text.replace("<", "&lt;")
