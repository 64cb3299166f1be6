"""Runs against a sandbox: their settings, what they tell, what they leave in the final DB."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Protocol, TypeVar

from salesmap_async import RunReport, Settings
from salesmap_async.events import Event
from salesmap_async.publish.manifest import META_TABLES
from salesmap_async.publish.rows import table_sha256
from salesmap_async.sandbox import Sandbox
from salesmap_async.sqlite_file import column_types, opened, quoted, table_names
from salesmap_async.stop import Stop

_Kind = TypeVar("_Kind")


class MakeSettings(Protocol):
    """Settings of a run against `sandbox`, with everything it writes below `tmp_path`."""

    def __call__(self, sandbox: Sandbox, **overrides: Any) -> Settings: ...


class Snapshot(Protocol):
    """Run `take_snapshot` against `sandbox`; its events go to the fixture `events`."""

    async def __call__(
        self, sandbox: Sandbox, *, stop: Stop | None = None, **overrides: Any
    ) -> RunReport: ...


class Events(list[Event]):
    """A listener that keeps what it is told, in order."""

    def __call__(self, event: Event) -> None:
        self.append(event)

    def of(self, kind: type[_Kind]) -> list[_Kind]:
        """Return the events of one kind."""
        return [event for event in self if isinstance(event, kind)]


def rows_of(db: Path, table: str) -> list[dict[str, Any]]:
    """Return the rows of a table as they are stored (JSON as text), in stored order."""
    with opened(db, "ro") as connection:
        names = [name for name, _ in column_types(connection, table)]
        columns = ", ".join(map(quoted, names))
        rows = connection.execute(f"SELECT {columns} FROM {quoted(table)} NOT INDEXED").fetchall()
    return [dict(zip(names, row, strict=True)) for row in rows]


def table_hashes(db: Path) -> dict[str, str]:
    """Return the `content_sha256` of every data table, computed from the file."""
    with opened(db, "ro") as connection:
        return {
            table: table_sha256(connection, table)
            for table in table_names(connection)
            if table not in META_TABLES
        }
