"""StatePath's engine: the contract's vector, grades, events, seeds, targets, counterparties."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from salesmap_async.dashboard.data.config import LANE_KEYWORDS, DashboardConfig
from salesmap_async.dashboard.sales.models import StatePath
from salesmap_async.dashboard.sales.statepath import (
    PLAYS,
    WonDeal,
    bucket_of_company,
    bucket_of_rail,
    lane_of,
    statepath,
)
from salesmap_async.dashboard.sales.statepath_input import statepath_of
from tests.support.dashboard_db import VECTOR, make_db, snapshot_of

EOK = 100_000_000


def deal(
    amount_krw: int, upper_org: str = "생산본부", *, year: int = 2025, online: bool = False
) -> WonDeal:
    return WonDeal(
        year=year,
        amount_krw=amount_krw,
        upper_org=upper_org,
        is_online=online,
        of_known_person=True,
    )


def path_of(*deals: WonDeal) -> dict[str, Any]:
    return as_read(statepath("가상전자", deals, base_year=2025, lane_keywords=LANE_KEYWORDS))


def as_read(item: StatePath) -> dict[str, Any]:
    """Return an item with its keys named after years, as a reader of the JSON has it."""
    return {**item}


def ranks(item: dict[str, Any]) -> dict[str, str]:
    found = item["ops_reco"]["target_counterparties"]
    return {each["rank"]: each["upper_org"] for each in found}


@pytest.fixture
def vector(tmp_path: Path) -> dict[str, Any]:
    """The item of the contract's vector, read from a DB."""
    with snapshot_of(make_db(tmp_path / "final.db", VECTOR)) as snapshot:
        item = statepath_of(snapshot, "o1", base_year=2025, config=DashboardConfig())
        assert item is not None
        return as_read(item)


def test_the_vectors_years_are_those_of_the_contract(vector: dict[str, Any]) -> None:
    """Totals, cells and grades of both years, to the last digit."""
    before, now = vector["year_states"]["2024"], vector["year_states"]["2025"]
    assert (before["total_eok"], before["bucket"]) == (0.48, "P3")
    assert before["cells"]["HRD_OFFLINE"] == {"amt_eok": 0.4, "bucket": "P2"}
    assert before["cells"]["BU_OFFLINE"] == {"amt_eok": 0.08, "bucket": "P4"}
    assert (now["total_eok"], now["bucket"]) == (2.49001, "P0")
    assert now["cells"] == {
        "HRD_ONLINE": {"amt_eok": 1.5, "bucket": "P0"},
        "HRD_OFFLINE": {"amt_eok": 0.0, "bucket": "Ø"},
        "BU_ONLINE": {"amt_eok": 0.0, "bucket": "Ø"},
        "BU_OFFLINE": {"amt_eok": 0.99001, "bucket": "P1"},
    }
    assert (now["online_eok"], now["offline_eok"]) == (1.5, 0.99001)
    assert (now["hrd_eok"], now["bu_eok"]) == (1.5, 0.99001)


def test_the_vectors_path_is_that_of_the_contract(vector: dict[str, Any]) -> None:
    """Six events in their order; the lanes bought before, so there is no seed."""
    path = vector["path_2024_to_2025"]
    assert (path["from_state_code"], path["to_state_code"], path["seed"]) == ("P3", "P0", "NONE")
    assert path["events"] == [
        {"type": "OPEN", "cell": "HRD_ONLINE", "from": "Ø", "to": "P0"},
        {"type": "CLOSE", "cell": "HRD_OFFLINE", "from": "P2", "to": "Ø"},
        {"type": "SCALE_UP", "cell": "BU_OFFLINE", "from": "P4", "to": "P1"},
        {"type": "COMPANY_SCALE_CHANGE", "from": "P3", "to": "P0"},
        {"type": "RAIL_SCALE_CHANGE", "rail": "ONLINE", "from": "Ø", "to": "P0"},
        {"type": "RAIL_SCALE_CHANGE", "rail": "OFFLINE", "from": "P2", "to": "P1"},
    ]


