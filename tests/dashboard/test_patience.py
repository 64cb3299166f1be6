"""Connections that send no whole request, and too many of them: a real server, real sockets."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress
from pathlib import Path

import pytest
import uvicorn

from salesmap_async.dashboard.server import listening
from salesmap_async.dashboard.web import patience
from salesmap_async.dashboard.web.patience import PatientProtocol
from tests.support.dashboard_db import VECTOR, app_over, make_db

WHOLE = b"GET /api/health HTTP/1.1\r\nHost: localhost\r\n\r\n"


@pytest.fixture
async def port(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[int]:
    """A server that waits for a moment only."""
    monkeypatch.setattr(patience, "PATIENCE_S", 0.2)
    monkeypatch.setattr(patience, "MOST_CONNECTIONS", 5)
    app = app_over(make_db(tmp_path / "final.db", VECTOR))
    config = uvicorn.Config(app, http=PatientProtocol, log_level="critical", lifespan="off")
    server = uvicorn.Server(config)
    with listening("127.0.0.1", 0) as listener:
        serving = asyncio.create_task(server.serve(sockets=[listener]))
        yield listener.getsockname()[1]
        server.should_exit = True
        await serving


@pytest.mark.parametrize(
    "sent",
    [
        b"",
        b"GET /api/health HTTP/1.1\r\nHost: local",
        b"GET /api/health HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9\r\n\r\nhalf",
        WHOLE + b"GET /api/health HTTP/1.1\r\nHo",
    ],
)
async def test_half_a_request_is_not_waited_for(port: int, sent: bytes) -> None:
    """The first one, its body, and the next one on the same connection: each is closed."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(sent)
    async with asyncio.timeout(30):
        answered = await reader.read()
    assert answered.count(b"200 OK") == sent.count(WHOLE) or b"half" in sent
    writer.close()
    await writer.wait_closed()


async def test_a_whole_request_is_answered(port: int) -> None:
    """Also when it comes byte by byte, and a second one on the same connection."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    for _ in range(2):
        for byte in WHOLE:
            writer.write(bytes([byte]))
            await writer.drain()
        async with asyncio.timeout(30):
            head = await reader.readuntil(b"\r\n\r\n")
            assert b"200 OK" in head
            await reader.readexactly(len(b'{"status":"ok"}'))
    writer.close()
    await writer.wait_closed()


async def test_a_connection_too_many_is_not_answered(
    port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is closed whatever it sends; the others go on being answered."""
    monkeypatch.setattr(patience, "PATIENCE_S", 60.0)
    opened = [await asyncio.open_connection("127.0.0.1", port) for _ in range(5)]
    async with asyncio.timeout(30):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(WHOLE)
        with suppress(ConnectionError):
            assert await reader.read() == b""
        opened[0][1].write(WHOLE)
        assert b"200 OK" in await opened[0][0].readuntil(b"\r\n\r\n")
    for _, each in (*opened, (reader, writer)):
        each.close()
        with suppress(ConnectionError):
            await each.wait_closed()
