"""`--webform-only`: one transaction in the published DB."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from salesmap_async.errors import KeptAsideError, PublishError
from salesmap_async.events import ignore
from salesmap_async.publish.backup import already_holds, back_up
from salesmap_async.publish.rows import table_sha256
from salesmap_async.publish.webform_swap import swap_webforms
from tests.support.built import build, rows_of
from tests.support.small_snapshots import viewer
from tests.support.work_db_maker import ChainSpec

TABLE = "webform_history"


def submissions(count: int, **more: Any) -> ChainSpec:
    return ChainSpec(
        table=TABLE,
        name="webForm/f/submit",
        records=[{"id": f"s{number}", "peopleId": "p", **more} for number in range(count)],
        added={"webFormId": "f"},
    )


@pytest.fixture
def final(tmp_path: Path) -> Path:
    """A published snapshot of deals and two submissions."""
    deals = ChainSpec(table="deal", records=[{"id": f"d{n}", "tag": "x" * 500} for n in range(50)])
    path, _ = build(tmp_path, [deals, submissions(2)], name="final.db", allowed=["p"])
    return path


@pytest.fixture
def built(tmp_path: Path) -> Path:
    """The staged DB of a webform-only run: three submissions with a new pair of keys."""
    chain = submissions(3, Label="가", label="나")
    path, _ = build(tmp_path, [chain], name="built.db", allowed=["p"], run_tag="t2")
    return path


def state(path: Path) -> dict[str, Any]:
    return {
        table: rows_of(path, table)
        for table in (TABLE, "deal", "manifest", "column_map", "run_info")
    }


def test_only_the_submissions_are_renewed(final: Path, built: Path) -> None:
    """Rows, key names, index and manifest row change; all else stays. Twice gives the same."""
    before = state(final)
    swap_webforms(final, built, run_tag="t2", tell=ignore)
    after = state(final)
    assert [row["id"] for row in after[TABLE]] == ["s0", "s1", "s2"]
    assert after["column_map"] == [{"table": TABLE, "key": "label", "column": "label_2"}]
    assert (after["deal"], after["run_info"]) == (before["deal"], before["run_info"])
    tags = {row["table"]: row["run_tag"] for row in after["manifest"]}
    assert (tags[TABLE], tags["deal"]) == ("t2", "t1")
    with closing(sqlite3.connect(final)) as connection:
        sha256 = table_sha256(connection, TABLE)
        assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        sql = "SELECT count(*) FROM sqlite_master WHERE tbl_name = ? AND sql LIKE 'CREATE INDEX%'"
        assert connection.execute(sql, (TABLE,)).fetchone() == (5,)
    assert sha256 == next(r["content_sha256"] for r in after["manifest"] if r["table"] == TABLE)
    swap_webforms(final, built, run_tag="t2", tell=ignore)
    assert state(final) == after


@pytest.mark.parametrize("what", ["read transaction", "half-read cursor", "writer"])
def test_an_open_reader_keeps_the_old_rows(final: Path, built: Path, what: str) -> None:
    """It does not make way: nothing is changed, exit 3; once it has gone, it works."""
    before = state(final)
    with viewer(final, what):
        with pytest.raises(KeptAsideError) as caught:
            swap_webforms(final, built, run_tag="t2", tell=ignore, deadline_s=0.1)
        assert (caught.value.exit_code, caught.value.kept_at) == (3, built)
    assert state(final) == before
    swap_webforms(final, built, run_tag="t2", tell=ignore)
    assert len(rows_of(final, TABLE)) == 3


def test_a_wal_reader_goes_on_reading_the_old_rows(final: Path, built: Path) -> None:
    """The final DB stays in the mode it has; its reader sees old rows until it begins anew."""
    with closing(sqlite3.connect(final, isolation_level=None)) as reader:
        reader.execute("PRAGMA journal_mode = WAL").fetchall()
        reader.execute("BEGIN")
        count = f"SELECT count(*) FROM {TABLE}"
        assert reader.execute(count).fetchone() == (2,)
        swap_webforms(final, built, run_tag="t2", tell=ignore)
        assert reader.execute(count).fetchone() == (2,)
        reader.execute("COMMIT")
        assert reader.execute(count).fetchone() == (3,)


def test_an_older_tools_db_gets_what_it_lacks(tmp_path: Path, built: Path) -> None:
    """No column_map, a manifest without our columns, no webform_history yet."""
    final = tmp_path / "old.db"
    with closing(sqlite3.connect(final)) as connection:
        connection.executescript(
            """
            CREATE TABLE deal (id);
            CREATE TABLE manifest ("table" TEXT, endpoint TEXT, row_count INTEGER);
            INSERT INTO manifest VALUES ('deal', '/deal', 0);
            """
        )
    swap_webforms(final, built, run_tag="t2", tell=ignore)
    assert len(rows_of(final, TABLE)) == 3
    assert len(rows_of(final, "column_map")) == 1
    manifest = {row["table"]: row for row in rows_of(final, "manifest")}
    assert manifest[TABLE]["row_count"] == 3
    assert (manifest["deal"]["row_count"], manifest["deal"]["run_tag"]) == (0, None)


def test_a_staged_db_of_another_run_is_refused(final: Path, built: Path) -> None:
    """Its manifest row must carry this run's tag; nothing is changed."""
    before = state(final)
    with pytest.raises(PublishError, match="not of run"):
        swap_webforms(final, built, run_tag="other", tell=ignore)
    assert state(final) == before


def test_a_full_disk_changes_nothing(
    final: Path, built: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """SQLITE_FULL in mid-transaction rolls back."""
    before = state(final)
    large = _with_many_submissions(built)
    connect = sqlite3.connect

    def limited(*args: Any, **kwargs: Any) -> sqlite3.Connection:
        connection: sqlite3.Connection = connect(*args, **kwargs)
        connection.execute("PRAGMA max_page_count = 1")
        return connection

    with monkeypatch.context() as patch:
        patch.setattr(sqlite3, "connect", limited)
        with pytest.raises(PublishError, match="full") as caught:
            swap_webforms(final, large, run_tag="t2", tell=ignore)
    assert "disk" in caught.value.cure
    assert state(final) == before


def _with_many_submissions(built: Path) -> Path:
    with closing(sqlite3.connect(built)) as connection:
        connection.executemany(
            f"INSERT INTO {TABLE} (id, contents) VALUES (?, ?)",
            [(f"x{number}", "y" * 5_000) for number in range(200)],
        )
        connection.commit()
    return built


def test_a_backup_after_the_swap_keeps_the_state_before(final: Path, built: Path) -> None:
    """The manifest tells that this run is already in."""
    dest = final.parent / "final_before_t2.db"
    back_up(final, dest, tell=ignore)
    assert not already_holds(final, "t2", (TABLE,))
    swap_webforms(final, built, run_tag="t2", tell=ignore)
    assert already_holds(final, "t2", (TABLE,))
    assert len(rows_of(dest, TABLE)) == 2
