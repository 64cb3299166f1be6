"""Times as others write them, read leniently: the API, earlier versions, people."""

from __future__ import annotations

from datetime import UTC, datetime


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
