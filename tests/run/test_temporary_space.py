"""SQLite's temporary files: beside the work DB where the system has no room for them."""

from __future__ import annotations

import os
import sqlite3
import tempfile
from contextlib import closing
from pathlib import Path

import pytest

from salesmap_async import Settings
from salesmap_async.run import checks
from salesmap_async.run.checks import machine_checks, temporary_folder
from salesmap_async.sqlite_file import temporary_files_in

LINUX = pytest.mark.skipif(not Path("/proc/self/fd").is_dir(), reason="looks at open files")


def open_temporary_files() -> set[Path]:
    """Return the folders of SQLite's temporary files that this process has open."""
    found = set()
    for each in Path("/proc/self/fd").iterdir():
        try:
            target = each.readlink()
        except OSError:
            continue
        if target.name.startswith("etilqs"):
            found.add(target.parent)
    return found


def spill(path: Path) -> set[Path]:
    """Write more than fits into SQLite's memory; return where it went."""
    with closing(sqlite3.connect(path)) as connection:
        connection.executescript("PRAGMA temp_store = file; PRAGMA cache_size = 10;")
        connection.execute("CREATE TEMP TABLE t (x)")
        connection.executemany(
            "INSERT INTO t VALUES (?)", ((os.urandom(500),) for _ in range(5000))
        )
        return open_temporary_files()


@LINUX
def test_temporary_files_go_where_they_are_told_and_back(tmp_path: Path) -> None:
    """For the time of the run; afterwards SQLite chooses as before."""
    before = spill(tmp_path / "a.db")
    folder = tmp_path / "작업 폴더 'x'"
    folder.mkdir()
    with temporary_files_in(folder):
        assert spill(tmp_path / "b.db") == {folder}
    with temporary_files_in(None):
        assert spill(tmp_path / "c.db") == before


@pytest.mark.parametrize("trouble", ["none", "too small", "not writable"])
def test_a_run_takes_the_work_db_s_disk_where_the_system_has_no_room(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, trouble: str
) -> None:
    """And doctor says so."""
    settings = Settings(checkpoint_dir=tmp_path / "checkpoints")
    if trouble == "too small":
        monkeypatch.setattr(checks, "SMALLEST_FREE_BYTES", 1 << 60)
    if trouble == "not writable":
        monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "none"))
        monkeypatch.setattr(os, "access", lambda path, mode: False)
    expected = None if trouble == "none" else tmp_path
    assert temporary_folder(settings) == expected
    [finding] = [each for each in machine_checks(settings) if each.what == "temporary space"]
    assert finding.level == ("ok" if expected is None else "warning")
    assert (str(tmp_path) in finding.said) is (expected is not None)


@LINUX
def test_a_run_that_ends_takes_the_folder_from_no_other(tmp_path: Path) -> None:
    """As the runs of a fleet end side by side, in any order."""
    before = spill(tmp_path / "a.db")
    folders = [tmp_path / "one", tmp_path / "two"]
    for folder in folders:
        folder.mkdir()
    first, second = map(temporary_files_in, folders)
    first.__enter__()
    second.__enter__()
    first.__exit__(None, None, None)
    assert spill(tmp_path / "b.db") == {folders[1]}
    second.__exit__(None, None, None)
    assert spill(tmp_path / "c.db") == before
