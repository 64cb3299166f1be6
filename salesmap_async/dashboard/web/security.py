"""Who may ask, under which name, and what a browser may do with the answer.

Customer data: without a token or password only this machine is answered, whatever server runs the
app and on whatever address. A request that was passed on comes from somewhere else, whatever its
address: servers can be told to believe the headers of a proxy. A relay that adds no header cannot
be told from this machine; `serve` and the manual say so. The Host header is checked, so that
no other site can make a visitor's browser ask in its name (DNS rebinding). Scripts come from the
app's own files alone.
"""

from __future__ import annotations

import ipaddress
from typing import Any

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from salesmap_async.dashboard.web.access import Access
from salesmap_async.dashboard.web.answers import Answer

PAGE_ORIGINS = ("http://localhost:8001", "http://127.0.0.1:8001")
"""Where the runbook's static server shows the page."""

FILE_ORIGIN = "null"
_PASSED_ON = frozenset(
    {
        "forwarded",
        "via",
        "cdn-loop",
        "true-client-ip",
        "fastly-client-ip",
        "fly-client-ip",
    }
)
_PASSED_ON_BEGIN = (
    "x-forwarded",
    "x-real-ip",
    "x-original-",
    "x-client-ip",
    "x-cluster-client-ip",
    "x-envoy-",
    "x-amzn-",
    "x-azure-",
    "x-appengine-",
    "cf-",
)
"""Headers by which a proxy or a tunnel says whom it asks for, and how such headers begin."""

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


class HeadAsGet:
    """Answers HEAD as GET would be answered, without the body."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def send_without_body(message: Message) -> None:
            if message["type"] == "http.response.body":
                message = {**message, "body": b""}
            await send(message)

        if scope["type"] == "http" and scope["method"] == "HEAD":
            await self._app({**scope, "method": "GET"}, receive, send_without_body)
        else:
            await self._app(scope, receive, send)


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
        by = next(filter(_tells_of_a_relay, headers), None)
        if by is not None:
            said = f"This was passed on by a proxy or a tunnel ({by}); set a token to share this"
            return Answer({"detail": said}, 403)
        return None


def is_loopback(client: Any) -> bool:
    """Tell whether a client address, as ASGI gives it, is this machine. None: unknown, so no."""
    try:
        address = ipaddress.ip_address(str(client[0]).partition("%")[0])
    except (TypeError, IndexError, ValueError):
        return False
    mapped = getattr(address, "ipv4_mapped", None)
    return bool((mapped or address).is_loopback)


def _tells_of_a_relay(header: str) -> bool:
    return header in _PASSED_ON or header.startswith(_PASSED_ON_BEGIN)


def is_known_host(host: str, access: Access) -> bool:
    """Tell whether a Host header names this server.

    Behind a token also any IP address does: no other site can own one as its name.
    """
    name = _without_port(host.strip().lower())
    if name in _LOOPBACK_NAMES or name in {each.lower() for each in access.hosts}:
        return True
    return access.needs_proof and _is_address(name)


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
