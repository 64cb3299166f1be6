"""A whole run over real HTTP: the final DB holds the workspace, key by key, always the same."""

from __future__ import annotations

import dataclasses
import json
import re
import sqlite3
from pathlib import Path
from typing import Any

import pytest

from salesmap_async import take_snapshot
from salesmap_async.api.endpoints import (
    ALL_TABLES,
    CHILD_TABLES,
    CORE_TABLES,
    ENDPOINTS,
    SUBMISSION_TABLE,
    USUAL_TABLES,
)
from salesmap_async.errors import (
    GateRefusedError,
    KeptAsideError,
    LockedError,
    TablesFailedError,
    UsageError,
)
from salesmap_async.events import Event, Note, RunStarted, Step, TableFinished
from salesmap_async.sandbox import Fault, Sandbox, Workspace
from tests.support.history import history_lines
from tests.support.runs import Events, MakeSettings, Snapshot, rows_of, table_hashes

SMALL: dict[str, Any] = {"records": 600, "forms": 3}
_SURROGATE = re.compile("[\ud800-\udfff]")


def without_surrogates(value: Any) -> Any:
    """Return what a value must read as: each lone surrogate is U+FFFD."""
    if isinstance(value, str):
        return _SURROGATE.sub("�", value)
    if isinstance(value, list):
        return [without_surrogates(each) for each in value]
    if isinstance(value, dict):
        return {without_surrogates(k): without_surrogates(v) for k, v in value.items()}
    return value


def columns_of(db: Path, table: str) -> dict[str, str]:
    """Return the keys that are not their own column's name, as `column_map` tells them."""
    rows = [row for row in rows_of(db, "column_map") if row["table"] == table]
    return {row["key"]: row["column"] for row in rows}


def read_back(row: dict[str, Any], key: str, mapped: dict[str, str]) -> Any:
    """Return what the DB says of one key of a record."""
    column = mapped.get(key, key)
    if column == "_overflow":
        return json.loads(row["_overflow"])[key]
    return row[column]


def same(sent: Any, stored: Any) -> bool:
    """Tell whether `stored` is what SQLite should hold of the JSON value `sent`."""
    sent = without_surrogates(sent)
    if isinstance(sent, dict | list):
        return bool(json.loads(stored) == sent)
    if isinstance(sent, bool):
        return bool(stored == int(sent))
    if isinstance(sent, int) and not -(2**63) <= sent < 2**63:
        return bool(stored == str(sent))
    return bool(stored == sent) and (sent is None or type(stored) is type(sent))


def differences(db: Path, table: str, sent: list[dict[str, Any]], id_key: str = "id") -> list[str]:
    """Compare a table with the records that were served, record by record and key by key."""
    rows, mapped = {row["id"]: row for row in rows_of(db, table)}, columns_of(db, table)
    found = [f"{len(rows)} rows for {len(sent)} records"] if len(rows) != len(sent) else []
    for record in sent:
        row = rows[record[id_key]]
        for key, value in record.items():
            if not same(value, read_back(row, key, mapped)):
                found.append(f"{table} {record[id_key]} {key}: {value!r}")
    return found


async def test_the_final_db_equals_the_workspace_key_by_key(snapshot: Snapshot) -> None:
    """20,000 records in five core lists come back record by record, key by key."""
    workspace = Workspace.generate(records=20_000, seed=11, forms=4)
    async with Sandbox(workspace, quota=False) as sandbox:
        report = await snapshot(sandbox)
    checked = 0
    for endpoint in ENDPOINTS:
        if endpoint.group == "core":
            sent = list(workspace.table(endpoint.table))
            assert differences(report.paths.final_db, endpoint.table, sent) == []
            checked += len(sent)
    assert checked >= 20_000


