"""The screens about the whole: meta, pipeline, runs, tables, backups, checklist."""

from __future__ import annotations

import dataclasses
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from salesmap_async import Settings, take_snapshot
from salesmap_async.dashboard.app import create_app
from salesmap_async.dashboard.operations.checklist import checklist
from salesmap_async.operate.status import read_status
from salesmap_async.sandbox import Sandbox, Workspace
from tests.support.dashboard_db import (
    CAPTURED_AT,
    VECTOR,
    answer,
    app_over,
    asking,
    change,
    make_db,
    organization,
    seoul,
    won,
)
from tests.support.operate_runs import (
    SMALL,
    bytes_below,
    damage,
    kept_aside,
    killed,
    refused,
    small_sandbox,
    stopped,
    tear_the_history,
)
from tests.support.runs import MakeSettings


async def test_meta_says_what_the_page_needs(tmp_path: Path) -> None:
    """Years of the snapshot in Seoul, labels, teams, the snapshot and its age."""
    app = app_over(make_db(tmp_path / "final.db", VECTOR))
    found = await answer(app, "/api/meta")
    assert (found["base_year"], found["years"]) == (2025, [2023, 2024, 2025])
    assert (found["status_won"], found["status_open"]) == ("Won", "SQL")
    assert found["default_size"] == "대기업"
    assert found["crm_url"] is None
    snapshot = found["snapshot"]
    assert snapshot["rows_total"] == sum(len(rows) for rows in VECTOR.values())
    assert snapshot["captured_at_utc"] == CAPTURED_AT
    assert snapshot["workspace_name"] == "가상 교육 주식회사"


@pytest.mark.parametrize(
    ("captured_at", "year"),
    [("2024-12-31T15:00:00+00:00", 2025), ("2024-12-31T14:59:59+00:00", 2024)],
)
async def test_the_base_year_is_seouls(tmp_path: Path, captured_at: str, year: int) -> None:
    """A snapshot of New Year's night is of the new year."""
    db = make_db(tmp_path / "final.db", {}, captured_at=captured_at)
    assert (await answer(app_over(db), "/api/meta"))["base_year"] == year


async def test_a_snapshot_that_does_not_say_when_is_dated_by_its_file(tmp_path: Path) -> None:
    """Made by another tool: no run_info, no age, the year of the file."""
    db = make_db(tmp_path / "final.db", {})
    change(db, "DROP TABLE run_info", "DROP TABLE manifest", "DROP TABLE column_map")
    found = await answer(app_over(db), "/api/meta")
    assert found["base_year"] in (datetime.now(UTC).year, datetime.now(UTC).year + 1)
    assert (found["snapshot"]["age_s"], found["snapshot"]["stale"]) == (None, False)
    assert (await answer(app_over(db), "/api/tables"))["items"] == []


@pytest.mark.parametrize(("hours", "stale"), [(1, False), (23, False), (25, True)])
async def test_a_snapshot_older_than_a_day_is_stale(
    tmp_path: Path, hours: int, stale: bool
) -> None:
    """So that nobody takes old figures for today's."""
    captured = (datetime.now(UTC) - timedelta(hours=hours)).isoformat()
    db = make_db(tmp_path / "final.db", {}, captured_at=captured)
    found = (await answer(app_over(db), "/api/meta"))["snapshot"]
    assert found["stale"] is stale
    assert abs(found["age_s"] - hours * 3600) < 600


