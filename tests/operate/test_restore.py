"""`restore`: the right backup, verified, through the same ladder; nothing is ever lost."""

from __future__ import annotations

import dataclasses
import shutil
from pathlib import Path
from typing import Any

import pytest

from salesmap_async import Settings, take_snapshot
from salesmap_async.errors import LockedError, PublishError, RunLockedError, UsageError
from salesmap_async.events import Note, ignore
from salesmap_async.operate.backups import choose_backup, list_backups
from salesmap_async.operate.look import look_at
from salesmap_async.operate.restore import check_backup, restore_backup
from salesmap_async.operate.runs import read_runs
from salesmap_async.run.lock import run_lock
from salesmap_async.sandbox import Sandbox, Workspace
from salesmap_async.sqlite_file import opened
from tests.support.cli_process import cli, no_process_is_left
from tests.support.history import history_lines
from tests.support.operate_runs import (
    SMALL,
    bytes_below,
    damage,
    kept_aside,
    path_flags,
    small_sandbox,
    stopped,
    wait_shortly_for_locks,
    written_to,
)
from tests.support.runs import Events, MakeSettings, table_hashes

__all__ = ["no_process_is_left"]


async def published(settings: Settings, workspace: Workspace, *tags: str) -> dict[str, Any]:
    """Publish a run per tag, each with a memo less; return the content hashes by tag."""
    hashes = {}
    for tag in tags:
        await take_snapshot(dataclasses.replace(settings, run_tag=tag))
        hashes[tag] = table_hashes(settings.db_path)
        del workspace.table("memo")[0]
    return hashes


def restore(settings: Settings, wanted: str) -> None:
    chosen = choose_backup(settings, wanted)
    check_backup(chosen, settings.db_path)
    restore_backup(settings, chosen, tell=ignore)


async def test_a_tag_means_the_snapshot_that_this_run_published(
    make_settings: MakeSettings,
) -> None:
    """Not the backup that was made before it: the tag in the backup's own run_info counts."""
    async with small_sandbox() as sandbox:
        settings = make_settings(sandbox)
        hashes = await published(settings, sandbox.workspace, "a", "b", "c")
    restore(settings, "b")
    assert table_hashes(settings.db_path) == hashes["b"]
    assert {each.run_tag for each in list_backups(settings)} == {*("a", "b", "c")}
    restore(settings, "c")
    assert table_hashes(settings.db_path) == hashes["c"]
    restore(settings, "b")  # twice in the backups now, with the same content
    assert table_hashes(settings.db_path) == hashes["b"]
    assert (settings.db_path.parent / (settings.db_path.name + ".lock")).exists()
    left = [each.name for each in settings.db_path.parent.iterdir() if each.is_file()]
    assert sorted(left) == ["final.db", "final.db.lock"]


async def test_restoring_leaves_every_backup_as_it_was(make_settings: MakeSettings) -> None:
    """The backup is copied, not moved, and the DB before gets a name of its own."""
    async with small_sandbox() as sandbox:
        settings = make_settings(sandbox)
        hashes = await published(settings, sandbox.workspace, "a", "b")
    before = bytes_below(settings.backup_dir)
    for _ in range(3):
        restore(settings, "a")
        after = bytes_below(settings.backup_dir)
        assert before.items() <= after.items()
        assert len(after) == len(before) + 1
        before = after
    newest = list_backups(settings)
    assert table_hashes(settings.db_path) == hashes["a"]
    assert any(table_hashes(each.path) == hashes["b"] for each in newest)


async def test_a_run_of_web_forms_alone_has_a_snapshot_too(make_settings: MakeSettings) -> None:
    """The whole run's tag means the DB without the renewed forms, the other's the one with them."""
    workspace = Workspace.generate(**SMALL)
    async with Sandbox(workspace, quota=False) as sandbox:
        settings = make_settings(sandbox)
        hashes = await published(settings, workspace, "a")
        for submissions in workspace.submissions.values():
            del submissions[:1]
        forms = dataclasses.replace(settings, webform_only=True)
        await take_snapshot(dataclasses.replace(forms, run_tag="w"))
        hashes["w"] = table_hashes(settings.db_path)
        await published(settings, workspace, "b")
    restore(settings, "w")
    assert table_hashes(settings.db_path) == hashes["w"]
    restore(settings, "a")
    assert table_hashes(settings.db_path) == hashes["a"]
    assert hashes["a"] != hashes["w"]


