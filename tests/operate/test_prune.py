"""`prune`: what nobody needs any more goes, what a resume could need stays."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest

from salesmap_async import take_snapshot
from salesmap_async.errors import RunLockedError
from salesmap_async.operate.prune import fate, prune
from salesmap_async.operate.runs import RunEntry
from salesmap_async.run.history import History
from salesmap_async.run.lock import run_lock
from tests.support.cli_process import cli, no_process_is_left
from tests.support.operate_runs import (
    bytes_below,
    kept_aside,
    killed,
    path_flags,
    refused,
    small_sandbox,
    stopped,
)
from tests.support.runs import MakeSettings, table_hashes

__all__ = ["no_process_is_left"]


def run_of(status: str, kind: str = "full") -> RunEntry:
    return RunEntry(run_tag="t", status=status, kind=kind, final_db=Path("x.db"))


@pytest.mark.parametrize(
    ("status", "kind", "superseded", "goes"),
    [
        ("published", "full", False, True),
        ("killed", "full", False, False),
        ("killed", "full", True, True),
        ("kept_aside", "full", False, False),
        ("refused", "full", True, True),
        ("killed", "restore", False, True),
    ],
)
def test_who_is_published_or_abandoned(
    status: str, kind: str, superseded: bool, goes: bool
) -> None:
    """Only what is published, or began before what was published last; in doubt it stays."""
    assert fate(run_of(status, kind), superseded=superseded)[0] is goes


async def test_a_newer_unfinished_run_stays(make_settings: MakeSettings, tmp_path: Path) -> None:
    """Killed, refused: both newer than what is published, so nothing goes."""
    async with small_sandbox() as sandbox:
        settings = make_settings(sandbox)
        await take_snapshot(settings)
        await killed(settings, "k")
        await refused(settings, sandbox.workspace, "r")
    before = bytes_below(tmp_path)
    found = prune(settings, dry_run=False)
    assert {run.run_tag: run.remove for run in found} == {"k": False, "r": False}
    assert bytes_below(tmp_path) == before


async def test_abandoned_and_published_runs_lose_their_files(
    make_settings: MakeSettings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Work DBs, unfinished builds and copies kept aside go; all else of the folder stays."""
    async with small_sandbox() as sandbox:
        settings = make_settings(sandbox)
        await take_snapshot(dataclasses.replace(settings, run_tag="first"))
        await stopped(settings, "old")
        kept_at = await kept_aside(settings, "aside", monkeypatch)
        await take_snapshot(dataclasses.replace(settings, run_tag="new"))
        await stopped(settings, "newer")
    work_db = settings.paths("first").work_db
    work_db.write_bytes(b"left by a disk that was full")
    building = settings.paths("old").building_db
    building.write_bytes(b"x" * 1000)
    somebodys = tmp_path / "final_first.db"  # a name like a copy kept aside, but not of that run
    somebodys.write_bytes(b"mine")
    before = bytes_below(tmp_path)
    looked = prune(settings, dry_run=True)
    assert bytes_below(tmp_path) == before
    assert prune(settings, dry_run=False) == looked
    gone = before.keys() - bytes_below(tmp_path).keys()
    expected = {
        *(settings.paths(tag).work_db for tag in ("first", "old", "aside")),
        *(kept_at, building),
    }
    assert gone == {str(path.relative_to(tmp_path)) for path in expected}
    assert {run.run_tag for run in looked if not run.remove} == {"newer"}
    assert prune(settings, dry_run=False) == tuple(run for run in looked if not run.remove)
    async with small_sandbox() as sandbox:
        report = await take_snapshot(make_settings(sandbox, resume=True))
    assert report.run_tag == "newer"


async def test_a_run_at_work_is_not_disturbed(make_settings: MakeSettings) -> None:
    """Exit 5, with --dry-run too; a run of web forms alone is judged by its own kind."""
    async with small_sandbox() as sandbox:
        settings = make_settings(sandbox)
        await take_snapshot(settings)
        await stopped(settings, "old")
        await take_snapshot(settings)
        with run_lock(settings.db_path):
            for dry_run in (True, False):
                with pytest.raises(RunLockedError):
                    prune(settings, dry_run=dry_run)
        assert settings.paths("old").work_db.exists()
        forms = dataclasses.replace(settings, webform_only=True)
        await stopped(forms, "forms", pages=1)
        await take_snapshot(settings)
        found = {run.run_tag: run.remove for run in prune(settings, dry_run=False)}
    assert found == {"old": True, "forms": False}


async def test_runs_of_another_db_are_left_alone(
    make_settings: MakeSettings, tmp_path: Path
) -> None:
    """They share the folders, but not the judgement."""
    async with small_sandbox() as sandbox:
        other = make_settings(sandbox, db_path=tmp_path / "other.db")
        await stopped(other, "theirs")
        settings = make_settings(sandbox)
        await take_snapshot(settings)
        await take_snapshot(settings)
    history = settings.paths("x").history_file
    history.unlink()
    assert prune(settings, dry_run=False) == ()
    line = {"run_tag": "theirs", "status": "published", "final_db_path": str(settings.db_path)}
    History(history).append(line)  # one tag twice: the folder is not that run's
    assert prune(settings, dry_run=False) == ()
    assert other.paths("theirs").work_db.exists()


async def test_on_the_command_line(make_settings: MakeSettings, tmp_path: Path) -> None:
    """--dry-run says what and how much and removes nothing; without it, it is gone."""
    async with small_sandbox() as sandbox:
        settings = make_settings(sandbox)
        await stopped(settings, "old")
        await take_snapshot(settings)
    hashes = table_hashes(settings.db_path)
    size = settings.paths("old").work_db.stat().st_size
    flags = path_flags(settings)
    code, out, err = cli(tmp_path, "prune", "--dry-run", *flags)
    assert (code, err) == (0, "")
    assert f"Would remove 1 file, {size / 1000:.0f} kB ({size:,} bytes)" in out
    assert "abandoned: interrupted, and a later run is published" in out
    assert settings.paths("old").work_db.exists()
    code, out, _ = cli(tmp_path, "prune", *flags)
    assert (code, "Removed 1 file" in out) == (0, True)
    assert not settings.paths("old").work_db.exists()
    code, out, _ = cli(tmp_path, "prune", *flags)
    assert (code, "Nothing to remove" in out) == (0, True)
    assert table_hashes(settings.db_path) == hashes
