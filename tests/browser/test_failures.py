"""What fails is said to fail, with a way to try again: never shown as "there is none"."""

from __future__ import annotations

import re

import pytest
from playwright.async_api import Route, expect

from tests.browser.test_organizations import organizations
from tests.support.browser_visit import Visit, won_organization

pytestmark = pytest.mark.asyncio(loop_scope="session")

NOTHING = re.compile("(조직|사람|딜|메모|실행|백업|테이블|시점|기록)[이은가]? ?(아직 )?없습니다")

PLACES = {
    # What is asked for -> the screen, and the panel that must say what went wrong.
    "/api/sizes": ("#org-view", "found-panel"),
    "/api/orgs?": ("#org-view", "found-panel"),
    "/api/orgs/ORG/people": ("#org-view?org=ORG", "people-panel"),
    "/api/orgs/ORG/won-summary": ("#org-view?org=ORG", "won-panel"),
    "/api/orgs/ORG/memos": ("#org-view?org=ORG", "org-memos-panel"),
    "/api/pipeline": ("#pipeline", "won-chart"),
    "/api/deal-check/edu1": ("#edu1-dealcheck", "retention"),
    "/api/changes": ("#changes", "change-cards"),
    "/api/timeline": ("#changes", "change-sums"),
    "/api/runs": ("#snapshot-ops", "runs"),
    "/api/tables": ("#snapshot-ops", "tables"),
    "/api/backups": ("#snapshot-ops", "backups"),
    "/api/checklist": ("#snapshot-ops", "checklist"),
}


WAYS = ("503", "dropped", "500")


@pytest.mark.parametrize(
    ("asked", "way"), [(asked, WAYS[n % len(WAYS)]) for n, asked in enumerate(PLACES)]
)
async def test_a_failed_request_says_so(visit: Visit, asked: str, way: str) -> None:
    """Its panel has the reason and 다시 시도, which then shows what was asked for."""
    org = won_organization(await organizations(visit, size="대기업"))
    screen, panel = PLACES[asked]
    wanted = asked.replace("ORG", org)

    async def fail(route: Route) -> None:
        if way == "dropped":
            await route.abort("connectionreset")
        else:
            await route.fulfill(status=int(way), json={"detail": "out of order"})

    await visit.page.route(lambda url: wanted in url, fail)
    await visit.page.goto(f"{visit.url}/{screen.replace('ORG', org)}")
    place = visit.panel(panel)
    await expect(place.locator(".failure")).to_be_visible()
    await visit.settled()
    assert not NOTHING.search(await place.inner_text())
    await visit.page.unroute_all()
    again = place.get_by_role("button", name="다시 시도")
    await again.click()
    await expect(place.locator(".failure")).to_have_count(0)
    await expect(place.locator("[aria-busy]")).to_have_count(0)
    await visit.settled()
    await visit.page.goto("about:blank")  # what the browser still had to say has been said then
    visit.expect_complaint("Failed to load resource")


async def test_a_request_that_takes_too_long_says_so(visit: Visit) -> None:
    """The page's own clock is put forward; the request is never answered."""
    await visit.page.clock.install()
    await visit.page.add_init_script(
        "AbortSignal.timeout = (ms) => { const own = new AbortController();"
        " setTimeout(() => own.abort(new DOMException('', 'TimeoutError')), ms);"
        " return own.signal; }"
    )
    await visit.page.route(lambda url: "/api/pipeline" in url, lambda _route: None)
    async with visit.page.expect_request(lambda request: "/api/pipeline" in request.url):
        await visit.page.goto(f"{visit.url}/#pipeline")
    await visit.page.clock.run_for(31_000)
    place = visit.panel("won-chart").locator(".failure")
    await expect(place).to_contain_text("30초 안에 답하지 않았습니다")
    await expect(place.get_by_role("button", name="다시 시도")).to_be_visible()
    await visit.page.unroute_all()
