"""A run that stopped goes on by its tag (I2), and only where it safely can."""

from __future__ import annotations

import asyncio
import dataclasses
import json
import shutil
import sqlite3
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from salesmap_async import RunReport, Settings, take_snapshot
from salesmap_async.api.endpoints import CORE_TABLES, USUAL_TABLES
from salesmap_async.errors import (
    GateRefusedError,
    StoppedError,
    StoreError,
    TablesFailedError,
    TokenRefusedError,
    UsageError,
)
from salesmap_async.events import (
    CheckpointCommitted,
    Event,
    Listener,
    Note,
    TableFinished,
    TableProgress,
    Warned,
)
from salesmap_async.run.plan import is_resumable
from salesmap_async.sandbox import Fault, Sandbox, Workspace
from salesmap_async.stop import Stop
from salesmap_async.store.work_db import open_work_db, read_run_values
from tests.support.history import history_lines
from tests.support.runs import Events, MakeSettings, Snapshot, rows_of, table_hashes

SIZE: dict[str, Any] = {"records": 900, "forms": 3}


def sandbox_of(**more: Any) -> Sandbox:
    return Sandbox(Workspace.generate(**SIZE), quota=False, **more)


async def undisturbed(make_settings: MakeSettings, tmp_path: Path) -> dict[str, str]:
    """Return the content hashes of a run that nothing disturbed."""
    async with sandbox_of() as sandbox:
        report = await take_snapshot(
            make_settings(sandbox, db_path=tmp_path / "undisturbed.db", log_dir=tmp_path / "other")
        )
    return table_hashes(report.paths.final_db)


def stop_after(pages: int, stop: Stop, events: Listener) -> Listener:
    """Return a listener that requests a stop once `pages` pages have gone to the writer."""
    seen = 0

    def listen(event: Event) -> None:
        nonlocal seen
        events(event)
        seen += isinstance(event, TableProgress)
        if seen == pages:
            stop.request()

    return listen


async def interrupt(settings: Settings, events: Events, pages: int = 12) -> None:
    """Run until `pages` pages are read, then stop as Ctrl-C does."""
    stop = Stop()
    with pytest.raises(StoppedError):
        await take_snapshot(settings, stop_after(pages, stop, events), stop=stop)


async def test_a_stopped_run_goes_on_by_its_tag_to_the_same_content(
    make_settings: MakeSettings, events: Events, tmp_path: Path
) -> None:
    """Interrupted and resumed, it publishes what an undisturbed run does, and asks little twice."""
    expected = await undisturbed(make_settings, tmp_path)
    async with sandbox_of() as sandbox:
        settings = make_settings(sandbox, run_tag="t", concurrency=4)
        await interrupt(settings, events)
        assert not settings.db_path.exists()
        first = [(a.path, a.cursor) for a in sandbox.arrivals]
        sandbox.arrivals.clear()
        report = await take_snapshot(
            dataclasses.replace(settings, run_tag=None, resume_run_tag="t"), events
        )
        again = [(a.path, a.cursor) for a in sandbox.arrivals]
    assert table_hashes(report.paths.final_db) == expected
    assert len(first) >= 12
    repeated = set(first) & set(again) - {("/user/me", None)}
    assert len(repeated) <= 4
    lines = history_lines(report.paths.history_file)
    assert [x["status"] for x in lines] == ["started", "interrupted", "started", "published"]
    starts = [x["started_at"] for x in lines]
    assert starts[0] == starts[1] < starts[2] == starts[3]
    assert starts[1] <= lines[1]["ended_at"] <= starts[2] <= lines[3]["ended_at"]


async def test_every_stopping_point_resumes_to_the_same_content(
    make_settings: MakeSettings, events: Events, tmp_path: Path
) -> None:
    """Stopped again and again, a few pages at a time, the result does not change."""
    expected = await undisturbed(make_settings, tmp_path)
    async with sandbox_of() as sandbox:
        settings = make_settings(sandbox, run_tag="t", concurrency=3, checkpoint_interval=120)
        starts = 0
        while True:
            starts += 1
            stop = Stop()
            try:
                report = await take_snapshot(settings, stop_after(5, stop, events), stop=stop)
                break
            except StoppedError:
                settings = dataclasses.replace(settings, run_tag=None, resume_run_tag="t")
    assert starts > 5
    assert table_hashes(report.paths.final_db) == expected


