"""A snapshot that comes, goes, changes or is broken while the dashboard serves."""

from __future__ import annotations

import os
import sqlite3
import threading
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from fastapi import FastAPI

from salesmap_async.dashboard.crm.orgs import list_organizations
from salesmap_async.dashboard.data.columns import DEFAULT_COLUMNS
from salesmap_async.dashboard.data.database import Database, Snapshot
from salesmap_async.sqlite_file import opened
from tests.support.dashboard_db import (
    VECTOR,
    Records,
    answer,
    app_over,
    asking,
    change,
    make_db,
    organization,
    person,
    won,
)
from tests.support.dashboard_process import POSIX, get, no_process_is_left, served

__all__ = ["no_process_is_left"]
ENDPOINTS = (
    "/api/orgs",
    "/api/orgs/o1/people",
    "/api/orgs/o1/statepath",
    "/api/orgs/o1/won-summary",
    "/api/deal-check/edu1",
    "/api/pipeline",
    "/api/meta",
    "/api/tables",
)

COMMANDS = {"run_command": "run", "doctor_command": "doctor"}


def names(snapshot: Snapshot) -> list[str | None]:
    """Return the names of the list, which comes from what is remembered of the file."""
    found, _ = list_organizations(
        snapshot, size="전체", search="", limit=9, offset=0, base_year=2025, won="Won"
    )
    return [each["name"] for each in found]


def version(number: int) -> Records:
    """A workspace whose every part says which version it is."""
    return {
        "organization": [organization("o1", f"{number}판")],
        "people": [person("p1", "o1", **{"소속 상위 조직": f"{number}판"})],
        "deal": [won("d1", number * 1_000_000, "2025-02-01", by="p1")],
    }


@POSIX
def test_a_snapshot_replaced_under_load_breaks_no_request(tmp_path: Path) -> None:
    """Each answer while the file is replaced again and again is whole, and of one version."""
    db = make_db(tmp_path / "salesmap_latest.db", version(1))
    done = threading.Event()
    wrong: list[Any] = []
    answers = 0

    def keep_asking() -> None:
        nonlocal answers
        while not done.is_set():
            for path in ENDPOINTS:
                status, found = get(address, path)
                answers += 1
                if status != 200:
                    wrong.append((path, status, found))
                elif path.endswith("won-summary"):
                    (line,) = found["items"]
                    if line["upper_org"] != f"{line['won2025'] // 1_000_000}판":
                        wrong.append(found)

    with served(tmp_path) as address:
        askers = [threading.Thread(target=keep_asking) for _ in range(3)]
        for asker in askers:
            asker.start()
        for number in range(2, 60):
            os.replace(make_db(tmp_path / "next.db", version(number)), db)
        done.set()
        for asker in askers:
            asker.join()
        (line,) = get(address, "/api/orgs/o1/won-summary")[1]["items"]
    assert wrong == []
    assert answers > 3 * len(ENDPOINTS)
    assert line["won2025"] == 59_000_000


async def test_a_new_snapshot_is_noticed(tmp_path: Path) -> None:
    """Names, sums, order and columns are those of the new file, without a restart."""
    db = make_db(tmp_path / "final.db", version(1))
    app = app_over(db)
    assert (await answer(app, "/api/orgs"))["items"][0]["name"] == "1판"
    os.replace(make_db(tmp_path / "next.db", version(2)), db)
    assert (await answer(app, "/api/orgs"))["items"][0]["name"] == "2판"
    os.replace(make_db(tmp_path / "next.db", {}), db)
    assert (await answer(app, "/api/orgs"))["items"] == []


async def test_a_change_inside_the_file_is_noticed(tmp_path: Path) -> None:
    """Web forms alone are renewed in place, and a locked file is filled by SQLite itself."""
    db = make_db(tmp_path / "final.db", version(1))
    app = app_over(db)
    await answer(app, "/api/orgs")
    change(db, "UPDATE organization SET \"이름\" = '새 이름'")
    assert (await answer(app, "/api/orgs"))["items"][0]["name"] == "새 이름"


