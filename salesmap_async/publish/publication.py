"""The steps of publishing, in their order: build, gate, reports, backup, replace, prune.

Each step may be repeated: a run that was killed between two of them does them again and comes to
the same end. What holds this run's tag already is not backed up or replaced again.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

from salesmap_async.api.endpoints import SUBMISSION_TABLE
from salesmap_async.errors import (
    GateRefusedError,
    KeptAsideError,
    LockedError,
    TablesFailedError,
)
from salesmap_async.events import Listener, Note, Step, Warned
from salesmap_async.paths import RunPaths
from salesmap_async.publish.backup import already_holds, back_up, prune_backups
from salesmap_async.publish.build import BuildRequest, build_snapshot
from salesmap_async.publish.damage import keep_damaged
from salesmap_async.publish.gate import incomplete, shrunken
from salesmap_async.publish.manifest import ManifestRow, RunInfo, write_reports
from salesmap_async.publish.published import Published
from salesmap_async.publish.replace import install, keep_aside
from salesmap_async.publish.sql_after import SqlAfter, apply_sql_after
from salesmap_async.publish.webform_swap import swap_webforms
from salesmap_async.sqlite_file import remove_with_leftovers
from salesmap_async.store.work_db import open_work_db, read_chains


@dataclass(frozen=True, slots=True, kw_only=True)
class Publication:
    """What is to be published, and how.

    `published` tells about the present final DB (None: there is none). `back_up`: keep it before it
    is replaced; `keep_backups`: how many are kept then (None: none is deleted). `damage` says what
    is wrong with the present final DB, which then is no backup but kept as it is. `stop` raises to
    end the work; after the swap it is not asked any more. `sql_after` is run on the new snapshot.
    """

    paths: RunPaths
    tables: tuple[str, ...]
    run_info: RunInfo
    published: Published | None
    back_up: bool
    keep_backups: int | None
    allow_shrink: bool
    tell: Listener
    stop: Callable[[], None]
    damage: str = ""
    sql_after: SqlAfter | None = None


def publish_snapshot(publication: Publication) -> tuple[ManifestRow, ...]:
    """Replace the final DB by a new one; return its manifest.

    Raises TablesFailedError, GateRefusedError, KeptAsideError, PublishError or StoreError; the
    final DB is then as it was, unless the error's `published` says otherwise.
    """
    _check_complete(publication)
    publication, left_out = _without_left_out(publication)
    paths = publication.paths
    manifest = _build(publication, left_out)
    try:
        _apply_sql_after(publication)
        _pass_gate(publication, manifest)
        write_reports(paths, manifest, publication.run_info, tell=publication.tell)
        fresh = _back_up(publication)
        publication.stop()
    except LockedError:
        # Without a backup nothing is replaced; what was built is complete all the same.
        keep_aside(
            paths.building_db,
            paths.final_db,
            paths.sibling_db,
            run_tag=paths.run_tag,
            tell=publication.tell,
        )
    except BaseException:
        with suppress(OSError):  # why the run ends is what counts
            remove_with_leftovers(paths.building_db)
        raise
    install(
        paths.building_db,
        paths.final_db,
        paths.sibling_db,
        run_tag=paths.run_tag,
        tell=publication.tell,
        stop=publication.stop,
    )
    _prune(publication, fresh)
    return manifest


def _build(publication: Publication, left_out: Mapping[str, str]) -> tuple[ManifestRow, ...]:
    paths = publication.paths
    request = BuildRequest(
        work_db=paths.work_db,
        building_db=paths.building_db,
        tables=publication.tables,
        carry_from=paths.final_db if _has_tables_to_carry(publication) else None,
        remarks=left_out,
        run_info=publication.run_info,
        run_tag=paths.run_tag,
        manifest_before=publication.published.manifest if publication.published else {},
    )
    return build_snapshot(request, tell=publication.tell, stop=publication.stop)


def _apply_sql_after(publication: Publication) -> None:
    sql, building_db = publication.sql_after, publication.paths.building_db
    if sql is not None:
        apply_sql_after(sql, building_db, tell=publication.tell, stop=publication.stop)


def publish_webforms(publication: Publication) -> tuple[ManifestRow, ...]:
    """Renew `webform_history` alone, in one transaction on the final DB; return its manifest row.

    Raises like `publish_snapshot`; what is kept aside is the work DB.
    """
    _check_complete(publication)
    paths = publication.paths
    built = paths.work_dir / "webforms.db"
    manifest = build_snapshot(
        BuildRequest(
            work_db=paths.work_db,
            building_db=built,
            tables=publication.tables,
            carry_from=None,
            run_info=publication.run_info,
            run_tag=paths.run_tag,
        ),
        tell=publication.tell,
        stop=publication.stop,
    )
    own = tuple(row for row in manifest if row.table in publication.tables)
    _pass_gate(publication, own)
    write_reports(paths, own, publication.run_info, tell=publication.tell)
    try:
        fresh = _back_up(publication)
    except LockedError as error:
        raise KeptAsideError(str(error), kept_at=built, cure=error.cure) from error
    publication.stop()
    swap_webforms(paths.final_db, built, run_tag=paths.run_tag, tell=publication.tell)
    try:
        remove_with_leftovers(built)
    except OSError as error:
        publication.tell(Warned(f"{built} could not be deleted: {error}"))
    _prune(publication, fresh)
    return own


def _without_left_out(publication: Publication) -> tuple[Publication, Mapping[str, str]]:
    """Return what is left to publish, and why tables are carried over whose lists were left out.

    A table that the present DB does not have stays: it is published without a row.
    """
    with open_work_db(publication.paths.work_db) as connection:
        chains = read_chains(connection)
    read = {chain.table for chain in chains if chain.state != "skipped"}
    present = publication.published.tables_read if publication.published else frozenset()
    left_out = {
        chain.table: chain.error
        for chain in chains
        if chain.table not in read and chain.table != SUBMISSION_TABLE and chain.table in present
    }
    tables = tuple(table for table in publication.tables if table not in left_out)
    return replace(publication, tables=tables), left_out


def _has_tables_to_carry(publication: Publication) -> bool:
    published = publication.published
    return published is not None and bool(published.rows.keys() - set(publication.tables))


def _check_complete(publication: Publication) -> None:
    """Raise TablesFailedError when some list of the tables to publish was not read to its end."""
    with open_work_db(publication.paths.work_db) as connection:
        failures = incomplete(read_chains(connection), publication.tables)
    if failures:
        raise TablesFailedError(failures)


def _pass_gate(publication: Publication, manifest: tuple[ManifestRow, ...]) -> None:
    """Compare row counts with the present final DB, in equal scope. Raises GateRefusedError."""
    before = _rows_in_scope(publication)
    after = {row.table: row.row_count for row in manifest}
    reasons = shrunken(before, after)
    publication.tell(Step("gate", f"{len(before)} tables compared, {len(reasons)} shrunk"))
    if not reasons:
        return
    if not publication.allow_shrink:
        raise GateRefusedError(reasons)
    for reason in reasons:
        publication.tell(Note(f"allowed by --allow-shrink: {reason}"))


def _rows_in_scope(publication: Publication) -> Mapping[str, int]:
    published = publication.published
    if published is None:
        return {}
    same_people = published.webform_people in (None, publication.run_info.get("webform_people"))
    return {
        table: rows
        for table, rows in published.rows.items()
        if table in publication.tables and (table != SUBMISSION_TABLE or same_people)
    }


def _back_up(publication: Publication) -> Path | None:
    """Keep what will be replaced, unless an earlier start of this run published that; say where."""
    paths, tell = publication.paths, publication.tell
    if publication.damage:
        keep_damaged(paths.final_db, paths.damaged_db, publication.damage, tell=tell)
        return None
    if publication.published is None or not publication.back_up:
        return None
    if already_holds(paths.final_db, paths.run_tag, publication.tables):
        tell(Note(f"backup: {paths.final_db.name} already holds this run, nothing to keep"))
        return None
    return back_up(paths.final_db, paths.backup_db, tell=tell, stop=publication.stop)


def _prune(publication: Publication, fresh: Path | None) -> None:
    paths = publication.paths
    if publication.keep_backups is not None and paths.backup_dir.is_dir():
        prune_backups(
            paths.final_db,
            paths.backup_dir,
            publication.keep_backups,
            was_run=lambda tag: replace(paths, run_tag=tag).has_traces(),
            fresh=fresh,
            tell=publication.tell,
        )
