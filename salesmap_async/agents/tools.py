"""The questions an agent may ask of a final DB. Each opens it anew, so that a snapshot that was
published since the last question is the one that answers.

Nothing here asks the API, writes to the snapshot, or runs SQL but through the safe reader. Raises
UsageError, in words that an agent can act on.
"""

from __future__ import annotations

import sqlite3
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from itertools import islice
from pathlib import Path
from typing import Any

from salesmap_async.agents.answers import MOST_BYTES, answer, compact_description, within
from salesmap_async.api.endpoints import LINKS
from salesmap_async.describe.description import describe
from salesmap_async.errors import SalesmapError, UsageError
from salesmap_async.operate.states import States
from salesmap_async.operate.timeline import state_named
from salesmap_async.paths import timeline_path
from salesmap_async.publish.manifest import META_TABLES
from salesmap_async.publish.published import NoSnapshotError, snapshot_opened
from salesmap_async.safe_sql import SqlLimits, reading_safely
from salesmap_async.search.find import search
from salesmap_async.settings import Settings
from salesmap_async.sqlite_file import (
    column_types,
    opened,
    quoted,
    table_names,
)
from salesmap_async.timeline.difference import comparing
from salesmap_async.timeline.lives import life_of
from salesmap_async.timeline.rebuilding import rebuild
from salesmap_async.timeline.report import Report
from salesmap_async.timeline.timeline_file import states_of, timeline_opened

LIMITS = SqlLimits(time_s=20.0, value_bytes=2**20, result_bytes=4 * 2**20)
_MOST_ROWS = 1_000
_MOST_LINKED = 20
_MOST_EVENTS = 200
_MOST_CHANGES = 100


