"""Where the page comes from: the API itself, the runbook's static server, a file."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.async_api import Route, expect

from tests.support.browser_visit import PAGE_FILE, SCREENS, STATIC, Served, Visit, Visitors

pytestmark = pytest.mark.asyncio(loop_scope="session")

STATIC_PORT = 8001
STATIC_SERVER = ("-m", "http.server", str(STATIC_PORT), "--bind", "127.0.0.1")
USUAL_API = "http://localhost:8000/api"
TOKEN = "a-token-for-this-test"
USER_AND_PASSWORD = {
    "SALESMAP_DASHBOARD_USER": "영업팀",
    "SALESMAP_DASHBOARD_PASSWORD": "비밀:번호 é",
}


@pytest.fixture(scope="module")
def static_server() -> Iterator[str]:
    """The runbook's own command: `python -m http.server 8001 --directory ...`."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", STATIC_PORT))
        except OSError:
            pytest.skip(f"port {STATIC_PORT} is taken, and CORS allows no other one")
    process = subprocess.Popen(
        [sys.executable, "-u", *STATIC_SERVER, "--directory", str(STATIC)],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    )
    assert process.stdout is not None
    assert b"Serving HTTP" in process.stdout.readline()
    yield f"http://localhost:{STATIC_PORT}"
    process.send_signal(signal.SIGINT if os.name != "nt" else signal.SIGTERM)
    process.communicate(timeout=30)


async def every_screen_works(visit: Visit, address: str) -> None:
    """Go through the menu; each screen must show rows from the API."""
    await visit.page.goto(address)
    for screen in SCREENS:
        await visit.page.locator(f"#menu a[data-screen='{screen}']").click()
        await visit.page.locator("main tbody tr:visible").first.wait_for()
        await visit.settled()
        await expect(visit.page.locator(".failure")).to_have_count(0)


async def test_served_by_the_api_it_asks_its_own_origin(visit: Visit, served: Served) -> None:
    """Whatever port that is."""
    await every_screen_works(visit, f"{served.url}/")
    assert all(url.startswith(served.url) for url in visit.asked)


async def test_from_the_static_server_with_the_api_named(
    visitors: Visitors, served: Served, static_server: str
) -> None:
    """`?api=` names the API; CORS lets exactly this origin in."""
    visit = await visitors.come(static_server)
    await every_screen_works(visit, f"{static_server}/{PAGE_FILE.name}?api={served.url}/api")
    assert any(url.startswith(f"{served.url}/api/meta") for url in visit.asked)


async def test_from_the_static_server_the_usual_api_is_asked(
    visitors: Visitors, served: Served, static_server: str
) -> None:
    """Rule 5: not the static server's own /api; the requests are led to the test's server."""
    visit = await visitors.come(static_server)

    async def lead(route: Route) -> None:
        await route.continue_(url=route.request.url.replace("http://localhost:8000", served.url))

    await visit.page.route(f"{USUAL_API}/**", lead)
    await every_screen_works(visit, f"{static_server}/{PAGE_FILE.name}")
    api = {url.partition("/api")[0] for url in visit.asked if "/api/" in url}
    assert api == {"http://localhost:8000"}


async def test_as_a_file(visitors: Visitors, served: Served) -> None:
    """With --allow-file-origin a double click on the file is enough."""
    visit = await visitors.come("file://")
    await every_screen_works(visit, f"{PAGE_FILE.as_uri()}?api={served.url}/api")
    await visit.page.evaluate("location.hash = '#edu1-dealcheck'")
    await visit.page.get_by_role("button", name="메모 확인").first.click()
    await visit.dialog.get_by_role("button", name="서식 보기").first.click()
    await expect(visit.dialog.frame_locator("iframe").locator("li").first).to_be_visible()


async def test_a_file_without_permission_says_what_to_type(
    visitors: Visitors, snapshot_db: Path
) -> None:
    """The API does not answer a file by itself; the page names the option."""
    with Served(snapshot_db) as server:
        visit = await visitors.come("file://")
        await visit.page.goto(f"{PAGE_FILE.as_uri()}?api={server.url}/api")
        banner = visit.page.locator("[data-matter=api]")
        await expect(banner).to_contain_text("serve --allow-file-origin")
        await visit.settled()
        visit.expect_complaint("CORS")
        visit.expect_complaint("Failed to load")


async def test_a_link_cannot_lead_to_a_foreign_api(visitors: Visitors, served: Served) -> None:
    """`?api=` with another machine is not obeyed: a token must not go there."""
    visit = await visitors.come(served.url)
    await visit.page.goto(f"{served.url}/?api=http://api.example.com/api#pipeline")
    await visit.panel("won-chart").locator(".figure").first.wait_for()
    await visit.settled()
    assert all(url.startswith(served.url) for url in visit.asked)


async def test_an_address_that_the_api_does_not_know_is_said_in_korean(
    visitors: Visitors, served: Served
) -> None:
    """A page beside another version of the API: a Korean sentence, the API's own words below it."""
    visit = await visitors.come(served.url)
    await visit.page.goto(f"{served.url}/?api={served.url}/no-such-api")
    banner = visit.page.locator("[data-matter=api]")
    await expect(banner.locator(".failure-text")).to_contain_text("API에 없는 주소입니다")
    await expect(banner.locator(".failure-original")).to_have_text("Not Found")
    await visit.settled()
    visit.expect_complaint("404")


# A server that wants a proof


