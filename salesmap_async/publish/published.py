"""What a snapshot says of itself, whichever program wrote it. Read-only."""

from __future__ import annotations

import hashlib
import sqlite3
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

from salesmap_async.api.endpoints import ALL_TABLES, SUBMISSION_TABLE
from salesmap_async.errors import DamagedError, LockedError, StartRefusedError, UsageError
from salesmap_async.publish.damage import is_damage
from salesmap_async.publish.manifest import META_TABLES, read_one_row
from salesmap_async.publish.schema import LINK_COLUMNS
from salesmap_async.publish.sql_after import made_by_sql_after
from salesmap_async.sqlite_file import (
    column_types,
    is_locked,
    opened,
    quoted,
    roll_back_leftovers,
    row_count,
    table_names,
)


class NoSnapshotError(UsageError):
    """There is no snapshot yet to ask."""


@contextmanager
def snapshot_opened(path: Path) -> Iterator[sqlite3.Connection]:
    """Open a snapshot for reading: one state of it until the block ends.

    Raises NoSnapshotError; sqlite3.Error or OSError where the file cannot be read.
    """
    if not path.is_file() or path.stat().st_size == 0:
        raise NoSnapshotError(f"there is no snapshot at {path}", cure="take one first")
    roll_back_leftovers(path)
    with opened(path, "ro") as connection:
        connection.execute("BEGIN")
        yield connection


@dataclass(frozen=True, slots=True, kw_only=True)
class Published:
    """A snapshot; None for what it does not say of itself.

    `webform_people`: whose submissions `webform_history` holds, which run `webforms_tag` read.
    `rows` are per table. `tables_read`: those that some run has read; the others are only there so
    that queries work. Two files of one `fingerprint` hold the same snapshot.

    `is_snapshot`: it has a table of the CRM or says of which run it is, or it is empty; `is_ours`:
    this program wrote it. `oldest_read_utc`: when the reading of its oldest table began; a run of
    some tables carries the others over. `manifest`: its rows by table. `made_by_sql_after`: what a
    run's own SQL has made in it; `added_by_others`: what stands in it that no run has made.
    """

    run_tag: str | None
    workspace_id: str | None
    workspace_name: str | None
    webform_people: str | None
    captured_at_utc: str | None
    oldest_read_utc: str | None
    rows: dict[str, int]
    tables_read: frozenset[str]
    webforms_tag: str | None
    fingerprint: str
    is_snapshot: bool
    is_ours: bool
    manifest: Mapping[str, Mapping[str, Any]]
    made_by_sql_after: tuple[str, ...]
    added_by_others: tuple[str, ...]


def read_published(path: Path, *, timeout_s: float = 5.0) -> Published | None:
    """Return what `path` holds; None when there is no file, or an empty one.

    Raises LockedError when it stays locked for `timeout_s`, DamagedError when it is no database
    or is damaged, StartRefusedError when it cannot be read for another reason.
    """
    try:
        if not path.exists() or path.stat().st_size == 0:
            return None
        roll_back_leftovers(path)
        with opened(path, "ro", timeout_s=timeout_s) as connection:
            return read_contents(connection, recount=True)
    except sqlite3.Error as error:
        if is_locked(error):
            raise LockedError(
                f"{path} is locked by another program",
                cure="close the program that writes to it, then run again",
            ) from error
        if not is_damage(error):
            raise StartRefusedError(
                f"{path} cannot be read: {error}", cure="check its permissions and the disk"
            ) from error
        raise damaged(path, str(error)) from error
    except UnicodeError as error:
        raise damaged(path, str(error)) from error
    except OSError as error:
        raise StartRefusedError(
            f"{path} cannot be read: {error}", cure="check its permissions, then run again"
        ) from error


def damaged(path: Path, damage: str) -> DamagedError:
    """Return the error of a start over a final DB that is damaged."""
    return DamagedError(
        f"{path} is not a database, or it is damaged: {damage}",
        cure="restore a backup, or let a run replace it (--replace-damaged keeps its bytes)",
    )


@dataclass(frozen=True, slots=True)
class CreationTimes:
    """`createdAt` of every `each`-th record of a published table, oldest first.

    `undated`: how many records have none.
    """

    texts: Sequence[str] = ()
    each: int = 1
    undated: int = 0


