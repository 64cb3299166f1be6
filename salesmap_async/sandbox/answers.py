"""The answers of the API as bytes on the wire: success, every kind of error, the 429s."""

from __future__ import annotations

import json
import math
import time
from email.utils import formatdate
from http import HTTPStatus
from typing import Any

import orjson
from aiohttp import web

from salesmap_async.sandbox.faults import Flavour, Shape

REASON_NO_AUTHORIZATION = "헤더에서 Authorization을 찾을 수 없습니다."
REASON_WRONG_AUTHORIZATION = "유효하지 않은 토큰입니다."
REASON_NO_FORM = "웹 폼을 찾을 수 없습니다."
_RECORD_NAMES = {
    "/organization": "회사를",
    "/people": "고객을",
    "/deal": "딜을",
    "/lead": "리드를",
    "/memo": "메모를",
}
REASON_NO_CURSOR = "유효하지 않은 cursor입니다."

_PAGE = (
    "<!DOCTYPE html><html><head><title>{title}</title></head><body><h1>{title}</h1></body></html>"
)


def reason_no_record(path: str) -> str:
    """Return what the API says where the list at `path` has no record of the id asked for."""
    return f"{_RECORD_NAMES.get(path, '레코드를')} 찾을 수 없습니다."


def encode(payload: Any) -> bytes:
    """Return `payload` as JSON; what is not valid UTF-8 goes out as `\\u` escapes."""
    try:
        return orjson.dumps(payload)
    except TypeError:
        return json.dumps(payload, separators=(",", ":")).encode("ascii")


def json_response(body: bytes, *, status: int = 200) -> web.Response:
    """Return `body`, which is JSON, as an answer."""
    return web.Response(body=body, status=status, content_type="application/json", charset="utf-8")


def success(data: dict[str, Any]) -> dict[str, Any]:
    """Return `data` in the envelope of a good answer."""
    return {"success": True, "data": data}


def error(status: int, reason: str, *, shape: Shape = "reason") -> web.Response:
    """Return an error; `shape` tells which of the API's forms carries the reason."""
    if shape == "html":
        return html(status)
    title = title_of(status)
    payload: dict[str, Any]
    match shape:
        case "error":
            payload = {"error": reason}
        case "message":
            payload = {"success": False, "message": reason}
        case "reason_list":
            payload = {"success": False, "message": title, "reason": [reason]}
        case _:
            payload = {"success": False, "message": title, "reason": reason}
    return json_response(encode(payload), status=status)


def html(status: int, body: str | None = None) -> web.Response:
    """Return an HTML page, as the routes behind the API's own give it."""
    text = body if body is not None else _PAGE.format(title=title_of(status))
    return web.Response(text=text, status=status, content_type="text/html")


def title_of(status: int) -> str:
    """Return the HTTP reason of a status, also of one that HTTP does not know."""
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return f"Status {status}"


def too_many(
    seconds: float, *, flavour: Flavour = "reason", header: str | None = None
) -> web.Response:
    """Return a 429 that tells the `seconds` in one of the ways seen; `header` goes out raw."""
    sentence = f"{math.ceil(seconds * 10) / 10:g}초 후 재시도해주세요."
    match flavour:
        case "reason":
            answer = error(429, sentence)
        case "message":
            answer = error(429, sentence, shape="message")
        case _:
            answer = error(429, "요청이 너무 많습니다.")
    if flavour == "retry_after":
        answer.headers["Retry-After"] = str(math.ceil(seconds))
    elif flavour == "retry_after_date":
        answer.headers["Retry-After"] = formatdate(math.ceil(time.time() + seconds), usegmt=True)
    if header is not None:
        answer.headers["Retry-After"] = header
    return answer
