"""`doctor`: each thing that can be wrong before a run, with its cure; and `run` stops at it."""

from __future__ import annotations

import asyncio
import dataclasses
import errno
import os
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from salesmap_async import Secret, Settings, take_snapshot
from salesmap_async.errors import UsageError
from salesmap_async.operate.doctor import examine_locally, examine_remotely
from salesmap_async.run.checks import Finding, cloud_folder_in, file_system_of, machine_checks
from salesmap_async.run.lock import run_lock
from salesmap_async.run.preflight import check_paths
from salesmap_async.sandbox import Fault, Sandbox, Workspace
from tests.support.cli_process import ServedSandbox, cli, env_of, no_process_is_left
from tests.support.operate_runs import bytes_below, damage, small_sandbox, written_to
from tests.support.runs import MakeSettings

__all__ = ["no_process_is_left"]


def locally(settings: Settings) -> dict[str, Finding]:
    """Return the findings that are not ok, by what they are about."""
    return {each.what: each for each in examine_locally(settings) if each.level != "ok"}


async def remotely(settings: Settings) -> dict[str, Finding]:
    return {each.what: each for each in await examine_remotely(settings)}


async def test_a_healthy_place_has_only_ok_and_nothing_is_left(
    make_settings: MakeSettings, tmp_path: Path
) -> None:
    """Before the first run and after it; no file is made or changed by looking."""
    async with small_sandbox() as sandbox:
        settings = make_settings(sandbox)
        assert locally(settings) == {}
        assert list(tmp_path.iterdir()) == []
        await take_snapshot(settings)
        before = bytes_below(tmp_path)
        assert locally(settings) == {}
        found = await remotely(settings)
        assert bytes_below(tmp_path) == before
    assert {each.level for each in found.values()} == {"ok"}
    assert "가상 교육 주식회사" in found["workspace"].said
    assert "the final DB holds the same" in found["workspace"].said
    assert " ms" in found["API"].said


@pytest.mark.parametrize("name", ["backup_dir", "log_dir", "checkpoint_dir"])
def test_a_folder_that_refuses_files_stops_a_run(tmp_path: Path, name: str) -> None:
    """Writing is really tried: /proc says yes to access() and no to a file."""
    if not Path("/proc").is_dir():
        pytest.skip("needs a folder in which even root cannot make a file")
    places: dict[str, Any] = {
        each: tmp_path / each for each in ("backup_dir", "log_dir", "checkpoint_dir")
    }
    settings = Settings(**places | {name: Path("/proc/x")}, db_path=tmp_path / "final.db")
    flag = "--" + name.replace("_", "-")
    found = locally(settings)[f"write {flag}"]
    assert found.level == "failed"
    assert flag in found.cure
    with pytest.raises(UsageError, match=f"{flag} /proc/x: /proc is not a folder"):
        check_paths(settings)


