"""Kill the real collector at random moments, resume it, and compare what it publishes.

    python scripts/torture.py --runs 20 --kills 50
    python scripts/torture.py --paces --records 20000

A sandbox serves one invented workspace in a process of its own. One undisturbed run gives the
expected content; then every run is killed (SIGKILL) at seeded random moments and resumed by its
tag until it is done. Each must publish the same content, and what was asked twice is counted from
the server's own log of arrivals. With `--paces` nothing is killed: the same workspace is read at
every combination of concurrency and checkpoint interval. Needs the installed package; exit code 1
if any run differs.
"""

from __future__ import annotations

import argparse
import json
import random
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from salesmap_async.publish.rows import table_sha256

TOKEN = "torture-token"
KINDS: tuple[dict[str, object], ...] = (
    {"action": "status", "status": 500, "path": "/people"},
    {"action": "reset", "path": "/memo"},
    {"action": "truncate", "path": "/deal"},
    {"action": "429", "path": "/lead", "flavour": "retry_after", "seconds": 0.2},
    {"action": "success_false", "path": "/organization"},
    {"action": "html", "path": "/webForm/*"},
)
FAULTS = [kind | {"nth": nth} for kind in KINDS for nth in range(3, 3000, 29)]


@dataclass(frozen=True)
class Server:
    """A sandbox process: where it listens, and where it logs arrivals."""

    base_url: str
    arrivals: Path

    def requests(self, skip: int) -> list[tuple[str, str | None]]:
        """Return (path, cursor) of every data request after the first `skip` log lines."""
        lines = self.arrivals.read_text(encoding="utf-8").splitlines()[skip:]
        answers = [json.loads(line) for line in lines]
        return [(a["path"], a["cursor"]) for a in answers if not a["path"].endswith("/user/me")]

    def count(self) -> int:
        return len(self.arrivals.read_text(encoding="utf-8").splitlines())


@dataclass(frozen=True)
class Outcome:
    """One run: how often it was killed, its content, how many requests were asked again."""

    kills: int
    content: dict[str, str]
    repeated: int
    seconds: float


