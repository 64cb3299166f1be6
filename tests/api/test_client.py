"""The client over real sockets: what is tried again, what never is, what leaves the machine."""

from __future__ import annotations

import asyncio
import json
import time
import traceback
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from typing import Any

import pytest

from salesmap_async.api.client import Client
from salesmap_async.api.pages import Page
from salesmap_async.api.throttle import Throttle
from salesmap_async.errors import (
    QuotaExhaustedError,
    RequestRefusedError,
    SalesmapError,
    StoppedError,
    TokenRefusedError,
    UnusableAnswerError,
    UsageError,
)
from salesmap_async.events import GateClosed, RequestRetried
from salesmap_async.sandbox import SANDBOX_TOKEN, Fault, Sandbox, Workspace
from salesmap_async.settings import Secret
from salesmap_async.stop import Stop
from tests.support.bad_server import BadServer, Reply, Request, Script, answer
from tests.support.broken_answers import BROKEN, HTML
from tests.support.runs import Events

CANARY = "canary-7f3a"
GOOD = Reply(data=answer())


class Asking:
    """A client and its throttle for `base_url`; `page` asks `/memo` as a worker does."""

    def __init__(self, base_url: str, events: Events, **overrides: Any) -> None:
        self.events = events
        self.stop = Stop()
        self.throttle = Throttle(
            min_interval_s=overrides.pop("min_interval_s", 0),
            backoff_s=0.01,
            max_backoff_s=0.05,
            max_429_wait_s=overrides.pop("max_429_wait_s", 600.0),
            stop=self.stop,
            tell=events,
        )
        usual: dict[str, Any] = {
            "token": Secret(CANARY),
            "max_retries": 3,
            "backoff_s": 0.01,
            "max_backoff_s": 0.025,
            "request_timeout_s": 5.0,
        }
        self.client = Client(
            base_url=base_url,
            throttle=self.throttle,
            stop=self.stop,
            tell=events,
            **(usual | overrides),
        )

    async def page(self, path: str = "/memo", cursor: str | None = None) -> Page:
        slot = await self.throttle.slot()
        return await self.client.page(path, "memoList", cursor, slot)

    def waits(self) -> list[float]:
        return [event.wait_s for event in self.events.of(RequestRetried)]


Start = Callable[..., Any]


@pytest.fixture
async def start(events: Events) -> AsyncIterator[Start]:
    """Start a bad server with a script (or a Sandbox) and a client for it."""
    async with AsyncExitStack() as stack:

        async def begin(server: Script | Sandbox, **overrides: Any) -> tuple[Any, Asking]:
            if isinstance(server, Sandbox):
                running: Any = await stack.enter_async_context(server)
                overrides = {"token": Secret(SANDBOX_TOKEN)} | overrides
            else:
                running = await stack.enter_async_context(BadServer(server))
            asking = Asking(running.base_url, events, **overrides)
            await stack.enter_async_context(asking.client)
            return running, asking

        yield begin


def always(**reply: Any) -> Script:
    return lambda request: Reply(**reply)


# What is tried again


@pytest.mark.parametrize("name", BROKEN)
async def test_a_broken_answer_is_tried_again_and_then_named(start: Start, name: str) -> None:
    """Three retries, with waits of backoff x attempt up to the cap, then path and cause by name."""
    reply, cause = BROKEN[name]
    server, asking = await start(lambda request: reply)
    with pytest.raises(UnusableAnswerError, match=cause) as caught:
        await asking.page()
    assert "GET /memo" in str(caught.value)
    assert "(tried 4 times)" in str(caught.value)
    assert len(asking.events.of(RequestRetried)) == 3
    assert asking.waits() == [0.01, 0.02, 0.025]
    assert asking.client.sent.retries == 3
    # aiohttp may repeat a GET on a connection that was closed under it; each one is counted.
    assert len(server.requests) == asking.client.sent.requests >= 4


