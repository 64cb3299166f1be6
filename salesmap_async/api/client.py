"""The only HTTP client: one session, one retry loop, no redirects.

The token is in one header of this session and nowhere else (I6): foreign exceptions, whose repr
may show headers, are never chained or logged; redirects are errors, so no other host sees it.
The caller owns the slot of the first try; every further try takes its own, and so does the repeat
that aiohttp sends by itself on a connection that the server had closed.
"""

from __future__ import annotations

import asyncio
import re
import ssl
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Self, TypeVar
from urllib.parse import quote

import aiohttp
from yarl import URL

from salesmap_async import exact_json
from salesmap_async.api.endpoints import WORKSPACE_PATH, Endpoint
from salesmap_async.api.pages import (
    NOT_FOUND,
    Page,
    http_date,
    is_api_answer,
    parse_data,
    parse_page,
    parse_record,
    refusal_wait,
    server_reason,
)
from salesmap_async.api.paths import PATHS_PATH, paths_in
from salesmap_async.api.throttle import Slot, Throttle
from salesmap_async.errors import (
    RequestRefusedError,
    SalesmapError,
    TokenRefusedError,
    UnusableAnswerError,
    UsageError,
)
from salesmap_async.events import Listener, RequestRetried
from salesmap_async.settings import Secret
from salesmap_async.stop import Stop
from salesmap_async.version import VERSION

_CHUNK_BYTES = 64 * 1024

_Read = TypeVar("_Read")


@dataclass(slots=True)
class Sent:
    """What one client has sent so far."""

    requests: int = 0
    retries: int = 0
    refusals: int = 0
    answers: int = 0
    answered_s: float = 0.0

    @property
    def latency_s(self) -> float:
        """The mean time from a request to the end of its answer; 0 before the first one."""
        return self.answered_s / self.answers if self.answers else 0.0


@dataclass(frozen=True, slots=True)
class Answer:
    """One answer of the server, its body read to the end, and the slot of its request."""

    status: int
    headers: Mapping[str, str]
    body: bytes
    slot: Slot


@dataclass(frozen=True, slots=True)
class Whoami:
    """What `/user/me` tells; None where it does not. `clock_skew_s`: their clock minus ours.

    `role` is the user's in the workspace: it decides which records the lists give.
    """

    workspace_id: str | None
    workspace_name: str | None
    user_name: str | None
    clock_skew_s: float | None
    role: str | None = None


