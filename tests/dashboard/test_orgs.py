"""The organization screen: the list, its search, people, deals, memos, web forms, Won summary."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from salesmap_async.dashboard.crm.people import webforms_of_person
from salesmap_async.dashboard.data.config import DashboardConfig
from salesmap_async.money import krw
from salesmap_async.seoul import seoul_date, seoul_year
from tests.support.dashboard_db import (
    VECTOR,
    answer,
    app_over,
    asking,
    change,
    make_db,
    organization,
    person,
    seoul,
    snapshot_of,
    won,
)

FORMS = "제출된 웹폼 목록"
UPPER = "소속 상위 조직"


@pytest.mark.parametrize(
    ("stored", "amount"),
    [
        (150_000_000, 150_000_000),
        (150_000_000.0, 150_000_000),
        ("1.5e8", 150_000_000),
        (" 1200 ", 1200),
        ("9007199254740993", 9007199254740993),
        (-5, -5),
        ("150,000,000", None),
        ("nan", None),
        ("inf", None),
        (float("inf"), None),
        ("", None),
        (None, None),
    ],
)
def test_an_amount_is_what_float_reads(stored: object, amount: int | None) -> None:
    """Whole KRW; what is no finite number is no amount."""
    assert krw(stored) == amount


@pytest.mark.parametrize(
    ("stored", "day"),
    [
        ("2024-12-31T15:00:00.000Z", "2025-01-01"),
        ("2024-12-31T14:59:59.999Z", "2024-12-31"),
        ("2025-01-01", "2025-01-01"),
        ("2025-01-01T00:00:00+09:00", "2025-01-01"),
        ("2024-12-31 23:00:00", "2025-01-01"),
        ("9999-12-31T23:00:00Z", None),
        ("언젠가", None),
        (None, None),
    ],
)
def test_a_date_is_seouls(stored: object, day: str | None) -> None:
    """Without an offset it is UTC; what cannot be a date is none."""
    found = seoul_date(stored)
    assert (found and found.isoformat()) == day
    assert seoul_year(stored) == (int(day[:4]) if day else None)


@pytest.fixture
def orgs_db(tmp_path: Path) -> Path:
    """Six organizations: two sizes, Won sums, one with nobody and nothing."""
    return make_db(
        tmp_path / "final.db",
        {
            "organization": [
                organization("o1", "다전자", 팀=[{"id": "t1", "name": "교육 1팀"}],
                             담당자={"id": "u1", "name": "김가상"}),
                organization("o2", "나전자", 팀="교육 1팀", 담당자="김가상"),
                organization("o3", "가전자"),
                organization("o4", "100%_물산", **{"기업 규모": "중견기업"}),
                organization("o5", "빈회사", **{"기업 규모": "중소기업"}),
                organization("O6", "라전자", **{"기업 규모": " "}),
            ],
            "people": [person("p3", "o3"), person("p4", "o4"), person("p6", "O6")],
            "deal": [
                won("d1", 5_000_000, "2025-03-01"),
                won("d2", "6000000", "2025-01-01", org="o2"),
                won("d3", 900_000_000, "2024-12-31", org="o3"),
                won("d4", -1_000, "2025-02-01", org="o4"),
                {"id": "d5", "organizationId": "o3", "상태": "Lost", "금액": 7_000_000,
                 "계약 체결일": seoul("2025-02-01")},
            ],
        },
    )  # fmt: skip


async def ids(db: Path, **params: Any) -> list[str]:
    return [item["id"] for item in (await answer(app_over(db), "/api/orgs", **params))["items"]]


async def test_the_list_is_ordered_by_what_was_won_this_year(orgs_db: Path) -> None:
    """Then by name; an organization without people and deals is not in it."""
    assert await ids(orgs_db) == ["o2", "o1", "o3", "O6", "o4"]
    assert await ids(orgs_db, base_year=2024) == ["o3", "o4", "o2", "o1", "O6"]


async def test_the_list_is_filtered_and_cut(orgs_db: Path) -> None:
    """By size, by a part of name or id (LIKE: without case, `%` and `_` as wildcards), in pages."""
    assert await ids(orgs_db, size="중견기업") == ["o4"]
    assert await ids(orgs_db, size="없는 규모") == []
    assert await ids(orgs_db, search="전자") == ["o2", "o1", "o3", "O6"]
    assert await ids(orgs_db, search="o6") == ["O6"]
    assert await ids(orgs_db, search="다_자") == ["o1"]
    assert await ids(orgs_db, search="0%물") == ["o4"]
    assert await ids(orgs_db, limit=2, offset=1) == ["o1", "o3"]
    assert await ids(orgs_db, offset=1_000) == []


async def test_an_organization_has_its_five_fields(orgs_db: Path) -> None:
    """A team that is no list is an empty one, an owner that is no object none."""
    app = app_over(orgs_db)
    first = (await answer(app, "/api/orgs/o1"))["item"]
    second = (await answer(app, "/api/orgs/o2"))["item"]
    assert first == {
        "id": "o1",
        "name": "다전자",
        "size": "대기업",
        "team": [{"id": "t1", "name": "교육 1팀"}],
        "owner": {"id": "u1", "name": "김가상"},
    }
    assert (second["team"], second["owner"]) == ([], None)


async def test_sizes_are_those_in_use(orgs_db: Path) -> None:
    """Sorted, each once, without blanks."""
    assert (await answer(app_over(orgs_db), "/api/sizes"))["sizes"] == [
        "대기업",
        "중견기업",
        "중소기업",
    ]


@pytest.mark.parametrize(
    "query",
    ["limit=0", "limit=501", "limit=x", "offset=-1", "offset=99999999999999999999", "base_year=1",
     "search=" + "a" * 201, "search=a%00b", "size=%00"],
)  # fmt: skip
async def test_a_bad_parameter_is_422(orgs_db: Path, query: str) -> None:
    """Each bound, also beyond what SQLite can count."""
    async with asking(app_over(orgs_db)) as client:
        response = await client.get(f"/api/orgs?{query}")
    assert response.status_code == 422
    assert query.split("=")[0] in response.json()["detail"][0]["loc"]


async def test_people_may_be_filtered_by_deals(tmp_path: Path) -> None:
    """By name; with, without, or whichever; how many deals each has."""
    db = make_db(
        tmp_path / "final.db",
        {
            "organization": [organization("o1")],
            "people": [person("p2", "o1", **{UPPER: " 인사팀 "}), person("p1", "o1")],
            "deal": [won("d1", 1, "2025-01-01", org=None, by="p2")],
        },
    )
    app = app_over(db)
    both = (await answer(app, "/api/orgs/o1/people"))["items"]
    assert [(each["id"], each["deal_count"]) for each in both] == [("p1", 0), ("p2", 1)]
    assert both[1]["upper_org"] == "인사팀"
    for flag, expected in (("true", ["p2"]), ("false", ["p1"])):
        items = (await answer(app, "/api/orgs/o1/people", hasDeal=flag))["items"]
        assert [each["id"] for each in items] == expected
    async with asking(app) as client:
        assert (await client.get("/api/orgs/o1/people?hasDeal=maybe")).status_code == 422


async def test_deals_of_a_person_begin_with_the_latest_contract(tmp_path: Path) -> None:
    """Those without a contract come last, the newest of them first; amounts are KRW or null."""
    deals = [
        won("d1", "1.5e8", "2024-01-01", by="p1", 담당자={"id": "u1", "name": "김가상"}),
        won("d2", "150,000,000", "2025-01-01", by="p1", 담당자=["이예시", {"id": "u2"}]),
        {"id": "d3", "peopleId": "p1", "생성 날짜": seoul("2025-01-01"), "계약 체결일": ""},
        {"id": "d4", "peopleId": "p1", "생성 날짜": seoul("2025-02-01")},
    ]
    db = make_db(tmp_path / "final.db", {"people": [person("p1", None)], "deal": deals})
    items = (await answer(app_over(db), "/api/people/p1/deals"))["items"]
    assert [each["id"] for each in items] == ["d2", "d1", "d4", "d3"]
    assert [each["amount"] for each in items] == [None, 150_000_000, None, None]
    assert [each["ownerName"] for each in items] == ["이예시, u2", "김가상", None, None]
    assert items[1]["contract_date"] == seoul("2024-01-01")


async def test_memos_belong_to_exactly_what_they_are_about(tmp_path: Path) -> None:
    """To the organization, the person or the deal; the newest first, at most `limit`."""

    def memo(memo_id: str, day: int, **links: str) -> dict[str, Any]:
        return {"id": memo_id, "createdAt": f"2025-01-{day:02}T00:00:00.000Z", **links}

    db = make_db(
        tmp_path / "final.db",
        {
            "organization": [organization("o1")],
            "people": [person("p1", "o1")],
            "deal": [won("d1", 1, "2025-01-01", by="p1")],
            "user": [{"id": "u7", "name": "장모형"}],
            "memo": [
                memo("m1", 1, organizationId="o1", ownerId="u7"),
                memo("m2", 2, organizationId="o1", ownerId="unknown"),
                memo("m3", 3, organizationId="o1", peopleId="p1"),
                memo("m4", 4, peopleId="p1", dealId=""),
                memo("m5", 5, peopleId="p1", dealId="d1"),
                memo("m6", 6, dealId="d1"),
            ],
        },
    )
    app = app_over(db)

    async def found(path: str, **params: Any) -> list[str]:
        return [each["id"] for each in (await answer(app, path, **params))["items"]]

    assert await found("/api/orgs/o1/memos") == ["m2", "m1"]
    assert await found("/api/orgs/o1/memos", limit=1) == ["m2"]
    assert await found("/api/people/p1/memos") == ["m4", "m3"]
    assert await found("/api/deals/d1/memos") == ["m6", "m5"]
    authors = (await answer(app, "/api/orgs/o1/memos"))["items"]
    assert [each["ownerName"] for each in authors] == ["unknown", "장모형"]


def test_dates_of_web_forms_are_told_as_far_as_they_are_known(tmp_path: Path) -> None:
    """None, one, or several days in Seoul; a form that the person does not list is left out."""
    forms = [{"id": "w1", "name": "교육 문의"}, {"id": "w2", "name": "자료 신청"}, "세미나"]

    def submitted(number: int, form: str, when: str) -> dict[str, Any]:
        return {"id": f"h{number}", "peopleId": "p1", "webFormId": form, "createdAt": when}

    db = make_db(
        tmp_path / "final.db",
        {
            "people": [person("p1", None, **{FORMS: forms})],
            "webform_history": [
                submitted(1, "w1", "2025-03-01T14:00:00.000Z"),
                submitted(2, "w1", "2025-03-01T16:00:00.000Z"),
                submitted(3, "w1", "2025-03-01T17:00:00.000Z"),
                submitted(4, "w9", "2025-03-01T17:00:00.000Z"),
            ],
        },
    )
    with snapshot_of(db) as snapshot:
        lines = webforms_of_person(snapshot, "p1")
    assert lines == [
        {"date": "2025-03-02", "name": "교육 문의"},
        {"date": "2025-03-01", "name": "교육 문의"},
        {"date": "날짜 확인 불가", "name": "세미나"},
        {"date": "날짜 확인 불가", "name": "자료 신청"},
    ]


async def test_the_won_summary_groups_by_upper_organization(tmp_path: Path) -> None:
    """Blank and nobody are 미입력; who bought most in the three years is first."""
    db = make_db(
        tmp_path / "final.db",
        {
            "organization": [organization("o1")],
            "people": [
                person("p1", "o1", **{UPPER: "인사팀"}),
                person("p2", "o1", **{UPPER: " 인사팀"}),
                person("p3", "o1", **{UPPER: " "}),
            ],
            "deal": [
                won("d1", 10, "2025-02-01", by="p1", 담당자={"id": "u1", "name": "김가상"}),
                won("d2", 20, "2024-02-01", by="p2", 담당자={"id": "u2", "name": "이예시"}),
                won("d3", 40, "2023-02-01", by="p3"),
                won("d4", None, "2023-02-01"),
                won("d5", 1_000_000, "2022-02-01"),
            ],
        },
    )
    found = await answer(app_over(db), "/api/orgs/o1/won-summary")
    assert found["years"] == [2023, 2024, 2025]
    assert found["items"] == [
        {"upper_org": "미입력", "won2023": 40, "won2024": 0, "won2025": 0, "total": 40,
         "contacts": ["김가상 p3"], "owners": [], "owners2025": [], "dealCount": 3},
        {"upper_org": "인사팀", "won2023": 0, "won2024": 20, "won2025": 10, "total": 30,
         "contacts": ["김가상 p1", "김가상 p2"], "owners": ["김가상", "이예시"],
         "owners2025": ["김가상"], "dealCount": 2},
    ]  # fmt: skip


async def test_a_won_deal_counts_for_the_same_upper_organization_everywhere(
    tmp_path: Path,
) -> None:
    """Whose person works elsewhere, is unknown or nobody: 미입력, in all three answers."""
    db = make_db(
        tmp_path / "final.db",
        {
            "organization": [organization("o1"), organization("o2")],
            "people": [
                person("p1", "o1", **{UPPER: "인사팀"}),
                person("p2", "o2", **{UPPER: "다른 인사팀"}),
                person("p3", None, **{UPPER: "또 다른 팀"}),
            ],
            "deal": [
                won("d1", 100_000_000, "2025-02-01", by="p1"),
                won("d2", 10_000_000, "2025-02-01", by="p2"),
                won("d3", 1_000_000, "2025-02-01", by="p3"),
                won("d4", 100_000, "2025-02-01", by="gone"),
                won("d5", 10_000, "2025-02-01"),
            ],
        },
    )
    app = app_over(db)
    summary = (await answer(app, "/api/orgs/o1/won-summary"))["items"]
    groups = (await answer(app, "/api/orgs/o1/won-groups-json"))["groups"]
    item = (await answer(app, "/api/orgs/o1/statepath"))["item"]
    parties = item["ops_reco"]["target_counterparties"]
    expected = {"인사팀": 100_000_000, "미입력": 11_110_000}
    assert {line["upper_org"]: line["won2025"] for line in summary} == expected
    assert {group["upper_org"]: sum(deal["amount"] for deal in group["deals"])
            for group in groups} == expected  # fmt: skip
    assert {each["upper_org"]: round(each["amt_2025_eok"] * 100_000_000)
            for each in parties} == expected  # fmt: skip


async def test_a_person_without_an_id_collects_no_deals(tmp_path: Path) -> None:
    """Deals without a person are nobody's, not those of whoever has no id."""
    db = make_db(
        tmp_path / "final.db",
        {
            "organization": [organization("o1")],
            "people": [person("p1", "o1", **{UPPER: "인사팀"})],
            "deal": [won("d1", 10, "2025-02-01")],
        },
    )
    change(db, "UPDATE people SET id = NULL")
    groups = (await answer(app_over(db), "/api/orgs/o1/won-groups-json"))["groups"]
    assert {group["upper_org"]: len(group["deals"]) for group in groups} == {
        "미입력": 1,
        "인사팀": 0,
    }


