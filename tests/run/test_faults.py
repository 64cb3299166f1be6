"""What goes wrong in collectors, seen from outside: one run against a server with one fault.

Each fault has the same two questions: what lies at the final path afterwards, and what the run
says. The undisturbed run is the measure: same workspace, same hashes of every data table.
"""

from __future__ import annotations

import asyncio
import json
import shlex
import sqlite3
import time
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from salesmap_async import Secret, take_snapshot
from salesmap_async.api.endpoints import CORE_TABLES, USUAL_TABLES
from salesmap_async.errors import (
    GateRefusedError,
    RunLockedError,
    SalesmapError,
    StoppedError,
    TablesFailedError,
    TokenRefusedError,
    UsageError,
    exit_code_of,
)
from salesmap_async.events import Event, GateClosed, TableFinished, TableProgress, Warned
from salesmap_async.sandbox import SANDBOX_TOKEN, Arrival, Fault, Sandbox, Workspace
from salesmap_async.stop import Stop
from tests.support.canary import FAST, run_cli
from tests.support.runs import Events, MakeSettings, Snapshot, rows_of, table_hashes

RECORDS = 300
MEMOS = 115
PAGES_OF_MEMO = 3
"""Two pages behind the first one."""


def make_workspace(seed: int = 7) -> Workspace:
    return Workspace.generate(records=RECORDS, seed=seed, forms=3, wide_fields=2)


def serve(*faults: Fault, workspace: Workspace | None = None, **options: Any) -> Sandbox:
    return Sandbox(workspace or make_workspace(), quota=False, faults=faults, **options)


@pytest.fixture(scope="session")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, str]:
    """The hashes of a run in which nothing went wrong."""
    folder = tmp_path_factory.mktemp("undisturbed")
    ended = asyncio.run(_undisturbed_run(folder))
    assert ended.code == 0, ended.error
    return table_hashes(folder / "salesmap_latest.db")


async def _undisturbed_run(folder: Path) -> Any:
    async with serve() as sandbox:
        arguments = (*FAST, "--base-url", sandbox.base_url)
        return await run_cli(folder, *arguments, SALESMAP_TOKEN=SANDBOX_TOKEN)


def manifest_of(db: Path, table: str) -> dict[str, Any]:
    return next(row for row in rows_of(db, "manifest") if row["table"] == table)


def asked(sandbox: Sandbox, path: str) -> list[Arrival]:
    return [arrival for arrival in sandbox.arrivals if arrival.path == path]


def files_of(folder: Path) -> dict[str, bytes]:
    """Return every file below `folder` but locks and logs: what a failure must not change."""
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file() and path.suffix != ".lock" and "logs" not in path.parts
    }


# One bad page of three

BAD_PAGES: dict[str, dict[str, Any]] = {
    "success false": {"action": "success_false"},
    "success false beside a list": {
        "action": "garbage",
        "body": '{"success":false,"data":{"memoList":[{"id":"x"}],"nextCursor":null}}',
    },
    "html": {"action": "html"},
    "cut short with a length": {"action": "truncate", "cut": "length"},
    "cut short in chunks": {"action": "truncate", "cut": "chunked"},
    "cut short at the close": {"action": "truncate", "cut": "close"},
    "gzip cut": {"action": "gzip_cut"},
    "half the JSON": {"action": "garbage"},
    "NaN": {
        "action": "garbage",
        "body": '{"success":true,"data":{"memoList":[{"id":"x","금액":NaN}],"nextCursor":null}}',
    },
    "list key gone": {"action": "no_list_key"},
    "list is an object": {"action": "list_not_list"},
    "envelope gone": {"action": "drop_envelope"},
    "empty 200": {"action": "empty_200"},
    "reset": {"action": "reset"},
    "500": {"action": "status", "status": 500},
    "502 html": {"action": "status", "status": 502, "shape": "html"},
}


