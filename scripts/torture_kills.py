"""Kill the real collector at seeded random moments and resume it; or read at different paces.

Each run is killed (SIGKILL) several times and resumed by its tag until it is done. It must publish
the content of an undisturbed run, and what was asked twice is counted from the server's own log.
"""

from __future__ import annotations

import random
import subprocess
import sys
import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from salesmap_async.run.history import PUBLISHED, History
from scripts.torture_sandbox import Content, Server, content_of

_FIRST_S = 0.3
"""Before that a process is still importing its modules."""
_LIMIT_S = 300.0
"""A run that is not killed and takes longer hangs."""


@dataclass(frozen=True)
class Outcome:
    """One run: how often it was killed, its content, how many requests were asked again."""

    kills: int
    content: Content
    repeated: int
    seconds: float


def collector(
    server: Server, folder: Path, tag: str, *more: str, resume: bool
) -> subprocess.Popen[bytes]:
    """Start one run of the collector as its own process, everything it writes below `folder`."""
    command = [sys.executable, "-m", "salesmap_async", "run", "--quiet"]
    command += ["--resume-run-tag" if resume else "--run-tag", tag]
    command += ["--min-interval", "0.005", "--backoff", "0.05", "--db-path", "final.db", *more]
    with (folder / "stderr.txt").open("ab") as errors:
        return subprocess.Popen(
            command,
            cwd=folder,
            env=server.environment(),
            stdout=subprocess.DEVNULL,
            stderr=errors,
        )


def killed_run(
    server: Server, folder: Path, dice: random.Random, *, kills: int, longest_s: float
) -> Outcome:
    """Do one run, killing it up to `kills` times at random moments below `longest_s` seconds.

    Raises AssertionError when a start fails or hangs, or when the final DB is there after a kill
    and does not hold what the run publishes in the end.
    """
    folder.mkdir(parents=True)
    tag, before, killed, started = "tortured", server.count(), 0, time.monotonic()
    final, seen = folder / "final.db", list[Content]()
    while True:
        begun = (folder / "logs" / "checkpoints" / tag / "snapshot.db").exists()
        with collector(server, folder, tag, resume=begun) as process:
            moment_s = dice.uniform(_FIRST_S, max(longest_s, _FIRST_S))
            try:
                code = process.wait(moment_s if killed < kills else _LIMIT_S)
            except subprocess.TimeoutExpired:
                process.kill()
                assert killed < kills, f"not done after {_LIMIT_S} s"
                process.wait()
                killed += 1
                seen += [content_of(final)] if final.exists() else []
                continue
        if code == 0:
            break
        if code == 2:  # killed before the work DB held anything, or after the published line
            if _is_published(folder):
                break
            tag += "x"
            continue
        raise AssertionError(f"exit {code}: {(folder / 'stderr.txt').read_text()}")
    plain = Counter(server.requests(before))
    repeated = sum(plain.values()) - len(plain)
    seconds = time.monotonic() - started
    content = content_of(final)
    assert all(each == content for each in seen), "a kill left another final DB"
    return Outcome(killed, content, repeated, seconds)


def _is_published(folder: Path) -> bool:
    history = History(folder / "logs" / "run_history.jsonl")
    return any(line.status == PUBLISHED for line in history.newest_first())


def torture(server: Server, root: Path, dice: random.Random, *, runs: int, kills: int) -> bool:
    """Do at least `runs` runs and `kills` kills; False if any content differs."""
    expected = killed_run(server, root / "undisturbed", dice, kills=0, longest_s=1)
    print(f"undisturbed: {len(expected.content)} tables in {expected.seconds:.1f} s")
    killed = different = number = 0
    longest_s = expected.seconds
    repeats: list[float] = []
    while number < runs or killed < kills:
        number += 1
        folder, times = root / f"run{number}", -(-kills // runs) + 1
        outcome = killed_run(server, folder, dice, kills=times, longest_s=longest_s)
        if not outcome.kills:  # this machine has become faster: aim nearer
            longest_s = min(longest_s, outcome.seconds)
        same = outcome.content == expected.content
        different += not same
        killed += outcome.kills
        repeats.append((outcome.repeated - expected.repeated) / max(outcome.kills, 1))
        said = "same" if same else "DIFFERENT"
        print(f"run {number}: {outcome.kills} kills, {said}", flush=True)
    print(
        f"{number} runs, {killed} kills, {different} different; requests asked again per kill: "
        f"mean {sum(repeats) / len(repeats):.1f}, most {max(repeats):.1f}"
    )
    return not different


def read_at_every_pace(server: Server, root: Path) -> bool:
    """Read the workspace at every pace; False if any two contents differ."""
    contents = []
    for concurrency in ("1", "16", "64"):
        for interval in ("1", "50", "100000"):
            folder = root / f"{concurrency}-{interval}"
            folder.mkdir()
            more = ("--concurrency", concurrency, "--checkpoint-interval", interval)
            with collector(server, folder, "pace", *more, resume=False) as process:
                assert process.wait() == 0, (folder / "stderr.txt").read_text()
            contents.append(content_of(folder / "final.db"))
            said = "same" if contents[-1] == contents[0] else "OTHER"
            print(f"concurrency {concurrency}, interval {interval}: {said}", flush=True)
    return all(content == contents[0] for content in contents)