async def test_a_change_beside_the_file_is_noticed(tmp_path: Path) -> None:
    """A writer in WAL mode leaves the file itself as it is until he has gone."""
    db = make_db(tmp_path / "final.db", version(1))
    app = app_over(db)
    with opened(db, "rw") as writer:
        writer.execute("PRAGMA journal_mode = WAL")
        assert (await answer(app, "/api/orgs"))["items"][0]["name"] == "1판"
        state = await state_of(app)
        writer.execute("UPDATE organization SET \"이름\" = '새 이름'")
        assert (await answer(app, "/api/orgs"))["items"][0]["name"] == "새 이름"
        assert await state_of(app) != state


def test_what_a_reader_itself_leaves_is_no_change(tmp_path: Path) -> None:
    """Whoever opens a DB in WAL mode makes the file beside it, empty, where there is none."""
    db = make_db(tmp_path / "final.db", version(1))
    change(db, "PRAGMA journal_mode = WAL")
    with Database(db, DEFAULT_COLUMNS, **COMMANDS).open() as snapshot:
        assert snapshot.path.with_name("final.db-wal").stat().st_size == 0
        assert (snapshot.state.wal_size_bytes, snapshot.state.wal_changed_ns) == (0, 0)


async def test_the_page_is_told_another_state_for_each_change(tmp_path: Path) -> None:
    """Also where the run tag stays: web forms renewed in place, or a file put back."""
    db = make_db(tmp_path / "final.db", version(1))
    app = app_over(db)
    states = [await state_of(app)]
    assert await state_of(app) == states[0]
    change(db, "UPDATE organization SET \"이름\" = '새 이름'")
    states.append(await state_of(app))
    os.replace(make_db(tmp_path / "next.db", version(1)), db)
    states.append(await state_of(app))
    assert len(set(states)) == 3


async def state_of(app: FastAPI) -> str:
    found: str = (await answer(app, "/api/meta"))["snapshot"]["state"]
    return found


def test_a_request_in_flight_keeps_its_snapshot(tmp_path: Path) -> None:
    """From its first to its last query it sees the file that it opened, summaries included."""
    db = make_db(tmp_path / "final.db", version(1))
    database = Database(db, DEFAULT_COLUMNS, **COMMANDS)

    with database.open() as old:
        os.replace(make_db(tmp_path / "next.db", version(2)), db)
        with database.open() as new:
            assert names(new) == ["2판"]
        assert names(old) == ["1판"]


class ReplacedAfterALook(type(Path())):  # type: ignore[misc]
    """A path whose file is replaced right after somebody has looked at it, once."""

    replacement: Path | None = None

    def stat(self, **more: Any) -> os.stat_result:
        found: os.stat_result = super().stat(**more)
        if self.replacement is not None:
            replacement, self.replacement = self.replacement, None
            os.replace(replacement, self)
        return found


def test_a_snapshot_between_look_and_open_is_noticed(tmp_path: Path) -> None:
    """What is remembered of the old file is never mixed with rows of the new one."""
    db = ReplacedAfterALook(make_db(tmp_path / "final.db", version(1)))
    database = Database(db, DEFAULT_COLUMNS, **COMMANDS)
    with database.open() as snapshot:
        assert names(snapshot) == ["1판"]
    db.replacement = make_db(tmp_path / "next.db", version(2))
    with database.open() as snapshot:
        assert names(snapshot) == ["2판"]


def test_no_connection_outlives_its_request(tmp_path: Path) -> None:
    """An open handle would block the next snapshot on Windows."""
    db = make_db(tmp_path / "final.db", version(1))
    with Database(db, DEFAULT_COLUMNS, **COMMANDS).open() as snapshot:
        connection = snapshot.connection
    with pytest.raises(sqlite3.ProgrammingError, match="closed"):
        connection.execute("SELECT 1")