async def test_optional_lists_come_whole_too(snapshot: Snapshot) -> None:
    """`--include all` reads every list of the catalogue into its table."""
    workspace = Workspace.generate(**SMALL)
    async with Sandbox(workspace, quota=False) as sandbox:
        report = await snapshot(sandbox, include=("all",))
    db = report.paths.final_db
    assert {row["table"] for row in rows_of(db, "manifest")} == set(ALL_TABLES) - set(CHILD_TABLES)
    for endpoint in ENDPOINTS:
        sent = list(workspace.table(endpoint.path))
        if endpoint.table != "field":
            assert differences(db, endpoint.table, sent, endpoint.id_key) == []
    fields = rows_of(db, "field")
    served = {e.path.removeprefix("/field/"): e for e in ENDPOINTS if e.table == "field"}
    for kind, endpoint in served.items():
        of_kind = [row for row in fields if row["objectType"] == kind]
        assert len(of_kind) == len(workspace.table(endpoint.path))


@pytest.mark.parametrize("concurrency", [1, 16, 64])
@pytest.mark.parametrize("interval", [1, 50, 100_000])
async def test_the_content_does_not_depend_on_pace_or_interval(
    snapshot: Snapshot, concurrency: int, interval: int
) -> None:
    """The same workspace gives the same content hash in every data table."""
    hashes = []
    paces: tuple[dict[str, Any], ...] = (
        {"concurrency": 16, "checkpoint_interval": 50},
        {"concurrency": concurrency, "checkpoint_interval": interval},
    )
    for settings in paces:
        async with Sandbox(Workspace.generate(**SMALL), quota=False) as sandbox:
            report = await snapshot(sandbox, **settings)
        hashes.append(table_hashes(report.paths.final_db))
        assert hashes[-1] == {row.table: row.content_sha256 for row in report.tables}
    assert hashes[0] == hashes[1]
    assert set(hashes[0]) == {*CORE_TABLES, *USUAL_TABLES}


async def test_submissions_are_kept_for_allowed_people_and_the_rest_is_counted(
    snapshot: Snapshot, events: Events
) -> None:
    """Each submission is kept, or counted as missing or not allowed; its form is named."""
    workspace = Workspace.generate(**SMALL)
    async with Sandbox(workspace, quota=False) as sandbox:
        report = await snapshot(sandbox)
    allowed = {deal["peopleId"] for deal in workspace.table("deal") if deal.get("peopleId")}
    forms = {
        form["id"]
        for person in workspace.table("people")
        if person["id"] in allowed
        for form in person.get("제출된 웹폼 목록") or ()
    }
    sent = [(f, s) for f in forms for s in workspace.submissions.get(f, ())]
    people = [
        s.get("peopleId") or s.get("personId") or (s.get("person") or {}).get("id") for _, s in sent
    ]
    rows = rows_of(report.paths.final_db, SUBMISSION_TABLE)
    (manifest,) = [row for row in report.tables if row.table == SUBMISSION_TABLE]
    missing = sum(1 for person in people if not person)
    foreign = sum(1 for person in people if person and person not in allowed)
    assert (manifest.dropped_missing, manifest.dropped_not_allowed) == (missing, foreign)
    assert len(rows) == len(sent) - missing - foreign > 0
    assert {row["webFormId"] for row in rows} <= forms
    assert all(row["peopleId"] in allowed for row in rows)
    total = f"webform_history: dropped_missing={missing} dropped_not_allowed={foreign}"
    assert total in [note.text for note in events.of(Note)]


async def test_all_known_people_and_all_forms_with_webform_people_all(snapshot: Snapshot) -> None:
    """`--webform-people all` asks every form of the list and keeps every known person's."""
    workspace = Workspace.generate(**SMALL)
    async with Sandbox(workspace, quota=False) as sandbox:
        report = await snapshot(sandbox, webform_people="all")
        asked = {a.path for a in sandbox.arrivals if a.path.endswith("/submit")}
    assert len(asked) == len(workspace.table("webform"))
    known = {person["id"] for person in workspace.table("people")}
    rows = rows_of(report.paths.final_db, SUBMISSION_TABLE)
    assert {row["peopleId"] for row in rows} <= known
    (manifest,) = [row for row in report.tables if row.table == SUBMISSION_TABLE]
    submitted = sum(len(workspace.submissions[f["id"]]) for f in workspace.table("webform"))
    assert len(rows) + manifest.dropped_missing + manifest.dropped_not_allowed == submitted


