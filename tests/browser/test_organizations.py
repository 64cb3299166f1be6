"""The organization screen in a real browser: search, drill-down, deep links, the keyboard."""

from __future__ import annotations

import asyncio
import re
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from playwright.async_api import Route, expect

from tests.support.browser_visit import (
    Served,
    Visit,
    Visitors,
    copied,
    eok,
    won_organization,
)

pytestmark = pytest.mark.asyncio(loop_scope="session")

REFUSALS = {
    "/orgs/nobody": "조직을 찾을 수 없습니다: nobody",
    "/people/nobody/deals": "사람을 찾을 수 없습니다: nobody",
    "/deals/nobody/memos": "딜을 찾을 수 없습니다: nobody",
    "/deal-check/nobody": "설정에 없는 팀입니다: nobody",
    "/deal-check?team=nobody": "설정에 없는 팀입니다: nobody",
    "/orgs?limit=0": "요청한 값이 올바르지 않습니다. 주소(링크)를 확인하세요.",
}


async def organizations(visit: Visit, **query: str) -> list[dict[str, Any]]:
    """Return the API's own list."""
    asked = "&".join(f"{key}={value}" for key, value in query.items())
    return list((await visit.json(f"/orgs?{asked}"))["items"])


def upper_of(person: dict[str, Any]) -> str:
    """Return the upper organization as the Won summary groups it."""
    return (person["upper_org"] or "").strip() or "미입력"


async def deal_with_memos(visit: Visit) -> dict[str, Any]:
    """Return a deal of the deal check that has memos, an organization and a person."""
    items = (await visit.json("/deal-check/edu1"))["items"]
    return next(item for item in items if item["memoCount"] and item["orgId"] and item["personId"])


async def test_nothing_is_chosen_at_first(visit: Visit) -> None:
    """The usual size is set, the list is shown, and StatePath waits for an organization."""
    await visit.open("")
    await expect(visit.page.locator("#size-select")).to_have_value("대기업")
    found = await organizations(visit, size="대기업")
    await expect(visit.rows("found-panel")).to_have_count(min(50, len(found)))
    await expect(visit.page.get_by_role("button", name="StatePath 보기")).to_be_disabled()
    await expect(visit.page.locator("#org-select")).to_have_value("")
    await expect(visit.page.locator("#org-select option")).to_have_count(len(found) + 1)


async def test_from_an_organization_down_to_a_memo(visit: Visit) -> None:
    """Organization, Won row, person, deal, memo: each step shows what the API holds."""
    organization = won_organization(await organizations(visit, size="대기업"))
    await visit.open()
    await visit.choose_organization(organization)
    people = (await visit.json(f"/orgs/{organization}/people"))["items"]
    await expect(visit.panel("people-panel")).to_contain_text(f"{len(people)}명")

    won = (await visit.json(f"/orgs/{organization}/won-summary"))["items"]
    await visit.rows("won-panel").nth(0).click()
    await visit.rows("deals-panel").first.wait_for()
    upper = [each for each in people if upper_of(each) == won[0]["upper_org"]]
    await expect(visit.rows("people-panel").first).to_have_attribute("aria-selected", "true")
    await expect(visit.rows("people-panel")).to_have_count(len(upper))
    await expect(visit.rows("deals-panel").first).to_have_attribute("aria-selected", "true")


async def test_a_deep_link_restores_the_drill_down(visit: Visit) -> None:
    """Organization, person, deal and its memo are shown at once; the memo's full text opens."""
    deal = await deal_with_memos(visit)
    memos = (await visit.json(f"/deals/{deal['dealId']}/memos"))["items"]
    await visit.open(
        f"#org-view?org={deal['orgId']}&person={deal['personId']}&deal={deal['dealId']}"
    )
    await expect(visit.rows("deal-memos-panel")).to_have_count(len(memos))
    chosen = visit.page.locator("#people-panel tr[aria-selected=true]")
    await expect(chosen).to_contain_text(deal["personName"])
    await expect(visit.page.locator("#deals-panel tr[aria-selected=true]")).to_have_count(1)
    await expect(visit.page.locator(".trail a")).to_have_count(3)

    await visit.rows("deal-memos-panel").first.click()
    shown = visit.dialog.locator(".memo-text")
    assert await shown.inner_text() == memos[0]["text"].replace("<br>", "\n").strip()
    await visit.page.keyboard.press("Escape")
    await expect(visit.dialog).to_have_count(0)


