"""Nothing grows for ever, and what a resume, a restore or a person could need stays."""

from __future__ import annotations

import dataclasses
import json
import threading
from pathlib import Path

import pytest

from salesmap_async import Settings, take_snapshot
from salesmap_async.errors import RunLockedError
from salesmap_async.operate.backups import list_backups
from salesmap_async.operate.runs import read_runs
from salesmap_async.operate.upkeep import tidy_up
from salesmap_async.paths import history_path
from salesmap_async.run.history import PUBLISHED, STARTED, History
from salesmap_async.run.lock import history_lock, run_lock
from tests.support.history import history_lines
from tests.support.operate_runs import kept_aside, killed, small_sandbox, stopped
from tests.support.runs import MakeSettings


def invent_runs(settings: Settings, count: int, *, status: str = PUBLISHED) -> None:
    """Leave what so many earlier runs leave: logs, reports, a folder, two lines each."""
    for number in range(count):
        paths = settings.paths(f"old{number:04}")
        paths.work_dir.mkdir(parents=True)
        for path in (paths.log_file, paths.manifest_json, paths.run_info_json):
            path.write_text("x", encoding="utf-8")
        paths.checkpoint_json.write_text(json.dumps({"state": status}), encoding="utf-8")
        for each in (STARTED, status):
            History(paths.history_file).append(
                {
                    "run_tag": paths.run_tag,
                    "status": each,
                    "kind": "full",
                    "started_at": f"2026-01-01T00:00:{number % 60:02}.000+00:00",
                    "at": "2026-01-01T00:00:00.000+00:00",
                    "final_db_path": str(settings.db_path),
                }
            )


def files_below(folder: Path) -> set[str]:
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*")}


async def test_a_thousand_runs_leave_what_a_few_leave(
    make_settings: MakeSettings, tmp_path: Path
) -> None:
    """Logs, reports, folders and history lines of the newest three; the rest is gone."""
    async with small_sandbox() as sandbox:
        settings = make_settings(sandbox, keep_logs=3, keep_backups=2)
        invent_runs(settings, 1000)
        await take_snapshot(dataclasses.replace(settings, run_tag="new"))
    assert tidy_up(settings) == ()
    tags = ["new", "old0999", "old0998"]
    assert [run.run_tag for run in read_runs(settings).runs] == tags
    logs = files_below(settings.log_dir) - {".run_history.jsonl.lock"}
    assert logs == {"run_history.jsonl", "checkpoints"} | {
        name
        for tag in tags
        for name in (
            f"salesmap_snapshot_{tag}.log",
            f"manifest_{tag}.json",
            f"run_info_{tag}.json",
            f"checkpoints/{tag}",
            f"checkpoints/{tag}/checkpoint.json",
        )
    }


