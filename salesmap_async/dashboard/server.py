"""Serves the application from this process until it is told to stop."""

from __future__ import annotations

import errno
import logging
import socket
from asyncio import CancelledError
from collections.abc import Callable
from contextlib import suppress

import uvicorn
from fastapi import FastAPI

from salesmap_async.dashboard.web.patience import PatientProtocol
from salesmap_async.errors import UsageError

_GRACE_S = 3
_EVERY_ADDRESS = {
    "0.0.0.0": (socket.AF_INET, "192.0.2.1"),  # noqa: S104  (only compared)
    "::": (socket.AF_INET6, "2001:db8::1"),
}
"""Host that means every address -> its family, and an address of it that is never this machine."""

Announce = Callable[[str, str | None], None]
"""Takes the address for this machine, and the one for others, where they can reach the server."""


def serve_app(app: FastAPI, host: str, port: int, *, announce: Announce) -> None:
    """Serve `app` and call `announce` with its addresses once it listens; port 0: any free one.

    Returns after Ctrl-C when requests in flight have ended; a second one cuts them short. SIGTERM
    is raised again then. Raises UsageError where the address cannot be used.
    """
    with listening(host, port) as listener:
        bound_port = listener.getsockname()[1]
        config = uvicorn.Config(
            app,
            http=PatientProtocol,
            log_level="warning",
            access_log=False,
            lifespan="off",
            timeout_graceful_shutdown=_GRACE_S,
        )
        logging.getLogger("uvicorn.error").addFilter(_is_worth_a_line)
        others = _for_others(host)
        here = f"http://{_in_url(host)}:{bound_port}/"
        for_others = f"http://{others}:{bound_port}/" if others else None
        with suppress(KeyboardInterrupt):
            _Server(config, lambda: announce(here, for_others)).run(sockets=[listener])


class _Server(uvicorn.Server):
    """Says that it serves once a signal would end it: one that comes before could be lost."""

    def __init__(self, config: uvicorn.Config, announce: Callable[[], None]) -> None:
        super().__init__(config)
        self._announce = announce

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Start to answer, and say so."""
        await super().startup(sockets=sockets)
        self._announce()


def _is_worth_a_line(record: logging.LogRecord) -> bool:
    """Tell whether a line of the log is about more than a request that Ctrl-C has cut short."""
    error = record.exc_info[1] if record.exc_info else None
    return not isinstance(error, CancelledError | KeyboardInterrupt)


def listening(host: str, port: int) -> socket.socket:
    """Return a socket that listens. Raises UsageError where the address cannot be used."""
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
    except (OSError, UnicodeError) as error:
        raise UsageError(f"--host {host} is no address of this machine: {error}") from None
    listener = socket.socket(family, kind, protocol)
    try:
        if hasattr(socket, "SO_EXCLUSIVEADDRUSE"):  # Windows would share the port with another
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_EXCLUSIVEADDRUSE, 1)
        else:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(address)
        listener.listen(128)
    except OSError as error:
        listener.close()
        raise _not_bound(host, port, error) from None
    return listener


def _not_bound(host: str, port: int, error: OSError) -> UsageError:
    if error.errno in (errno.EADDRINUSE, getattr(errno, "WSAEACCES", errno.EADDRINUSE)):
        return UsageError(
            f"port {port} on {host} is in use, perhaps by another dashboard",
            cure="stop that program, or choose another --port; 0 takes any free one",
        )
    return UsageError(f"cannot listen on {host}, port {port}: {error.strerror}")


def _in_url(host: str) -> str:
    if host in _EVERY_ADDRESS:
        return "localhost"
    return f"[{host}]" if ":" in host else host


def _for_others(host: str) -> str | None:
    """Return what others write for this machine, where the server listens on every address."""
    if host not in _EVERY_ADDRESS:
        return None
    family, outside = _EVERY_ADDRESS[host]
    try:
        with socket.socket(family, socket.SOCK_DGRAM) as unsent:
            unsent.connect((outside, 9))  # of UDP: chooses the own address, sends nothing
            return _in_url(unsent.getsockname()[0])
    except OSError:
        return "<this machine's address>"