@pytest.mark.parametrize("name", BAD_PAGES)
async def test_one_bad_page_is_asked_again(
    snapshot: Snapshot, undisturbed: Mapping[str, str], name: str
) -> None:
    """The page in the middle of a list is bad once: the snapshot is as if it had not been."""
    async with serve(Fault(**BAD_PAGES[name], path="/memo", nth=2)) as sandbox:
        report = await snapshot(sandbox)
        assert sum(arrival.fault is not None for arrival in sandbox.arrivals) == 1
        assert len(asked(sandbox, "/memo")) == PAGES_OF_MEMO + 1
    assert table_hashes(report.paths.final_db) == undisturbed
    # aiohttp repeats a reset GET by itself; everything else is a retry of ours.
    assert report.traffic.retries == (0 if name == "reset" else 1)


@pytest.mark.parametrize("name", BAD_PAGES)
async def test_a_page_that_stays_bad_fails_its_table_by_name(
    snapshot: Snapshot,
    events: Events,
    tmp_path: Path,
    undisturbed: Mapping[str, str],
    name: str,
) -> None:
    """Nothing is published, every other table is finished first, and a resume completes the run."""
    async with serve(Fault(**BAD_PAGES[name], path="/memo", nth=2, times=None)) as sandbox:
        with pytest.raises(TablesFailedError, match="memo: GET /memo") as caught:
            await snapshot(sandbox, max_retries=1)
        assert set(caught.value.failures) == {"memo"}
        assert exit_code_of(caught.value) == 1
        assert not (tmp_path / "final.db").exists()
        done = {event.table for event in events.of(TableFinished) if event.state == "done"}
        assert done == set(undisturbed) - {"memo"}
        assert caught.value.run is not None
        sandbox.faults.clear()
        sandbox.arrivals.clear()
        report = await snapshot(sandbox, resume_run_tag=caught.value.run.run_tag)
        assert {arrival.path for arrival in sandbox.arrivals} == {"/user/me", "/memo"}
        assert len(asked(sandbox, "/memo")) == PAGES_OF_MEMO - 1
    assert table_hashes(report.paths.final_db) == undisturbed


async def test_a_route_that_does_not_exist_fails_its_table(
    snapshot: Snapshot, events: Events, tmp_path: Path
) -> None:
    """A 404 with an HTML page is not repeated; the message points to --base-url."""
    fault = Fault(action="status", status=404, shape="html", path="/memo", times=None)
    async with serve(fault) as sandbox:
        with pytest.raises(TablesFailedError, match="memo: GET /memo answered 404") as caught:
            await snapshot(sandbox)
        assert "--base-url" in str(caught.value) + caught.value.cure
        assert len(asked(sandbox, "/memo")) == 1
    assert len(events.of(TableFinished)) == 11
    assert not (tmp_path / "final.db").exists()


# Cursors


@pytest.mark.parametrize("action", ["loop", "cycle"])
async def test_cursors_that_run_in_a_circle_end(
    snapshot: Snapshot, tmp_path: Path, action: Any
) -> None:
    """A cursor that comes a second time, at once or after others, fails the table by name."""
    async with serve(Fault(action=action, path="/memo", times=None)) as sandbox:
        async with asyncio.timeout(30):
            with pytest.raises(TablesFailedError, match="memo: the cursors run in a circle"):
                await snapshot(sandbox)
        assert len(asked(sandbox, "/memo")) <= PAGES_OF_MEMO
    assert not (tmp_path / "final.db").exists()


@pytest.mark.parametrize("nth", [1, 2, 3])
async def test_an_empty_page_with_a_cursor_does_not_end_the_list(
    snapshot: Snapshot, undisturbed: Mapping[str, str], nth: int
) -> None:
    """Only the cursor ends a list."""
    async with serve(Fault(action="empty_with_cursor", path="/memo", nth=nth)) as sandbox:
        report = await snapshot(sandbox)
        assert len(asked(sandbox, "/memo")) == PAGES_OF_MEMO + 1
    assert table_hashes(report.paths.final_db) == undisturbed


# 429


class Clocked(Events):
    """Events, and when each was told (the monotonic clock of the arrivals)."""

    def __init__(self) -> None:
        super().__init__()
        self.times: list[float] = []

    def __call__(self, event: Event) -> None:
        super().__call__(event)
        self.times.append(time.monotonic())

    def closings(self) -> list[tuple[float, GateClosed]]:
        told = zip(self.times, self, strict=True)
        return [(at_s, event) for at_s, event in told if isinstance(event, GateClosed)]


