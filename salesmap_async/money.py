"""Money: whole KRW inside, 억 (hundred millions of KRW) only where a number leaves."""

from __future__ import annotations

import math
import re

KRW_PER_EOK = 100_000_000

_WHOLE = re.compile(r"[+-]?[0-9]{1,30}")


def krw(value: object) -> int | None:
    """Return an amount as whole KRW; None for what `float` does not read as a finite number.

    So "1.5e8" is an amount, "150,000,000" and "nan" are none.
    """
    if isinstance(value, int):
        return value
    if not isinstance(value, str | float):
        return None
    try:
        number = float(value)
    except ValueError:
        return None
    if not math.isfinite(number):
        return None
    # A long integer as text keeps its last digits.
    return int(value) if isinstance(value, str) and _WHOLE.fullmatch(value) else round(number)


def eok(amount_krw: int) -> float:
    """Return whole KRW as 억."""
    return amount_krw / KRW_PER_EOK


def in_eok(amount_krw: int) -> str:
    """Return an amount as people say it: `1.25억`."""
    return f"{eok(amount_krw):,.2f}억"
