"""The real `run` with a token that can be found wherever it goes."""

from __future__ import annotations

import asyncio
import os
import sys
from dataclasses import dataclass
from pathlib import Path

from tests.support.next_command import check_next

CANARY = "canary7Qz0Token"
FAST = ("--min-interval", "0", "--backoff", "0.01", "--request-timeout", "2", "--max-429-wait", "5")


@dataclass(frozen=True)
class Ended:
    """One process that has ended: its code and everything it printed."""

    code: int
    out: bytes
    err: bytes

    @property
    def error(self) -> str:
        return self.err.decode("utf-8", "replace")


async def run_cli(folder: Path, *arguments: str, **variables: str) -> Ended:
    """Run the real command in `folder`, with nothing of our environment but the paths."""
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.upper().startswith(("SALESMAP", "PYTHON")) and "proxy" not in name.lower()
    }
    root = str(Path(__file__).resolve().parents[2])
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        *("-W", "error", "-m", "salesmap_async", "run", "--no-progress", *arguments),
        cwd=folder,
        env=kept | {"PYTHONPATH": root, "PYTHONIOENCODING": "utf-8"} | variables,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    async with asyncio.timeout(60):
        out, err = await process.communicate()
    assert process.returncode is not None
    check_next(out.decode("utf-8", "replace"), err.decode("utf-8", "replace"))
    return Ended(process.returncode, out, err)


def assert_no_canary(folder: Path, ended: Ended, *, besides: tuple[Path, ...] = ()) -> None:
    """Look for the token in the output and in the bytes of every file."""
    needle = CANARY.encode()
    assert needle not in ended.out
    assert needle not in ended.err
    files = [path for path in folder.rglob("*") if path.is_file() and path not in besides]
    assert [path for path in files if needle in path.read_bytes()] == []
    assert [path for path in files if CANARY in path.name] == []
