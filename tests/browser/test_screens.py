"""Menu, pipeline, snapshot operations, narrow screens, themes and paper, in a real browser."""

from __future__ import annotations

import re
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from playwright.async_api import expect

from tests.support.browser_visit import (
    PAGE_FILE,
    PHONE_PX,
    SCREENS,
    STATIC,
    Served,
    Visit,
    Visitors,
    copied,
    eok,
)

pytestmark = pytest.mark.asyncio(loop_scope="session")

KNOWN_HOSTS = {"localhost:8000", "localhost:*", "127.0.0.1:*", "www.w3.org"}
SCROLLS_NOTED = """
window.__scrolls = [];
const scroll = Element.prototype.scrollIntoView;
Element.prototype.scrollIntoView = function (how) {
  window.__scrolls.push([this.id, how.behavior]);
  scroll.call(this, how);
};
"""
MENU = ["조직/People/Deal 뷰어", "파이프라인 현황", "스냅샷 운영", "교육 1팀 딜체크", "변경", "딜"]


async def test_the_menu_has_its_four_entries_in_order(visit: Visit) -> None:
    """Each leads to its screen, and is marked there."""
    await visit.open("")
    links = visit.page.locator("#menu a")
    assert await visit.page.locator("#menu a span:last-child").all_inner_texts() == MENU
    for place, label in enumerate(MENU):
        await links.nth(place).click()
        await expect(visit.page.locator("h1")).to_have_text(label)
        await expect(visit.page.locator("#menu [aria-current=page]")).to_contain_text(label)
        assert visit.page.url.endswith(f"#{SCREENS[place]}")
        await visit.settled()


async def test_help_shows_the_runbook_and_the_dashboard_s_own_page(visit: Visit) -> None:
    """Rendered by the server, under the same policy, without a script; and back again."""
    await visit.open("")
    await visit.page.get_by_role("link", name="도움말").click()
    await expect(visit.page.locator("h1")).to_have_text("운영 런북")
    assert await visit.page.locator("table").count() >= 3
    await visit.page.get_by_role("link", name="대시보드", exact=True).click()
    await expect(visit.page.locator("h1")).to_have_text("Dashboard")
    await expect(visit.page.locator("nav [aria-current=page]")).to_have_text("대시보드")
    width_px, height_px = PHONE_PX
    await visit.page.set_viewport_size({"width": width_px, "height": height_px})
    assert await visit.page.evaluate("document.documentElement.scrollWidth") <= width_px
    await visit.page.get_by_role("link", name="← 대시보드로").click()
    await expect(visit.page.locator("#menu-button")).to_be_visible()


async def test_menu_sections_stay_as_they_were_left(visit: Visit) -> None:
    """Open at first; a closed one is closed on the next visit."""
    await visit.open()
    section = visit.page.get_by_role("button", name="운영", exact=True)
    await expect(section).to_have_attribute("aria-expanded", "true")
    await section.click()
    await expect(visit.page.get_by_role("link", name="스냅샷 운영")).to_be_hidden()
    await visit.open()
    await expect(section).to_have_attribute("aria-expanded", "false")
    await expect(visit.page.get_by_role("link", name="스냅샷 운영")).to_be_hidden()


async def test_the_theme_follows_the_system_until_it_is_chosen(
    visitors: Visitors, served: Served
) -> None:
    """A dark system gives a dark page; the button overrules it, also on the next visit."""
    visit = await visitors.come(served.url, color_scheme="dark")
    await visit.open()
    ground = "getComputedStyle(document.body).backgroundColor"
    dark = await visit.page.evaluate(ground)
    await visit.page.locator("#theme-button").click()
    light = await visit.page.evaluate(ground)
    assert sum(map(int, dark[4:-1].split(","))) < 150 < 600 < sum(map(int, light[4:-1].split(",")))
    await visit.open()
    assert await visit.page.evaluate(ground) == light


async def test_the_pipeline_shows_the_figures_of_the_api(visit: Visit) -> None:
    """Years, months, stages and sizes; every bar tells its value, every chart has its table."""
    figures = await visit.json("/pipeline?years=3")
    await visit.open("#pipeline")
    years = visit.page.locator("#won-chart .figure")
    for place, year in enumerate(figures["won_by_year"]):
        await expect(years.nth(place)).to_contain_text(f"{year['year']}년")
        await expect(years.nth(place)).to_contain_text(eok(year["amount"]))
    bars = visit.page.locator("#won-chart .chart .mark")
    await expect(bars).to_have_count(36)
    for month in figures["won_by_month"]:
        when = f"{month['year']}년 {month['month']}월"
        tip = f"{when} {eok(month['amount'])}, {month['count']}건"
        await expect(visit.page.locator(f'#won-chart [data-tip="{tip}"]')).to_have_count(1)
    await expect(visit.rows("open-deals")).to_have_count(len(figures["open_by_stage"]))
    await expect(visit.rows("win-rates")).to_have_count(len(figures["win_rate_by_size"]))
    await visit.page.get_by_text("표로 보기").click()
    await expect(
        visit.page.get_by_role("table", name="월별 Won").locator("tbody tr")
    ).to_have_count(12)


