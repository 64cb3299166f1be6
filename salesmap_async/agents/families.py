"""Columns that are named alike, said once: a CRM has three for each stage of each pipeline.

A family is written as its common ending, and for each beginning (as far as ` - `) what stands
between the two. Pure.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import reduce

_SHORTEST_ENDING = 5
_SMALLEST_FAMILY = 6
_BREAK = " - "


@dataclass(frozen=True, slots=True)
class Family:
    """Names that end with `ending`. `middles`: beginning -> what stands between, in order."""

    ending: str
    middles: dict[str, list[str]]
    names: tuple[str, ...]


def families_of(names: Sequence[str]) -> list[Family]:
    """Return the families among `names`; a name belongs to one at most."""
    found = []
    for group in _alike(names):
        if len(group) >= _SMALLEST_FAMILY:
            ending = reduce(_common_ending, group)
            members = [name for name in names if name in group]
            middles: dict[str, list[str]] = {}
            for name in members:
                stem = name.removesuffix(ending)
                begin, found_break, middle = stem.partition(_BREAK)
                key = begin + found_break if found_break else ""
                middles.setdefault(key, []).append(middle if found_break else stem)
            found.append(Family(ending, middles, tuple(members)))
    return found


def _alike(names: Sequence[str]) -> Iterator[set[str]]:
    """Yield groups of names of which each shares a long ending with the next by their endings."""
    ordered = sorted(names, key=lambda name: name[::-1])
    group: set[str] = set()
    before = ""
    for name in ordered:
        if group and len(_common_ending(before, name)) < _SHORTEST_ENDING:
            yield group
            group = set()
        group.add(name)
        before = name
    if group:
        yield group


def _common_ending(one: str, other: str) -> str:
    length = 0
    for a, b in zip(reversed(one), reversed(other), strict=False):
        if a != b:
            break
        length += 1
    return one[len(one) - length :]