async def test_finished_tables_are_not_asked_again(snapshot: Snapshot) -> None:
    """A failed table is taken up at its cursor; the others were complete."""
    fault = Fault(
        action="status", status=400, path="/people", nth=3, reason="잘못된 요청", times=None
    )
    async with sandbox_of(faults=[fault]) as sandbox:
        with pytest.raises(TablesFailedError, match="people"):
            await snapshot(sandbox, run_tag="t")
        sandbox.arrivals.clear()
        sandbox.faults.clear()
        report = await snapshot(sandbox, resume_run_tag="t")
        lists = {a.path for a in sandbox.arrivals if not a.path.endswith("/submit")}
        assert ("/people", None) not in [(a.path, a.cursor) for a in sandbox.arrivals]
    assert lists == {"/user/me", "/people"}
    assert rows_of(report.paths.final_db, "people")


async def test_a_cursor_whose_record_is_gone_after_the_stop_still_leads_on(
    make_settings: MakeSettings, events: Events
) -> None:
    """Between stop and resume the record named by each cursor is deleted: nothing else is lost."""
    for unknown in ("refuse", "empty"):
        workspace = Workspace.generate(**SIZE)
        async with Sandbox(workspace, quota=False, unknown_cursor=unknown) as sandbox:
            settings = make_settings(
                sandbox, run_tag=unknown, db_path=make_settings(sandbox).db_path.with_name(unknown)
            )
            await interrupt(settings, events)
            deleted = 0
            mirror = json.loads(settings.paths(unknown).checkpoint_json.read_text("utf-8"))
            for table in ("organization", "people", "deal", "lead", "memo"):
                state = mirror["tables"][table]
                if state["state"] == "reading" and state["cursor"]:
                    records = workspace.table(table)
                    position = records.position(state["cursor"])
                    assert position is not None
                    del records[position]
                    deleted += 1
            assert deleted >= 3
            report = await take_snapshot(
                dataclasses.replace(settings, run_tag=None, resume_run_tag=unknown), events
            )
        for table in ("organization", "people", "deal", "lead", "memo"):
            stored = {row["id"] for row in rows_of(report.paths.final_db, table)}
            assert {record["id"] for record in workspace.table(table)} <= stored


async def test_resume_takes_the_newest_unfinished_run(
    make_settings: MakeSettings, events: Events
) -> None:
    """`--resume` needs no tag; where nothing is unfinished it starts anew and says so."""
    async with sandbox_of() as sandbox:
        settings = make_settings(sandbox, run_tag="one")
        await interrupt(settings, events)
        resume = dataclasses.replace(settings, run_tag=None, resume=True)
        report = await take_snapshot(resume, events)
        assert report.run_tag == "one"
        report = await take_snapshot(resume, events)
        assert report.run_tag != "one"
    assert "there is no unfinished run to resume: starting a new one" in [
        note.text for note in events.of(Note)
    ]


async def test_resume_does_not_put_older_data_over_newer(
    make_settings: MakeSettings, events: Events
) -> None:
    """An unfinished run from before the last published one is left alone by `--resume`."""
    async with sandbox_of() as sandbox:
        settings = make_settings(sandbox, run_tag="old")
        await interrupt(settings, events)
        await take_snapshot(dataclasses.replace(settings, run_tag="new"))
        report = await take_snapshot(dataclasses.replace(settings, run_tag=None, resume=True))
    assert report.run_tag not in ("old", "new")


