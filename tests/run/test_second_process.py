"""A whole run while another process has the final DB open: old or new, and a truthful end."""

from __future__ import annotations

import asyncio
import sqlite3
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any

import pytest

from salesmap_async import take_snapshot
from salesmap_async.errors import KeptAsideError, PublishError, RunLockedError, UsageError
from salesmap_async.events import Event, Step
from salesmap_async.paths import lock_path
from salesmap_async.run.lock import is_held, run_lock
from salesmap_async.sandbox import Fault, Sandbox, Workspace
from tests.support.history import history_lines
from tests.support.runs import MakeSettings, Snapshot, table_hashes
from tests.support.small_snapshots import viewer


@pytest.mark.parametrize("mode", ["DELETE", "WAL"])
@pytest.mark.parametrize("what", ["idle", "read transaction", "half-read cursor", "crash"])
async def test_whoever_has_the_final_db_open_sees_all_old_or_all_new(
    snapshot: Snapshot, tmp_path: Path, mode: str, what: str
) -> None:
    """Exit 0 and the complete new content, or exit 3 and exactly the old one."""
    workspace = Workspace.generate(records=200, forms=1)
    final = tmp_path / "final.db"
    async with Sandbox(workspace, quota=False) as sandbox:
        await snapshot(sandbox)
        with closing(sqlite3.connect(final)) as connection:
            connection.execute(f"PRAGMA journal_mode = {mode}").fetchone()
        old = table_hashes(final)
        del workspace.table("memo")[0]
        expected = (await snapshot(sandbox, db_path=tmp_path / "expected.db")).paths.final_db
        with viewer(final, what) as process:
            if what == "crash":
                process.kill()
                process.wait()
            kept_at = await _kept_at(snapshot, sandbox)
        new = table_hashes(expected)
        assert table_hashes(final) == (old if kept_at else new)
        assert kept_at is None or table_hashes(kept_at) == new
    with closing(sqlite3.connect(final)) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    lines = history_lines(tmp_path / "logs" / "run_history.jsonl")
    end = "kept_aside" if kept_at else "published"
    assert [line["status"] for line in lines if line["run_tag"] == "t"] == ["started", end]


async def _kept_at(snapshot: Snapshot, sandbox: Sandbox) -> Path | None:
    """Run; return where the new data was kept aside (exit 3), None where it was published."""
    try:
        await snapshot(sandbox, run_tag="t")
    except KeptAsideError as error:
        return error.kept_at
    return None


def test_those_who_look_do_not_see_each_other(tmp_path: Path) -> None:
    """Two requests of one page ask at the same moment, and nobody is at work."""
    final = tmp_path / "final.db"
    with run_lock(final):
        pass
    with ThreadPoolExecutor(8) as pool:
        assert not any(pool.map(is_held, [final] * 400))


def test_a_run_does_not_end_because_somebody_looks(tmp_path: Path) -> None:
    """`status`, `runs` and the dashboard take the lock for a moment; a run waits that long."""
    final = tmp_path / "final.db"
    looking = ExitStack()
    looking.enter_context(run_lock(final))
    looked = threading.Timer(0.1, looking.close)
    looked.start()
    with run_lock(final):
        assert is_held(final)
    looked.join()
    assert not is_held(final)


async def test_a_lock_file_that_is_deleted_keeps_a_run_from_publishing(
    snapshot: Snapshot, tmp_path: Path
) -> None:
    """Another run could lock the new file of that name: nothing is swapped; a resume publishes."""
    workspace = Workspace.generate(records=200, forms=1)
    final = tmp_path / "final.db"
    async with Sandbox(workspace, quota=False) as sandbox:
        await snapshot(sandbox)
        old = table_hashes(final)
        del workspace.table("memo")[0]

        def delete(_arrival: object) -> None:
            lock_path(final).unlink()
            lock_path(final).touch()

        sandbox.faults.append(Fault(action="call", path="/memo", hook=delete))
        with pytest.raises(PublishError, match=r"lock file .* was deleted or replaced"):
            await snapshot(sandbox, run_tag="t")
        assert table_hashes(final) == old
        await snapshot(sandbox, resume_run_tag="t")
    assert table_hashes(final) != old


async def test_a_resume_beside_a_finishing_run_is_told_the_truth(
    make_settings: MakeSettings, tmp_path: Path
) -> None:
    """It waits for the lock, and by then there is nothing left to resume: 2, no `failed` line."""
    workspace = Workspace.generate(records=200, forms=1)
    second: list[asyncio.Task[Any]] = []
    async with Sandbox(workspace, quota=False) as sandbox:

        def begin(event: Event) -> None:
            if isinstance(event, Step) and event.name == "gate" and not second:
                loop.call_soon_threadsafe(
                    lambda: second.append(asyncio.ensure_future(take_snapshot(resume)))
                )

        loop = asyncio.get_running_loop()
        resume = make_settings(sandbox, resume_run_tag="t")
        await take_snapshot(make_settings(sandbox, run_tag="t"), begin)
        with pytest.raises((UsageError, RunLockedError)):
            await second[0]
    statuses = [x["status"] for x in history_lines(tmp_path / "logs" / "run_history.jsonl")]
    assert statuses == ["started", "published"]
