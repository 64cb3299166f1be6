"""A fleet on a real Dask cluster: a worker that is killed costs nothing but time."""

from __future__ import annotations

import asyncio
import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest

from salesmap_async import Secret, Settings, take_snapshot
from salesmap_async.sandbox import Sandbox, Workspace
from tests.support.cli_process import cli, finish, no_process_is_left, start
from tests.support.runs import table_hashes

__all__ = ["no_process_is_left"]

pytestmark = pytest.mark.skipif(os.name == "nt", reason="kills by signal")

COUNT = 9
LIMIT_S = 60.0


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class Cluster:
    """A scheduler and workers, each a process of its own, on loopback."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.address = f"tcp://127.0.0.1:{free_port()}"
        self.workers: list[subprocess.Popen[bytes]] = []
        port = self.address.rpartition(":")[2]
        self._scheduler = self._start("scheduler", "--port", port, "--no-dashboard")

    def add_worker(self) -> None:
        words = ("--nthreads", "2", "--no-nanny", "--no-dashboard", "--death-timeout", "60")
        self.workers.append(self._start("worker", self.address, *words))

    def _start(self, kind: str, *words: str) -> subprocess.Popen[bytes]:
        return subprocess.Popen(
            [sys.executable, "-m", "distributed.cli.dask_" + kind, "--host", "127.0.0.1", *words],
            cwd=self._folder,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )

    def stop(self) -> None:
        for process in (*self.workers, self._scheduler):
            process.kill()
            process.wait()


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[Cluster]:
    cluster = Cluster(tmp_path)
    for _ in range(3):
        cluster.add_worker()
    yield cluster
    cluster.stop()


@pytest.fixture
async def sandboxes() -> AsyncIterator[list[Sandbox]]:
    async with AsyncExitStack() as stack:
        yield [
            await stack.enter_async_context(
                Sandbox(
                    Workspace.generate(records=300, forms=2, seed=number),
                    quota=False,
                    token=f"token-{number}",
                    latency_s=0.02,
                )
            )
            for number in range(COUNT)
        ]


def write_fleet(folder: Path, sandboxes: list[Sandbox]) -> None:
    text = "[defaults]\nmin_interval = 0.02\nbackoff = 0.1\n"
    for number, sandbox in enumerate(sandboxes):
        (folder / f"t{number}").write_text(f"token-{number}")
        (folder / f"t{number}").chmod(0o600)
        text += (
            f"[[workspaces]]\nname = 'w{number}'\nbase_url = '{sandbox.base_url}'\n"
            f"token_file = 't{number}'\n"
        )
    (folder / "fleet.toml").write_text(text)


async def test_a_killed_worker_s_runs_go_on_elsewhere(
    tmp_path: Path, cluster: Cluster, sandboxes: list[Sandbox]
) -> None:
    """All are published, each like a run alone, and what was read is not read anew."""
    write_fleet(tmp_path, sandboxes)
    words = ("fleet", "run", "fleet.toml", "--dask", cluster.address, "--json")
    fleet = start(tmp_path, *words, PYTHONWARNINGS="")
    ends_at = time.monotonic() + LIMIT_S
    while sum(len(sandbox.arrivals) for sandbox in sandboxes) < 40:
        assert time.monotonic() < ends_at, "no worker has begun"
        await asyncio.sleep(0.01)
    cluster.workers[0].kill()
    cluster.add_worker()
    code, out, err = await asyncio.to_thread(finish, fleet)
    assert code == 0, err
    assert [each["state"] for each in json.loads(out)] == ["published"] * COUNT
    asked = [len(sandbox.arrivals) for sandbox in sandboxes]
    alone = Settings(
        token=Secret("token-0"), base_url=sandboxes[0].base_url, db_path=tmp_path / "alone.db",
        log_dir=tmp_path / "alone", checkpoint_dir=tmp_path / "alone", min_interval_s=0,
    )  # fmt: skip
    report = await take_snapshot(alone)
    plain = len(sandboxes[0].arrivals) - asked[0]
    assert max(asked) < 1.6 * plain, asked  # a run from its beginning would make it two
    published = table_hashes(tmp_path / "w0" / "salesmap_latest.db")
    assert published == table_hashes(report.paths.final_db)


def test_a_scheduler_that_is_not_there_is_one_line(tmp_path: Path) -> None:
    """Nothing is started, and the exit code says so."""
    (tmp_path / "fleet.toml").write_text("[[workspaces]]\nname = 'a'\ntoken_env = 'A'\n")
    address = f"tcp://127.0.0.1:{free_port()}"
    environ: dict[str, Any] = {"A": "token", "DASK_DISTRIBUTED__COMM__TIMEOUTS__CONNECT": "1s"}
    code, _, err = cli(
        tmp_path, "fleet", "run", "fleet.toml", "--dask", address, PYTHONWARNINGS="", **environ
    )
    assert (code, f"the scheduler at {address} cannot be reached" in err) == (1, True), err
