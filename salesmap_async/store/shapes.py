"""The numbers by which the work DB names the keys of records.

Records of one list mostly have the same keys, and keys are most of the text of a wide record: they
are stored once and called by a number. Which number does not matter; one shape may have several.
"""

from __future__ import annotations

from collections.abc import Iterable

Keys = tuple[str, ...]

MOST_SHAPES = 1_000
"""How many are remembered, so that memory does not grow with the workspace (I7)."""


class Shapes:
    """Numbers the shapes of a work DB that holds those up to `last`."""

    def __init__(self, last: int) -> None:
        self._last = last
        self._numbers: dict[Keys, int] = {}

    def number(self, keys_of_records: Iterable[Keys]) -> tuple[list[int], dict[Keys, int]]:
        """Return the number of each, and those that have to be stored with their numbers."""
        if len(self._numbers) > MOST_SHAPES:
            self._numbers.clear()
        numbers, new = [], {}
        for keys in keys_of_records:
            number = self._numbers.get(keys)
            if number is None:
                self._last = number = self._last + 1
                self._numbers[keys] = new[keys] = number
            numbers.append(number)
        return numbers, new
