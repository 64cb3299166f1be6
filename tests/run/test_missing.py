"""I9: what no list gave is asked for by id before it counts as gone; real runs on the sandbox."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from salesmap_async import RunReport
from salesmap_async.events import Warned
from salesmap_async.run.missing import Difference
from salesmap_async.sandbox import Fault, Sandbox, Workspace
from tests.support.runs import Events, rows_of, table_hashes

Snapshot = Callable[..., Any]


def workspace_of(**more: Any) -> Workspace:
    return Workspace.generate(**({"records": 1500, "forms": 2, "seed": 3} | more))


def manifest_of(report: RunReport, table: str) -> Any:
    return next(row for row in report.tables if row.table == table)


def singles(sandbox: Sandbox, table: str) -> list[str]:
    """Return the ids that were asked for one by one."""
    head = f"/{table}/"
    asked = [a.path.removeprefix(head) for a in sandbox.arrivals if a.path.startswith(head)]
    return [each for each in asked if each != "pipeline"]


def absent_in(path: Path) -> set[tuple[str, str, str]]:
    with sqlite3.connect(path) as connection:
        rows = connection.execute('SELECT "table", id, verdict FROM absent').fetchall()
    connection.close()
    return set(rows)


async def test_a_usual_night_asks_for_little(snapshot: Snapshot, tmp_path: Path) -> None:
    """Deleted records are asked for once each, confirmed, counted, and never asked for again."""
    workspace = workspace_of()
    async with Sandbox(workspace, quota=False) as sandbox:
        await snapshot(sandbox)
        assert not singles(sandbox, "people")
        table = workspace.table("people")
        gone = [table[place]["id"] for place in (5, 70, 71)]
        for place in (71, 70, 5):
            del table[place]
        table.insert(0, {**table[0], "id": "new-person"})
        sandbox.arrivals.clear()
        report = await snapshot(sandbox)
        assert sorted(singles(sandbox, "people")) == sorted(gone)
        row = manifest_of(report, "people")
        assert (row.added, row.gone, row.gone_confirmed, row.unlisted) == (1, 3, 3, 0)
        assert {("people", each, "gone") for each in gone} <= absent_in(tmp_path / "final.db")
        sandbox.arrivals.clear()
        report = await snapshot(sandbox)
        assert not singles(sandbox, "people")
        row = manifest_of(report, "people")
        assert (row.added, row.gone, row.orphans) == (0, 0, 0)
    assert {("people", each, "gone") for each in gone} <= absent_in(tmp_path / "final.db")


@pytest.mark.parametrize("action", ["lose_page", "cached_page"])
@pytest.mark.parametrize("table", ["people", "deal", "memo"])
async def test_a_page_that_was_lost_is_found_and_the_list_read_anew(
    snapshot: Snapshot, events: Events, tmp_path: Path, action: Any, table: str
) -> None:
    """From the second run on: the last snapshot had its records, and the server has them still."""
    workspace = workspace_of(records=3000)
    async with Sandbox(workspace, quota=False) as sandbox:
        await snapshot(sandbox)
        before = table_hashes(tmp_path / "final.db")
        sandbox.faults.append(Fault(action=action, path=f"/{table}", nth=3))
        report = await snapshot(sandbox)
    assert table_hashes(tmp_path / "final.db") == before
    assert any("the list is read anew" in each.text for each in events.of(Warned))
    row = manifest_of(report, table)
    assert (row.gone, row.unlisted) == (0, 0)


async def test_a_first_run_finds_a_lost_page_by_the_links_that_lead_nowhere(
    snapshot: Snapshot, tmp_path: Path
) -> None:
    """Deals and memos name people whom no list gave."""
    workspace = workspace_of(records=3000)
    fault = Fault(action="lose_page", path="/people", nth=3)
    async with Sandbox(workspace, quota=False, faults=[fault]) as sandbox:
        await snapshot(sandbox)
    found = {row["id"] for row in rows_of(tmp_path / "final.db", "people")}
    assert found == {record["id"] for record in workspace.table("people")}


async def test_records_that_offset_cursors_pass_over_are_found(
    snapshot: Snapshot, tmp_path: Path
) -> None:
    """Records are deleted before the place that is read: others move up and are passed over."""
    workspace = workspace_of(records=3000)
    table = workspace.table("people")
    async with Sandbox(workspace, quota=False, offset_cursors=True) as sandbox:
        await snapshot(sandbox)

        def delete(_arrival: Any) -> None:
            for _ in range(30):
                del table[0]

        sandbox.faults.append(Fault(action="call", path="/people", nth=4, hook=delete))
        sandbox.arrivals.clear()
        await snapshot(sandbox)
        assert sum(a.path == "/people" and not a.cursor for a in sandbox.arrivals) == 2
    found = {row["id"] for row in rows_of(tmp_path / "final.db", "people")}
    assert found == {record["id"] for record in table}


async def test_a_record_in_the_trash_is_remembered_as_unlisted(
    snapshot: Snapshot, events: Events, tmp_path: Path
) -> None:
    """It answers to its id and stands in no list: read anew once, warned about, then left alone."""
    workspace = workspace_of()
    async with Sandbox(workspace, quota=False) as sandbox:
        await snapshot(sandbox)
        record = workspace.table("deal")[7]
        del workspace.table("deal")[7]
        workspace.trash["/deal"] = {record["id"]: record}
        report = await snapshot(sandbox)
        assert manifest_of(report, "deal").unlisted == 1
        assert any("trash" in each.text for each in events.of(Warned))
        assert ("deal", record["id"], "unlisted") in absent_in(tmp_path / "final.db")
        sandbox.arrivals.clear()
        await snapshot(sandbox)
        assert not singles(sandbox, "deal")
    assert record["id"] not in {row["id"] for row in rows_of(tmp_path / "final.db", "deal")}


async def test_no_more_than_the_sample_is_asked_for(snapshot: Snapshot) -> None:
    """Hundreds are gone at once: twenty of them tell; 0 asks for none."""
    workspace = workspace_of(records=3000)
    for most in (20, 3, 0):
        async with Sandbox(workspace, quota=False) as sandbox:
            await snapshot(sandbox)
            for _ in range(120):
                del workspace.table("memo")[10]
            sandbox.arrivals.clear()
            report = await snapshot(sandbox, confirm_missing=most)
            assert len(singles(sandbox, "memo")) == most
            row = manifest_of(report, "memo")
            assert (row.gone, row.gone_confirmed) == (120, most)


async def test_an_answer_that_tells_nothing_is_warned_about(
    snapshot: Snapshot, events: Events
) -> None:
    """A refusal in other words, another record, an error: published all the same."""
    workspace = workspace_of()
    async with Sandbox(workspace, quota=False) as sandbox:
        await snapshot(sandbox)
        del workspace.table("lead")[3]
        del workspace.table("organization")[3]
        sandbox.faults += [
            Fault(action="status", path="/lead/*", status=400, reason="다른 이유", times=None),
            Fault(action="status", path="/organization/*", status=500, times=None),
        ]
        report = await snapshot(sandbox, max_retries=0)
    assert manifest_of(report, "lead").gone_confirmed == 0
    texts = [each.text for each in events.of(Warned)]
    for table in ("lead", "organization"):
        assert f"{table}: 1 missing records could not be confirmed as gone" in texts


async def test_two_readings_that_lack_a_record_are_enough(
    snapshot: Snapshot, tmp_path: Path
) -> None:
    """A list that loses a page for ever is published with a warning, not read without end."""
    workspace = workspace_of(records=3000)
    async with Sandbox(workspace, quota=False) as sandbox:
        await snapshot(sandbox)
        cursor = workspace.table("people")[99]["id"]
        sandbox.faults.append(Fault(action="lose_page", path="/people", cursor=cursor, times=None))
        sandbox.arrivals.clear()
        report = await snapshot(sandbox)
        assert sum(a.path == "/people" and not a.cursor for a in sandbox.arrivals) == 2
    assert manifest_of(report, "people").unlisted > 0
    assert len(rows_of(tmp_path / "final.db", "people")) == len(workspace.table("people")) - 50


def test_a_sample_holds_both_kinds_and_is_the_same_for_the_same_seed() -> None:
    """Few of one kind leave their room to the other."""
    gone, orphans = [f"g{n}" for n in range(100)], [f"o{n}" for n in range(100)]
    both = Difference(table="deal", gone=gone, orphans=orphans).sample(20, "tag")
    assert sum(each.startswith("g") for each in both) == 10
    assert both == Difference(table="deal", gone=gone, orphans=orphans).sample(20, "tag")
    assert both != Difference(table="deal", gone=gone, orphans=orphans).sample(20, "other")
    few = Difference(table="deal", gone=gone, orphans=orphans[:3]).sample(20, "tag")
    assert (len(few), len(set(few))) == (20, 20)
    assert len(Difference(table="deal", gone=gone[:2], orphans=orphans).sample(20, "tag")) == 20
    assert Difference(table="deal", gone=gone[:2], orphans=gone[:2]).sample(1, "t") in (
        [gone[0]],
        [gone[1]],
    )
