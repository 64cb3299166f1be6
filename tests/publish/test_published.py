"""What the present final DB says of itself, whoever wrote it; and the reports beside the log."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from salesmap_async.errors import LockedError, UsageError
from salesmap_async.events import Event, Warned
from salesmap_async.paths import RunPaths
from salesmap_async.publish.manifest import ManifestRow, write_reports
from salesmap_async.publish.published import read_published
from tests.support.small_snapshots import OLD_ROWS, snapshot, viewer


def database(path: Path, script: str) -> Path:
    with closing(sqlite3.connect(path)) as connection:
        connection.executescript(script)
    return path


def test_no_file_and_an_empty_file_hold_nothing(tmp_path: Path) -> None:
    """Both are as good as no snapshot."""
    assert read_published(tmp_path / "none.db") is None
    (tmp_path / "empty.db").touch()
    assert read_published(tmp_path / "empty.db") is None


def test_run_info_and_counted_rows(tmp_path: Path) -> None:
    """Meta tables do not count as data."""
    path = database(
        tmp_path / "고객 #1?.db",
        """
        CREATE TABLE deal (id); INSERT INTO deal VALUES (1), (2);
        CREATE TABLE "odd ""name" (id);
        CREATE TABLE manifest ("table"); CREATE TABLE column_map (x);
        CREATE TABLE run_info (run_tag, workspace_id, workspace_name, webform_people, x);
        INSERT INTO run_info VALUES ('t', 7, '회사', 'deals', 1);
        """,
    )
    published = read_published(path)
    assert published is not None
    assert published.rows == {"deal": 2, 'odd "name': 0}
    assert (published.run_tag, published.workspace_id) == ("t", "7")
    assert (published.workspace_name, published.webform_people) == ("회사", "deals")
    assert published.captured_at_utc is None


def test_a_db_without_meta_tables_still_counts(tmp_path: Path) -> None:
    """An older tool's file has rows, and nothing to say about its run."""
    published = read_published(database(tmp_path / "a.db", "CREATE TABLE people (id)"))
    assert published is not None
    assert (published.run_tag, published.rows) == (None, {"people": 0})


@pytest.mark.parametrize("content", [b"not a database at all", b"SQLite format 3\0" + b"\1" * 9000])
def test_what_is_no_database_is_refused(tmp_path: Path, content: bytes) -> None:
    """With a cure, and the file untouched."""
    path = tmp_path / "a.db"
    path.write_bytes(content)
    with pytest.raises(UsageError, match=r"a\.db") as caught:
        read_published(path)
    assert "backup" in caught.value.cure
    assert path.read_bytes() == content


def test_a_locked_db_is_refused_after_a_wait(tmp_path: Path) -> None:
    """The wait is bounded; the message names the lock."""
    path = database(tmp_path / "a.db", "CREATE TABLE people (id)")
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute("BEGIN EXCLUSIVE")
        with pytest.raises(LockedError, match="locked"):
            read_published(path, timeout_s=0.05)


def test_a_killed_writers_journal_is_rolled_back(tmp_path: Path) -> None:
    """A read-only open could not do that."""
    path = snapshot(tmp_path / "a.db", "old", OLD_ROWS)
    with viewer(path, "writer") as process:
        process.kill()
        process.wait()
    assert path.with_name("a.db-journal").exists()
    published = read_published(path)
    assert published is not None
    assert published.rows == {"deal": OLD_ROWS}


def paths(log_dir: Path) -> RunPaths:
    return RunPaths(
        run_tag="t",
        final_db=log_dir / "a.db",
        log_dir=log_dir,
        backup_dir=log_dir,
        checkpoint_dir=log_dir,
    )


ROW = ManifestRow(
    table="deal", endpoint="/deal", row_count=1, column_count=2, content_sha256="x", run_tag="t"
)


def test_reports_are_json_beside_the_log(tmp_path: Path) -> None:
    """Manifest as a list of tables, run info as an object."""
    events = list[Event]()
    write_reports(paths(tmp_path / "logs"), [ROW], {"run_tag": "t"}, tell=events.append)
    manifest = json.loads((tmp_path / "logs" / "manifest_t.json").read_text(encoding="utf-8"))
    assert (manifest[0]["table"], manifest[0]["row_count"]) == ("deal", 1)
    assert json.loads((tmp_path / "logs" / "run_info_t.json").read_bytes()) == {"run_tag": "t"}
    assert events == []


def test_a_report_that_cannot_be_written_only_warns(tmp_path: Path) -> None:
    """The final DB holds the same."""
    (tmp_path / "logs").write_text("a file in its place")
    events = list[Event]()
    write_reports(paths(tmp_path / "logs"), [ROW], {}, tell=events.append)
    assert [type(event) for event in events] == [Warned, Warned]
