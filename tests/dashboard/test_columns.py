"""A snapshot that lacks something: which answers stop, and that none is silently wrong."""

from __future__ import annotations

import asyncio
import unicodedata
from pathlib import Path
from typing import Any

import pytest

from salesmap_async.dashboard.data.caveats import LEFT_OUT
from salesmap_async.dashboard.data.columns import DEFAULT_COLUMNS
from salesmap_async.dashboard.data.config import DashboardConfig
from salesmap_async.dashboard.data.config_file import load_config
from salesmap_async.sqlite_file import column_types, opened, quoted
from tests.support.dashboard_db import VECTOR, Records, answer, app_over, asking, change, make_db

FULL: Records = {
    **VECTOR,
    "memo": [{"id": "m1", "organizationId": "o1", "dealId": "d1", "peopleId": "p1"}],
    "team": [{"id": "t1", "name": "교육 1팀", "teammateList": ["김가상"]}],
    "webform_history": [{"id": "h1", "peopleId": "p1", "webFormId": "w1", "createdAt": "x"}],
}

PATHS = (
    "/api/meta",
    "/api/sizes",
    "/api/orgs",
    "/api/orgs/o1",
    "/api/orgs/o1/people",
    "/api/people/p1/deals",
    "/api/people/p1/webforms",
    "/api/orgs/o1/memos",
    "/api/people/p1/memos",
    "/api/deals/d1/memos",
    "/api/orgs/o1/won-summary",
    "/api/orgs/o1/won-groups-json",
    "/api/orgs/o1/won-groups-json-compact",
    "/api/deals",
    "/api/deal-owners",
    "/api/deal-choices",
    "/api/orgs/o1/statepath",
    "/api/deal-check/edu1",
    "/api/pipeline",
)
MAPPED = [
    f"{table}.{field}" for table, meanings in DEFAULT_COLUMNS.items() for field in meanings.values()
]
LINKS = (
    "people.organizationId", "deal.organizationId", "deal.peopleId", "memo.organizationId",
    "memo.peopleId", "memo.dealId", "webform_history.peopleId", "webform_history.webFormId",
    "webform_history.createdAt",
)  # fmt: skip
DECIDED: dict[str, dict[str, set[str]]] = {
    # Which figures of which answer say that they lack a field; all other answers say nothing.
    "organization.기업 규모": {"/api/sizes": {"sizes"}, "/api/pipeline": {"win_rates"}},
    "people.소속 상위 조직": {
        "/api/orgs/o1/won-summary": {"upper_orgs"},
        "/api/orgs/o1/won-groups-json": {"upper_orgs"},
        "/api/orgs/o1/won-groups-json-compact": {"upper_orgs"},
        "/api/orgs/o1/statepath": {"statepath"},
    },
    "deal.상태": {
        "/api/orgs": {"won_of_organization"},
        "/api/orgs/o1/won-summary": {"won_deals", "won_amount"},
        "/api/orgs/o1/won-groups-json": {"won_deals"},
        "/api/orgs/o1/won-groups-json-compact": {"won_deals", "won_amount"},
        "/api/deals": {"open_deals", "won_total", "overdue"},
        "/api/deal-owners": {"open_deals", "won_amount", "overdue"},
        "/api/orgs/o1/statepath": {"statepath"},
        "/api/deal-check/edu1": {"team_deals", "retention"},
        "/api/pipeline": {"won_count", "won_amount", "open_deals", "win_rates"},
    },
    "deal.계약 체결일": {
        "/api/orgs": {"won_of_organization"},
        "/api/orgs/o1/won-summary": {"won_deals", "won_amount"},
        "/api/orgs/o1/won-groups-json": {"won_deals"},
        "/api/orgs/o1/won-groups-json-compact": {"won_deals", "won_amount"},
        "/api/deal-owners": {"won_amount"},
        "/api/orgs/o1/statepath": {"statepath"},
        "/api/deal-check/edu1": {"retention"},
        "/api/pipeline": {"won_count", "won_amount"},
    },
    "deal.금액": {
        "/api/orgs": {"won_of_organization"},
        "/api/orgs/o1/won-summary": {"won_amount"},
        "/api/orgs/o1/won-groups-json-compact": {"won_amount"},
        "/api/deals": {"won_total"},
        "/api/deal-owners": {"won_amount"},
        "/api/orgs/o1/statepath": {"statepath"},
        "/api/deal-check/edu1": {"retention"},
        "/api/pipeline": {"won_amount"},
    },
    "deal.과정포맷": {
        "/api/orgs/o1/statepath": {"statepath"},
        "/api/orgs/o1/won-groups-json-compact": {"rails"},
    },
    "deal.담당자": {
        "/api/deal-check/edu1": {"team_deals"},
        "/api/deals": {"owners"},
        "/api/deal-owners": {"owners"},
    },
    "deal.수주 예정일": {"/api/deals": {"overdue"}, "/api/deal-owners": {"overdue"}},
    "memo.text": {
        "/api/orgs/o1/memos": {"memos"},
        "/api/people/p1/memos": {"memos"},
        "/api/deals/d1/memos": {"memos"},
    },
}  # fmt: skip
BLANKS: tuple[Any, ...] = (None, "-", "", [], "미매핑", "미입력", 0, "o1", "x")
"""How a field that is not there is shown; an organization without a name is shown by its id."""

