"""Whether a snapshot may be published: no table may have shrunk suspiciously."""

from __future__ import annotations

from collections.abc import Mapping

SUSPICIOUS_FROM_ROWS = 100


def shrunken(before: Mapping[str, int], after: Mapping[str, int]) -> tuple[str, ...]:
    """Return one line for each table of `after` that lost all its rows, or more than half of many.

    A table that `after` does not name was not read and is not compared.
    """
    return tuple(
        f"{table}: {before[table]} rows before, {rows} now"
        for table, rows in after.items()
        if _is_suspicious(before.get(table, 0), rows)
    )


def _is_suspicious(before: int, after: int) -> bool:
    return (before > 0 and after == 0) or (before >= SUSPICIOUS_FROM_ROWS and after * 2 < before)
