"""All deals: which ones the filters let through, what they add up to, in which order."""

from __future__ import annotations

import dataclasses
import sqlite3
from contextlib import closing
from itertools import product
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl

import pytest
from fastapi import FastAPI

from salesmap_async.dashboard.data.config import DashboardConfig
from salesmap_async.run.snapshot import take_snapshot
from salesmap_async.sandbox import Sandbox, Workspace, work_a_day
from tests.support.dashboard_db import Records, answer, app_over, asking, make_db
from tests.support.runs import MakeSettings

OWNER_A, OWNER_B = {"id": "u1", "name": "김가상"}, {"id": "u2", "name": "이예시"}


def deal(number: int, **fields: Any) -> dict[str, Any]:
    return {"id": f"d{number}", "이름": f"과정 {number}", "상태": "SQL"} | fields


RECORDS: Records = {
    "organization": [
        {"id": "o1", "이름": "가상 전자", "기업 규모": "대기업"},
        {"id": "o2", "이름": "예시물산", "기업 규모": "중견기업"},
    ],
    "people": [{"id": "p1", "이름": "박견본", "organizationId": "o1"}],
    "deal": [
        deal(1, organizationId="o1", peopleId="p1", 담당자=OWNER_A, **{"예상 체결액": 100}),
        deal(2, organizationId="o2", 담당자=[OWNER_A, OWNER_B], **{"수주 예정일": "2025-06-14"}),
        deal(3, 담당자=OWNER_B, 상태="In progress", **{"수주 예정일": "2025-06-15"}),
        deal(4, organizationId="o1", 상태="Won", 금액=99_000_000, **{"계약 체결일": "2025-02-01"}),
        deal(5, organizationId="o2", 상태="Lost", **{"생성 날짜": "2025-06-01"}),
        deal(6, peopleId="p1", 상태="Won", 금액="7", **{"계약 체결일": "2024-12-31T15:00:00.000Z"}),
        deal(7, 상태="SQL", 팀=[{"name": "교육 1팀"}], **{"생성 날짜": "2025-01-01"}),
    ],
    "memo": [{"id": "m1", "dealId": "d7", "createdAt": "2025-06-10T00:00:00.000Z"}],
}
"""Read on 2025-06-15 in Seoul."""


@pytest.fixture
def db(tmp_path: Path) -> Path:
    """The records above."""
    return make_db(tmp_path / "final.db", RECORDS)


async def ask(app: FastAPI, address: str) -> Any:
    path, _, query = address.partition("?")
    return await answer(app, path, **dict(parse_qsl(query)))


async def ids(db: Path, query: str) -> str:
    found = await ask(app_over(db), f"/api/deals?sort=name&{query}")
    return "".join(item["id"][1:] for item in found["items"])


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("", "1234567"),
        ("state=open", "1237"),
        ("state=won", "46"),
        ("state=lost", "5"),
        ("state=decided", "456"),
        ("owner=김가상", "12"),
        ("owner=담당자 없음", "4567"),
        ("team=교육 1팀", "7"),
        ("status=In progress", "3"),
        ("size=대기업", "14"),
        ("organization=o1", "14"),
        ("person=p1", "16"),
        ("without=person", "23457"),
        ("without=organization", "367"),
        ("text=과정 4", "4"),
        ("text=가상전자", "14"),
        ("text=박 견본", "16"),
        ("min_worth=8", "14"),
        ("max_worth=7", "6"),
        ("close_from=2025-06-15", "3"),
        ("close_to=2025-06-14", "2"),
        ("created_from=2025-06-01&created_to=2025-06-01", "5"),
        ("won_from=2025-01-01", "46"),
        ("won_from=2025-01-02", "4"),
        ("overdue=true", "2"),
        ("stale=true&stale_days=5", "7"),
        ("stale=true&stale_days=6", ""),
        ("state=open&owner=이예시&overdue=true", "2"),
        ("text=%25", ""),
        ("owner=' OR 1=1 --", ""),
    ],
)
async def test_filters(db: Path, query: str, found: str) -> None:
    """Each alone and together; days are Seoul's; spaces in a text do not count."""
    assert await ids(db, query) == found


async def test_sums_are_of_all_and_not_of_a_page(db: Path) -> None:
    """An open deal is worth what is expected, a won one its amount."""
    found = await ask(app_over(db), "/api/deals?limit=1")
    assert len(found["items"]) == 1
    assert found["sums"] == {
        "count": 7, "worth": 99_000_107, "open_count": 4, "open_worth": 100, "won_count": 2,
        "won_worth": 99_000_007, "overdue": 1, "stale": 0,
    }  # fmt: skip
    assert found["today"] == "2025-06-15"


@pytest.mark.parametrize(
    ("sort", "order"),
    list(product(
        ("name", "organization", "person", "owners", "teams", "status", "stage", "worth",
         "expected_close", "created", "contract", "active_on"),
        ("asc", "desc"),
    )),
)  # fmt: skip
async def test_what_is_not_known_stands_last(db: Path, sort: str, order: str) -> None:
    """Whatever the column and the direction; pages put together are the whole list."""
    app = app_over(db)
    whole = (await ask(app, f"/api/deals?sort={sort}&order={order}"))["items"]
    pages = [
        item
        for offset in range(0, 9, 3)
        for item in (
            await ask(app, f"/api/deals?sort={sort}&order={order}&limit=3&offset={offset}")
        )["items"]
    ]
    assert pages == whole
    if sort != "stage":
        values = [item[sort] for item in whole]
        known = [value for value in values if value is not None]
        assert values == known + [None] * (len(values) - len(known))
        assert known == sorted(known, reverse=order == "desc")