@pytest.mark.parametrize("name", BROKEN)
async def test_a_good_answer_after_a_broken_one_is_the_page(start: Start, name: str) -> None:
    """One retry is enough when the server has recovered, and the page is whole."""
    broken, _ = BROKEN[name]
    _, asking = await start(lambda request: broken if request.number == 1 else GOOD)
    page = await asking.page()
    assert page == Page([{"id": "a"}], None)


async def test_without_retries_the_first_failure_counts(start: Start) -> None:
    """`--max-retries 0` asks once."""
    server, asking = await start(always(data=answer(b"")), max_retries=0)
    with pytest.raises(UnusableAnswerError, match=r"tried once"):
        await asking.page()
    assert len(server.requests) == 1


async def test_a_charset_that_does_not_exist_is_no_obstacle(start: Start) -> None:
    """JSON is UTF-8, whatever the label says."""
    body = json.dumps({"success": True, "data": {"memoList": [{"id": "김"}]}}, ensure_ascii=False)
    headers = "Content-Type: application/json; charset=nope\r\n"
    _, asking = await start(always(data=answer(body.encode(), headers=headers)))
    assert (await asking.page()).records == [{"id": "김"}]


async def test_a_server_that_is_not_there_is_tried_again(events: Events) -> None:
    """A refused connection is trouble that may pass, and is named when it does not."""
    async with BadServer(lambda request: GOOD) as server:
        gone = server.base_url
    asking = Asking(gone, events)
    async with asking.client:
        with pytest.raises(UnusableAnswerError, match=r"connection trouble.*\(tried 4 times\)"):
            await asking.page()
    assert len(asking.waits()) == 3


async def test_a_hang_is_bounded_by_the_time_without_progress(start: Start) -> None:
    """A server that takes the request and says nothing is given up after the timeout."""
    server, asking = await start(always(hang=True), request_timeout_s=0.2, max_retries=1)
    with pytest.raises(UnusableAnswerError, match="SocketTimeoutError"):
        await asking.page()
    assert len(server.requests) == 2
    await server.no_connection_left()


async def test_a_trickle_is_bounded_by_the_time_of_a_whole_answer(start: Start) -> None:
    """A byte now and then is progress, but not for ever: ten timeouts are the end."""
    server, asking = await start(
        always(data=answer(b" " * 100_000), drip_s=0.02), request_timeout_s=0.1, max_retries=0
    )
    with pytest.raises(UnusableAnswerError, match="Timeout"):
        async with asyncio.timeout(30):
            await asking.page()
    await server.no_connection_left()


# What is never tried again


@pytest.mark.parametrize(
    ("status", "kind", "said"),
    [
        (400, RequestRefusedError, "answered 400: 왜"),
        (401, TokenRefusedError, "answered 401: 왜"),
        (403, TokenRefusedError, "answered 403: 왜"),
        (404, RequestRefusedError, "answered 404: 왜"),
        (405, RequestRefusedError, "answered 405: 왜"),
        (410, RequestRefusedError, "answered 410: 왜"),
    ],
)
async def test_a_refusal_is_not_repeated(
    start: Start, status: int, kind: type[SalesmapError], said: str
) -> None:
    """Asking again cannot help; the message has the path, the status and the server's reason."""
    server, asking = await start(always(data=answer({"reason": "왜"}, status=f"{status} No")))
    with pytest.raises(kind, match=f"GET /memo {said}") as caught:
        await asking.page()
    assert len(server.requests) == 1
    assert caught.value.cure or status in (400, 405, 410)


async def test_a_404_page_is_not_repeated_and_names_the_cure(start: Start) -> None:
    """The HTML page of a route that does not exist points to --base-url."""
    server, asking = await start(always(data=answer(HTML, status="404 Not Found")))
    with pytest.raises(RequestRefusedError, match=r"answered 404$") as caught:
        await asking.page()
    assert "--base-url" in caught.value.cure
    assert len(server.requests) == 1


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
async def test_a_redirect_is_not_followed(start: Start, status: int) -> None:
    """The host that a redirect names receives nothing at all, above all not the token."""
    async with BadServer(lambda request: GOOD) as other:
        location = f"Location: {other.base_url}/memo\r\n"
        server, asking = await start(
            always(data=answer(b"", status=f"{status} There", headers=location))
        )
        with pytest.raises(UnusableAnswerError, match=r"redirect to 127.0.0.1, which is not foll"):
            await asking.page()
        assert len(server.requests) > 1  # a portal's redirect may be over in a moment
        assert other.requests == []


