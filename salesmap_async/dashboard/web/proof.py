"""What proves who asks: a token or a password in a header, or the cookie that a token became.

`serve --with-token` prints an address that carries the token. A browser that opens it gets a cookie
instead, so that the token stands neither in the address bar nor in what scripts can read. A wrong
proof is answered the later the more of them came from that address, and is logged without it.
"""

from __future__ import annotations

import asyncio
import base64
import binascii
import hmac
import logging
from collections import OrderedDict
from hashlib import sha256
from http.cookies import CookieError, SimpleCookie
from typing import Any
from urllib.parse import parse_qs

from starlette.datastructures import Headers
from starlette.responses import RedirectResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from salesmap_async.dashboard.web.access import Access
from salesmap_async.dashboard.web.answers import Answer

FIRST_DELAY_S, LONGEST_DELAY_S = 0.1, 5.0
MOST_WAITING = 5
"""Answers to wrong proofs of one address that wait at the same time."""

_MOST_ADDRESSES = 1_000
logger = logging.getLogger(__name__)


class Proof:
    """Asks for the token or the password, where one is set."""

    def __init__(self, app: ASGIApp, access: Access) -> None:
        self._app = app
        self._access = access
        self._wrong = _WrongProofs()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or not self._access.needs_proof:
            await self._app(scope, receive, send)
            return
        await (await self._answerer(scope))(scope, receive, send)

    async def _answerer(self, scope: Scope) -> ASGIApp:
        """Return what answers: the app, a redirection to the page, or a refusal."""
        headers, in_address = Headers(scope=scope), _token_in_address(scope)
        given = (
            headers.get("authorization", "").encode("latin-1").decode("utf-8", "surrogateescape")
        )
        if not in_address and _is_of_cookie(headers.get("cookie", ""), scope, self._access):
            return self._app
        if not (given or in_address):
            return _unproven(self._access)
        address = str((scope.get("client") or ("unknown",))[0])
        if self._wrong.waiting(address) >= MOST_WAITING:
            return _too_many()
        if in_address:
            if self._access.token is not None and _same(in_address, self._access.token.reveal()):
                self._wrong.forget(address)
                return _with_cookie(scope, self._access)
        elif is_proven(given, self._access):
            self._wrong.forget(address)
            return self._app
        await self._wrong.note(address)
        return _unproven(self._access)


class _WrongProofs:
    """How many wrong proofs in a row came from each address, and how many of them wait."""

    def __init__(self) -> None:
        self._counts: OrderedDict[str, int] = OrderedDict()
        self._waiting: dict[str, int] = {}

    def waiting(self, address: str) -> int:
        return self._waiting.get(address, 0)

    def forget(self, address: str) -> None:
        self._counts.pop(address, None)

    async def note(self, address: str) -> None:
        """Log one more, and wait as long as that many are worth."""
        count = self._counts.pop(address, 0) + 1
        self._counts[address] = count
        while len(self._counts) > _MOST_ADDRESSES:
            self._counts.popitem(last=False)
        logger.warning("wrong token or password from %s, %d in a row", address, count)
        self._waiting[address] = self._waiting.get(address, 0) + 1
        try:
            await asyncio.sleep(min(FIRST_DELAY_S * 2 ** min(count - 1, 10), LONGEST_DELAY_S))
        finally:
            self._waiting[address] -= 1
            if not self._waiting[address]:
                del self._waiting[address]


def is_proven(authorization: str, access: Access) -> bool:
    """Tell whether an Authorization header holds the token, or the user and the password.

    A browser can only ask for a password: there the token is good as one, with any user name.
    """
    scheme, _, given = authorization.partition(" ")
    given = given.strip()
    if scheme.lower() == "bearer":
        return access.token is not None and _same(given, access.token.reveal())
    if scheme.lower() != "basic":
        return False
    try:
        pair = base64.b64decode(given, validate=True).decode()
    except (binascii.Error, UnicodeDecodeError, ValueError):
        return False
    user, _, password = pair.partition(":")
    by_token = access.token is not None and _same(password, access.token.reveal())
    by_password = access.password is not None and (
        _same(user, access.user or "") & _same(password, access.password.reveal())
    )
    return by_token or by_password


def _token_in_address(scope: Scope) -> str:
    """Return the token of `/?token=`; only the page's own address carries one."""
    if scope["path"] != "/":
        return ""
    query: bytes = scope.get("query_string", b"")
    return next(iter(parse_qs(query.decode("latin-1")).get("token", [])), "")


def _with_cookie(scope: Scope, access: Access) -> RedirectResponse:
    """Return the way to the page, with a cookie that no script and no other site can use."""
    answer = RedirectResponse("/", status_code=303)
    answer.set_cookie(
        _cookie_name(scope),
        _cookie_of(access),
        httponly=True,
        samesite="strict",
        secure=scope.get("scheme") == "https",
    )
    answer.headers["Cache-Control"] = "no-store"
    return answer


def _is_of_cookie(header: str, scope: Scope, access: Access) -> bool:
    if not header or access.token is None:
        return False
    try:
        found = SimpleCookie(header).get(_cookie_name(scope))
    except CookieError:
        return False
    return found is not None and _same(found.value, _cookie_of(access))


def _cookie_name(scope: Scope) -> str:
    """Return the name: browsers share cookies between the ports of a machine."""
    server: Any = scope.get("server") or ("", "")
    return f"salesmap_dashboard_{server[1]}"


def _cookie_of(access: Access) -> str:
    token = access.token.reveal() if access.token else ""
    return hmac.new(token.encode(), b"salesmap dashboard cookie", sha256).hexdigest()


def _unproven(access: Access) -> Answer:
    """Return the refusal; `ask`: for what the page shall ask its visitor."""
    wanted = {"token": access.token is not None, "password": access.password is not None}
    ask = [kind for kind, is_set in wanted.items() if is_set]
    answer = Answer({"detail": "A token or user and password are needed", "ask": ask}, 401)
    answer.headers["WWW-Authenticate"] = 'Basic realm="salesmap", charset="UTF-8"'
    return answer


def _too_many() -> Answer:
    answer = Answer({"detail": "Too many wrong tokens or passwords; try again in a moment"}, 429)
    answer.headers["Retry-After"] = str(round(LONGEST_DELAY_S))
    return answer


def _same(given: str, expected: str) -> bool:
    """Compare in a time that tells nothing about where or whether they differ."""
    digests = (sha256(each.encode(errors="surrogateescape")).digest() for each in (given, expected))
    return hmac.compare_digest(*digests)
