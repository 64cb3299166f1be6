"""Answers that are not what they claim to be, and what is said of each."""

from __future__ import annotations

import gzip
import json

from tests.support.bad_server import Reply, answer

HTML = b"<!DOCTYPE html><html><body>maintenance</body></html>"
PACKED = gzip.compress(json.dumps({"success": True, "data": {"memoList": []}}).encode())
BROKEN: dict[str, tuple[Reply, str]] = {
    "reset": (Reply(abort=True), "ServerDisconnectedError"),
    "garbage status line": (
        Reply(data=b"SMTP ready\r\n\r\n", close=True),
        "connection trouble: .*400, message=.Bad status line",
    ),
    "header too long": (
        Reply(data=answer(headers="X-Long: " + "x" * 9000 + "\r\n"), close=True),
        "LineTooLong|Header|ClientResponseError",
    ),
    "shorter than its length": (Reply(data=answer(length=500), close=True), "ClientPayloadError"),
    "broken chunk": (
        Reply(
            data=b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n{}\r\n",
            close=True,
        ),
        "connection trouble",
    ),
    "cut at close": (
        Reply(data=b'HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n{"success": tr', close=True),
        "not valid JSON",
    ),
    "gzip that is none": (
        Reply(data=answer(b"not gzip", headers="Content-Encoding: gzip\r\n"), close=True),
        "connection trouble",
    ),
    "gzip cut": (
        Reply(data=answer(PACKED[:-12], headers="Content-Encoding: gzip\r\n")),
        "not valid JSON|connection trouble",
    ),
    "garbage": (Reply(data=answer(b"\x00\x01\x02")), "not valid JSON"),
    "not UTF-8": (Reply(data=answer('{"success": true, "x": "김"}'.encode("cp949"))), "JSON"),
    "html": (Reply(data=answer(HTML, headers="Content-Type: text/html\r\n")), "HTML page"),
    "success false": (Reply(data=answer({"success": False, "reason": "왜"})), "success: 왜"),
    "empty 200": (Reply(data=answer(b"")), "is empty"),
    "204": (Reply(data=b"HTTP/1.1 204 No Content\r\n\r\n"), "answered 204"),
    "no list key": (Reply(data=answer({"success": True, "data": {}})), "memoList is missing"),
    "500 json": (Reply(data=answer({"reason": "아야"}, status="500 Oops")), "answered 500: 아야"),
    "502 html": (Reply(data=answer(HTML, status="502 Bad Gateway")), "answered 502"),
    "503 empty": (Reply(data=answer(b"", status="503 No")), "answered 503"),
    "408": (Reply(data=answer(b"", status="408 Slow")), "answered 408"),
}