async def test_a_redirect_in_the_api_s_words_is_a_refusal(start: Start) -> None:
    """It is not asked for again."""
    refusal = answer({"success": False, "reason": "moved"}, status="308 There")
    server, asking = await start(always(data=refusal))
    with pytest.raises(RequestRefusedError, match="answered 308: moved"):
        await asking.page()
    assert len(server.requests) == 1


@pytest.mark.parametrize("status", ["400 Bad", "401 No", "403 Forbidden", "407 Proxy", "418 Tea"])
async def test_a_refusal_by_a_proxy_is_asked_again(start: Start, status: str) -> None:
    """A page of HTML is not the API's word, whatever its status: the next answer may be."""
    page = Reply(data=answer(HTML, status=status))
    replies = iter([page])
    server, asking = await start(lambda request: next(replies, GOOD))
    await asking.page()
    assert len(server.requests) == 2


@pytest.mark.parametrize("status", ["401 No", "403 Forbidden"])
async def test_a_proxy_that_stays_is_named(start: Start, status: str) -> None:
    """Where nothing but its page comes, the error says so, and what may help."""
    _, asking = await start(always(data=answer(HTML, status=status)))
    with pytest.raises(UnusableAnswerError, match="not in the API's words") as caught:
        await asking.page()
    assert "--proxy" in caught.value.cure


@pytest.mark.parametrize("status", ["201 Created", "202 Accepted", "206 Partial", "226 IM"])
async def test_only_200_is_a_page(start: Start, status: str) -> None:
    """A part of an answer, or one that is not ready, is not taken for the list."""
    page = answer({"success": True, "data": {"memoList": [], "nextCursor": None}}, status=status)
    _, asking = await start(always(data=page))
    with pytest.raises(UnusableAnswerError, match=f"answered {status[:3]}"):
        await asking.page()


@pytest.mark.parametrize(("asked", "waited_s"), [("0.2", 0.2), ("9999", 0.3)])
async def test_a_503_that_names_a_wait_gets_it(start: Start, asked: str, waited_s: float) -> None:
    """Retry-After counts for every answer that is retried, up to --max-429-wait."""
    busy = answer(HTML, status="503 Busy", headers=f"Retry-After: {asked}\r\n")
    replies = iter([Reply(data=busy)])
    _, asking = await start(lambda request: next(replies, GOOD), max_429_wait_s=0.3)
    await asking.page()
    assert asking.waits() == [waited_s]


@pytest.mark.parametrize("location", ["", "Location: http://[\r\n", "Location: ::\r\n"])
async def test_a_redirect_to_nonsense_is_a_refusal_too(start: Start, location: str) -> None:
    """A redirect with a broken or no target does not break the client."""
    _, asking = await start(always(data=answer(b"", status="302 Found", headers=location)))
    with pytest.raises(UnusableAnswerError, match="answered 302"):
        await asking.page()


@pytest.mark.parametrize("compressed", [False, True])
async def test_a_body_without_end_is_cut_off(start: Start, compressed: bool) -> None:
    """A body above the cap is refused while it arrives, packed or not, and not asked for again."""
    fault = Fault(action="huge", compressed=compressed, size_bytes=30 << 20, times=None)
    sandbox = Sandbox(Workspace.generate(records=50), faults=[fault])
    server, asking = await start(sandbox, max_answer_mib=1)
    with pytest.raises(RequestRefusedError, match="GET /memo: the answer is larger than 1 MiB"):
        await asking.page()
    assert len(server.arrivals) == 1


# 429


async def test_a_429_uses_up_no_retry(start: Start) -> None:
    """Ten refusals in a row, and then the page: nobody counts them as failures."""
    refusal = Reply(data=answer({"reason": "0.01초 후 재시도해주세요."}, status="429 Slow"))
    server, asking = await start(
        lambda request: GOOD if request.number > 10 else refusal, max_retries=0
    )
    assert (await asking.page()).records == [{"id": "a"}]
    assert asking.client.sent.refusals == 10
    assert asking.client.sent.retries == 0
    assert {event.cause for event in asking.events.of(GateClosed)} == {"the answer's text"}
    assert len(server.requests) == 11