@pytest.mark.parametrize(
    ("flavour", "cause"),
    [
        ("retry_after", "Retry-After"),
        ("retry_after_date", "Retry-After"),
        ("reason", "the answer's text"),
        ("message", "the answer's text"),
        ("none", "refusal 1 in a row"),
    ],
)
async def test_one_429_holds_every_worker(
    make_settings: MakeSettings, undisturbed: Mapping[str, str], flavour: Any, cause: str
) -> None:
    """Ten lists are asked at once, one is refused: none is asked a second page before the time.

    The other nine are answered while the gate is closed, so their workers would go on.
    """
    refusal = Fault(action="429", path="/memo", flavour=flavour, seconds=1.0)
    slow = Fault(action="latency", seconds=0.3, times=10)
    events = Clocked()
    async with serve(refusal, slow) as sandbox:
        settings = make_settings(sandbox, backoff_s=1.0, max_backoff_s=1.0)
        report = await take_snapshot(settings, events)
        (closed_s, closing) = events.closings()[0]
        assert closing.cause.startswith(cause)
        assert closing.wait_s >= 1.0
        # Told a moment after it closed: it closed once the refused request had arrived.
        refused_s = next(each.at_s for each in sandbox.arrivals if each.path == "/memo")
        opened_s = refused_s + closing.wait_s
        before = [arrival.path for arrival in sandbox.arrivals if arrival.at_s < opened_s]
        answered = {
            event.table
            for at_s, event in zip(events.times, events, strict=True)
            if isinstance(event, TableProgress) and closed_s < at_s < opened_s
        }
    assert len(answered) == 9
    assert report.traffic.refusals == 1
    assert max(Counter(before).values()) == 1
    assert len(before) == 11  # /user/me and the ten lists
    assert table_hashes(report.paths.final_db) == undisturbed


async def test_four_short_429s_in_a_row_are_a_queue(
    snapshot: Snapshot, undisturbed: Mapping[str, str]
) -> None:
    """Refusals use up no retries: with none allowed the run still completes."""
    fault = Fault(action="429", path="/memo", nth=2, times=4, seconds=0.1)
    async with serve(fault) as sandbox:
        report = await snapshot(sandbox, max_retries=0)
    assert (report.traffic.refusals, report.traffic.retries) == (4, 0)
    assert table_hashes(report.paths.final_db) == undisturbed


async def test_refusals_for_too_long_end_the_run_resumable(
    snapshot: Snapshot, undisturbed: Mapping[str, str]
) -> None:
    """A wait above --max-429-wait ends the run, exit 1, and a resume goes on."""
    fault = Fault(action="429", path="/memo", nth=2, header="7200", times=None)
    async with serve(fault) as sandbox:
        async with asyncio.timeout(20):
            with pytest.raises(SalesmapError, match="wait 7200 s") as caught:
                await snapshot(sandbox)
        assert exit_code_of(caught.value) == 1
        assert caught.value.run is not None
        sandbox.faults.clear()
        report = await snapshot(sandbox, resume_run_tag=caught.value.run.run_tag)
    assert table_hashes(report.paths.final_db) == undisturbed


@pytest.mark.parametrize("header", ["-1", "nan", "inf", "soon"])
async def test_a_senseless_retry_after_counts_as_absent(
    snapshot: Snapshot, undisturbed: Mapping[str, str], header: str
) -> None:
    """No crash and no endless wait: the run's own waiting time is used."""
    async with serve(Fault(action="429", flavour="none", header=header)) as sandbox:
        report = await snapshot(sandbox)
    assert report.traffic.refusals == 1
    assert table_hashes(report.paths.final_db) == undisturbed


# The token


