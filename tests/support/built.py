"""From chains of invented records to a built snapshot, and its rows by plain SQL."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

from salesmap_async.events import ignore
from salesmap_async.publish.build import BuildRequest, build_snapshot
from salesmap_async.publish.manifest import ManifestRow
from salesmap_async.sqlite_file import quoted
from tests.support.work_db_maker import ChainSpec, make_work_db

Manifest = dict[str, ManifestRow]


def build(
    directory: Path,
    chains: Sequence[ChainSpec],
    *,
    name: str = "built.db",
    carry_from: Path | None = None,
    tables: tuple[str, ...] = (),
    run_tag: str = "t1",
    tell: Any = ignore,
    **work: Any,
) -> tuple[Path, Manifest]:
    """Make a work DB and build it; return the built file and its manifest by table."""
    work_db = make_work_db(directory / f"work of {name}", chains, **work)
    request = BuildRequest(
        work_db=work_db,
        building_db=directory / name,
        tables=tables or tuple({chain.table for chain in chains}),
        carry_from=carry_from,
        run_info={"run_tag": run_tag, "captured_at_utc": "2026-01-02T03:04:05Z", "requests": 3},
        run_tag=run_tag,
    )
    manifest = build_snapshot(request, tell=tell, stop=lambda: None)
    return request.building_db, {row.table: row for row in manifest}


@contextmanager
def reading(path: Path) -> Iterator[sqlite3.Connection]:
    with closing(sqlite3.connect(path)) as connection:
        yield connection


def rows_of(path: Path, table: str) -> list[dict[str, Any]]:
    with reading(path) as connection:
        cursor = connection.execute(f"SELECT * FROM {quoted(table)} NOT INDEXED")
        names = [column[0] for column in cursor.description]
        return [dict(zip(names, row, strict=True)) for row in cursor]
