"""Feeding a snapshot to the timeline: what differs from the last state, in one transaction."""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from salesmap_async.api.endpoints import SUBMISSION_TABLE
from salesmap_async.errors import SalesmapError, UsageError
from salesmap_async.publish.manifest import META_TABLES, read_one_row
from salesmap_async.publish.published import Published, read_contents
from salesmap_async.publish.rows import table_sha256
from salesmap_async.sqlite_file import (
    column_types,
    opened,
    quoted,
    roll_back_leftovers,
    table_names,
    uri_of,
)
from salesmap_async.timeline.table_feeding import Counts, TableFeeding
from salesmap_async.timeline.timeline_file import (
    MetaTable,
    State,
    TableState,
    fingerprint_of,
    make_view,
    put_state,
    states_of,
    tables_of,
    timeline_opened,
)


def feed(timeline: Path, snapshot: Path, *, trusted: bool = False) -> State | None:
    """Add the state of `snapshot`; None where it is the last one already.

    `trusted`: the fingerprints in its manifest are right, it was published a moment ago. Raises
    UsageError where the timeline is no timeline, or of another workspace, SalesmapError where the
    snapshot is replaced meanwhile, and sqlite3.Error; nothing is changed then.
    """
    try:
        return _feed(timeline, snapshot, trusted, text=str)
    except sqlite3.OperationalError as error:
        if "decode" not in str(error):
            raise
    # Text of an older tool that is not UTF-8 counts as its fingerprint counts it.
    return _feed(timeline, snapshot, trusted, text=lambda text: text.decode(errors="replace"))


def _feed(timeline: Path, snapshot: Path, trusted: bool, *, text: Any) -> State | None:
    roll_back_leftovers(snapshot)
    file = snapshot.stat()
    with opened(snapshot, "ro") as source, timeline_opened(timeline, write=True) as connection:
        connection.text_factory = text
        source.execute("BEGIN")
        published = read_contents(source, recount=False)
        states = states_of(connection)
        if states and states[-1].fingerprint == fingerprint_of(published):
            return None
        _check_workspace(states, published, timeline)
        connection.execute("ATTACH ? AS new", (uri_of(snapshot, "ro"),))
        if snapshot.stat().st_ino != file.st_ino:
            raise SalesmapError(f"{snapshot} was replaced while it was read")
        before = tables_of(connection, states[-1].number)[0] if states else {}
        number = states[-1].number + 1 if states else 1
        tables: list[TableState] = []
        counts: dict[str, Counts] = {}
        for name in _tables_to_feed(source):
            sha256 = _fingerprint(source, name, trusted=trusted)
            known = before.get(name)
            table = TableFeeding(connection, name, number)
            if known is None or not table.is_as_in(known, sha256):
                known, counted = table.feed(sha256)
                if states:
                    counts[name] = counted
            tables.append(known)
        make_view(connection)
        state = _state_of(published, source, number, counts)
        put_state(connection, state, tables, _meta_tables(source))
        source.execute("COMMIT")
        connection.execute("COMMIT")
        connection.execute("DETACH new")
        return state


def _check_workspace(states: Sequence[State], published: Published, timeline: Path) -> None:
    known = {each.workspace_id for each in states if each.workspace_id}
    if published.workspace_id and known and published.workspace_id not in known:
        raise UsageError(
            f"{timeline} is of another workspace", cure="move that file away, or name another DB"
        )


def _tables_to_feed(source: sqlite3.Connection) -> list[str]:
    """Return the data tables: those of the manifest, in the DB of an older tool all."""
    names = [each for each in table_names(source) if each not in META_TABLES]
    if "table" in dict(column_types(source, "manifest")):
        listed = {name for (name,) in source.execute('SELECT "table" FROM manifest')}
        return [each for each in names if each in listed]
    return names


def _fingerprint(source: sqlite3.Connection, name: str, *, trusted: bool) -> str:
    said = read_one_row(source, "manifest", where="table", value=name).get("content_sha256")
    return str(said) if trusted and said else table_sha256(source, name)


def _state_of(
    published: Published, source: sqlite3.Connection, number: int, counts: Mapping[str, Counts]
) -> State:
    info = read_one_row(source, "run_info")
    forms = read_one_row(source, "manifest", where="table", value=SUBMISSION_TABLE)
    run_tag, at, kind = published.run_tag, published.captured_at_utc, str(info.get("note") or "")
    # A run of web forms alone leaves run_info as it was.
    if forms.get("read_from") and str(forms["read_from"]) > str(at or "") and (
        published.webforms_tag not in (None, run_tag)
    ):  # fmt: skip
        run_tag, at, kind = published.webforms_tag, str(forms["read_from"]), "webform-only"
    return State(
        number=number,
        run_tag=run_tag or "",
        at=at or "",
        kind=kind,
        fingerprint=fingerprint_of(published),
        workspace_id=published.workspace_id,
        workspace_name=published.workspace_name,
        counts=counts,
    )


def _meta_tables(source: sqlite3.Connection) -> list[MetaTable]:
    found = []
    for name in META_TABLES:
        row = source.execute("SELECT sql FROM sqlite_master WHERE name = ?", (name,)).fetchone()
        if row is not None:
            found.append((name, row[0], source.execute(f"SELECT * FROM {quoted(name)}").fetchall()))
    return found
