"""Dates as Seoul sees them: a contract of 1 January is stored as 15:00 UTC of 31 December.

Korea has no daylight saving time, so a fixed offset is exact and needs no time-zone database.
"""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta, timezone

from salesmap_async.times import moment_of

SEOUL = timezone(timedelta(hours=9), "KST")


def seoul_time(value: object) -> datetime | None:
    """Return an ISO 8601 text as a moment in Seoul; None for anything else.

    A time without an offset is UTC, as the API means it; a bare date stays that date.
    """
    moment = moment_of(value)
    try:
        return None if moment is None else moment.astimezone(SEOUL)
    except OverflowError:
        return None


def seoul_date(value: object) -> date | None:
    """Return the date in Seoul of an ISO 8601 text."""
    moment = seoul_time(value)
    return None if moment is None else moment.date()


def seoul_year(value: object) -> int | None:
    """Return the year in Seoul of an ISO 8601 text."""
    moment = seoul_time(value)
    return None if moment is None else moment.year


def day_named(word: str, *, now: datetime | None = None) -> date | None:
    """Return the day that `today`, `yesterday` or an ISO date names; None for another word."""
    today = (now or datetime.now(UTC)).astimezone(SEOUL).date()
    if word in ("today", "yesterday"):
        return today - timedelta(days=word == "yesterday")
    try:
        return date.fromisoformat(word)
    except ValueError:
        return None


def end_of(day: date) -> datetime:
    """Return the moment at which a day ends in Seoul."""
    return datetime.combine(day + timedelta(days=1), time(), SEOUL)
