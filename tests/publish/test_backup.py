"""Backups: whole, verified, repeatable, pruned by age."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from salesmap_async.errors import LockedError, PublishError
from salesmap_async.events import Event, Warned, ignore
from salesmap_async.publish.backup import already_holds, back_up, prune_backups
from salesmap_async.sqlite_file import is_wal
from tests.support.small_snapshots import OLD, OLD_ROWS, content, snapshot, viewer


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """The DB that a run called `new` is about to replace."""
    return snapshot(tmp_path / "salesmap 한글.db", "old", OLD_ROWS)


def backup_of(source: Path, run_tag: str = "new") -> Path:
    return source.parent / "backups" / f"{source.stem}_before_{run_tag}{source.suffix}"


def prune(directory: Path, keep: int, *, fresh: Path | None = None, tell: Any = ignore) -> None:
    """Prune the backups of `salesmap.db` beside their folder; no run has left any traces."""
    prune_backups(
        directory.parent / "salesmap.db",
        directory,
        keep,
        was_run=lambda tag: False,
        fresh=fresh,
        tell=tell,
    )


def files_beside(path: Path) -> list[str]:
    return sorted(each.name for each in path.parent.iterdir())


def test_a_backup_is_the_whole_db(source: Path) -> None:
    """Same content, nothing beside it, and the source as it was."""
    back_up(source, backup_of(source), tell=ignore)
    assert content(backup_of(source)) == OLD
    assert content(source) == OLD
    assert files_beside(backup_of(source)) == [backup_of(source).name]


def test_what_a_killed_backup_left_is_no_obstacle(source: Path) -> None:
    """Half a copy and its journal lie under the temporary name."""
    backup_of(source).parent.mkdir()
    half = backup_of(source).with_name(f".{backup_of(source).name}.part")
    half.write_bytes(b"half a copy" * 1_000)
    half.with_name(half.name + "-journal").write_bytes(b"x")
    back_up(source, backup_of(source), tell=ignore)
    assert content(backup_of(source)) == OLD
    assert files_beside(backup_of(source)) == [backup_of(source).name]


def test_a_wal_db_is_backed_up_with_what_is_only_in_the_wal(tmp_path: Path) -> None:
    """The copy is complete and at rest in rollback mode, also while somebody reads."""
    source = snapshot(tmp_path / "s.db", "old", OLD_ROWS, journal_mode="WAL")
    with viewer(source, "read transaction"):
        with closing(sqlite3.connect(source)) as connection:
            connection.execute("INSERT INTO deal VALUES ('more', 'old')")
            connection.commit()
        back_up(source, backup_of(source), tell=ignore)
    assert content(backup_of(source)) == ("old", OLD_ROWS + 1)
    assert not is_wal(backup_of(source))


def test_nothing_to_back_up_is_no_error(tmp_path: Path) -> None:
    """No DB yet, or an empty file."""
    back_up(tmp_path / "none.db", backup_of(tmp_path / "none.db"), tell=ignore)
    (tmp_path / "empty.db").touch()
    back_up(tmp_path / "empty.db", backup_of(tmp_path / "empty.db"), tell=ignore)
    assert not (tmp_path / "backups").exists()


def test_a_repeated_backup_of_the_same_content_is_one_backup(source: Path) -> None:
    """A run that was killed after its backup makes it again, under the same name."""
    for _ in range(2):
        back_up(source, backup_of(source), tell=ignore)
    assert [each.name for each in backup_of(source).parent.iterdir()] == [backup_of(source).name]


def test_another_backup_of_that_name_is_never_overwritten(source: Path) -> None:
    """Another run published in between: its data and what came before it are both kept."""
    back_up(source, backup_of(source), tell=ignore)
    source.unlink()
    snapshot(source, "between", 5)
    back_up(source, backup_of(source), tell=ignore)
    numbered = backup_of(source).with_stem(backup_of(source).stem + "_2")
    assert (content(backup_of(source)), content(numbered)) == (OLD, ("between", 5))


def test_what_the_run_itself_published_needs_no_backup(tmp_path: Path) -> None:
    """A run holds a DB only if every table it read is there as it read it."""
    path = tmp_path / "final.db"
    with closing(sqlite3.connect(path)) as connection:
        connection.execute('CREATE TABLE manifest ("table" TEXT, run_tag TEXT)')
        connection.execute("INSERT INTO manifest VALUES ('memo', 'new'), ('people', 'old')")
        connection.commit()
    assert already_holds(path, "old", ("people",))
    assert not already_holds(path, "old", ("people", "memo"))
    assert not already_holds(path, "old", ("lead",))


def test_a_locked_source_ends_with_a_clear_error(source: Path) -> None:
    """A writer that never ends does not hang us, and no file counts as a backup."""
    with closing(sqlite3.connect(source, isolation_level=None)) as connection:
        connection.execute("BEGIN EXCLUSIVE")
        with pytest.raises(LockedError, match="locked"):
            back_up(source, backup_of(source), tell=ignore, deadline_s=0.1)
    assert not backup_of(source).exists()


def test_a_damaged_source_is_not_kept_as_a_backup(source: Path) -> None:
    """quick_check refuses the copy; the run stops before anything is replaced."""
    data = bytearray(source.read_bytes())
    data[4096 * 3 : 4096 * 5] = b"\xff" * 8192
    source.write_bytes(data)
    with pytest.raises(PublishError):
        back_up(source, backup_of(source), tell=ignore)
    assert files_beside(backup_of(source)) == []


LIMITED = """
import resource, signal, sys
from pathlib import Path
from typing import Any
from salesmap_async.errors import PublishError
from salesmap_async.publish.backup import back_up
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000))
try:
    back_up(Path(sys.argv[1]), Path(sys.argv[2]), tell=lambda event: None)
