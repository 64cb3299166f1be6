"""Small published DBs with records that a test chooses, and a client for the dashboard over them.

The file is laid out by the product's own schema, so names, types and indexes are the real ones.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, closing, contextmanager
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import httpx
from fastapi import FastAPI

from salesmap_async import Settings
from salesmap_async.dashboard.app import create_app
from salesmap_async.dashboard.data.columns import DEFAULT_COLUMNS
from salesmap_async.dashboard.data.config import DashboardConfig
from salesmap_async.dashboard.data.database import Database, Snapshot
from salesmap_async.publish.manifest import (
    CREATE_COLUMN_MAP,
    CREATE_MANIFEST,
    ManifestRow,
    write_manifest,
    write_run_info,
)
from salesmap_async.publish.schema import Layout, lay_out
from salesmap_async.store.kinds import Kind

Record = dict[str, Any]
Records = Mapping[str, Sequence[Record]]

TABLES = (
    "organization", "people", "deal", "lead", "memo", "user", "team", "webform", "webform_history",
)  # fmt: skip
CAPTURED_AT = "2025-06-15T03:00:00+00:00"
RUN_TAG = "20250615_030000"

_EVERY_FIELD: dict[str, Record] = {
    table: dict.fromkeys(meanings.values()) for table, meanings in DEFAULT_COLUMNS.items()
} | {"team": {"name": None, "teammateList": None}, "user": {"name": None}}
for optional in ("담당 파트", "파이프라인", "파이프라인 단계"):
    del _EVERY_FIELD["deal"][optional]


def make_db(
    path: Path, records: Records, *, captured_at: str | None = CAPTURED_AT, run_tag: str = RUN_TAG
) -> Path:
    """Write a snapshot with these records; every mapped field has a column, NULL if not given."""
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute(CREATE_COLUMN_MAP)
        connection.execute(CREATE_MANIFEST)
        for table in TABLES:
            rows = [_EVERY_FIELD.get(table, {}) | record for record in records.get(table, ())]
            _fill(connection, table, rows)
        info: dict[str, str | int | float | None] = {
            "run_tag": run_tag,
            "captured_at_utc": captured_at,
            "workspace_id": "workspace-1",
            "workspace_name": "가상 교육 주식회사",
        }
        write_run_info(connection, info)
    return path


def _fill(connection: sqlite3.Connection, table: str, rows: Sequence[Record]) -> None:
    kinds: dict[str, set[Kind]] = {}
    for row in rows:
        for key, value in row.items():
            kinds.setdefault(key, set()).update(_kind(value))
    layout: Layout = lay_out(table, kinds)
    create, insert = layout.statements()
    connection.execute(create)
    names = [name for name, _ in layout.typed_names]
    keys = ["id", *(column.key for column in layout.columns)]
    assert len(keys) == len(names)
    connection.executemany(insert, [[_stored(row.get(key)) for key in keys] for row in rows])
    for statement in layout.indexes():
        connection.execute(statement)
    manifest = ManifestRow(
        table=table,
        endpoint=f"/{table}",
        row_count=len(rows),
        column_count=len(names),
        content_sha256="",
        run_tag=RUN_TAG,
    )
    write_manifest(connection, [manifest])


def _kind(value: object) -> set[Kind]:
    if value is None:
        return set()
    if isinstance(value, bool):
        return {"boolean"}
    kinds: dict[type, Kind] = {str: "text", int: "integer", float: "number"}
    return {kinds.get(type(value), "json")}


def _stored(value: object) -> object:
    is_json = isinstance(value, dict | list)
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")) if is_json else value


def change(path: Path, *statements: str) -> None:
    """Change a DB with SQL, e.g. to take a column away."""
    with closing(sqlite3.connect(path)) as connection, connection:
        for statement in statements:
            connection.execute(statement)


@contextmanager
def snapshot_of(path: Path, config: DashboardConfig | None = None) -> Iterator[Snapshot]:
    """Open a DB as one request does."""
    columns = (config or DashboardConfig()).columns
    with Database(path, columns, run_command="run", doctor_command="doctor").open() as snapshot:
        yield snapshot


def settings_in(folder: Path, db: Path) -> Settings:
    """Return settings whose logs, backups and checkpoints lie in `folder`."""
    return Settings(
        db_path=db,
        backup_dir=folder / "backups",
        log_dir=folder / "logs",
        checkpoint_dir=folder / "logs" / "checkpoints",
    )


def app_over(db: Path, config: DashboardConfig | None = None, **more: Any) -> FastAPI:
    """Return the application over a DB."""
    return create_app(settings_in(db.parent, db), config=config, **more)


@asynccontextmanager
async def asking(
    app: FastAPI, *, client: tuple[str, int] = ("127.0.0.1", 50000), **more: Any
) -> AsyncIterator[httpx.AsyncClient]:
    """Give a client of `app`; `client` is the address that it seems to come from."""
    transport = httpx.ASGITransport(app=app, client=client)
    async with httpx.AsyncClient(
        transport=transport, base_url="http://localhost:8000", **more
    ) as asked:
        yield asked


async def answer(app: FastAPI, path: str, **params: Any) -> Any:
    """Return the JSON of one endpoint, which must answer with 200."""
    async with asking(app) as client:
        response = await client.get(path, params=params)
    assert response.status_code == 200, response.text
    return response.json()


def seoul(day: str) -> str:
    """Return midnight of a day in Seoul as the CRM stores it: 15:00 UTC of the day before."""
    before = date.fromisoformat(day) - timedelta(days=1)
    return f"{before.isoformat()}T15:00:00.000Z"


def organization(org_id: str, name: str = "가상전자", **more: Any) -> Record:
    return {"id": org_id, "이름": name, "기업 규모": "대기업", **more}


def person(person_id: str, org_id: str | None, **more: Any) -> Record:
    return {"id": person_id, "organizationId": org_id, "이름": f"김가상 {person_id}", **more}


def won(
    deal_id: str, amount: object, day: str, *, org: str | None = "o1", by: str | None = None,
    **more: Any,
) -> Record:  # fmt: skip
    """Return a Won deal with its contract on a day in Seoul."""
    return {
        "id": deal_id,
        "organizationId": org,
        "peopleId": by,
        "이름": f"과정 {deal_id}",
        "상태": "Won",
        "금액": amount,
        "계약 체결일": seoul(day),
        **more,
    }


VECTOR: Records = {
    # The test vector of the contract, worked by hand: two people, six Won deals.
    "organization": [organization("o1", "가상전자"), organization("o2", "다른회사")],
    "people": [
        person("p1", "o1", **{"소속 상위 조직": "인재개발원", "팀(명함/메일서명)": "교육팀"}),
        person("p2", "o1", **{"소속 상위 조직": "생산본부", "팀(명함/메일서명)": "설비팀"}),
        person("p3", "o2"),
    ],
    "deal": [
        won("d1", 150_000_000, "2025-03-01", by="p1", 과정포맷="구독제(온라인)"),
        won("d2", 40_000_000, "2024-03-01", by="p1", 과정포맷="오프라인"),
        won("d3", 8_000_000, "2024-05-01", by="p2", 과정포맷="오프라인"),
        won("d4", None, "2025-05-01", by="p2") | {"예상 체결액": 30_000_000},
        won("d5", 99_000_000, "2025-06-01", 과정포맷="오프라인"),
        won("d6", 1_000, "2025-07-01", by="p3", 과정포맷="오프라인"),
    ],
}