async def test_the_pipeline_adds_up(tmp_path: Path) -> None:
    """Won by month and year with zeros, open deals by status, win rate by size."""
    db = make_db(
        tmp_path / "final.db",
        {
            "organization": [organization("o1"), organization("o2", **{"기업 규모": "중견기업"})],
            "deal": [
                won("d1", 10, "2025-01-01"),
                won("d2", "20", "2025-01-31", org="o2"),
                won("d3", None, "2024-12-31"),
                won("d4", 70, "2022-05-01", org=None),
                {"id": "d5", "organizationId": "o1", "상태": "Lost"},
                {"id": "d6", "상태": "SQL", "예상 체결액": 5},
                {"id": "d7", "상태": "SQL", "예상 체결액": "6"},
                {"id": "d8", "상태": None, "예상 체결액": "x"},
            ],
        },
    )
    found = await answer(app_over(db), "/api/pipeline")
    assert len(found["won_by_month"]) == 36
    assert [each for each in found["won_by_month"] if each["count"]] == [
        {"year": 2024, "month": 12, "amount": 0, "count": 1},
        {"year": 2025, "month": 1, "amount": 30, "count": 2},
    ]
    assert found["won_by_year"] == [
        {"year": 2023, "amount": 0, "count": 0},
        {"year": 2024, "amount": 0, "count": 1},
        {"year": 2025, "amount": 30, "count": 2},
    ]
    assert found["open_by_stage"] == [
        {"pipeline": "-", "stage": "SQL", "count": 2, "amount": 11},
        {"pipeline": "-", "stage": "미입력", "count": 1, "amount": 0},
    ]
    assert found["win_rate_by_size"] == [
        {"size": "대기업", "won": 2, "lost": 1, "rate": 2 / 3},
        {"size": "미입력", "won": 1, "lost": 0, "rate": 1.0},
        {"size": "중견기업", "won": 1, "lost": 0, "rate": 1.0},
    ]
    longer = await answer(app_over(db), "/api/pipeline", years=4)
    assert longer["won_by_year"][0] == {"year": 2022, "amount": 70, "count": 1}


async def test_a_stage_is_told_by_its_field(tmp_path: Path) -> None:
    """In the pipelines' own order, where the snapshot has their table."""
    deals = [
        {"id": f"d{number}", "상태": "SQL", "파이프라인": {"id": "l1", "name": "신규"},
         "파이프라인 단계": {"id": stage, "name": stage}}
        for number, stage in enumerate(("협상", "접수", "협상"))
    ]  # fmt: skip
    db = make_db(tmp_path / "final.db", {"deal": deals})
    change(
        db,
        "CREATE TABLE deal_pipeline (id TEXT, name TEXT, pipelineStageList TEXT)",
        "INSERT INTO deal_pipeline VALUES "
        """('l1', '신규', '[{"name":"협상"},{"name":"접수"}]')""",
    )
    stages = (await answer(app_over(db), "/api/pipeline"))["open_by_stage"]
    assert [(each["pipeline"], each["stage"], each["count"]) for each in stages] == [
        ("신규", "협상", 2),
        ("신규", "접수", 1),
    ]


async def test_a_stage_is_told_by_tracking_fields(tmp_path: Path) -> None:
    """Entered and not left; of two the later one; all left: the last one; none: the status."""

    def tracked(deal_id: str, **dates: str | None) -> dict[str, Any]:
        fields = {f"신규 - {name[:2]}{'로 진입한' if name[2] == 'i' else '에서 퇴장한'} 날짜": day
                  for name, day in dates.items()}  # fmt: skip
        return {"id": deal_id, "상태": "SQL"} | fields

    deals = [
        tracked("d1", 접수i="2025-01-01", 접수o="2025-01-02", 협상i="2025-01-02", 협상o=None),
        tracked("d2", 접수i="2025-01-03", 접수o=None, 협상i="2025-01-02", 협상o=None),
        tracked(
            "d3", 접수i="2025-01-01", 접수o="2025-01-02", 협상i="2025-01-05", 협상o="2025-01-06"
        ),
        tracked("d4"),
        tracked("d6", 접수i="2025-01-05", 접수o="2025-01-06", 협상i="2025-01-02", 협상o=None),
        {"id": "d5", "상태": "Lost", "신규 - 접수로 진입한 날짜": seoul("2025-01-01")},
    ]
    db = make_db(tmp_path / "final.db", {"deal": deals})
    stages = (await answer(app_over(db), "/api/pipeline"))["open_by_stage"]
    assert [(each["pipeline"], each["stage"], each["count"]) for each in stages] == [
        ("신규", "접수", 1),
        ("신규", "협상", 3),
        ("-", "SQL", 1),
    ]


async def found_of(settings: Settings, path: str, **params: Any) -> Any:
    return await answer(create_app(settings), path, **params)