@pytest.mark.parametrize("how", ["resume", "resume_run_tag"])
async def test_a_lost_work_db_is_refused_by_name(
    make_settings: MakeSettings, events: Events, how: str
) -> None:
    """checkpoint.json alone is no data: nothing half is ever published."""
    async with sandbox_of() as sandbox:
        settings = make_settings(sandbox, run_tag="t")
        await interrupt(settings, events)
        for part in settings.paths("t").work_dir.glob("snapshot.db*"):
            part.unlink()
        again = {"resume": True} if how == "resume" else {"resume_run_tag": "t"}
        with pytest.raises(UsageError, match=r"work DB .* missing"):
            await take_snapshot(dataclasses.replace(settings, run_tag=None, **again))
    assert not settings.db_path.exists()


@pytest.mark.parametrize("damage", [None, "", "{", '{"tables": 1}'])
async def test_a_lost_or_damaged_checkpoint_json_does_not_matter(
    make_settings: MakeSettings, events: Events, damage: str | None
) -> None:
    """The work DB is the checkpoint; its readable mirror may be gone."""
    async with sandbox_of() as sandbox:
        settings = make_settings(sandbox, run_tag="t")
        await interrupt(settings, events)
        mirror = settings.paths("t").checkpoint_json
        if damage is None:
            mirror.unlink()
        else:
            mirror.write_text(damage)
        report = await take_snapshot(
            dataclasses.replace(settings, run_tag=None, resume_run_tag="t")
        )
    assert report.run_tag == "t"


async def test_an_unknown_a_finished_and_an_existing_tag_are_refused(snapshot: Snapshot) -> None:
    """Exit 2, nothing touched, and the message names what can be done."""
    async with sandbox_of() as sandbox:
        report = await snapshot(sandbox, run_tag="done")
        before = sorted(report.paths.log_dir.rglob("*"))
        sandbox.arrivals.clear()
        with pytest.raises(UsageError, match="there is no run nowhere"):
            await snapshot(sandbox, resume_run_tag="nowhere")
        with pytest.raises(UsageError, match="run done is finished"):
            await snapshot(sandbox, resume_run_tag="done")
        report.paths.history_file.unlink()
        with pytest.raises(UsageError, match="run done is finished"):
            await snapshot(sandbox, resume_run_tag="done")
        with pytest.raises(UsageError, match="done exists already") as refusal:
            await snapshot(sandbox, run_tag="done")
        assert refusal.value.instead == ()
        assert sandbox.arrivals == []
    assert [path for path in before if not path.exists()] == [report.paths.history_file]


async def test_another_workspaces_token_cannot_resume(
    make_settings: MakeSettings, events: Events
) -> None:
    """Two companies never meet in one DB: by workspace id, exit 2."""
    async with sandbox_of() as sandbox:
        settings = make_settings(sandbox, run_tag="t")
        await interrupt(settings, events)
    async with Sandbox(Workspace.generate(**SIZE, seed=8), quota=False) as other:
        with pytest.raises(UsageError, match="reads workspace"):
            await take_snapshot(
                dataclasses.replace(
                    settings, run_tag=None, resume_run_tag="t", base_url=other.base_url
                )
            )
    assert not settings.db_path.exists()


async def test_another_base_url_cannot_resume_an_unknown_workspace(
    make_settings: MakeSettings, events: Events
) -> None:
    """Where /user/me tells no workspace, the base URL must be the run's own."""
    unknown = Fault(action="status", status=404, path="/user/me", times=None)
    async with sandbox_of(faults=[unknown]) as sandbox:
        settings = make_settings(sandbox, run_tag="t")
        await interrupt(settings, events)
        assert "does not tell the workspace" in events.of(Warned)[0].text
        resume = dataclasses.replace(settings, run_tag=None, resume_run_tag="t")
        with pytest.raises(UsageError, match="reads http"):
            await take_snapshot(
                dataclasses.replace(resume, base_url="https://other.example.com/api/v2")
            )
        report = await take_snapshot(resume)
    assert report.run_tag == "t"


