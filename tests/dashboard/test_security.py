"""Who is answered, under which name, and what a browser is told it may not do."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import httpx
import pytest
from fastapi.routing import APIRoute

from salesmap_async.dashboard.app import STATIC
from salesmap_async.dashboard.crm.memos import clean_html
from salesmap_async.dashboard.data.config import DashboardConfig
from salesmap_async.dashboard.web.access import Access
from salesmap_async.settings import Secret
from tests.support.dashboard_db import VECTOR, app_over, asking, make_db

TOKEN = Access(token=Secret("a token of tests"))
BOTH = Access(token=Secret("a token of tests"), user="김가상", password=Secret("p:암호"))
PASSWORD = Access(user="김가상", password=Secret("p:암호"))
STRANGER = ("203.0.113.9", 40000)


def basic(user: str, password: str) -> str:
    return "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()


@pytest.fixture
def db(tmp_path: Path) -> Path:
    """Any snapshot."""
    return make_db(tmp_path / "final.db", VECTOR)


async def asked(
    db: Path,
    path: str = "/api/sizes",
    *,
    access: Access | None = None,
    client: tuple[str, int] = ("127.0.0.1", 50000),
    config: DashboardConfig | None = None,
    more: Mapping[str, str] | None = None,
    **headers: str,
) -> httpx.Response:
    both = {**headers, **(more or {})}
    sent = [(name.encode(), value.encode()) for name, value in both.items()]
    async with asking(app_over(db, config, access=access), client=client) as asker:
        return await asker.get(path, headers=sent)


@pytest.mark.parametrize(
    ("client", "code"),
    [("127.0.0.1", 200), ("127.8.9.1", 200), ("::1", 200), ("::ffff:127.0.0.1", 200),
     ("203.0.113.9", 403), ("10.0.0.5", 403), ("::ffff:10.0.0.5", 403), ("testclient", 403)],
)  # fmt: skip
async def test_without_a_proof_only_this_machine_is_answered(
    db: Path, client: str, code: int
) -> None:
    """Whatever server runs the app and wherever it listens: API, page and docs."""
    for path in ("/api/sizes", "/api/health", "/", "/docs", "/openapi.json"):
        assert (await asked(db, path, client=(client, 1))).status_code == code, path


@pytest.mark.parametrize(
    "header",
    [
        "Forwarded", "Via", "X-Forwarded-For", "x-forwarded-host", "X-Forwarded-Proto",
        "X-Forwarded-Port", "X-Forwarded-Server", "X-Forwarded", "x-real-ip", "CF-Connecting-IP",
        "CF-Ray", "True-Client-IP", "X-Client-IP", "CDN-Loop",
    ],
)  # fmt: skip
async def test_what_was_passed_on_needs_a_proof(db: Path, header: str) -> None:
    """A proxy's visitor is elsewhere, though a server may show him as this machine."""
    for value in ("127.0.0.1", ""):
        refused = await asked(db, more={header: value})
        assert (refused.status_code, "proxy" in refused.json()["detail"]) == (403, True)
        authorization = "Bearer a token of tests"
        proven = await asked(db, access=TOKEN, authorization=authorization, more={header: value})
        assert proven.status_code == 200


@pytest.mark.parametrize(
    "host",
    ["localhost", "localhost:8000", "LOCALHOST:1", "127.0.0.1:8000", "[::1]:8000"],
)
async def test_the_names_of_loopback_are_known(db: Path, host: str) -> None:
    """With any port: another program may forward one."""
    assert (await asked(db, host=host)).status_code == 200


@pytest.mark.parametrize(
    "host",
    ["evil.example", "localhost.evil.example", "192.168.0.7:8000", "127.0.0.1.evil.example", "",
     "[", "x@localhost"],
)  # fmt: skip
async def test_another_host_name_is_refused(db: Path, host: str) -> None:
    """A site that lets its name point here must not read with its visitors' browsers."""
    response = await asked(db, host=host)
    assert response.status_code == 400
    assert "host" in response.json()["detail"]


async def test_behind_a_proof_addresses_and_configured_names_are_known(db: Path) -> None:
    """A foreign name is not, even with the token."""
    config = DashboardConfig(allowed_hosts=("Dashboard.example.com",))
    codes = {
        host: (
            await asked(db, access=TOKEN, client=STRANGER, config=config, host=host,
                        authorization="Bearer a token of tests")
        ).status_code
        for host in ("192.168.0.7:80", "[2001:db8::1]", "dashboard.example.com", "evil.example")
    }  # fmt: skip
    assert list(codes.values()) == [200, 200, 200, 400]


