"""The gate's rule, table by table."""

from __future__ import annotations

import pytest

from salesmap_async.publish.gate import shrunken


@pytest.mark.parametrize(
    ("before", "after", "refused"),
    [
        (1, 0, True),
        (0, 0, False),
        (99, 1, False),
        (100, 49, True),
        (100, 50, False),
        (101, 50, True),
        (40_000, 40_001, False),
    ],
)
def test_what_shrinks_too_much_is_refused(before: int, after: int, refused: bool) -> None:
    """Empty where rows were, or less than half of a hundred and more."""
    lines = shrunken({"deal": before}, {"deal": after})
    assert bool(lines) is refused
    assert all("deal" in line and str(before) in line for line in lines)


def test_only_tables_of_this_run_are_compared() -> None:
    """A table that was not read, or is new, is no reason."""
    assert shrunken({"deal": 500}, {"people": 3}) == ()
