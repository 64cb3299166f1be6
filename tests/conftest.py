"""Fixtures of every test: settings of a sandbox run, the run itself, and virtual time."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Iterator
from pathlib import Path
from typing import Any, TypeVar

import pytest

from salesmap_async import RunReport, Secret, Settings, take_snapshot
from salesmap_async.cli.language import speak
from salesmap_async.sandbox import SANDBOX_TOKEN, Sandbox
from salesmap_async.stop import Stop
from tests.support.runs import Events, MakeSettings, Snapshot
from tests.support.virtual_time import VirtualTime, VirtualTimeLoop

_Result = TypeVar("_Result")


@pytest.fixture(autouse=True)
def english() -> Iterator[None]:
    """Let a test that speaks another language speak for itself alone."""
    yield
    speak("en")


@pytest.fixture
def events() -> Events:
    """A collecting listener."""
    return Events()


@pytest.fixture
def make_settings(tmp_path: Path) -> MakeSettings:
    """Without a limiter and with short waits; `final.db`, `backups`, `logs` in `tmp_path`."""

    def make(sandbox: Sandbox, **overrides: Any) -> Settings:
        usual: dict[str, Any] = {
            "token": Secret(SANDBOX_TOKEN),
            "base_url": sandbox.base_url,
            "db_path": tmp_path / "final.db",
            "backup_dir": tmp_path / "backups",
            "log_dir": tmp_path / "logs",
            "checkpoint_dir": tmp_path / "logs" / "checkpoints",
            "min_interval_s": 0,
            "backoff_s": 0.01,
            "max_backoff_s": 0.05,
            "request_timeout_s": 5,
            "no_timeline": True,  # what feeds one is tested in tests/timeline
        }
        return Settings(**(usual | overrides))

    return make


@pytest.fixture
def snapshot(make_settings: MakeSettings, events: Events) -> Snapshot:
    """Take a snapshot of a sandbox, with the settings of `make_settings` and `overrides`."""

    async def take(sandbox: Sandbox, *, stop: Stop | None = None, **overrides: Any) -> RunReport:
        return await take_snapshot(make_settings(sandbox, **overrides), events, stop=stop)

    return take


@pytest.fixture
def virtual_time() -> VirtualTime[Any]:
    """Run a coroutine to its end on a `VirtualTimeLoop`: no test that uses it ever sleeps.

    The test itself is a plain function; in the coroutine, `asyncio.get_running_loop().time()` is
    the virtual clock.
    """

    def run(scenario: Coroutine[Any, Any, _Result]) -> _Result:
        with asyncio.Runner(loop_factory=VirtualTimeLoop) as runner:
            return runner.run(scenario)

    return run
