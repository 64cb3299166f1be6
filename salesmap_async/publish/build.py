"""Build the new snapshot: a fresh SQLite file beside the final DB.

The same records give the same bytes in every data table, whatever the order in which they were
fetched: names, order and types come from all published records, which are then laid down in the
order of their ids. Their kinds were noted while they were stored; only a table whose records are
not all published as they came (submissions, and lists with two versions of an id, as those that
were split have) is read for them once more. The file is in rollback-journal mode,
checked and on the disk when this returns; when it raises, nothing is left of it. A `run_tag` of ''
in the manifest means that no run has read the table yet.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from itertools import groupby, islice
from operator import attrgetter
from pathlib import Path
from typing import Any

from salesmap_async.api.endpoints import (
    ALL_TABLES,
    CHILD_TABLES,
    CHILDREN,
    CORE_TABLES,
    ENDPOINTS,
    SUBMISSION_PATH,
    SUBMISSION_TABLE,
    is_log,
)
from salesmap_async.errors import PublishError
from salesmap_async.events import Listener, Note, Step
from salesmap_async.files import fsync_file
from salesmap_async.publish.carry import attached, carried_row, copy_table, tables_to_carry
from salesmap_async.publish.continuation import continuation_of, read_continuation
from salesmap_async.publish.manifest import (
    CREATE_ABSENT,
    CREATE_COLUMN_MAP,
    CREATE_MANIFEST,
    ManifestRow,
    RunInfo,
    read_one_row,
    write_manifest,
    write_run_info,
)
from salesmap_async.publish.records import FormTally, Record, TableSource, Tally, index_work_db
from salesmap_async.publish.rows import Fingerprint, RowMaker, bindable, rows_at_once
from salesmap_async.publish.schema import Layout, fold, lay_out
from salesmap_async.sqlite_file import column_types, cure_of, opened, remove_with_leftovers
from salesmap_async.store.kinds import Kind, Kinds
from salesmap_async.store.laying import EVERY_NULL
from salesmap_async.store.work_db import absent_rows, open_work_db, read_run_values

_RECORDS_BETWEEN_LOOKS = 200
"""So often it is asked whether to stop."""

_FOR_SPEED = """
PRAGMA main.page_size = 4096;
PRAGMA encoding = 'UTF-8';
PRAGMA main.journal_mode = OFF;
PRAGMA main.synchronous = OFF;
PRAGMA main.locking_mode = EXCLUSIVE;
PRAGMA main.cache_size = -4000;
"""

Stop = Callable[[], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class BuildRequest:
    """What to build. `tables` were read by this run; all others come from `carry_from`.

    `run_info` is written in the order given. `carry_from` is None where no final DB exists;
    `remarks` say why tables come from there that were to be read; `manifest_before`: the rows of
    the present manifest, by table.
    """

    work_db: Path
    building_db: Path
    tables: tuple[str, ...]
    carry_from: Path | None
    remarks: Mapping[str, str] = field(default_factory=dict)
    run_info: RunInfo
    run_tag: str
    manifest_before: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)


def build_snapshot(request: BuildRequest, *, tell: Listener, stop: Stop) -> tuple[ManifestRow, ...]:
    """Write `request.building_db` and return its manifest.

    `stop` is called between batches; it raises to abandon the build. Raises StoreError when the
    work DB cannot be read, PublishError when the new file cannot be written.
    """
    path = request.building_db
    with _cleaned_up(path), open_work_db(request.work_db) as work:
        with _naming_the_file(path), opened(path, "rwc") as out:
            out.executescript(_FOR_SPEED)
            builder = _Builder(out, work, tell, stop)
            manifest = builder.build(request)
            tell(Step("integrity_check", path.name))
            _check(out, path)
        _fsync(path)
    return manifest


class _Builder:
    """Fills one new file."""

    def __init__(
        self, out: sqlite3.Connection, work: sqlite3.Connection, tell: Listener, stop: Stop
    ) -> None:
        self._out = out
        self._work = work
        self._tell = tell
        self._stop = stop
        self._missing: dict[str, dict[str, Any]] = {}

    def build(self, request: BuildRequest) -> tuple[ManifestRow, ...]:
        """Write every table; data tables first, in the catalogue's order."""
        self._tell(Step("build", request.building_db.name))
        index_work_db(self._work)
        self._missing = read_run_values(self._work).get("missing", {})
        self._out.execute(CREATE_COLUMN_MAP)
        manifest = [
            self._read_table(table, request) for table in ALL_TABLES if table in request.tables
        ]
        manifest += self._carry_tables(request)
        present = {fold(row.table) for row in manifest}
        manifest += [self._empty_table(table) for table in CORE_TABLES if table not in present]
        self._write_absent(request)
        self._out.execute(CREATE_MANIFEST)
        write_manifest(self._out, manifest)
        write_run_info(self._out, {"run_tag": request.run_tag} | dict(request.run_info))
        return tuple(manifest)

    def _read_table(self, table: str, request: BuildRequest) -> ManifestRow:
        source, tally = TableSource(self._work, table), Tally()
        kinds = source.kinds()
        if kinds is None:
            kinds = self._kinds_of_published(source)
        layout = lay_out(table, kinds, id_key=_id_key(table))
        rows, sha256 = self._fill(layout, source.records(tally))
        if table == SUBMISSION_TABLE:
            self._tell_about_forms(source, tally)
        self._tell(Note(f"{table}: {rows} rows, {len(layout.typed_names)} columns"))
        continuation, since = "", ""
        if is_log(table):
            before = read_continuation(request.manifest_before.get(table, {}))
            continuation, since = continuation_of(self._work, source.chains, before)
        return ManifestRow(
            table=table,
            endpoint=_endpoint(table),
            row_count=rows,
            column_count=len(layout.typed_names),
            errors="; ".join(source.skipped()),
            pages=sum(chain.pages for chain in source.chains),
            duplicates=tally.duplicates,
            repaired=tally.repaired,
            without_id=tally.without_id,
            dropped_missing=sum(form.dropped_missing for form in tally.forms.values()),
            dropped_not_allowed=sum(form.dropped_not_allowed for form in tally.forms.values()),
            content_sha256=sha256,
            **self._missing.get(table, {}),
            read_from=min((c.started_at for c in source.chains if c.started_at), default=""),
            read_to=max((c.ended_at for c in source.chains if c.ended_at), default=""),
            run_tag=request.run_tag,
            scope=str(request.run_info.get("webform_people", "")) * (table == SUBMISSION_TABLE),
            continued_since=since,
            continuation=continuation,
        )

    def _write_absent(self, request: BuildRequest) -> None:
        """Write down which missing records were asked for: by this run, else by earlier ones."""
        self._out.execute(CREATE_ABSENT)
        rows = absent_rows(self._work)
        if request.carry_from is not None:
            with opened(request.carry_from, "ro") as old:
                if column_types(old, "absent"):
                    kept = old.execute('SELECT "table", id, verdict, asked_at FROM absent')
                    rows = [row for row in kept if row[0] not in request.tables] + rows
        self._out.executemany(
            "INSERT OR REPLACE INTO absent VALUES (?, ?, ?, ?)", sorted(map(tuple, rows))
        )

    def _kinds_of_published(self, source: TableSource) -> dict[str, set[Kind]]:
        kinds = Kinds()
        records = source.records(Tally())
        while batch := list(islice(records, _RECORDS_BETWEEN_LOOKS)):
            self._stop()
            for (keys, nulls), alike in groupby(batch, key=attrgetter("keys", "nulls")):
                if nulls == EVERY_NULL:
                    kinds.add_columns(keys, [record.values for record in alike])
                else:
                    for record in alike:
                        kinds.add(record.by_key())
        return kinds.by_key()

    def _fill(self, layout: Layout, records: Iterator[Record]) -> tuple[int, str]:
        """Create and fill one table; return its number of rows and its fingerprint."""
        create, insert = layout.statements()
        fingerprint, maker, count = Fingerprint(layout.typed_names), RowMaker(layout), 0
        self._out.execute("BEGIN")
        self._out.execute(create)
        rows, batch_rows = map(maker.row, records), rows_at_once(len(layout.typed_names))
        while batch := list(islice(rows, batch_rows)):
            self._stop()
            self._out.executemany(insert, map(bindable, batch))
            fingerprint.add(batch)
            count += len(batch)
        for index in layout.indexes():
            self._out.execute(index)
        self._out.executemany(
            "INSERT INTO column_map VALUES (?, ?, ?)",
            [(layout.table, *names) for names in layout.mapped],
        )
        self._out.execute("COMMIT")
        return count, fingerprint.hexdigest()

    def _carry_tables(self, request: BuildRequest) -> list[ManifestRow]:
        if request.carry_from is None:
            return []
        tables = tables_to_carry(request.carry_from, request.tables)
        with opened(request.carry_from, "ro") as old:
            rows = {
                table: read_one_row(old, "manifest", where="table", value=table) for table in tables
            }
            old_tag = str(read_one_row(old, "run_info").get("run_tag") or "")
        with attached(self._out, request.carry_from, "old"):
            for table in tables:
                self._stop()
                self._tell(Note(f"{table}: carried over from {request.carry_from.name}"))
                copy_table(self._out, table, "old")
        carried = [carried_row(self._out, table, rows[table], run_tag=old_tag) for table in tables]
        return [
            replace(row, errors=request.remarks[row.table]) if row.table in request.remarks else row
            for row in carried
        ]

    def _empty_table(self, table: str) -> ManifestRow:
        layout = lay_out(table, {}, id_key=_id_key(table))
        for statement in (layout.statements()[0], *layout.indexes()):
            self._out.execute(statement)
        return ManifestRow(
            table=table,
            endpoint=_endpoint(table),
            row_count=0,
            column_count=len(layout.typed_names),
            errors="not read by any run yet",
            content_sha256=Fingerprint(layout.typed_names).hexdigest(),
            run_tag="",
        )

    def _tell_about_forms(self, source: TableSource, tally: Tally) -> None:
        for chain in source.chains:
            if chain.state != "skipped":
                form = tally.forms.get(chain.name, FormTally())
                self._tell(
                    Note(
                        f"{SUBMISSION_TABLE}: {source.form(chain)}: kept={form.kept}"
                        f" dropped_missing={form.dropped_missing}"
                        f" dropped_not_allowed={form.dropped_not_allowed}"
                    )
                )
        forms = tally.forms.values()
        missing = sum(form.dropped_missing for form in forms)
        not_allowed = sum(form.dropped_not_allowed for form in forms)
        self._tell(
            Note(f"{SUBMISSION_TABLE}: dropped_missing={missing} dropped_not_allowed={not_allowed}")
        )