@pytest.mark.parametrize(
    ("access", "authorization", "code"),
    [
        (TOKEN, "Bearer a token of tests", 200),
        (TOKEN, "bearer  a token of tests ", 200),
        (TOKEN, basic("anybody", "a token of tests"), 200),
        (TOKEN, "Bearer a toke", 401),
        (TOKEN, "Bearer ", 401),
        (TOKEN, "a token of tests", 401),
        (TOKEN, basic("a token of tests", ""), 401),
        (TOKEN, "", 401),
        (PASSWORD, basic("김가상", "p:암호"), 200),
        (PASSWORD, basic("김가상", "p"), 401),
        (PASSWORD, basic("이예시", "p:암호"), 401),
        (PASSWORD, basic("", ""), 401),
        (PASSWORD, "Bearer p:암호", 401),
        (PASSWORD, "Basic !!!", 401),
        (PASSWORD, "Basic /w==", 401),
        (PASSWORD, "Negotiate x", 401),
    ],
)
async def test_what_is_set_must_be_proven(
    db: Path, access: Access, authorization: str, code: int
) -> None:
    """By everybody, this machine too; the page and the docs stand behind it as well."""
    for path in ("/api/health", "/", "/docs/files/docs.css"):
        for client in (STRANGER, ("127.0.0.1", 1)):
            response = await asked(
                db, path, access=access, client=client, authorization=authorization
            )
            assert response.status_code == code, (path, client)
            assert ("www-authenticate" in response.headers) == (code == 401)


async def test_every_answer_tells_the_browser_what_is_forbidden(db: Path) -> None:
    """Also errors, files and refusals: no foreign script, no guessing of types, no referrer."""
    answers = [
        await asked(db, "/"),
        await asked(db, "/api/orgs"),
        await asked(db, "/api/orgs/nobody"),
        await asked(db, "/nothing/there"),
        await asked(db, host="evil.example"),
        await asked(db, access=TOKEN),
        await asked(db.with_name("none.db")),
    ]
    assert [each.status_code for each in answers] == [200, 200, 404, 404, 400, 401, 503]
    for each in answers:
        policy = each.headers["content-security-policy"]
        assert "script-src 'self';" in policy
        assert "default-src 'none'" in policy
        assert "unsafe" not in policy
        assert each.headers["x-content-type-options"] == "nosniff"
        assert each.headers["referrer-policy"] == "no-referrer"


async def test_customer_data_is_not_kept_by_browsers(db: Path) -> None:
    """The API's answers are not cached."""
    assert (await asked(db, "/api/orgs")).headers["cache-control"] == "no-store"


@pytest.mark.parametrize(
    ("allow_file_origin", "origin", "allowed"),
    [
        (False, "http://localhost:8001", True),
        (False, "http://127.0.0.1:8001", True),
        (False, "http://localhost:8002", False),
        (False, "https://localhost:8001", False),
        (False, "null", False),
        (True, "null", True),
        (True, "http://evil.example", False),
    ],
)
async def test_other_places_of_the_page(
    db: Path, allow_file_origin: bool, origin: str, allowed: bool
) -> None:
    """Exactly the static server's two; a page opened as a file only where that is wanted."""
    access = Access(allow_file_origin=allow_file_origin)
    response = await asked(db, access=access, origin=origin)
    found = response.headers.get("access-control-allow-origin")
    assert found == (origin if allowed else None)
    assert "access-control-allow-credentials" not in response.headers


async def test_a_preflight_needs_no_proof_and_a_refusal_can_be_read(db: Path) -> None:
    """A browser asks first without the token; and the page must be able to say what is missing."""
    origin = "http://localhost:8001"
    asks = {
        "Origin": origin,
        "Access-Control-Request-Method": "GET",
        "Access-Control-Request-Headers": "authorization",
    }
    async with asking(app_over(db, access=TOKEN)) as client:
        preflight = await client.options("/api/sizes", headers=asks)
        refused = await client.get("/api/sizes", headers={"Origin": origin})
    assert preflight.status_code == 200
    assert preflight.headers["access-control-allow-headers"].lower().count("authorization") == 1
    assert refused.status_code == 401
    assert refused.headers["access-control-allow-origin"] == origin


@pytest.mark.parametrize(
    ("access", "ask"),
    [(TOKEN, ["token"]), (PASSWORD, ["password"]), (BOTH, ["token", "password"])],
)
async def test_a_refusal_says_what_to_ask_for(db: Path, access: Access, ask: list[str]) -> None:
    """The page shows the form for it."""
    refused = await asked(db, access=access)
    assert (refused.status_code, refused.json()["ask"]) == (401, ask)


@pytest.mark.parametrize("origin", ["http://localhost:8001", "null"])
async def test_user_and_password_work_from_another_place(db: Path, origin: str) -> None:
    """The page on a static server, or as a file, sends both in UTF-8 and may read the answer."""
    access = replace(PASSWORD, allow_file_origin=True)
    for given, code in (("p:암호", 200), ("p", 401)):
        proof = basic("김가상", given)
        response = await asked(db, access=access, origin=origin, authorization=proof)
        assert response.status_code == code
        assert response.headers["access-control-allow-origin"] == origin


