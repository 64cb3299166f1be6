"""A real Chromium, a served snapshot, and visits that end without a complaint."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import pytest_asyncio

from salesmap_async.sandbox import Workspace
from scripts.chromium import MISSING, find_chromium

if TYPE_CHECKING:
    from playwright.async_api import Browser

from tests.support.browser_visit import BASE_YEAR, WAIT_MS, Served, Visit, Visitors, take_into

_ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def snapshot_db(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two snapshots of the sandbox, the second one larger: a history and a backup exist."""
    folder = tmp_path_factory.mktemp("dashboard")
    for records, tag in ((2600, "20260101_000000"), (3000, "20260102_000000")):
        db = await take_into(folder, Workspace.generate(records=records), tag)
    return db


@pytest.fixture(scope="session")
def served(snapshot_db: Path) -> Iterator[Served]:
    """The product's own server over `snapshot_db`; the year of its figures does not move on."""
    config = snapshot_db.parent / "dashboard.toml"
    config.write_text(f"base_year = {BASE_YEAR}\n", encoding="utf-8")
    with Served(snapshot_db, "--allow-file-origin", "--config", str(config)) as server:
        yield server


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def chromium() -> AsyncIterator[Browser]:
    """Start a real Chromium; without one, all tests that need it are skipped."""
    path = find_chromium(os.environ)
    if path is None:
        pytest.skip(MISSING)
    api = pytest.importorskip("playwright.async_api")
    api.expect.set_options(timeout=WAIT_MS)
    async with api.async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=path, args=_ARGUMENTS)
        yield browser
        await browser.close()


@pytest_asyncio.fixture(loop_scope="session")
async def visitors(chromium: Browser) -> AsyncIterator[Visitors]:
    """Visits of any server; each must end without a complaint."""
    visitors = Visitors(chromium)
    yield visitors
    await visitors.leave()
    for visit in visitors.visits:
        visit.assert_clean()


@pytest_asyncio.fixture(loop_scope="session")
async def visit(visitors: Visitors, served: Served) -> Visit:
    """A visit of the session's server; it must end without a complaint."""
    return await visitors.come(served.url)
