"""A snapshot that lacks something: which answers stop, and that none is silently wrong."""

from __future__ import annotations

from pathlib import Path

import pytest

from salesmap_async.dashboard.data.caveats import DECIDES, DECIDES_DEAL_CHECK
from salesmap_async.dashboard.data.columns import DEFAULT_COLUMNS
from salesmap_async.dashboard.data.config import DashboardConfig
from salesmap_async.sqlite_file import column_types, opened, quoted
from tests.support.dashboard_db import VECTOR, Records, answer, app_over, asking, change, make_db

FULL: Records = {
    **VECTOR,
    "memo": [{"id": "m1", "organizationId": "o1", "dealId": "d1", "peopleId": "p1"}],
    "team": [{"id": "t1", "name": "교육 1팀", "teammateList": ["김가상"]}],
    "webform_history": [{"id": "h1", "peopleId": "p1", "webFormId": "w1", "createdAt": "x"}],
}

READ: dict[str, tuple[str, ...]] = {
    # The contract's section 6: what each endpoint reads, so that its lack must be said.
    "/api/sizes": ("organization.기업 규모",),
    "/api/orgs": (
        "organization.이름", "organization.기업 규모", "organization.팀", "organization.담당자",
        "people.organizationId", "deal.organizationId", "deal.상태", "deal.금액",
        "deal.계약 체결일",
    ),
    "/api/orgs/o1": (
        "organization.이름", "organization.기업 규모", "organization.팀", "organization.담당자",
    ),
    "/api/orgs/o1/people": (
        "people.organizationId", "people.이름", "people.소속 상위 조직",
        "people.팀(명함/메일서명)", "people.직급(명함/메일서명)", "people.담당 교육 영역",
        "people.이메일", "people.전화", "people.제출된 웹폼 목록", "deal.peopleId",
        "webform_history.peopleId", "webform_history.webFormId", "webform_history.createdAt",
    ),
    "/api/people/p1/deals": (
        "deal.peopleId", "deal.organizationId", "deal.이름", "deal.상태", "deal.금액",
        "deal.예상 체결액", "deal.계약 체결일", "deal.담당자", "deal.생성 날짜",
    ),
    "/api/orgs/o1/memos": (
        "memo.organizationId", "memo.peopleId", "memo.dealId", "memo.text", "memo.ownerId",
        "memo.createdAt", "memo.updatedAt",
    ),
    "/api/people/p1/memos": ("memo.peopleId", "memo.dealId", "memo.text", "memo.createdAt"),
    "/api/deals/d1/memos": ("memo.dealId", "memo.text", "memo.createdAt"),
    "/api/orgs/o1/won-summary": (
        "deal.organizationId", "deal.peopleId", "deal.상태", "deal.계약 체결일", "deal.금액",
        "deal.담당자", "people.organizationId", "people.소속 상위 조직", "people.이름",
    ),
    "/api/orgs/o1/won-groups-json": (
        "organization.업종", "organization.업종 구분(대)", "organization.업종 구분(중)",
        "people.organizationId", "people.소속 상위 조직", "people.팀(명함/메일서명)",
        "deal.peopleId", "deal.organizationId", "deal.상태", "deal.금액", "deal.계약 체결일",
        "deal.과정포맷", "deal.카테고리", "deal.Net(%)", "deal.수강시작일", "deal.LOST 확정일",
        "memo.text", "memo.createdAt", "memo.dealId", "memo.peopleId", "memo.organizationId",
    ),
    "/api/orgs/o1/statepath": (
        "organization.이름", "people.organizationId", "people.소속 상위 조직", "deal.peopleId",
        "deal.organizationId", "deal.상태", "deal.계약 체결일", "deal.금액", "deal.과정포맷",
    ),
    "/api/deal-check/edu1": (
        "deal.이름", "deal.담당자", "deal.생성 날짜", "deal.과정포맷", "deal.성사 가능성",
        "deal.수주 예정일", "deal.예상 체결액", "deal.상태", "deal.금액", "deal.계약 체결일",
        "people.이름", "people.소속 상위 조직", "people.팀(명함/메일서명)", "organization.이름",
        "memo.dealId",
    ),
    "/api/pipeline": (
        "deal.상태", "deal.계약 체결일", "deal.금액", "deal.예상 체결액", "organization.기업 규모",
    ),
}  # fmt: skip
EVERY_LACK = [(path, column) for path, columns in READ.items() for column in columns]
EMPTY_LISTS = {
    "/api/sizes": {"sizes": []},
    "/api/orgs": {"items": [], "years": [2023, 2024, 2025]},
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


@pytest.mark.parametrize("path", READ)
async def test_the_full_snapshot_is_answered(tmp_path: Path, path: str) -> None:
    """What follows is about what is taken away, not about a DB that never worked."""
    assert await answer(app_over(full_db(tmp_path)), path)


@pytest.mark.parametrize(("path", "column"), EVERY_LACK)
async def test_a_missing_column_is_named(tmp_path: Path, path: str, column: str) -> None:
    """503 with the column, never an answer that took its name for its value."""
    db = full_db(tmp_path)
    without(db, column)
    async with asking(app_over(db)) as client:
        response = await client.get(path)
    assert response.status_code == 503
    assert response.json() == {"detail": {"missing": [column]}}


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


async def test_all_missing_columns_are_named_at_once(tmp_path: Path) -> None:
    """One answer is enough to know what to mend."""
    db = full_db(tmp_path)
    without(db, "deal.금액")
    change(db, 'ALTER TABLE deal RENAME COLUMN "과정포맷" TO "gone too"')
    async with asking(app_over(db)) as client:
        response = await client.get("/api/orgs/o1/statepath")
    assert response.json() == {"detail": {"missing": ["deal.과정포맷", "deal.금액"]}}


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


@pytest.mark.parametrize("name", DECIDES)
async def test_leaving_out_what_decides_figures_is_a_warning(tmp_path: Path, name: str) -> None:
    """No such field in the workspace: the answers are there, and the page says what they lack."""
    table, _, meaning = name.partition(".")
    columns = {each: dict(meanings) for each, meanings in DEFAULT_COLUMNS.items()}
    columns[table][meaning] = ""
    app = app_over(full_db(tmp_path), DashboardConfig(columns=columns))
    (warning,) = (await answer(app, "/api/meta"))["warnings"]
    assert warning.startswith(f"{name}: ")
    assert DECIDES[name] in warning
    of_deal_check = (await answer(app, "/api/deal-check/edu1"))["meta"]["warnings"]
    assert of_deal_check == ([warning] if name in DECIDES_DEAL_CHECK else [])


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
        codes = {path: (await client.get(path)).status_code for path in (*READ, "/api/tables")}
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
