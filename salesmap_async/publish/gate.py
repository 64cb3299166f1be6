"""Whether a snapshot may be published: complete, and no table has shrunk suspiciously."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping

from salesmap_async.store.work_db import ChainRow

SUSPICIOUS_FROM_ROWS = 100


def incomplete(chains: Iterable[ChainRow], tables: Collection[str]) -> dict[str, str]:
    """Return why each of `tables` is not complete: a list of it that has not surely ended."""
    return {
        chain.table: chain.error or f"{chain.path} was not read to its end"
        for chain in chains
        if chain.table in tables and chain.state not in ("done", "skipped")
    }


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
