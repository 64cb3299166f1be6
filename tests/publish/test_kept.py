"""Which files are backups of a final DB: by what they say themselves, not by a name alone."""

from __future__ import annotations

import os
import sqlite3
from pathlib import Path

import pytest

from salesmap_async.events import ignore
from salesmap_async.publish.backup import prune_backups
from salesmap_async.publish.kept import backups_of


def db(path: Path, *, of: Path | None, workspace: str | None = "w", at: str = "2026-01-01") -> Path:
    """Write a snapshot that says it was published as `of`; None: it says nothing."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with sqlite3.connect(path) as connection:
        connection.execute("CREATE TABLE people (id)")
        if of is not None:
            connection.execute(
                "CREATE TABLE run_info (final_db_path, workspace_id, captured_at_utc)"
            )
            connection.execute(
                "INSERT INTO run_info VALUES (?, ?, ?)", (str(of), workspace, f"{at}T00:00:00Z")
            )
    connection.close()
    return path


def names_of(final: Path, backups: Path, *runs: str) -> list[str]:
    found = backups_of(final, backups, was_run=lambda tag: tag in runs)
    return [each.path.name for each in found]


TAG = "20260101_000000"


def test_two_dbs_of_one_name_keep_their_own_backups_in_one_folder(tmp_path: Path) -> None:
    """By the path they were published at, whatever the names say."""
    one, two = tmp_path / "one" / "crm.db", tmp_path / "two" / "crm.db"
    backups = tmp_path / "backups"
    for final, tag in ((one, "20260101_000001"), (two, "20260101_000002")):
        db(final, of=final)
        db(backups / f"crm_before_{tag}.db", of=final)
    assert names_of(one, backups) == ["crm_before_20260101_000001.db"]
    assert names_of(two, backups) == ["crm_before_20260101_000002.db"]
    prune_backups(one, backups, 0, was_run=lambda tag: False, tell=ignore)
    assert names_of(two, backups) == ["crm_before_20260101_000002.db"]


def test_another_workspace_s_backup_is_none(tmp_path: Path) -> None:
    """The DB at this path held another workspace once: that backup is not this one's."""
    final = db(tmp_path / "crm.db", of=tmp_path / "crm.db")
    db(tmp_path / "backups" / f"crm_before_{TAG}.db", of=final, workspace="other")
    assert names_of(final, tmp_path / "backups") == []


@pytest.mark.parametrize("said", [True, False])
def test_a_copy_that_is_named_like_a_backup_is_the_user_s_own(tmp_path: Path, said: bool) -> None:
    """Unless a run of that tag has left its traces: then a run made it."""
    final = db(tmp_path / "crm.db", of=tmp_path / "crm.db")
    db(tmp_path / "crm_before_migration.db", of=final if said else None)
    assert names_of(final, tmp_path) == []
    assert names_of(final, tmp_path, "migration") == ["crm_before_migration.db"]


def test_a_db_that_was_moved_with_its_folder_keeps_its_backups(tmp_path: Path) -> None:
    """The old path is gone, the name is the same, and the backups lie below the DB."""
    old, new = tmp_path / "old" / "crm.db", tmp_path / "new" / "crm.db"
    db(new, of=old)
    db(new.parent / "backups" / f"crm_before_{TAG}.db", of=old)
    db(tmp_path / "elsewhere" / f"crm_before_{TAG}.db", of=old)
    assert names_of(new, new.parent / "backups") == [f"crm_before_{TAG}.db"]
    assert names_of(new, tmp_path / "elsewhere") == []
    db(old, of=old)  # it was copied, not moved: the backups are the other one's
    assert names_of(new, new.parent / "backups") == []


def test_a_backup_of_an_early_version_counts_by_its_exact_name(tmp_path: Path) -> None:
    """It says nothing; so does a damaged one."""
    final = db(tmp_path / "crm.db", of=None)
    db(tmp_path / "backups" / f"crm_before_{TAG}.db", of=None)
    (tmp_path / "backups" / f"crm_before_{TAG}_2.db").write_bytes(b"x" * 5000)
    (tmp_path / "backups" / f"other_before_{TAG}.db").touch()
    assert len(names_of(final, tmp_path / "backups")) == 2


def test_age_is_that_of_the_snapshot_and_the_fresh_one_stays(tmp_path: Path) -> None:
    """A clock that was a year ahead once costs no later backup."""
    final = db(tmp_path / "crm.db", of=tmp_path / "crm.db")
    backups = tmp_path / "backups"
    ahead = db(backups / "crm_before_20260101_000001.db", of=final, at="2199-01-01")
    older = db(backups / "crm_before_20260101_000002.db", of=final, at="2026-02-01")
    fresh = db(backups / "crm_before_20260101_000003.db", of=final, at="2026-01-01")
    for path, moment in ((ahead, 2e9), (older, 3e9), (fresh, 1e9)):
        os.utime(path, (moment, moment))
    assert names_of(final, backups) == [older.name, fresh.name, ahead.name]
    prune_backups(final, backups, 1, was_run=lambda tag: False, fresh=fresh, tell=ignore)
    assert names_of(final, backups) == [fresh.name]
