"""Lone surrogates, which UTF-8 and so SQLite cannot hold, become U+FFFD and are counted (I5).

A key of a record keeps its spelling here: `schema.py` maps it to a column and writes that down.
"""

from __future__ import annotations

from typing import Any

from salesmap_async.exact_json import without_lone_surrogates
from salesmap_async.publish.schema import fold, unused


def repair(value: Any) -> tuple[Any, int]:
    """Return `value` without lone surrogates, and how many strings and keys held one."""
    if isinstance(value, str):
        text = without_lone_surrogates(value)
        return text, int(text != value)
    if isinstance(value, list):
        repaired = [repair(item) for item in value]
        return [item for item, _ in repaired], sum(count for _, count in repaired)
    if isinstance(value, dict):
        return _repair_object(value)
    return value, 0


def _repair_object(value: dict[str, Any]) -> tuple[dict[str, Any], int]:
    """Repair keys and values; two keys that would become one stay two."""
    broken = sum(without_lone_surrogates(key) != key for key in value)
    taken = {fold(key) for key in value if without_lone_surrogates(key) == key}
    total, result = broken, {}
    for key, item in value.items():
        name = without_lone_surrogates(key)
        if name != key:
            name = unused(name, taken)
            taken.add(fold(name))
        result[name], count = repair(item)
        total += count
    return result, total