async def test_the_tip_of_a_bar_follows_the_pointer(visit: Visit) -> None:
    """It says month and amount, and goes again."""
    await visit.open("#pipeline")
    mark = visit.page.locator("#won-chart .chart .mark").first
    await mark.hover()
    await expect(visit.page.locator(".tip")).to_have_text(
        await mark.get_attribute("data-tip") or ""
    )
    await visit.page.locator("h1").hover()
    await expect(visit.page.locator(".tip")).to_be_hidden()


async def test_snapshot_operations_show_runs_growth_checklist_and_backups(visit: Visit) -> None:
    """What the API knows of the two runs of this snapshot; nothing can be started."""
    await visit.open("#snapshot-ops")
    await visit.settled()
    runs = (await visit.json("/runs?limit=30"))["items"]
    await expect(visit.rows("runs")).to_have_count(len(runs))
    await expect(visit.rows("runs").first).to_contain_text("20260102_000000")
    await expect(visit.rows("runs").first).to_contain_text("완료")
    tables = await visit.json("/tables")
    await expect(visit.rows("tables")).to_have_count(len(tables["items"]))
    charts = visit.page.locator("#growth .small-chart")
    await expect(charts).to_have_count(len(tables["items"]))
    await expect(charts.first.locator(".trend-point")).to_have_count(len(tables["history"]))
    checklist = (await visit.json("/checklist"))["items"]
    await expect(visit.page.locator("#checklist .check-item")).to_have_count(len(checklist))
    backups = (await visit.json("/backups"))["items"]
    assert backups
    await expect(visit.rows("backups")).to_have_count(len(backups))
    harmless = ".sorter, .downloads *"
    await expect(visit.page.locator(f"main button:visible:not({harmless})")).to_have_count(0)


async def test_an_old_snapshot_is_announced(
    visitors: Visitors, snapshot_db: Path, tmp_path: Path
) -> None:
    """Older than a day: a banner says since when; a fresh one has none."""
    with copied(snapshot_db, tmp_path) as db:
        with closing(sqlite3.connect(db)) as connection, connection:
            connection.execute("UPDATE run_info SET captured_at_utc = '2025-03-01T00:00:00+00:00'")
        with Served(db) as server:
            visit = await visitors.come(server.url)
            await visit.open("#snapshot-ops")
            await expect(visit.page.locator("[data-matter=stale]")).to_contain_text(
                "2025-03-01 09:00"
            )
            await visit.settled()


async def test_a_fresh_snapshot_has_no_banner(visit: Visit) -> None:
    """Nothing is said where nothing is wrong."""
    await visit.open("#snapshot-ops")
    await visit.settled()
    await expect(visit.page.locator(".banner:visible")).to_have_count(0)


@pytest.mark.parametrize("screen", SCREENS)
async def test_a_phone_needs_no_sideways_scrolling(
    visitors: Visitors, served: Served, screen: str
) -> None:
    """380 px are enough for every screen, its drill-down and its dialog."""
    visit = await visitors.come(served.url, size_px=PHONE_PX)
    await visit.open(f"#{screen}")
    await visit.settled()
    assert await visit.overflow_px() == 0
    if screen == "org-view":
        await visit.rows("found-panel").first.click()
        await visit.rows("won-panel").first.click()
        await visit.rows("deals-panel").first.wait_for()
        await visit.settled()
        assert await visit.overflow_px() == 0
        await visit.page.get_by_role("button", name="StatePath 보기").click()
        await visit.dialog.locator(".headline").wait_for()
        inside = "e => e.querySelector('.modal-body').scrollWidth - e.clientWidth"
        assert await visit.dialog.evaluate(inside) <= 0
        await visit.page.keyboard.press("Escape")


async def test_a_phone_is_led_from_a_won_row_to_its_people(
    visitors: Visitors, served: Served
) -> None:
    """The people come into view and their heading has the focus; without motion where asked."""
    visit = await visitors.come(served.url, size_px=PHONE_PX, reduced_motion="reduce")
    await visit.page.add_init_script(SCROLLS_NOTED)
    await visit.open("#org-view")
    await visit.rows("found-panel").first.click()
    await visit.rows("won-panel").first.wait_for()
    await visit.settled()
    people = visit.panel("people-panel")
    await expect(people.locator("h2")).not_to_be_in_viewport()
    await visit.rows("won-panel").first.click()
    await expect(people.locator("h2")).to_be_focused()
    await expect(people.locator("h2")).to_be_in_viewport()
    await visit.settled()
    await visit.page.keyboard.press("Tab")
    await expect(people.get_by_role("button", name="필터 해제")).to_be_focused()
    await visit.page.emulate_media(reduced_motion="no-preference")
    await visit.rows("won-panel").first.click()
    await expect(people.locator("h2")).to_be_focused()
    led = [["people-panel", "auto"], ["people-panel", "smooth"]]
    assert await visit.page.evaluate("window.__scrolls") == led
    await visit.settled()