async def test_what_cannot_be_chosen_is_named(make_settings: MakeSettings, tmp_path: Path) -> None:
    """Unknown, ambiguous, the final DB itself, no snapshot at all, damaged: exit 2, untouched."""
    async with small_sandbox() as sandbox:
        settings = make_settings(sandbox)
        await published(settings, sandbox.workspace, "a", "b", "c")
    first, second = (settings.backup_dir / f"final_before_{tag}.db" for tag in ("b", "c"))
    with opened(second, "rw") as connection:
        connection.execute("UPDATE run_info SET run_tag = 'a'")
        connection.execute("UPDATE manifest SET run_tag = 'a'")
    (tmp_path / "other.db").write_bytes(b"no database" * 100)
    shutil.copyfile(first, tmp_path / "nobody.db")
    with opened(tmp_path / "nobody.db", "rw") as connection:
        connection.execute("DROP TABLE run_info")
    before = bytes_below(tmp_path)
    for wanted, words in (
        ("nowhere", "no backup of"),
        ("a", "several backups"),
        ("c", "already"),
        (str(settings.db_path), "the final DB itself"),
        (str(tmp_path / "nowhere.db"), "there is no file"),
        (str(tmp_path / "other.db"), "not a database"),
        (str(tmp_path / "nobody.db"), "no run_info"),
    ):
        with pytest.raises(UsageError, match=words):
            restore(settings, wanted)
    assert bytes_below(tmp_path) == before
    restore(settings, first.name)
    restored = look_at(settings.db_path)
    assert restored is not None
    assert restored.run_tag == "a"


async def test_a_damaged_backup_is_found_before_anything_is_touched(
    make_settings: MakeSettings, tmp_path: Path
) -> None:
    """integrity_check finds a broken page that opening the file does not."""
    async with small_sandbox() as sandbox:
        settings = make_settings(sandbox)
        await published(settings, sandbox.workspace, "a", "b")
    (backup,) = settings.backup_dir.iterdir()
    with opened(backup, "ro") as connection:
        (page,) = connection.execute(
            "SELECT rootpage FROM sqlite_master WHERE name = 'deal'"
        ).fetchone()
    data = bytearray(backup.read_bytes())
    data[(page - 1) * 4096 : (page - 1) * 4096 + 100] = b"\xff" * 100
    backup.write_bytes(bytes(data))
    before = bytes_below(tmp_path)
    with pytest.raises(UsageError, match="cannot be restored"):
        restore(settings, "a")
    assert bytes_below(tmp_path) == before


async def test_a_damaged_final_db_is_kept_and_replaced(make_settings: MakeSettings) -> None:
    """What SQLite cannot copy is kept byte by byte, and its sidecars spoil nothing."""
    async with small_sandbox() as sandbox:
        settings = make_settings(sandbox)
        hashes = await published(settings, sandbox.workspace, "a", "b")
    damage(settings.db_path)
    damaged = settings.db_path.read_bytes()
    wal = settings.db_path.with_name("final.db-wal")
    wal.write_bytes(b"rest of something")
    restore(settings, "a")
    assert table_hashes(settings.db_path) == hashes["a"]
    assert not wal.exists()
    (kept,) = settings.backup_dir.glob("final_damaged_*.db")
    assert kept.read_bytes() == damaged
    assert kept.with_name(kept.name + "-wal").read_bytes() == b"rest of something"


async def test_without_a_final_db_there_is_nothing_to_keep(make_settings: MakeSettings) -> None:
    """A deleted DB comes back from its backup."""
    async with small_sandbox() as sandbox:
        settings = make_settings(sandbox)
        hashes = await published(settings, sandbox.workspace, "a", "b")
    settings.db_path.unlink()
    restore(settings, "a")
    assert table_hashes(settings.db_path) == hashes["a"]
    assert len(bytes_below(settings.backup_dir)) == 1


