"""The deal check: whose deals, which customers are kept, in which order, with which fields."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from salesmap_async.dashboard.data.config import DashboardConfig, Statuses, Team
from salesmap_async.dashboard.sales.teams import members_of, plain_name
from tests.support.dashboard_db import (
    Record,
    answer,
    app_over,
    asking,
    make_db,
    organization,
    person,
    seoul,
    snapshot_of,
    won,
)

TEAM = {"id": "t1", "name": "교육 1팀", "teammateList": [
    {"id": "u1", "name": "김가상"}, {"id": "u2", "name": "이예시"}, "정연습",
]}  # fmt: skip


def open_deal(deal_id: str, owner: object, **more: Any) -> Record:
    return {
        "id": deal_id,
        "organizationId": "o1",
        "상태": "SQL",
        "담당자": owner,
        "생성 날짜": seoul("2025-01-01"),
    } | more


async def checked(tmp_path: Path, deals: list[Record], **records: list[Record]) -> list[Any]:
    everything = {"organization": [organization("o1")], "team": [TEAM], "deal": deals} | records
    db = make_db(tmp_path / "final.db", everything)
    items: list[Any] = (await answer(app_over(db), "/api/deal-check/edu1"))["items"]
    return items


@pytest.mark.parametrize(
    ("owner", "is_members"),
    [
        ({"id": "u1", "name": "누구든"}, True),
        ({"id": "u9", "name": "김가상"}, False),
        ({"id": "u9", "name": "정연습"}, True),
        ([{"id": "u9", "name": "박견본"}, {"id": "u2", "name": "이예시"}], True),
        ({"name": "이예시"}, True),
        ({"name": "이예시B"}, True),
        (["박견본", "이예시b"], True),
        ("김가상", True),
        ("김가상BB", False),
        ("김가", False),
        (None, False),
        ("", False),
        ([], False),
    ],
)
async def test_a_deal_counts_by_its_owner(tmp_path: Path, owner: object, is_members: bool) -> None:
    """Ids decide; where one side has none the name does, without its last letter."""
    items = await checked(tmp_path, [open_deal("d1", owner)])
    assert [item["dealId"] for item in items] == (["d1"] if is_members else [])


def test_the_letter_of_a_homonym_is_dropped() -> None:
    """One ASCII letter after a name in other letters; a name in ASCII letters is left whole."""
    assert [plain_name(each) for each in ("이름B", "이름 B", "이름", "Kim")] == [
        "이름",
        "이름",
        "이름",
        "Kim",
    ]


@pytest.mark.parametrize("status", ["sql", "SQL ", "Won", "Lost", "In progress", None])
async def test_only_the_exact_status_counts(tmp_path: Path, status: str | None) -> None:
    """Without a window of dates: nothing else decides."""
    deals = [open_deal("d1", "김가상", 상태=status), open_deal("d2", "다른사람")]
    assert await checked(tmp_path, deals) == []


async def test_a_workspace_without_that_status_has_the_vendors(tmp_path: Path) -> None:
    """No deal there is called SQL: its open ones are `In progress`."""
    (item,) = await checked(tmp_path, [open_deal("d1", "김가상", 상태="In progress")])
    assert item["dealId"] == "d1"


@pytest.mark.parametrize(
    ("bought", "is_kept", "total"),
    [
        ([won("w1", 0, "2025-02-01")], True, 0),
        ([won("w1", 5, "2025-02-01"), won("w2", "7", "2025-12-31")], True, 12),
        ([won("w1", 5, "2025-02-01"), won("w2", -7, "2025-02-01")], True, 5),
        ([won("w1", -7, "2025-02-01")], False, 0),
        ([won("w1", None, "2025-02-01") | {"예상 체결액": 5}], False, 0),
        ([won("w1", "5원", "2025-02-01")], False, 0),
        ([won("w1", 5, "2024-12-31")], False, 0),
        ([won("w1", 5, "2025-02-01", org="o2")], False, 0),
        ([won("w1", 5, "2025-02-01", org=None, by="p1")], True, 5),
        ([won("w1", 5, "2025-02-01", 상태="Lost")], False, 0),
    ],
)  # fmt: skip
async def test_a_customer_is_kept_who_bought_this_year(
    tmp_path: Path, bought: list[Record], is_kept: bool, total: int
) -> None:
    """An amount of 0 and more in the base year; nothing expected, refunded or unreadable."""
    deals = [open_deal("d1", "김가상"), *bought]
    (item,) = await checked(tmp_path, deals, people=[person("p1", "o1")])
    assert (item["isRetention"], item["orgWon2025Total"]) == (is_kept, total)


async def test_the_order_is_by_total_age_and_id(tmp_path: Path) -> None:
    """Who bought most first; of one customer the oldest deal; a missing date is the oldest."""
    late = seoul("2025-05-01")
    deals = [
        open_deal("d5", "김가상", **{"생성 날짜": late}),
        open_deal("d2", "김가상"),
        open_deal("d1", "김가상"),
        open_deal("d3", "김가상", **{"생성 날짜": None}),
        open_deal("d4", "김가상", organizationId="o2", **{"생성 날짜": late}),
        won("w1", 5, "2025-02-01", org="o2"),
    ]
    assert [item["dealId"] for item in await checked(tmp_path, deals)] == [
        "d4",
        "d3",
        "d1",
        "d2",
        "d5",
    ]


async def test_an_item_has_the_fields_of_the_screen(tmp_path: Path) -> None:
    """The organization is the deal's, else the person's; the probability is left as stored."""
    deal = open_deal(
        "d1", [{"id": "u1", "name": "김가상"}, "박견본"], organizationId=None, peopleId="p1",
        **{"이름": "리더십 과정", "과정포맷": "집합교육", "성사 가능성": ["높음", "확정"],
           "수주 예정일": seoul("2025-09-01"), "예상 체결액": "3.3e7"},
    )  # fmt: skip
    someone = person("p1", "o1", **{"소속 상위 조직": "인사팀", "팀(명함/메일서명)": "교육팀"})
    memos: list[Record] = [{"id": f"m{at}", "dealId": "d1"} for at in range(3)]
    (item,) = await checked(tmp_path, [deal], people=[someone], memo=memos)
    assert item == {
        "dealId": "d1",
        "orgId": "o1",
        "orgName": "가상전자",
        "orgWon2025Total": 0,
        "isRetention": False,
        "createdAt": seoul("2025-01-01"),
        "dealName": "리더십 과정",
        "courseFormat": "집합교육",
        "owners": ["김가상", "박견본"],
        "probability": '["높음","확정"]',
        "expectedCloseDate": seoul("2025-09-01"),
        "expectedAmount": 33_000_000,
        "memoCount": 3,
        "upperOrg": "인사팀",
        "teamSignature": "교육팀",
        "personId": "p1",
        "personName": "김가상 p1",
        "part": "미매핑",
    }


async def test_an_organization_without_a_name_is_its_id(tmp_path: Path) -> None:
    """And a dash without an id."""
    deals = [open_deal("d1", "김가상", organizationId="gone"), open_deal("d2", "김가상",
             organizationId=None)]  # fmt: skip
    assert [item["orgName"] for item in await checked(tmp_path, deals)] == ["gone", "-"]


async def test_a_part_is_that_of_the_configuration_or_of_the_deal(tmp_path: Path) -> None:
    """Several are joined; the deal's own field counts where the configuration knows nobody."""
    team = Team(
        key="edu1", label="딜체크", crm_team=("교육 1팀",),
        parts={"1파트": ("김가상",), "2파트": ("이예시", "박견본")},
    )  # fmt: skip
    deals = [
        open_deal("d1", ["김가상", "이예시B"]),
        open_deal("d2", {"id": "u1", "name": "정연습"}, **{"담당 파트": ["3파트"]}),
    ]
    db = make_db(tmp_path / "final.db", {"team": [TEAM], "deal": deals})
    app = app_over(db, DashboardConfig(teams=(team,)))
    items = (await answer(app, "/api/deal-check/edu1"))["items"]
    assert [item["part"] for item in items] == ["1파트+2파트", "3파트"]


