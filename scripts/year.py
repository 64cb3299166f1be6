"""A year of nights: 365 runs on an evolving workspace, with all that goes wrong in a year.

    python scripts/year.py                # some minutes; Linux
    python scripts/year.py --nights 40

Each night is a real process with a clock of its own day. Some nights the server stumbles, some the
power fails in the middle; for a month the token has expired, for some days the disk is full. A real
server takes the pings and messages. At the end it is said what arrived, what lies on the disk and
what `status` says; the exit code is 1 where that is not as it should be.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import subprocess
import sys
import tempfile
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from scripts.torture_sandbox import KINDS, TOKEN

START = datetime(2026, 1, 1, 18, 30, tzinfo=UTC)
"""Half past three in Seoul."""
KEEP = 30
BALLAST_MIB = 600
CLOCK = """
import datetime as module, os, time
_offset = float(os.environ["YEAR_OFFSET_S"])
_real, _now = module.datetime, time.time
time.time = lambda: _now() + _offset
class datetime(_real):
    @classmethod
    def now(cls, tz=None):
        return cls.fromtimestamp(time.time(), tz)
module.datetime = datetime
"""
"""A sitecustomize: the clock of a night. Waits stay real."""


class Messages:
    """A monitor and a channel: what they were sent."""

    def __init__(self) -> None:
        self.pings: Counter[str] = Counter()
        self.texts: list[str] = []
        messages = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"])).decode()
                if self.path == "/hook":
                    messages.texts.append(json.loads(body)["text"])
                else:
                    messages.pings[self.path] += 1
                self.send_response(200)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_: Any) -> None:
                """Say nothing."""

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server.server_port}"


def kind_of(night: int, nights: int) -> str:
    """Say what the night is like: the same year every time."""
    if nights // 3 <= night < nights // 3 + 30:
        return "expired token"
    if nights * 3 // 5 <= night < nights * 3 // 5 + 4:
        return "full disk"
    if night % 29 == 7:
        return "power cut"
    return "faults" if night % 5 == 3 else "quiet"


class Year:
    """The folder, the clock and the processes of one simulated year."""

    def __init__(self, root: Path, data: Path, messages: Messages, nights: int) -> None:
        self._root = root
        self._data = data
        self._messages = messages
        self.nights = nights
        (root / "clock").mkdir()
        (root / "clock" / "sitecustomize.py").write_text(CLOCK)
        (root / "faults.json").write_text(json.dumps([k | {"nth": 2} for k in KINDS]))
        (data / "token.txt").write_text(TOKEN)
        (data / "token.txt").chmod(0o600)
        (data / "salesmap.toml").write_text(
            f"""[all]
