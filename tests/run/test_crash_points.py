"""A kill or a broken disk at sampled I/O calls; `torture.py crash` has them all (I4)."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from contextlib import ExitStack

import pytest

from scripts.torture_crash import NoShimError, Scene, crash_scene
from scripts.torture_sandbox import fast_folder

SEED = 20260102
LAST_CALLS = 8  # from the swap on

SceneOf = Callable[[str], Scene]


@pytest.fixture(scope="module")
def scene_of() -> Iterator[SceneOf]:
    """Prepare each kind of scene once: an old snapshot, the shim and the expected content."""
    scenes: dict[str, Scene] = {}
    with ExitStack() as stack:

        def prepared(kind: str) -> Scene:
            if kind not in scenes:
                folder = stack.enter_context(fast_folder())
                try:
                    scenes[kind] = stack.enter_context(crash_scene(folder, kind))
                except NoShimError as why:
                    pytest.skip(f"NOT TESTED, crashes at I/O calls: {why}")
            return scenes[kind]

        yield prepared


@pytest.mark.parametrize(
    ("kind", "mode", "every"),
    [
        ("full", "kill", 40),
        ("full", "enospc", 40),
        ("full", "eio", 40),
        ("full", "full", 80),
        ("wal", "kill", 80),
        ("webforms", "kill", 80),
        ("webforms", "eio", 80),
    ],
)
def test_whatever_call_goes_wrong_the_final_db_is_old_or_new_and_the_run_resumes(
    scene_of: SceneOf, kind: str, mode: str, every: int
) -> None:
    """Old or new and nothing else, a true exit code, and the undisturbed content in the end."""
    print(f"seed {SEED}")
    scene, dice = scene_of(kind), random.Random(f"{SEED} {kind} {mode}")
    total = len(scene.calls)
    numbers = {
        *range(1 + dice.randrange(every), total + 1, every),
        total - dice.randrange(LAST_CALLS),
    }
    tally = scene.try_all(mode, sorted(numbers))
    assert not tally.wrong, "\n".join(tally.wrong)
    assert tally.ends.total() == len(numbers)


def test_every_kind_of_io_call_is_counted(scene_of: SceneOf) -> None:
    """A shim that misses a kind of call would prove nothing about it."""
    seen = {call.name for call in scene_of("full").calls}
    assert seen == {"pwrite", "write", "fsync", "fdatasync", "ftruncate", "unlink", "rename"}


def test_a_run_brings_each_step_to_the_disk_before_the_next(scene_of: SceneOf) -> None:
    """New file, backup, rename, folder, published line, work DB: each is safe before the next."""
    calls = [f"{call.name} {call.path}" for call in scene_of("full").calls]
    steps = [
        "fsync final.db.calm.tmp",
        "rename backups/final_before_calm.db",
        "fsync backups",
        "rename final.db",
        "fsync .",
        "fsync logs/run_history.jsonl",
        "unlink logs/checkpoints/calm/snapshot.db",
    ]
    last = [len(calls) - 1 - calls[::-1].index(step) for step in steps]
    assert last == sorted(last), dict(zip(steps, last, strict=True))
    pruned = calls.index("unlink backups/final_before_20250101_000000.db")
    assert pruned > last[steps.index("fsync .")]
    assert calls.count("rename final.db") == 1
