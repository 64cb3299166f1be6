"""Values of the CRM, whatever is in the column: JSON text, plain text, a number, nothing."""

from __future__ import annotations

from typing import Any

from salesmap_async import exact_json

NOT_GIVEN = "미입력"


def parsed(value: object) -> Any:
    """Return the JSON value of a text that is JSON; any other value as it is."""
    if not isinstance(value, str):
        return value
    try:
        return exact_json.loads(value.encode())
    except ValueError:
        return value


def text_or_none(value: object) -> str | None:
    """Return a value as text; None for NULL."""
    return value if value is None or isinstance(value, str) else str(value)


def trimmed(value: object) -> str | None:
    """Return a value as text without space around it; None where nothing is left."""
    text = text_or_none(value)
    return (text.strip() or None) if text else None


def name_of(value: object) -> str | None:
    """Return how a person calls a related record: its name, else its id; else the text itself."""
    if isinstance(value, dict):
        return trimmed(value.get("name")) or trimmed(value.get("id"))
    return trimmed(value)


def related(value: object) -> list[Any]:
    """Return a column of related records as a list: of one, of several, of plain names."""
    found = parsed(value)
    items = found if isinstance(found, list) else [found]
    return [item for item in items if name_of(item) is not None]


def owner_labels(value: object) -> list[str]:
    """Return the names of a deal's owners; the id of one without a name."""
    return [label for each in related(value) if (label := name_of(each))]
