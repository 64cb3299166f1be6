"""The screen 딜, the search box, downloads, years and print, in a real browser."""

from __future__ import annotations

import csv
import io
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from playwright.async_api import expect

from tests.support.browser_visit import BASE_YEAR, Visit, eok

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def listed(visit: Visit, query: str) -> dict[str, Any]:
    found: dict[str, Any] = await visit.json(f"/deals?{query}")
    return found


async def test_filters_stand_in_the_address_and_survive_a_reload(visit: Visit) -> None:
    """A sent link shows the same; what is found is counted and summed above."""
    await visit.open("#deals")
    await visit.page.select_option("#deals-state", "won")
    owner = (await visit.json("/deal-choices"))["owners"][0]
    await visit.page.select_option("#deals-owner", owner)
    wanted = await listed(visit, f"state=won&owner={quote(owner)}")
    count = visit.panel("deal-list").locator(".panel-count")
    await expect(count).to_have_text(f"{wanted['sums']['count']}건")
    assert "state=won" in visit.page.url
    await visit.page.reload()
    await expect(count).to_have_text(f"{wanted['sums']['count']}건")
    await expect(visit.page.locator("#deals-owner")).to_have_value(owner)
    sums = visit.panel("deal-sums").locator(".figure").first
    await expect(sums).to_contain_text(eok(wanted["sums"]["worth"]))
    await visit.page.go_back()
    await expect(visit.page.locator("#deals-owner")).to_have_value("")


async def test_a_click_on_a_heading_sorts_all_pages(visit: Visit) -> None:
    """By the API: the first row is the first of all, not of what was shown."""
    await visit.open("#deals?state=won")
    await visit.settled()
    head = visit.panel("deal-list").get_by_role("button", name="금액(억)")
    for order, direction in (("desc", "descending"), ("asc", "ascending")):
        await head.click()
        (first,) = (await listed(visit, f"state=won&sort=worth&order={order}&limit=1"))["items"]
        await expect(visit.rows("deal-list").first).to_contain_text(first["name"].strip()[:12])
        sorted_head = visit.panel("deal-list").locator(f"th[aria-sort={direction}]")
        await expect(sorted_head).to_have_text("금액(억)")


async def test_pages_and_all(visit: Visit) -> None:
    """Fifty at a time, or all of them."""
    total = (await listed(visit, "limit=1"))["sums"]["count"]
    assert total > 100
    await visit.open("#deals")
    await expect(visit.rows("deal-list")).to_have_count(50)
    await visit.panel("deal-list").get_by_role("button", name="다음").click()
    assert "page=2" in visit.page.url
    await visit.settled()
    await visit.panel("deal-list").get_by_role("button", name="모두 보기").click()
    await expect(visit.rows("deal-list")).to_have_count(total)


async def test_what_is_downloaded_is_what_is_filtered(visit: Visit) -> None:
    """All rows of it, not the page."""
    await visit.open("#deals?state=won")
    await visit.settled()
    async with visit.page.expect_download() as waiting:
        await visit.panel("deal-list").get_by_role("button", name="CSV").click()
    download = await waiting.value
    content = Path(await download.path()).read_text(encoding="utf-8-sig")
    rows = list(csv.reader(io.StringIO(content)))
    assert len(rows) - 1 == (await listed(visit, "state=won&limit=1"))["sums"]["count"]
    assert download.suggested_filename.startswith("딜_")
    async with visit.page.expect_download() as waiting:
        await visit.panel("deal-list").get_by_role("button", name="Excel").click()
    assert Path(await (await waiting.value).path()).read_bytes()[:2] == b"PK"


async def test_each_number_of_a_colleague_leads_to_its_deals(visit: Visit) -> None:
    """The list behind a number has as many."""
    await visit.open("#deals?view=owners")
    await visit.settled()
    row = visit.rows("deal-owners").first
    shown = await row.locator("td").nth(1).inner_text()
    await row.locator("td").nth(1).get_by_role("link").click()
    await expect(visit.panel("deal-list").locator(".panel-count")).to_have_text(f"{shown}건")


async def test_charts_lead_to_the_list_that_they_count(visit: Visit) -> None:
    """A month's bar, a stage's count."""
    await visit.open("#pipeline")
    await visit.settled()
    months = (await visit.json(f"/pipeline?years=3&base_year={BASE_YEAR}"))["won_by_month"]
    place, month = next((n, each) for n, each in enumerate(months) if each["count"])
    bars = visit.panel("won-chart").locator(".mark.leading")
    year, number = place // 12, place % 12
    await bars.nth(number * 3 + year).click()
    count = visit.panel("deal-list").locator(".panel-count")
    await expect(count).to_have_text(f"{month['count']}건")
    await visit.open("#pipeline")
    await visit.settled()
    link = visit.rows("open-deals").first.get_by_role("link")
    shown = await link.inner_text()
    await link.click()
    await expect(count).to_have_text(f"{shown}건")


