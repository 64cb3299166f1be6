"""Lists that each record of another has for itself: read when named, their cost told before."""

from __future__ import annotations

from typing import Any

import pytest

from salesmap_async.api.endpoints import CHILD_TABLES, CHILDREN, select_tables
from salesmap_async.errors import StoppedError, UsageError
from salesmap_async.events import Step, TableFinished, TableProgress, Warned
from salesmap_async.sandbox import Fault, Sandbox, Workspace
from salesmap_async.stop import Stop
from tests.support.runs import Events, MakeSettings, Snapshot, rows_of, table_hashes

ALL = (*CHILD_TABLES, "sequence", "custom_pipeline")


def workspace() -> Workspace:
    return Workspace.generate(records=80, forms=0)


def test_they_are_read_only_by_their_name() -> None:
    """`all` would turn minutes into hours; without its parents a list has nothing to ask."""
    assert not set(select_tables(include=["all"])) & set(CHILD_TABLES)
    assert "deal_quote" in select_tables(include=["all,deal_quote"])
    with pytest.raises(UsageError, match="sequence_step is read for each record of sequence"):
        select_tables(include=["sequence_step"])
    with pytest.raises(UsageError, match="no table is called deal_qoute"):
        select_tables(include=["all", "deal_qoute"])


async def test_each_has_its_table_with_its_parents_ids(
    snapshot: Snapshot, events: Events, tmp_path: Any
) -> None:
    """One request for each parent, told before the first of them."""
    space = workspace()
    async with Sandbox(space, quota=False) as sandbox:
        await snapshot(sandbox, include=ALL, min_interval_s=0)
        asked = [each.path for each in sandbox.arrivals]
    for child in CHILDREN:
        parents = space.table(child.parent)
        ids = {str(parents[n][parents.id_key]) for n in range(len(parents))}
        rows = rows_of(tmp_path / "final.db", child.table)
        assert rows
        assert {row[child.key] for row in rows} <= ids
        [cost] = [each.detail for each in events.of(Step) if each.name == child.table]
        assert f"one request for each {child.parent}: {len(ids)} requests, at least" in cost
        finished = [each for each in events.of(TableFinished) if each.table == child.table]
        assert [(each.rows, each.state) for each in finished] == [(len(rows), "done")]
    deals = len(space.table("deal"))
    assert sum(path.startswith("/deal/") and path.endswith("/quote") for path in asked) == deals
    first = next(n for n, path in enumerate(asked) if path.endswith("/quote"))
    assert not any(path in ("/deal", "/memo", "/people") for path in asked[first:])
    assert rows_of(tmp_path / "final.db", "custom_pipeline")


async def test_a_server_without_such_a_list_is_asked_once(
    snapshot: Snapshot, events: Events
) -> None:
    """A 404 for the first parent speaks for all."""
    missing = Fault(action="status", status=404, path="/deal/*/quote", times=10_000)
    async with Sandbox(workspace(), quota=False, faults=[missing]) as sandbox:
        await snapshot(sandbox, include=("deal_quote",))
        assert sum(each.path.endswith("/quote") for each in sandbox.arrivals) == 1
    assert any("deal_quote is left out" in each.text for each in events.of(Warned))


async def test_a_parent_that_is_gone_meanwhile_is_left_out(
    snapshot: Snapshot, tmp_path: Any
) -> None:
    """Deleted between its list and its quotes: 400, and the others are read."""
    space = workspace()

    def delete(_arrival: object) -> None:
        del space.table("deal")[5]

    hook = Fault(action="call", path="/deal/*/quote", nth=2, hook=delete)
    async with Sandbox(space, quota=False, faults=[hook]) as sandbox:
        await snapshot(sandbox, include=("deal_quote",))
    assert rows_of(tmp_path / "final.db", "deal_quote")


@pytest.mark.parametrize("after", [1, 10])
async def test_a_run_that_was_stopped_goes_on(
    snapshot: Snapshot, make_settings: MakeSettings, tmp_path: Any, after: int
) -> None:
    """No parent is asked twice, and the result is that of an undisturbed run."""
    from salesmap_async import take_snapshot

    space = workspace()
    async with Sandbox(space, quota=False) as sandbox:
        await snapshot(sandbox, include=("deal_quote",), db_path=tmp_path / "whole.db")
        stop, seen = Stop(), 0

        def listen(event: object) -> None:
            nonlocal seen
            seen += isinstance(event, TableProgress) and event.table == "deal_quote"
            if seen == after:
                stop.request()

        settings = make_settings(sandbox, include=("deal_quote",), run_tag="t", concurrency=2)
        begun = len(sandbox.arrivals)
        with pytest.raises(StoppedError):
            await take_snapshot(settings, listen, stop=stop)
        await snapshot(sandbox, resume_run_tag="t")
        asked = [a.path for a in sandbox.arrivals[begun:] if a.path.endswith("/quote")]
    assert len(asked) == len(set(asked)) == len(space.table("deal"))
    assert table_hashes(tmp_path / "final.db") == table_hashes(tmp_path / "whole.db")