async def test_forms_come_from_the_list_where_no_person_names_any(snapshot: Snapshot) -> None:
    """Without the people's column every form of `/webForm` is asked."""
    workspace = Workspace.generate(**SMALL)
    people = workspace.table("people")
    for position in range(len(people)):
        people[position].pop("제출된 웹폼 목록", None)
    async with Sandbox(workspace, quota=False) as sandbox:
        await snapshot(sandbox)
        asked = {a.path for a in sandbox.arrivals if a.path.endswith("/submit")}
    assert len(asked) == len(workspace.table("webform"))


async def test_skipped_tables_are_carried_over_and_the_manifest_says_from_which_run(
    snapshot: Snapshot,
) -> None:
    """`--only memo` renews memo; the rest stays as the first run read it."""
    workspace = Workspace.generate(**SMALL)
    async with Sandbox(workspace, quota=False) as sandbox:
        first = await snapshot(sandbox, run_tag="first")
        before = table_hashes(first.paths.final_db)
        del workspace.table("memo")[0]
        del workspace.table("people")[0]
        sandbox.arrivals.clear()
        second = await snapshot(sandbox, run_tag="second", only=("memo",))
        lists = {a.path for a in sandbox.arrivals}
    after = table_hashes(second.paths.final_db)
    assert {path for path in lists if not path.startswith("/memo/")} == {"/user/me", "/memo"}
    assert {table for table in before if before[table] != after[table]} == {"memo"}
    tags = {row["table"]: row["run_tag"] for row in rows_of(second.paths.final_db, "manifest")}
    assert tags.pop("memo") == "second"
    assert set(tags.values()) == {"first"}


async def test_web_forms_alone_need_their_sources_from_somewhere(
    snapshot: Snapshot, make_settings: MakeSettings
) -> None:
    """`--only webform_history` takes people and deals from the final DB; without one, exit 2."""
    workspace = Workspace.generate(**SMALL)
    async with Sandbox(workspace, quota=False) as sandbox:
        with pytest.raises(UsageError, match="webform_history needs deal, people, webform"):
            await snapshot(sandbox, only=("webform_history",))
        assert not make_settings(sandbox).checkpoint_dir.exists()
        first = await snapshot(sandbox)
        rows = rows_of(first.paths.final_db, SUBMISSION_TABLE)
        second = await snapshot(sandbox, only=("webform_history",))
    assert rows_of(second.paths.final_db, SUBMISSION_TABLE) == rows


async def test_webform_only_twice_gives_the_same_rows(snapshot: Snapshot) -> None:
    """3, 3, 3 and never 3, 6, 9; a submission that is deleted upstream disappears."""
    workspace = Workspace.generate(**SMALL)
    async with Sandbox(workspace, quota=False) as sandbox:
        first = await snapshot(sandbox, run_tag="full")
        db = first.paths.final_db
        rows = rows_of(db, SUBMISSION_TABLE)
        others = {t: h for t, h in table_hashes(db).items() if t != SUBMISSION_TABLE}
        for tag in ("forms1", "forms2"):
            report = await snapshot(sandbox, run_tag=tag, webform_only=True)
            assert rows_of(db, SUBMISSION_TABLE) == rows
            assert report.paths.backup_db.exists()
        gone = rows[0]["id"]
        for submissions in workspace.submissions.values():
            submissions[:] = [each for each in submissions if each.get("id") != gone]
        await snapshot(sandbox, run_tag="forms3", webform_only=True)
    assert rows_of(db, SUBMISSION_TABLE) == [row for row in rows if row["id"] != gone]
    assert {t: h for t, h in table_hashes(db).items() if t != SUBMISSION_TABLE} == others
    tags = {row["table"]: row["run_tag"] for row in rows_of(db, "manifest")}
    assert (tags[SUBMISSION_TABLE], tags["people"]) == ("forms3", "full")
    lines = history_lines(report.paths.history_file)
    assert [x["status"] for x in lines if x["run_tag"] == "forms1"] == ["started", "published"]


