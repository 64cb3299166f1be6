"""`/docs`: every endpoint of the description, and one of them tried out."""

from __future__ import annotations

from pathlib import Path

import pytest
from playwright.async_api import expect

from tests.support.browser_visit import Served, Visitors

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def test_every_endpoint_is_shown_and_can_be_tried(
    served: Served, visitors: Visitors, tmp_path: Path
) -> None:
    """As many entries as paths; Execute fills in the parameters and shows status and answer."""
    visit = await visitors.come(served.url)
    page = visit.page
    described = await (await page.request.get(f"{served.url}/openapi.json")).json()
    await page.goto(f"{served.url}/docs")
    entries = page.locator("details")
    await expect(entries).to_have_count(len(described["paths"]))
    sizes = entries.filter(has=page.get_by_text("GET /api/orgs", exact=True))
    await sizes.locator("summary").click()
    await sizes.locator("input[name=limit]").fill("1")
    await sizes.get_by_role("button", name="Execute").click()
    await expect(sizes.locator("pre").first).to_contain_text("200")
    await expect(sizes.locator("pre").first).to_contain_text('"items"')
    await sizes.locator("input[name=limit]").fill("0")
    await sizes.get_by_role("button", name="Execute").click()
    await expect(sizes.locator("pre").first).to_contain_text("422")
    visit.expect_complaint("422")
    await page.screenshot(path=tmp_path / "docs.png", full_page=True)
    assert await visit.overflow_px() == 0