@pytest.mark.parametrize("crm_name", ["기업교육 1팀", "교육 1팀", "교육1팀"])
def test_the_team_is_the_first_name_that_the_crm_knows(tmp_path: Path, crm_name: str) -> None:
    """Each of the three spellings; of two that exist the first one in the configuration."""
    other = {"id": "t9", "name": "교육1팀", "teammateList": [{"id": "u9"}]}
    teams = [TEAM | {"name": crm_name}, *([other] if crm_name != "교육1팀" else [])]
    db = make_db(tmp_path / "final.db", {"team": teams})
    with snapshot_of(db) as snapshot:
        members = members_of(snapshot, DashboardConfig().teams[0])
    assert (members.crm_team, members.count, members.ids) == (
        crm_name,
        3,
        frozenset({"u1", "u2"}),
    )


async def test_a_team_that_the_crm_does_not_know_is_a_warning(tmp_path: Path) -> None:
    """An empty answer with a reason; extra members of the configuration still count."""
    deals = [open_deal("d1", {"id": "u1", "name": "김가상"}), open_deal("d2", "박견본")]
    db = make_db(tmp_path / "final.db", {"deal": deals, "team": [TEAM | {"name": "다른 팀"}]})
    found = await answer(app_over(db), "/api/deal-check/edu1")
    assert found["items"] == []
    assert found["meta"] == {
        "team": {"key": "edu1", "label": "교육 1팀 딜체크", "crm_team": "기업교육 1팀"},
        "members": 0,
        "warnings": ["team_not_found"],
        "base_year": 2025,
    }
    team = Team(key="x", label="x", crm_team=("없는 팀",), extra_members=("u1", "박견본"))
    app = app_over(db, DashboardConfig(teams=(team,)))
    found = await answer(app, "/api/deal-check/x")
    assert ([item["dealId"] for item in found["items"]], found["meta"]["members"]) == (
        ["d1", "d2"],
        2,
    )