@pytest.mark.parametrize("status", [401, 403])
async def test_a_token_that_expires_in_the_run_replaces_nothing(
    snapshot: Snapshot, tmp_path: Path, status: int
) -> None:
    """The first refusal ends the run; the final DB and every backup stay as they were."""
    async with serve() as sandbox:
        for _ in range(3):
            await snapshot(sandbox)
        before = files_of(tmp_path)
        assert sum(name.startswith("backups") for name in before) == 2
        sandbox.arrivals.clear()
        sandbox.faults.append(
            Fault(action="status", status=status, path="/memo", nth=3, times=None)
        )
        with pytest.raises(TokenRefusedError, match=f"answered {status}") as caught:
            await snapshot(sandbox, keep_backups=0)
        assert [arrival.status for arrival in sandbox.arrivals].count(status) == 1
    assert exit_code_of(caught.value) == 1
    assert files_of(tmp_path) == before


@pytest.mark.parametrize("status", [401, 403])
async def test_a_refused_token_is_exit_2_and_touches_nothing(
    snapshot: Snapshot, tmp_path: Path, status: int
) -> None:
    """Every endpoint refuses: one request, and not a file changed or made."""
    async with serve() as sandbox:
        await snapshot(sandbox)
        before = files_of(tmp_path)
        logs = sorted((tmp_path / "logs").rglob("*"))
        sandbox.arrivals.clear()
        sandbox.faults.append(Fault(action="status", status=status, times=None))
        with pytest.raises(UsageError, match="token is not accepted") as caught:
            await snapshot(sandbox)
        assert len(sandbox.arrivals) == 1
    assert exit_code_of(caught.value) == 2
    assert files_of(tmp_path) == before
    assert sorted((tmp_path / "logs").rglob("*")) == logs


async def test_an_expired_token_is_a_wrong_token(snapshot: Snapshot, tmp_path: Path) -> None:
    """The sandbox's own refusal, without a scripted fault."""
    async with serve() as sandbox:
        with pytest.raises(UsageError, match="유효하지 않은 토큰입니다") as caught:
            await snapshot(sandbox, token=Secret("expired"))
    assert "SALESMAP_TOKEN" in caught.value.cure
    assert files_of(tmp_path) == {}


async def test_a_server_that_answers_nothing_useful_is_exit_1(snapshot: Snapshot) -> None:
    """A /user/me of 5xx is an unreachable API, after the retries."""
    fault = Fault(action="status", status=503, path="/user/me", times=None)
    async with serve(fault) as sandbox:
        with pytest.raises(SalesmapError, match="cannot be reached") as caught:
            await snapshot(sandbox)
        assert len(sandbox.arrivals) == 4
    assert exit_code_of(caught.value) == 1


@pytest.mark.parametrize("status", [400, 404])
async def test_an_unknown_workspace_only_warns(snapshot: Snapshot, status: int) -> None:
    """A /user/me that does not exist is no reason not to read the lists."""
    fault = Fault(action="status", status=status, path="/user/me", times=None)
    async with serve(fault) as sandbox:
        report = await snapshot(sandbox)
    assert any("does not tell the workspace" in warning for warning in report.warnings)


# Tables that are empty, or shrink


async def test_a_list_without_records_is_a_table_with_its_columns(snapshot: Snapshot) -> None:
    """Readers find the table and can join it."""
    workspace = make_workspace()
    del workspace.table("lead")[:]
    workspace.submissions.clear()
    del workspace.table("webform")[:]
    async with serve(workspace=workspace) as sandbox:
        report = await snapshot(sandbox)
    with sqlite3.connect(report.paths.final_db) as connection:
        columns = {row[1] for row in connection.execute("PRAGMA table_info(lead)")}
        assert {"id", "peopleId", "organizationId"} <= columns
        query = "SELECT count(*) FROM lead LEFT JOIN people ON people.id = lead.peopleId"
        assert connection.execute(query).fetchone() == (0,)
    connection.close()
    assert manifest_of(report.paths.final_db, "lead")["row_count"] == 0