@pytest.fixture(scope="module")
def with_token(snapshot_db: Path) -> Iterator[Served]:
    """A server that wants a token."""
    with Served(snapshot_db, "--auth-token", TOKEN) as server:
        yield server


async def asked_for_proof(visitors: Visitors, static_server: str, server: Served) -> Visit:
    """Return a visit from the static server, which stands before the form of a fresh tab."""
    visit = await visitors.come(static_server)
    await visit.page.goto(f"{static_server}/{PAGE_FILE.name}?api={server.url}/api")
    await visit.page.locator(".sign-in").wait_for()
    return visit


async def is_let_in(visit: Visit) -> None:
    """The list is there, without any banner; the refusals before are no complaint."""
    await visit.rows("found-panel").first.wait_for()
    await visit.settled()
    await expect(visit.page.locator(".banner")).to_have_count(0)
    visit.expect_complaint("401")


async def test_a_server_with_a_token_is_asked_with_it(
    visitors: Visitors, with_token: Served, static_server: str
) -> None:
    """The page asks the person for it, once, and keeps it for this tab."""
    visit = await asked_for_proof(visitors, static_server, with_token)
    await expect(visit.page.get_by_label("사용자 이름")).to_have_count(0)
    await expect(visit.page.locator("[data-matter=api]")).to_have_count(0)
    await visit.page.get_by_label("접근 토큰").fill(TOKEN)
    await visit.page.get_by_role("button", name="확인").click()
    await is_let_in(visit)
    await visit.page.reload()
    await visit.rows("found-panel").first.wait_for()
    await visit.settled()
    assert await visit.page.evaluate("localStorage.length") == 0


async def test_a_token_that_no_header_can_carry_is_refused_in_the_form(
    visitors: Visitors, with_token: Served, static_server: str
) -> None:
    """With the reason; the right one can be given at once, and a wrong one is said to be wrong."""
    visit = await asked_for_proof(visitors, static_server, with_token)
    field = visit.page.get_by_label("접근 토큰")
    confirm = visit.page.get_by_role("button", name="확인")
    problem = visit.page.locator(".sign-in-problem")
    await field.fill("한글 토큰")
    await confirm.click()
    await expect(problem).to_contain_text("영문자, 숫자, 기호만")
    await field.fill("not-the-token")
    await confirm.click()
    await expect(problem).to_contain_text("받아들이지 않았습니다")
    await field.fill(TOKEN)
    await confirm.click()
    await is_let_in(visit)


async def test_a_stored_token_that_no_header_can_carry_is_dropped(
    visitors: Visitors, with_token: Served, static_server: str
) -> None:
    """It does not lock the tab out: the page asks again."""
    visit = await asked_for_proof(visitors, static_server, with_token)
    key = f"'salesmap.authorization {with_token.url}'"
    stored = f"sessionStorage.getItem({key})"
    await visit.page.evaluate(f"sessionStorage.setItem({key}, 'Bearer 토큰')")
    await visit.page.reload()
    await visit.page.get_by_label("접근 토큰").fill(TOKEN)
    assert await visit.page.evaluate(stored) is None
    await visit.page.get_by_role("button", name="확인").click()
    await is_let_in(visit)
    assert await visit.page.evaluate(stored) == f"Bearer {TOKEN}"


async def test_a_server_with_a_password_is_asked_with_it(
    visitors: Visitors, snapshot_db: Path, static_server: str
) -> None:
    """User and password in any letters; a half-filled form says what it lacks."""
    with Served(snapshot_db, variables=USER_AND_PASSWORD) as server:
        visit = await asked_for_proof(visitors, static_server, server)
        await expect(visit.page.get_by_label("접근 토큰")).to_have_count(0)
        confirm = visit.page.get_by_role("button", name="확인")
        await visit.page.get_by_label("사용자 이름").fill("영업팀")
        await confirm.click()
        await expect(visit.page.locator(".sign-in-problem")).to_contain_text("모두 입력하세요")
        await visit.page.get_by_label("비밀번호").fill("비밀:번호 é")
        await confirm.click()
        await is_let_in(visit)


async def test_a_server_with_both_takes_either(
    visitors: Visitors, snapshot_db: Path, static_server: str
) -> None:
    """The form has the fields of both; the token alone is enough."""
    with Served(snapshot_db, "--auth-token", TOKEN, variables=USER_AND_PASSWORD) as server:
        visit = await asked_for_proof(visitors, static_server, server)
        await expect(visit.page.locator(".sign-in input")).to_have_count(3)
        await visit.page.get_by_label("접근 토큰").fill(TOKEN)
        await visit.page.get_by_role("button", name="확인").click()
        await is_let_in(visit)


async def test_a_token_stays_with_the_port_it_was_given_for(
    visitors: Visitors, with_token: Served, snapshot_db: Path, static_server: str
) -> None:
    """`?api=` may lead to another program on this machine: the token of the first is not its."""
    visit = await asked_for_proof(visitors, static_server, with_token)
    await visit.page.get_by_label("접근 토큰").fill(TOKEN)
    await visit.page.get_by_role("button", name="확인").click()
    await is_let_in(visit)
    sent: list[str | None] = []
    with Served(snapshot_db) as other:
        visit.page.on(
            "request",
            lambda request: (
                sent.append(request.headers.get("authorization"))
                if request.url.startswith(other.url)
                else None
            ),
        )
        await visit.page.goto(f"{static_server}/{PAGE_FILE.name}?api={other.url}/api")
        await visit.rows("found-panel").first.wait_for()
        await visit.settled()
    assert sent
    assert set(sent) == {None}
