"""The dashboard as a real process: `serve`, or another ASGI server over the app.

A test file that uses these also imports `no_process_is_left`, which works by being there.
"""

from __future__ import annotations

import http.client
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from tests.support.cli_process import environment

LIMIT_S = 30.0
_started: list[subprocess.Popen[str]] = []


@pytest.fixture(autouse=True)
def no_process_is_left() -> Iterator[None]:
    """Kill and reap what a failed test has left running."""
    yield
    while _started:
        process = _started.pop()
        if process.poll() is None:
            if sys.platform == "win32":
                process.kill()
            else:
                os.killpg(process.pid, signal.SIGKILL)  # also what it has started itself
        process.communicate()


def start(folder: Path, *command: str, **variables: str) -> subprocess.Popen[str]:
    """Start `python -m <command>` in `folder`; its errors stand in what it prints."""
    process = subprocess.Popen(
        [sys.executable, "-m", *command],
        cwd=folder,
        env=environment(**variables),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        encoding="utf-8",
        errors="replace",
        start_new_session=True,
    )
    _started.append(process)
    return process


def stop(process: subprocess.Popen[str]) -> tuple[int, str]:
    """Press Ctrl-C; return the exit code and what was printed since."""
    process.send_signal(signal.SIGINT)
    said, _ = process.communicate(timeout=LIMIT_S)
    _started.remove(process)
    return process.returncode, said


def wait_for(process: subprocess.Popen[str]) -> tuple[int, str]:
    """Wait until it ends by itself; return the exit code and what was printed."""
    said, _ = process.communicate(timeout=LIMIT_S)
    _started.remove(process)
    return process.returncode, said


def address_of(process: subprocess.Popen[str]) -> str:
    """Return the address that a server prints."""
    assert process.stdout is not None
    said = ""
    for line in process.stdout:
        said += line
        if "http://" in line:
            return "http://" + line.split("http://")[1].split()[0].rstrip("/;")
    raise AssertionError("no address: " + said)


@contextmanager
def served(folder: Path, *options: str, **variables: str) -> Iterator[str]:
    """Run `serve` on a free port; give its address."""
    process = start(folder, "salesmap_async", "serve", "--port", "0", *options, **variables)
    yield address_of(process)
    code, said = stop(process)
    assert (code, "Traceback" in said) == (0, False), said


def get(address: str, path: str, **headers: str) -> tuple[int, Any]:
    """Return status and JSON of one endpoint, or the text of a page."""
    parts = urlsplit(address)
    with closing(http.client.HTTPConnection(str(parts.hostname), parts.port, timeout=30)) as asked:
        asked.request("GET", path, headers=headers)
        response = asked.getresponse()
        body = response.read().decode()
        is_json = response.getheader("Content-Type") == "application/json"
        return response.status, json.loads(body) if is_json else body


def wait_until_answered(address: str) -> None:
    """Wait for a server whose process does not say when it listens."""
    ends_at = time.monotonic() + LIMIT_S
    while time.monotonic() < ends_at:
        with suppress(ConnectionError):
            get(address, "/api/health")
            return
        time.sleep(0.05)  # polling a port that another process opens, bounded above
    raise AssertionError(f"nobody answers on {address}")


POSIX = pytest.mark.skipif(os.name == "nt", reason="SIGINT to a child process needs POSIX")