@pytest.mark.parametrize("left", [0, 40])
async def test_a_table_that_shrinks_is_refused_and_can_be_allowed(
    snapshot: Snapshot, tmp_path: Path, left: int
) -> None:
    """200 with an empty or halved list: exit 4 and the old DB; --allow-shrink only publishes."""
    async with serve() as sandbox:
        await snapshot(sandbox)
        before = files_of(tmp_path)
        del sandbox.workspace.table("memo")[left:]
        with pytest.raises(
            GateRefusedError, match=f"memo: {MEMOS} rows before, {left} now"
        ) as caught:
            await snapshot(sandbox)
        assert exit_code_of(caught.value) == 4
        assert files_of(tmp_path) == before
        assert caught.value.run is not None
        sandbox.arrivals.clear()
        report = await snapshot(sandbox, resume_run_tag=caught.value.run.run_tag, allow_shrink=True)
        assert sandbox.arrivals == []
    assert len(rows_of(report.paths.final_db, "memo")) == left


# Web forms


async def test_a_web_form_step_that_fails_leaves_the_old_snapshot(
    snapshot: Snapshot, tmp_path: Path, undisturbed: Mapping[str, str]
) -> None:
    """Its submissions are part of the snapshot: without them nothing is replaced."""
    async with serve() as sandbox:
        await snapshot(sandbox)
        before = files_of(tmp_path)
        sandbox.faults.append(
            Fault(action="status", status=500, path="/webForm/*/submit", times=None)
        )
        with pytest.raises(TablesFailedError, match="webform_history") as caught:
            await snapshot(sandbox)
        assert files_of(tmp_path) == before
        assert caught.value.run is not None
        sandbox.faults.clear()
        report = await snapshot(sandbox, resume_run_tag=caught.value.run.run_tag)
    assert table_hashes(report.paths.final_db) == undisturbed


async def test_web_forms_are_not_guessed_where_the_people_failed(snapshot: Snapshot) -> None:
    """Without all people nobody knows whose submissions count, so no form is asked."""
    fault = Fault(action="status", status=500, path="/people", nth=2, times=None)
    async with serve(fault) as sandbox:
        with pytest.raises(TablesFailedError) as caught:
            await snapshot(sandbox, max_retries=0)
        assert set(caught.value.failures) == {"people", "webform_history"}
        assert not [a for a in sandbox.arrivals if a.path.endswith("/submit")]


async def test_a_form_that_is_gone_is_skipped_by_name(snapshot: Snapshot) -> None:
    """The run is whole, and the manifest says which form it does without."""
    workspace = make_workspace()
    gone = workspace.table("webform")[0]
    kept = sum(map(len, workspace.submissions.values())) - len(
        workspace.submissions.pop(gone["id"])
    )
    async with serve(workspace=workspace) as sandbox:
        report = await snapshot(sandbox, webform_people="all")
        assert kept > 0
    row = manifest_of(report.paths.final_db, "webform_history")
    assert gone["id"] in row["errors"]
    assert gone["name"] in row["errors"]
    rows = rows_of(report.paths.final_db, "webform_history")
    assert 0 < len(rows) == kept - row["dropped_missing"] - row["dropped_not_allowed"]
    assert gone["id"] not in {each["webFormId"] for each in rows}


# Records


async def test_a_record_on_two_pages_is_one_row_and_counted(
    snapshot: Snapshot, undisturbed: Mapping[str, str]
) -> None:
    """A record that moved while the list was read comes twice and is stored once."""
    workspace = make_workspace()
    memos = workspace.table("memo")
    memos.insert(70, dict(memos[10]))
    async with serve(workspace=workspace) as sandbox:
        report = await snapshot(sandbox)
    assert len(rows_of(report.paths.final_db, "memo")) == MEMOS
    assert manifest_of(report.paths.final_db, "memo")["duplicates"] == 1
    assert table_hashes(report.paths.final_db) == undisturbed