async def test_a_429_that_asks_for_too_long_ends_the_run(start: Start) -> None:
    """A wait above --max-429-wait is not begun."""
    _, asking = await start(
        always(data=answer(b"", status="429 Slow", headers="Retry-After: 3600\r\n"))
    )
    with pytest.raises(QuotaExhaustedError, match="3600 s"):
        await asking.page()


# The connection


async def test_the_hidden_repeat_takes_a_slot_of_its_own(start: Start) -> None:
    """aiohttp repeats a GET by itself when a kept connection was closed: that one waits too (I1).

    The server drops each connection on its second request, so every other page has a repeat; it
    sees all of them at the pace, not two at once.
    """
    seen: set[int] = set()

    def script(request: Request) -> Reply:
        if request.connection in seen:
            return Reply(abort=True)
        seen.add(request.connection)
        return GOOD

    interval_s = 0.05
    server, asking = await start(script, min_interval_s=interval_s, max_retries=0)
    for _ in range(6):
        await asking.page()
    arrivals = [request.at_s for request in server.requests]
    assert len(arrivals) > 6, "the server saw no hidden repeat: this test proves nothing"
    assert asking.client.sent.requests == len(arrivals)
    assert asking.client.sent.retries == 0
    # An arrival may be late on a busy machine, so all of them count together: without a slot for
    # each repeat they would take half of the time.
    assert arrivals[-1] - arrivals[0] >= (len(arrivals) - 1) * interval_s * 0.8


async def test_a_retry_takes_a_slot_of_its_own(start: Start) -> None:
    """Without any backoff a failed page is asked again one interval later, and not sooner (I1)."""
    interval_s = 0.05
    failure = Reply(data=answer(b"", status="500 Sorry"))
    server, asking = await start(
        lambda request: GOOD if request.number > 3 else failure,
        min_interval_s=interval_s,
        backoff_s=0.0,
    )
    await asking.page()
    arrivals = [request.at_s for request in server.requests]
    assert len(arrivals) == 4
    assert arrivals[-1] - arrivals[0] >= 3 * interval_s * 0.8  # at once, but for the slots


async def test_cancelled_in_mid_body_leaves_no_connection(start: Start) -> None:
    """A page that is given up half-way closes its connection; the next page gets a new one."""
    half = answer(length=500)

    def script(request: Request) -> Reply:
        return Reply(data=half, hang=True) if request.number == 1 else GOOD

    server, asking = await start(script)
    task = asyncio.create_task(asking.page())
    await server.arrived(1)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await server.no_connection_left()
    assert (await asking.page()).records == [{"id": "a"}]


async def test_one_answer_at_a_time_is_parsed_and_taken(start: Start) -> None:
    """I7: however many answers come at once, the records of one of them are in memory."""
    _, asking = await start(always(data=answer()))
    inside = most = 0

    async def take(_page: Page) -> None:
        nonlocal inside, most
        inside += 1
        most = max(most, inside)
        for _ in range(20):
            await asyncio.sleep(0)
        inside -= 1

    async def ask() -> None:
        slot = await asking.throttle.slot()
        await asking.client.page("/memo", "memoList", None, slot, take=take)

    await asyncio.gather(*(ask() for _ in range(8)))
    assert most == 1


async def test_a_stop_ends_the_wait_before_a_retry(start: Start) -> None:
    """Nobody waits a minute for a retry that will not come."""
    _, asking = await start(always(data=answer(b"")), backoff_s=300.0, max_backoff_s=300.0)
    task = asyncio.create_task(asking.page())
    async with asyncio.timeout(5):
        while not asking.waits():
            await asyncio.sleep(0)
        asking.stop.request()
        with pytest.raises(StoppedError):
            await task


# What is sent


