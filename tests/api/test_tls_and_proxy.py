"""TLS is always verified; a company's own root or proxy is named explicitly."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
import trustme

from salesmap_async import Secret
from salesmap_async.api.client import Client, Whoami
from salesmap_async.api.throttle import Throttle
from salesmap_async.errors import RequestRefusedError, UnusableAnswerError, UsageError
from salesmap_async.events import ignore
from salesmap_async.settings import Settings
from salesmap_async.stop import Stop

ANSWER = (
    b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nConnection: close\r\n\r\n"
    b'{"success":true,"data":{"user":{"name":"a","room":{"id":"w","name":"x"}}}}'
)


class Server:
    """Answers every connection with ANSWER and keeps what it was sent."""

    def __init__(self) -> None:
        self.heads: list[str] = []
        self.port = 0

    async def answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            self.heads.append((await reader.readuntil(b"\r\n\r\n")).decode())
            writer.write(ANSWER)
            await writer.drain()
        except asyncio.IncompleteReadError:
            self.heads.append("")  # what came was no HTTP
        finally:
            writer.close()


@asynccontextmanager
async def serving(trust: ssl.SSLContext | None = None) -> AsyncIterator[Server]:
    server = Server()
    listening = await asyncio.start_server(server.answer, "127.0.0.1", 0, ssl=trust)
    server.port = listening.sockets[0].getsockname()[1]
    async with listening:
        yield server


async def whoami(base_url: str, **more: object) -> Whoami:
    stop = Stop()
    throttle = Throttle(
        min_interval_s=0,
        backoff_s=0,
        max_backoff_s=0,
        max_429_wait_s=1,
        stop=stop,
        tell=ignore,
    )
    async with Client(
        base_url=base_url,
        token=Secret("a-token"),
        throttle=throttle,
        stop=stop,
        tell=ignore,
        max_retries=0,
        backoff_s=0,
        max_backoff_s=0,
        request_timeout_s=5,
        **more,  # type: ignore[arg-type]
    ) as client:
        return await client.whoami()


async def test_an_unknown_root_is_refused_and_a_named_one_is_trusted(tmp_path: Path) -> None:
    """Without --ca-file the run ends before anything is sent; with it the server is believed."""
    authority = trustme.CA()
    trust = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("localhost").configure_cert(trust)
    root = tmp_path / "회사 root.pem"
    authority.cert_pem.write_to_path(str(root))
    async with serving(trust) as server:
        url = f"https://localhost:{server.port}/api/v2"
        with pytest.raises(RequestRefusedError, match="not trusted") as refusal:
            await whoami(url)
        assert "--ca-file" in refusal.value.cure
        assert server.heads == []
        assert (await whoami(url, ca_file=root)).workspace_id == "w"


async def test_a_server_that_speaks_no_tls_is_connection_trouble() -> None:
    """It may be a moment's trouble: it is retried, and no certificate is blamed."""
    async with serving() as server:
        with pytest.raises(UnusableAnswerError, match="connection trouble"):
            await whoami(f"https://localhost:{server.port}/api/v2")


async def test_only_the_named_proxy_is_used(monkeypatch: pytest.MonkeyPatch) -> None:
    """Proxies of the environment are ignored; --proxy gets the request."""
    async with serving() as proxy, serving() as target, serving() as foreign:
        for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
            monkeypatch.setenv(name, f"http://127.0.0.1:{foreign.port}")
        url = f"http://127.0.0.1:{target.port}/api/v2"
        await whoami(url)
        await whoami(url, proxy=f"http://127.0.0.1:{proxy.port}")
    assert (len(target.heads), len(proxy.heads), foreign.heads) == (1, 1, [])
    assert proxy.heads[0].startswith(f"GET {url}/user/me HTTP/1.1")


@pytest.mark.parametrize("content", [None, "no certificate"])
def test_a_ca_file_that_cannot_be_used_is_named(tmp_path: Path, content: str | None) -> None:
    """A missing or wrong file is one clear line, exit 2."""
    path = tmp_path / "root.pem"
    if content is not None:
        path.write_text(content)

    async def ask() -> None:
        await whoami("https://localhost:1/api/v2", ca_file=path)

    with pytest.raises(UsageError, match="--ca-file"):
        asyncio.run(ask())


@pytest.mark.parametrize(
    "proxy", ["socks5://p.example.com", "p.example.com:80", "http://", "http://u:p@p.example.com"]
)
def test_a_proxy_that_cannot_be_used_is_refused(proxy: str) -> None:
    """Only plain HTTP proxies without credentials: a command line shows what it is given."""
    with pytest.raises(UsageError, match="--proxy"):
        Settings(proxy=proxy)
