"""Times as others write them, read leniently; and spans of time as people read them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

_STEPS = ((86_400, "d"), (3_600, "h"), (60, "min"), (1, "s"))


def moment_of(value: object) -> datetime | None:
    """Return an ISO 8601 text as a moment in UTC; None for anything else.

    A time without an offset is UTC, as the API means it.
    """
    if not isinstance(value, str):
        return None
    try:
        read = datetime.fromisoformat(value.strip())
        return read.replace(tzinfo=UTC) if read.tzinfo is None else read.astimezone(UTC)
    except (ValueError, OverflowError):
        return None


def span(time: timedelta | float) -> str:
    """Return how long, in its two largest units: `1 d 2 h`, `3 min 5 s`, `42 s`."""
    seconds = time.total_seconds() if isinstance(time, timedelta) else time
    left = round(abs(seconds))
    words: list[str] = []
    for length, unit in _STEPS:
        count, left = divmod(left, length)
        if count or (unit == "s" and not words):
            words.append(f"{count} {unit}")
        elif words:
            break
    return " ".join(words[:2])
