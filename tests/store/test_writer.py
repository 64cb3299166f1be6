"""The writer: rows and progress together (I2), one error ends it, nothing hangs. Real files."""

from __future__ import annotations

import asyncio
import json
import sqlite3
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest

from salesmap_async.errors import StoreError
from salesmap_async.events import CheckpointCommitted, Event, Warned, ignore
from salesmap_async.store import writer as writer_module
from salesmap_async.store.checkpoint import read_mirror, write_mirror
from salesmap_async.store.laying import MOST_SHAPES, LaidPage, LaidRecord, came
from salesmap_async.store.page_write import PageWrite
from salesmap_async.store.work_db import (
    ChainState,
    NewChain,
    RunIdentity,
    open_work_db,
    read_chains,
    read_identity,
)
from salesmap_async.store.writer import QUEUE_PAGES, Writer

CHAIN = NewChain(name="people", table="people", path="/people", added={})


def identity(folder: Path) -> RunIdentity:
    return RunIdentity(
        run_tag="t1",
        kind="full",
        db_path=str(folder / "final.db"),
        base_url="https://crm.example.com/api/v2",
        workspace_id="w1",
        workspace_name="예시",
        tables=("people",),
        webform_people="deals",
        started_at="2026-01-01T00:00:00+00:00",
    )


def page(
    writer: Writer,
    number: int,
    ids: Sequence[str],
    *,
    records: Sequence[tuple[str, Mapping[str, object]]] | None = None,
    state: ChainState = "reading",
    **more: object,
) -> PageWrite:
    if more.get("restart"):
        writer.laying.forget(["people"])
    values: dict[str, object] = {
        "chain": "people",
        "table": "people",
        "page": number,
        "pages": number + 1,
        "laid": writer.laying.lay_out("people", records or [(each, {"id": each}) for each in ids]),
        "state": state,
        "progress": {"cursor": ids[-1] if ids else None},
        "error": "",
        "at": "2026-01-01T00:00:00+00:00",
    }
    return PageWrite(**(values | more))  # type: ignore[arg-type]


def new_writer(folder: Path, interval: int = 50, tell: object = ignore) -> Writer:
    return Writer(
        folder / "snapshot.db",
        checkpoint_interval=interval,
        tell=tell,  # type: ignore[arg-type]
        identity=identity(folder),
    )


def stored_ids(folder: Path) -> list[str]:
    with open_work_db(folder / "snapshot.db") as connection:
        return [row[0] for row in connection.execute("SELECT id FROM record ORDER BY rowid")]


def seen_from_outside(folder: Path) -> tuple[int, str]:
    """Return the committed (records, progress) as another process sees them right now."""
    connection = sqlite3.connect(folder / "snapshot.db")
    try:
        (count,) = connection.execute("SELECT count(*) FROM record").fetchone()
        (progress,) = connection.execute("SELECT progress FROM chain").fetchone()
        return count, progress
    finally:
        connection.close()


async def test_a_page_and_its_progress_are_committed_together(tmp_path: Path) -> None:
    """With interval 1 every page is visible from outside with exactly its own cursor."""
    async with new_writer(tmp_path, interval=1) as writer:
        await writer.add_chains([CHAIN])
        await writer.write(page(writer, 0, ["a", "b"]))
        await writer.remember(barrier=1)
        assert seen_from_outside(tmp_path) == (2, '{"cursor":"b"}')
        await writer.write(page(writer, 1, ["c"]))
        await writer.remember(barrier=2)
        assert seen_from_outside(tmp_path) == (3, '{"cursor":"c"}')


async def test_it_commits_at_the_first_page_end_with_the_interval_pending(tmp_path: Path) -> None:
    """A page is never split: with interval 3 and pages of 2 it commits after every second page."""
    commits: list[int] = []

    def tell(event: Event) -> None:
        if isinstance(event, CheckpointCommitted):
            commits.append(event.rows)

    async with new_writer(tmp_path, interval=3, tell=tell) as writer:
        await writer.add_chains([CHAIN])
        commits.clear()
        for number in range(4):
            await writer.write(page(writer, number, [f"{number}a", f"{number}b"]))
    assert commits[:2] == [4, 8]


