"""`--continue-logs`: histories and activities are read on from where an earlier run had got.

What is new in such a list comes after what was there, so most of it need not be read every night.
A list goes on only where that is safe: from a page that the server gave at least a day ago, so that
rows which come late are met; checked like every page after a resume (the record that the cursor
names must still stand there); and only while all its ids are version-7 UUIDs in the order of the
list, so that rows can be joined by their ids. What the final DB has is put before it into the work
DB, as a list of its own. Once a week one of the lists is read in full, and the difference is told.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from salesmap_async.api.endpoints import Endpoint, is_log
from salesmap_async.collect.chains import new_chain
from salesmap_async.events import Listener, Note, Warned
from salesmap_async.publish.continuation import VERSION_7, Continuation, Kept, read_continuation
from salesmap_async.publish.manifest import read_one_row
from salesmap_async.publish.schema import OVERFLOW
from salesmap_async.sqlite_file import column_types, opened, quoted
from salesmap_async.store.chains import differing_ids
from salesmap_async.store.page_write import PageWrite
from salesmap_async.store.work_db import EARLIER_PREFIX, NewChain
from salesmap_async.store.writer import Writer
from salesmap_async.times import moment_of

OLD_ENOUGH = timedelta(hours=24)
FULL_EVERY = timedelta(days=7)
_ROWS_AT_ONCE = 500


@dataclass(frozen=True, slots=True)
class Continued:
    """A list that goes on: its page to begin at, and when the server gave that."""

    endpoint: Endpoint
    kept: Kept

    def chain(self) -> NewChain:
        """Return the list as the work DB is to know it: as if it had been stopped there."""
        progress = {"cursor": self.kept.step[2], "trail": [[0, *self.kept.step[1:]]], "longest": 0}
        return replace(new_chain(self.endpoint), progress=progress)


def choose(
    final_db: Path | None,
    endpoints: Iterable[Endpoint],
    *,
    now: datetime,
    tell: Listener,
) -> tuple[tuple[Continued, ...], Continued | None]:
    """Return which lists go on, and the one whose turn it is to be read in full this week.

    What cannot go on is read in full; why, is told.
    """
    logs = [endpoint for endpoint in endpoints if is_log(endpoint.table)]
    if final_db is None or not logs:
        return (), None
    able: list[Continued] = []
    full_at: dict[str, datetime] = {}
    with opened(final_db, "ro") as connection:
        for endpoint in logs:
            found = _continuation(connection, endpoint.table)
            why = _why_not(connection, endpoint.table, found, now)
            if why:
                tell(Note(f"{endpoint.table} is read in full: {why}"))
            elif found is not None and (kept := found.newest_before(now - OLD_ENOUGH)):
                able.append(Continued(endpoint, kept))
                full_at[endpoint.table] = moment_of(found.full_at) or now
    newest_full = max(full_at.values(), default=now)
    if not able or now - newest_full < FULL_EVERY:
        return tuple(able), None
    due = min(able, key=lambda each: full_at[each.endpoint.table])
    return tuple(each for each in able if each is not due), due


def _why_not(
    connection: sqlite3.Connection, table: str, found: Continuation | None, now: datetime
) -> str:
    """Return why a list cannot go on, '' where it can."""
    columns = [name for name, _ in column_types(connection, table)]
    if not columns or found is None:
        return "no run has kept yet how far it had got"
    if not found.ordered:
        return "its ids are not version-7 UUIDs in the order of the list"
    if found.newest_before(now - OLD_ENOUGH) is None:
        return "no place that the server gave is a day old"
    mapped = connection.execute('SELECT 1 FROM column_map WHERE "table" = ?', (table,)).fetchone()
    if mapped or OVERFLOW in columns:
        return "some of its fields have other names in the DB"
    (others,) = connection.execute(
        f"SELECT count(*) FROM {quoted(table)} WHERE id IS NULL OR id NOT GLOB ?", (VERSION_7,)
    ).fetchone()
    return f"{others} of its ids are no version-7 UUIDs" if others else ""


def _continuation(connection: sqlite3.Connection, table: str) -> Continuation | None:
    return read_continuation(read_one_row(connection, "manifest", where="table", value=table))


async def put_before(writer: Writer, final_db: Path, continued: Sequence[Continued]) -> None:
    """Put what the final DB has of these lists into the work DB; repeatable after a kill."""
    for each in continued:
        name = EARLIER_PREFIX + each.endpoint.chain_name
        [row] = await writer.add_chains(
            [NewChain(name=name, table=each.endpoint.table, path="", added={})]
        )
        if row.state == "done":
            continue
        page = 0  # it stores nothing, and drops what a kill has left
        await writer.write(_page(writer, name, each, page, (), "reading"))
        for page, records in enumerate(_batches(final_db, each.endpoint.table), start=1):
            await writer.write(_page(writer, name, each, page, records, "reading"))
        await writer.write(_page(writer, name, each, page + 1, (), "done"))


def _batches(final_db: Path, table: str) -> Iterator[list[dict[str, Any]]]:
    """Yield the rows of a table as records: a NULL may have been missing, which is the same."""
    with opened(final_db, "ro") as connection:
        names = [name for name, _ in column_types(connection, table)]
        rows = connection.execute(
            f"SELECT {', '.join(map(quoted, names))} FROM {quoted(table)} NOT INDEXED"
        )
        while batch := rows.fetchmany(_ROWS_AT_ONCE):
            yield [
                {name: value for name, value in zip(names, row, strict=True) if value is not None}
                for row in batch
            ]


def _page(
    writer: Writer,
    name: str,
    continued: Continued,
    page: int,
    records: Sequence[Mapping[str, Any]],
    state: Any,
) -> PageWrite:
    if page == 0:
        writer.laying.forget([name])
    laid = writer.laying.lay_out(name, [(str(each["id"]), dict(each)) for each in records])
    return PageWrite(
        chain=name,
        table=continued.endpoint.table,
        page=page,
        pages=0,  # none of them is a page of the API
        laid=laid,
        state=state,
        progress={"since": continued.kept.at},
        error="",
        at=datetime.now(UTC).isoformat(timespec="milliseconds"),
        restart=page == 0,
    )


async def drop_read_anew(writer: Writer, continued: Sequence[Continued], tell: Listener) -> None:
    """Drop what was put before a list that had to be read from its beginning after all."""
    rows = {row.name: row for row in await writer.stored_chains()}
    for each in continued:
        row = rows[each.endpoint.chain_name]
        earlier = EARLIER_PREFIX + row.name
        if (row.progress.get("first") or ("",))[0] and earlier in rows:
            await writer.drop_chains(
                [earlier], kept=row.name, progress=dict(row.progress), reopened=False
            )
            tell(
                Warned(
                    f"{row.table} was read in full: the server does not know any more where it "
                    "had got"
                )
            )


async def tell_difference(writer: Writer, final_db: Path, due: Continued, tell: Listener) -> None:
    """Compare the weekly full reading with what going on would have given."""
    table = due.endpoint.table
    missed, gone = await writer.run(
        lambda connection: differing_ids(
            connection, due.endpoint.chain_name, table, up_to=due.kept.step[3]
        ),
        attach=final_db,
    )
    said = f"{table} was read in full, as one log is every week"
    if missed or gone:
        tell(
            Warned(
                f"{said}: {missed} rows had come late and going on had missed them, {gone} are "
                "gone; now it is right again"
            )
        )
    else:
        tell(Note(f"{said}: going on had missed nothing"))


def as_values(continued: Sequence[Continued], due: Continued | None) -> dict[str, Any]:
    """Return what a resume of this run has to know, as JSON values."""
    return {
        "continued": {each.endpoint.path: each.kept.values() for each in continued},
        "read_in_full": {} if due is None else {due.endpoint.path: due.kept.values()},
    }


def from_values(
    values: Mapping[str, Any], endpoints: Iterable[Endpoint]
) -> tuple[tuple[Continued, ...], Continued | None]:
    """Return what an earlier start of this run had decided."""
    by_path = {endpoint.path: endpoint for endpoint in endpoints}

    def each(said: Mapping[str, Any] | None) -> tuple[Continued, ...]:
        return tuple(
            Continued(by_path[path], Kept.of(kept))
            for path, kept in (said or {}).items()
            if path in by_path
        )

    return each(values.get("continued")), next(iter(each(values.get("read_in_full"))), None)
