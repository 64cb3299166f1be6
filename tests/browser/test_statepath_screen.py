"""The dialog 'StatePath 보기' in a real browser: its four blocks, its three ways out, its focus."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from playwright.async_api import Locator, expect

from tests.support.browser_visit import BASE_YEAR, Served, Visit, Visitors, copied, eok

pytestmark = pytest.mark.asyncio(loop_scope="session")

YEARS = (str(BASE_YEAR - 1), str(BASE_YEAR))
CELLS = ("HRD_ONLINE", "HRD_OFFLINE", "BU_ONLINE", "BU_OFFLINE")


async def first_organization(visit: Visit) -> str:
    items = (await visit.json("/orgs?size=전체&limit=1"))["items"]
    return str(items[0]["id"])


async def opened(visit: Visit) -> tuple[Locator, dict[str, Any]]:
    """Open the dialog of the organization that bought most; return it with the API's answer."""
    organization = await first_organization(visit)
    await visit.open(f"#org-view?org={organization}")
    await visit.page.get_by_role("button", name="StatePath 보기").click()
    await visit.dialog.locator(".headline").wait_for()
    return visit.dialog, (await visit.json(f"/orgs/{organization}/statepath"))["item"]


def written(amount_eok: float, bucket: str) -> str:
    return f"{eok(round(amount_eok * 10**8))} ({bucket})"


async def test_it_shows_what_the_api_says(visit: Visit) -> None:
    """Amounts are in 억 already and are not divided again; a chart stands beside the numbers."""
    dialog, item = await opened(visit)
    await expect(dialog.locator("h2")).to_have_text(f"StatePath - {item['company_name']}")
    states = [item["year_states"][year] for year in YEARS]
    summary = dialog.get_by_role("table", name="연도별 요약").locator("tbody tr")
    for place, state in enumerate(states):
        cells = await summary.nth(place).locator("td").all_inner_texts()
        assert cells[0] == YEARS[place]
        assert cells[1] == written(state["total_eok"], state["bucket"])
        assert cells[2] == written(state["online_eok"], state["bucket_online"])
        assert cells[3] == written(state["offline_eok"], state["bucket_offline"])
    four = dialog.get_by_role("table", name="4셀 비교").locator("tbody tr")
    for place, cell in enumerate(CELLS):
        cells = await four.nth(place).locator("td").all_inner_texts()
        assert cells[1:] == [
            written(s["cells"][cell]["amt_eok"], s["cells"][cell]["bucket"]) for s in states
        ]
    await expect(dialog.locator(".chart .mark")).to_have_count(8)
    path = item[f"path_{YEARS[0]}_to_{YEARS[1]}"]
    await expect(dialog.locator(".event")).to_have_count(len(path["events"]))
    await expect(dialog.get_by_role("heading", name=f"Seed {path['seed']}")).to_be_visible()
    reco = item["ops_reco"]
    await expect(dialog.locator(".facts")).to_contain_text(reco["next_objective_type"])
    await expect(dialog.locator(".facts")).to_contain_text(reco["next_target_cell"])
    await expect(dialog.locator(".plays li")).to_have_count(len(reco["action_play_top3"]))
    ranks = dialog.get_by_role("table", name="만날 상대").locator("tbody tr td:first-child")
    assert await ranks.all_inner_texts() == [row["rank"] for row in reco["target_counterparties"]]


async def test_the_chart_is_as_high_as_the_amounts(visit: Visit) -> None:
    """Of two bars the larger amount has the higher one, and each says its amount."""
    dialog, item = await opened(visit)
    bars = dialog.locator(".chart .mark")
    heights = [
        float(await bars.nth(n).locator(".bar").get_attribute("height") or 0) for n in range(8)
    ]
    amounts = [
        item["year_states"][year]["cells"][cell]["amt_eok"] for cell in CELLS for year in YEARS
    ]
    assert len(set(amounts)) > 2
    by_amount = sorted(range(8), key=lambda n: amounts[n])
    assert [heights[n] for n in by_amount] == sorted(heights)
    tip = await bars.nth(by_amount[-1]).get_attribute("data-tip")
    assert tip is not None
    assert eok(round(max(amounts) * 10**8)) in tip