async def test_a_wide_screen_stays_where_a_won_row_was_clicked(visit: Visit) -> None:
    """Its people stand below it: the row keeps the focus."""
    await visit.page.add_init_script(SCROLLS_NOTED)
    await visit.open("#org-view")
    await visit.rows("found-panel").first.click()
    await visit.rows("won-panel").first.click()
    await visit.rows("deals-panel").first.wait_for()
    await visit.settled()
    await expect(visit.rows("won-panel").first).to_be_focused()
    assert await visit.page.evaluate("window.__scrolls") == []


async def test_the_menu_is_a_drawer_on_a_phone(visitors: Visitors, served: Served) -> None:
    """It opens by its button, closes by ESC and by a choice."""
    visit = await visitors.come(served.url, size_px=PHONE_PX)
    await visit.open()
    await visit.settled()
    menu = visit.page.locator("#sidebar")
    await expect(menu).to_be_hidden()
    await visit.page.locator("#menu-button").click()
    await expect(visit.page.locator("#menu a").first).to_be_focused()
    await visit.page.keyboard.press("Escape")
    await expect(menu).to_be_hidden()
    await expect(visit.page.locator("#menu-button")).to_be_focused()
    await visit.page.locator("#menu-button").click()
    await visit.page.get_by_role("link", name="파이프라인 현황").click()
    await expect(menu).to_be_hidden()
    await expect(visit.page.locator("h1")).to_have_text("파이프라인 현황")
    await visit.settled()


async def test_paper_gets_the_figures_and_no_controls(visit: Visit) -> None:
    """Printed are the panels, in full height, on white; of an open dialog the dialog alone."""
    await visit.open("#org-view")
    await visit.rows("found-panel").first.click()
    await visit.rows("people-panel").first.wait_for()
    await visit.page.emulate_media(media="print", color_scheme="dark")
    for control in ("#sidebar", ".search", ".screen-actions"):
        await expect(visit.page.locator(control)).to_be_hidden()
    await expect(visit.panel("people-panel")).to_be_visible()
    cut = "e => e.scrollHeight - e.clientHeight"
    assert await visit.panel("people-panel").locator(".table-frame").evaluate(cut) <= 0
    assert (
        await visit.page.evaluate("getComputedStyle(document.body).backgroundColor")
        == "rgb(255, 255, 255)"
    )
    await visit.page.emulate_media(media="screen")
    await visit.page.get_by_role("button", name="StatePath 보기").click()
    await visit.dialog.locator(".headline").wait_for()
    await visit.page.emulate_media(media="print")
    await expect(visit.panel("people-panel")).to_be_hidden()
    await expect(visit.dialog.locator(".headline")).to_be_visible()


async def test_the_skip_link_leads_to_the_content(visit: Visit) -> None:
    """The first stop of the Tab key; it keeps the address."""
    await visit.open("#pipeline")
    await visit.settled()
    await visit.page.keyboard.press("Tab")
    await expect(visit.page.locator(".skip-link")).to_be_focused()
    await visit.page.keyboard.press("Enter")
    await expect(visit.page.locator("main")).to_be_focused()
    assert visit.page.url.endswith("#pipeline")


async def test_an_unknown_address_shows_the_first_screen(visit: Visit) -> None:
    """An old bookmark is no dead end."""
    await visit.open("#no-such-screen")
    await expect(visit.page.locator("h1")).to_have_text(MENU[0])
    await visit.settled()


async def test_every_file_of_the_page_is_plain_and_of_this_package() -> None:
    """Classic scripts beside the page, nothing inline, no module, no innerHTML, no other host."""
    html = PAGE_FILE.read_text(encoding="utf-8")
    assert not re.search(r"<script>|<style|type=.?module| style=| on[a-z]+=", html)
    named = re.findall(r'<script defer src="([^"]+)">', html)
    assert sorted(named) == sorted(
        path.relative_to(STATIC).as_posix() for path in STATIC.rglob("*.js")
    )
    for path in filter(Path.is_file, STATIC.rglob("*")):
        text = path.read_text(encoding="utf-8")
        assert not re.search(r"\.(inner|outer)HTML|insertAdjacentHTML|document\.write", text), path
        assert set(re.findall(r"https?://([^/\s;\"]+)", text)) <= KNOWN_HOSTS, path