class Client:
    """Asks one page at a time, with retries. Use it as an async context manager.

    `max_retries` retries follow the first try of a page, after `backoff_s` times the attempt, at
    most `max_backoff_s`. `request_timeout_s` bounds the time without progress on one request, ten
    times that one whole answer. `ca_file` adds root certificates to the system's; verification is
    never off. No proxy but `proxy` is used, whatever the environment says. A 429 uses up no retry:
    the throttle makes all workers wait.
    """

    def __init__(
        self,
        *,
        base_url: str,
        token: Secret,
        throttle: Throttle,
        stop: Stop,
        tell: Listener,
        max_retries: int,
        backoff_s: float,
        max_backoff_s: float,
        request_timeout_s: float,
        ca_file: Path | None = None,
        proxy: str | None = None,
        max_answer_mib: int = 64,
    ) -> None:
        self._base_url = base_url
        self._token = _header_safe(token)
        self._throttle = throttle
        self._stop = stop
        self._tell = tell
        self._max_retries = max_retries
        self._backoff_s = backoff_s
        self._max_backoff_s = max_backoff_s
        self._request_timeout_s = request_timeout_s
        self._trust = _trust(ca_file)
        self._proxy = proxy
        self._max_answer_mib = max_answer_mib
        self._session: aiohttp.ClientSession | None = None
        self._turn = asyncio.Lock()  # to parse an answer and take what is in it
        self.sent = Sent()

    async def __aenter__(self) -> Self:
        self._session = aiohttp.ClientSession(
            headers={
                "Authorization": f"Bearer {self._token}",
                "Accept": "application/json",
                "User-Agent": f"salesmap_async/{VERSION}",
            },
            # No limit of its own: the number of workers is the limit.
            connector=aiohttp.TCPConnector(limit=0, ssl=self._trust),
            proxy=self._proxy,
            cookie_jar=aiohttp.DummyCookieJar(),
            timeout=aiohttp.ClientTimeout(
                total=10 * self._request_timeout_s,
                sock_connect=self._request_timeout_s,
                sock_read=self._request_timeout_s,
            ),
        )
        return self

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self._session is not None:
            await self._session.close()
            self._session = None

    async def page(
        self,
        path: str,
        list_key: str,
        cursor: str | None,
        slot: Slot,
        *,
        since: datetime | None = None,
        take: Callable[[Page], Awaitable[None]] | None = None,
    ) -> Page:
        """Fetch and check one page; `slot` is the right to start its first try.

        `since` asks a dated list only for what was created from that moment on. `take` is called
        with the page; the next answer is parsed only after it (I7).

        Raises RequestRefusedError (asking again cannot help), UnusableAnswerError (the retries
        are used up), TokenRefusedError, QuotaExhaustedError or StoppedError.
        """

        def read(answer: Answer) -> Page:
            return parse_page(answer.body, list_key)

        query = {} if since is None else {"startDate": since.isoformat(timespec="milliseconds")}
        if cursor is not None:
            query["cursor"] = cursor
        return await self._ask(path, query, read, slot, take)

    async def has_record(self, endpoint: Endpoint, record_id: str, slot: Slot) -> bool:
        """Ask for one record by its id: does the server have it? Raises like `page`.

        Another record in its place is no answer (UnusableAnswerError).
        """
        path = f"{endpoint.path}/{quote(record_id, safe='')}"

        def read(answer: Answer) -> bool:
            found = parse_record(answer.body, endpoint.single).get(endpoint.id_key)
            if str(found) != record_id:
                raise UnusableAnswerError(f"GET {path} answered with another record", status=200)
            return True

        try:
            return await self._ask(path, {}, read, slot)
        except RequestRefusedError as error:
            if error.status == 400 and NOT_FOUND in error.reason:
                return False
            raise

    async def whoami(self) -> Whoami:
        """Ask `/user/me` which workspace the token belongs to. Raises like `page`."""
        return await self._ask(WORKSPACE_PATH, {}, _read_whoami, await self._throttle.slot())

    async def paths(self) -> frozenset[str]:
        """Return which paths the server says can be read. Raises like `page`."""
        return await self._ask(PATHS_PATH, {}, _read_paths, await self._throttle.slot())

    async def knows_route(self, path: str) -> bool:
        """Tell whether the server has such a route at all. Raises like `page`."""
        try:
            return await self._ask(path, {}, lambda _answer: True, await self._throttle.slot())
        except RequestRefusedError as error:
            return error.status != 404

    async def _ask(
        self,
        path: str,
        query: Mapping[str, str],
        read: Callable[[Answer], _Read],
        slot: Slot,
        take: Callable[[_Read], Awaitable[None]] | None = None,
    ) -> _Read:
        attempt = 1
        while True:
            answer: Answer | None = None
            try:
                answer = await self._send(path, query, slot)
                if answer.status == 429:
                    self.sent.refusals += 1
                    self._throttle.refused(answer.slot, refusal_wait(answer.headers, answer.body))
                else:
                    self._throttle.accepted(answer.slot)
                    if answer.status != 200:
                        raise _error_of(path, self._without_token(answer))
                    async with self._turn:
                        found = read(answer)
                        if take is not None:
                            await take(found)
                        return found
            except UnusableAnswerError as error:
                cause = str(error).replace(self._token, "***")
                if attempt > self._max_retries:
                    raise _exhausted(path, cause, error, attempt) from None
                await self._wait_before_retry(path, cause, attempt, answer)
                attempt += 1
            slot = await self._throttle.slot()

    def _without_token(self, answer: Answer) -> Answer:
        """Return `answer` fit to be quoted: an error text may repeat the header it is about."""
        body = answer.body.replace(self._token.encode(), b"***")
        token = re.compile(re.escape(self._token), re.IGNORECASE)  # a host is shown in lower case
        headers = {name: token.sub("***", value) for name, value in answer.headers.items()}
        return replace(answer, body=body, headers=headers)

    async def _wait_before_retry(
        self, path: str, cause: str, attempt: int, answer: Answer | None
    ) -> None:
        """Wait as long as the attempt's number says, or as the server says where that is longer."""
        wait_s = min(self._backoff_s * attempt, self._max_backoff_s)
        if answer is not None and (asked := refusal_wait(answer.headers, answer.body)):
            wait_s = max(wait_s, min(asked[0], self._throttle.max_429_wait_s))
        self.sent.retries += 1
        self._tell(RequestRetried(f"GET {path}", cause, attempt, self._max_retries, wait_s))
        await self._stop.sleep(wait_s)

    async def _send(self, path: str, query: Mapping[str, str], slot: Slot) -> Answer:
        """Send one request and read its whole answer; translate every foreign error."""
        if self._session is None:
            raise RuntimeError("the client is used outside its `async with` block")
        url = URL(self._base_url + path, encoded=True).update_query(query)
        slots = [slot]
        began_s = time.monotonic()
        try:
            async with self._session.get(
                url, allow_redirects=False, middlewares=(self._pace_repeats(slots),)
            ) as response:
                body = await self._read_body(path, response)
                self.sent.answers += 1
                self.sent.answered_s += time.monotonic() - began_s
                return Answer(response.status, response.headers, body, slots[-1])
        except aiohttp.ClientConnectorCertificateError as error:
            raise _untrusted(error) from None
        except (aiohttp.ClientError, TimeoutError, OSError, ValueError) as error:
            raise UnusableAnswerError(_connection_trouble(error), status=None) from None

    def _pace_repeats(self, slots: list[Slot]) -> aiohttp.ClientMiddlewareType:
        """Return a middleware that lets the first try pass and makes a repeat take a slot.

        `slots` holds the first try's slot; a repeat's is appended.
        """
        tries = 0

        async def pace(
            request: aiohttp.ClientRequest,
            handler: Callable[[aiohttp.ClientRequest], Awaitable[aiohttp.ClientResponse]],
        ) -> aiohttp.ClientResponse:
            nonlocal tries
            tries += 1
            if tries > 1:
                slots.append(await self._throttle.slot())
            self.sent.requests += 1
            return await handler(request)

        return pace

    async def _read_body(self, path: str, response: aiohttp.ClientResponse) -> bytes:
        body = bytearray()
        async for chunk in response.content.iter_chunked(_CHUNK_BYTES):
            body += chunk
            if len(body) > self._max_answer_mib << 20:
                raise RequestRefusedError(
                    f"GET {path}: the answer is larger than {self._max_answer_mib} MiB "
                    "(--max-answer-mib)",
                    status=response.status,
                )
        return bytes(body)