@pytest.mark.parametrize(
    "query", ["sort=nothing", "order=up", "limit=0", "limit=10001", "won_from=soon", "state=x",
              "stale_days=0", "min_worth=x"],
)  # fmt: skip
async def test_a_filter_that_is_none_is_refused(db: Path, query: str) -> None:
    """422, and nothing is read."""
    async with asking(app_over(db)) as client:
        assert (await client.get(f"/api/deals?{query}")).status_code == 422


async def test_owners_add_up_to_their_deals(db: Path) -> None:
    """Each number of a line is the count of the list that it leads to."""
    app = app_over(db)
    found = await ask(app, "/api/deal-owners")
    assert found["year"] == 2025
    for line in found["items"]:
        owner = f"owner={line['owner']}"
        for query, count, worth in (
            ("state=open", "open_count", "open_worth"),
            ("state=won&won_from=2025-01-01&won_to=2025-06-15", "won_count", "won_worth"),
            ("overdue=true", "overdue", None),
            ("stale=true", "stale", None),
        ):
            sums = (await ask(app, f"/api/deals?{owner}&{query}"))["sums"]
            assert line[count] == sums["count"]
            assert worth is None or line[worth] == sums["worth"]
    (second,) = [line for line in found["items"] if line["owner"] == "이예시"]
    assert [each["id"] for each in second["next_closings"]] == ["d3"]


async def test_choices_are_what_there_is(db: Path) -> None:
    """So that no filter leads to nothing."""
    found = await ask(app_over(db), "/api/deal-choices")
    assert found["owners"] == ["김가상", "담당자 없음", "이예시"]
    assert found["teams"] == ["교육 1팀"]
    assert found["statuses"] == ["In progress", "Lost", "SQL", "Won"]


async def test_a_deal_that_the_timeline_saw_move_is_not_stale(
    make_settings: MakeSettings, tmp_path: Path
) -> None:
    """In a workspace that says no dates of stages, the timeline tells when a deal moved."""
    workspace = Workspace.generate(records=300, plain=True)
    async with Sandbox(workspace, token="sandbox-token") as server:
        settings = dataclasses.replace(make_settings(server), no_timeline=False)
        await take_snapshot(dataclasses.replace(settings, run_tag="one"))
        deals = workspace.table("deal")
        moved = next(each for each in deals if each["상태"] == "In progress")
        moved["파이프라인 단계"] = {"name": "다른 단계"}
        await take_snapshot(dataclasses.replace(settings, run_tag="two"))
    found = await ask(app_over(settings.db_path), "/api/deals?state=open&limit=500")
    stale = {item["id"]: item["is_stale"] for item in found["items"]}
    assert stale.pop(moved["id"]) is False
    assert set(stale.values()) == {True}


async def test_another_status_of_won(db: Path) -> None:
    """What the configuration calls won and lost decides what is open."""
    config = DashboardConfig()
    statuses = dataclasses.replace(config.statuses, won="SQL", lost="Won")
    app = app_over(db, dataclasses.replace(config, statuses=statuses))
    found = await ask(app, "/api/deals?state=won")
    assert {item["id"] for item in found["items"]} == {"d1", "d2", "d7"}


def test_the_workspace_still_works_a_day_with_plain_fields() -> None:
    """A day of work adds no field that the workspace does not have."""
    workspace = Workspace.generate(records=300, plain=True)
    before = {key for deal in workspace.table("deal") for key in deal}
    work_a_day(workspace, 1)
    after = {key for deal in workspace.table("deal") for key in deal}
    assert after - before <= {"createdAt", "updatedAt"}


async def test_the_plain_workspace_opens_every_answer(make_settings: MakeSettings) -> None:
    """Only the fields that every workspace has: no answer fails, and most have something."""
    async with Sandbox(Workspace.generate(records=400, plain=True)) as server:
        settings = make_settings(server)
        await take_snapshot(settings)
    with closing(sqlite3.connect(settings.db_path)) as connection:
        (org,) = connection.execute(
            "SELECT organizationId FROM people WHERE organizationId <> '' LIMIT 1"
        ).fetchone()
    app = app_over(settings.db_path)
    for path in ("orgs", "deals", "deal-owners", "deal-check/edu1", f"orgs/{org}/people"):
        assert (await ask(app, f"/api/{path}"))["items"], path
    assert (await ask(app, "/api/pipeline"))["open_by_stage"]
    for path in (f"orgs/{org}/won-summary", f"orgs/{org}/won-groups-json", "sizes", "meta"):
        assert await ask(app, f"/api/{path}")


async def test_a_day_that_is_none_hides_no_other(tmp_path: Path) -> None:
    """What cannot be read as a day says nothing about when a deal was active last."""
    deals = [deal(1, **{"생성 날짜": "언젠가"}), deal(2, **{"생성 날짜": "2025-01-01"})]
    memos = [{"id": "m1", "dealId": "d1", "createdAt": "2025-06-10T00:00:00.000Z"}]
    db = make_db(tmp_path / "final.db", {"deal": deals, "memo": memos})
    found = await ask(app_over(db), "/api/deals?sort=name")
    assert [item["active_on"] for item in found["items"]] == ["2025-06-10", "2025-01-01"]
