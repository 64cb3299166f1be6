"""A new snapshot behind an open page, and a page that was opened before there was any."""

from __future__ import annotations

import os
import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from playwright.async_api import expect

from tests.support.browser_visit import Served, Visit, Visitors, copied

pytestmark = pytest.mark.asyncio(loop_scope="session")


def publish_changed(db: Path, run_tag: str, organization: str, name: str) -> None:
    """Replace the DB by a copy of another run, in which one organization has a new name."""
    fresh = db.with_suffix(".fresh")
    shutil.copyfile(db, fresh)
    with closing(sqlite3.connect(fresh)) as connection, connection:
        connection.execute("UPDATE run_info SET run_tag = ?", (run_tag,))
        connection.execute('UPDATE organization SET "이름" = ? WHERE id = ?', (name, organization))
    os.replace(fresh, db)


async def test_a_new_snapshot_appears_without_a_reload(
    visitors: Visitors, snapshot_db: Path, tmp_path: Path
) -> None:
    """Also one under the tag that was there before; what was selected stays selected."""
    with copied(snapshot_db, tmp_path) as db, Served(db) as server:
        visit = await visitors.come(server.url)
        organization = (await visit.json("/orgs?limit=1"))["items"][0]["id"]
        await visit.open(f"#org-view?org={organization}")
        await visit.rows("won-panel").first.click()
        await visit.rows("deals-panel").first.wait_for()
        await visit.settled()
        address = visit.page.url
        chosen = visit.page.locator("tr[aria-selected=true]")
        before = await chosen.all_inner_texts()
        news = visit.page.locator("[data-matter=new]")

        for run_tag, name in (
            ("20260103_000000", "새 이름의 조직"),
            ("20260103_000000", "더 새 이름의 조직"),
        ):
            publish_changed(db, run_tag, organization, name)
            await visit.focus_window()
            await expect(news).to_contain_text(f"새 스냅샷 {run_tag}")
            await expect(visit.page.locator(".details h2").first).to_have_text(name)
            await visit.settled()
            assert visit.page.url == address
            assert await chosen.all_inner_texts() == before
            await news.get_by_role("button", name="닫기").click()
            await expect(news).to_have_count(0)


async def test_the_same_snapshot_is_no_news(visitors: Visitors, served: Served) -> None:
    """Coming back to the page asks once and changes nothing."""
    visit = await visitors.come(served.url)
    await visit.open("#pipeline")
    await visit.settled()
    async with visit.page.expect_response("**/api/meta"):
        await visit.focus_window()
    await visit.settled()
    await expect(visit.page.locator(".banner")).to_have_count(0)
    assert sum("/api/pipeline" in url for url in visit.asked) == 1


async def test_without_a_database_the_page_says_what_to_type(
    visitors: Visitors, snapshot_db: Path, tmp_path: Path
) -> None:
    """And goes on by itself when the first snapshot is there."""
    db = tmp_path / "salesmap_latest.db"
    with Served(db) as server:
        visit = await visitors.come(server.url)
        await visit.open()
        banner = visit.page.locator("[data-matter=api]")
        await expect(banner).to_contain_text("salesmap_latest.db")
        await expect(banner.locator(".failure-text")).to_contain_text("스냅샷 DB가 아직 없습니다")
        await expect(banner.locator(".command")).to_contain_text("python -m salesmap_async run")
        await visit.panel("found-panel").locator(".failure-original").wait_for()
        typed = visit.page.get_by_text("python -m salesmap_async run").filter(visible=True)
        await expect(typed).to_have_count(1)
        shutil.copyfile(snapshot_db, db)
        await visit.focus_window()
        await visit.rows("found-panel").first.wait_for()
        await expect(visit.page.locator(".banner-problem")).to_have_count(0)
        await visit.settled()
        visit.expect_complaint("503")


async def test_after_an_outage_the_screen_is_loaded_again(
    visitors: Visitors, snapshot_db: Path, tmp_path: Path
) -> None:
    """The very same file is back: no news, but the screen that had failed shows its figures."""
    with copied(snapshot_db, tmp_path) as db, Served(db) as server:
        visit = await visitors.come(server.url)
        await visit.open("#org-view")
        away = db.rename(db.with_suffix(".away"))
        await visit.page.evaluate("location.hash = '#pipeline'")
        await visit.panel("won-chart").locator(".failure").wait_for()
        await visit.focus_window()
        await visit.page.locator("[data-matter=api]").wait_for()
        away.rename(db)
        await visit.focus_window()
        await visit.panel("won-chart").locator(".figure").first.wait_for()
        await visit.settled()
        await expect(visit.page.locator(".failure")).to_have_count(0)
        await expect(visit.page.locator("[data-matter=api], [data-matter=new]")).to_have_count(0)
        visit.expect_complaint("503")


async def test_an_outage_between_two_looks_is_made_good_too(visit: Visit) -> None:
    """Only the screen noticed it; the next look finds the API and loads the screen again."""
    await visit.open("#org-view")
    await visit.settled()
    await visit.page.context.set_offline(True)
    await visit.page.evaluate("location.hash = '#pipeline'")
    await expect(visit.panel("won-chart")).to_contain_text("API에 연결할 수 없습니다")
    await visit.page.context.set_offline(False)
    await visit.focus_window()
    await visit.panel("won-chart").locator(".figure").first.wait_for()
    await visit.settled()
    visit.expect_complaint("ERR_INTERNET_DISCONNECTED")


async def test_a_field_that_is_not_there_stops_its_figure_alone(
    visitors: Visitors, snapshot_db: Path, tmp_path: Path
) -> None:
    """The figure says which field and which key; its neighbours stand; one banner lists it."""
    with copied(snapshot_db, tmp_path) as db:
        with closing(sqlite3.connect(db)) as connection, connection:
            connection.execute('ALTER TABLE deal RENAME COLUMN "계약 체결일" TO "계약체결일"')
        with Served(db) as server:
            visit = await visitors.come(server.url)
            await visit.open("#pipeline")
            lacking = visit.panel("won-chart").locator(".lacking")
            await expect(lacking).to_contain_text("deal.계약 체결일")
            await expect(lacking).to_contain_text("columns.deal.contract_date")
            await visit.rows("open-deals").first.wait_for()
            await visit.rows("win-rates").first.wait_for()
            banner = visit.page.locator("[data-matter=settings]")
            await expect(banner).to_have_count(1)
            await banner.get_by_text("dashboard.toml에 붙여 넣을 내용").click()
            await expect(banner.locator(".paste")).to_contain_text('contract_date = "계약체결일"')
            await visit.open("#edu1-dealcheck")
            await expect(visit.panel("retention").locator(".lacking")).to_be_visible()
            await visit.rows("retention").first.wait_for()
