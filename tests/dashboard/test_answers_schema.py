"""The API as it describes itself: no input makes it fail, and every answer has its shape."""

from __future__ import annotations

import re
import sqlite3
from collections import Counter
from contextlib import closing
from pathlib import Path
from typing import Any

import schemathesis
from hypothesis import HealthCheck, given, settings
from schemathesis.checks import not_a_server_error
from schemathesis.core.result import Ok
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from salesmap_async import take_snapshot
from tests.support.dashboard_db import VECTOR, app_over, asking, make_db
from tests.support.dashboard_process import POSIX, no_process_is_left, served
from tests.support.operate_runs import small_sandbox
from tests.support.runs import MakeSettings

__all__ = ["no_process_is_left"]
CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_schema_conformance,
]
EXAMPLES = 20
ALL_ENDPOINTS = 29

ODD_IDS = (
    "%00", "a%00b", "%ED%A0%80", "%FF", "%F0%9F%91%8B", "..", "%2e%2e", "'", "%22", "9" * 200,
    "%25", "null", "undefined", " ", "%0a",
)  # fmt: skip


@POSIX
async def test_no_input_makes_it_fail(make_settings: MakeSettings) -> None:
    """Schemathesis asks every endpoint of a real server: its own inputs, and real records."""
    asked: Counter[str] = Counter()
    async with small_sandbox() as sandbox:
        paths = make_settings(sandbox)
        await take_snapshot(paths)
    folders = ("--log-dir", str(paths.log_dir), "--backup-dir", str(paths.backup_dir))
    with served(paths.db_path.parent, "--db-path", str(paths.db_path), *folders) as address:
        schema = schemathesis.openapi.from_url(f"{address}/openapi.json")
        for found in schema.get_all_operations():
            assert isinstance(found, Ok), found
            operation = found.ok()
            ask_anything(operation, asked)
            for known in known_records(paths.db_path, operation.path):
                case = operation.Case(path_parameters=known)
                case.call_and_validate(checks=CHECKS)
                asked[f"{operation.path} (known)"] += 1
    assert len({path.removesuffix(" (known)") for path in asked}) == ALL_ENDPOINTS
    assert sum(asked.values()) > ALL_ENDPOINTS


def ask_anything(operation: Any, asked: Counter[str]) -> None:
    """Ask one endpoint with generated parameters, good and bad ones."""

    @given(case=operation.as_strategy())
    @settings(
        max_examples=EXAMPLES,
        derandomize=True,
        deadline=None,
        database=None,
        suppress_health_check=list(HealthCheck),
    )
    def ask(case: Any) -> None:
        asked[operation.path] += 1
        case.call_and_validate(checks=CHECKS)

    ask()


def known_records(db: Path, path: str) -> list[dict[str, str]]:
    """Return path parameters of records that exist: those with most to show, and some others."""
    queries = {
        "org_id": "SELECT organizationId FROM people",
        "person_id": "SELECT peopleId FROM deal",
        "deal_id": "SELECT dealId FROM memo",
    }
    name = (re.findall(r"{(\w+)}", path) or [""])[0]
    if name == "key":
        return [{"key": "edu1"}, {"key": "edu2"}]
    if name not in queries:
        return []
    with closing(sqlite3.connect(db)) as connection:
        rows = connection.execute(
            f"{queries[name]} GROUP BY 1 ORDER BY count(*) DESC, 1 LIMIT 12"
        ).fetchall()
        return [{name: record_id} for (record_id,) in rows if record_id]


async def test_odd_ids_are_unknown_records(tmp_path: Path) -> None:
    """NUL, half an emoji, bytes that are no text, quotes: 404 or 422, and nothing else."""
    app = app_over(make_db(tmp_path / "final.db", VECTOR))
    async with asking(app) as client:
        for odd in ODD_IDS:
            if odd == "..":
                continue  # a client makes /api/people/../deals the address of all deals
            for path in (f"/api/orgs/{odd}/statepath", f"/api/people/{odd}/deals",
                         f"/api/deals/{odd}/memos", f"/api/deal-check/{odd}"):  # fmt: skip
                response = await client.get(path)
                assert response.status_code in (404, 422), (path, response.text)
            response = await client.get(f"/api/orgs?search={odd}&size={odd}")
            expected = 422 if "%00" in odd else 200
            assert response.status_code == expected, (odd, response.text)


async def test_a_lone_surrogate_is_refused(tmp_path: Path) -> None:
    """Another server than uvicorn might pass one on; SQLite could not even be asked for it."""
    sent: list[dict[str, Any]] = []
    app = app_over(make_db(tmp_path / "final.db", VECTOR))
    scope = {
        "type": "http", "method": "GET", "path": "/api/orgs/\ud83d/statepath", "query_string": b"",
        "headers": [(b"host", b"localhost")], "client": ("127.0.0.1", 1), "scheme": "http",
        "server": ("localhost", 80), "http_version": "1.1", "root_path": "", "raw_path": b"",
    }  # fmt: skip

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: Any) -> None:
        sent.append(message)

    await app(scope, receive, send)
    assert sent[0]["status"] == 422


async def test_the_docs_page_has_no_outside_host(tmp_path: Path) -> None:
    """Page, script and style come from the package; no script stands in the page itself."""
    app = app_over(make_db(tmp_path / "final.db", VECTOR))
    async with asking(app) as client:
        page = (await client.get("/docs")).text
        addresses = re.findall(r'(?:src|href)="([^"]+)"', page)
        files = [address for address in addresses if address.startswith("/docs/files/")]
        answers = [await client.get(address) for address in files]
        assert (await client.get("/redoc")).status_code == 404
    assert len(files) == 2
    assert [each.status_code for each in answers] == [200, 200]
    assert set(addresses) - set(files) == {"data:,"}
    assert not any("://" in text for text in (page, *(each.text for each in answers)))
    assert all(tag.endswith("></script>") for tag in re.findall(r"<script.*", page))


async def test_the_description_names_every_error(tmp_path: Path) -> None:
    """Each endpoint that reads the snapshot documents 503, each with an id in its path 404."""
    async with asking(app_over(tmp_path / "none.db")) as client:
        paths = (await client.get("/openapi.json")).json()["paths"]
    assert len(paths) == ALL_ENDPOINTS
    for path, methods in paths.items():
        responses = methods["get"]["responses"]
        assert "503" in responses, path
        assert ("404" in responses) == ("{" in path), path
        assert list(methods) == ["get"]
