"""A workspace with the vendor's fields alone, and one that calls every field otherwise."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
import pytest_asyncio
from playwright.async_api import expect

from salesmap_async.dashboard.data.columns import DEFAULT_COLUMNS
from salesmap_async.sandbox import Workspace, work_a_day
from tests.support.browser_visit import SCREENS, Served, Visit, Visitors, copied, take_into

pytestmark = pytest.mark.asyncio(loop_scope="session")

EVERY_SCREEN = (*SCREENS, "deals?view=owners", "search?term=과정")


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def plain_db(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two days of a workspace that has only the fields that every workspace has."""
    folder, workspace = (
        tmp_path_factory.mktemp("plain"),
        Workspace.generate(records=800, plain=True),
    )
    await take_into(folder, workspace, "20260101_000000")
    work_a_day(workspace, 1)
    return await take_into(folder, workspace, "20260102_000000")


@pytest.fixture(scope="module")
def plain(plain_db: Path) -> Iterator[Served]:
    with Served(plain_db) as server:
        yield server


async def shown_cleanly(visit: Visit, screen: str) -> None:
    """Open a screen; fail where a panel failed, or the browser complained."""
    await visit.open(f"#{screen}")
    await visit.settled()
    await expect(visit.page.locator(".failure")).to_have_count(0)
    visit.assert_clean()


@pytest.mark.parametrize("screen", EVERY_SCREEN)
async def test_every_screen_is_worth_opening(
    visitors: Visitors, plain: Served, screen: str
) -> None:
    """Without an error, and with records in it."""
    visit = await visitors.come(plain.url)
    await shown_cleanly(visit, screen)
    records = visit.page.locator("main tbody tr, main .found-group li")
    await expect(records.first).to_be_visible()


async def test_an_organization_shows_what_it_has(visitors: Visitors, plain: Served) -> None:
    """Its people with their deals; what cannot be told says which field it lacks."""
    visit = await visitors.come(plain.url)
    deals = (await visit.json("/deals?limit=500"))["items"]
    deal = next(each for each in deals if each["organization_of_person"])
    org, person = deal["organization_of_person"], deal["person_id"]
    await shown_cleanly(visit, f"org-view?org={org}&person={person}&deal={deal['id']}")
    await expect(visit.page.locator("#people-panel tr[aria-selected=true]")).to_be_visible()
    await expect(visit.page.locator("#deals-panel tr[aria-selected=true]")).to_be_visible()
    await expect(visit.panel("won-panel").locator(".lacking")).to_contain_text("계약 체결일")
    await visit.page.get_by_role("button", name="StatePath 보기").click()
    await expect(visit.dialog.locator(".lacking")).to_contain_text("columns.deal.contract_date")


async def test_no_screen_fails_where_every_field_has_another_name(
    visitors: Visitors, plain_db: Path, tmp_path: Path
) -> None:
    """All mapped fields at once; one banner lists them."""
    with copied(plain_db, tmp_path) as db:
        with closing(sqlite3.connect(db)) as connection, connection:
            for table, meanings in DEFAULT_COLUMNS.items():
                names = {row[1] for row in connection.execute(f"PRAGMA table_info({table})")}
                for number, name in enumerate(names & set(meanings.values())):
                    connection.execute(
                        f'ALTER TABLE {table} RENAME COLUMN "{name}" TO "항목{number}"'
                    )
        with Served(db) as server:
            visit = await visitors.come(server.url)
            for screen in EVERY_SCREEN:
                await shown_cleanly(visit, screen)
            await expect(visit.page.locator("[data-matter=settings]")).to_have_count(1)
