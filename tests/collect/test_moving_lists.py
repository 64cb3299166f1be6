"""Lists that people edit while they are read: what did not change is read, or the run fails (I3).

A real Chain reads a list in memory; about every fourth request something is changed, half of the
changes at the very record that the next cursor names. Half of the runs are stopped once, edited,
and resumed.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Sequence
from typing import Literal

import pytest

from tests.support.moving_list import ORDERS, UNKNOWN_CURSORS, MovingList, Order, Reading, Unknown

SEEDS = 1000
SAMPLE = 20

Change = Literal["edit", "two edits", "bulk edit", "insert", "delete"]
SINGLE: tuple[Change, ...] = ("edit", "two edits", "insert", "delete")
BULK: tuple[Change, ...] = (*SINGLE, "bulk edit")


def change(server: MovingList, cursor: str | None, what: Change, dice: random.Random) -> None:
    """Change the list as people do; the record that the cursor names is at risk most."""
    ids = [record["id"] for record in server.in_order()]
    if not ids or what == "insert":
        for _ in range(dice.randint(1, 15)):
            server.insert()
        return
    at_risk = cursor is not None and cursor in server.records and dice.random() < 0.5
    chosen = cursor if at_risk and cursor is not None else dice.choice(ids)
    if what == "delete":
        server.delete(chosen)
    elif what == "bulk edit":
        first = max(0, ids.index(chosen) - dice.randrange(60))
        for each in ids[first : first + dice.randint(1, 60)]:
            server.edit(each)
    else:
        server.edit(chosen)
        if what == "two edits":
            server.edit(dice.choice(ids))


def read(order: Order, unknown: Unknown, changes: Sequence[Change], seed: int) -> tuple[str, bool]:
    """Read one list; return how it ended, and whether a sample of 20 would show what is missing."""
    dice = random.Random(seed)
    server = MovingList(order, unknown, dice.randint(2, 15), dice, short_pages=seed % 5 == 0)
    names = [server.insert() for _ in range(dice.randint(0, 200))]
    reading = Reading()
    stopped_at = dice.randint(1, 15) if seed % 2 else None
    left = 8
    for number in range(5000):
        if reading.chain.ended:
            break
        if number == stopped_at:
            reading.resume()
            for _ in range(dice.randint(0, 6)):
                change(server, reading.chain.cursor, dice.choice(changes), dice)
        if left and dice.random() < 0.25:
            left -= 1
            change(server, reading.chain.cursor, dice.choice(changes), dice)
        reading.step(server)
    else:
        raise AssertionError(f"seed {seed}: the chain does not end")
    if reading.failed:
        return "failed", True
    published = reading.published
    missing = [each for each in names if each not in published]
    lost = [each for each in missing if each not in server.touched]
    changed = [e for e in names if e not in server.touched and published.get(e, {}) == {}]
    assert changed == lost
    shown = random.Random(seed).sample(missing, min(SAMPLE, len(missing)))
    return ("lost" if lost else "whole"), bool(set(shown) & set(lost))


def tally(order: Order, unknown: Unknown, changes: Sequence[Change]) -> Counter[str]:
    """Read a list for every seed; count the ends, and the losses that a sample would not show."""
    ends: Counter[str] = Counter()
    for seed in range(SEEDS):
        end, shown = read(order, unknown, changes, seed)
        ends[end] += 1
        ends["hidden"] += end == "lost" and not shown
    print(f"{order}, unknown cursor: {unknown}: {dict(ends)}")
    return ends


@pytest.mark.parametrize("unknown", UNKNOWN_CURSORS)
@pytest.mark.parametrize("order", [each for each in ORDERS if each != "name"])
def test_single_edits_lose_nothing(order: Order, unknown: Unknown) -> None:
    """Whatever moves: each record that stayed the same is read, or, rarely, the list fails."""
    ends = tally(order, unknown, SINGLE)
    assert ends["lost"] == 0
    assert ends["failed"] <= SEEDS * 0.05


@pytest.mark.parametrize("unknown", UNKNOWN_CURSORS)
@pytest.mark.parametrize("order", ["creation", "change, newest first", "id"])
def test_bulk_edits_lose_nothing(order: Order, unknown: Unknown) -> None:
    """As above, with up to 60 neighbours edited at once."""
    ends = tally(order, unknown, BULK)
    assert ends["lost"] == 0
    assert ends["failed"] <= SEEDS * 0.05


@pytest.mark.parametrize("unknown", UNKNOWN_CURSORS)
@pytest.mark.parametrize(("order", "changes"), [("name", BULK), ("change, oldest first", BULK)])
def test_what_no_page_can_show_is_shown_by_the_missing_records(
    order: Order, unknown: Unknown, changes: Sequence[Change]
) -> None:
    """The cursor's record moves so far on that a full page of new records follows it.

    No answer of the list shows that. From the second run on, the records that the last snapshot
    had are missing, and a sample of twenty of them is asked for by id.
    """
    ends = tally(order, unknown, changes)
    assert 0 < ends["lost"] <= SEEDS * 0.15
    assert ends["hidden"] <= ends["lost"] * 0.02
