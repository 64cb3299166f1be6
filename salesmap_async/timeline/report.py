"""A difference as text, JSON and HTML; each is written as it is read, one record at a time."""

from __future__ import annotations

import html
import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from itertools import islice
from pathlib import Path
from typing import Any, Protocol, TextIO

from salesmap_async.money import in_eok
from salesmap_async.timeline.difference import Change, Comparison, TableDifference
from salesmap_async.timeline.sales import (
    DEALS,
    KINDS,
    SalesEvent,
    deal_changes,
    sales_events,
)

MOST_SHOWN = 10
"""Records of a kind that the text shows; JSON and HTML show all."""


class Side(Protocol):
    """One of two snapshots, as a report names it."""

    @property
    def path(self) -> Path: ...
    @property
    def run_tag(self) -> str | None: ...
    @property
    def captured_at(self) -> datetime | None: ...


@dataclass(frozen=True, slots=True)
class Report:
    """A difference to be told: the two snapshots, and what changed in each table."""

    old: Side
    new: Side
    comparison: Comparison
    tables: Sequence[TableDifference]

    @property
    def is_empty(self) -> bool:
        """Whether the snapshots are the same."""
        return all(table.is_empty for table in self.tables)

    def events(self) -> Iterator[SalesEvent]:
        """Yield what happened to the deals, where these were compared."""
        deals = next((each for each in self.tables if each.table == DEALS), None)
        if deals is None:
            return iter(())
        return sales_events(
            deal_changes(self.comparison, deals),
            pipelines=self.comparison.pipelines(),
            organization=lambda each: self.comparison.name_of("organization", each),
        )


# -- JSON -----------------------------------------------------------------------------------------


def write_json(report: Report, out: TextIO, *, summary: bool) -> None:
    """Write the report as one JSON object, without ever holding it as a whole."""
    out.write('{"old": ' + _json(_about(report.old)) + ', "new": ' + _json(_about(report.new)))
    out.write(', "tables": {')
    for number, table in enumerate(each for each in report.tables if not each.is_empty):
        out.write((", " if number else "") + _json(table.table) + ": ")
        _write_table(report.comparison, table, out, summary=summary)
    out.write("}")
    if not summary:
        out.write(', "sales": ')
        _write_list(map(asdict, report.events()), out)
    out.write("}\n")


def _write_table(
    comparison: Comparison, table: TableDifference, out: TextIO, *, summary: bool
) -> None:
    counts = {
        "rows": [table.rows_old, table.rows_new],
        "counts": {"added": table.added, "gone": table.gone, "changed": table.changed},
        "by_field": dict(table.by_field),
        "flooding": dict(table.flooding),
        "fields_added": list(table.fields_added),
        "fields_gone": list(table.fields_gone),
        "rows_without_key": list(table.keyless),
    }
    out.write(_json(counts)[:-1])
    if not summary:
        for name, changes in (
            ("added", comparison.added(table)),
            ("gone", comparison.gone(table)),
            ("changed", comparison.changed(table)),
        ):
            out.write(f', "{name}": ')
            _write_list((_change(table, each, name) for each in changes), out)
    out.write("}")


def _change(table: TableDifference, change: Change, kind: str) -> dict[str, Any]:
    key = dict(zip(table.key or ("id",), change.key, strict=True))
    said: dict[str, Any] = {"id": change.key[-1], **key, "name": change.name}
    if kind == "changed":
        said["fields"] = {name: list(pair) for name, pair in change.fields.items()}
    return said


def _write_list(items: Iterable[dict[str, Any]], out: TextIO) -> None:
    out.write("[")
    for number, item in enumerate(items):
        out.write((", " if number else "") + _json(item))
    out.write("]")


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)


def _about(file: Side) -> dict[str, Any]:
    captured = file.captured_at.isoformat(timespec="seconds") if file.captured_at else None
    return {"file": str(file.path), "run_tag": file.run_tag, "captured_at": captured}


# -- text -----------------------------------------------------------------------------------------


def text_lines(report: Report, *, summary: bool) -> Iterator[str]:
    """Yield the report for a person: first what matters in sales, then the tables."""
    yield f"{_said_of(report.old)} -> {_said_of(report.new)}"
    if report.is_empty:
        yield "Nothing has changed."
        return
    yield from _sales_lines(report, summary=summary)
    for table in report.tables:
        if not table.is_empty:
            yield ""
            yield from _table_lines(report.comparison, table, summary=summary)


def _sales_lines(report: Report, *, summary: bool) -> Iterator[str]:
    counts, sums = dict.fromkeys(KINDS, 0), dict.fromkeys(KINDS, 0)
    shown: dict[str, list[SalesEvent]] = {kind: [] for kind in KINDS}
    for event in report.events():
        counts[event.kind] += 1
        sums[event.kind] += event.amount_krw
        if len(shown[event.kind]) < MOST_SHOWN:
            shown[event.kind].append(event)
    if not any(counts.values()):
        return
    yield ""
    yield "Deals"
    for kind in KINDS:
        if not counts[kind]:
            continue
        yield f"  {kind:<12} {counts[kind]:>7,}  {in_eok(sums[kind]):>12}"
        if not summary:
            yield from (f"      {_event_line(each)}" for each in shown[kind])
            yield from _more(counts[kind], "      ")


def _event_line(event: SalesEvent) -> str:
    parts = [event.name or event.deal_id, event.organization, event.owner]
    moved = f"{event.old} -> {event.new}" if event.old else event.new
    return " | ".join(part for part in (*parts, moved) if part) + f" | {in_eok(event.amount_krw)}"


