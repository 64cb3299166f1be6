"""JSON in and out without losing a digit or a character."""

from __future__ import annotations

import json
import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from salesmap_async import exact_json

SCALARS = (
    st.none()
    | st.booleans()
    | st.integers(min_value=-(10**40), max_value=10**40)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(codec=None))  # lone surrogates included
)
VALUES = st.recursive(
    SCALARS, lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner), max_leaves=20
)


def same(left: Any, right: Any) -> bool:
    """Compare with types: 1, 1.0 and True are three values."""
    return repr(left) == repr(right)


@given(VALUES)
def test_what_is_written_is_read_back(value: Any) -> None:
    """`dumps` then `loads` gives the same value, types included."""
    assert same(exact_json.loads(exact_json.dumps(value).encode()), value)


@given(VALUES)
def test_it_reads_what_the_standard_library_writes(value: Any) -> None:
    """Plain ASCII JSON of any value is read exactly."""
    assert same(exact_json.loads(json.dumps(value).encode()), value)


@pytest.mark.parametrize(
    "digits",
    [
        "9007199254740993",
        "9223372036854775807",
        "9223372036854775808",
        "18446744073709551615",
        "18446744073709551616",
        "-9223372036854775809",
        "123456789012345678901234567890",
    ],
)
def test_integers_keep_every_digit(digits: str) -> None:
    """No integer becomes a float, whatever its size, alone or among other values."""
    assert str(exact_json.loads(digits.encode())) == digits
    record = exact_json.loads(f'{{"a": null, "b": [{digits}], "c": 1.5}}'.encode())
    assert str(record["b"][0]) == digits


@pytest.mark.parametrize(
    "text", ["24000", "24000.0", "1e2", "0.1", "-0.0", "1.7976931348623157e308"]
)
def test_integers_and_floats_stay_what_they_are(text: str) -> None:
    """`24000` is an integer and `24000.0` is not."""
    assert same(exact_json.loads(text.encode()), json.loads(text))


@pytest.mark.parametrize(
    "text",
    [
        b"NaN",
        b'{"a": NaN}',
        b'{"a": Infinity}',
        b'{"a": -Infinity}',
        b'{"a": 1e999}',
        b'{"a": "\xff"}',
        b"",
        b"{",
        b'{"a": 1,}',
        b"<html>",
        b"[" * 100_000,
        b'{"a": "\\ud83d", "b": NaN}',
        b'{"a": 123456789012345678901, "b": NaN}',
    ],
)
def test_what_is_not_json_is_refused(text: bytes) -> None:
    """NaN, infinity, bad UTF-8, cut text and endless nesting are ValueErrors."""
    with pytest.raises(ValueError, match=r"."):
        exact_json.loads(text)


def test_a_lone_surrogate_survives_both_ways() -> None:
    """Half an emoji is read, kept, and written as an escape."""
    value = exact_json.loads(b'{"memo": "\\ud83d \\ud83d\\ude00"}')
    assert value == {"memo": "\ud83d \N{GRINNING FACE}"}
    assert exact_json.loads(exact_json.dumps(value).encode()) == value
    assert exact_json.has_lone_surrogate(value["memo"])
    assert (
        exact_json.without_lone_surrogates(value["memo"])
        == "\N{REPLACEMENT CHARACTER} \N{GRINNING FACE}"
    )


def test_korean_stays_readable() -> None:
    """Text outside ASCII is written as it is."""
    assert exact_json.dumps({"이름": "김"}) == '{"이름":"김"}'


def test_nan_is_never_written_beside_what_orjson_refuses() -> None:
    """The standard library's writer refuses NaN too."""
    with pytest.raises(ValueError, match="Out of range"):
        exact_json.dumps([math.nan, 2**70])


@pytest.mark.parametrize(
    ("value", "fits"), [(2**63 - 1, True), (2**63, False), (-(2**63), True), (-(2**63) - 1, False)]
)
def test_what_sqlite_can_hold(value: int, fits: bool) -> None:
    """SQLite's INTEGER has 64 bits with a sign."""
    assert exact_json.fits_int64(value) is fits