def _id_key(table: str) -> str:
    return next((each.id_key for each in ENDPOINTS if each.table == table), "id")


def _endpoint(table: str) -> str:
    if table == SUBMISSION_TABLE:
        return SUBMISSION_PATH
    if table in CHILD_TABLES:
        return next(child.path for child in CHILDREN if child.table == table)
    return ", ".join(each.path for each in ENDPOINTS if each.table == table)


@contextmanager
def _cleaned_up(path: Path) -> Iterator[None]:
    """Remove what an earlier build left, and whatever this one leaves when it fails."""
    try:
        remove_with_leftovers(path)
    except OSError as error:
        raise PublishError(
            f"{path.parent} cannot be written: {error}", cure="check that directory, then resume"
        ) from error
    try:
        yield
    except BaseException:
        with suppress(OSError):
            remove_with_leftovers(path)
        raise


@contextmanager
def _naming_the_file(path: Path) -> Iterator[None]:
    try:
        yield
    except sqlite3.Error as error:
        raise PublishError(
            f"the new snapshot {path} could not be built: {error}; the final DB is unchanged",
            cure=cure_of(error),
        ) from error


def _check(connection: sqlite3.Connection, path: Path) -> None:
    (verdict,) = connection.execute("PRAGMA main.integrity_check(1)").fetchone()
    if verdict != "ok":
        raise PublishError(
            f"the new snapshot {path} is damaged: {verdict}; the final DB is unchanged",
            cure="check the disk, then resume the run",
        )


def _fsync(path: Path) -> None:
    try:
        fsync_file(path)
    except OSError as error:
        raise PublishError(
            f"the new snapshot {path} did not reach the disk: {error}; the final DB is unchanged",
            cure="check the disk, then resume the run",
        ) from error
