"""Tokens: how an address becomes a cookie, and what becomes of those that are wrong."""

from __future__ import annotations

import asyncio
import logging
import re
from pathlib import Path

import httpx
import pytest

from salesmap_async.dashboard.web import proof
from salesmap_async.dashboard.web.access import Access
from salesmap_async.settings import Secret
from tests.dashboard.test_security import db  # noqa: F401  (a fixture)
from tests.support.dashboard_db import app_over, asking

GOOD = "a-token-of-these-tests"
ACCESS = Access(token=Secret(GOOD))


@pytest.fixture
def pauses(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """How long was waited before each answer to a wrong proof; nothing is waited for real."""
    seen: list[float] = []

    async def note(delay: float) -> None:
        seen.append(delay)

    monkeypatch.setattr("salesmap_async.dashboard.web.proof.asyncio.sleep", note)
    return seen


async def test_the_address_of_the_page_becomes_a_cookie(db: Path) -> None:  # noqa: F811
    """It leads to the page without the token; no script and no other site can use the cookie."""
    async with asking(app_over(db, access=ACCESS)) as client:
        led = await client.get(f"/?token={GOOD}")
        said = led.headers["set-cookie"]
        assert (led.status_code, led.headers["location"]) == (303, "/")
        assert GOOD not in said
        assert {"httponly", "samesite=strict", "path=/"} <= set(said.lower().split("; "))
        assert (await client.get("/api/sizes")).status_code == 200
        assert (await client.get("/")).status_code == 200


async def test_a_cookie_of_another_token_or_port_is_none(db: Path) -> None:  # noqa: F811
    """Browsers share cookies between ports: the name tells them apart."""
    async with asking(app_over(db, access=ACCESS)) as client:
        await client.get(f"/?token={GOOD}")
        ((name, value),) = client.cookies.items()
    for cookie in (f"{name}={value[::-1]}", f"salesmap_dashboard_1={value}", f"{name}={GOOD}", "x"):
        async with asking(app_over(db, access=ACCESS)) as client:
            answer = await client.get("/api/sizes", headers={"Cookie": cookie})
            assert answer.status_code == 401, cookie


async def test_only_the_page_takes_a_token_from_its_address(
    db: Path,  # noqa: F811
    pauses: list[float],
) -> None:
    """Elsewhere it would stand in what programs log."""
    async with asking(app_over(db, access=ACCESS)) as client:
        assert (await client.get(f"/api/sizes?token={GOOD}")).status_code == 401
        assert (await client.get("/?token=wrong")).status_code == 401
    assert len(pauses) == 1


async def test_wrong_proofs_are_answered_later_and_later(
    db: Path,  # noqa: F811
    pauses: list[float],
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Each address for itself; a right one ends it; what was given is in no log."""
    app = app_over(db, access=ACCESS)
    with caplog.at_level(logging.WARNING):
        async with asking(app, client=("127.0.0.1", 1)) as client:
            for _ in range(8):
                answer = await client.get("/", headers={"Authorization": "Bearer not-this-one"})
                assert answer.status_code == 401
            assert pauses == sorted(pauses)
            assert pauses[0] < pauses[-1] == proof.LONGEST_DELAY_S
            right = {"Authorization": f"Bearer {GOOD}"}
            assert (await client.get("/api/sizes", headers=right)).status_code == 200
            await client.get("/", headers={"Authorization": "Bearer not-this-one"})
            assert pauses[-1] == proof.FIRST_DELAY_S
        async with asking(app, client=("127.0.0.2", 1)) as other:
            await other.get("/", headers={"Authorization": "Bearer not-this-one"})
            assert pauses[-1] == proof.FIRST_DELAY_S
    assert "127.0.0.1, 8 in a row" in caplog.text
    assert not re.search("not-this-one|" + GOOD, caplog.text)


async def test_who_says_nothing_is_asked_at_once(db: Path, pauses: list[float]) -> None:  # noqa: F811
    """A browser asks first without a proof: that is no wrong one."""
    async with asking(app_over(db, access=ACCESS)) as client:
        assert (await client.get("/")).status_code == 401
    assert pauses == []


async def test_guesses_side_by_side_are_not_looked_at(
    db: Path,  # noqa: F811
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Beyond a few that wait, an address is told to come again; other addresses are not."""
    released, waiting = asyncio.Event(), asyncio.Semaphore(0)

    async def hold(_delay: float) -> None:
        waiting.release()
        await released.wait()

    monkeypatch.setattr("salesmap_async.dashboard.web.proof.asyncio.sleep", hold)
    app = app_over(db, access=ACCESS)

    async def guess(address: str, given: str) -> httpx.Response:
        async with asking(app, client=(address, 1)) as client:
            return await client.get("/api/sizes", headers={"Authorization": f"Bearer {given}"})

    async with asyncio.TaskGroup() as group:
        held = [group.create_task(guess("127.0.0.1", "wrong")) for _ in range(proof.MOST_WAITING)]
        for _ in held:
            await waiting.acquire()
        more = await guess("127.0.0.1", GOOD)
        assert (more.status_code, more.headers["retry-after"]) == (429, "5")
        assert (await guess("127.0.0.2", GOOD)).status_code == 200
        released.set()
    assert {task.result().status_code for task in held} == {401}
    assert (await guess("127.0.0.1", GOOD)).status_code == 200