token_file = "token.txt"
[run]
min_interval = 0
backoff = 0.05
progress = false
quiet = true
keep_backups = 10
keep_logs = {KEEP}
ping_url = "{messages.url}/ping"
webhook_url = "{messages.url}/hook"
on_failure = "echo $SALESMAP_EXIT_CODE >> failed.txt"
metrics_file = "salesmap.prom"
"""
        )

    def night(self, number: int) -> tuple[str, int]:
        """Let one night pass; return what it was like and how the run ended."""
        kind = kind_of(number, self.nights)
        ballast = self._data / "ballast"
        if kind == "full disk":
            fill(ballast)
        else:
            ballast.unlink(missing_ok=True)
        with self._sandbox(number, kind) as base_url:
            run = self._start(number, "run", "--resume", "--base-url", base_url)
            if kind == "power cut":
                self._cut(run)
            run.communicate(timeout=300)
        return kind, run.returncode

    def ask(self, *words: str) -> str:
        """Return what a command says on the morning after the last night."""
        asked = self._start(self.nights - 1, *words, stdout=subprocess.PIPE)
        return str(asked.communicate(timeout=60)[0])

    def _cut(self, run: subprocess.Popen[str]) -> None:
        """Kill the run once it has read something."""
        checkpoints = self._data / "logs" / "checkpoints"
        before = set(checkpoints.glob("*/snapshot.db"))
        while run.poll() is None and not set(checkpoints.glob("*/snapshot.db")) - before:
            pass
        run.kill()

    def _environment(self, number: int) -> dict[str, str]:
        offset_s = (START + timedelta(days=number) - datetime.now(UTC)).total_seconds()
        path = os.pathsep.join((str(self._root / "clock"), str(Path(__file__).parent.parent)))
        return {"PATH": os.environ["PATH"], "PYTHONPATH": path, "YEAR_OFFSET_S": str(offset_s)}

    def _start(self, number: int, *words: str, **more: Any) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [sys.executable, "-m", "salesmap_async", *words],
            cwd=self._data, env=self._environment(number), text=True,
            **{"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL, **more},
        )  # fmt: skip

    @contextmanager
    def _sandbox(self, number: int, kind: str) -> Iterator[str]:
        """Serve the workspace as it is after so many days of work."""
        days = [word for day in range(1, number + 1) for word in ("--evolve", str(day))]
        faults = ["--faults", str(self._root / "faults.json")] if kind == "faults" else []
        latency = ["--latency", "0.05"] if kind == "power cut" else []
        token = "a-new-token" if kind == "expired token" else TOKEN
        server = self._start(
            number, "sandbox", "--port", "0", "--records", "300", "--forms", "3", "--no-quota",
            "--token", token, *days, *faults, *latency, stdout=subprocess.PIPE,
        )  # fmt: skip
        assert server.stdout is not None
        try:
            yield server.stdout.readline().split()[1]
        finally:
            server.send_signal(signal.SIGINT)
            server.communicate(timeout=60)


def fill(ballast: Path) -> None:
    """Write until the disk has no room for a run."""
    with ballast.open("ab", buffering=0) as file:
        try:
            for _ in range(BALLAST_MIB):
                file.write(b"\\0" * (1 << 20))
        except OSError:
            return


@contextmanager
def small_disk() -> Iterator[Path]:
    """Give a disk of its own, which a year fits on; needs the right to mount it."""
    with tempfile.TemporaryDirectory(prefix="salesmap-year-") as name:
        mounted = subprocess.run(
            ["mount", "-t", "tmpfs", "-o", f"size={BALLAST_MIB}m", "tmpfs", name],
            capture_output=True, check=False,
        )  # fmt: skip
        if mounted.returncode:
            raise SystemExit("a full disk needs the right to mount one: run this as root on Linux")
        try:
            yield Path(name)
        finally:
            subprocess.run(["umount", name], check=True)


def report(year: Year, data: Path, messages: Messages, ends: list[tuple[str, int]]) -> bool:
    """Print what the year has left; return whether that is as it should be."""
    by_kind: dict[str, Counter[int]] = {}
    for kind, code in ends:
        by_kind.setdefault(kind, Counter())[code] += 1
    for kind, codes in by_kind.items():
        print(f"{kind:14} {sum(codes.values()):>4} nights, exit codes {dict(codes)}")
    failures = sum(1 for _, code in ends if code)
    told = sum(1 for kind, code in ends if code > 0)
    print(f"pings {dict(messages.pings)}; {len(messages.texts)} messages; such as")
    for text in (messages.texts[0], *(t for t in messages.texts if "Next:" in t)):
        print(f"    {text[:400]}")
        if "Next:" in text:
            break
    files = [path for path in data.rglob("*") if path.is_file()]
    logs = [path for path in files if "logs" in path.parts]
    size = sum(path.stat().st_size for path in files)
    lines = (data / "logs" / "run_history.jsonl").read_text("utf-8").splitlines()
    print(
        f"{len(files)} files, {size / 1e6:.1f} MB; {len(logs)} in logs; {len(lines)} history lines"
    )
    for path in sorted(data.glob("*.db")):
        print(f"    {path.name}: {path.stat().st_size / 1e6:.1f} MB")
    print(f"backups: {len(list((data / 'backups').glob('*.db')))}")
    print(year.ask("status"))
    print(year.ask("status", "--check", "--max-age", "26h"))
    states = json.loads(year.ask("status", "--json"))["timeline"]["states"]
    print(f"timeline: {states} states; {failures} nights were not published at once")
    return (
        all(code == 0 for kind, code in ends if kind in ("quiet", "faults"))
        and all(code == 2 for kind, code in ends if kind in ("expired token", "full disk"))
        and messages.pings["/ping/fail"] == told
        and messages.pings["/ping"] == len(ends) - failures
        and len(messages.texts) == len(ends) - failures + told
        and len(logs) <= KEEP * 4 + 20
        and len(lines) <= KEEP * 2 + 20
    )


def main(arguments: list[str] | None = None) -> int:
    """Let the year pass; return the exit code."""
    parser = argparse.ArgumentParser(description="Simulate a year of nightly runs.")
    parser.add_argument("--nights", type=int, default=365)
    options = parser.parse_args(arguments)
    messages = Messages()
    with tempfile.TemporaryDirectory() as root, small_disk() as data:
        year = Year(Path(root), data, messages, options.nights)
        ends = []
        for number in range(options.nights):
            ends.append(year.night(number))
            if number % 25 == 24:
                print(f"night {number + 1}: {Counter(code for _, code in ends)}", flush=True)
        good = report(year, data, messages, ends)
    messages.server.shutdown()
    messages.server.server_close()
    print("as it should be" if good else "NOT as it should be")
    return 0 if good else 1


if __name__ == "__main__":
    raise SystemExit(main())
