"""The ten rules of the dashboard's contract, each as a test of what readers get."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import httpx

from tests.support.dashboard_db import (
    VECTOR,
    answer,
    app_over,
    asking,
    make_db,
    organization,
    person,
    seoul,
    won,
)

NEW_YEAR = "2024-12-31T15:00:00.000Z"


async def statepath(db: Path, org_id: str = "o1") -> Any:
    return (await answer(app_over(db), f"/api/orgs/{org_id}/statepath"))["item"]


async def test_rule_1_years_are_seouls(tmp_path: Path) -> None:
    """A contract of 1 January in Seoul counts as the new year everywhere, its customer as kept."""
    assert seoul("2025-01-01") == NEW_YEAR
    db = make_db(
        tmp_path / "final.db",
        {
            "organization": [organization("o1", "가"), organization("o2", "나")],
            "people": [person("p1", "o1")],
            "deal": [
                won("d1", 100_000_000, "2025-01-01", by="p1"),
                won("d2", 1, "2024-12-31", org="o2"),
                {"id": "d3", "organizationId": "o1", "상태": "SQL", "담당자": {"id": "u1"}},
            ],
            "team": [{"id": "t1", "name": "교육 1팀", "teammateList": [{"id": "u1"}]}],
        },
    )
    app = app_over(db)
    assert (await statepath(db))["year_states"]["2025"]["total_eok"] == 1.0
    (line,) = (await answer(app, "/api/orgs/o1/won-summary"))["items"]
    assert (line["won2024"], line["won2025"]) == (0, 100_000_000)
    orgs = (await answer(app, "/api/orgs"))["items"]
    assert [each["id"] for each in orgs] == ["o1", "o2"]
    (deal,) = (await answer(app, "/api/deal-check/edu1"))["items"]
    assert (deal["isRetention"], deal["orgWon2025Total"]) == (True, 100_000_000)
    months = (await answer(app, "/api/pipeline"))["won_by_month"]
    won_months = [(each["year"], each["month"]) for each in months if each["count"]]
    assert won_months == [(2024, 12), (2025, 1)]


async def test_rule_2_deals_without_a_person_stay(tmp_path: Path) -> None:
    """Without a person, or with one of another customer: under 미입력, in BU, and counted in qa."""
    item = await statepath(make_db(tmp_path / "final.db", VECTOR))
    assert item["year_states"]["2025"]["cells"]["BU_OFFLINE"]["amt_eok"] == 0.99001
    assert item["qa"]["no_person"] == {"deals": 2, "amount_krw": 99_001_000}


async def test_rule_3_all_people_are_shown(tmp_path: Path) -> None:
    """People and their web forms do not need a Won deal."""
    form = [{"id": "w1", "name": "교육 문의"}]
    db = make_db(
        tmp_path / "final.db",
        {
            "organization": [organization("o1")],
            "people": [person("p1", "o1", **{"제출된 웹폼 목록": form}), person("p2", "o1")],
        },
    )
    people = (await answer(app_over(db), "/api/orgs/o1/people"))["items"]
    assert [each["id"] for each in people] == ["p1", "p2"]
    assert [each["webform_count"] for each in people] == [1, 0]
    groups = (await answer(app_over(db), "/api/orgs/o1/won-groups-json"))["groups"]
    assert [each["id"] for group in groups for each in group["people"]] == ["p1", "p2"]


async def test_rule_4_memos_of_a_checked_deal_need_no_other_request(tmp_path: Path) -> None:
    """The very first request of a visit may be the one behind the deal check's memo button."""
    deal = {"id": "d1", "상태": "SQL", "담당자": {"id": "u1", "name": "김가상"}}
    memos = [{"id": "m1", "dealId": "d1", "text": "통화함", "ownerId": "u1",
              "createdAt": "2025-05-01T00:00:00.000Z"}]  # fmt: skip
    db = make_db(tmp_path / "final.db", {"deal": [deal], "memo": memos})
    (memo,) = (await answer(app_over(db), "/api/deals/d1/memos", limit=200))["items"]
    assert (memo["text"], memo["ownerName"]) == ("통화함", "김가상")


async def test_rule_5_the_api_serves_the_page_and_answers_the_other_places(tmp_path: Path) -> None:
    """`/` is the page; from port 8001 both names of this machine may ask, and nobody else."""
    app = app_over(make_db(tmp_path / "final.db", VECTOR))
    async with asking(app) as client:
        page = await client.get("/")
        allowed = {
            origin: (await client.get("/api/sizes", headers={"Origin": origin})).headers.get(
                "access-control-allow-origin"
            )
            for origin in ("http://localhost:8001", "http://127.0.0.1:8001", "http://evil.example")
        }
    assert page.status_code == 200
    assert page.headers["content-type"].startswith("text/html")
    assert allowed == {
        "http://localhost:8001": "http://localhost:8001",
        "http://127.0.0.1:8001": "http://127.0.0.1:8001",
        "http://evil.example": None,
    }