async def test_the_back_button_takes_a_step_back(visit: Visit) -> None:
    """The first person and deal are chosen by the page: they are no steps of their own."""
    organization = won_organization(await organizations(visit, size="대기업"))
    await visit.open()
    await visit.choose_organization(organization)
    await visit.rows("won-panel").first.click()
    await visit.rows("deals-panel").first.wait_for()
    await visit.page.go_back()
    await expect(visit.panel("people-panel").locator("h2")).to_have_text("People")
    assert visit.page.url.endswith(f"#org-view?org={organization}")
    await visit.page.go_back()
    await expect(visit.panel("found-panel")).to_be_visible()


async def test_every_person_is_shown_without_any_won_deal(visit: Visit) -> None:
    """Rule 3: the Won summary is a filter, not the only way in."""
    for organization in await organizations(visit, size="전체", limit="500"):
        path = f"/orgs/{organization['id']}"
        people = (await visit.json(f"{path}/people"))["items"]
        if people and not (await visit.json(f"{path}/won-summary"))["items"]:
            break
    else:
        pytest.fail("every organization has a Won deal")
    await visit.open(f"#org-view?org={organization['id']}")
    await expect(visit.rows("people-panel")).to_have_count(len(people))
    await expect(visit.panel("won-panel")).to_contain_text("Won 딜이 없습니다")


async def test_the_list_follows_the_letters(visit: Visit) -> None:
    """Typing searches by itself, and Enter on a marked name chooses it."""
    await visit.open()
    await visit.rows("found-panel").first.wait_for()
    await visit.page.select_option("#size-select", "전체")
    await visit.page.locator("#org-search").press_sequentially("견본화학")
    found = await organizations(visit, size="전체", search="견본화학")
    options = visit.page.locator("#org-options [role=option]")
    await expect(options).to_have_count(len(found))
    await visit.page.keyboard.press("ArrowDown")
    await visit.page.keyboard.press("ArrowDown")
    await expect(options.nth(1)).to_have_attribute("aria-selected", "true")
    await visit.page.keyboard.press("Enter")
    await expect(visit.page.locator("#org-select")).to_have_value(found[1]["id"])
    await expect(visit.page.locator("#org-options")).to_be_hidden()


async def test_arrow_up_in_an_unmarked_list_marks_its_last_name(visit: Visit) -> None:
    """And once more the last but one; from the first name it goes to the last again."""
    await visit.open()
    await visit.rows("found-panel").first.wait_for()
    options = visit.page.locator("#org-options [role=option]")
    last = await options.count() - 1
    assert last > 1
    await visit.page.locator("#org-search").focus()
    for key, place in (("ArrowUp", last), ("ArrowUp", last - 1), ("ArrowDown", last)):
        await visit.page.keyboard.press(key)
        await expect(options.nth(place)).to_have_attribute("aria-selected", "true")
    await visit.page.keyboard.press("ArrowDown")
    await visit.page.keyboard.press("ArrowUp")
    await expect(options.nth(last)).to_have_attribute("aria-selected", "true")


async def test_a_late_answer_is_dropped(visit: Visit) -> None:
    """The answer to the first letters comes after the one to all letters, and changes nothing."""
    await visit.open()
    await visit.rows("found-panel").first.wait_for()
    is_held, is_overtaken = asyncio.Event(), asyncio.Event()

    async def hold(route: Route) -> None:
        is_held.set()
        await is_overtaken.wait()
        await route.continue_()

    await visit.page.route(re.compile("search=%EA%B0%80%EC%83%81&"), hold)
    search = visit.page.locator("#org-search")
    await search.fill("가상")
    await is_held.wait()
    await search.fill("00003")
    found = await organizations(visit, size="대기업", search="00003")
    options = visit.page.locator("#org-select option")
    await expect(options).to_have_count(len(found) + 1)
    is_overtaken.set()
    await visit.page.unroute_all(behavior="wait")
    await visit.page.wait_for_load_state("networkidle")
    await expect(options).to_have_count(len(found) + 1)