def test_the_connection_cannot_write(tmp_path: Path) -> None:
    """Whatever a query says."""
    db = make_db(tmp_path / "final.db", version(1))
    with (
        Database(db, DEFAULT_COLUMNS, **COMMANDS).open() as snapshot,
        pytest.raises(sqlite3.OperationalError, match="readonly"),
    ):
        snapshot.rows("DELETE FROM deal")


@pytest.fixture
def broken(tmp_path: Path) -> Path:
    """Where a DB should be."""
    return tmp_path / "final.db"


async def test_a_missing_db_says_how_to_make_one(broken: Path) -> None:
    """503 with the path and the command; it answers once there is a DB."""
    app = app_over(broken)
    async with asking(app) as client:
        for path in ENDPOINTS:
            response = await client.get(path)
            assert response.status_code == 503, path
            assert response.json()["detail"] == f"Database not found at {broken}"
            assert response.json()["command"].startswith("python -m salesmap_async run")
        assert (await client.get("/api/health")).status_code == 503
        make_db(broken, VECTOR)
        assert (await client.get("/api/health")).json() == {"status": "ok"}
        assert (await client.get("/api/orgs")).status_code == 200


@pytest.mark.parametrize(
    "content", [b"this is no database, but long enough" * 99, b"SQLite format 3\0"]
)
async def test_a_file_that_is_no_database_is_503(broken: Path, content: bytes) -> None:
    """JSON that names the next step, never an HTML page."""
    broken.write_bytes(content)
    async with asking(app_over(broken)) as client:
        assert (await client.get("/api/health")).status_code == 503
        response = await client.get("/api/orgs")
    assert response.status_code == 503
    assert "doctor" in response.json()["command"]
    assert "doctor" not in response.json()["detail"]


async def test_an_empty_file_names_the_tables_it_lacks(broken: Path) -> None:
    """SQLite takes it for a database without tables."""
    broken.write_bytes(b"")
    async with asking(app_over(broken)) as client:
        response = await client.get("/api/orgs/o1/statepath")
    assert response.json() == {"detail": {"missing": ["organization"]}}


async def test_a_damaged_database_is_503(broken: Path) -> None:
    """Pages of rubbish in the middle of the file."""
    make_db(broken, VECTOR)
    data = bytearray(broken.read_bytes())
    data[4096:] = b"\xff" * (len(data) - 4096)
    broken.write_bytes(bytes(data))
    async with asking(app_over(broken)) as client:
        health = await client.get("/api/health")
        response = await client.get("/api/orgs")
    assert (health.status_code, "is damaged" in health.json()["detail"]) == (503, True)
    assert "doctor" in health.json()["command"]
    assert response.status_code == 503
    assert "cannot be read" in response.json()["detail"]


async def test_a_directory_in_its_place_is_503(tmp_path: Path) -> None:
    """Made after the start; before it, the option is refused."""
    db = tmp_path / "final.db"
    app = app_over(db)
    db.mkdir()
    async with asking(app) as client:
        assert (await client.get("/api/orgs")).status_code == 503


async def test_a_locked_db_is_said(broken: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Another program that writes for long is named as the reason, not a failure."""
    monkeypatch.setattr("salesmap_async.dashboard.data.database._LOCK_WAIT_S", 0.05)
    make_db(broken, VECTOR)
    app = app_over(broken)
    with opened(broken, "rw") as writer, closing(writer):
        writer.execute("BEGIN EXCLUSIVE")
        async with asking(app) as client:
            response = await client.get("/api/orgs")
    assert response.status_code == 503
    assert "locked" in response.json()["detail"]


async def test_a_path_that_cannot_be_looked_at_names_the_command_for_this_db(
    tmp_path: Path,
) -> None:
    """The command that is printed examines the DB of this dashboard, not the usual one."""
    app = app_over(tmp_path / "final.db")
    (tmp_path / "final.db").symlink_to(tmp_path / "final.db")
    async with asking(app) as client:
        response = await client.get("/api/orgs")
    assert response.status_code == 503
    assert "doctor --offline --db-path" in response.json()["command"]
