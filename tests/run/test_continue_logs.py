"""`--continue-logs`: what grows is read on, and the result is as if all of it had been read."""

from __future__ import annotations

import dataclasses
import json
import sqlite3
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from salesmap_async import RunReport, Settings, take_snapshot
from salesmap_async.errors import StoppedError
from salesmap_async.events import Note, TableProgress, Warned
from salesmap_async.sandbox import Fault, Sandbox, Workspace, work_a_day
from salesmap_async.stop import Stop
from tests.support.runs import Events, MakeSettings, table_hashes

LOGS = ("deal_history", "people_activity")
DAY = 86_400


def workspace(events: int = 700) -> Workspace:
    return Workspace.generate(records=60, forms=0, log_events=events)


def age(db: Path, seconds: float, *, full_days: float = 0, oldest: str = "") -> None:
    """Let what the manifest keeps be older: the pages by `seconds`, the full reading by days, and
    that of the table `oldest` by an hour more.
    """
    connection = sqlite3.connect(db)
    rows = connection.execute(
        'SELECT "table", continuation FROM manifest WHERE continuation != ""'
    ).fetchall()
    for table, text in rows:
        said = json.loads(text)
        for kept in said["kept"]:
            kept[0] = (datetime.fromisoformat(kept[0]) - timedelta(seconds=seconds)).isoformat()
        more = timedelta(days=full_days, hours=table == oldest)
        full_at = datetime.fromisoformat(said["full_at"]) - more
        said["full_at"] = full_at.isoformat()
        connection.execute(
            'UPDATE manifest SET continuation = ? WHERE "table" = ?', (json.dumps(said), table)
        )
    connection.commit()
    connection.close()


def manifest(db: Path, table: str) -> dict[str, Any]:
    connection = sqlite3.connect(db)
    connection.row_factory = sqlite3.Row
    row = connection.execute('SELECT * FROM manifest WHERE "table" = ?', (table,)).fetchone()
    connection.close()
    return dict(row)


Run = Callable[..., Any]


@pytest.fixture
def run(make_settings: MakeSettings, events: Events) -> Run:
    """Read the logs of a workspace; return the report and how many requests for logs it took."""

    async def read(
        space: Workspace, *, faults: list[Fault] | None = None, **overrides: Any
    ) -> tuple[RunReport, list[Any]]:
        async with Sandbox(space, quota=False, faults=faults or []) as sandbox:
            settings = make_settings(sandbox, include=LOGS, **({"continue_logs": True} | overrides))
            report = await take_snapshot(settings, events)
            asked = [
                each
                for each in sandbox.arrivals
                if "history" in each.path or "activity" in each.path
            ]
        return report, asked

    return read


def whole(space: Workspace, make_settings: MakeSettings, tmp_path: Path) -> Callable[[], Any]:
    async def read() -> dict[str, str]:
        async with Sandbox(space, quota=False) as sandbox:
            await take_snapshot(make_settings(sandbox, include=LOGS, db_path=tmp_path / "whole.db"))
        return table_hashes(tmp_path / "whole.db")

    return read


async def test_the_second_run_asks_for_a_tenth_and_gives_the_same(
    run: Run, make_settings: MakeSettings, tmp_path: Path
) -> None:
    """Two years of logs, a day of work: rows, columns and fingerprints as when all is read."""
    space = workspace(events=6000)
    _, first = await run(space)
    age(tmp_path / "final.db", DAY + 60)
    work_a_day(space, 1)
    report, second = await run(space)
    assert len(second) * 10 <= len(first)
    assert table_hashes(tmp_path / "final.db") == await whole(space, make_settings, tmp_path)()
    for table in LOGS:
        row = manifest(tmp_path / "final.db", table)
        assert row["continued_since"]
        assert row["row_count"] == 6020
        assert row["gone"] == 0
    assert not [each for each in report.warnings if "log" in each]


async def test_the_first_run_and_a_young_one_read_in_full(
    run: Run, events: Events, tmp_path: Path
) -> None:
    """A page must have been given a day before; each night keeps one for the next."""
    space = workspace()
    _, first = await run(space)
    _, second = await run(space)
    assert len(second) == len(first)
    assert any("no place that the server gave is a day old" in e.text for e in events.of(Note))
    for night in range(3):
        age(tmp_path / "final.db", DAY)
        work_a_day(space, night + 1)
        _, asked = await run(space)
        assert len(asked) < len(first)
        kept = json.loads(manifest(tmp_path / "final.db", "deal_history")["continuation"])["kept"]
        assert 1 <= len(kept) <= 3


async def test_ids_that_do_not_allow_it_are_refused_in_words(
    run: Run, events: Events, tmp_path: Path
) -> None:
    """Ids of another kind, and version-7 ids out of order: read in full, every time."""
    for spoil in ("kind", "order"):
        space = workspace()
        log = space.lists["/deal/history"]
        if spoil == "kind":
            log[300]["id"] = "0" * 24
        else:
            log[300], log[301] = log[301], log[300]
        (tmp_path / "final.db").unlink(missing_ok=True)
        await run(space)
        age(tmp_path / "final.db", DAY + 60)
        events.clear()
        _, asked = await run(space)
        assert sum(each.path == "/deal/history" for each in asked) >= 14
        assert sum(each.path == "/people/activity" for each in asked) <= 2
        said = [
            each.text for each in events.of(Note) if "deal_history is read in full" in each.text
        ]
        assert said == [
            "deal_history is read in full: its ids are not version-7 UUIDs in the order of the list"
        ]