async def test_a_failure_is_json_and_safe_too(db: Path) -> None:
    """What nobody expected is 500 with every header, so that the page can say so anywhere."""

    async def fail() -> None:
        raise RuntimeError("unexpected")

    app = app_over(db)
    app.router.routes.insert(0, APIRoute("/api/failing", fail))
    async with asking(app) as client:
        response = await client.get("/api/failing", headers={"Origin": "http://localhost:8001"})
    assert (response.status_code, "detail" in response.json()) == (500, True)
    assert "default-src 'none'" in response.headers["content-security-policy"]
    assert response.headers["access-control-allow-origin"] == "http://localhost:8001"


@pytest.mark.parametrize(
    "path",
    ["/../app.py", "/..%2fapp.py", "/%2e%2e/app.py", "/%2e%2e%2fapp.py", "/..%5capp.py",
     "/docs/files/../../app.py", "/docs/files/%2e%2e/%2e%2e/app.py", "//etc/passwd",
     "/%2fetc%2fpasswd", "/%00", "/docs/files/%00"],
)  # fmt: skip
async def test_no_path_leads_out_of_the_pages_files(db: Path, path: str) -> None:
    """Neither up nor to the root, in any spelling; nor does one end in a failure."""
    assert (STATIC.parent / "app.py").exists()
    async with asking(app_over(db)) as client:
        response = await client.get(httpx.URL("http://localhost:8000").copy_with(
            raw_path=path.encode()))  # fmt: skip
    assert response.status_code in (404, 405)
    assert "def create_app" not in response.text


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE"])
async def test_nothing_can_be_changed(db: Path, method: str) -> None:
    """There is no other method than reading."""
    before = db.read_bytes()
    async with asking(app_over(db)) as client:
        for path in ("/api/orgs", "/api/orgs/o1", "/"):
            assert (await client.request(method, path)).status_code == 405
    assert db.read_bytes() == before


@pytest.mark.parametrize(
    "html",
    [
        "<script>alert(1)</script>",
        "<img src=https://evil.example/x.png>",
        "<a href='javascript:alert(1)'>x</a>",
        "<p onclick=alert(1) style='background:url(https://evil.example)'>x</p>",
        "<iframe srcdoc='<script>alert(1)</script>'></iframe>",
        "<svg><script>alert(1)</script></svg>",
        "<math><mtext><img src=x onerror=alert(1)></mtext></math>",
        "<style>@import 'https://evil.example'</style>",
        "<form action=https://evil.example><input></form>",
        "<meta http-equiv=refresh content='0;url=https://evil.example'>",
    ],
)
def test_html_of_memos_can_do_nothing(html: str) -> None:
    """No script, no attribute, no address is left."""
    cleaned = clean_html(html)
    assert cleaned is not None
    for word in ("script", "alert", "evil", "href", "src", "on", "style="):
        assert word not in cleaned


def test_formatting_of_memos_stays() -> None:
    """Paragraphs, lists, emphasis, and signs that are text."""
    html = "<p>1 &lt; 2 &amp; <b>굵게</b></p><ul><li>글</li></ul>"
    assert clean_html(html) == html
    assert clean_html(" ") is clean_html(None) is None


async def test_help_is_rendered_without_html_of_its_own_and_asks_for_proof_too(db: Path) -> None:
    """Pages of the manual under the same guards; other names are not found."""
    runbook = await asked(db, "/help")
    assert (runbook.status_code, "<h1>운영 런북</h1>" in runbook.text) == (200, True)
    assert "<table>" in runbook.text
    assert "<script" not in runbook.text
    assert "default-src 'none'" in runbook.headers["content-security-policy"]
    assert (await asked(db, "/help/dashboard")).status_code == 200
    assert (await asked(db, "/help/../../pyproject.toml")).status_code == 404
    assert (await asked(db, "/help/internals")).status_code == 404
    assert (await asked(db, "/help", access=TOKEN)).status_code == 401


async def test_head_is_answered_like_get_without_a_body(db: Path) -> None:
    """On every address that GET has: status, type and length are those of GET."""
    async with asking(app_over(db)) as client:
        for path in ("/", "/api/orgs", "/api/orgs/none", "/api/meta", "/openapi.json", "/app.js",
                     "/help", "/docs"):  # fmt: skip
            got, asked_head = await client.get(path), await client.head(path)
            assert asked_head.status_code == got.status_code, path
            assert asked_head.content == b""
            for name in ("content-type", "content-length", "etag", "content-security-policy"):
                assert asked_head.headers.get(name) == got.headers.get(name), (path, name)
