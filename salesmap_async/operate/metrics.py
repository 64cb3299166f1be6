"""The state of a final DB as Prometheus reads it from a text file (its node exporter's collector).

Timestamps are seconds since 1970, as its conventions ask for.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import datetime
from pathlib import Path

from salesmap_async.errors import SalesmapError
from salesmap_async.files import write_text_atomically
from salesmap_async.operate.status import Status, read_status
from salesmap_async.publish.published import read_contents
from salesmap_async.run.history import PUBLISHED
from salesmap_async.settings import Settings
from salesmap_async.sqlite_file import opened

Sample = tuple[Mapping[str, str], float | None]


def _seconds(at: datetime | None) -> float | None:
    return None if at is None else at.timestamp()


_GAUGES: tuple[tuple[str, str, Callable[[Status], float | None]], ...] = (
    (
        "salesmap_snapshot_timestamp_seconds",
        "When the reading of the snapshot's oldest table began.",
        lambda found: _seconds(found.final.captured_at) if found.final else None,
    ),
    (
        "salesmap_snapshot_bytes",
        "Size of the final DB.",
        lambda found: found.final.size_bytes if found.final else None,
    ),
    (
        "salesmap_snapshot_readable",
        "1 where the final DB can be read, else 0.",
        lambda found: float(found.final is not None and not found.final.problem),
    ),
    (
        "salesmap_failed_starts",
        "Starts since the last published run that published nothing.",
        lambda found: sum(max(each.starts, 1) for each in found.history.unpublished),
    ),
    (
        "salesmap_last_run_published",
        "1 where the last run is published, else 0.",
        lambda found: float(found.run.status == PUBLISHED) if found.run else None,
    ),
    (
        "salesmap_last_published_timestamp_seconds",
        "When the last published run ended.",
        lambda found: _seconds(found.last_published.ended_at) if found.last_published else None,
    ),
    (
        "salesmap_last_published_duration_seconds",
        "How long the last published run read.",
        lambda found: found.last_published.seconds if found.last_published else None,
    ),
    (
        "salesmap_last_published_requests",
        "Requests of the last published run.",
        lambda found: found.last_published.requests if found.last_published else None,
    ),
    (
        "salesmap_last_published_refusals",
        "Answers 429 of the last published run.",
        lambda found: found.last_published.refusals if found.last_published else None,
    ),
)
"""Name, meaning, and value; None where it is not known."""


def write_metrics(path: Path, found: Status) -> None:
    """Write the file whole. Raises SalesmapError where it cannot be written."""
    try:
        write_text_atomically(path, metrics_text(found, _rows(found)))
    except OSError as error:
        raise SalesmapError(
            f"--metrics-file {path} cannot be written: {error.strerror or error}",
            cure="check that folder and its permissions",
        ) from None


def write_metrics_after_run(settings: Settings) -> str:
    """Write the file that a run is asked for; return what went wrong, '' for nothing."""
    if settings.metrics_file is None:
        return ""
    try:
        write_metrics(settings.metrics_file, read_status(settings))
    except SalesmapError as error:
        return str(error)
    except Exception as error:  # whatever it is, the run ended as it did
        return f"--metrics-file {settings.metrics_file} cannot be written: {error}"
    return ""


def metrics_text(found: Status, rows: Mapping[str, int]) -> str:
    """Return the text of the file; `rows` are those of the snapshot, by table."""
    db = {"db": str(found.settings.db_path)}
    by_table: list[Sample] = [({**db, "table": table}, count) for table, count in rows.items()]
    lines = [
        line for name, text, value in _GAUGES for line in _lines(name, text, [(db, value(found))])
    ]
    lines += _lines("salesmap_snapshot_rows", "Rows of each table of the snapshot.", by_table)
    return "".join(f"{line}\n" for line in lines)


def _lines(name: str, help_text: str, samples: Iterable[Sample]) -> Iterator[str]:
    lines = [
        f"{name}{{{_labels(labels)}}} {value:.15g}"
        for labels, value in samples
        if value is not None
    ]
    if lines:
        yield f"# HELP {name} {help_text}"
        yield f"# TYPE {name} gauge"
        yield from lines


def _labels(labels: Mapping[str, str]) -> str:
    return ",".join(f'{name}="{_escaped(value)}"' for name, value in labels.items())


def _escaped(value: str) -> str:
    return value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")


def _rows(found: Status) -> Mapping[str, int]:
    if found.final is None or found.final.problem:
        return {}
    try:
        with opened(found.final.path, "ro") as connection:
            return read_contents(connection, recount=False).rows
    except sqlite3.Error:  # locked or replaced since it was looked at
        return {}
