"""What a fault makes of a good answer: spoiled data, spoiled bytes, a spoiled connection."""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Iterator
from typing import Any

from aiohttp import web

from salesmap_async.sandbox import answers
from salesmap_async.sandbox.faults import Cut, Fault

_CHUNK = 64 * 1024


def spoiled_data(fault: Fault, list_key: str, data: dict[str, Any]) -> dict[str, Any]:
    """Return the whole payload of an answer whose JSON is right and whose content is not."""
    match fault.action:
        case "no_list_key":
            data.pop(list_key, None)
        case "list_not_list":
            data[list_key] = {"0": "list_not_list"}
        case "drop_envelope":
            return data
        case "success_false":
            return {"success": False, "message": "OK", "reason": fault.reason}
    return answers.success(data)


def with_cursor(data: dict[str, Any], cursor: str | None) -> dict[str, Any]:
    """Return `data` with its next cursor, however its key is spelled, replaced."""
    kept = {key: value for key, value in data.items() if key not in ("nextCursor", "nextCurosr")}
    return {**kept, "nextCursor": cursor}


def spoiled_response(fault: Fault, body: bytes) -> web.Response:
    """Return the answer of a fault that needs no more than the good answer's bytes."""
    match fault.action:
        case "status" if fault.body is not None:
            kind = "text/html" if fault.shape == "html" else "application/json"
            return web.Response(text=fault.body, status=fault.status, content_type=kind)
        case "status":
            return answers.error(fault.status, fault.reason, shape=fault.shape)
        case "429":
            return answers.too_many(fault.seconds, flavour=fault.flavour, header=fault.header)
        case "html":
            return answers.html(200, fault.body)
        case "empty_200":
            return web.Response(body=b"", content_type="application/json")
        case "garbage":
            text = body[: len(body) // 2] if fault.body is None else fault.body.encode()
            return answers.json_response(text)
        case "gzip_cut":
            return _gzip_cut(body)
        case "redirect":
            return web.Response(status=302, headers={"Location": fault.url})
    raise AssertionError(fault.action)


def cut_off(request: web.Request, body: bytes, cut: Cut) -> None:
    """Write half an answer past the server and close the connection."""
    half = body[: len(body) // 2]
    framing, payload = {
        "length": (b"Content-Length: %d\r\n" % len(body), half),
        "chunked": (b"Transfer-Encoding: chunked\r\n", b"%x\r\n%s\r\n" % (len(half), half)),
        "close": (b"Connection: close\r\n", half),
    }[cut]
    if request.transport is not None:
        head = b"HTTP/1.1 200 OK\r\nContent-Type: application/json; charset=utf-8\r\n"
        request.transport.write(head + framing + b"\r\n" + payload)
        request.transport.close()


def reset(request: web.Request) -> None:
    """Drop the connection before a byte of the answer is written."""
    if request.transport is not None:
        request.transport.abort()


async def send_huge(request: web.Request, fault: Fault) -> web.StreamResponse:
    """Stream `size_bytes` of JSON text; `compressed` makes it small on the wire."""
    answer = web.StreamResponse(headers={"Content-Type": "application/json; charset=utf-8"})
    if fault.compressed:
        answer.headers["Content-Encoding"] = "gzip"
    chunks = _huge_text(fault.size_bytes)
    await answer.prepare(request)
    for chunk in _gzipped(chunks) if fault.compressed else chunks:
        await answer.write(chunk)
    await answer.write_eof()
    return answer


def _huge_text(size_bytes: int) -> Iterator[bytes]:
    head, tail = b'{"success":true,"data":{"filler":"', b'"}}'
    yield head
    left = size_bytes - len(head) - len(tail)
    while left > 0:
        yield b"x" * min(_CHUNK, left)
        left -= _CHUNK
    yield tail


def _gzipped(chunks: Iterator[bytes]) -> Iterator[bytes]:
    packer = zlib.compressobj(wbits=31)
    for chunk in chunks:
        if packed := packer.compress(chunk):
            yield packed
    yield packer.flush()


def _gzip_cut(body: bytes) -> web.Response:
    packed = gzip.compress(body, mtime=0)
    answer = answers.json_response(packed[: len(packed) // 2])
    answer.headers["Content-Encoding"] = "gzip"
    return answer