def creation_times(path: Path, table: str, *, most: int) -> CreationTimes:
    """Return at most `most` times; none where there is no such column, or it cannot be read."""
    column = quoted("createdAt")
    try:
        with opened(path, "ro") as connection:
            if "createdAt" not in dict(column_types(connection, table)):
                return CreationTimes()
            dated = f"FROM {quoted(table)} WHERE typeof({column}) = 'text'"
            rows = row_count(connection, table)
            undated = rows - connection.execute(f"SELECT count(*) {dated}").fetchone()[0]
            each = rows // most + 1
            texts = connection.execute(f"SELECT {column} {dated} ORDER BY 1")
            return CreationTimes([t for (t,) in islice(texts, each - 1, None, each)], each, undated)
    except sqlite3.Error:
        return CreationTimes()


def read_contents(connection: sqlite3.Connection, *, recount: bool) -> Published:
    """Return what the database says; its rows by its manifest where that is not to be `recount`ed.

    `webform_history` is always counted: it is renewed without the other tables.
    """
    info = read_one_row(connection, "run_info")
    manifest = _manifest(connection)
    made = made_by_sql_after(info)
    rows = {}
    for table in table_names(connection):
        if table in META_TABLES or f"table {table}" in made:
            continue
        said = None if recount or table == SUBMISSION_TABLE else manifest.get(table, {})
        count = said.get("row_count") if said else None
        rows[table] = count if isinstance(count, int) else row_count(connection, table)
    forms = manifest.get(SUBMISSION_TABLE, {})
    return Published(
        run_tag=_text(info.get("run_tag")),
        workspace_id=_text(info.get("workspace_id")),
        workspace_name=_text(info.get("workspace_name")),
        webform_people=_text(forms.get("scope")) or _text(info.get("webform_people")),
        captured_at_utc=_text(info.get("captured_at_utc")),
        oldest_read_utc=oldest_read(info, manifest.values()),
        rows=rows,
        tables_read=frozenset(t for t in rows if manifest.get(t, {}).get("run_tag") != ""),
        webforms_tag=_text(forms.get("run_tag")),
        fingerprint=_fingerprint(info, manifest),
        is_snapshot=bool(info) or not rows or any(table in ALL_TABLES for table in rows),
        is_ours="version" in info,
        manifest=manifest,
        made_by_sql_after=made,
        added_by_others=tuple(
            each
            for each in _added_by_others(connection, {*manifest, *ALL_TABLES, *META_TABLES})
            if each not in made
        ),
    )


def oldest_read(info: Mapping[str, Any], manifest: Iterable[Mapping[str, Any]]) -> str | None:
    """Return when the oldest of the data was read: of the run, or of a table that is older."""
    times = [info.get("captured_at_utc"), *(row.get("read_from") for row in manifest)]
    return min((str(each) for each in times if each), default=None)


def oldest_read_in(connection: sqlite3.Connection) -> str | None:
    """Return when the oldest data of an open snapshot was read; None where it does not say."""
    return oldest_read(read_one_row(connection, "run_info"), _manifest(connection).values())


def _added_by_others(connection: sqlite3.Connection, tables: Collection[str]) -> tuple[str, ...]:
    """Return tables, indexes, views and triggers that a run does not make, by kind and name."""
    own_indexes = {f"{table}_{column}" for table in tables for column in LINK_COLUMNS}
    rows = connection.execute("SELECT type, name, tbl_name FROM sqlite_master ORDER BY type, name")
    return tuple(
        f"{kind} {name}"
        for kind, name, table in rows
        if not name.startswith("sqlite_")
        and not (kind == "table" and name in tables)
        and not (kind == "index" and table in tables and name in own_indexes)
    )


def _manifest(connection: sqlite3.Connection) -> dict[str, dict[str, Any]]:
    """Return the rows of the manifest by table; {} where there is no manifest."""
    names = [name for name, _ in column_types(connection, "manifest")]
    if "table" not in names:
        return {}
    columns = ", ".join(map(quoted, names))
    rows = connection.execute(f'SELECT {columns} FROM manifest ORDER BY "table"')
    return {str((line := dict(zip(names, row, strict=True)))["table"]): line for row in rows}


def _fingerprint(info: dict[str, Any], manifest: dict[str, dict[str, Any]]) -> str:
    contents = [(t, row.get("row_count"), row.get("content_sha256")) for t, row in manifest.items()]
    return hashlib.sha256(repr((sorted(info.items()), contents)).encode()).hexdigest()


def _text(value: object) -> str | None:
    return None if value is None or value == "" else str(value)
