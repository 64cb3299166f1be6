"""The screen 변경 and the life of a record, in a real browser."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
import pytest_asyncio
from playwright.async_api import expect

from salesmap_async.paths import timeline_path
from salesmap_async.sandbox import Workspace, work_a_day
from tests.support.browser_visit import PHONE_PX, Served, Visit, Visitors, take_into

pytestmark = pytest.mark.asyncio(loop_scope="session")


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def evolved_db(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three snapshots of a workspace in which two days of work pass."""
    folder = tmp_path_factory.mktemp("changes")
    workspace = Workspace.generate(records=1500)
    for day, tag in enumerate(("20260101_000000", "20260102_000000", "20260103_000000")):
        if day:
            work_a_day(workspace, day)
        db = await take_into(folder, workspace, tag)
    return db


@pytest.fixture(scope="module")
def server(evolved_db: Path) -> Iterator[Served]:
    with Served(evolved_db) as served:
        yield served


@pytest_asyncio.fixture(loop_scope="session")
async def visit(visitors: Visitors, server: Served) -> Visit:
    return await visitors.come(server.url)


async def test_cards_lists_and_the_chart(visit: Visit) -> None:
    """Each kind has its count and its sum, and a list that says who, from and to."""
    await visit.open("#changes")
    await expect(visit.page.locator("#change-cards .figure")).to_have_count(9)
    won = visit.page.locator("#change-won")
    rows = await won.locator("tbody tr").count()
    card = visit.page.locator('#change-cards .figure[data-kind="won"] .figure-value')
    await expect(card).to_have_text(f"{rows}건")
    await expect(won.locator("tbody tr").first).to_contain_text("Won")
    await expect(visit.page.locator("#change-sums .chart-canvas")).to_have_count(2)
    await expect(visit.page.locator("#change-tables tbody")).to_contain_text("Deal")


async def test_any_two_states_and_filters_stand_in_the_address(visit: Visit) -> None:
    """A reload and the way back lead to the same view."""
    await visit.open("#changes")
    await visit.page.get_by_label("이전 시점").select_option("20260102_000000")
    await expect(visit.page.locator("#change-cards .panel-count")).not_to_contain_text("오래된")
    await visit.settled()
    before = await visit.page.locator("#change-cards .figures").inner_text()
    owner = visit.page.get_by_label("담당자", exact=True)
    name = await owner.locator("option").nth(1).inner_text()
    await owner.select_option(name)
    await visit.page.wait_for_url("**owner=**")
    await visit.settled()
    assert "old=20260102_000000" in visit.page.url
    filtered = await visit.page.locator("#change-cards .figures").inner_text()
    await visit.page.reload()
    await visit.settled()
    assert filtered != before
    assert await visit.page.locator("#change-cards .figures").inner_text() == filtered
    await visit.page.go_back()
    await visit.settled()
    assert await visit.page.locator("#change-cards .figures").inner_text() == before
    await visit.page.get_by_role("button", name="7일").click()
    assert "old=" not in visit.page.url


async def test_a_deal_s_life_and_its_place(visit: Visit) -> None:
    """The dialog tells each change; the name leads to the deal among its organization's."""
    await visit.open("#changes")
    won = visit.page.locator("#change-won")
    await won.locator("tbody").get_by_role("button").first.click()
    dialog = visit.page.get_by_role("dialog")
    await expect(dialog.locator("tbody tr").first).to_be_visible()
    await expect(dialog).to_contain_text("상태")
    await expect(dialog).to_contain_text("기록 시작 때부터 있음")
    await visit.page.keyboard.press("Escape")
    await won.locator("tbody a").first.click()
    await expect(visit.page.locator("#deals-panel tr[aria-selected=true]")).to_be_visible()
    await visit.page.locator("#deals-panel tr[aria-selected=true]").get_by_role("button").click()
    await expect(visit.page.get_by_role("dialog")).to_contain_text("Won")


async def test_it_fits_a_phone(visit: Visit) -> None:
    """Nothing runs out of the page."""
    width_px, height_px = PHONE_PX
    await visit.page.set_viewport_size({"width": width_px, "height": height_px})
    await visit.open("#changes")
    await expect(visit.page.locator("#change-won")).to_be_visible()
    assert await visit.page.evaluate("document.documentElement.scrollWidth") <= width_px


async def test_the_first_snapshot_has_no_yesterday(
    visitors: Visitors, evolved_db: Path, tmp_path: Path
) -> None:
    """Said in words, with and without a timeline."""
    db = tmp_path / "crm.db"
    shutil.copy(evolved_db, db)
    with Served(db) as server:
        visit = await visitors.come(server.url)
        await visit.open("#changes")
        cards = visit.page.locator("#change-cards")
        await expect(cards).to_contain_text("변경 기록이 아직 없습니다")
        assert not timeline_path(db).exists()
