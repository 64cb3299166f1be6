"""What several test files share: settings of a sandbox run, the run itself, and virtual time.

Fixtures are for what needs a folder or a loop; `rows_of` and `table_hashes` are plain functions:
`from tests.conftest import rows_of`.
"""

from __future__ import annotations

import asyncio
import selectors
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any, Protocol, TypeVar

import pytest

from salesmap_async import RunReport, Secret, Settings, take_snapshot
from salesmap_async.events import Event
from salesmap_async.publish.manifest import META_TABLES
from salesmap_async.publish.rows import table_sha256
from salesmap_async.publish.sqlite_file import column_types, opened, quoted, table_names
from salesmap_async.sandbox import SANDBOX_TOKEN, Sandbox
from salesmap_async.stop import Stop
from tests.browser_visit import chromium, served, snapshot_db, visit, visitors  # noqa: F401

_Result = TypeVar("_Result")
_Kind = TypeVar("_Kind")


# A run against a sandbox


class MakeSettings(Protocol):
    """Settings of a run against `sandbox`, with everything it writes below `tmp_path`."""

    def __call__(self, sandbox: Sandbox, **overrides: Any) -> Settings: ...


class Snapshot(Protocol):
    """Run `take_snapshot` against `sandbox`; its events go to the fixture `events`."""

    async def __call__(
        self, sandbox: Sandbox, *, stop: Stop | None = None, **overrides: Any
    ) -> RunReport: ...


class Events(list[Event]):
    """A listener that keeps what it is told, in order."""

    def __call__(self, event: Event) -> None:
        self.append(event)

    def of(self, kind: type[_Kind]) -> list[_Kind]:
        """Return the events of one kind."""
        return [event for event in self if isinstance(event, kind)]


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
        }
        return Settings(**(usual | overrides))

    return make


@pytest.fixture
def snapshot(make_settings: MakeSettings, events: Events) -> Snapshot:
    """Take a snapshot of a sandbox, with the settings of `make_settings` and `overrides`."""

    async def take(sandbox: Sandbox, *, stop: Stop | None = None, **overrides: Any) -> RunReport:
        return await take_snapshot(make_settings(sandbox, **overrides), events, stop=stop)

    return take


def rows_of(db: Path, table: str) -> list[dict[str, Any]]:
    """Return the rows of a table as they are stored (JSON as text), in stored order."""
    with opened(db, "ro") as connection:
        names = [name for name, _ in column_types(connection, table)]
        columns = ", ".join(map(quoted, names))
        rows = connection.execute(f"SELECT {columns} FROM {quoted(table)} NOT INDEXED").fetchall()
    return [dict(zip(names, row, strict=True)) for row in rows]


def table_hashes(db: Path) -> dict[str, str]:
    """Return the `content_sha256` of every data table, computed from the file."""
    with opened(db, "ro") as connection:
        return {
            table: table_sha256(connection, table)
            for table in table_names(connection)
            if table not in META_TABLES
        }


# Virtual time

CLOCK_TICK_S = 1e-9
"""Added to every jump: rounding must not leave the clock a hair before its timer."""


class VirtualTimeLoop(asyncio.SelectorEventLoop):
    """A loop whose clock stands still while there is work, and jumps to the next timer else.

    With neither work nor a timer it waits a moment for a thread, and then says that nothing will
    ever happen.
    """

    def __init__(self) -> None:
        super().__init__(_JumpingSelector(self))
        self.now_s = 1000.0

    def time(self) -> float:
        return self.now_s


class _JumpingSelector(selectors.DefaultSelector):
    """Waits for files in real time only when no timer is set."""

    def __init__(self, loop: VirtualTimeLoop) -> None:
        super().__init__()
        self._loop = loop

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        ready = super().select(5.0 if timeout is None else 0)
        if not ready and timeout is None:
            raise RuntimeError("every task waits for something that nobody will do")
        if not ready and timeout is not None and timeout > 0:
            self._loop.now_s += timeout + CLOCK_TICK_S
        return ready


VirtualTime = Callable[[Coroutine[Any, Any, _Result]], _Result]


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