except PublishError as error:
    print(error.cure)
"""


@pytest.mark.skipif(os.name == "nt", reason="needs RLIMIT_FSIZE")
def test_a_full_disk_leaves_nothing_that_counts_as_a_backup(source: Path) -> None:
    """The copy stops halfway; only the cure is left."""
    arguments = [sys.executable, "-c", LIMITED, str(source), str(backup_of(source))]
    result = subprocess.run(arguments, capture_output=True, text=True, check=True)
    assert "disk" in result.stdout
    assert files_beside(backup_of(source)) == []
    assert content(source) == OLD


def make_backups(directory: Path, count: int) -> None:
    directory.mkdir()
    for number in range(count):
        path = directory / f"salesmap_before_2026010{number}_000000.db"
        path.touch()
        os.utime(path, (1_000 - number, 1_000 - number))


def test_pruning_keeps_the_newest_by_time(tmp_path: Path) -> None:
    """Age, not name, decides; files of other names and other DBs stay."""
    directory = tmp_path / "backups"
    make_backups(directory, 4)
    others = ["salesmap.db", "other_before_1.db", "salesmap_before_1.db.bak", "salesmap_before_.db"]
    for name in others:
        (directory / name).touch()
    (directory / "salesmap_before_x.db").mkdir()
    prune(directory, 2)
    assert {each.name for each in directory.iterdir()} == {
        *others,
        "salesmap_before_x.db",
        "salesmap_before_20260100_000000.db",
        "salesmap_before_20260101_000000.db",
    }


def test_keeping_none_removes_all(tmp_path: Path) -> None:
    """keep=0 leaves no backup."""
    make_backups(tmp_path / "backups", 3)
    prune(tmp_path / "backups", 0)
    assert list((tmp_path / "backups").iterdir()) == []


def test_what_cannot_be_deleted_only_warns(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One refusal does not stop the others; without a directory there is nothing to do."""
    directory = tmp_path / "backups"
    make_backups(directory, 3)
    real = Path.unlink

    def unlink(path: Path, missing_ok: bool = False) -> None:
        if path.name == "salesmap_before_20260101_000000.db":
            raise PermissionError("in use")
        real(path, missing_ok)

    monkeypatch.setattr(Path, "unlink", unlink)
    events = list[Event]()
    prune(directory, 0, tell=events.append)
    prune(tmp_path / "none", 0, tell=events.append)
    assert len([event for event in events if isinstance(event, Warned)]) == 1
    assert len(list(directory.iterdir())) == 1