async def test_the_chart_rounds_as_the_table_does(
    visitors: Visitors, snapshot_db: Path, tmp_path: Path
) -> None:
    """1.115억 is 1.12억 in both: half away from zero, from whole KRW."""
    with copied(snapshot_db, tmp_path) as db:
        with closing(sqlite3.connect(db)) as connection, connection:
            connection.execute('UPDATE deal SET "금액" = NULL')
            organization, deal = connection.execute(
                "SELECT organizationId, id FROM deal "
                "WHERE \"상태\" = 'Won' AND organizationId IS NOT NULL LIMIT 1"
            ).fetchone()
            connection.execute(
                'UPDATE deal SET "금액" = 111500000, "계약 체결일" = ? WHERE id = ?',
                (f"{BASE_YEAR}-06-01T00:00:00.000Z", deal),
            )
        config = tmp_path / "dashboard.toml"
        config.write_text(f"base_year = {BASE_YEAR}\n", encoding="utf-8")
        with Served(db, "--config", str(config)) as server:
            visit = await visitors.come(server.url)
            await visit.open(f"#org-view?org={organization}")
            await visit.page.get_by_role("button", name="StatePath 보기").click()
            cells = visit.dialog.get_by_role("table", name="4셀 비교").locator("td")
            await expect(cells.filter(has_text="1.12억 (P0)")).to_have_count(1)
            await expect(visit.dialog.locator(".chart .value", has_text="1.12")).to_have_count(1)
            await visit.settled()


@pytest.mark.parametrize("way", ["button", "escape", "backdrop"])
async def test_it_closes_three_ways_and_gives_the_focus_back(visit: Visit, way: str) -> None:
    """By its button, by ESC and by a click beside it; then its opener has the focus again."""
    dialog, _ = await opened(visit)
    if way == "button":
        await dialog.get_by_role("button", name="닫기").click()
    elif way == "escape":
        await visit.page.keyboard.press("Escape")
    else:
        await visit.page.mouse.click(4, 4)
    await expect(visit.dialog).to_have_count(0)
    await expect(visit.page.get_by_role("button", name="StatePath 보기")).to_be_focused()


async def test_a_click_inside_does_not_close_it(visit: Visit) -> None:
    """Nor does a selection of text that is dragged out of it."""
    dialog, _ = await opened(visit)
    await dialog.locator(".headline").click()
    box = await dialog.locator(".headline").bounding_box()
    assert box is not None
    await visit.page.mouse.move(box["x"] + 5, box["y"] + box["height"] - 5)
    await visit.page.mouse.down()
    await visit.page.mouse.move(4, 4)
    await visit.page.mouse.up()
    await expect(dialog).to_be_visible()


async def test_the_focus_stays_inside(visit: Visit) -> None:
    """Tab goes around in the dialog, forwards and backwards."""
    dialog, _ = await opened(visit)
    inside = "document.querySelector('dialog').contains(document.activeElement)"
    for key in ["Tab"] * 8 + ["Shift+Tab"] * 8:
        await visit.page.keyboard.press(key)
        assert await visit.page.evaluate(inside)
    await expect(dialog).to_be_visible()


async def test_the_core_json_is_copied_without_recommendations(
    visitors: Visitors, visit: Visit
) -> None:
    """What lands in the clipboard is the API's item less `ops_reco`."""
    await visit.page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    dialog, item = await opened(visit)
    await dialog.get_by_role("button", name="Core JSON 복사").click()
    await expect(dialog.get_by_role("button", name="복사했습니다")).to_be_visible()
    copied = json.loads(await visit.page.evaluate("navigator.clipboard.readText()"))
    assert copied == {key: value for key, value in item.items() if key != "ops_reco"}


async def test_deals_without_a_person_are_named(visit: Visit) -> None:
    """Rule 2: how many and how much stands in the dialog."""
    for organization in (await visit.json("/orgs?size=전체&limit=500"))["items"]:
        item = (await visit.json(f"/orgs/{organization['id']}/statepath"))["item"]
        found = item["qa"]["no_person"]
        if found["deals"]:
            break
    else:
        pytest.fail("every Won deal of the sandbox has a person")
    await visit.open(f"#org-view?org={organization['id']}")
    await visit.page.get_by_role("button", name="StatePath 보기").click()
    note = visit.dialog.locator(".note", has_text="미입력")
    await expect(note).to_contain_text(f"{found['deals']}건")
    await expect(note).to_contain_text(eok(found["amount_krw"]))