@pytest.mark.parametrize(
    ("extra", "owner", "is_members"),
    [
        ("박견본", {"id": "u7", "name": "박견본"}, True),
        ("박견본", {"id": "u7", "name": "박견본B"}, True),
        ("박견본B", {"id": "u7", "name": "박견본"}, True),
        ("박견본", {"id": "u7", "name": "박견"}, False),
        ("박견본", {"id": "u7"}, False),
        ("u7", {"id": "u7", "name": "누구든"}, True),
        ("u7", {"id": "u8", "name": "박견본"}, False),
        ("7b", {"id": "7c"}, False),
        ("박견본", {"id": "u9", "name": "김가상"}, False),
    ],
)
async def test_an_extra_member_counts_by_name_or_id(
    tmp_path: Path, extra: str, owner: object, is_members: bool
) -> None:
    """Also where the CRM knows the owner's id; the CRM's own members still count by theirs."""
    db = make_db(tmp_path / "final.db", {"deal": [open_deal("d1", owner)], "team": [TEAM]})
    team = Team(key="x", label="x", crm_team=("교육 1팀",), extra_members=(extra,))
    found = await answer(app_over(db, DashboardConfig(teams=(team,))), "/api/deal-check/x")
    assert len(found["items"]) == is_members


async def test_the_team_is_named_as_the_crm_names_it(tmp_path: Path) -> None:
    """Of several configured names the one that was found."""
    db = make_db(tmp_path / "final.db", {"team": [TEAM]})
    found = await answer(app_over(db), "/api/deal-check/edu1")
    assert found["meta"]["team"]["crm_team"] == "교육 1팀"


async def test_the_three_addresses_of_the_deal_check(tmp_path: Path) -> None:
    """By path and by parameter; none is 422, an unknown one 400 or 404; edu2 needs no menu."""
    db = make_db(tmp_path / "final.db", {"team": [TEAM], "deal": [open_deal("d1", "김가상")]})
    app = app_over(db)
    by_path = await answer(app, "/api/deal-check/edu1")
    assert await answer(app, "/api/deal-check", team="edu1") == by_path
    assert (await answer(app, "/api/deal-check/edu2"))["meta"]["warnings"] == ["team_not_found"]
    assert [team["key"] for team in (await answer(app, "/api/meta"))["teams"]] == ["edu1"]
    async with asking(app) as client:
        codes = [
            (await client.get(f"/api/deal-check{rest}")).status_code
            for rest in ("", "?team=x", "/x")
        ]
    assert codes == [422, 400, 404]


async def test_statuses_are_configured(tmp_path: Path) -> None:
    """Another workspace calls its open and won deals otherwise."""
    deals = [
        open_deal("d1", "김가상", 상태="In progress"),
        open_deal("d2", "김가상"),
        won("w1", 5, "2025-02-01", 상태="성사"),
    ]
    db = make_db(tmp_path / "final.db", {"deal": deals, "team": [TEAM]})
    app = app_over(db, DashboardConfig(statuses=Statuses(won="성사", open=("In progress",))))
    items = (await answer(app, "/api/deal-check/edu1"))["items"]
    assert [(item["dealId"], item["isRetention"]) for item in items] == [("d1", True)]


@pytest.mark.parametrize(
    ("captured", "base_year", "is_kept", "years"),
    [
        ("2026-01-01T00:00:00+09:00", None, True, [2025, 2026]),
        ("2026-03-31T23:00:00+09:00", None, True, [2025, 2026]),
        ("2026-04-01T00:00:00+09:00", None, False, [2026]),
        ("2026-01-01T00:00:00+09:00", 2025, True, [2025]),
        ("2026-01-01T00:00:00+09:00", 2024, False, [2024]),
    ],
)
async def test_retention_does_not_empty_on_new_year_s_day(
    tmp_path: Path, captured: str, base_year: int | None, is_kept: bool, years: list[int]
) -> None:
    """In the first three months those who bought the year before are customers too."""
    records = {
        "organization": [organization("o1")],
        "team": [TEAM],
        "deal": [open_deal("d1", "김가상"), won("w1", 5, "2025-12-31")],
    }
    db = make_db(tmp_path / "final.db", records, captured_at=captured)
    asked = {"base_year": base_year} if base_year else {}
    found = await answer(app_over(db), "/api/deal-check/edu1", **asked)
    assert [item["isRetention"] for item in found["items"]] == [is_kept]
    assert found["retention_years"] == years
