"""Serves the application from this process until it is told to stop."""

from __future__ import annotations

import errno
import socket
from collections.abc import Callable

import uvicorn
from fastapi import FastAPI

from salesmap_async.errors import UsageError

_GRACE_S = 3


def serve_app(app: FastAPI, host: str, port: int, *, announce: Callable[[str], None]) -> None:
    """Serve `app` and call `announce` with its address once it listens; port 0: any free one.

    Returns after SIGTERM or Ctrl-C as uvicorn does: the signal is raised again when requests in
    flight have ended. Raises UsageError where the address cannot be used.
    """
    with listening(host, port) as listener:
        bound_port = listener.getsockname()[1]
        config = uvicorn.Config(
            app, log_level="warning", access_log=False, timeout_graceful_shutdown=_GRACE_S
        )
        announce(f"http://{_in_url(host)}:{bound_port}/")
        uvicorn.Server(config).run(sockets=[listener])


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
    if host in ("0.0.0.0", "::"):  # noqa: S104  (only shown: every address means this machine too)
        return "localhost"
    return f"[{host}]" if ":" in host else host