async def test_a_resume_from_another_directory_means_the_same_final_db(
    make_settings: MakeSettings,
    events: Events,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A relative --db-path was resolved once; the run remembers it, and what to read."""
    for name in ("here", "there"):
        (tmp_path / name).mkdir()
    async with sandbox_of() as sandbox:
        monkeypatch.chdir(tmp_path / "here")
        usual = make_settings(sandbox)
        await interrupt(
            dataclasses.replace(usual, db_path=Path("rel.db"), run_tag="t", skip=("lead",)),
            events,
            pages=6,
        )
        monkeypatch.chdir(tmp_path / "there")
        report = await take_snapshot(
            dataclasses.replace(usual, db_path=Path("rel.db"), resume_run_tag="t")
        )
        asked = {arrival.path for arrival in sandbox.arrivals}
    assert report.paths.final_db == tmp_path / "here" / "rel.db"
    assert list((tmp_path / "there").iterdir()) == []
    assert "/lead" not in asked


async def test_a_run_killed_before_its_published_line_completes_on_resume(
    make_settings: MakeSettings, events: Events, tmp_path: Path
) -> None:
    """Swapped, but the history could not say so: resumed, it ends well without a request."""
    async with sandbox_of() as sandbox:
        settings = make_settings(sandbox, run_tag="t")
        first = await take_snapshot(dataclasses.replace(settings, run_tag="earlier"))
        kept = tmp_path / "kept"

        def keep_work_db(event: Event) -> None:
            if getattr(event, "name", "") == "gate":
                shutil.copytree(settings.paths("t").work_dir, kept)

        report = await take_snapshot(settings, keep_work_db)
        published = table_hashes(report.paths.final_db)
        backups = sorted(settings.backup_dir.iterdir())
        # Put everything back as a kill right before the published line leaves it.
        shutil.rmtree(settings.paths("t").work_dir)
        shutil.copytree(kept, settings.paths("t").work_dir)
        lines = first.paths.history_file.read_text("utf-8").splitlines(keepends=True)
        first.paths.history_file.write_text("".join(lines[:-1]), encoding="utf-8")
        sandbox.arrivals.clear()
        again = await take_snapshot(dataclasses.replace(settings, run_tag=None, resume_run_tag="t"))
        assert sandbox.arrivals == []
    assert table_hashes(again.paths.final_db) == published
    assert sorted(settings.backup_dir.iterdir()) == backups
    (info,) = rows_of(backups[0], "run_info")
    assert info["run_tag"] == "earlier"
    assert not again.paths.work_db.exists()


async def test_a_token_that_expires_mid_run_stops_at_once_and_stays_resumable(
    snapshot: Snapshot,
) -> None:
    """The first 401 ends the run; with the token renewed it goes on."""
    fault = Fault(action="status", status=401, path="/memo", nth=3, times=None)
    async with sandbox_of(faults=[fault]) as sandbox:
        with pytest.raises(TokenRefusedError) as refusal:
            await snapshot(sandbox, run_tag="t", concurrency=1)
        assert refusal.value.run is not None
        sandbox.faults.clear()
        report: RunReport = await snapshot(sandbox, resume_run_tag="t")
    assert rows_of(report.paths.final_db, "memo")


async def test_a_stopped_web_form_run_goes_on_as_one(
    make_settings: MakeSettings, events: Events
) -> None:
    """A resume remembers that only web forms were to be renewed."""
    async with sandbox_of() as sandbox:
        settings = make_settings(sandbox)
        full = await take_snapshot(settings)
        expected = table_hashes(full.paths.final_db)
        forms = dataclasses.replace(settings, run_tag="forms", webform_only=True, concurrency=1)
        await interrupt(forms, events, pages=1)
        assert table_hashes(full.paths.final_db) == expected
        report = await take_snapshot(dataclasses.replace(settings, resume_run_tag="forms"))
        asked = [a.path for a in sandbox.arrivals]
    assert table_hashes(report.paths.final_db) == expected
    pages = len({a.cursor for a in sandbox.arrivals if a.path == "/people"})
    assert asked.count("/people") == pages + 1  # the page before the end, asked again


async def test_a_complete_run_whose_figures_were_lost_still_publishes(
    make_settings: MakeSettings, tmp_path: Path
) -> None:
    """Completeness and figures are committed together: no kill leaves a run that cannot go on."""
    async with sandbox_of() as sandbox:
        settings = make_settings(sandbox, run_tag="t", allow_shrink=False)
        await take_snapshot(dataclasses.replace(settings, run_tag="first"))
        seen: list[set[str]] = []

        def look(event: Event) -> None:
            if isinstance(event, CheckpointCommitted) and settings.paths("t").work_db.exists():
                with open_work_db(settings.paths("t").work_db) as connection:
                    seen.append(set(read_run_values(connection)))

        await take_snapshot(settings, look)
    assert all(("collected_at" in keys) == ("traffic" in keys) for keys in seen)
    assert any("collected_at" in keys for keys in seen)


async def test_a_publish_only_resume_still_checks_the_workspace(
    make_settings: MakeSettings,
) -> None:
    """While the run waited, the final DB became another workspace's: exit 2, nothing mixed."""
    workspace = Workspace.generate(**SIZE)
    async with Sandbox(workspace, quota=False) as sandbox:
        settings = make_settings(sandbox)
        await take_snapshot(settings)
        del workspace.table("memo")[5:]
        with pytest.raises(GateRefusedError):
            await take_snapshot(dataclasses.replace(settings, run_tag="a", only=("memo",)))
    settings.db_path.unlink()
    async with Sandbox(Workspace.generate(**SIZE, seed=8), quota=False) as other:
        theirs = await take_snapshot(make_settings(other))
        before = table_hashes(theirs.paths.final_db)
        with pytest.raises(UsageError, match="holds workspace"):
            await take_snapshot(
                dataclasses.replace(settings, resume_run_tag="a", allow_shrink=True)
            )
    assert table_hashes(theirs.paths.final_db) == before


async def test_an_unknown_workspace_may_not_be_mixed_with_a_known_one(snapshot: Snapshot) -> None:
    """Where /user/me tells nothing, a part of the snapshot cannot be renewed, a whole one can."""
    async with sandbox_of() as sandbox:
        await snapshot(sandbox)
        sandbox.faults.append(Fault(action="status", status=404, path="/user/me", times=None))
        with pytest.raises(UsageError, match="cannot be mixed"):
            await snapshot(sandbox, only=("memo",))
        await snapshot(sandbox)


async def test_a_form_that_nobody_names_any_more_is_not_published_half_read(
    make_settings: MakeSettings, events: Events
) -> None:
    """Stopped, people renewed by another run, resumed: what was read of such a form is dropped."""
    workspace = Workspace.generate(records=900, forms=3)
    async with Sandbox(workspace, quota=False) as sandbox:
        settings = make_settings(sandbox)
        full = await take_snapshot(settings)
        form = max(workspace.submissions, key=lambda each: len(workspace.submissions[each]))
        more = [dict(s, id=f"more-{n}") for n, s in enumerate(workspace.submissions[form] * 20)]
        workspace.submissions[form].extend(more)
        forms = dataclasses.replace(settings, run_tag="forms", webform_only=True, concurrency=1)
        await interrupt(forms, events, pages=2)
        people = workspace.table("people")
        for position in range(len(people)):
            named = people[position].get("제출된 웹폼 목록")
            if named:
                people[position]["제출된 웹폼 목록"] = [f for f in named if f["id"] != form]
        await take_snapshot(dataclasses.replace(settings, allow_shrink=True))
        report = await take_snapshot(
            dataclasses.replace(settings, resume_run_tag="forms", allow_shrink=True)
        )
    rows = rows_of(full.paths.final_db, "webform_history")
    assert form not in {row["webFormId"] for row in rows}
    assert report.run_tag == "forms"


async def test_tables_read_before_the_stop_are_told_as_finished(
    make_settings: MakeSettings, events: Events
) -> None:
    """A resume shows what is there already, so that no bar stays empty."""
    fault = Fault(action="status", status=400, path="/people", nth=3, times=None)
    async with sandbox_of(faults=[fault]) as sandbox:
        settings = make_settings(sandbox, run_tag="t")
        with pytest.raises(TablesFailedError):
            await take_snapshot(settings)
        sandbox.faults.clear()
        await take_snapshot(dataclasses.replace(settings, run_tag=None, resume_run_tag="t"), events)
    finished = [event.table for event in events.of(TableFinished)]
    assert sorted(finished) == sorted((*CORE_TABLES, *USUAL_TABLES))


async def test_two_runs_that_take_the_same_tag_both_go_on(make_settings: MakeSettings) -> None:
    """Two DBs, one checkpoint folder, the same second: the second run takes the next free tag."""
    async with sandbox_of() as sandbox:
        settings = make_settings(sandbox, only=("user",))
        taken: list[str] = []

        def take_the_tag(event: Event) -> None:
            if isinstance(event, Note) and "workspace" in event.text and not taken:
                # Between the plan and the begin of this run, another process takes its tag.
                tag = f"{datetime.now(UTC):%Y%m%d_%H%M%S}"
                for each in (tag, _second_before(tag)):
                    settings.paths(each).work_dir.mkdir(parents=True, exist_ok=True)
                    taken.append(each)

        report = await take_snapshot(settings, take_the_tag)
    assert report.run_tag not in taken


def _second_before(tag: str) -> str:
    moment = datetime.strptime(tag, "%Y%m%d_%H%M%S").replace(tzinfo=UTC)
    return f"{moment - timedelta(seconds=1):%Y%m%d_%H%M%S}"


async def test_newer_data_is_backed_up_before_an_older_run_replaces_it(
    make_settings: MakeSettings, tmp_path: Path
) -> None:
    """Tables that a later run carried over from this one do not count as this run's snapshot."""
    workspace = Workspace.generate(**SIZE)
    async with Sandbox(workspace, quota=False) as sandbox:
        settings = make_settings(sandbox, run_tag="t1")
        kept = tmp_path / "kept"

        def keep_work_db(event: Event) -> None:
            if getattr(event, "name", "") == "gate":
                shutil.copytree(settings.paths("t1").work_dir, kept)

        await take_snapshot(settings, keep_work_db)
        del workspace.table("memo")[0]
        newer = await take_snapshot(dataclasses.replace(settings, run_tag="t2", only=("memo",)))
        content = table_hashes(newer.paths.final_db)
        # As if t1 had been killed right before its published line.
        shutil.rmtree(settings.paths("t1").work_dir)
        shutil.copytree(kept, settings.paths("t1").work_dir)
        history = newer.paths.history_file
        lines = history.read_text("utf-8").splitlines(keepends=True)
        history.write_text("".join(x for x in lines if '"t1"' not in x), encoding="utf-8")
        await take_snapshot(dataclasses.replace(settings, run_tag=None, resume_run_tag="t1"))
    backups = [table_hashes(backup) for backup in settings.backup_dir.iterdir()]
    assert content in backups


async def test_a_tag_stays_taken_when_its_checkpoints_are_gone(snapshot: Snapshot) -> None:
    """The history, the log and the manifest still know the run: the tag is not used again."""
    async with sandbox_of() as sandbox:
        report = await snapshot(sandbox, run_tag="nightly")
        shutil.rmtree(report.paths.checkpoint_dir)
        with pytest.raises(UsageError, match="nightly exists already"):
            await snapshot(sandbox, run_tag="nightly")


async def test_a_work_db_that_vanishes_ends_the_run_at_the_next_commit(
    make_settings: MakeSettings, events: Events
) -> None:
    """Nothing is read into a deleted file, and nobody is told that it could be resumed."""
    async with sandbox_of() as sandbox:
        settings = make_settings(sandbox, run_tag="t", concurrency=1)

        def remove_after_a_while(event: Event) -> None:
            events(event)
            if len(events.of(CheckpointCommitted)) == 5:
                shutil.rmtree(settings.checkpoint_dir, ignore_errors=True)

        with pytest.raises(StoreError, match="vanished") as lost:
            await take_snapshot(settings, remove_after_a_while)
    assert lost.value.run is not None
    assert not is_resumable(lost.value.run)
    assert len(events.of(CheckpointCommitted)) < 12


async def test_a_stop_ends_the_wait_for_a_locked_final_db(make_settings: MakeSettings) -> None:
    """While SQLite waits for the live file, a stop ends the wait and the old content stays."""
    async with sandbox_of() as sandbox:
        settings = make_settings(sandbox)
        await take_snapshot(settings)
        before = table_hashes(settings.db_path)
        viewer = sqlite3.connect(settings.db_path, isolation_level=None)
        viewer.execute("PRAGMA journal_mode = WAL")
        viewer.execute("BEGIN IMMEDIATE")
        stop, loop = Stop(), asyncio.get_running_loop()

        def stop_at_the_fallback(event: Event) -> None:
            if getattr(event, "name", "").startswith("fallback: sqlite backup"):
                loop.call_soon_threadsafe(stop.request)

        with pytest.raises(StoppedError):
            await take_snapshot(
                dataclasses.replace(settings, run_tag="t"), stop_at_the_fallback, stop=stop
            )
        viewer.execute("ROLLBACK")
        viewer.close()
        assert table_hashes(settings.db_path) == before
        report = await take_snapshot(dataclasses.replace(settings, resume_run_tag="t"))
    assert report.run_tag == "t"


async def test_a_list_that_was_not_read_to_its_end_is_never_published(
    make_settings: MakeSettings, events: Events
) -> None:
    """Whatever the work DB says of itself, each list must have surely ended: exit 1, by name."""
    async with sandbox_of() as sandbox:
        settings = make_settings(sandbox, run_tag="t")
        await interrupt(settings, events)
        with closing(sqlite3.connect(settings.paths("t").work_db)) as connection:
            connection.execute("INSERT INTO run VALUES ('collected_at', '\"2026-01-01\"')")
            connection.commit()
        with pytest.raises(TablesFailedError, match="was not read to its end") as refused:
            await take_snapshot(dataclasses.replace(settings, run_tag=None, resume_run_tag="t"))
    assert refused.value.exit_code == 1
    assert not settings.db_path.exists()


async def test_resume_goes_on_with_the_newest_run_though_an_older_one_is_lost(
    make_settings: MakeSettings, events: Events
) -> None:
    """Only the newest unfinished run decides: an older one without its work DB does not matter."""
    async with sandbox_of() as sandbox:
        settings = make_settings(sandbox)
        for tag in ("older", "newer"):
            await interrupt(dataclasses.replace(settings, run_tag=tag), Events())
        settings.paths("older").work_db.unlink()
        report = await take_snapshot(dataclasses.replace(settings, resume=True), events)
    assert report.run_tag == "newer"


async def test_a_run_of_another_version_is_refused_in_words(make_settings: MakeSettings) -> None:
    """Its work DB is not misread: by its tag it is refused, --resume begins anew and says so."""
    async with sandbox_of() as sandbox:
        settings = make_settings(sandbox)
        await interrupt(dataclasses.replace(settings, run_tag="older"), Events())
        work_db = settings.paths("older").work_db
        with closing(sqlite3.connect(work_db)) as connection:
            connection.execute("PRAGMA user_version = 1")
        with pytest.raises(UsageError, match="begun by another version") as refused:
            await take_snapshot(dataclasses.replace(settings, resume_run_tag="older"))
        assert refused.value.instead == ()
        assert work_db.exists()
        events = Events()
        report = await take_snapshot(dataclasses.replace(settings, resume=True), events)
    assert report.run_tag != "older"
    notes = [event.text for event in events.of(Note)]
    assert any("older was begun by another version" in note for note in notes)


async def test_records_that_leave_keys_out_survive_a_resume(
    make_settings: MakeSettings, tmp_path: Path
) -> None:
    """The keys met before the stop and those met after it are one list of keys."""
    workspace = Workspace.generate(**SIZE, absent=0.4)
    async with Sandbox(workspace, quota=False) as sandbox:
        plain = make_settings(sandbox, db_path=tmp_path / "plain.db", log_dir=tmp_path / "other")
        expected = table_hashes((await take_snapshot(plain)).paths.final_db)
        settings = make_settings(sandbox, concurrency=3)
        await interrupt(settings, Events())
        report = await take_snapshot(dataclasses.replace(settings, resume=True))
    assert table_hashes(report.paths.final_db) == expected