async def test_a_search_without_a_result_says_so(visit: Visit) -> None:
    """The select, the list and the suggestions agree."""
    await visit.open()
    await visit.rows("found-panel").first.wait_for()
    await visit.page.locator("#org-search").fill("그런 조직은 없다")
    await visit.page.get_by_role("button", name="검색", exact=True).click()
    await expect(visit.panel("found-panel")).to_contain_text("찾은 조직이 없습니다")
    await expect(visit.page.locator("#org-select option")).to_have_count(1)


async def test_a_search_that_finds_nothing_in_a_size_can_be_widened(visit: Visit) -> None:
    """The size stays as chosen until the button is pressed; then the letters are kept."""
    everyone = await organizations(visit, size="전체", limit="500")
    other = next(each for each in everyone if each["size"] not in (None, "", "대기업"))
    widen = visit.page.get_by_role("button", name="전체 규모에서 찾기")
    await visit.open()
    await visit.rows("found-panel").first.wait_for()
    await visit.page.locator("#org-search").fill(other["id"])
    await widen.wait_for()
    await expect(visit.page.locator("#size-select")).to_have_value("대기업")
    await widen.click()
    await expect(visit.rows("found-panel")).to_have_count(1)
    await expect(visit.rows("found-panel")).to_contain_text(other["name"])
    await expect(visit.page.locator("#size-select")).to_have_value("전체")
    await expect(visit.page.locator("#org-search")).to_be_focused()
    await visit.page.locator("#org-search").fill("그런 조직은 없다")
    await expect(visit.panel("found-panel")).to_contain_text("찾은 조직이 없습니다")
    await expect(widen).to_have_count(0)


async def test_a_size_without_organizations_falls_back_to_all(
    visitors: Visitors, snapshot_db: Path, tmp_path: Path
) -> None:
    """Once, and with a notice; nobody works for the only organization of that size."""
    with copied(snapshot_db, tmp_path) as db:
        with closing(sqlite3.connect(db)) as connection, connection:
            connection.execute(
                'INSERT INTO organization (id, "이름", "기업 규모") VALUES (?, ?, ?)',
                ("empty", "사람 없는 곳", "빈 규모"),
            )
        with Served(db) as server:
            visit = await visitors.come(server.url)
            await visit.open()
            await visit.rows("found-panel").first.wait_for()
            await visit.page.select_option("#size-select", "빈 규모")
            await expect(visit.page.locator(".search-notice")).to_contain_text("빈 규모")
            await expect(visit.page.locator("#size-select")).to_have_value("전체")
            found = await organizations(visit, size="전체", limit="200")
            await expect(visit.page.locator("#org-select option")).to_have_count(len(found) + 1)
            await visit.settled()


async def test_rows_are_steered_with_the_keyboard(visit: Visit) -> None:
    """Arrows move, Enter chooses; one row of a table is in the focus order."""
    organization = won_organization(await organizations(visit, size="대기업"))
    await visit.open(f"#org-view?org={organization}")
    rows = visit.rows("people-panel")
    await rows.nth(2).wait_for()
    await expect(visit.page.locator("#people-panel tr[tabindex='0']")).to_have_count(1)
    await rows.nth(0).focus()
    await visit.page.keyboard.press("ArrowDown")
    await visit.page.keyboard.press("ArrowDown")
    await expect(rows.nth(2)).to_be_focused()
    await visit.page.keyboard.press("Home")
    await expect(rows.nth(0)).to_be_focused()
    await visit.page.keyboard.press("End")
    await visit.page.keyboard.press("Enter")
    await expect(rows.last).to_have_attribute("aria-selected", "true")
    await expect(rows.last).to_be_focused()


async def test_the_web_forms_of_a_person(visit: Visit) -> None:
    """The button opens one row per day and form; who sent none has a disabled one."""
    for organization in await organizations(visit, size="전체", limit="50"):
        people = (await visit.json(f"/orgs/{organization['id']}/people"))["items"]
        person = next((each for each in people if each["webform_count"]), None)
        other = next((each for each in people if not each["webform_count"]), None)
        if person and other:
            break
    assert person is not None
    assert other is not None
    forms = (await visit.json(f"/people/{person['id']}/webforms"))["items"]
    await visit.open(f"#org-view?org={organization['id']}")
    rows = visit.rows("people-panel")
    await rows.first.wait_for()
    await expect(rows.nth(people.index(other)).get_by_role("button")).to_be_disabled()
    await rows.nth(people.index(person)).get_by_role("button", name="내역 확인").click()
    lines = visit.dialog.locator("tbody tr")
    await expect(lines).to_have_count(len(forms))
    await expect(lines.first).to_contain_text(forms[0]["date"])


