"""The deal check of a team in a real browser, on a direct visit."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.async_api import expect

from tests.support.browser_visit import BASE_YEAR, Served, Visit, Visitors

pytestmark = pytest.mark.asyncio(loop_scope="session")

HEADINGS = [
    # Without 파트: it is 미매핑 in all rows, and folded away.
    "기업명", "소속 상위 조직", "팀(명함/메일서명)", "담당자", "생성 날짜", "딜 이름", "과정포맷",
    "담당자(자사)", "가능성", "수주 예정일", "예상(억)", "메모",
]  # fmt: skip
CONFIG = f"""
base_year = {BASE_YEAR}
crm_url = "https://crm.example.com"
own_side_owner_label = "담당자(우리)"

[[teams]]
key = "edu1"
label = "교육 1팀 딜체크"
crm_team = ["교육 1팀"]

[[teams]]
key = "ghost"
label = "없는 팀 딜체크"
crm_team = ["아무도 아닌 팀"]
"""


@pytest.fixture(scope="module")
def configured(snapshot_db: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """A server with a CRM address, another word for our side, and a team the CRM lacks."""
    config = tmp_path_factory.mktemp("config") / "dashboard.toml"
    config.write_text(CONFIG, encoding="utf-8")
    with Served(snapshot_db, "--config", str(config)) as server:
        yield server


async def test_a_direct_visit_shows_both_cards(visit: Visit) -> None:
    """Customers of the year and new ones are apart, in the API's order; the pill counts both."""
    items = (await visit.json("/deal-check/edu1"))["items"]
    kept = [item for item in items if item["isRetention"]]
    fresh = [item for item in items if not item["isRetention"]]
    assert kept
    assert fresh
    await visit.open("#edu1-dealcheck")
    await expect(visit.page.locator("h1")).to_have_text("교육 1팀 딜체크")
    await expect(visit.page.locator(".pill")).to_have_text(
        f"리텐션 {len(kept)}건 / 신규 {len(fresh)}건"
    )
    assert await visit.panel("retention").locator("th").all_inner_texts() == HEADINGS
    for panel, deals in (("retention", kept), ("fresh", fresh)):
        await expect(visit.panel(panel).locator(".panel-count")).to_have_text(f"{len(deals)}건")
        names = await visit.rows(panel).locator("td:nth-child(6)").all_inner_texts()
        shown = [re.sub(r"\s+", " ", deal["dealName"]).strip() for deal in deals[: len(names)]]
        assert [re.sub(r"\s+", " ", name) for name in names] == shown
    await expect(visit.page.locator(".screen > .banner")).to_be_hidden()


async def test_memo_buttons_work_on_a_direct_visit(visit: Visit) -> None:
    """Rule 4: the first click opens the deal's memos, the newest first."""
    items = (await visit.json("/deal-check/edu1"))["items"]
    kept = [item for item in items if item["isRetention"]]
    place, deal = next((n, item) for n, item in enumerate(kept) if item["memoCount"])
    memos = (await visit.json(f"/deals/{deal['dealId']}/memos?limit=200"))["items"]
    await visit.open("#edu1-dealcheck")
    await visit.rows("retention").nth(place).get_by_role("button", name="메모 확인").click()
    await expect(visit.dialog.locator(".memo")).to_have_count(deal["memoCount"])
    texts = await visit.dialog.locator(".memo-text").all_inner_texts()
    assert texts == [memo["text"].strip() for memo in memos]
    await visit.page.keyboard.press("Escape")
    await expect(visit.dialog).to_have_count(0)


async def test_a_deal_without_memos_has_a_disabled_button(visit: Visit) -> None:
    """It says so."""
    items = (await visit.json("/deal-check/edu1"))["items"]
    kept = [item for item in items if item["isRetention"]]
    place = next(n for n, item in enumerate(kept) if not item["memoCount"])
    await visit.open("#edu1-dealcheck")
    button = visit.rows("retention").nth(place).get_by_role("button", name="메모 없음")
    await expect(button).to_be_disabled()