async def test_webform_only_without_a_snapshot_is_refused(snapshot: Snapshot) -> None:
    """There is nothing to renew: exit 2, nothing touched."""
    async with Sandbox(Workspace.generate(**SMALL), quota=False) as sandbox:
        with pytest.raises(UsageError, match="webform-only"):
            await snapshot(sandbox, webform_only=True)


async def test_the_gate_compares_only_equal_scope(snapshot: Snapshot) -> None:
    """Fewer submissions because of another --webform-people are no shrinkage; fewer people are."""
    workspace = Workspace.generate(records=1200, forms=4)
    async with Sandbox(workspace, quota=False) as sandbox:
        await snapshot(sandbox, webform_people="all")
        for submissions in workspace.submissions.values():
            del submissions[len(submissions) // 3 :]
        await snapshot(sandbox, webform_people="deals")
        people = workspace.table("people")
        del people[len(people) // 3 :]
        with pytest.raises(GateRefusedError, match="people"):
            await snapshot(sandbox)
        await snapshot(sandbox, allow_shrink=True)


async def test_a_shrunken_run_publishes_by_its_tag_when_allowed(snapshot: Snapshot) -> None:
    """Exit 4 keeps everything: --resume-run-tag with --allow-shrink only publishes."""
    workspace = Workspace.generate(**SMALL)
    async with Sandbox(workspace, quota=False) as sandbox:
        first = await snapshot(sandbox)
        before = table_hashes(first.paths.final_db)
        del workspace.table("memo")[10:]
        with pytest.raises(GateRefusedError):
            await snapshot(sandbox, run_tag="small")
        assert table_hashes(first.paths.final_db) == before
        sandbox.arrivals.clear()
        report = await snapshot(sandbox, resume_run_tag="small", allow_shrink=True)
        assert sandbox.arrivals == []
    assert len(rows_of(report.paths.final_db, "memo")) == 10


async def test_history_log_and_reports_tell_the_run(snapshot: Snapshot, events: Events) -> None:
    """A started line and an end line with rows inline; run_info, manifest and log name the run."""
    async with Sandbox(Workspace.generate(**SMALL), quota=False) as sandbox:
        report = await snapshot(sandbox, run_tag="told")
    started, published = history_lines(report.paths.history_file)
    assert (started["status"], published["status"]) == ("started", "published")
    assert "ended_at" not in started
    assert started["started_at"] == published["started_at"] <= published["ended_at"]
    assert published["tables"]["people"]["rows"] == len(rows_of(report.paths.final_db, "people"))
    (info,) = rows_of(report.paths.final_db, "run_info")
    assert (info["run_tag"], info["base_url"]) == ("told", sandbox.base_url)
    assert info["requests"] == len(sandbox.arrivals) == report.traffic.requests
    assert json.loads(report.paths.run_info_json.read_text("utf-8"))["run_tag"] == "told"
    assert len(json.loads(report.paths.manifest_json.read_text("utf-8"))) == 11
    log = report.paths.log_file.read_text("utf-8")
    assert "run told started" in log
    assert "replace_file_with_retry attempt 1/5" in log
    assert not report.paths.work_db.exists()
    assert json.loads(report.paths.checkpoint_json.read_text("utf-8"))["state"] == "published"
    assert len(events.of(RunStarted)) == 1
    assert {event.table for event in events.of(TableFinished)} == {*CORE_TABLES, *USUAL_TABLES}


async def test_backups_are_kept_up_to_the_number_asked_for(
    snapshot: Snapshot, tmp_path: Path
) -> None:
    """The replaced DB becomes a backup; the newest N stay; 0 keeps none; --no-backup makes none."""
    async with Sandbox(Workspace.generate(records=200, forms=1), quota=False) as sandbox:
        for number in range(4):
            await snapshot(sandbox, run_tag=f"r{number}", keep_backups=2)
        kept = sorted(path.name for path in (tmp_path / "backups").iterdir())
        assert kept == ["final_before_r2.db", "final_before_r3.db"]
        (info,) = rows_of(tmp_path / "backups" / "final_before_r3.db", "run_info")
        assert info["run_tag"] == "r2"
        await snapshot(sandbox, run_tag="r4", no_backup=True)
        assert sorted(path.name for path in (tmp_path / "backups").iterdir()) == kept
        await snapshot(sandbox, run_tag="r5", keep_backups=0)
        assert list((tmp_path / "backups").iterdir()) == []


async def test_a_final_path_with_spaces_and_korean_letters_and_a_link(
    snapshot: Snapshot, tmp_path: Path
) -> None:
    """The path is resolved once: a link stays a link, its target gets the snapshot."""
    folder = tmp_path / "스냅샷 폴더 #1"
    folder.mkdir()
    link = tmp_path / "link.db"
    link.symlink_to(folder / "최신 db?.db")
    async with Sandbox(Workspace.generate(records=200, forms=1), quota=False) as sandbox:
        for _ in range(2):
            await snapshot(sandbox, db_path=link)
    assert link.is_symlink()
    assert rows_of(folder / "최신 db?.db", "people")


async def test_the_older_tools_db_is_backed_up_and_replaced(
    snapshot: Snapshot, tmp_path: Path
) -> None:
    """A final DB without our manifest is compared by its tables and kept as a backup."""
    old = sqlite3.connect(tmp_path / "final.db")
    old.execute("CREATE TABLE organization (id TEXT, 이름 TEXT)")
    old.execute("CREATE TABLE run_info (run_tag TEXT, note TEXT)")
    old.commit()
    old.close()
    async with Sandbox(Workspace.generate(records=200, forms=1), quota=False) as sandbox:
        report = await snapshot(sandbox)
    assert report.paths.backup_db.exists()
    assert rows_of(report.paths.final_db, "organization")


async def test_records_that_come_twice_while_the_list_is_edited_are_one_row(
    snapshot: Snapshot,
) -> None:
    """A record that moves to the end during the run is one row, in its later version."""
    workspace = Workspace.generate(records=800, forms=1)

    def move(_: object) -> None:
        people = workspace.table("people")
        moved = dict(people[0]) | {"이름": "바뀐 이름"}
        del people[0]
        people.append(moved)

    async with Sandbox(
        workspace,
        quota=False,
        faults=[Fault(action="call", path="/people", nth=3, hook=move)],
    ) as sandbox:
        report = await snapshot(sandbox)
    (manifest,) = [row for row in report.tables if row.table == "people"]
    people = list(workspace.table("people"))
    assert manifest.duplicates == 1
    assert differences(report.paths.final_db, "people", people) == []


async def test_the_gate_knows_whose_submissions_the_table_holds(snapshot: Snapshot) -> None:
    """A run in between that did not read them, or that renewed them alone, changes no scope."""
    workspace = Workspace.generate(records=1200, forms=4)
    async with Sandbox(workspace, quota=False) as sandbox:
        await snapshot(sandbox, webform_people="all")
        for submissions in workspace.submissions.values():
            del submissions[len(submissions) // 3 :]
        await snapshot(sandbox, only=("memo",))
        await snapshot(sandbox)
        await snapshot(sandbox, webform_only=True, webform_people="all", allow_shrink=True)
        for submissions in workspace.submissions.values():
            del submissions[len(submissions) // 3 :]
        await snapshot(sandbox)


async def test_a_table_that_no_run_has_read_is_no_source_of_web_forms(snapshot: Snapshot) -> None:
    """After `--only organization` there are no people yet: --webform-only says so."""
    async with Sandbox(Workspace.generate(**SMALL), quota=False) as sandbox:
        await snapshot(sandbox, only=("organization",))
        with pytest.raises(UsageError, match="webform_history needs deal, people, webform"):
            await snapshot(sandbox, webform_only=True)


@pytest.mark.parametrize("webform_only", [False, True])
async def test_a_final_db_locked_from_the_gate_on_keeps_the_data_aside(
    make_settings: MakeSettings, webform_only: bool
) -> None:
    """Not even a backup can be made: exit 3, the old content, and the run only has to publish."""
    locks: list[sqlite3.Connection] = []

    def lock_at_the_gate(event: Event) -> None:
        if isinstance(event, Step) and event.name == "gate":
            connection = sqlite3.connect(settings.db_path, check_same_thread=False)
            connection.execute("BEGIN EXCLUSIVE")
            locks.append(connection)

    async with Sandbox(Workspace.generate(**SMALL), quota=False) as sandbox:
        settings = make_settings(sandbox)
        await take_snapshot(settings)
        before = table_hashes(settings.db_path)
        locked = dataclasses.replace(settings, run_tag="t", webform_only=webform_only)
        with pytest.raises(KeptAsideError) as kept:
            await take_snapshot(locked, lock_at_the_gate)
        locks[0].close()
        assert kept.value.exit_code == 3
        assert kept.value.kept_at.exists()
        assert table_hashes(settings.db_path) == before
        sandbox.arrivals.clear()
        report = await take_snapshot(dataclasses.replace(settings, resume_run_tag="t"))
        assert sandbox.arrivals == []
    assert report.run_tag == "t"


async def test_a_final_db_locked_at_the_start(make_settings: MakeSettings) -> None:
    """A whole run says exit 2 before it reads anything; the web-form run says locked, exit 3."""
    async with Sandbox(Workspace.generate(**SMALL), quota=False) as sandbox:
        settings = make_settings(sandbox)
        await take_snapshot(settings)
        sandbox.arrivals.clear()
        connection = sqlite3.connect(settings.db_path)
        connection.execute("BEGIN EXCLUSIVE")
        try:
            with pytest.raises(UsageError, match="is locked"):
                await take_snapshot(settings)
            with pytest.raises(LockedError, match="is locked") as locked:
                await take_snapshot(dataclasses.replace(settings, webform_only=True))
        finally:
            connection.close()
        assert locked.value.exit_code == 3
        assert sandbox.arrivals == []


async def test_a_reader_of_the_work_db_does_not_fail_the_run(make_settings: MakeSettings) -> None:
    """Somebody looks into snapshot.db while it is written: the run publishes all the same."""
    readers: list[sqlite3.Connection] = []

    def look_inside(event: Event) -> None:
        if isinstance(event, TableFinished) and event.table == "people":
            reader = sqlite3.connect(settings.paths("t").work_db)
            reader.execute("BEGIN")
            reader.execute("SELECT count(*) FROM record").fetchone()
            readers.append(reader)

    async with Sandbox(Workspace.generate(**SMALL), quota=False) as sandbox:
        settings = make_settings(sandbox, run_tag="t")
        report = await take_snapshot(settings, look_inside)
    readers[0].close()
    assert rows_of(report.paths.final_db, "people")


async def test_a_record_nested_too_deeply_fails_its_table_by_name(snapshot: Snapshot) -> None:
    """Nothing is cut out of it, and nothing crashes."""
    deep = "[" * 1000 + "]" * 1000
    body = '{"success":true,"data":{"memoList":[{"id":"m","깊이":' + deep + "}]}}"
    fault = Fault(action="garbage", path="/memo", body=body, times=None)
    async with Sandbox(Workspace.generate(**SMALL), quota=False, faults=[fault]) as sandbox:
        with pytest.raises(TablesFailedError, match=r"memo: .*nested too deeply"):
            await snapshot(sandbox, max_retries=0)
