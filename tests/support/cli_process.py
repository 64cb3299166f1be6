"""The command as a real process, and a sandbox in a process of its own.

A test file that uses these also imports `no_process_is_left`, which works by being there.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from salesmap_async.sandbox import SANDBOX_TOKEN
from tests.support.next_command import check_next

LIMIT_S = 60.0
POSIX = pytest.mark.skipif(os.name == "nt", reason="SIGINT to a child process needs POSIX")


def environment(**more: str) -> dict[str, str]:
    kept = {name: os.environ[name] for name in ("PATH", "SYSTEMROOT") if name in os.environ}
    return kept | {"PYTHONWARNINGS": "error", "PYTHONIOENCODING": "utf-8"} | more


_started: list[subprocess.Popen[str]] = []


@pytest.fixture(autouse=True)
def no_process_is_left() -> Iterator[None]:
    """Kill and reap what a failed test has left running."""
    yield
    while _started:
        process = _started.pop()
        if process.poll() is None:
            process.kill()
        process.communicate()


def start(folder: Path, *arguments: str, **env: str) -> subprocess.Popen[str]:
    process = subprocess.Popen(
        [sys.executable, "-m", "salesmap_async", *arguments],
        cwd=folder,
        env=environment(**env),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        encoding="utf-8",
        errors="replace",
    )
    _started.append(process)
    return process


def finish(process: subprocess.Popen[str]) -> tuple[int, str, str]:
    """Return (exit code, stdout, stderr); a process that does not end fails the test."""
    out, err = process.communicate(timeout=LIMIT_S)
    _started.remove(process)
    check_next(out, err)
    return process.returncode, out, err


def cli(folder: Path, *arguments: str, **env: str) -> tuple[int, str, str]:
    return finish(start(folder, *arguments, **env))


class ServedSandbox:
    """A sandbox process of its own, so that the test's own waiting does not block it."""

    def __init__(self, folder: Path, *arguments: str) -> None:
        self.arrivals = folder / "arrivals.jsonl"
        self._process = start(
            folder, "sandbox", "--port", "0", "--records", "400", "--forms", "2", "--no-quota",
            "--arrivals", str(self.arrivals), *arguments,
        )  # fmt: skip
        assert self._process.stdout is not None
        self.base_url = self._process.stdout.readline().split()[1]

    def __enter__(self) -> ServedSandbox:
        return self

    def __exit__(self, *_: object) -> None:
        self._process.send_signal(signal.SIGINT)
        finish(self._process)

    def wait_for(self, requests: int) -> None:
        """Wait until the server has seen that many requests."""
        ends_at = time.monotonic() + LIMIT_S
        while time.monotonic() < ends_at:
            if len(self.arrivals.read_text("utf-8").splitlines()) >= requests:
                return
            time.sleep(0.01)  # polling a file that another process writes, bounded above
        raise AssertionError("the requests did not come")


QUICK = ("--min-interval", "0", "--backoff", "0.01")


def env_of(server: ServedSandbox) -> dict[str, str]:
    return {"SALESMAP_TOKEN": SANDBOX_TOKEN, "SALESMAP_API_BASE": server.base_url}