async def test_days_are_short_and_likelihoods_are_words(visit: Visit) -> None:
    """YYMMDD by Seoul's calendar; `["높음"]` is 높음."""
    items = (await visit.json("/deal-check/edu1"))["items"]
    first = next(item for item in items if item["isRetention"])
    await visit.open("#edu1-dealcheck")
    await visit.settled()
    cells = await visit.rows("retention").first.locator("td").all_inner_texts()
    assert re.fullmatch(r"\d{6}", cells[4])
    assert first["createdAt"].endswith("T15:00:00.000Z")
    assert cells[4] > first["createdAt"][2:10].replace("-", "")
    assert cells[9] == "/".join(re.findall(r'"(.*?)"', first["probability"] or "")) or "-"


async def test_from_a_deal_to_its_organization(visit: Visit) -> None:
    """The memos' dialog leads to the same deal on the organization screen."""
    items = (await visit.json("/deal-check/edu1"))["items"]
    kept = [item for item in items if item["isRetention"]]
    place, deal = next(
        (n, item) for n, item in enumerate(kept) if item["memoCount"] and item["personId"]
    )
    await visit.open("#edu1-dealcheck")
    await visit.rows("retention").nth(place).get_by_role("button").click()
    await visit.dialog.get_by_role("link", name="조직 화면에서 보기").click()
    await expect(visit.dialog).to_have_count(0)
    await expect(visit.page.locator("#deals-panel tr[aria-selected=true]")).to_have_count(1)
    assert f"org={deal['orgId']}" in visit.page.url


async def test_links_lead_to_the_configured_crm_only(
    visitors: Visitors, configured: Served
) -> None:
    """With an address in the configuration names are links, which tell the CRM nothing."""
    visit = await visitors.come(configured.url)
    await visit.open("#edu1-dealcheck")
    link = visit.rows("retention").first.locator("a").first
    address = await link.get_attribute("href")
    assert address is not None
    assert address.startswith("https://crm.example.com/")
    assert "noopener" in (await link.get_attribute("rel") or "")


async def test_without_a_crm_address_names_are_plain(visit: Visit) -> None:
    """No value, no link."""
    await visit.open("#edu1-dealcheck")
    await visit.rows("retention").first.wait_for()
    await expect(visit.page.locator("main table a")).to_have_count(0)


async def test_a_team_that_the_crm_does_not_know_is_said_aloud(
    visitors: Visitors, configured: Served
) -> None:
    """The menu has the second team; its screen warns and is empty."""
    visit = await visitors.come(configured.url)
    await visit.open("#edu1-dealcheck")
    await visit.page.get_by_role("link", name="없는 팀 딜체크").click()
    await expect(visit.page.locator("h1")).to_have_text("없는 팀 딜체크")
    await expect(visit.page.locator(".screen > .banner")).to_contain_text("team_not_found")
    await expect(visit.page.locator(".screen > .banner")).to_contain_text("아무도 아닌 팀")
    await expect(visit.panel("retention")).to_contain_text("해당하는 딜이 없습니다")


async def test_the_own_side_is_called_as_configured(visitors: Visitors, configured: Served) -> None:
    """In the deal check, the list, at the head of an organization and in its Won summary."""
    visit = await visitors.come(configured.url)
    await visit.open("#edu1-dealcheck")
    await expect(visit.panel("retention").locator("th").nth(7)).to_have_text("담당자(우리)")
    await visit.open()
    heading = visit.page.get_by_role("columnheader", name="담당자(우리)")
    await expect(heading).to_have_count(1)
    await visit.rows("found-panel").first.click()
    await expect(visit.page.locator(".details dt", has_text="담당자(우리)")).to_have_count(1)
    await expect(visit.panel("won-panel").locator("th", has_text="담당자(우리)")).to_have_text(
        ["담당자(우리)", f"{BASE_YEAR} 담당자(우리)"]
    )
    await visit.settled()
    await expect(visit.page.get_by_text("담당자(자사)")).to_have_count(0)
