"""The endpoints about what changed, over a real timeline of three days."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from salesmap_async.paths import timeline_path
from salesmap_async.timeline.feeding import feed
from tests.support.dashboard_db import app_over, asking, change, make_db, organization, person

KIM, LEE = {"id": "u1", "name": "김가상"}, {"id": "u2", "name": "이예시"}


def deal(deal_id: str, **more: Any) -> dict[str, Any]:
    return {
        "id": deal_id, "이름": f"딜 {deal_id}", "상태": "SQL", "예상 체결액": 100_000_000,
        "담당자": KIM, "팀": [{"id": "t1", "name": "교육 1팀"}],
        "organizationId": "o1", "peopleId": "p1", **more,
    }  # fmt: skip


DAYS: list[list[dict[str, Any]]] = [
    [deal("a"), deal("b"), deal("c")],
    [deal("a"), deal("b", **{"상태": "Won", "금액": 200_000_000}), deal("c")],
    [deal("b", **{"상태": "Won", "금액": 200_000_000}), deal("c", **{"담당자": LEE}), deal("d")],
]


@pytest.fixture
def db(tmp_path: Path) -> Path:
    """The final DB of the third day, beside the timeline of all three."""
    final = tmp_path / "final.db"
    for day, deals in enumerate(DAYS, start=1):
        tables = {
            "deal": deals,
            "organization": [organization("o1")],
            "people": [person("p1", "o1")],
        }
        final.unlink(missing_ok=True)
        make_db(final, tables, captured_at=f"2026-02-0{day}T03:00:00+00:00", run_tag=f"r{day}")
        feed(timeline_path(final), final)
    return final


def counts(answer: dict[str, Any]) -> dict[str, int]:
    return {each["kind"]: each["count"] for each in answer["kinds"] if each["count"]}


async def test_since_yesterday_a_week_and_between_any_two(db: Path) -> None:
    """Days are counted from that of the newest state; without an older one the first is taken."""
    async with asking(app_over(db)) as client:
        day = (await client.get("/api/changes")).json()
        assert (day["old"]["run_tag"], day["new"]["run_tag"]) == ("r2", "r3")
        assert counts(day) == {"new": 1, "new owner": 1, "gone": 1}
        week = (await client.get("/api/changes?since=week")).json()
        assert (week["old"]["run_tag"], week["is_first"]) == ("r1", True)
        assert counts(week) == {"new": 1, "won": 1, "amount up": 1, "new owner": 1, "gone": 1}
        two = (await client.get("/api/changes?old=2026-02-01&new=r2")).json()
        assert counts(two) == {"won": 1, "amount up": 1}
        [won] = [each for each in two["events"] if each["kind"] == "won"]
        assert won == {
            "kind": "won", "deal_id": "b", "name": "딜 b", "organization": "가상전자",
            "organization_id": "o1", "person_id": "p1", "owner": "김가상", "team": "교육 1팀",
            "amount_krw": 200_000_000, "old": "SQL", "new": "Won",
        }  # fmt: skip
        assert two["tables"] == [{"table": "deal", "new": 0, "gone": 0, "changed": 1}]


async def test_by_owner_and_team(db: Path) -> None:
    """A filter holds for the sums too; what can be chosen is told."""
    async with asking(app_over(db)) as client:
        of_lee = (await client.get("/api/changes", params={"owner": "이예시"})).json()
        assert counts(of_lee) == {"new owner": 1}
        nobody = (await client.get("/api/changes", params={"team": "없는 팀"})).json()
        assert (nobody["events"], counts(nobody)) == ([], {})
        everyone = (await client.get("/api/changes")).json()
        assert (everyone["owners"], everyone["teams"]) == (["김가상", "이예시"], ["교육 1팀"])


async def test_the_sums_of_each_state(db: Path) -> None:
    """What was open, and what was won."""
    async with asking(app_over(db)) as client:
        answer = (await client.get("/api/timeline")).json()
    assert [each["run_tag"] for each in answer["states"]] == ["r1", "r2", "r3"]
    assert [(each["open_krw"] // 10**8, each["won_krw"] // 10**8) for each in answer["sums"]] == [
        (3, 0), (2, 2), (2, 2)]  # fmt: skip


async def test_a_record_s_life(db: Path) -> None:
    """The newest event first; 400 for what never was."""
    async with asking(app_over(db)) as client:
        items = (await client.get("/api/life?table=deal&id=a")).json()["items"]
        assert [(each["run_tag"], each["kind"]) for each in items] == [
            ("r3", "gone"),
            ("r1", "known"),
        ]
        changed = (await client.get("/api/life?table=deal&id=b")).json()["items"]
        assert {(e["field"], e["old"], e["new"]) for e in changed if e["kind"] == "changed"} == {
            ("상태", "SQL", "Won"), ("금액", None, 200_000_000)}  # fmt: skip
        for query in ("table=deal&id=x", "table=deals&id=a"):
            assert (await client.get(f"/api/life?{query}")).status_code == 400
        assert (await client.get("/api/changes?old=2020-01-01")).status_code == 400


async def test_without_a_timeline_and_with_one_state(tmp_path: Path) -> None:
    """Nothing to compare is no failure; a damaged timeline is one, and says what to type."""
    db = make_db(tmp_path / "final.db", {"deal": DAYS[0]})
    async with asking(app_over(db)) as client:
        assert (await client.get("/api/timeline")).json() == {"states": [], "sums": []}
        answer = (await client.get("/api/changes")).json()
        assert (answer["old"], answer["new"], answer["events"]) == (None, None, [])
        assert (await client.get("/api/life?table=deal&id=a")).json() == {"items": []}
        feed(timeline_path(db), db)
    async with asking(app_over(db)) as client:
        answer = (await client.get("/api/changes")).json()
        assert (answer["old"], answer["new"]["run_tag"]) == (None, "20250615_030000")
        change(timeline_path(db), "PRAGMA application_id = 7")
    async with asking(app_over(db)) as client:
        failed = await client.get("/api/changes")
        assert (failed.status_code, "doctor --offline" in failed.json()["command"]) == (503, True)