async def test_money_and_days_are_written_the_korean_way(visit: Visit) -> None:
    """KRW is shown in 억 with two decimals, a moment as its day in Seoul."""
    deal = await deal_with_memos(visit)
    deals = (await visit.json(f"/people/{deal['personId']}/deals"))["items"]
    await visit.open(f"#org-view?org={deal['orgId']}&person={deal['personId']}")
    await expect(visit.rows("deals-panel")).to_have_count(len(deals))
    for place, shown in enumerate(deals):
        cells = await visit.rows("deals-panel").nth(place).locator("td").all_inner_texts()
        amount = shown["amount"]
        assert cells[3] == ("-" if amount is None else eok(amount))
        assert re.fullmatch(r"\d{4}-\d{2}-\d{2}", cells[0])
    midnight = next(each for each in deals if each["created_at"].endswith("T15:00:00.000Z"))
    day = (
        await visit.rows("deals-panel").nth(deals.index(midnight)).locator("td").first.inner_text()
    )
    assert day > midnight["created_at"][:10], "15:00 UTC is the next day in Seoul"


async def test_reset_clears_everything(visit: Visit) -> None:
    """The address, the search box and the selection are empty again."""
    organization = won_organization(await organizations(visit, size="대기업"))
    await visit.open(f"#org-view?org={organization}")
    await visit.rows("people-panel").first.wait_for()
    await visit.page.get_by_role("button", name="선택 초기화").click()
    await expect(visit.panel("found-panel")).to_be_visible()
    await expect(visit.page.locator("#org-select")).to_have_value("")
    assert visit.page.url.endswith("#org-view")


async def test_an_unknown_organization_is_said_to_be_unknown(visit: Visit) -> None:
    """In Korean, the API's own words below; nothing else pretends to be there, nor StatePath."""
    organization = won_organization(await organizations(visit, size="대기업"))
    state_path = visit.page.get_by_role("button", name="StatePath 보기")
    await visit.open(f"#org-view?org={organization}")
    await expect(state_path).to_be_enabled()
    await visit.page.evaluate("location.hash = '#org-view?org=nobody'")
    failure = visit.page.locator(".details .failure").first
    await expect(failure.locator(".failure-text")).to_have_text("조직을 찾을 수 없습니다: nobody")
    await expect(failure.locator(".failure-original")).to_contain_text("no organization nobody")
    await expect(visit.panel("people-panel")).to_be_hidden()
    await visit.settled()
    await expect(state_path).to_be_disabled()
    visit.expect_complaint("404")


async def test_what_the_api_refuses_is_said_in_korean(visit: Visit) -> None:
    """The page has a sentence for each of the API's usual refusals, and keeps the API's words."""
    await visit.open()
    await visit.settled()
    asked = "path => Api.get(path).catch(error => [error.message, error.original])"
    for path, sentence in REFUSALS.items():
        said, original = await visit.page.evaluate(asked, path)
        assert said == sentence
        assert re.search("[a-z]", original)
    visit.expect_complaint("status of 4")


async def test_a_formatted_memo_stands_in_a_frame_that_may_do_nothing(visit: Visit) -> None:
    """Its HTML is shown only there."""
    deal = await deal_with_memos(visit)
    await visit.open(
        f"#org-view?org={deal['orgId']}&person={deal['personId']}&deal={deal['dealId']}"
    )
    await visit.rows("deal-memos-panel").first.click()
    await visit.dialog.get_by_role("button", name="서식 보기").click()
    frame = visit.dialog.locator("iframe")
    assert await frame.get_attribute("sandbox") == ""
    await expect(visit.dialog.frame_locator("iframe").locator("li")).to_have_count(1)
    await visit.dialog.get_by_role("button", name="글로 보기").click()
    await expect(visit.dialog.locator(".memo-text")).to_be_visible()
