"""JSON in and out without losing a digit or a character.

orjson is fast but not exact: it turns integers beyond 64 bits into floats and refuses lone
surrogates. Whatever it refuses, or might have rounded, is parsed again by the standard library.
NaN and Infinity are not JSON and are refused by both.
"""

from __future__ import annotations

import json
import math
import re
from typing import Any, NoReturn

import orjson

_DIGITS_AS_ONES = bytes.maketrans(b"0123456789", b"1111111111")
_LONG = b"1" * 19
_TOO_LONG = (b"1" * 20, b"-" + _LONG)
"""The first integers that orjson rounds are 2**64, of 20 digits, and -(2**63) - 1, of 19."""

_SURROGATE = re.compile("[\ud800-\udfff]")
_REPAIRABLE_DEPTH = 250
MIN_INT64, MAX_INT64 = -(2**63), 2**63 - 1


def loads(text: bytes) -> Any:
    """Parse JSON exactly. Raises ValueError for anything that is not JSON (NaN included)."""
    try:
        masked = text.translate(_DIGITS_AS_ONES)
        if _LONG not in masked or not any(digits in masked for digits in _TOO_LONG):
            return orjson.loads(text)
    except orjson.JSONDecodeError:
        pass
    return _loads_by_stdlib(text)


def dumps(value: Any) -> str:
    """Write compact JSON that `loads` reads back as the same value.

    Non-ASCII characters stay as they are, unless the value holds a lone surrogate: then the
    whole text is escaped to ASCII, the only way to keep it. Raises ValueError for a value nested
    too deeply to be written.
    """
    try:
        return orjson.dumps(value).decode()
    except TypeError:  # a lone surrogate, an integer beyond 64 bits, or nested deeply
        return _dumps_by_stdlib(value)


def _dumps_by_stdlib(value: Any) -> str:
    try:
        text = json.dumps(value, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
        if has_lone_surrogate(text):
            _check_depth(value)
            text = json.dumps(value, separators=(",", ":"), allow_nan=False)
    except RecursionError:
        raise ValueError("nested too deeply") from None
    return text


def _check_depth(value: Any) -> None:
    """Raise ValueError where a value with lone surrogates is too deep to be repaired later."""
    level, depth = [value], 0
    while level:
        depth += 1
        if depth > _REPAIRABLE_DEPTH:
            raise ValueError("nested too deeply")
        level = [
            inner
            for outer in level
            if isinstance(outer, dict | list)
            for inner in (outer.values() if isinstance(outer, dict) else outer)
        ]


def has_lone_surrogate(text: str) -> bool:
    """Tell whether `text` holds a character that UTF-8, and so SQLite, cannot store."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return True
    return False


def without_lone_surrogates(text: str) -> str:
    """Return `text` with each lone surrogate as U+FFFD."""
    return _SURROGATE.sub("\N{REPLACEMENT CHARACTER}", text)


def fits_int64(value: int) -> bool:
    """Tell whether SQLite can store `value` as INTEGER."""
    return MIN_INT64 <= value <= MAX_INT64


def _loads_by_stdlib(text: bytes) -> Any:
    try:
        return json.loads(text.decode("utf-8-sig"), parse_constant=_refuse, parse_float=_finite)
    except RecursionError:
        raise ValueError("nested too deeply") from None


def _refuse(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is not JSON")


def _finite(digits: str) -> float:
    value = float(digits)
    if not math.isfinite(value):
        raise ValueError(f"the number {digits[:40]} is too large")
    return value