async def test_rows_that_come_late_are_met_within_the_day(
    run: Run, make_settings: MakeSettings, tmp_path: Path
) -> None:
    """A row that was put before the end of the list since, and one that was changed there."""
    space = workspace()
    await run(space)
    age(tmp_path / "final.db", DAY + 60)
    log = space.lists["/deal/history"]
    late = dict(log[-1]) | {"id": str(log[-1]["id"])[:-1] + "f"}
    log.insert(len(log) - 1, late)
    log[-3]["fieldName"] = "바뀜"
    await run(space)
    hashes = table_hashes(tmp_path / "final.db")
    assert hashes == await whole(space, make_settings, tmp_path)()


async def test_a_place_that_is_gone_means_reading_it_all(
    run: Run, make_settings: MakeSettings, events: Events, tmp_path: Path
) -> None:
    """The record that the cursor names was deleted: no row is lost, none is left over."""
    space = workspace()
    await run(space)
    age(tmp_path / "final.db", DAY + 60)
    log = space.lists["/deal/history"]
    del log[500:690]
    await run(space)
    assert table_hashes(tmp_path / "final.db") == await whole(space, make_settings, tmp_path)()
    assert manifest(tmp_path / "final.db", "deal_history")["continued_since"] == ""
    assert any("does not know any more where it had got" in e.text for e in events.of(Warned))


async def test_one_log_a_week_is_read_in_full_and_compared(
    run: Run, events: Events, tmp_path: Path
) -> None:
    """In turn; what going on had missed is told, and is right again."""
    space = workspace()
    await run(space)
    age(tmp_path / "final.db", DAY + 60, full_days=8, oldest="deal_history")
    del space.lists["/deal/history"][10:13]
    late = dict(space.lists["/deal/history"][20])
    space.lists["/deal/history"].insert(21, late | {"id": str(late["id"])[:-1] + "f"})
    _, asked = await run(space)
    assert sum(each.path == "/deal/history" for each in asked) >= 14
    assert sum(each.path == "/people/activity" for each in asked) <= 2
    [said] = [each.text for each in events.of(Warned) if "one log is every week" in each.text]
    assert "1 rows had come late and going on had missed them, 3 are gone" in said
    kept = json.loads(manifest(tmp_path / "final.db", "deal_history")["continuation"])["kept"]
    assert len(kept) == 2, "the page from before serves the next night, this one is too young"
    age(tmp_path / "final.db", DAY + 60, full_days=3)
    _, asked = await run(space)
    assert len(asked) <= 4, "within the week nothing is read in full"
    age(tmp_path / "final.db", DAY + 60, full_days=8)
    _, asked = await run(space)
    assert sum(each.path == "/people/activity" for each in asked) >= 14, (
        "now it is the other's turn"
    )
    assert any("going on had missed nothing" in each.text for each in events.of(Note))


@pytest.mark.parametrize("after", [1, 3, 8])
async def test_a_run_that_was_stopped_goes_on_as_it_was_begun(
    run: Run, make_settings: MakeSettings, tmp_path: Path, after: int
) -> None:
    """Resumed without the option: the same rows as when all is read."""
    space = workspace()
    await run(space)
    age(tmp_path / "final.db", DAY + 60)
    work_a_day(space, 1)
    stop, seen = Stop(), 0

    def listen(event: object) -> None:
        nonlocal seen
        seen += isinstance(event, TableProgress)
        if seen == after:
            stop.request()

    async with Sandbox(space, quota=False) as sandbox:
        settings: Settings = make_settings(sandbox, include=LOGS, continue_logs=True, run_tag="t")
        with pytest.raises(StoppedError):
            await take_snapshot(settings, listen, stop=stop)
        await take_snapshot(
            dataclasses.replace(settings, run_tag=None, resume_run_tag="t", continue_logs=False)
        )
    assert table_hashes(tmp_path / "final.db") == await whole(space, make_settings, tmp_path)()
    assert manifest(tmp_path / "final.db", "deal_history")["continued_since"]


async def test_a_log_that_the_plan_has_no_more_is_left_out(
    run: Run, events: Events, tmp_path: Path
) -> None:
    """As where it is read in full: the run goes on, what was read before is carried over."""
    space = workspace()
    await run(space)
    age(tmp_path / "final.db", DAY + 60)
    gone = Fault(action="status", status=403, path="/deal/history", times=100)
    report, _ = await run(space, faults=[gone])
    assert any("deal_history" in each for each in report.warnings)
    assert manifest(tmp_path / "final.db", "deal_history")["row_count"] == 700
    assert manifest(tmp_path / "final.db", "people_activity")["continued_since"]
