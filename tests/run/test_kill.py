"""Kill -9 at random moments, resume, compare: the quick part of `torture.py kills` (I2, I4)."""

from __future__ import annotations

import os
import random
from pathlib import Path

import pytest

from scripts.torture_kills import killed_run
from scripts.torture_sandbox import sandbox

SEED = 20260101
IN_FLIGHT = 16  # --concurrency
QUEUED = 8 + 1  # pages between the answer and the commit, and one checkpoint
RANGES = 10  # first pages of a list, told apart by their startDate, which is not compared


@pytest.mark.skipif(os.name == "nt", reason="kills by SIGKILL")
@pytest.mark.parametrize("faults", [False, True])
def test_killed_and_resumed_runs_publish_the_undisturbed_content(
    tmp_path: Path, faults: bool
) -> None:
    """Whatever the moment of the kill: the same content, and little is asked again."""
    print(f"seed {SEED}")
    dice = random.Random(SEED + faults)
    with sandbox(tmp_path, records=1500, latency_s=0.05, faults=faults) as server:
        expected = killed_run(server, tmp_path / "calm", dice, kills=0, longest_s=1)
        kills, number, longest_s = 0, 0, expected.seconds
        while number < 3 or kills < 3:
            number += 1
            assert number < 20, "the runs end before they can be killed"
            outcome = killed_run(
                server, tmp_path / f"run{number}", dice, kills=3, longest_s=longest_s
            )
            assert outcome.content == expected.content
            again = outcome.repeated - expected.repeated
            assert again <= outcome.kills * (IN_FLIGHT + QUEUED) + RANGES
            kills += outcome.kills
            if not outcome.kills:  # this machine has become faster: aim nearer
                longest_s = min(longest_s, outcome.seconds)