async def test_runs_tables_and_backups_of_real_runs(make_settings: MakeSettings) -> None:
    """Two published runs and a stopped one: newest first; rows after each; the backup between."""
    async with small_sandbox() as sandbox:
        settings = make_settings(sandbox)
        for tag in ("first", "second"):
            await take_snapshot(dataclasses.replace(settings, run_tag=tag))
        await stopped(settings, "third")
    runs = await found_of(settings, "/api/runs")
    assert [(run["run_tag"], run["status"]) for run in runs["items"]] == [
        ("third", "interrupted"),
        ("second", "published"),
        ("first", "published"),
    ]
    assert runs["running"] is False
    assert runs["items"][1]["rows"] > 400
    assert [
        run["run_tag"] for run in (await found_of(settings, "/api/runs", limit=1))["items"]
    ] == ["third"]
    tables = await found_of(settings, "/api/tables")
    by_table = {each["table"]: each for each in tables["items"]}
    assert [each["run_tag"] for each in tables["history"]] == ["first", "second"]
    assert tables["history"][1]["rows"]["deal"] == by_table["deal"]["rows"] > 0
    (backup,) = (await found_of(settings, "/api/backups"))["items"]
    assert (backup["name"], backup["run_tag"]) == ("final_before_second.db", "first")
    assert backup["problem"] is None


async def checked(settings: Settings) -> tuple[dict[str, str], str]:
    """Return the state of each item of the checklist, and the next command."""
    found = await found_of(settings, "/api/checklist")
    return {item["key"]: item["state"] for item in found["items"]}, found["advice"]["command"]


async def test_the_checklist_before_any_run(tmp_path: Path) -> None:
    """Nothing is there, and the first command is to take a snapshot."""
    settings = Settings(db_path=tmp_path / "final.db", log_dir=tmp_path / "logs",
                        backup_dir=tmp_path / "backups", checkpoint_dir=tmp_path / "c")  # fmt: skip
    states, command = await checked(settings)
    assert states == {
        "final_db": "problem",
        "backup": "none",
        "checkpoint": "none",
        "temporary": "ok",
        "manifest": "none",
        "webforms": "problem",
    }
    assert command.startswith("python -m salesmap_async run")


async def test_the_checklist_after_a_good_run(make_settings: MakeSettings) -> None:
    """All in order; every line is there for a person."""
    async with small_sandbox() as sandbox:
        settings = make_settings(sandbox, run_tag="good")
        await take_snapshot(settings)
    states, _ = await checked(settings)
    assert set(states.values()) == {"ok", "none"}
    found = checklist(read_status(settings), lambda *words: " ".join(words))
    assert found["run"] == {"run_tag": "good", "status": "published"}
    assert all(item["lines"] for item in found["items"])
    assert found["advice"] == {
        "why": "할 일이 없습니다. 다음 스냅샷을 받는 명령입니다.",
        "command": "run",
    }


async def test_the_checklist_after_a_kill(make_settings: MakeSettings) -> None:
    """What was read is safe, and the command that goes on with it is given."""
    async with small_sandbox() as sandbox:
        settings = make_settings(sandbox)
        await killed(settings, "hurt")
    states, command = await checked(settings)
    assert (states["checkpoint"], states["temporary"]) == ("warning", "ok")
    assert "--resume-run-tag hurt" in command


async def test_the_checklist_after_a_refusal(make_settings: MakeSettings) -> None:
    """The gate's question stands in the advice."""
    workspace = Workspace.generate(**SMALL)
    async with Sandbox(workspace, quota=False) as sandbox:
        settings = make_settings(sandbox)
        await take_snapshot(dataclasses.replace(settings, run_tag="before"))
        await refused(settings, workspace, "small")
    found = await found_of(settings, "/api/checklist")
    assert "--allow-shrink" in found["advice"]["command"]
    assert "줄어든" in found["advice"]["why"]