def _table_lines(comparison: Comparison, table: TableDifference, *, summary: bool) -> Iterator[str]:
    yield (
        f"{table.table}: +{table.added:,} -{table.gone:,} ~{table.changed:,}"
        f" ({table.rows_old:,} -> {table.rows_new:,} rows)"
    )
    for label, names in (("new fields", table.fields_added), ("fields gone", table.fields_gone)):
        if names:
            yield f"  {label}: {', '.join(names)}"
    for name, count in table.flooding.items():
        yield f"  {name}: changed in {count:,} records, not shown (--all-fields)"
    if any(table.keyless):
        yield f"  rows without an id: +{table.keyless[0]:,} -{table.keyless[1]:,}"
    if table.by_field:
        counted = sorted(table.by_field.items(), key=lambda item: -item[1])
        yield "  fields: " + ", ".join(f"{name} {count:,}" for name, count in counted[:12])
    if summary:
        return
    for sign, count, changes in (
        ("+", table.added, comparison.added(table)),
        ("-", table.gone, comparison.gone(table)),
        ("~", table.changed, comparison.changed(table)),
    ):
        for change in islice(changes, MOST_SHOWN):
            yield f"  {sign} {_change_line(comparison, change)}"
        yield from _more(count, "  ")


def _change_line(comparison: Comparison, change: Change) -> str:
    named = f"{change.name} ({change.key[-1]})" if change.name else str(change.key[-1])
    fields = (
        f"{name}: {_short(comparison.shown(name, old))} -> {_short(comparison.shown(name, new))}"
        for name, (old, new) in change.fields.items()
    )
    return "; ".join((named, *fields))


def _more(count: int, indent: str) -> Iterator[str]:
    if count > MOST_SHOWN:
        yield f"{indent}... and {count - MOST_SHOWN:,} more (--format json has all)"


def _short(value: Any) -> str:
    text = "-" if value is None else " ".join(str(value).split())
    return text if len(text) <= 60 else text[:57] + "..."


def _said_of(file: Side) -> str:
    at = file.captured_at
    when = "unknown time" if at is None else f"{at.astimezone():%Y-%m-%d %H:%M %z}"
    return f"{file.run_tag or file.path.name} ({when})"


# -- HTML -----------------------------------------------------------------------------------------

_STYLE = (
    "body{font:15px/1.5 system-ui,sans-serif;margin:2rem auto;max-width:75rem;padding:0 1rem}"
    "table{border-collapse:collapse;width:100%;margin:.5rem 0 2rem}"
    "th,td{text-align:left;padding:.25rem .5rem;border-bottom:1px solid #ddd;vertical-align:top}"
    "td.n{text-align:right;white-space:nowrap}"
    "@media(prefers-color-scheme:dark){body{background:#111;color:#ddd}th,td{border-color:#333}}"
)


def write_html(report: Report, out: TextIO, *, summary: bool) -> None:
    """Write the report as one page without scripts; all text of the CRM is text there."""
    title = f"{_said_of(report.old)} → {_said_of(report.new)}"
    out.write(
        '<!doctype html><html lang="ko"><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width">'
        '<meta http-equiv="Content-Security-Policy" content="default-src \'none\';'
        " style-src 'unsafe-inline'\">"
        f"<title>{html.escape(title)}</title><style>{_STYLE}</style><h1>{html.escape(title)}</h1>\n"
    )
    if report.is_empty:
        out.write("<p>Nothing has changed.</p>\n")
    if not summary:
        _write_rows(
            out, "Deals", ("what", "deal", "organization", "owner", "from", "to", "amount"),
            (
                (e.kind, e.name or e.deal_id, e.organization, e.owner, e.old, e.new,
                 in_eok(e.amount_krw))
                for e in report.events()
            ),
        )  # fmt: skip
    for table in report.tables:
        if not table.is_empty:
            _write_html_table(report.comparison, table, out, summary=summary)
    out.write("</html>\n")


def _write_html_table(
    comparison: Comparison, table: TableDifference, out: TextIO, *, summary: bool
) -> None:
    lines = _table_lines(comparison, table, summary=True)
    heading, *notes = lines
    out.write(f"<h2>{html.escape(heading)}</h2>\n")
    out.writelines(f"<p>{html.escape(note.strip())}</p>\n" for note in notes)
    if summary:
        return
    rows = (
        *((("+", each) for each in comparison.added(table)),),
        *((("-", each) for each in comparison.gone(table)),),
    )
    for group in rows:
        _write_rows(
            out, "", ("", "id", "name"),
            ((sign, change.key[-1], change.name) for sign, change in group),
        )  # fmt: skip
    _write_rows(
        out, "", ("id", "name", "field", "from", "to"),
        (
            (change.key[-1], change.name, name, comparison.shown(name, old),
             comparison.shown(name, new))
            for change in comparison.changed(table)
            for name, (old, new) in change.fields.items()
        ),
    )  # fmt: skip


def _write_rows(
    out: TextIO, title: str, headings: Sequence[str], rows: Iterable[Sequence[Any]]
) -> None:
    """Write a table, and nothing at all where it would have no row."""
    begun = False
    for row in rows:
        if not begun:
            begun = True
            head = "".join(f"<th>{html.escape(each)}" for each in headings)
            out.write(f"<h2>{html.escape(title)}</h2>" if title else "")
            out.write(f"<table><tr>{head}\n")
        cells = "".join(f"<td>{html.escape(_cell(each))}" for each in row)
        out.write(f"<tr>{cells}\n")
    if begun:
        out.write("</table>\n")


def _cell(value: Any) -> str:
    return "" if value is None else str(value)
