"""A server on raw sockets that answers exactly what a test writes, byte for byte.

For what no HTTP library would send: broken framing, a trickle, a connection closed on reuse.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Self

GOOD_PAGE = {"success": True, "data": {"memoList": [{"id": "a"}], "nextCursor": None}}


@dataclass(frozen=True, slots=True)
class Request:
    """One request as it arrived. `number` counts from 1 over all connections."""

    number: int
    connection: int
    at_s: float
    head: str

    @property
    def target(self) -> str:
        return self.head.split(" ", 2)[1]


@dataclass(slots=True, kw_only=True)
class Reply:
    """What to write, and whether the connection stays open. `drip_s`: seconds between bytes."""

    data: bytes = b""
    close: bool = False
    abort: bool = False
    drip_s: float = 0.0
    hang: bool = False


Script = Callable[[Request], Reply | Awaitable[Reply]]


def answer(
    body: bytes | Any = GOOD_PAGE, *, status: str = "200 OK", headers: str = "", length: int = -1
) -> bytes:
    """Return a well-formed HTTP answer; `length` overrides Content-Length."""
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    kind = "" if "content-type" in headers.lower() else "Content-Type: application/json\r\n"
    size = len(raw) if length < 0 else length
    return f"HTTP/1.1 {status}\r\n{kind}{headers}Content-Length: {size}\r\n\r\n".encode() + raw


@dataclass(slots=True)
class BadServer:
    """`async with BadServer(script) as server`: each request is answered by what `script` says."""

    script: Script
    requests: list[Request] = field(default_factory=list)
    base_url: str = ""
    open_connections: int = 0
    _connections: int = 0
    _server: asyncio.Server | None = None
    _stopping: asyncio.Event = field(default_factory=asyncio.Event)
    _tasks: set[asyncio.Task[None]] = field(default_factory=set)
    _changed: asyncio.Event = field(default_factory=asyncio.Event)

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", 0)
        port = self._server.sockets[0].getsockname()[1]
        self.base_url = f"http://127.0.0.1:{port}"
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._stopping.set()
        if self._server is not None:
            self._server.close()
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def no_connection_left(self, within_s: float = 5.0) -> None:
        """Wait until every client has closed its connections. Raises TimeoutError."""
        async with asyncio.timeout(within_s):
            while self.open_connections:
                self._changed.clear()
                await self._changed.wait()

    async def arrived(self, number: int, within_s: float = 5.0) -> None:
        """Wait until `number` requests have arrived. Raises TimeoutError."""
        async with asyncio.timeout(within_s):
            while len(self.requests) < number:
                self._changed.clear()
                await self._changed.wait()

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        self._connections += 1
        self.open_connections += 1
        try:
            await self._serve(self._connections, reader, writer)
        except (ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):
            pass
        finally:
            writer.transport.abort()
            self.open_connections -= 1
            self._tasks.discard(task)
            self._changed.set()

    async def _serve(
        self, connection: int, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        while True:
            head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
            request = Request(len(self.requests) + 1, connection, time.monotonic(), head)
            self.requests.append(request)
            self._changed.set()
            reply = self.script(request)
            if not isinstance(reply, Reply):
                reply = await reply
            if reply.abort:
                return
            step = 1 if reply.drip_s else len(reply.data)
            for start in range(0, len(reply.data), max(step, 1)):
                writer.write(reply.data[start : start + step])
                await writer.drain()
                if reply.drip_s:
                    await asyncio.sleep(reply.drip_s)
            if reply.hang:
                await reader.read()  # until the client goes away
                return
            if reply.close:
                writer.close()
                await writer.wait_closed()
                return
