"""A kill, a full disk or a broken one at sampled I/O calls: `torture.py crash` has them all (I4)."""

from __future__ import annotations

import random
from collections.abc import Iterator

import pytest

from scripts.torture_crash import NoShimError, Scene, crash_scene

SEED = 20260102
EVERY = 25


@pytest.fixture(scope="module", params=["full", "wal", "webforms"])
def scene(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Scene]:
    """A prepared old snapshot, the shim and the expected content."""
    try:
        with crash_scene(tmp_path_factory.mktemp("crash"), request.param) as prepared:
            yield prepared
    except NoShimError as why:
        pytest.skip(f"NOT TESTED, crashes at I/O calls: {why}")


@pytest.mark.parametrize("mode", ["kill", "enospc", "eio", "full"])
def test_whatever_call_goes_wrong_the_final_db_is_old_or_new_and_the_run_resumes(
    scene: Scene, mode: str
) -> None:
    """Old or new and nothing else, a true exit code, and the undisturbed content in the end."""
    print(f"seed {SEED}")
    first = random.Random(f"{SEED} {mode}").randrange(EVERY) + 1
    late = len(scene.calls) - random.Random(SEED).randrange(5)  # around and after the swap
    tally = scene.try_all(mode, sorted({*range(first, len(scene.calls), EVERY), late}))
    assert not tally.wrong, "\n".join(tally.wrong)
    assert tally.ends.total() >= len(scene.calls) // EVERY


def test_every_kind_of_io_call_is_counted(scene: Scene) -> None:
    """A shim that misses a kind of call would prove nothing about it."""
    seen = {call.name for call in scene.calls}
    assert {"pwrite", "write", "fsync", "fdatasync", "ftruncate", "unlink", "rename"} <= seen
