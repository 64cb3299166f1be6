"""What a format could not hold as it is, counted, so that an export can say everything of it."""

from __future__ import annotations

from collections import Counter


class Losses:
    """Counts by kind (a sentence with `{}` for the number) and by column."""

    def __init__(self) -> None:
        self._counts: Counter[tuple[str, str]] = Counter()

    def count(self, kind: str, place: str, times: int = 1) -> None:
        """Note that `kind` was met `times` times in the column `place`."""
        if times:
            self._counts[kind, place] += times

    def lines(self) -> list[str]:
        """Return a line for each kind: how often, and in which columns most."""
        by_kind: dict[str, Counter[str]] = {}
        for (kind, place), times in self._counts.items():
            by_kind.setdefault(kind, Counter())[place] += times
        return [_line(kind, places) for kind, places in sorted(by_kind.items())]


def _line(kind: str, places: Counter[str]) -> str:
    named = [f"{place} ({times:,})" for place, times in places.most_common(3)]
    more = f" and {len(places) - 3} more columns" if len(places) > 3 else ""
    return f"{places.total():,} {kind}: {', '.join(named)}{more}"