async def test_won_groups_carry_people_forms_memos_and_deals(tmp_path: Path) -> None:
    """Groups are (upper organization, team); deals of nobody known stand under no name."""
    team = "팀(명함/메일서명)"
    db = make_db(
        tmp_path / "final.db",
        {
            "organization": [organization("o1", 업종="제조/전자")],
            "people": [
                person(
                    "p1",
                    "o1",
                    **{UPPER: "인사팀", team: "교육팀", FORMS: [{"id": "w1", "name": "문의"}]},
                )
            ],
            "deal": [won("d1", 10, "2025-02-01", by="p1"), won("d2", 5, "2025-02-01", by="gone")],
            "memo": [
                {"id": "m1", "organizationId": "o1", "text": "회사"},
                {"id": "m2", "peopleId": "p1", "text": "사람"},
                {"id": "m3", "dealId": "d1", "text": "딜"},
            ],
            "webform_history": [
                {"id": "h1", "peopleId": "p1", "webFormId": "w1", "createdAt": "2025-02-01"},
                {"id": "h2", "peopleId": "p1", "webFormId": "w1", "createdAt": "2025-02-03"},
            ],
        },
    )
    found = await answer(app_over(db), "/api/orgs/o1/won-groups-json")
    assert found["organization"]["industry"] == "제조/전자"
    assert [memo["text"] for memo in found["organization"]["memos"]] == ["회사"]
    unknown, known = found["groups"]
    assert (unknown["upper_org"], [deal["id"] for deal in unknown["deals"]]) == ("미입력", ["d2"])
    assert (known["upper_org"], known["team"]) == ("인사팀", "교육팀")
    (one,) = known["people"]
    assert one["webforms"] == [{"name": "문의", "date": ["2025-02-01", "2025-02-03"]}]
    assert [memo["text"] for memo in one["memos"]] == ["사람"]
    (deal,) = known["deals"]
    assert (deal["amount"], [memo["text"] for memo in deal["memos"]]) == (10, ["딜"])