async def test_rule_6_crm_text_is_never_markup(tmp_path: Path) -> None:
    """Text leaves as typed, in JSON that no browser takes for a page; HTML leaves harmless."""
    evil = "<script>alert(1)</script><b onclick=alert(1)>굵게</b><img src=x onerror=alert(1)>"
    linked = '<a href="javascript:alert(1)">x</a><p style="color:red">글</p><svg onload=alert(1)>'
    db = make_db(
        tmp_path / "final.db",
        {
            "organization": [organization("o1", evil)],
            "people": [person("p1", "o1")],
            "memo": [{"id": "m1", "organizationId": "o1", "text": evil, "htmlBody": evil + linked}],
        },
    )
    async with asking(app_over(db)) as client:
        response: httpx.Response = await client.get("/api/orgs/o1/memos")
        named = (await client.get("/api/orgs/o1")).json()
    assert response.headers["content-type"] == "application/json"
    assert response.headers["x-content-type-options"] == "nosniff"
    (memo,) = response.json()["items"]
    assert memo["text"] == named["item"]["name"] == evil
    assert memo["html"] == "<b>굵게</b>x<p>글</p>"


async def test_rule_7_an_unknown_organization_is_404(tmp_path: Path) -> None:
    """StatePath too: zeros for nobody would look like an answer."""
    app = app_over(make_db(tmp_path / "final.db", VECTOR))
    async with asking(app) as client:
        for path in ("", "/statepath", "/won-summary", "/won-groups-json", "/people", "/memos"):
            response = await client.get(f"/api/orgs/nobody{path}")
            assert response.status_code == 404, path
            assert "nobody" in response.json()["detail"]


async def test_rule_8_sums_are_exact(tmp_path: Path) -> None:
    """Four parts that make exactly 0.1억 reach the grade that begins there."""
    parts = (600_000, 3_400_000, 5_100_000, 900_000)
    assert sum(part / 1e8 for part in parts) < 0.1
    deals = [won(f"d{at}", part, "2025-03-01") for at, part in enumerate(parts)]
    db = make_db(tmp_path / "final.db", {"organization": [organization("o1")], "deal": deals})
    state = (await statepath(db))["year_states"]["2025"]
    assert (state["total_eok"], state["bucket"]) == (0.1, "P4")


async def test_rule_9_names_of_authors_follow_the_snapshot(tmp_path: Path) -> None:
    """After a new snapshot the same server shows the author's new name."""

    def records(name: str) -> dict[str, Any]:
        owned = organization("o1") | {"담당자": {"id": "u1", "name": name}}
        return {"organization": [owned], "memo": [{"id": "m1", "organizationId": "o1",
                                                   "ownerId": "u1"}]}  # fmt: skip

    db = make_db(tmp_path / "final.db", records("김가상"))
    app = app_over(db)
    (before,) = (await answer(app, "/api/orgs/o1/memos"))["items"]
    make_db(tmp_path / "next.db", records("이예시")).replace(db)
    (after,) = (await answer(app, "/api/orgs/o1/memos"))["items"]
    assert (before["ownerName"], after["ownerName"]) == ("김가상", "이예시")


async def test_rule_10_an_upper_organization_is_one_counterparty(tmp_path: Path) -> None:
    """Two teams of one upper organization are added up, and outweigh a single one."""
    upper = "소속 상위 조직"
    signature = "팀(명함/메일서명)"
    db = make_db(
        tmp_path / "final.db",
        {
            "organization": [organization("o1")],
            "people": [
                person("p1", "o1", **{upper: "생산본부", signature: "설비팀"}),
                person("p2", "o1", **{upper: " 생산본부 ", signature: "품질팀"}),
                person("p3", "o1", **{upper: "연구소"}),
            ],
            "deal": [
                won("d1", 60_000_000, "2025-03-01", by="p1"),
                won("d2", 60_000_000, "2025-03-01", by="p2"),
                won("d3", 100_000_000, "2025-03-01", by="p3"),
            ],
        },
    )
    item = await statepath(db)
    found = item["ops_reco"]["target_counterparties"]
    assert [each["upper_org"] for each in found][:2] == ["생산본부", "연구소"]
    assert found[0]["amt_2025_eok"] == 1.2
