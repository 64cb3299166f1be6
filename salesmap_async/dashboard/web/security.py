"""Who may ask, under which name, and what a browser may do with the answer.

Customer data: without a token or password only this machine is answered, whatever server runs the
app and on whatever address. A request that was passed on comes from somewhere else, whatever its
address: servers can be told to believe the headers of a proxy. The Host header is checked, so that
no other site can make a visitor's browser ask in its name (DNS rebinding). Scripts come from the
app's own files alone.
"""

from __future__ import annotations

import base64
import binascii
import hmac
import ipaddress
from hashlib import sha256
from typing import Any

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from salesmap_async.dashboard.web.access import Access
from salesmap_async.dashboard.web.answers import Answer

PAGE_ORIGINS = ("http://localhost:8001", "http://127.0.0.1:8001")
"""Where the runbook's static server shows the page."""

FILE_ORIGIN = "null"
_PASSED_ON = ("Forwarded", "X-Forwarded-For", "X-Real-IP")
"""Headers by which a proxy or a tunnel says whom it asks for."""

_LOOPBACK_NAMES = frozenset({"localhost", "127.0.0.1", "::1"})
_ANYWHERE_HERE = "http://localhost:* http://127.0.0.1:*"
_CONTENT_POLICY = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "img-src 'self' data:",
        "font-src 'self'",
        f"connect-src 'self' {_ANYWHERE_HERE}",
        "frame-src 'self'",
        "base-uri 'none'",
        "form-action 'none'",
        "frame-ancestors 'none'",
    )
)
SAFE_HEADERS = {
    "Content-Security-Policy": _CONTENT_POLICY,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "X-Frame-Options": "DENY",
    "Cross-Origin-Opener-Policy": "same-origin",
}


class SafeHeaders:
    """Adds the headers that tell a browser what is forbidden to every answer."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def send_safely(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message).update(SAFE_HEADERS)
            await send(message)

        await self._app(scope, receive, send_safely if scope["type"] == "http" else send)


class KnownPlaces:
    """Refuses a wrong Host header, and other machines where nothing proves who they are."""

    def __init__(self, app: ASGIApp, access: Access) -> None:
        self._app = app
        self._access = access

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        problem = self._problem(scope) if scope["type"] == "http" else None
        await (problem or self._app)(scope, receive, send)

    def _problem(self, scope: Scope) -> Answer | None:
        headers = Headers(scope=scope)
        host = headers.get("host", "")
        if not is_known_host(host, self._access):
            return Answer({"detail": f"Unknown host {host!r}; see allowed_hosts"}, 400)
        if self._access.needs_proof:
            return None
        if not is_loopback(scope.get("client")):
            said = "This dashboard answers its own machine only; set a token to share it"
            return Answer({"detail": said}, 403)
        by = next((name for name in _PASSED_ON if name in headers), None)
        if by is not None:
            said = f"This was passed on by a proxy or a tunnel ({by}); set a token to share this"
            return Answer({"detail": said}, 403)
        return None


class Proof:
    """Asks for the token or the password, where one is set."""

    def __init__(self, app: ASGIApp, access: Access) -> None:
        self._app = app
        self._access = access

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and self._access.needs_proof:
            header = Headers(scope=scope).get("authorization", "")
            given = header.encode("latin-1").decode("utf-8", "surrogateescape")
            if not is_proven(given, self._access):
                await _unproven(self._access)(scope, receive, send)
                return
        await self._app(scope, receive, send)


def _unproven(access: Access) -> Answer:
    """Return the refusal; `ask`: for what the page shall ask its visitor."""
    wanted = {"token": access.token is not None, "password": access.password is not None}
    ask = [kind for kind, is_set in wanted.items() if is_set]
    answer = Answer({"detail": "A token or user and password are needed", "ask": ask}, 401)
    answer.headers["WWW-Authenticate"] = 'Basic realm="salesmap", charset="UTF-8"'
    return answer


def is_loopback(client: Any) -> bool:
    """Tell whether a client address, as ASGI gives it, is this machine. None: unknown, so no."""
    try:
        address = ipaddress.ip_address(str(client[0]).partition("%")[0])
    except (TypeError, IndexError, ValueError):
        return False
    mapped = getattr(address, "ipv4_mapped", None)
    return bool((mapped or address).is_loopback)


def is_known_host(host: str, access: Access) -> bool:
    """Tell whether a Host header names this server.

    Behind a token also any IP address does: no other site can own one as its name.
    """
    name = _without_port(host.strip().lower())
    if name in _LOOPBACK_NAMES or name in {each.lower() for each in access.hosts}:
        return True
    return access.needs_proof and _is_address(name)


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


def _same(given: str, expected: str) -> bool:
    """Compare in a time that tells nothing about where or whether they differ."""
    digests = (sha256(each.encode(errors="surrogateescape")).digest() for each in (given, expected))
    return hmac.compare_digest(*digests)


def _without_port(host: str) -> str:
    if host.startswith("["):
        return host[1:].partition("]")[0]
    return host.partition(":")[0]


def _is_address(name: str) -> bool:
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True