class Tools:
    """The questions about the final DB of `settings`."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings

    def describe(self, table: str | None = None) -> str:
        """Return tables, fields with type and fill rate, examples, links."""
        with self._open() as connection:
            if table is not None:
                _check_table(connection, table)
            found = describe(connection, tables=(table,) if table else (), examples=3)
            data, left_out = compact_description(found, only=table is not None)
            return answer(connection, data, left_out=left_out)

    def query(self, sql: str) -> str:
        """Return the rows of one reading statement."""
        with self._open() as connection:
            return self._asked(connection, self._settings.db_path, sql)

    def as_of(self, day_or_run: str, sql: str) -> str:
        """Return the rows of one reading statement over the snapshot of an earlier day or run."""
        with tempfile.TemporaryDirectory(prefix="salesmap-as-of-") as folder:
            path = self._rebuilt(day_or_run, Path(folder))
            with opened(path, "ro") as connection:
                return self._asked(connection, path, sql)

    def search(self, term: str, table: str | None = None, limit: int = 10) -> str:
        """Return the records whose name or text holds a word."""
        with self._open() as connection:
            if table is not None:
                _check_table(connection, table)
            found = search(
                self._settings.db_path,
                connection,
                term,
                tables=(table,) if table else (),
                limit=max(1, min(limit, 50)),
            )
            kept, dropped = within(
                {key: value for key, value in asdict(each).items() if value is not None}
                for each in found
            )
            return answer(connection, kept, left_out=_more(dropped, "records"))

    def changes(self, old: str | None = None, new: str | None = None) -> str:
        """Return what changed between two snapshots: counts, and what it means in sales."""
        states = States.of(self._settings)
        with tempfile.TemporaryDirectory(prefix="salesmap-changes-") as name:
            folder = Path(name)
            newer = states.newest() if new is None else states.named_or_rebuilt(new, folder)
            older = states.before(newer) if old is None else states.named_or_rebuilt(old, folder)
            with comparing(older.path, newer.path) as comparison:
                found = [comparison.table(each) for each in comparison.tables()]
                report = Report(older, newer, comparison, found)
                events, dropped = within(
                    (asdict(event) for event in islice(report.events(), _MOST_CHANGES)),
                    most=MOST_BYTES // 2,
                )
                data = {
                    "old": {"run_tag": older.run_tag, "captured_at": older.captured_at},
                    "new": {"run_tag": newer.run_tag, "captured_at": newer.captured_at},
                    "tables": {
                        each.table: {"new": each.added, "gone": each.gone, "changed": each.changed}
                        for each in found
                        if not each.is_empty
                    },
                    "sales": events,
                }
            with opened(newer.path, "ro") as connection:
                return answer(connection, data, left_out=_more(dropped, "events in sales"))

    def record(self, table: str, record_id: str) -> str:
        """Return one record with what it links to, what links to it, and its life."""
        with self._open() as connection:
            _check_table(connection, table)
            columns = [name for name, _ in column_types(connection, table)]
            if "id" not in columns:
                raise UsageError(f"{table} has no ids", cure="use query")
            row = connection.execute(
                f"SELECT * FROM {quoted(table)} WHERE id = ?", (record_id,)
            ).fetchone()
            if row is None:
                raise UsageError(
                    f"{table} has no record {record_id}",
                    cure="search finds ids; a record that is gone may be in as_of",
                )
            found = dict(zip(columns, row, strict=True))
            data: dict[str, Any] = {
                "record": {key: value for key, value in found.items() if value is not None},
                "links": dict(_links_of(connection, found)),
                "linked": dict(_linked_to(connection, table, record_id)),
                "life": self._life(table, record_id),
            }
            parts: dict[str, Any] = {}
            left_out = []
            for name, value in data.items():
                items = list(value.items()) if isinstance(value, dict) else value
                kept, dropped = within(items, most=MOST_BYTES // 4 - 200)
                parts[name] = dict(kept) if isinstance(value, dict) else kept
                left_out.append(_more(dropped, f"entries of {name}"))
            return answer(connection, parts, left_out="; ".join(filter(None, left_out)))

    def _life(self, table: str, record_id: str) -> list[dict[str, Any]]:
        path = timeline_path(self._settings.db_path)
        if not path.is_file():
            return []
        try:
            with timeline_opened(path) as connection:
                return [
                    {
                        "at": event.state.at,
                        "kind": event.kind,
                        "field": event.field,
                        "old": event.old,
                        "new": event.new,
                    }
                    for event in islice(life_of(connection, table, record_id), _MOST_EVENTS)
                ]
        except (SalesmapError, sqlite3.Error):
            return []  # the record is what was asked for; the timeline may not have it yet

    def _asked(self, connection: sqlite3.Connection, path: Path, sql: str) -> str:
        with reading_safely(path, LIMITS) as reader:
            result = reader.run(sql)
            rows = list(islice(result.rows, _MOST_ROWS + 1))
        kept, dropped = within(map(list, rows[:_MOST_ROWS]))
        left_out = ""
        if dropped or len(rows) > _MOST_ROWS:
            left_out = f"rows after the first {len(kept)}; add LIMIT, or count and sum"
        data = {"columns": list(result.columns), "rows": kept}
        return answer(connection, data, left_out=left_out)

    def _rebuilt(self, word: str, folder: Path) -> Path:
        path = timeline_path(self._settings.db_path)
        if not path.is_file():
            raise UsageError(f"there is no timeline at {path}", cure="each run feeds one")
        with timeline_opened(path) as connection:
            state = state_named(states_of(connection), word)
        rebuilt = folder / "as_of.db"
        rebuild(path, state, rebuilt)
        return rebuilt

    @contextmanager
    def _open(self) -> Iterator[sqlite3.Connection]:
        db = self._settings.db_path
        try:
            with snapshot_opened(db) as connection:
                yield connection
        except NoSnapshotError as error:
            raise UsageError(str(error), cure="take one first: salesmap-async run") from None
        except (OSError, sqlite3.Error) as error:
            raise UsageError(f"{db} cannot be read: {error}") from error


def _check_table(connection: sqlite3.Connection, table: str) -> None:
    present = [name for name in table_names(connection) if name not in META_TABLES]
    if table not in present:
        raise UsageError(f"there is no table {table}", cure=f"there are {', '.join(present)}")


def _links_of(connection: sqlite3.Connection, record: dict[str, Any]) -> Iterator[tuple[str, Any]]:
    """Yield the name of each record that this one names by its id."""
    present = table_names(connection)
    for key, table in LINKS.items():
        linked = record.get(key)
        if linked is None or table not in present:
            continue
        columns = dict(column_types(connection, table))
        name = next((each for each in ("이름", "Name", "name") if each in columns), "id")
        row = connection.execute(
            f"SELECT {quoted(name)} FROM {quoted(table)} WHERE id = ?", (linked,)
        ).fetchone()
        yield key, {"table": table, "id": linked, "name": row[0] if row else None}


def _linked_to(
    connection: sqlite3.Connection, table: str, record_id: str
) -> Iterator[tuple[str, Any]]:
    """Yield, for each table with a link to this one, how many records have it and the first ids."""
    key = next((each for each, linked in LINKS.items() if linked == table), None)
    if key is None:
        return
    for other in table_names(connection):
        columns = dict(column_types(connection, other))
        if key not in columns or "id" not in columns or other in META_TABLES:
            continue
        where = f"FROM {quoted(other)} WHERE {quoted(key)} = ?"
        (count,) = connection.execute(f"SELECT count(*) {where}", (record_id,)).fetchone()
        if count:
            rows = connection.execute(
                f"SELECT id {where} ORDER BY id LIMIT {_MOST_LINKED}", (record_id,)
            )
            yield other, {"count": count, "ids": [each for (each,) in rows]}


def _more(dropped: int, what: str) -> str:
    return f"{dropped} more {what}" if dropped else ""