async def test_a_running_run_and_a_locked_db_are_not_disturbed(
    make_settings: MakeSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Exit 5 and exit 3; the DB and its folder are as they were."""
    wait_shortly_for_locks(monkeypatch)
    async with small_sandbox() as sandbox:
        settings = make_settings(sandbox)
        await published(settings, sandbox.workspace, "a", "b")
    before = bytes_below(settings.db_path.parent)
    with run_lock(settings.db_path), pytest.raises(RunLockedError):
        restore(settings, "a")
    assert bytes_below(settings.db_path.parent) == before
    with written_to(settings.db_path), pytest.raises(LockedError) as locked:
        restore(settings, "a")
    assert (locked.value.exit_code, "restore again" in locked.value.cure) == (3, True)
    history = "logs/run_history.jsonl"
    after = bytes_below(settings.db_path.parent)
    assert {**after, history: b""} == {**before, history: b""}
    assert [run.status for run in read_runs(settings).runs][:2] == ["failed", "published"]


async def test_a_failure_between_the_steps_leaves_the_old_db(
    make_settings: MakeSettings, tmp_path: Path
) -> None:
    """A folder that cannot hold the backup of the present DB stops it before the swap."""
    async with small_sandbox() as sandbox:
        settings = make_settings(sandbox)
        hashes = await published(settings, sandbox.workspace, "a", "b")
    chosen = choose_backup(settings, "a")
    elsewhere = dataclasses.replace(settings, backup_dir=tmp_path / "file" / "backups")
    (tmp_path / "file").touch()
    with pytest.raises(PublishError, match="failed") as failed:
        restore_backup(elsewhere, chosen, tell=ignore)
    assert not failed.value.published
    assert table_hashes(settings.db_path) == hashes["b"]
    assert list(tmp_path.glob("*.tmp")) == []


async def test_a_restore_is_not_undone_by_resume(
    make_settings: MakeSettings, events: Events, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`--resume` starts anew after it; an older unfinished run goes on by its tag alone."""
    async with small_sandbox() as sandbox:
        settings = make_settings(sandbox)
        await published(settings, sandbox.workspace, "a", "b")
        await kept_aside(settings, "t", monkeypatch)
        restore(settings, "a")
        report = await take_snapshot(dataclasses.replace(settings, resume=True), events)
        assert report.run_tag not in ("a", "b", "t")
        assert any("starting a new one" in note.text for note in events.of(Note))
        await stopped(settings, "later")
        report = await take_snapshot(dataclasses.replace(settings, resume=True))
    assert report.run_tag == "later"


async def test_the_history_tells_of_a_restore(make_settings: MakeSettings) -> None:
    """A restore is a line of its own and never the last run."""
    async with small_sandbox() as sandbox:
        settings = make_settings(sandbox)
        await published(settings, sandbox.workspace, "a", "b")
    restore(settings, "a")
    history = read_runs(settings)
    assert history.runs[0].status == "restored"
    assert history_lines(settings.paths("a").history_file)[-1]["restored_tag"] == "a"
    assert history.last_run is not None
    assert history.last_run.run_tag == "b"
    assert history.restored_since(history.last_published) is history.runs[0]


async def test_on_the_command_line(make_settings: MakeSettings, tmp_path: Path) -> None:
    """It lists, asks, takes no for an answer, restores with --yes, and lists what it knows."""
    async with small_sandbox() as sandbox:
        settings = make_settings(sandbox)
        hashes = await published(settings, sandbox.workspace, "a", "b")
    flags = path_flags(settings)
    code, out, err = cli(tmp_path, "restore", *flags)
    assert (code, err) == (0, "")
    assert "final_before_b.db" in out
    assert "Next: python -m salesmap_async restore a --db-path" in out
    code, out, err = cli(tmp_path, "restore", "a", *flags)
    assert (code, "Replace it?" in out, "nobody said yes" in err) == (2, True, True)
    assert table_hashes(settings.db_path) == hashes["b"]
    code, out, err = cli(tmp_path, "restore", "nowhere", *flags)
    assert (code, "final_before_b.db" in err) == (2, True)
    assert "Next: python -m salesmap_async restore --db-path" in err
    code, out, _ = cli(tmp_path, "restore", "a", "--yes", *flags)
    assert (code, "holds the snapshot of run a" in out) == (0, True)
    assert table_hashes(settings.db_path) == hashes["a"]
    code, out, _ = cli(tmp_path, "status", *flags)
    assert (code, "restored" in out) == (0, True)


def test_without_backups_it_says_so(tmp_path: Path) -> None:
    """Exit 0, nothing made."""
    code, out, err = cli(tmp_path, "restore")
    assert (code, err) == (0, "")
    assert "There is no backup" in out
    assert list(tmp_path.iterdir()) == []


async def test_the_backup_of_another_workspace_is_refused(
    make_settings: MakeSettings, tmp_path: Path
) -> None:
    """As a run is that reads another workspace; the final DB stays."""
    async with small_sandbox() as sandbox:
        settings = make_settings(sandbox)
        await published(settings, sandbox.workspace, "a", "b")
    foreign = list_backups(settings)[0].path
    with opened(foreign, "rw") as connection:
        connection.execute("UPDATE run_info SET workspace_id = 'another', workspace_name = '다른'")
    before = settings.db_path.read_bytes()
    with pytest.raises(UsageError, match="workspace 다른, but"):
        check_backup(choose_backup(settings, str(foreign)), settings.db_path)
    code, _, err = cli(tmp_path, "restore", str(foreign), "--yes", *path_flags(settings))
    assert (code, "workspace 다른, but" in err) == (2, True)
    assert settings.db_path.read_bytes() == before