def test_the_vectors_recommendations_are_those_of_the_contract(vector: dict[str, Any]) -> None:
    """Objective, target, counterparties, plays, and the deals that nobody is known for."""
    reco = vector["ops_reco"]
    assert (reco["next_objective_type"], reco["next_target_cell"]) == ("RETENTION", "BU_ONLINE")
    assert ranks(vector) == {"A": "인재개발원", "B": "미입력", "C": "생산본부"}
    assert [play["type"] for play in reco["action_play_top3"]] == ["OPEN", "CLOSE", "SCALE_UP"]
    assert all(play["text"] == PLAYS[play["type"]] for play in reco["action_play_top3"])
    assert vector["qa"] == {
        "flags": [],
        "checks": {"y2024_ok": True, "y2025_ok": True},
        "no_person": {"deals": 2, "amount_krw": 99_001_000},
    }
    first = reco["target_counterparties"][0]
    assert first == {
        "rank": "A",
        "group_id": "인재개발원",
        "upper_org": "인재개발원",
        "lane": "HRD",
        "amt_2024_eok": 0.4,
        "amt_2025_eok": 1.5,
        "online_2025_eok": 1.5,
        "offline_2025_eok": 0.0,
    }


@pytest.mark.parametrize(
    ("bound_krw", "grade", "below"),
    [
        (1, "P5", "Ø"),
        (10_000_000, "P4", "P5"),
        (25_000_000, "P3", "P4"),
        (50_000_000, "P2", "P3"),
        (100_000_000, "P1", "P2"),
        (200_000_000, "P0", "P1"),
        (1_000_000_000, "S0", "P0"),
    ],
)
def test_a_companys_grade_begins_at_its_bound(bound_krw: int, grade: str, below: str) -> None:
    """One won less is the grade below; cells and rails have half the bounds."""
    assert (bucket_of_company(bound_krw), bucket_of_company(bound_krw - 1)) == (grade, below)
    half = max(1, bound_krw // 2)
    assert (bucket_of_rail(half), bucket_of_rail(half - 1)) == (grade, below)


def test_a_negative_sum_is_nothing() -> None:
    """Refunds beyond the sales have the grade of no sales."""
    assert bucket_of_company(-1) == bucket_of_rail(-5 * EOK) == "Ø"


@given(st.lists(st.integers(0, 4_000_000), min_size=1, max_size=30))
def test_parts_of_an_exact_bound_reach_it(parts: list[int]) -> None:
    """However a sum of exactly 0.1억 is split, it is graded as one amount."""
    parts.append(max(0, 10_000_000 - sum(parts)))
    item = path_of(*map(deal, parts))
    assert item["year_states"]["2025"]["bucket"] == bucket_of_company(sum(parts))


@pytest.mark.parametrize(
    ("upper_org", "lane"),
    [
        ("인재개발원", "HRD"),
        ("hrd center", "HRD"),
        ("L&D팀", "HRD"),
        ("Human Capital", "HRD"),
        ("THROUGHPUT센터", "HRD"),
        ("CHOICE사업부", "HRD"),
        ("생산본부", "BU"),
        ("미입력", "BU"),
    ],
)
def test_a_lane_is_told_by_a_part_of_the_name(upper_org: str, lane: str) -> None:
    """The keywords are looked for in any case of letters, also inside other words."""
    assert lane_of(upper_org, LANE_KEYWORDS) == lane


@pytest.mark.parametrize(
    ("deals", "seed"),
    [
        ([deal(1, "인사팀", year=2024), deal(1, "생산본부")], "H→B"),
        ([deal(1, "생산본부", year=2024), deal(1, "인사팀")], "B→H"),
        ([deal(1, "인사팀"), deal(1, "생산본부")], "SIMUL"),
        ([deal(1, "인사팀")], "NONE"),
        ([deal(1, "인사팀", year=2024), deal(1, "인사팀")], "NONE"),
        ([deal(-1, "생산본부", year=2024), deal(1, "인사팀", year=2024), deal(1)], "H→B"),
        ([], "NONE"),
    ],
)
def test_the_seed_names_the_lane_that_bought_first(deals: list[WonDeal], seed: str) -> None:
    """First match of the contract's three; a negative year counts as nothing."""
    assert path_of(*deals)["path_2024_to_2025"]["seed"] == seed


def test_events_name_each_kind_of_change() -> None:
    """Open, close, up and down, cell by cell in their order; the total stays in its grade."""
    item = path_of(
        deal(EOK, "인사팀", year=2024, online=True),
        deal(6_000_000, "인사팀", year=2024),
        deal(60_000_000, "인사팀"),
        deal(EOK, "생산본부", online=True),
        deal(6_000_000, "생산본부", year=2024),
        deal(1, "생산본부"),
    )
    kinds = [(event["type"], event.get("cell")) for event in item["path_2024_to_2025"]["events"]]
    assert kinds[:4] == [
        ("CLOSE", "HRD_ONLINE"),
        ("SCALE_UP", "HRD_OFFLINE"),
        ("OPEN", "BU_ONLINE"),
        ("SCALE_DOWN", "BU_OFFLINE"),
    ]
    assert [kind for kind, _ in kinds[4:]] == ["RAIL_SCALE_CHANGE"]


def test_nothing_bought_is_said() -> None:
    """Zeros, the flag, no counterparties, no plays, an open cell to aim at."""
    item = path_of()
    assert item["qa"]["flags"] == ["no_won_amount"]
    assert item["ops_reco"] == {
        "next_objective_type": "OPEN",
        "next_target_cell": "BU_OFFLINE",
        "target_counterparties": [],
        "action_play_top3": [],
    }
    assert item["path_2024_to_2025"]["events"] == []


def test_the_objective_is_to_grow_where_every_cell_is_taken() -> None:
    """Nothing lost and nothing empty: scale up; the poorest cell of the lowest grade is the aim."""
    full = [
        deal(amount, upper_org, year=year, online=online)
        for year in (2024, 2025)
        for upper_org, online, amount in (
            ("인사팀", True, 3 * EOK),
            ("인사팀", False, 2 * EOK),
            ("생산본부", True, 4 * EOK),
            ("생산본부", False, 4_000_000),
        )
    ]
    reco = path_of(*full)["ops_reco"]
    assert (reco["next_objective_type"], reco["next_target_cell"]) == ("SCALE_UP", "BU_OFFLINE")


def test_every_cell_beyond_all_scores_falls_back_to_the_name() -> None:
    """Where grades and amounts give every cell the same score, the first name wins."""
    cells = (("인사팀", True), ("인사팀", False), ("생산본부", True), ("생산본부", False))
    item = path_of(*(deal(9 * EOK, upper_org, online=online) for upper_org, online in cells))
    assert item["ops_reco"]["next_target_cell"] == "BU_OFFLINE"


def test_counterparties_are_three_even_where_one_buys() -> None:
    """A stands in for whom there is not."""
    assert ranks(path_of(deal(EOK))) == {"A": "생산본부", "B": "생산본부", "C": "생산본부"}


def test_b_buys_the_other_rail_in_the_target_lane() -> None:
    """The target is BU_ONLINE: of those in BU, the first with offline money, not the first."""
    item = path_of(
        deal(9 * EOK, "인사팀"),
        deal(8 * EOK, "인사팀", online=True),
        deal(2 * EOK, "연구소", year=2024),
        deal(1 * EOK, "영업본부"),
    )
    assert item["ops_reco"]["next_target_cell"] == "BU_ONLINE"
    assert ranks(item) == {"A": "인사팀", "B": "영업본부", "C": "연구소"}


def test_c_is_new_this_year() -> None:
    """The first unused one that bought nothing the year before, however far down."""
    item = path_of(
        deal(9 * EOK, "인사팀"),
        *(deal(amount * EOK, name, year=year) for year in (2024, 2025)
          for amount, name in ((5, "연구소"), (4, "영업본부"), (3, "생산본부"))),
        deal(1 * EOK, "디지털전환실"),
    )  # fmt: skip
    assert ranks(item) == {"A": "인사팀", "B": "연구소", "C": "디지털전환실"}


def test_only_the_two_years_count() -> None:
    """Deals of other years change nothing, whoever bought them."""
    other = [deal(7 * EOK, "연구소", year=2023), deal(7 * EOK, "연구소", year=2026)]
    assert path_of(deal(EOK), *other) == path_of(deal(EOK))


def test_keys_follow_the_base_year() -> None:
    """With another base year the same deals stand under other names."""
    item = as_read(statepath(None, [deal(EOK)], base_year=2026, lane_keywords=()))
    assert list(item["year_states"]) == ["2025", "2026"]
    assert item["path_2025_to_2026"]["from_state_code"] == "P1"
    assert "amt_2025_eok" in item["ops_reco"]["target_counterparties"][0]
