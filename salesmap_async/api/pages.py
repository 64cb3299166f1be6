"""What an answer of the API says: a page, a reason, a wait. Pure functions on bytes and headers.

I3: a page counts only if it is a JSON object with `success` true whose list key is a list of
objects, and which hides no further pages: a cursor under a name that is not known, or a word that
there is more, is no end. Anything else raises UnusableAnswerError; nothing is ever taken for an
empty list.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any

from salesmap_async import exact_json
from salesmap_async.api.endpoints import ANY_LIST
from salesmap_async.errors import UnusableAnswerError

_STRING = re.compile(rb'"(?:[^"\\]|\\.)*"')
_NO_BRACKETS = bytes(set(range(256)) - set(b"{}[]"))

CURSOR_KEYS = ("nextCursor", "nextCurosr")
"""The second spelling is the vendor's own on its pages for deals and leads."""

NOT_FOUND = "찾을 수 없습니다"
FORM_GONE = "웹 폼을 찾을 수 없습니다"
_BODY_WAIT = re.compile(r"(\d+(?:\.\d+)?)\s*초\s*후")
_LONGEST_REASON = 300
_HAS_MORE = re.compile(r"has.*(more|next)")

MOST_RECORDS = 10_000
"""No list gives so many on a page (50 is usual); tiny ones would fill the memory."""


@dataclass(frozen=True, slots=True)
class Page:
    """One answer: its records in order, and the cursor of the next page (None: no further).

    `says_end`: where there is no cursor, the answer has a key for one all the same.
    """

    records: list[dict[str, Any]]
    next_cursor: str | None
    says_end: bool = True


def parse_page(body: bytes, list_key: str) -> Page:
    """Read a 200 answer as a page, or raise UnusableAnswerError with what is wrong (I3)."""
    if _most_elements(body) > MOST_RECORDS:
        raise _unusable(f"the answer has a list of more than {MOST_RECORDS:,} records")
    answer, data = _parse_answer(body)
    if list_key == ANY_LIST:
        list_key = _only_list(data)
    records = data.get(list_key)
    if not isinstance(records, list):
        found = "is missing" if list_key not in data else "is not a list"
        raise _unusable(f"the answer's {list_key} {found}")
    for number, record in enumerate(records):
        if not isinstance(record, dict):
            raise _unusable(f"{list_key}[{number}] is not an object")
    cursor = _next_cursor(data)
    if cursor is None:
        _check_hides_nothing(answer, data)
    return Page(records, cursor, any(key in data for key in CURSOR_KEYS))


def _only_list(data: dict[str, Any]) -> str:
    lists = [key for key, value in data.items() if isinstance(value, list)]
    if len(lists) != 1:
        raise _unusable(f"the answer has {len(lists)} lists, not one")
    return lists[0]


def parse_data(body: bytes) -> dict[str, Any]:
    """Return the `data` object of a successful answer, or raise UnusableAnswerError."""
    return _parse_answer(body)[1]


def _parse_answer(body: bytes) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return a successful answer, and its `data` object."""
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
    return answer, data


def is_api_answer(body: bytes) -> bool:
    """Tell whether an error is the API's own word: its JSON, not a proxy's page or nothing."""
    try:
        answer = exact_json.loads(body)
    except ValueError:
        return False
    return isinstance(answer, dict) and not {"success", "reason", "message", "error"}.isdisjoint(
        answer
    )


def parse_record(body: bytes, single: str) -> dict[str, Any]:
    """Return the one record of an answer. Raises UnusableAnswerError where it is not one."""
    found = parse_data(body).get(single)
    if isinstance(found, list) and len(found) == 1:
        found = found[0]
    if not isinstance(found, dict):
        raise _unusable(f"the answer's {single} is not one record")
    return found


def server_reason(body: bytes) -> str:
    """Return the server's own words in an error answer, on one line and shortened, or ''."""
    try:
        answer = exact_json.loads(body)
    except ValueError:
        return ""
    return _reason_in(answer) if isinstance(answer, dict) else ""


def refusal_wait(headers: Mapping[str, str], body: bytes) -> tuple[float, str] | None:
    """Return (seconds, where they stand) that an answer asks to wait; None where it says nothing.

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
        if cursor is None or cursor == "":
            continue
        if not isinstance(cursor, str):
            raise _unusable(f"the answer's {key} is not a cursor")
        if exact_json.has_lone_surrogate(cursor):
            raise _unusable(f"the answer's {key} is not text that can be sent back")
        return cursor
    return None


def _check_hides_nothing(answer: Mapping[str, Any], data: Mapping[str, Any]) -> None:
    """Raise UnusableAnswerError where an answer without a known cursor tells of further pages.

    Looked at are `data`, what stands beside it, and one level deeper; the records are not. An
    unknown cursor beside a known one that is null counts for nothing: that one has said the end.
    """
    known = any(key in data for key in CURSOR_KEYS)
    for place, level in _levels(answer, data):
        for key, value in level.items():
            name = key.casefold()
            if value is True and _HAS_MORE.search(name):
                raise _unusable(f"the answer gives no cursor, but says {place}{key}: true")
            if "cursor" in name and isinstance(value, str) and value and not known:
                raise _unusable(f"the answer gives a cursor under an unknown name: {place}{key}")


def _levels(
    answer: Mapping[str, Any], data: Mapping[str, Any]
) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Yield the objects that may tell of further pages, each with the path to it."""
    for place, level in (("", answer), ("data.", data)):
        yield place, level
        for key, deeper in level.items():
            if isinstance(deeper, dict) and deeper is not data:
                yield f"{place}{key}.", deeper


def _most_elements(body: bytes) -> int:
    """Return how many objects and lists the fullest of the outer lists has, without parsing it.

    A page's list is at most three levels deep; a bracket in a text is none.
    """
    if body.count(b"{") + body.count(b"[") <= MOST_RECORDS:
        return 0
    depth, most = 0, 0
    elements = [0] * 5
    for bracket in _STRING.sub(b"", body).translate(None, _NO_BRACKETS):
        if bracket in b"{[":
            if depth < len(elements):
                elements[depth] += 1
                most = max(most, elements[depth])
            depth += 1
            if depth < len(elements):
                elements[depth] = 0
        else:
            depth -= 1
    return most


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
