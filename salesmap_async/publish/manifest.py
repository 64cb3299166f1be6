"""What the final DB says about itself: `manifest`, `run_info`, `column_map` and `absent`.

Manifest and run info also lie beside the log, as JSON.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any

import orjson

from salesmap_async.events import Listener, Warned
from salesmap_async.files import write_text_atomically
from salesmap_async.paths import RunPaths
from salesmap_async.sqlite_file import column_types, quoted

META_TABLES = ("manifest", "run_info", "column_map", "absent")
CREATE_ABSENT = (
    'CREATE TABLE absent ("table" TEXT, "id" TEXT, "verdict" TEXT, "asked_at" TEXT,'
    ' PRIMARY KEY ("table", "id"))'
)
CREATE_COLUMN_MAP = 'CREATE TABLE column_map ("table" TEXT, "key" TEXT, "column" TEXT)'

RunInfo = Mapping[str, str | int | float | None]
"""Columns of `run_info`, in order: run_tag, captured_at_utc, base_url, endpoints, note,
checkpoint_path, final_db_path, then others. `published` looks for workspace_id, workspace_name
and webform_people among them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ManifestRow:
    """One table of the final DB. `run_tag`: the run that read it, '' if none has yet.

    `scope`: whose submissions `webform_history` holds (`deals` or `all`), '' for other tables.
    `errors` is text for people; '' means none. `dropped_...` are of submissions only. `added` and
    `gone` compare with the snapshot before (None: there was none, or the table was not read);
    `read_from` and `read_to` are when its first and last pages came (ISO 8601, UTC; '': unknown).
    `continued_since`: a log was read only from there on (ISO 8601, UTC), the rest is of the
    snapshot before; `continuation` is what the next run needs for that.
    `gone_confirmed` were asked for by id and are gone, `unlisted` are there but in no list; so many
    `orphans` are newly named by links and not there.
    """

    table: str
    endpoint: str
    row_count: int
    column_count: int
    errors: str = ""
    pages: int = 0
    duplicates: int = 0
    repaired: int = 0
    without_id: int = 0
    dropped_missing: int = 0
    dropped_not_allowed: int = 0
    added: int | None = None
    gone: int | None = None
    gone_confirmed: int = 0
    unlisted: int = 0
    orphans: int = 0
    read_from: str = ""
    read_to: str = ""
    content_sha256: str
    run_tag: str
    scope: str = ""
    continued_since: str = ""
    continuation: str = ""


MANIFEST_COLUMNS: dict[str, str] = {
    each.name: "INTEGER" if str(each.type).startswith("int") else "TEXT"
    for each in fields(ManifestRow)
}
CREATE_MANIFEST = "CREATE TABLE manifest ({})".format(
    ", ".join(
        f"{quoted(name)} {declared}{' PRIMARY KEY' if name == 'table' else ''}"
        for name, declared in MANIFEST_COLUMNS.items()
    )
)


def write_manifest(connection: sqlite3.Connection, rows: Iterable[ManifestRow]) -> None:
    """Add `rows` to the table `manifest`."""
    names = ", ".join(map(quoted, MANIFEST_COLUMNS))
    marks = ", ".join(f":{name}" for name in MANIFEST_COLUMNS)
    connection.executemany(
        f"INSERT INTO manifest ({names}) VALUES ({marks})", [asdict(row) for row in rows]
    )


def write_run_info(connection: sqlite3.Connection, run_info: RunInfo) -> None:
    """Create the table `run_info` with its one row, columns in the order given."""
    columns = ", ".join(f"{quoted(name)} {_declared(run_info[name])}" for name in run_info)
    marks = ", ".join("?" * len(run_info))
    connection.execute(f"CREATE TABLE run_info ({columns})")
    connection.execute(f"INSERT INTO run_info VALUES ({marks})", tuple(run_info.values()))


def read_one_row(
    connection: sqlite3.Connection,
    table: str,
    *,
    where: str = "",
    value: str = "",
    schema: str = "main",
) -> dict[str, Any]:
    """Return a row of a meta table as a dict; {} where the table, column or row is missing."""
    names = [name for name, _ in column_types(connection, table, schema)]
    if not names or (where and where not in names):
        return {}
    condition = f" WHERE {quoted(where)} = ?" if where else ""
    columns = ", ".join(map(quoted, names))
    row = connection.execute(
        f"SELECT {columns} FROM {quoted(schema)}.{quoted(table)}{condition} LIMIT 1",
        (value,) if where else (),
    ).fetchone()
    return dict(zip(names, row, strict=True)) if row else {}


def write_reports(
    paths: RunPaths, manifest: Iterable[ManifestRow], run_info: RunInfo, *, tell: Listener
) -> None:
    """Write both as JSON beside the log. A failure only warns: the DB holds the same."""
    rows = [asdict(row) for row in manifest]
    for path, report in ((paths.manifest_json, rows), (paths.run_info_json, dict(run_info))):
        text = orjson.dumps(report, option=orjson.OPT_INDENT_2).decode()
        try:
            write_text_atomically(path, text + "\n")
        except OSError as error:
            tell(Warned(f"{path} could not be written: {error}"))


def _declared(value: str | int | float | None) -> str:
    if isinstance(value, int):
        return "INTEGER"
    return "REAL" if isinstance(value, float) else "TEXT"
