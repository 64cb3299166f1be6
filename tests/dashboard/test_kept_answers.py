"""Answers are worked out once for a state of the file, and told again as they were."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import httpx
import pytest
from starlette.responses import JSONResponse
from starlette.types import Receive, Scope, Send

from salesmap_async.dashboard.web import kept_answers
from salesmap_async.dashboard.web.kept_answers import KeptAnswers
from tests.support.dashboard_db import app_over, asking, change, make_db, organization, person

DB = {"organization": [organization("o1")], "people": [person("p1", "o1")]}


class Counting:
    """An app that says how often it was asked; `?big` answers at length, `?bad` with 503."""

    def __init__(self) -> None:
        self.asked = 0
        self.side_by_side = 0
        self.most_side_by_side = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self.asked += 1
        self.side_by_side += 1
        self.most_side_by_side = max(self.most_side_by_side, self.side_by_side)
        for _ in range(3):
            await asyncio.sleep(0)
        self.side_by_side -= 1
        said = {"asked": self.asked, "text": "가" * 5000 if scope["query_string"] == b"big" else ""}
        status = 503 if scope["query_string"] == b"bad" else 200
        await JSONResponse(said, status)(scope, receive, send)


class File:
    """Stands for the file: the state that it is in."""

    def __init__(self) -> None:
        self.state: str | None = "first"


def client_of(app: Counting, file: File, **more: Any) -> httpx.AsyncClient:
    kept = KeptAnswers(app, state=lambda: file.state, of_other_files={"/api/runs"}, **more)
    return httpx.AsyncClient(transport=httpx.ASGITransport(kept), base_url="http://127.0.0.1")


async def test_an_answer_is_worked_out_once_for_each_state_and_query() -> None:
    """A new snapshot, another query and what is no data are asked for anew."""
    app, file = Counting(), File()
    async with client_of(app, file) as client:
        assert [(await client.get("/api/a")).json()["asked"] for _ in range(2)] == [1, 1]
        assert (await client.get("/api/a?x=1")).json()["asked"] == 2
        file.state = "second"
        assert [(await client.get("/api/a")).json()["asked"] for _ in range(2)] == [3, 3]
        assert [(await client.get("/a")).json()["asked"] for _ in range(2)] == [4, 5]
        file.state = None
        assert [(await client.get("/api/a")).json()["asked"] for _ in range(2)] == [6, 7]


async def test_failures_are_not_kept() -> None:
    """Each of them is asked for anew."""
    app = Counting()
    async with client_of(app, File()) as client:
        for expected in (1, 2):
            answer = await client.get("/api/a?bad")
            assert (answer.status_code, answer.json()["asked"]) == (503, expected)


async def test_an_answer_during_which_the_file_changed_is_not_kept() -> None:
    """It may hold something of both; the state that it began with says nothing of it."""
    file, app = File(), Counting()

    async def changing(scope: Scope, receive: Receive, send: Send) -> None:
        file.state = "second"
        await app(scope, receive, send)

    kept = KeptAnswers(changing, state=lambda: file.state, of_other_files=())
    transport = httpx.ASGITransport(kept)
    async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1") as client:
        for expected in (1, 2):
            file.state = "first"
            assert (await client.get("/api/a")).json()["asked"] == expected


async def test_what_many_ask_at_once_is_worked_out_once() -> None:
    """And different things a few at a time."""
    app = Counting()
    async with client_of(app, File()) as client:
        same = await asyncio.gather(*(client.get("/api/a") for _ in range(20)))
        assert {answer.json()["asked"] for answer in same} == {1}
        await asyncio.gather(*(client.get(f"/api/{number}") for number in range(20)))
    assert (app.asked, app.most_side_by_side) == (21, kept_answers.AT_ONCE)


async def test_what_tells_of_other_files_is_kept_for_a_moment() -> None:
    """Runs and backups change without the snapshot."""
    now = [100.0]
    async with client_of(Counting(), File(), now=lambda: now[0]) as client:
        assert [(await client.get("/api/runs")).json()["asked"] for _ in range(2)] == [1, 1]
        now[0] += kept_answers.MOMENT_S
        assert (await client.get("/api/runs")).json()["asked"] == 2


async def test_an_answer_is_compressed_for_who_takes_it() -> None:
    """And 304 tells who has it that it is the same."""
    async with client_of(Counting(), File()) as client:
        plain = await client.get("/api/a?big", headers={"Accept-Encoding": "identity"})
        packed = await client.get("/api/a?big", headers={"Accept-Encoding": "gzip"})
        assert "content-encoding" not in plain.headers
        assert packed.headers["content-encoding"] == "gzip"
        assert int(packed.headers["content-length"]) < len(plain.content) / 10
        assert packed.json() == plain.json()
        known = {"If-None-Match": plain.headers["etag"]}
        again = await client.get("/api/a?big", headers=known)
        assert (again.status_code, again.content) == (304, b"")
        other = await client.get("/api/a", headers=known)
        assert other.status_code == 200


async def test_what_is_kept_has_a_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    """What was asked for least recently leaves first."""
    monkeypatch.setattr(kept_answers, "MOST_BYTES", 40)
    app = Counting()
    async with client_of(app, File()) as client:
        for path in ("/api/a", "/api/b", "/api/b", "/api/a"):
            await client.get(path)
    assert app.asked == 3


async def test_the_dashboard_keeps_answers_and_forbids_browsers_to(tmp_path: Path) -> None:
    """Customer data is not to lie on the disk of a browser; a changed file is read anew."""
    db = make_db(tmp_path / "final.db", DB)
    async with asking(app_over(db)) as client:
        first = await client.get("/api/orgs")
        assert first.headers["cache-control"] == "no-store"
        known = {"If-None-Match": first.headers["etag"]}
        assert (await client.get("/api/orgs", headers=known)).status_code == 304
        change(db, "UPDATE organization SET \"이름\" = '다른가상'")
        renamed = await client.get("/api/orgs", headers=known)
        assert renamed.json()["items"][0]["name"] == "다른가상"