async def test_every_field_is_kept_however_it_is_called(snapshot: Snapshot) -> None:
    """Names that differ by case, hold a quote, are empty, Korean, or are 2,100: all are kept."""
    odd = {
        "Label": "upper",
        "label": "lower",
        'a"b': "quote",
        "": "empty",
        "_overflow": "own name",
        "select": "keyword",
        "고객 이름": "한글 하나",
        "고객 전화": "010-0000-0000",
        "x'); DROP TABLE deal;--": "Bobby",
    }
    wide = {f"단계 {number:04}": f"값 {number}" for number in range(2_100)}
    workspace = make_workspace()
    workspace.table("deal")[3] = {**workspace.table("deal")[3], **odd, **wide}
    wanted = workspace.table("deal")[3]
    async with serve(workspace=workspace) as sandbox:
        report = await snapshot(sandbox)
    db = report.paths.final_db
    rows = rows_of(db, "deal")
    assert len(rows) == len(workspace.table("deal"))
    (row,) = (row for row in rows if row["id"] == wanted["id"])
    columns = {m["key"]: m["column"] for m in rows_of(db, "column_map") if m["table"] == "deal"}
    overflow = json.loads(row["_overflow"])
    for key in (*odd, *wide):
        column = columns.get(key, key)
        assert (overflow[key] if column == "_overflow" else row[column]) == wanted[key], key


async def test_values_keep_every_digit_and_their_type(snapshot: Snapshot) -> None:
    """Integers beyond 2^53 and 2^63, 24000 beside 24000.0, a phone number's zero."""
    values: list[tuple[str, Any, Any]] = [
        ("큰 수", 9007199254740993, 9007199254740993),
        ("64비트", 2**63, str(2**63)),
        ("음의 64비트", -(2**63) - 1, str(-(2**63) - 1)),
        ("정수 또는 실수", 24000, 24000),
        ("전화", "01012345678", "01012345678"),
    ]
    workspace = make_workspace()
    memos = workspace.table("memo")
    memos[1] = {**memos[1], **{key: value for key, value, _ in values}}
    memos[60] = {**memos[60], "큰 수": None, "정수 또는 실수": 24000.0}
    ids = memos[1]["id"], memos[60]["id"]
    async with serve(workspace=workspace) as sandbox:
        report = await snapshot(sandbox)
    rows = {row["id"]: row for row in rows_of(report.paths.final_db, "memo")}
    for key, _, stored in values:
        assert repr(rows[ids[0]][key]) == repr(stored)
    assert rows[ids[1]]["큰 수"] is None
    assert repr(rows[ids[1]]["정수 또는 실수"]) == "24000.0"


async def test_half_an_emoji_is_repaired_and_counted(snapshot: Snapshot) -> None:
    """A lone surrogate becomes U+FFFD; the rest of the text stays."""
    workspace = make_workspace()
    memos = workspace.table("memo")
    async with serve(workspace=workspace) as sandbox:
        usual = manifest_of((await snapshot(sandbox)).paths.final_db, "memo")["repaired"]
        memos[7] = {**memos[7], "새 글": "끝 \ud83d."}
        report = await snapshot(sandbox)
    rows = {row["id"]: row for row in rows_of(report.paths.final_db, "memo")}
    assert rows[memos[7]["id"]]["새 글"] == "끝 \N{REPLACEMENT CHARACTER}."
    assert manifest_of(report.paths.final_db, "memo")["repaired"] == usual + 1


# Others on the same files


async def test_a_second_run_is_refused_and_the_first_unharmed(
    snapshot: Snapshot, undisturbed: Mapping[str, str]
) -> None:
    """Exit 5 at once while a run is working on the same final DB; that run completes."""
    refusals: list[SalesmapError] = []
    tried = asyncio.Event()
    second: list[asyncio.Task[None]] = []

    async def run_again(sandbox: Sandbox) -> None:
        try:
            await snapshot(sandbox)
        except SalesmapError as error:
            refusals.append(error)
        finally:
            tried.set()

    sandbox = serve()

    def begin(_arrival: Arrival) -> None:
        second.append(asyncio.get_running_loop().create_task(run_again(sandbox)))

    # The first run's second memo page does not come before the second run has ended.
    sandbox.faults += [
        Fault(action="call", path="/memo", nth=2, hook=begin),
        Fault(action="latency", path="/memo", nth=2, seconds=0.5),
    ]
    async with sandbox:
        report = await snapshot(sandbox)
        await tried.wait()
        await asyncio.gather(*second)
    assert [type(error) for error in refusals] == [RunLockedError]
    assert exit_code_of(refusals[0]) == 5
    assert table_hashes(report.paths.final_db) == undisturbed