def _trust(ca_file: Path | None) -> ssl.SSLContext:
    context = ssl.create_default_context()
    if ca_file is not None:
        try:
            context.load_verify_locations(ca_file)
        except (OSError, ssl.SSLError) as error:
            raise UsageError(
                f"--ca-file {ca_file} cannot be used: {error.strerror or error}",
                cure="name a file of PEM certificates",
            ) from None
    return context


def _header_safe(token: Secret) -> str:
    text = token.reveal().strip()
    if not text:
        raise UsageError("the token is empty", cure="set SALESMAP_TOKEN, or use --token-file")
    if not text.isascii() or not text.isprintable() or " " in text:
        raise UsageError(
            "the token holds a character that no token has (a space, a line break, a letter "
            "outside ASCII)",
            cure="copy it again from Salesmap's settings",
        )
    return text


def _error_of(path: str, answer: Answer) -> SalesmapError:
    """Return the error that a status other than 200 and 429 stands for.

    A refusal counts as the API's own only in the API's form: what a proxy or a gateway says may be
    over in a moment. A 404 is the exception, where the API itself answers with a page of HTML.
    """
    status = answer.status
    reason = server_reason(answer.body)
    said = f"GET {path} answered {status}" + (reason and f": {reason}")
    of_the_api = status == 404 or is_api_answer(answer.body)
    if status in (401, 403) and of_the_api:
        return TokenRefusedError(said, status=status, cure=_TOKEN_CURES[status])
    if status < 300 or status >= 500 or status in (408, 425):
        return UnusableAnswerError(said, status=status)
    cure = ""
    if 300 <= status < 400:
        host = _host_of(answer.headers.get("Location", ""))
        said += f" (a redirect{f' to {host}' if host else ''}, which is not followed)"
        cure = "check --base-url"
    elif status == 404:
        cure = "there is no such route: check --base-url (https://salesmap.kr/api/v2)"
    if not of_the_api:
        said += ", but not in the API's words"
        cure = cure or "a proxy or a firewall may stand between: check --base-url and --proxy"
        return UnusableAnswerError(said, status=status, cure=cure)
    return RequestRefusedError(said, status=status, reason=reason, cure=cure)