async def test_the_request_is_what_the_api_expects(start: Start) -> None:
    """Path below the base URL, the cursor as one encoded parameter, the token in its header."""
    server, asking = await start(always(data=answer()))
    await asking.page(cursor="a&b=c/d#김 +%2F")
    (request,) = server.requests
    assert request.target == "/memo?cursor=a%26b%3Dc/d%23%EA%B9%80+%2B%252F"
    assert request.head.count(CANARY) == 1
    assert f"Authorization: Bearer {CANARY}\r\n" in request.head
    assert "Cookie" not in request.head


async def test_cookies_are_not_kept(start: Start) -> None:
    """What one answer sets is not sent with the next request."""
    server, asking = await start(always(data=answer(headers="Set-Cookie: a=1\r\n")))
    await asking.page()
    await asking.page()
    assert "Cookie:" not in server.requests[1].head


async def test_a_proxy_of_the_environment_sees_nothing(
    start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    """HTTP_PROXY would show the token of a loopback run to another process."""
    async with BadServer(lambda request: GOOD) as proxy:
        monkeypatch.setenv("http_proxy", proxy.base_url)
        monkeypatch.setenv("HTTP_PROXY", proxy.base_url)
        server, asking = await start(always(data=answer()))
        await asking.page()
        assert len(server.requests) == 1
        assert proxy.requests == []


@pytest.mark.parametrize("token", ["", "  \n", "a b", "a\nb", "토큰", "a\x00b", "\ufeffabc"])
async def test_a_token_that_no_header_can_carry_is_refused(events: Events, token: str) -> None:
    """Before anything is sent, and without showing the token."""
    with pytest.raises(UsageError, match="the token") as caught:
        Asking("http://127.0.0.1:9", events, token=Secret(token))
    if token.strip():
        assert token not in str(caught.value)


@pytest.mark.parametrize("name", [*BROKEN, "401", "302", "429"])
async def test_no_failure_shows_the_token(start: Start, name: str) -> None:
    """Message, repr, cause and context of every error, and every event, are free of it (I6)."""
    more = {
        "401": answer({"reason": "유효하지 않은 토큰입니다."}, status="401 No"),
        "302": answer(b"", status="302 Found", headers="Location: http://127.0.0.1:9/\r\n"),
        "429": answer(b"", status="429 Slow", headers="Retry-After: 3600\r\n"),
    }
    reply = BROKEN[name][0] if name in BROKEN else Reply(data=more[name])
    _, asking = await start(lambda request: reply)
    with pytest.raises(SalesmapError) as caught:
        await asking.page()
    shown: BaseException | None = caught.value
    assert shown is not None
    assert shown.__cause__ is None
    assert shown.__suppress_context__ or shown.__context__ is None
    told = "".join(traceback.format_exception(shown)) + repr(shown) + repr(vars(shown))
    assert CANARY not in told + repr(asking.events)


# /user/me


async def test_whoami_reads_the_workspace_and_the_clock(start: Start) -> None:
    """The workspace's id and name, and how far the server's clock is from ours."""
    workspace = Workspace.generate(records=50)
    _, asking = await start(Sandbox(workspace))
    began = time.time()
    whoami = await asking.client.whoami()
    assert whoami.workspace_id == workspace.workspace_id
    assert whoami.workspace_name == workspace.workspace_name
    assert whoami.clock_skew_s is not None
    assert abs(whoami.clock_skew_s) <= 2 + (time.time() - began)


@pytest.mark.parametrize(
    "data",
    [{}, {"user": None}, {"user": []}, {"user": {"room": "x"}}, {"user": {"room": {"id": " "}}}],
)
async def test_whoami_survives_an_answer_without_a_workspace(start: Start, data: Any) -> None:
    """Whatever is missing is None."""
    _, asking = await start(always(data=answer({"success": True, "data": data})))
    assert (await asking.client.whoami()).workspace_id is None


async def test_the_client_is_used_inside_its_block_only(events: Events) -> None:
    """A client outside `async with` says so."""
    asking = Asking("http://127.0.0.1:9", events)
    with pytest.raises(RuntimeError, match="async with"):
        await asking.page()