async def test_another_workspaces_database_is_not_overwritten(
    snapshot: Snapshot, tmp_path: Path
) -> None:
    """A token of another company and yesterday's --db-path: exit 2, nothing touched."""
    async with serve() as sandbox:
        await snapshot(sandbox)
    before = files_of(tmp_path)
    async with serve(workspace=make_workspace(seed=8)) as other:
        both = r"holds workspace .* 7, but this run reads .* 8"
        with pytest.raises(UsageError, match=both) as caught:
            await snapshot(other)
        assert [arrival.path for arrival in other.arrivals] == ["/user/me"]
    assert exit_code_of(caught.value) == 2
    assert files_of(tmp_path) == before


async def test_a_stop_in_the_run_is_resumable(
    snapshot: Snapshot, tmp_path: Path, undisturbed: Mapping[str, str]
) -> None:
    """A stop lets pages in flight finish, publishes nothing, and the rest follows by a resume."""
    stop = Stop()
    sandbox = serve()
    sandbox.faults.append(
        Fault(action="call", path="/memo", nth=2, hook=lambda arrival: stop.request())
    )
    async with sandbox:
        with pytest.raises(StoppedError) as caught:
            await snapshot(sandbox, stop=stop)
        assert exit_code_of(caught.value) == 130
        assert not (tmp_path / "final.db").exists()
        assert caught.value.run is not None
        sandbox.arrivals.clear()
        report = await snapshot(sandbox, resume_run_tag=caught.value.run.run_tag)
        assert len(asked(sandbox, "/memo")) < PAGES_OF_MEMO
    assert table_hashes(report.paths.final_db) == undisturbed


# The real command


async def test_the_printed_command_goes_on_with_the_run(
    tmp_path: Path, undisturbed: Mapping[str, str]
) -> None:
    """A failed run prints what is safe and the exact command that completes it."""
    fault = Fault(action="html", path="/memo", nth=2, times=None)
    async with serve(fault) as sandbox:
        arguments = (*FAST, "--max-retries", "1", "--base-url", sandbox.base_url)
        failed = await run_cli(tmp_path, *arguments, SALESMAP_TOKEN=SANDBOX_TOKEN)
        assert failed.code == 1, failed.error
        last = failed.error.strip().splitlines()[-1]
        assert "memo: GET /memo: the answer is an HTML page" in last
        assert "is as it was" in last
        assert not (tmp_path / "salesmap_latest.db").exists()
        sandbox.faults.clear()
        words = shlex.split(last.partition("Next: ")[2])
        assert words[:4] == ["python", "-m", "salesmap_async", "run"]
        resumed = await run_cli(tmp_path, *words[4:], SALESMAP_TOKEN=SANDBOX_TOKEN)
    assert resumed.code == 0, resumed.error
    assert table_hashes(tmp_path / "salesmap_latest.db") == undisturbed


async def test_the_gate_ends_the_command_with_4_and_its_cure_works(tmp_path: Path) -> None:
    """The printed command of a refused snapshot holds --allow-shrink and publishes it."""
    async with serve() as sandbox:
        arguments = (*FAST, "--base-url", sandbox.base_url)
        assert (await run_cli(tmp_path, *arguments, SALESMAP_TOKEN=SANDBOX_TOKEN)).code == 0
        del sandbox.workspace.table("memo")[:]
        refused = await run_cli(tmp_path, *arguments, SALESMAP_TOKEN=SANDBOX_TOKEN)
        assert refused.code == 4, refused.error
        assert len(rows_of(tmp_path / "salesmap_latest.db", "memo")) == MEMOS
        words = shlex.split(refused.error.strip().splitlines()[-1].partition("Next: ")[2])
        assert "--allow-shrink" in words
        allowed = await run_cli(tmp_path, *words[4:], SALESMAP_TOKEN=SANDBOX_TOKEN)
    assert allowed.code == 0, allowed.error
    assert rows_of(tmp_path / "salesmap_latest.db", "memo") == []


