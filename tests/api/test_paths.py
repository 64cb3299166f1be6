"""What the server says it can be asked for, beside the catalogue."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from salesmap_async.api.endpoints import ENDPOINTS
from salesmap_async.api.paths import ASKED, compare_paths, paths_in
from salesmap_async.operate.doctor import examine_remotely
from salesmap_async.sandbox import Fault, Sandbox, Workspace
from tests.support.runs import MakeSettings


@pytest.mark.parametrize(
    "written",
    [
        "/deal/{dealId}",
        "/v2/deal/:id",
        "/api/v2/deal/{id}",
        "https://salesmap.kr/api/v2/deal/<id>/",
    ],
)
def test_a_path_is_the_same_however_it_is_written(written: str) -> None:
    """With or without the root, whatever its parameter is called."""
    assert paths_in({"paths": {written: {"get": {}}}}) == {"/deal/{}"}


def test_only_what_can_be_read_counts() -> None:
    """Paths to write to are none of a snapshot's; garbage is nothing."""
    document: dict[str, Any] = {"paths": {"/deal": {"post": {}}, "/memo": {"GET": {}}, "/x": None}}
    assert paths_in(document) == {"/memo"}
    assert paths_in({"paths": []}) == frozenset()


def test_new_and_gone_are_told_apart() -> None:
    """A list that is not known, one that is missing; forms with parameters are no news."""
    there = {*(path for path in ASKED if path != "/todo"), "/meeting", "/deal/{}/quote"}
    assert compare_paths(there) == (("/meeting",), ("/todo",))
    merged = {path for path in ASKED if not path.startswith("/field/")} | {"/field/{}"}
    assert compare_paths(merged) == ((), ())


def test_every_list_is_asked() -> None:
    assert {endpoint.path for endpoint in ENDPOINTS} <= ASKED


async def test_doctor_compares_them(make_settings: MakeSettings, tmp_path: Path) -> None:
    """On a real server, without a token's refusal; a server without the list is no failure."""
    async with Sandbox(Workspace.generate(records=60, forms=0)) as sandbox:
        [found] = [
            each for each in await examine_remotely(make_settings(sandbox)) if "paths" in each.what
        ]
    assert found.said == "all that a run asks for are there; nothing new"
    silent = Fault(action="status", status=404, path="/openapi")
    async with Sandbox(Workspace.generate(records=60, forms=0), faults=[silent]) as sandbox:
        [found] = [
            each for each in await examine_remotely(make_settings(sandbox)) if "paths" in each.what
        ]
    assert found.level == "ok"
    assert found.said.startswith("the server does not list them")