def test_run_stops_at_the_first_failure_that_doctor_shows(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One list of checks: a disk that is full by the system's word is exit 2 for both."""
    usage = type("Usage", (), {"free": 49 << 20})
    monkeypatch.setattr("shutil.disk_usage", lambda _path: usage)
    settings = Settings(
        db_path=tmp_path / "final.db",
        backup_dir=tmp_path,
        log_dir=tmp_path,
        checkpoint_dir=tmp_path,
    )
    (failed,) = [each for each in machine_checks(settings) if each.level == "failed"]
    assert "only 49 MiB are free" in failed.said
    with pytest.raises(UsageError, match="only 49 MiB") as refusal:
        check_paths(settings)
    assert refusal.value.cure == failed.cure


@pytest.mark.parametrize(
    ("free_mib", "keep", "level"),
    [(299, 0, "failed"), (301, 0, "warning"), (411, 0, "ok"), (411, 2, "warning")],
)
def test_a_run_needs_the_last_db_three_times_and_room_for_backups(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, free_mib: int, keep: int, level: str
) -> None:
    """All on one disk: work DB, new DB, backup; what is to come is only warned about.

    That is the timeline, 1.1 times the DB, and backups.
    """
    usage = type("Usage", (), {"free": free_mib << 20})
    monkeypatch.setattr("shutil.disk_usage", lambda _path: usage)
    with (tmp_path / "final.db").open("wb") as file:
        file.truncate(100 << 20)
    settings = Settings(
        db_path=tmp_path / "final.db",
        backup_dir=tmp_path,
        log_dir=tmp_path,
        checkpoint_dir=tmp_path,
        keep_backups=keep,
    )
    (space,) = [each for each in machine_checks(settings) if each.what == "disk space"]
    assert space.level == level


def test_file_systems_are_known_by_mount_and_by_name() -> None:
    """The longest mount point counts; cloud folders are known by their names."""
    mounts = {"/": "ext4", "/mnt/nas": "nfs4", "/mnt/nas/local": "xfs"}
    assert file_system_of(Path("/mnt/nas/crm/final.db"), mounts) == "nfs4"
    assert file_system_of(Path("/mnt/nas/local/final.db"), mounts) == "xfs"
    assert file_system_of(Path("/mnt/nasty/final.db"), mounts) == "ext4"
    assert file_system_of(Path("/x"), {}) == ""
    assert cloud_folder_in(Path("/home/me/OneDrive - Company/final.db")) == "OneDrive - Company"
    assert cloud_folder_in(Path("/home/me/Google Drive/final.db")) == "Google Drive"
    assert cloud_folder_in(Path("/home/me/data/final.db")) == ""


def test_a_cloud_folder_is_a_warning_and_no_obstacle(tmp_path: Path) -> None:
    """A run starts there; doctor says what may happen."""
    settings = Settings(
        db_path=tmp_path / "Dropbox" / "final.db",
        backup_dir=tmp_path,
        log_dir=tmp_path,
        checkpoint_dir=tmp_path,
        token=Secret("t"),
    )
    assert {what: each.level for what, each in locally(settings).items()} == {
        "file system": "warning"
    }
    check_paths(settings)


def _held_by_a_run(settings: Settings) -> Any:
    return run_lock(settings.db_path)


def _locked(settings: Settings) -> Any:
    return written_to(settings.db_path)


def _wal_user(settings: Settings) -> Any:
    connection = sqlite3.connect(settings.db_path)
    connection.execute("PRAGMA journal_mode = WAL").fetchone()
    connection.execute("CREATE TABLE mine (x)")
    return closing(connection)


@pytest.mark.parametrize(
    ("situation", "expected"),
    [
        (_held_by_a_run, {"run lock": "failed"}),
        (_locked, {"in use": "failed", "final DB": "failed"}),
        (_wal_user, {"sidecar": "warning"}),
    ],
)
async def test_who_uses_the_final_db(
    make_settings: MakeSettings,
    situation: Callable[[Settings], Any],
    expected: dict[str, str],
) -> None:
    """A run, a writer, a program in WAL mode: each is told apart."""
    async with small_sandbox() as sandbox:
        settings = make_settings(sandbox)
        await take_snapshot(settings)
    with situation(settings):
        found = locally(settings)
    assert {what: each.level for what, each in found.items()} == expected
    assert all(each.cure for each in found.values())


async def test_the_holder_is_named_on_linux(make_settings: MakeSettings) -> None:
    """Another process with the file open is found by /proc, and who holds the run lock."""
    if not Path("/proc/locks").exists():
        pytest.skip("Linux only")
    async with small_sandbox() as sandbox:
        settings = make_settings(sandbox)
        await take_snapshot(settings)
    process = await asyncio.create_subprocess_exec(
        "tail", "-f", str(settings.db_path), stdout=asyncio.subprocess.PIPE
    )
    try:
        assert process.stdout is not None
        await process.stdout.read(1)
        assert locally(settings)["in use"].said == f"open in tail ({process.pid})"
    finally:
        process.kill()
        await process.communicate()
    with run_lock(settings.db_path):
        assert f"({os.getpid()})" in locally(settings)["run lock"].said


async def test_a_damaged_final_db_and_a_missing_token(make_settings: MakeSettings) -> None:
    """Both fail, and the cures are `restore` and SALESMAP_TOKEN."""
    async with small_sandbox() as sandbox:
        settings = make_settings(sandbox)
        await take_snapshot(settings)
    damage(settings.db_path)
    found = locally(dataclasses.replace(settings, token=None))
    assert {what: each.level for what, each in found.items()} == {
        "final DB": "failed",
        "token": "failed",
    }
    assert "restore" in found["final DB"].cure
    assert "SALESMAP_TOKEN" in found["token"].cure
    assert await examine_remotely(dataclasses.replace(settings, token=None)) == []


@pytest.mark.parametrize(
    ("fault", "what", "level"),
    [
        (Fault(action="status", status=401, path="/user/me"), "token", "failed"),
        (Fault(action="status", status=403, path="/user/me"), "token", "failed"),
        (Fault(action="status", status=503, path="/user/me"), "API", "failed"),
        (Fault(action="reset", path="/user/me"), "API", "failed"),
        (Fault(action="status", status=404, path="/user/me"), "API", "warning"),
        (Fault(action="429", path="/user/me"), "API", "warning"),
    ],
)
async def test_what_the_api_answers(
    make_settings: MakeSettings, fault: Fault, what: str, level: str
) -> None:
    """What a run would stop at fails, what it would survive warns; one request, no token shown."""
    always = dataclasses.replace(fault, times=None)
    async with Sandbox(Workspace.generate(records=100, forms=1), faults=[always]) as sandbox:
        settings = make_settings(sandbox)
        found = await remotely(settings)
        assert len(sandbox.arrivals) <= 2
    assert {name: each.level for name, each in found.items()} == {what: level}
    assert found[what].cure
    assert settings.token is not None
    assert settings.token.reveal() not in found[what].said


async def test_another_workspace_and_nobody_there(make_settings: MakeSettings) -> None:
    """The token of another company fails; so does an address where nobody listens."""
    async with small_sandbox() as sandbox:
        settings = make_settings(sandbox)
        await take_snapshot(settings)
    async with Sandbox(Workspace.generate(records=100, forms=1, seed=9)) as other:
        found = await remotely(make_settings(other))
        assert found["workspace"].level == "failed"
    found = await remotely(make_settings(other))
    assert {what: each.level for what, each in found.items()} == {"API": "failed"}
    found = await remotely(make_settings(other, ca_file=Path("nowhere.pem")))
    assert "--ca-file" in found["options"].said


def test_on_the_command_line(tmp_path: Path) -> None:
    """Exit 0 with the run command, or 2 with the failure; --offline asks nobody."""
    with ServedSandbox(tmp_path) as server:
        code, out, err = cli(tmp_path, "doctor", **env_of(server))
        assert (code, err) == (0, "")
        assert "A run can start: 0 failed, 0 warnings." in out
        assert f"Next: python -m salesmap_async run --base-url {server.base_url}" in out
        asked = server.arrivals.read_text("utf-8").count("\n")
        code, out, _ = cli(tmp_path, "doctor", "--offline", **env_of(server))
        assert (code, "the network was left out" in out) == (0, True)
        assert server.arrivals.read_text("utf-8").count("\n") == asked
    code, out, _ = cli(tmp_path, "doctor", **env_of(server))
    assert (code, "cannot be reached" in out or "connection trouble" in out) == (2, True)
    code, out, _ = cli(tmp_path, "doctor", "--offline")
    assert (code, "there is none" in out) == (2, True)
    assert max(map(len, out.splitlines())) <= 80
    code, _, err = cli(tmp_path, "doctor", "--token-file", "nowhere")
    assert (code, "cannot be read" in err) == (2, True)


def test_a_full_disk_is_called_full(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Not a folder that has to be made writable."""

    def full(**_: object) -> object:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr("salesmap_async.run.checks.tempfile.TemporaryFile", full)
    failed = [
        each
        for each in machine_checks(Settings(db_path=tmp_path / "a.db"))
        if each.level == "failed"
    ]
    assert failed
    assert all("is full" in each.said for each in failed)
    assert all("free some space" in each.cure for each in failed)