# Optional lists


@pytest.mark.parametrize("status", [400, 403, 404])
async def test_an_optional_list_that_the_plan_does_not_have_is_left_out(
    snapshot: Snapshot, events: Events, status: int
) -> None:
    """The rest is published, with a warning and a remark in the manifest."""
    fault = Fault(
        action="status", status=status, path="/todo", times=None, reason="플랜에 없습니다"
    )
    async with serve(fault) as sandbox:
        report = await snapshot(sandbox, include=("todo", "product"))
        assert len(asked(sandbox, "/todo")) == 1
    rows = {row.table: row for row in report.tables}
    assert (rows["todo"].row_count, rows["product"].row_count > 0) == (0, True)
    assert "left out" in rows["todo"].errors
    assert any("todo" in each.text and "left out" in each.text for each in events.of(Warned))


async def test_an_optional_list_that_is_refused_later_keeps_its_old_rows(
    snapshot: Snapshot,
) -> None:
    """What the last snapshot had of it stays, and the manifest says from which run, and why."""
    async with serve() as sandbox:
        first = await snapshot(sandbox, run_tag="first", include=("todo",))
        sandbox.faults.append(Fault(action="status", status=403, path="/todo", times=None))
        second = await snapshot(sandbox, run_tag="second", include=("todo",))
    before, after = (
        next(row for row in report.tables if row.table == "todo") for report in (first, second)
    )
    assert (after.row_count, after.run_tag) == (before.row_count, "first")
    assert "left out" in after.errors


@pytest.mark.parametrize("status", [403, 404])
async def test_a_core_list_is_never_left_out(snapshot: Snapshot, status: int) -> None:
    """Its refusal fails the run."""
    async with serve(Fault(action="status", status=status, path="/deal", times=None)) as sandbox:
        with pytest.raises(SalesmapError):
            await snapshot(sandbox)


async def test_an_optional_list_that_breaks_off_fails_the_run(snapshot: Snapshot) -> None:
    """Only its first page can say that the plan has no such list."""
    fault = Fault(action="status", status=400, path="/todo", nth=2, times=None)
    async with serve(fault) as sandbox:
        with pytest.raises(TablesFailedError, match="todo"):
            await snapshot(sandbox, include=("todo",))


async def test_a_failed_optional_list_says_how_to_do_without_it(snapshot: Snapshot) -> None:
    """The cure names --skip with that table, and that run publishes the rest."""
    fault = Fault(action="status", status=500, path="/todo", times=None)
    async with serve(fault) as sandbox:
        with pytest.raises(TablesFailedError) as caught:
            await snapshot(sandbox, include=("todo", "product"), max_retries=0)
        assert "--skip todo" in caught.value.cure
        report = await snapshot(sandbox, include=("todo", "product"), skip=("todo",))
    assert "product" in {row.table for row in report.tables}


# Usual lists


@pytest.mark.parametrize(
    "fault",
    [
        Fault(action="status", status=404, path="/deal/pipeline", times=None),
        Fault(action="status", status=403, path="/deal/pipeline", times=None),
        Fault(action="status", status=500, path="/deal/pipeline", times=None),
        Fault(action="reset", path="/deal/pipeline", times=None),
        Fault(action="garbage", path="/deal/pipeline", times=None),
    ],
    ids=["404", "403", "500", "reset", "garbage"],
)
async def test_pipelines_that_cannot_be_had_fail_no_run(
    snapshot: Snapshot, tmp_path: Path, fault: Fault
) -> None:
    """They belong to every run, and none depends on them; the next run has them again."""
    async with serve(fault) as sandbox:
        report = await snapshot(sandbox)
    rows = {row.table: row for row in report.tables}
    assert rows.keys() == {*CORE_TABLES, *USUAL_TABLES}
    assert (rows["deal_pipeline"].row_count, rows["lead_pipeline"].errors) == (0, "")
    assert "left out" in rows["deal_pipeline"].errors
    async with serve() as sandbox:
        await snapshot(sandbox)
    assert rows_of(tmp_path / "final.db", "deal_pipeline")
