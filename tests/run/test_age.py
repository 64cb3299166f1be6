"""How old the data is: from when its reading began, and what is too old to be gone on with."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from salesmap_async import Settings, take_snapshot
from salesmap_async.errors import UsageError
from salesmap_async.events import Note
from salesmap_async.operate.doctor import examine_locally
from salesmap_async.operate.look import look_at
from salesmap_async.operate.runs import read_runs
from salesmap_async.operate.status import read_status
from tests.support.operate_runs import small_sandbox, stopped
from tests.support.runs import Events, MakeSettings, Snapshot, rows_of


def made_older(settings: Settings, tag: str, hours: float) -> None:
    """Let run `tag` have begun so many hours ago."""
    began = (datetime.now(UTC) - timedelta(hours=hours)).isoformat(timespec="milliseconds")
    with closing(sqlite3.connect(settings.paths(tag).work_db, isolation_level=None)) as work_db:
        work_db.execute("UPDATE run SET value = ? WHERE key = 'started_at'", (f'"{began}"',))


async def test_a_snapshot_is_as_old_as_when_its_reading_began(
    snapshot: Snapshot, tmp_path: Path
) -> None:
    """captured_at is before every page; carried tables keep their times, and the oldest counts."""
    async with small_sandbox() as sandbox:
        before = datetime.now(UTC).isoformat(timespec="milliseconds")
        first = await snapshot(sandbox)
        middle = datetime.now(UTC).isoformat(timespec="milliseconds")
        await snapshot(sandbox, only=("memo",))
    info = rows_of(first.paths.final_db, "run_info")[0]
    times = {
        r["table"]: (r["read_from"], r["read_to"])
        for r in rows_of(first.paths.final_db, "manifest")
    }
    assert before <= times["deal"][0] <= times["deal"][1] <= middle < times["memo"][0]
    assert middle <= info["captured_at_utc"] <= times["memo"][0]
    found = look_at(tmp_path / "final.db")
    assert found is not None
    assert found.captured_at is not None
    assert before <= found.captured_at.isoformat(timespec="milliseconds") <= middle


async def test_a_run_of_yesterday_is_not_resumed_unasked(
    make_settings: MakeSettings, events: Events
) -> None:
    """--resume starts a new one and says why; by its tag only with a longer limit."""
    async with small_sandbox() as sandbox:
        settings = make_settings(sandbox)
        await stopped(settings, "old")
        made_older(settings, "old", 30)
        by_tag = make_settings(sandbox, resume_run_tag="old")
        with pytest.raises(
            UsageError, match=r"began 1 d 6 h ago, longer than --max-resume-age 24"
        ) as e:
            await take_snapshot(by_tag)
        assert e.value.instead == ("--resume-run-tag", "old", "--max-resume-age", "32")
        status = read_status(settings)
        assert status.checkpoint is not None
        assert "--max-resume-age" in status.checkpoint.why_not
        await take_snapshot(make_settings(sandbox, resume_run_tag="old", max_resume_age_h=32))
        await stopped(settings, "older")
        made_older(settings, "older", 30)
        report = await take_snapshot(make_settings(sandbox, resume=True), events)
    assert report.run_tag != "older"
    assert any("starting a new one" in each.text for each in events.of(Note))


async def test_what_a_resume_would_save_is_said(
    make_settings: MakeSettings, events: Events
) -> None:
    """By a plain run and by doctor; and runs counts the rows that status calls safe."""
    async with small_sandbox() as sandbox:
        settings = make_settings(sandbox)
        await stopped(settings, "t")
        status = read_status(settings)
        assert status.checkpoint is not None
        safe = sum(table.rows for table in status.checkpoint.tables)
        assert safe > 0
        assert [run.rows for run in read_runs(settings).runs] == [safe]
        [finding] = [f for f in examine_locally(settings) if f.what == "unfinished run"]
        said = f"run t is unfinished: `run --resume` would save reading {safe:,} rows again"
        assert finding.said == said
        await take_snapshot(settings, events)
    assert said in [each.text for each in events.of(Note)]