EMPTY_LISTS = {
    "/api/sizes": {"sizes": []},
    "/api/orgs": {"items": [], "won": {}, "years": [2023, 2024, 2025]},
}


def full_db(folder: Path) -> Path:
    db = make_db(folder / "final.db", FULL)
    change(db, "UPDATE people SET \"제출된 웹폼 목록\" = '[]'")
    return db


def column_names(db: Path, table: str) -> list[str]:
    with opened(db, "ro") as connection:
        return [name for name, _ in column_types(connection, table)]


def without(db: Path, column: str) -> None:
    """Take a column away, under another name it is there no more."""
    table, _, name = column.partition(".")
    change(db, f'ALTER TABLE "{table}" RENAME COLUMN "{name}" TO "gone"')


@pytest.mark.parametrize("path", PATHS)
async def test_the_full_snapshot_lacks_nothing(tmp_path: Path, path: str) -> None:
    """What follows is about what is taken away, not about a DB that never worked."""
    assert "lacking" not in await answer(app_over(full_db(tmp_path)), path)


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What each path answers while nothing is missing."""
    app = app_over(full_db(tmp_path_factory.mktemp("whole")))

    async def ask_all() -> dict[str, Any]:
        return {path: await answer(app, path) for path in PATHS}

    return asyncio.run(ask_all())


@pytest.mark.parametrize("column", MAPPED)
async def test_a_missing_column_stops_the_figures_that_it_decides(
    tmp_path: Path, column: str, whole: dict[str, Any]
) -> None:
    """No answer fails; each figure that needs the field says so, with the key; no other does.

    A field that is only shown becomes null; every other value stays as it was.
    """
    db = full_db(tmp_path)
    if column.partition(".")[2] in column_names(db, column.partition(".")[0]):
        without(db, column)
    app = app_over(db)
    said: dict[str, set[str]] = {}
    for path in PATHS:
        found = await answer(app, path)
        for lack in found.pop("lacking", []):
            said.setdefault(path, set()).add(lack["figure"])
            assert column in [field["column"] for field in lack["fields"]]
            assert all(field["key"].startswith("columns.") for field in lack["fields"])
            assert column in lack["text"]
        if column not in DECIDED and path != "/api/meta":
            assert differences(whole[path], found) == [], path
    assert said == DECIDED.get(column, {})


def differences(before: Any, after: Any) -> list[Any]:
    """Return what was another value before and is not just blank now."""
    if isinstance(before, dict) and isinstance(after, dict):
        assert before.keys() == after.keys()
        return [each for key in before for each in differences(before[key], after[key])]
    if isinstance(before, list) and isinstance(after, list) and len(before) == len(after):
        pairs = zip(before, after, strict=True)
        return [each for pair in pairs for each in differences(*pair)]
    return [] if before == after or after in BLANKS else [(before, after)]


@pytest.mark.parametrize("column", LINKS)
async def test_a_missing_link_breaks_no_answer(tmp_path: Path, column: str) -> None:
    """A workspace in which nothing was ever linked has no such column."""
    db = full_db(tmp_path)
    without(db, column)
    app = app_over(db)
    for path in PATHS:
        assert await answer(app, path)


@pytest.mark.parametrize("table", ["organization", "people", "deal", "memo"])
async def test_a_missing_table_is_named(tmp_path: Path, table: str) -> None:
    """Each of the four that must be there."""
    db = full_db(tmp_path)
    change(db, f'DROP TABLE "{table}"')
    async with asking(app_over(db)) as client:
        for path in ("/api/orgs/o1/won-groups-json", "/api/deal-check/edu1"):
            response = await client.get(path)
            assert (response.status_code, response.json()) == (
                503,
                {"detail": {"missing": [table]}},
            )


async def test_all_missing_fields_of_a_figure_are_named_at_once(tmp_path: Path) -> None:
    """One answer is enough to know what to mend."""
    db = full_db(tmp_path)
    without(db, "deal.금액")
    change(db, 'ALTER TABLE deal RENAME COLUMN "과정포맷" TO "gone too"')
    (lack,) = (await answer(app_over(db), "/api/orgs/o1/statepath"))["lacking"]
    assert [field["key"] for field in lack["fields"]] == [
        "columns.deal.amount",
        "columns.deal.course_format",
    ]


async def test_an_open_deal_is_worth_its_amount_where_nothing_is_expected(tmp_path: Path) -> None:
    """A workspace without that field has one amount, of open and of won deals."""
    db = full_db(tmp_path)
    change(db, 'UPDATE deal SET "상태" = \'SQL\', "금액" = 7')
    without(db, "deal.예상 체결액")
    figures = await answer(app_over(db), "/api/pipeline")
    assert {each["amount"] / each["count"] for each in figures["open_by_stage"]} == {7}
    assert "lacking" not in figures


async def test_a_block_for_the_configuration_can_be_pasted(tmp_path: Path) -> None:
    """It names the columns that are there instead; with it nothing is missing any more."""
    db = full_db(tmp_path)
    renamed = {
        "deal.계약 체결일": "계약체결일",
        "deal.금액": "딜 금액(원)",
        "deal.담당자": unicodedata.normalize("NFD", "담당자"),
        "people.이름": "고객 이름",
        "organization.기업 규모": "기업규모 ",
    }
    for column, new in renamed.items():
        table, _, name = column.partition(".")
        change(db, f'ALTER TABLE "{table}" RENAME COLUMN "{name}" TO "{new}"')
    about = await answer(app_over(db), "/api/meta")
    assert {each["column"]: each["guess"] for each in about["missing"]} == renamed
    given = tmp_path / "dashboard.toml"
    given.write_text(about["missing_toml"], encoding="utf-8")
    mended = await answer(app_over(db, load_config(given)), "/api/meta")
    assert (mended["missing"], mended["missing_toml"], mended["warnings"]) == ([], "", [])


async def test_nothing_is_guessed_where_nothing_fits(tmp_path: Path) -> None:
    """A date is no amount; what has no guess is a comment, so that the block can be pasted."""
    db = full_db(tmp_path)
    change(
        db,
        'ALTER TABLE deal RENAME COLUMN "금액" TO "금액 입력일"',
        "UPDATE deal SET \"금액 입력일\" = '2025-01-01T00:00:00.000Z'",
    )
    about = await answer(app_over(db), "/api/meta")
    assert about["missing"] == [
        {"column": "deal.금액", "key": "columns.deal.amount", "guess": None}
    ]
    given = tmp_path / "dashboard.toml"
    given.write_text(about["missing_toml"], encoding="utf-8")
    assert load_config(given) == DashboardConfig()


async def test_tables_without_rows_answer_empty(tmp_path: Path) -> None:
    """Whatever columns they lack: a workspace may have no deals yet."""
    app = app_over(make_db(tmp_path / "final.db", {}))
    for path, expected in EMPTY_LISTS.items():
        assert await answer(app, path) == expected
    assert (await answer(app, "/api/deal-check/edu1"))["items"] == []
    assert (await answer(app, "/api/pipeline"))["open_by_stage"] == []
    async with asking(app) as client:
        assert (await client.get("/api/orgs/o1/statepath")).status_code == 404


async def test_submissions_may_be_absent_as_a_table(tmp_path: Path) -> None:
    """Then their dates are unknown, and nothing else changes."""
    db = make_db(
        tmp_path / "final.db",
        {
            "organization": FULL["organization"],
            "people": [
                {"id": "p1", "organizationId": "o1",
                 "제출된 웹폼 목록": [{"id": "w1", "name": "문의"}]},
            ],
        },
    )  # fmt: skip
    change(db, "DROP TABLE webform_history")
    (someone,) = (await answer(app_over(db), "/api/orgs/o1/people"))["items"]
    assert someone["webforms"] == [{"name": "문의", "dates": [], "date_label": "날짜 확인 불가"}]


async def test_a_field_may_be_called_otherwise(tmp_path: Path) -> None:
    """The column map of the configuration is obeyed; `''` means that there is no such field."""
    db = full_db(tmp_path)
    without(db, "deal.금액")
    without(db, "people.담당 교육 영역")
    columns = {table: dict(meanings) for table, meanings in DEFAULT_COLUMNS.items()}
    columns["deal"]["amount"] = "gone"
    columns["people"]["edu_area"] = ""
    app = app_over(db, DashboardConfig(columns=columns))
    item = (await answer(app, "/api/orgs/o1/statepath"))["item"]
    assert item["year_states"]["2025"]["total_eok"] == 2.49001
    people = (await answer(app, "/api/orgs/o1/people"))["items"]
    assert [each["edu_area"] for each in people] == [None, None]
    assert (await answer(app, "/api/meta"))["warnings"] == []


@pytest.mark.parametrize("name", LEFT_OUT)
async def test_doing_without_a_field_is_a_warning(tmp_path: Path, name: str) -> None:
    """The configuration says that there is no such field: the figures are there, and so is why."""
    table, _, meaning = name.partition(".")
    columns = {each: dict(meanings) for each, meanings in DEFAULT_COLUMNS.items()}
    columns[table][meaning] = ""
    app = app_over(full_db(tmp_path), DashboardConfig(columns=columns))
    (warning,) = (await answer(app, "/api/meta"))["warnings"]
    assert warning.startswith(f"{name}: ")
    assert LEFT_OUT[name] in warning
    assert (await answer(app, "/api/orgs/o1/statepath"))["item"]["year_states"]


async def test_an_amount_left_out_is_never_a_zero(tmp_path: Path) -> None:
    """What the workspace does not know is told as not known."""
    columns = {each: dict(meanings) for each, meanings in DEFAULT_COLUMNS.items()}
    columns["deal"]["amount"] = ""
    app = app_over(full_db(tmp_path), DashboardConfig(columns=columns))
    (line, *_) = (await answer(app, "/api/orgs/o1/won-summary"))["items"]
    assert (line["total"], line["won2025"]) == (None, None)


async def test_a_renamed_field_is_found(tmp_path: Path) -> None:
    """`column_map` says where a key of the CRM went that SQLite could not keep apart."""
    db = full_db(tmp_path)
    without(db, "deal.금액")
    change(db, "INSERT INTO column_map VALUES ('deal', '금액', 'gone')")
    item = (await answer(app_over(db), "/api/orgs/o1/statepath"))["item"]
    assert item["year_states"]["2025"]["total_eok"] == 2.49001


async def test_an_overflowed_field_is_found(tmp_path: Path) -> None:
    """Past 1,900 columns a field stands in the JSON of `_overflow`."""
    db = full_db(tmp_path)
    change(
        db,
        "ALTER TABLE deal ADD COLUMN _overflow TEXT",
        "UPDATE deal SET _overflow = json_object('금액', \"금액\")",
        "INSERT INTO column_map VALUES ('deal', '금액', '_overflow')",
    )
    without(db, "deal.금액")
    item = (await answer(app_over(db), "/api/orgs/o1/statepath"))["item"]
    assert item["year_states"]["2025"]["total_eok"] == 2.49001


async def test_what_is_absent_is_a_warning_of_the_page(tmp_path: Path) -> None:
    """Each mapped field that the snapshot does not have, except the dispensable ones."""
    db = full_db(tmp_path)
    without(db, "deal.카테고리")
    (warning,) = (await answer(app_over(db), "/api/meta"))["warnings"]
    assert "deal.카테고리" in warning


@pytest.mark.parametrize("name", ["deal.상태", "deal.계약 체결일", "deal"])
async def test_the_page_begins_whatever_is_absent(tmp_path: Path, name: str) -> None:
    """Also where what is missing would be needed to count what cannot be read."""
    db = full_db(tmp_path)
    if name == "deal":
        change(db, "DROP TABLE deal")
    else:
        without(db, name)
    warnings = (await answer(app_over(db), "/api/meta"))["warnings"]
    assert any(warning.startswith(f"{name}: ") for warning in warnings)


async def test_blobs_are_answered_as_text(tmp_path: Path) -> None:
    """The collector writes none; whoever did must not make an endpoint fail."""
    db = full_db(tmp_path)
    for table in ("organization", "people", "deal", "memo", "team", "webform_history"):
        names = column_names(db, table)
        change(db, f"UPDATE {table} SET " + ", ".join(
            f"{quoted(name)} = CAST({quoted(name)} AS BLOB)" for name in names))  # fmt: skip
    change(db, "UPDATE deal SET \"이름\" = X'FFFE41'", "UPDATE manifest SET endpoint = X'FF'")
    async with asking(app_over(db)) as client:
        codes = {path: (await client.get(path)).status_code for path in (*PATHS, "/api/tables")}
        listed = (await client.get("/api/orgs")).json()["items"]
    assert set(codes.values()) <= {200, 404}, codes
    assert codes["/api/orgs"] == codes["/api/deal-check/edu1"] == codes["/api/tables"] == 200
    assert {each["name"] for each in listed} == {"가상전자", "다른회사"}


async def test_a_blob_in_a_text_is_decoded(tmp_path: Path) -> None:
    """Bytes that are no text become the sign for that."""
    db = full_db(tmp_path)
    change(db, "UPDATE deal SET \"이름\" = X'41FF'")
    (deal, *_) = (await answer(app_over(db), "/api/people/p1/deals"))["items"]
    assert deal["name"] == "A\ufffd"


async def test_contract_dates_that_cannot_be_read_are_counted(tmp_path: Path) -> None:
    """They belong to no year: the page says how many Won deals are not in the sums."""
    db = full_db(tmp_path)
    change(
        db,
        "UPDATE deal SET \"계약 체결일\" = '언젠가' WHERE id IN ('d1', 'd2')",
        "UPDATE deal SET \"계약 체결일\" = '' WHERE id = 'd3'",
        "UPDATE deal SET \"계약 체결일\" = 'x', \"상태\" = 'Lost' WHERE id = 'd4'",
    )
    (warning,) = (await answer(app_over(db), "/api/meta"))["warnings"]
    assert warning.startswith("deal.계약 체결일: ")
    assert "Won 딜 2건" in warning


async def test_a_sum_that_cannot_be_told_is_no_zero(tmp_path: Path) -> None:
    """Each sum over the deals that lacks its field is null, and its neighbours are not."""
    db = full_db(tmp_path)
    without(db, "deal.상태")
    sums = (await answer(app_over(db), "/api/deals"))["sums"]
    assert {name for name, value in sums.items() if value is None} == {
        "open_count", "open_worth", "won_count", "won_worth", "overdue", "stale",
    }  # fmt: skip
    assert sums["count"] > 0
    (line, *_) = (await answer(app_over(db), "/api/deal-owners"))["items"]
    assert {line[name] for name in ("open_count", "won_count", "overdue", "stale")} == {None}
    change(db, 'ALTER TABLE deal RENAME COLUMN "금액" TO "gone too"')
    found = await answer(app_over(db), "/api/orgs/o1/won-groups-json-compact")
    won = [year for group in found["groups"] for year in group["won"].values()]
    assert {each["total"] for each in won} <= {None}