@contextmanager
def sandbox(folder: Path, *, records: int, latency_s: float, faults: bool) -> Iterator[Server]:
    """Run a sandbox in its own process, quota off, until the block ends."""
    arrivals = folder / "arrivals.jsonl"
    arrivals.touch()
    command = [sys.executable, "-m", "salesmap_async", "sandbox", "--port", "0", "--no-quota"]
    command += ["--records", str(records), "--forms", "6", "--latency", str(latency_s)]
    command += ["--token", TOKEN, "--arrivals", str(arrivals)]
    if faults:
        script = folder / "faults.json"
        script.write_text(json.dumps(FAULTS), encoding="utf-8")
        command += ["--faults", str(script)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            greeting = process.stdout.readline()
            yield Server(greeting.split()[1], arrivals)
        finally:
            process.terminate()


def collector(
    server: Server, folder: Path, tag: str, *more: str, resume: bool
) -> subprocess.Popen[bytes]:
    """Start one run of the collector as its own process, everything it writes below `folder`."""
    environ = {"SALESMAP_TOKEN": TOKEN, "PATH": "", "SALESMAP_API_BASE": server.base_url}
    command = [sys.executable, "-m", "salesmap_async", "run", "--quiet"]
    command += ["--resume-run-tag" if resume else "--run-tag", tag]
    command += ["--min-interval", "0.005", "--backoff", "0.05", "--db-path", "final.db", *more]
    with (folder / "stderr.txt").open("ab") as errors:
        return subprocess.Popen(
            command, cwd=folder, env=environ, stdout=subprocess.DEVNULL, stderr=errors
        )


def content_of(db: Path) -> dict[str, str]:
    """Return the content hash of every data table of a published DB."""
    connection = sqlite3.connect(f"{db.as_uri()}?mode=ro", uri=True)
    try:
        assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        tables = [row[0] for row in connection.execute('SELECT "table" FROM manifest')]
        return {table: table_sha256(connection, table) for table in tables}
    finally:
        connection.close()


def killed_run(
    server: Server, folder: Path, dice: random.Random, *, kills: int, longest_s: float
) -> Outcome:
    """Do one run, killing it up to `kills` times at random moments below `longest_s` seconds."""
    folder.mkdir(parents=True)
    tag, before, killed, started = "tortured", server.count(), 0, time.monotonic()
    while True:
        begun = (folder / "logs" / "checkpoints" / tag / "snapshot.db").exists()
        with collector(server, folder, tag, resume=begun) as process:
            try:
                code = process.wait(dice.uniform(0.3, longest_s) if killed < kills else None)
            except subprocess.TimeoutExpired:
                process.kill()
                killed += 1
                continue
        if code == 0:
            break
        if code == 2:  # killed before the work DB held anything, or after the published line
            tag = _after_refusal(folder, tag)
            if not tag:
                break
            continue
        raise AssertionError(f"exit {code}: {(folder / 'stderr.txt').read_text()}")
    asked = server.requests(before)
    plain = Counter(asked)
    repeated = sum(plain.values()) - len(plain)
    seconds = time.monotonic() - started
    return Outcome(killed, content_of(folder / "final.db"), repeated, seconds)


def _after_refusal(folder: Path, tag: str) -> str:
    """Return the tag to go on with after exit 2; '' when the run was finished already."""
    history = folder / "logs" / "run_history.jsonl"
    if history.exists() and '"status":"published"' in history.read_text(encoding="utf-8"):
        return ""
    return tag + "x"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--runs", type=int, default=20)
    parser.add_argument("--kills", type=int, default=50, help="kills in all, at least")
    parser.add_argument("--records", type=int, default=2500)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--faults", action="store_true", help="with 429s, 5xx, resets ...")
    parser.add_argument("--paces", action="store_true", help="no kills, different paces")
    options = parser.parse_args()
    dice = random.Random(options.seed)
    print(f"seed {options.seed}")
    with tempfile.TemporaryDirectory() as name:
        root = Path(name)
        latency_s = 0.0 if options.paces else 0.05
        with sandbox(
            root, records=options.records, latency_s=latency_s, faults=options.faults
        ) as server:
            if options.paces:
                return _paces(server, root)
            expected = killed_run(server, root / "undisturbed", dice, kills=0, longest_s=1)
            print(f"undisturbed: {len(expected.content)} tables, {expected.repeated} asked twice")
            return _torture(server, root, dice, expected, options.runs, options.kills)


def _torture(
    server: Server, root: Path, dice: random.Random, expected: Outcome, runs: int, kills: int
) -> int:
    killed = different = number = 0
    repeats: list[float] = []
    while number < runs or killed < kills:
        number += 1
        outcome = killed_run(
            server,
            root / f"run{number}",
            dice,
            kills=-(-kills // runs) + 1,
            longest_s=expected.seconds,
        )
        same = outcome.content == expected.content
        different += not same
        killed += outcome.kills
        repeats.append((outcome.repeated - expected.repeated) / max(outcome.kills, 1))
        print(f"run {number}: {outcome.kills} kills, {'same' if same else 'DIFFERENT'}")
    print(
        f"{number} runs, {killed} kills, {different} different; requests asked again per kill: "
        f"mean {sum(repeats) / len(repeats):.1f}, most {max(repeats):.1f}"
    )
    return 1 if different else 0


def _paces(server: Server, root: Path) -> int:
    """Read the workspace at every pace; return 1 if any two contents differ."""
    contents = []
    for concurrency in ("1", "16", "64"):
        for interval in ("1", "50", "100000"):
            folder = root / f"{concurrency}-{interval}"
            folder.mkdir()
            more = ("--concurrency", concurrency, "--checkpoint-interval", interval)
            with collector(server, folder, "pace", *more, resume=False) as process:
                assert process.wait() == 0, (folder / "stderr.txt").read_text()
            contents.append(content_of(folder / "final.db"))
            same = contents[-1] == contents[0]
            print(f"concurrency {concurrency}, interval {interval}: {'same' if same else 'OTHER'}")
    return int(any(content != contents[0] for content in contents))


if __name__ == "__main__":
    raise SystemExit(main())