def test_numbers_in_text_fields_come_out_as_text(tmp_path: Path) -> None:
    """A CRM field may hold a number where a text is meant."""
    db = make_db(tmp_path / "final.db", {"people": [person("p1", None, **{FORMS: 7})]})
    with snapshot_of(db, DashboardConfig()) as snapshot:
        assert webforms_of_person(snapshot, "p1") == [{"date": "날짜 확인 불가", "name": "7"}]


async def test_the_compact_groups_are_the_sums_of_the_groups(tmp_path: Path) -> None:
    """For clients of the earlier backend: KRW by year, online and offline; no record."""
    app = app_over(make_db(tmp_path / "final.db", VECTOR))
    whole = await answer(app, "/api/orgs/o1/won-groups-json")
    compact = await answer(app, "/api/orgs/o1/won-groups-json-compact")
    assert compact["years"] == whole["years"]
    assert compact["organization"].items() <= whole["organization"].items()
    for group, sums in zip(whole["groups"], compact["groups"], strict=True):
        assert (sums["upper_org"], sums["team"]) == (group["upper_org"], group["team"])
        assert (sums["people"], sums["deals"]) == (len(group["people"]), len(group["deals"]))
        won = sums["won"].values()
        assert sum(each["total"] for each in won) == sum(d["amount"] or 0 for d in group["deals"])
        assert all(each["online"] + each["offline"] == each["total"] for each in won)
    online = [g["won"]["2025"]["online"] for g in compact["groups"]]
    assert sum(online) == 150_000_000