async def test_a_chains_end_commits_at_once(tmp_path: Path) -> None:
    """However large the interval, a finished list is safe."""
    committed = asyncio.Event()

    def tell(event: Event) -> None:
        if event == CheckpointCommitted(1):
            committed.set()

    async with new_writer(tmp_path, interval=100_000, tell=tell) as writer:
        await writer.add_chains([CHAIN])
        await writer.write(page(writer, 0, ["a"], state="done"))
        async with asyncio.timeout(10):
            await committed.wait()
        assert seen_from_outside(tmp_path)[0] == 1


async def test_leaving_the_block_commits_what_is_pending(tmp_path: Path) -> None:
    """A run that stops keeps every page that was handed over."""
    async with new_writer(tmp_path, interval=100_000) as writer:
        await writer.add_chains([CHAIN])
        await writer.write(page(writer, 0, ["a", "b"]))
    assert stored_ids(tmp_path) == ["a", "b"]


async def test_a_cancelled_owner_keeps_whole_pages_and_closes(tmp_path: Path) -> None:
    """Cancelled in mid-work, the writer still ends in order: pages whole, connection closed."""

    async def work() -> None:
        async with new_writer(tmp_path, interval=100_000) as writer:
            await writer.add_chains([CHAIN])
            for number in range(1000):
                await writer.write(page(writer, number, [f"{number}a", f"{number}b"]))
                if number == 5:
                    task.cancel()

    task = asyncio.create_task(work())
    with pytest.raises(asyncio.CancelledError):
        await task
    ids = stored_ids(tmp_path)
    assert len(ids) % 2 == 0
    assert ids == [f"{n}{letter}" for n in range(len(ids) // 2) for letter in "ab"]


async def test_a_sqlite_error_is_final_and_nothing_half_is_kept(tmp_path: Path) -> None:
    """A full disk ends the run: rows and progress stay at the last commit, everybody is told."""
    with pytest.raises(StoreError, match="full"):
        async with new_writer(tmp_path, interval=1) as writer:
            await writer.add_chains([CHAIN])
            await writer.write(page(writer, 0, ["a"]))
            await writer.remember(barrier=1)

            async def fill_up(connection: object) -> None:
                await writer._connection.execute_fetchall("PRAGMA max_page_count = 1")  # type: ignore[union-attr]

            await writer.run(fill_up)
            big = [("big", {"id": "x" * 100_000})]
            await writer.write(page(writer, 1, ["big"], records=big))
            for number in range(2, 2 + 3 * QUEUE_PAGES):  # more than the queue holds: no hang
                await writer.write(page(writer, number, [f"{number}"]))
    assert stored_ids(tmp_path) == ["a"]
    assert seen_from_outside(tmp_path) == (1, '{"cursor":"a"}')


async def test_rows_and_progress_are_written_in_one_transaction(tmp_path: Path) -> None:
    """Between the records of a page and its chain's progress there is no commit (I2)."""
    statements: list[str] = []
    async with new_writer(tmp_path, interval=1) as writer:
        await writer.add_chains([CHAIN])
        assert writer._connection is not None
        await writer._connection.set_trace_callback(statements.append)
        await writer.write(page(writer, 0, ["a", "b"]))
        await writer.remember(barrier=1)
        await writer._connection.set_trace_callback(None)  # type: ignore[arg-type]
    verbs = [each.split()[0] for each in statements]
    writing = [verb for verb in verbs if verb != "SELECT"]
    assert writing[:6] == ["BEGIN", *["INSERT"] * 3, "UPDATE", "COMMIT"]  # a key, two records


async def test_half_a_page_is_rolled_back(tmp_path: Path) -> None:
    """A full disk rolls back by itself; a value that cannot be bound leaves the rows before it."""
    with pytest.raises(StoreError, match="surrogates"):
        async with new_writer(tmp_path, interval=1) as writer:
            await writer.add_chains([CHAIN])
            await writer.write(page(writer, 0, ["a"]))
            good = LaidRecord("b", None, None, '["b"]')
            bad = LaidRecord("c", None, None, "\ud800")
            await writer.write(page(writer, 1, ["b"], laid=LaidPage(records=[good, bad])))
    assert stored_ids(tmp_path) == ["a"]
    assert seen_from_outside(tmp_path) == (1, '{"cursor":"a"}')


async def test_what_waits_for_the_disk_is_bounded_by_its_size(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """I7: a page more than MOST_QUEUED waits with its caller, however few pages are queued."""
    monkeypatch.setattr(writer_module, "MOST_QUEUED", 1)
    disk_is_there, busy = asyncio.Event(), asyncio.Event()

    async def hold(_connection: object) -> None:
        busy.set()
        await disk_is_there.wait()

    async with new_writer(tmp_path) as writer:
        holding = asyncio.create_task(writer.run(hold))
        await busy.wait()
        await writer.write(page(writer, 0, ["p1"]))
        second = asyncio.create_task(writer.write(page(writer, 1, ["p2"])))
        for _ in range(20):
            await asyncio.sleep(0)
        waited = not second.done()
        disk_is_there.set()
        await asyncio.gather(holding, second)
    assert waited
    assert stored_ids(tmp_path) == ["p1", "p2"]


async def test_a_failing_job_is_told_to_its_caller(tmp_path: Path) -> None:
    """Whoever asked for SQL gets the error, and the transaction is rolled back."""
    with pytest.raises(StoreError, match="no such table"):
        async with new_writer(tmp_path) as writer:

            async def bad(connection: object) -> None:
                await writer._connection.execute_fetchall("SELECT * FROM nowhere")  # type: ignore[union-attr]

            await writer.run(bad)


async def test_known_records_of_a_page_read_again_are_not_stored_twice(tmp_path: Path) -> None:
    """Byte for byte the same records in the named pages are skipped, changed ones are kept."""
    async with new_writer(tmp_path) as writer:
        await writer.add_chains([CHAIN])
        await writer.write(page(writer, 0, ["a", "b"]))
        changed: list[tuple[str, dict[str, object]]] = [
            ("b", {"id": "b"}),
            ("a", {"id": "a", "new": 1}),
            ("b", {"id": "b"}),
            ("a", {"name": "a"}),
        ]
        await writer.write(page(writer, 1, ["b"], records=changed, known_pages=(0, 0)))
    assert stored_ids(tmp_path) == ["a", "b", "a", "b", "a"]


def as_stored(folder: Path) -> list[dict[str, object]]:
    """Return the records as the work DB's keys and values tell them."""
    with open_work_db(folder / "snapshot.db") as connection:
        names = connection.execute("SELECT name FROM key ORDER BY place").fetchall()
        keys = [json.loads(name) for (name,) in names]
        rows = connection.execute(
            "SELECT keys, nulls, body FROM record LEFT JOIN shape ON shape.id = record.shape"
            " ORDER BY page, position"
        )
        return [_came(json.loads(own) if own else keys, *rest) for own, *rest in rows]


def _came(keys: list[str], nulls: str | None, body: str) -> dict[str, object]:
    values = json.loads(body)
    return came(keys[: len(values)], values, nulls)


def noted_kinds(folder: Path) -> dict[str, list[str]]:
    with open_work_db(folder / "snapshot.db") as connection:
        (kinds,) = connection.execute("SELECT kinds FROM chain").fetchone()
    return dict(json.loads(kinds))


async def test_more_shapes_than_are_remembered(tmp_path: Path) -> None:
    """Records with ever other keys, and the first ones again: each keeps its own keys."""
    first: list[dict[str, object]] = [{"id": "a", f"k{n}": n} for n in range(MOST_SHAPES + 1)]
    again: list[dict[str, object]] = [{"id": "b", "k0": 7}, {"k0": 8, "id": "b"}]
    async with new_writer(tmp_path) as writer:
        await writer.add_chains([CHAIN])
        for number, records in enumerate((first, again)):
            named = [(str(record["id"]), record) for record in records]
            await writer.write(page(writer, number, [], records=named))
    assert as_stored(tmp_path) == [*first, *again]


async def test_kinds_are_noted_over_a_resume_and_void_after_a_restart(tmp_path: Path) -> None:
    """What the pages of both starts hold adds up; a list read anew begins from nothing."""
    async with new_writer(tmp_path) as writer:
        await writer.add_chains([CHAIN])
        await writer.write(page(writer, 0, [], records=[("a", {"id": "a", "x": None})]))
        await writer.write(page(writer, 1, [], records=[("b", {"id": "b", "x": 1})]))
    assert noted_kinds(tmp_path) == {"id": ["text"], "x": ["integer"]}
    async with Writer(tmp_path / "snapshot.db", checkpoint_interval=1, tell=ignore) as writer:
        await writer.write(page(writer, 2, [], records=[("c", {"x": -0.0, "y": [2**64]})]))
        await writer.remember(barrier=1)
        assert noted_kinds(tmp_path) == {
            "id": ["text"], "x": ["integer", "minus zero", "number"], "y": ["json"],
        }  # fmt: skip
        await writer.write(page(writer, 0, [], restart=True, pages=0, progress={}))
        await writer.write(page(writer, 0, [], records=[("c", {"z": 2**63})], state="done"))
    assert noted_kinds(tmp_path) == {"z": ["huge", "integer"]}


async def test_a_restart_drops_what_was_stored_of_the_chain(tmp_path: Path) -> None:
    """A list read anew starts from nothing, in the same transaction."""
    async with new_writer(tmp_path) as writer:
        await writer.add_chains([CHAIN])
        await writer.write(page(writer, 0, ["a", "b"]))
        await writer.write(page(writer, 0, [], restart=True, pages=0, progress={}))
        await writer.write(page(writer, 0, ["c"], state="done"))
    assert stored_ids(tmp_path) == ["c"]
    with open_work_db(tmp_path / "snapshot.db") as connection:
        (chain,) = read_chains(connection)
    assert (chain.rows, chain.pages, chain.state) == (1, 1, "done")


async def test_a_work_db_remembers_what_the_run_is_about(tmp_path: Path) -> None:
    """Opened again, it tells its identity; chains keep their progress."""
    async with new_writer(tmp_path) as writer:
        await writer.add_chains([CHAIN])
        await writer.write(page(writer, 0, ["a"]))
    async with Writer(tmp_path / "snapshot.db", checkpoint_interval=50, tell=ignore) as writer:
        (row,) = await writer.add_chains([CHAIN])
        assert row.progress == {"cursor": "a"}
        assert writer.run_values["workspace_id"] == "w1"
    with open_work_db(tmp_path / "snapshot.db") as connection:
        assert read_identity(connection) == identity(tmp_path)


async def test_the_mirror_shows_each_table(tmp_path: Path) -> None:
    """checkpoint.json tells state, pages, rows and cursor per table, and what run it is."""
    async with new_writer(tmp_path, interval=1) as writer:
        await writer.add_chains([CHAIN])
        await writer.write(page(writer, 0, ["a", "b"]))
    mirror = read_mirror(tmp_path / "checkpoint.json")
    assert mirror is not None
    people = mirror["tables"]["people"]
    assert (people["state"], people["pages"], people["rows"]) == ("reading", 1, 2)
    assert people["cursor"] == "b"
    assert (mirror["run_tag"], mirror["workspace_name"]) == ("t1", "예시")


async def test_a_mirror_that_cannot_be_written_only_warns(tmp_path: Path) -> None:
    """The readable copy may fail; the data is stored and the operator is told once."""
    (tmp_path / "checkpoint.json").mkdir()
    warnings: list[str] = []

    def tell(event: Event) -> None:
        if isinstance(event, Warned):
            warnings.append(event.text)

    async with new_writer(tmp_path, interval=1, tell=tell) as writer:
        await writer.add_chains([CHAIN])
        await writer.write(page(writer, 0, ["a"]))
    assert stored_ids(tmp_path) == ["a"]
    assert len(warnings) == 1


def test_a_refused_rename_of_the_mirror_becomes_a_copy(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Windows may refuse the rename while somebody reads; the content arrives all the same."""
    attempts = []

    def refuse(*_: object) -> None:
        attempts.append(1)
        raise PermissionError(13, "in use")

    monkeypatch.setattr("os.replace", refuse)
    target = tmp_path / "checkpoint.json"
    write_mirror(target, {"이름": "값"}, sleep=lambda _: None)
    assert read_mirror(target) == {"이름": "값"}
    assert len(attempts) == 3


@pytest.mark.parametrize("content", ["", "{", "[]", "\x00"])
def test_a_damaged_mirror_reads_as_none(tmp_path: Path, content: str) -> None:
    """A torn or foreign checkpoint.json decides nothing."""
    (tmp_path / "checkpoint.json").write_text(content)
    assert read_mirror(tmp_path / "checkpoint.json") is None


def test_a_missing_work_db_is_named(tmp_path: Path) -> None:
    """Opening what is not there says so, and makes no empty file."""
    with pytest.raises(StoreError, match="missing"), open_work_db(tmp_path / "snapshot.db"):
        pass
    assert not (tmp_path / "snapshot.db").exists()