async def test_deals_without_a_person_are_found_from_their_sum(visit: Visit) -> None:
    """The Deal count of a Won row leads to all deals of that organization."""
    found = next(
        item
        for item in (await listed(visit, "state=won&without=person&limit=500"))["items"]
        if item["organization_id"]
    )
    await visit.open(f"#org-view?org={found['organization_id']}")
    await visit.rows("won-panel").first.get_by_role("link").click()
    await expect(visit.panel("deal-list")).to_contain_text(found["name"].strip()[:10])


async def test_one_box_searches_everything(visit: Visit) -> None:
    """From any screen; the result leads to the record, whose row is in view."""
    await visit.open("#pipeline")
    box = visit.page.get_by_role("searchbox", name="조직, 사람, 딜, 메모 검색")
    items = (await visit.json(f"/search?term={quote('리더십')}&limit=50"))["items"]
    await box.fill("리더십")
    await box.press("Enter")
    panel = visit.panel("search-found")
    await expect(panel.locator(".panel-count")).to_have_text(f"{len(items)}건")
    known = next(item for item in items if item["organization_id"] and item["person_id"])
    await panel.get_by_role("link", name=known["name"], exact=True).first.click()
    await expect(visit.page.locator("#deals-panel tr[aria-selected=true]")).to_be_in_viewport()
    await box.fill("있을 수 없는 말")
    await box.press("Enter")
    await expect(panel).to_contain_text("들어 있는 기록이 없습니다")


async def test_a_year_is_chosen_on_every_screen_that_has_years(visit: Visit) -> None:
    """It stands in the address; the figures are those of that year."""
    year = BASE_YEAR - 1
    for screen, panel in (("org-view", "found-panel"), ("pipeline", "won-chart")):
        await visit.open(f"#{screen}")
        await visit.settled()
        await visit.page.get_by_label("기준 연도").select_option(str(year))
        await expect(visit.panel(panel)).to_contain_text(f"{year}")
        assert f"year={year}" in visit.page.url
        await visit.settled()
    totals = (await visit.json(f"/pipeline?years=3&base_year={year}"))["won_by_year"]
    await expect(visit.panel("won-chart")).to_contain_text(eok(totals[-1]["amount"]))
    await visit.open(f"#edu1-dealcheck?year={year}")
    await expect(visit.page.get_by_label("기준 연도")).to_have_value(str(year))


async def test_a_strip_says_whose_data_and_how_old(visit: Visit) -> None:
    """On every screen."""
    meta = await visit.json("/meta")
    for screen in ("org-view", "deals", "changes"):
        await visit.open(f"#{screen}")
        strip = visit.page.locator("#strip")
        await expect(strip).to_contain_text(meta["snapshot"]["workspace_name"])
        await expect(strip).to_contain_text("수집")


async def test_a_printed_list_has_all_rows_from_the_first_page_on(visit: Visit) -> None:
    """No page is empty, and what was not yet shown is printed too."""
    await visit.open("#edu1-dealcheck")
    await visit.settled()
    deals = len((await visit.json("/deal-check/edu1"))["items"])
    await visit.page.evaluate("window.dispatchEvent(new Event('beforeprint'))")
    rows = visit.page.locator("#retention tbody tr, #fresh tbody tr")
    await expect(rows).to_have_count(deals)
    await visit.page.emulate_media(media="print")
    top = await rows.first.evaluate("row => row.getBoundingClientRect().top")
    assert top < 400
    assert await visit.page.locator("#strip").is_visible()


async def test_the_frame_is_there_before_the_first_answer(visit: Visit) -> None:
    """Menu and heading do not wait for the API."""
    await visit.page.route(lambda url: "/api/" in url, lambda _route: None)
    await visit.page.goto("about:blank")
    await visit.page.goto(f"{visit.url}/#pipeline")
    await expect(visit.page.locator("h1")).to_have_text("파이프라인 현황")
    await expect(visit.page.locator("#menu a").first).to_be_visible()
    await visit.page.unroute_all()


async def test_the_deal_check_fits_a_screen(visit: Visit) -> None:
    """1440 by 900: the buttons are in view, and twenty rows."""
    await visit.page.set_viewport_size({"width": 1440, "height": 900})
    await visit.open("#edu1-dealcheck")
    await visit.settled()
    frame = visit.panel("fresh").locator(".table-frame")
    assert await frame.evaluate("each => each.scrollWidth <= each.clientWidth")
    height = await visit.rows("fresh").first.evaluate("row => row.getBoundingClientRect().height")
    top = await visit.rows("retention").first.evaluate("row => row.getBoundingClientRect().top")
    assert (900 - top) // height >= 20