def _host_of(location: str) -> str | None:
    try:
        return URL(location).host
    except ValueError:
        return None


_TOKEN_CURES = {
    401: "set SALESMAP_TOKEN to the workspace's current token (a new token expires the old one)",
    403: "the plan may have no API, or an IP allow-list may leave this machine out",
}


def _exhausted(
    path: str, cause: str, error: UnusableAnswerError, attempts: int
) -> UnusableAnswerError:
    prefix = "" if cause.startswith("GET ") else f"GET {path}: "
    tried = f"(tried {attempts} times)" if attempts > 1 else "(tried once)"
    return UnusableAnswerError(f"{prefix}{cause} {tried}", status=error.status, cure=error.cure)


def _connection_trouble(error: BaseException) -> str:
    text = str(error)
    return f"connection trouble: {type(error).__name__}" + (text and f": {text[:200]}")


def _untrusted(error: aiohttp.ClientConnectorCertificateError) -> RequestRefusedError:
    cause = error.certificate_error
    why = cause.verify_message if isinstance(cause, ssl.SSLCertVerificationError) else str(cause)
    return RequestRefusedError(
        f"the server's certificate is not trusted: {why[:200]}",
        status=0,
        cure="behind a company proxy, name its root certificate with --ca-file",
    )


def _read_paths(answer: Answer) -> frozenset[str]:
    try:
        document = exact_json.loads(answer.body)
    except ValueError:
        document = None
    if not isinstance(document, dict) or "paths" not in document:
        raise UnusableAnswerError("the answer is no list of paths", status=answer.status)
    return paths_in(document)


def _read_whoami(answer: Answer) -> Whoami:
    user = parse_data(answer.body).get("user")
    user = user if isinstance(user, dict) else {}
    room = user.get("room")
    room = room if isinstance(room, dict) else {}
    theirs = http_date(answer.headers.get("Date"))
    return Whoami(
        workspace_id=_text(room.get("id")),
        workspace_name=_text(room.get("name")),
        user_name=_text(user.get("name")),
        clock_skew_s=(theirs - datetime.now(UTC)).total_seconds() if theirs else None,
        role=_role(user.get("role")),
    )


def _role(value: object) -> str | None:
    """Return a role that is told as text, or as an object with a name."""
    return _text(value.get("name") if isinstance(value, dict) else value)


def _text(value: object) -> str | None:
    return value if isinstance(value, str) and value.strip() else None
