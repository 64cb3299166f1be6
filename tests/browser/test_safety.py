"""Text from the CRM is only ever text: script tags and markup in every field, on every screen."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from playwright.async_api import expect

from salesmap_async.paths import timeline_path
from salesmap_async.timeline.feeding import feed
from tests.support.browser_visit import BASE_YEAR, SCREENS, Served, Visit, Visitors, copied
from tests.support.dashboard_db import change

pytestmark = pytest.mark.asyncio(loop_scope="session")

PAYLOAD = (
    "<script>window.__pwned='script'</script><img src=x onerror=\"window.__pwned='img'\">"
    "<svg onload=window.__pwned='svg'></svg><a href=\"javascript:window.__pwned='link'\">x</a>"
    "<iframe srcdoc='<script>parent.__pwned=1</script>'></iframe>\"'>{{7*7}}${7*7}"
)
TABLES = ("organization", "people", "deal", "memo", "webform")
KEPT = {
    # What decides which rows are shown stays as it is; everything else a person could type is bad.
    "id", "RecordId", "cursorId", "organizationId", "peopleId", "dealId", "ownerId", "createdAt",
    "updatedAt", "상태", "담당자", "팀", "제출된 웹폼 목록", "성사 가능성", "과정포맷",
}  # fmt: skip


def poison(db: Path) -> int:
    """Add PAYLOAD to every text of every table; return how many columns it went to."""
    count = 0
    with closing(sqlite3.connect(db)) as connection, connection:
        for table in TABLES:
            for _, column, kind, *_ in connection.execute(f"PRAGMA table_info({table})").fetchall():
                if column in KEPT or kind != "TEXT" or column.endswith(("날짜", "일", "시간")):
                    continue
                connection.execute(
                    f'UPDATE {table} SET "{column}" = "{column}" || ? WHERE "{column}" IS NOT NULL',
                    (PAYLOAD,),
                )
                count += 1
        poison_lists(connection)
    return count


def poison_lists(connection: sqlite3.Connection) -> None:
    """Names inside JSON: owners, teams, web forms, likelihoods; the owner's id finds the team."""
    for table, column in (
        ("organization", "담당자"),
        ("organization", "팀"),
        ("people", "제출된 웹폼 목록"),
        ("deal", "담당자"),
        ("deal", "성사 가능성"),
    ):
        rows = connection.execute(
            f'SELECT rowid, "{column}" FROM {table} WHERE "{column}" IS NOT NULL'
        ).fetchall()
        changed = [
            (json.dumps(poisoned(json.loads(text)), ensure_ascii=False), rowid)
            for rowid, text in rows
        ]
        connection.executemany(f'UPDATE {table} SET "{column}" = ? WHERE rowid = ?', changed)


def poisoned(value: object) -> object:
    if isinstance(value, list):
        return [poisoned(each) for each in value]
    if isinstance(value, dict):
        return {**value, "name": f"{value.get('name')}{PAYLOAD}"}
    return f"{value}{PAYLOAD}"


@pytest.fixture(scope="module")
def hostile(snapshot_db: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """A server over a snapshot whose every text is an attack."""
    with copied(snapshot_db, tmp_path_factory.mktemp("hostile")) as db:
        feed(timeline_path(db), db)
        assert poison(db) > 20
        change(db, "UPDATE run_info SET run_tag = 'poisoned'")
        feed(timeline_path(db), db)
        config = db.parent / "dashboard.toml"
        config.write_text(f"base_year = {BASE_YEAR}\n", encoding="utf-8")
        with Served(db, "--config", str(config)) as server:
            yield server


async def assert_nothing_ran(visit: Visit) -> None:
    """No trap was set off, and no element of an attack exists in the page."""
    assert await visit.page.evaluate("window.__pwned") is None
    made = "main script, main img, main iframe, dialog script, dialog img, a[href^='javascript']"
    await expect(visit.page.locator(made)).to_have_count(0)


@pytest.mark.parametrize("screen", SCREENS)
async def test_no_screen_runs_what_the_crm_holds(
    visitors: Visitors, hostile: Served, screen: str
) -> None:
    """The attack stands there as text (but on the operations screen, which shows no CRM text)."""
    visit = await visitors.come(hostile.url)
    await visit.open(f"#{screen}")
    await visit.page.locator("main tbody tr:visible").first.wait_for()
    await visit.settled()
    await assert_nothing_ran(visit)
    text = await visit.page.locator("main").inner_text()
    assert ("<script>window.__pwned" in text) is (screen != "snapshot-ops")


async def test_the_drill_down_runs_nothing(visitors: Visitors, hostile: Served) -> None:
    """Organization, Won rows, people, deals, memos, their dialogs and StatePath."""
    visit = await visitors.come(hostile.url)
    items = (await visit.json("/deal-check/edu1"))["items"]
    deal = next(item for item in items if item["memoCount"] and item["orgId"] and item["personId"])
    await visit.open(
        f"#org-view?org={deal['orgId']}&person={deal['personId']}&deal={deal['dealId']}"
    )
    await visit.rows("deal-memos-panel").first.wait_for()
    await visit.settled()
    for panel in ("won-panel", "people-panel", "deals-panel", "deal-memos-panel"):
        await expect(visit.panel(panel)).to_contain_text("<script>window.__pwned")
    await visit.rows("deal-memos-panel").first.click()
    await expect(visit.dialog.locator(".memo-text")).to_contain_text("<script>window.__pwned")
    await assert_nothing_ran(visit)
    await visit.dialog.get_by_role("button", name="서식 보기").click()
    await expect(visit.dialog.frame_locator("iframe").locator("body")).to_be_visible()
    assert await visit.page.evaluate("window.__pwned") is None
    await visit.page.keyboard.press("Escape")
    await visit.page.get_by_role("button", name="StatePath 보기").click()
    await expect(visit.dialog.locator("h2")).to_contain_text("<script>window.__pwned")
    await visit.dialog.locator(".headline").wait_for()
    await assert_nothing_ran(visit)


async def test_search_and_web_forms_run_nothing(visitors: Visitors, hostile: Served) -> None:
    """The suggestions under the search box, and the dialog of the web forms."""
    visit = await visitors.come(hostile.url)
    await visit.open()
    await visit.rows("found-panel").first.wait_for()
    await visit.page.locator("#org-search").fill("<script>")
    await expect(visit.page.locator("#org-options [role=option]").first).to_contain_text("<script>")
    await assert_nothing_ran(visit)
    await visit.page.keyboard.press("ArrowDown")
    await visit.page.keyboard.press("Enter")
    button = visit.page.get_by_role("button", name="내역 확인").first
    await button.click()
    await expect(visit.dialog.locator("tbody tr").first).to_contain_text("<script>window.__pwned")
    await assert_nothing_ran(visit)


async def test_the_address_is_no_way_in(visitors: Visitors, hostile: Served) -> None:
    """Markup in the hash is an unknown organization, shown as text."""
    visit = await visitors.come(hostile.url)
    await visit.open("#org-view?org=%3Cimg%20src%3Dx%20onerror%3D%22window.__pwned%3D1%22%3E")
    await visit.page.locator(".details .failure").first.wait_for()
    await assert_nothing_ran(visit)
    visit.expect_complaint("404")