async def test_what_may_still_be_needed_stays(
    make_settings: MakeSettings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A run that can go on, runs whose backup is there, a copy that a person was told of."""
    async with small_sandbox() as sandbox:
        settings = make_settings(sandbox, keep_logs=1)
        for tag in ("own-name-1", "own-name-2", "own-name-3"):
            await take_snapshot(dataclasses.replace(settings, run_tag=tag))
        aside = await kept_aside(settings, "aside", monkeypatch)
        await take_snapshot(dataclasses.replace(settings, run_tag="after"))
        await stopped(settings, "goes-on")
        assert tidy_up(dataclasses.replace(settings, keep_logs=90)) == ()
        assert aside.exists(), "a person was told of it"
        assert tidy_up(settings) == ()
        runs = {run.run_tag for run in read_runs(settings).runs}
        assert {"goes-on", "after", "own-name-2", "own-name-3"} <= runs
        assert "own-name-1" not in runs, "its backup is of nothing: it was the first"
        assert settings.paths("goes-on").work_db.exists()
        assert len(list_backups(settings)) == 3, "their names are known by the runs' traces"


async def test_an_older_run_that_can_go_on_stays(make_settings: MakeSettings) -> None:
    """Runs of web forms alone do not make it old, however many there are."""
    async with small_sandbox() as sandbox:
        settings = make_settings(sandbox, keep_logs=1)
        await take_snapshot(dataclasses.replace(settings, run_tag="first"))
        await stopped(settings, "goes-on")
        for tag in ("w1", "w2"):
            await take_snapshot(
                dataclasses.replace(settings, run_tag=tag, webform_only=True, no_backup=True)
            )
        assert tidy_up(settings) == ()
        tags = {run.run_tag for run in read_runs(settings).runs}
        assert tags == {"first", "goes-on", "w2"}
        await take_snapshot(dataclasses.replace(settings, resume_run_tag="goes-on"))


async def test_work_dbs_of_abandoned_runs_go(make_settings: MakeSettings) -> None:
    """Once a later run is published; one that can go on stays."""
    async with small_sandbox() as sandbox:
        settings = make_settings(sandbox)
        await killed(settings, "abandoned")
        await take_snapshot(dataclasses.replace(settings, run_tag="published"))
        await killed(settings, "newer")
        tidy_up(settings)
        assert not settings.paths("abandoned").work_db.exists()
        assert settings.paths("newer").work_db.exists()


async def test_lines_of_other_dbs_stay_byte_for_byte(make_settings: MakeSettings) -> None:
    """One log folder may serve several DBs; torn lines of whoever stay too."""
    async with small_sandbox() as sandbox:
        settings = make_settings(sandbox, keep_logs=1)
        other = dataclasses.replace(settings, db_path=settings.db_path.with_name("other.db"))
        invent_runs(settings, 5)
        path = history_path(settings.log_dir)
        History(path).append({"run_tag": "x", "status": "published", "final_db_path": "other"})
        with path.open("ab") as file:
            file.write(b'{"run_tag": "torn')
        await take_snapshot(dataclasses.replace(other, run_tag="other1"))
        kept = [line for line in path.read_bytes().splitlines() if b"old0" not in line]
        await take_snapshot(dataclasses.replace(settings, run_tag="new"))
        tidy_up(settings)
    lines = path.read_bytes().splitlines()
    assert [line for line in lines if b'"new"' not in line] == kept


def test_a_line_that_is_added_meanwhile_is_not_lost(tmp_path: Path) -> None:
    """Runs of other DBs write while the history is shortened."""
    history = History(tmp_path / "run_history.jsonl")
    history.append({"run_tag": "old", "status": "published"})
    writers = [threading.Thread(target=_write_many, args=(history, number)) for number in range(3)]
    for writer in writers:
        writer.start()
    for number in range(20):
        _write(history, f"gone{number}")
        history.forget({"old", f"gone{number}"})
    for writer in writers:
        writer.join()
    tags = [line["run_tag"] for line in history_lines(history.path)]
    assert sorted(tags) == sorted(f"w{n}-{each}" for n in range(3) for each in range(40))


def _write(history: History, tag: str) -> None:
    history.append({"run_tag": tag, "status": "x"})


def _write_many(history: History, number: int) -> None:
    for each in range(40):
        _write(history, f"w{number}-{each}")


async def test_it_waits_for_no_other_run(make_settings: MakeSettings) -> None:
    """The next run tidies up in its turn."""
    async with small_sandbox() as sandbox:
        settings = make_settings(sandbox, keep_logs=1)
        invent_runs(settings, 3)
        await take_snapshot(settings)
    with run_lock(settings.db_path):
        assert tidy_up(settings) == ()
    assert len(read_runs(settings).runs) == 4
    with pytest.raises(RunLockedError), run_lock(settings.db_path), run_lock(settings.db_path):
        pass


async def test_zero_keeps_everything(make_settings: MakeSettings) -> None:
    """For whoever has room."""
    async with small_sandbox() as sandbox:
        settings = make_settings(sandbox, keep_logs=0)
        invent_runs(settings, 120)
        await take_snapshot(settings)
    tidy_up(settings)
    assert len(read_runs(settings).runs) == 121


def test_what_cannot_be_removed_is_said_and_tried_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its history lines stay, so that the next run knows of it."""
    settings = Settings(
        db_path=tmp_path / "x.db",
        log_dir=tmp_path / "logs",
        checkpoint_dir=tmp_path / "logs" / "c",
        backup_dir=tmp_path / "b",
        keep_logs=1,
    )
    invent_runs(settings, 3)
    log = settings.paths("old0000").log_file
    real = Path.unlink

    def unlink(path: Path, missing_ok: bool = False) -> None:
        if path == log:
            raise PermissionError(13, "is open")
        real(path, missing_ok=missing_ok)

    with monkeypatch.context() as patched:
        patched.setattr(Path, "unlink", unlink)
        assert tidy_up(settings) == (f"{log} (is open)",)
    assert {run.run_tag for run in read_runs(settings).runs} == {"old0000", "old0002"}
    assert tidy_up(settings) == ()
    assert [run.run_tag for run in read_runs(settings).runs] == ["old0002"]


def test_a_history_that_is_held_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A process that hangs with the history in its hands is named by its lock."""
    from salesmap_async.errors import PublishError
    from salesmap_async.run import lock

    monkeypatch.setattr(lock, "_HISTORY_WAIT_S", 0.05)
    history = History(tmp_path / "run_history.jsonl")
    with history_lock(history.path), pytest.raises(PublishError, match="stayed locked"):
        history.append({"run_tag": "x"})


def test_a_history_that_cannot_be_locked_only_grows(tmp_path: Path) -> None:
    """What another run adds meanwhile would be lost: lines are added, and none are taken out."""
    from salesmap_async.errors import PublishError

    history = History(tmp_path / "run_history.jsonl")
    (tmp_path / ".run_history.jsonl.lock").mkdir()
    history.append({"run_tag": "x"})
    before = history.path.read_bytes()
    with pytest.raises(PublishError, match="cannot be locked"):
        history.forget({"x"})
    assert history.path.read_bytes() == before != b""
