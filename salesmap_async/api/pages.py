"""What an answer of the API says: a page, a reason, a wait. Pure functions on bytes and headers.

I3: a page counts only if it is a JSON object with `success` true whose list key is a list of
objects. Anything else raises UnusableAnswerError; nothing is ever taken for an empty list.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any

from salesmap_async import exact_json
from salesmap_async.errors import UnusableAnswerError

CURSOR_KEYS = ("nextCursor", "nextCurosr")
"""The second spelling is the vendor's own on its pages for deals and leads."""

FORM_GONE = "웹 폼을 찾을 수 없습니다"
_BODY_WAIT = re.compile(r"(\d+(?:\.\d+)?)\s*초\s*후")
_LONGEST_REASON = 300


@dataclass(frozen=True, slots=True)
class Page:
    """One answer: its records in order, and the cursor of the next page (None: no further)."""

    records: list[dict[str, Any]]
    next_cursor: str | None


def parse_page(body: bytes, list_key: str) -> Page:
    """Read a 2xx answer as a page, or raise UnusableAnswerError with what is wrong (I3)."""
    data = parse_data(body)
    records = data.get(list_key)
    if not isinstance(records, list):
        found = "is missing" if list_key not in data else "is not a list"
        raise _unusable(f"the answer's {list_key} {found}")
    for number, record in enumerate(records):
        if not isinstance(record, dict):
            raise _unusable(f"{list_key}[{number}] is not an object")
    return Page(records, _next_cursor(data))


def parse_data(body: bytes) -> dict[str, Any]:
    """Return the `data` object of a successful answer, or raise UnusableAnswerError."""
    try:
        answer = exact_json.loads(body)
    except ValueError:
        raise _unusable(_why_not_json(body)) from None
    if not isinstance(answer, dict):
        raise _unusable("the answer is JSON, but not an object")
    if answer.get("success") is not True:
        reason = _reason_in(answer)
        raise _unusable("the answer does not say success" + (reason and f": {reason}"))
    data = answer.get("data")
    if not isinstance(data, dict):
        raise _unusable("the answer has no data object")
    return data


def server_reason(body: bytes) -> str:
    """Return the server's own words in an error answer, on one line and shortened, or ''."""
    try:
        answer = exact_json.loads(body)
    except ValueError:
        return ""
    return _reason_in(answer) if isinstance(answer, dict) else ""


def refusal_wait(headers: Mapping[str, str], body: bytes) -> tuple[float, str] | None:
    """Return (seconds, where they stand) that a 429 asks for, or None where it does not say.

    The header wins over the body's sentence. A date is measured against the server's own clock
    where the answer carries one. Negative, zero, infinite or unreadable values count as absent.
    """
    for seconds, source in (
        (_header_seconds(headers), "Retry-After"),
        (_body_seconds(body), "the answer's text"),
    ):
        if seconds is not None and math.isfinite(seconds) and seconds > 0:
            return seconds, source
    return None


def http_date(text: str | None) -> datetime | None:
    """Parse an HTTP date; None where it is absent or nonsense."""
    if not text:
        return None
    try:
        moment = parsedate_to_datetime(text)
    except (TypeError, ValueError, OverflowError):
        return None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def _unusable(what: str) -> UnusableAnswerError:
    return UnusableAnswerError(what, status=200)


def _next_cursor(data: Mapping[str, Any]) -> str | None:
    for key in CURSOR_KEYS:
        cursor = data.get(key)
        if cursor is None:
            continue
        if not isinstance(cursor, str) or not cursor:
            raise _unusable(f"the answer's {key} is not a cursor")
        if exact_json.has_lone_surrogate(cursor):
            raise _unusable(f"the answer's {key} is not text that can be sent back")
        return cursor
    return None


def _why_not_json(body: bytes) -> str:
    start = body.lstrip()[:1]
    if not start:
        return "the answer is empty"
    if start == b"<":
        return "the answer is an HTML page (maintenance, or a wrong base URL)"
    return f"the answer is not valid JSON (cut short or damaged, {len(body)} bytes)"


def _reason_in(answer: Mapping[str, Any]) -> str:
    texts: list[str] = []
    for key in ("reason", "message", "error"):
        value = answer.get(key)
        for text in value if isinstance(value, list) else [value]:
            if isinstance(text, str) and text.strip() and text not in texts:
                texts.append(text)
    line = "".join(c if c.isprintable() else " " for c in "; ".join(texts))
    return line.strip()[:_LONGEST_REASON]


def _header_seconds(headers: Mapping[str, str]) -> float | None:
    value = headers.get("Retry-After", "").strip()
    try:
        return float(value)
    except ValueError:
        pass
    until = http_date(value)
    if until is None:
        return None
    now = http_date(headers.get("Date")) or datetime.now(UTC)
    return (until - now).total_seconds()


def _body_seconds(body: bytes) -> float | None:
    found = _BODY_WAIT.search(server_reason(body))
    return float(found[1]) if found else None