async def test_the_checklist_of_a_locked_db(
    make_settings: MakeSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The new data lies aside, and is named as what is left."""
    async with small_sandbox() as sandbox:
        settings = make_settings(sandbox)
        await take_snapshot(dataclasses.replace(settings, run_tag="before"))
        aside = await kept_aside(settings, "aside", monkeypatch)
    found = await found_of(settings, "/api/checklist")
    temporary = next(item for item in found["items"] if item["key"] == "temporary")
    assert temporary["state"] == "warning"
    assert any(str(aside) in line for line in temporary["lines"])
    assert "프로그램을 닫고" in found["advice"]["why"]


async def test_the_checklist_of_a_damaged_db(make_settings: MakeSettings) -> None:
    """It cannot be asked for its web forms, and a backup is the way back."""
    async with small_sandbox() as sandbox:
        settings = make_settings(sandbox)
        for tag in ("first", "second"):
            await take_snapshot(dataclasses.replace(settings, run_tag=tag))
    damage(settings.db_path)
    states, command = await checked(settings)
    assert (states["final_db"], states["webforms"], states["backup"]) == (
        "problem",
        "problem",
        "ok",
    )
    assert command.startswith("python -m salesmap_async restore")


async def test_a_torn_history_is_read_as_far_as_it_is_whole(make_settings: MakeSettings) -> None:
    """As after a full disk."""
    async with small_sandbox() as sandbox:
        settings = make_settings(sandbox, run_tag="good")
        await take_snapshot(settings)
    tear_the_history(settings)
    runs = await found_of(settings, "/api/runs")
    assert [run["run_tag"] for run in runs["items"]] == ["good"]


async def test_a_history_that_cannot_be_read_is_503(tmp_path: Path) -> None:
    """With the reason, and what to look at."""
    db = make_db(tmp_path / "final.db", {})
    (tmp_path / "logs" / "run_history.jsonl").mkdir(parents=True)
    async with asking(app_over(db)) as client:
        response = await client.get("/api/runs")
    assert response.status_code == 503
    assert "run_history.jsonl cannot be read" in response.json()["detail"]


async def test_looking_changes_nothing(make_settings: MakeSettings) -> None:
    """Every screen may be opened at any time: no file of the runs is touched."""
    async with small_sandbox() as sandbox:
        settings = make_settings(sandbox)
        await take_snapshot(dataclasses.replace(settings, run_tag="good"))
        await killed(settings, "hurt")
    read_status(settings)  # the first look settles the log of the killed run's work DB
    before = bytes_below(settings.db_path.parent)
    for path in ("/api/meta", "/api/runs", "/api/tables", "/api/backups", "/api/checklist"):
        await found_of(settings, path)
    assert bytes_below(settings.db_path.parent) == before


@pytest.mark.parametrize(
    ("captured", "base_year", "before"),
    [
        ("2025-06-15T12:00:00+09:00", None, 3),
        ("2025-06-14T12:00:00+09:00", None, 1),
        ("2025-12-31T12:00:00+09:00", None, 7),
        ("2026-06-14T12:00:00+09:00", 2025, 7),
    ],
)
async def test_a_year_that_is_not_over_is_compared_until_the_same_day(
    tmp_path: Path, captured: str, base_year: int | None, before: int
) -> None:
    """What was won later in the year before does not make this one look bad."""
    deals = [
        won("d1", 1, "2024-06-14"),
        won("d2", 2, "2024-06-15"),
        won("d3", 4, "2024-12-31"),
        won("d4", 9, "2025-01-02"),
    ]
    db = make_db(tmp_path / "final.db", {"deal": deals}, captured_at=captured)
    asked = {"base_year": base_year} if base_year else {}
    found = await answer(app_over(db), "/api/pipeline", **asked)
    (compared,) = [each for each in found["compared"] if each["year"] == 2025]
    assert compared["before"] == before
    assert compared["is_partial"] == (captured[:4] == "2025")


async def test_stages_stand_as_deals_went_through_them(tmp_path: Path) -> None:
    """Where no list of pipelines tells: by how early deals entered them, on the average."""
    entered = {
        "신규 - 계약": "2025-01-03",
        "신규 - 접수": "2025-01-01",
        "신규 - 견적": "2025-01-02",
    }
    columns = {
        f"{stage}{fact}": None
        for stage in entered
        for fact in ("로 진입한 날짜", "에서 퇴장한 날짜")
    }
    walked = sorted(entered, key=lambda stage: entered[stage])
    deals = [
        {"id": f"d{n}", "상태": "SQL"}
        | columns
        | {f"{stage}로 진입한 날짜": entered[stage] for stage in walked[:n]}
        for n in (1, 2, 3)
    ]
    db = make_db(tmp_path / "final.db", {"deal": deals})
    stages = (await answer(app_over(db), "/api/pipeline"))["open_by_stage"]
    assert [each["stage"] for each in stages] == ["접수", "견적", "계약"]
