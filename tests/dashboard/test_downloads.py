"""What the page shows, as files: all rows of it, and safe to open."""

from __future__ import annotations

import csv
import io
from pathlib import Path

import openpyxl
import pytest

from salesmap_async.dashboard.downloads.tables import DOWNLOADS
from salesmap_async.dashboard.web.access import Access
from salesmap_async.settings import Secret
from tests.dashboard.test_deals import RECORDS, deal
from tests.support.dashboard_db import app_over, asking, make_db

EVERY_LIST = [
    (download.pattern.replace("[^/]+", "o1").replace("(orgs|people|deals)", "orgs"), listed)
    for download in DOWNLOADS
    for listed in download.titles
]


@pytest.fixture
def db(tmp_path: Path) -> Path:
    """More organizations and deals than a page of the API has."""
    more = [{"id": f"x{n}", "이름": f"=1+{n}"} for n in range(600)]
    people = [{"id": f"y{n}", "이름": "@SUM(1)", "organizationId": f"x{n}"} for n in range(600)]
    return make_db(
        tmp_path / "final.db",
        {
            **RECORDS,
            "organization": [*RECORDS["organization"], *more],
            "people": [*RECORDS["people"], *people],
            "deal": [*RECORDS["deal"], deal(8, 이름="=cmd|' /C calc'!A0")],
        },
    )


async def lines_of(db: Path, address: str) -> list[list[str]]:
    async with asking(app_over(db)) as client:
        answer = await client.get(f"/download/csv/{address}")
    assert answer.status_code == 200, answer.text
    assert answer.content.startswith(b"\xef\xbb\xbf")
    return list(csv.reader(io.StringIO(answer.content.decode("utf-8-sig"))))


async def test_all_filtered_rows_are_there(db: Path) -> None:
    """Not the page that is shown; the filters of the list hold."""
    assert len(await lines_of(db, "deals?limit=2&offset=4")) == 9
    assert len(await lines_of(db, "deals?state=won")) == 3
    head, *rows = await lines_of(db, "orgs")
    assert len(rows) == 602
    assert head[-1] == "Won"
    assert dict(zip(head, rows[0], strict=True))["Won"] == "99000000"


async def test_no_text_is_a_formula(db: Path) -> None:
    """Neither in CSV nor in a workbook."""
    for row in [*(await lines_of(db, "deals")), *(await lines_of(db, "orgs"))]:
        assert not any(cell.startswith(("=", "@", "+")) for cell in row)
    async with asking(app_over(db)) as client:
        answer = await client.get("/download/xlsx/deals?sort=name")
    book = openpyxl.load_workbook(io.BytesIO(answer.content))
    (sheet,) = [each for each in book if each.title != "안내"]
    cells = [cell for row in sheet.iter_rows() for cell in row]
    assert all(cell.data_type != "f" for cell in cells)
    assert "=cmd|' /C calc'!A0" in [cell.value for cell in cells]
    assert sheet.max_row == 9


@pytest.mark.parametrize("form", ["csv", "xlsx"])
@pytest.mark.parametrize(("path", "listed"), EVERY_LIST)
async def test_every_table_can_be_had(db: Path, form: str, path: str, listed: str) -> None:
    """Or the answer of the API says why not: a record, a team or a timeline that is not there."""
    query = {"search": "&term=과정", "life": "&table=deal&id=d1"}.get(path, "")
    async with asking(app_over(db)) as client:
        answer = await client.get(f"/download/{form}/{path}?list={listed}{query}")
        asked = await client.get(f"/api/{path}?{query}")
    assert answer.status_code == asked.status_code
    if asked.status_code == 200:
        assert "attachment" in answer.headers["content-disposition"]
        assert answer.headers["cache-control"] == "no-store"
        assert list(Path(db.parent).glob("salesmap_*")) == []


@pytest.mark.parametrize(
    ("address", "code"),
    [
        ("csv/meta", 404), ("csv/none", 404), ("csv/deals?list=sums", 404), ("pdf/deals", 422),
        ("csv/deals?state=x", 422), ("csv/orgs/none/people", 404), ("csv/../openapi.json", 404),
    ],
)  # fmt: skip
async def test_what_is_no_table_is_refused(db: Path, address: str, code: int) -> None:
    """With the answer that the API gives."""
    async with asking(app_over(db)) as client:
        assert (await client.get(f"/download/{address}")).status_code == code


async def test_a_file_needs_the_proof_that_its_answer_needs(db: Path) -> None:
    """The token of the visitor goes with the question from inside."""
    access = Access(token=Secret("a-token-of-these-tests"))
    async with asking(app_over(db, access=access)) as client:
        assert (await client.get("/download/csv/deals")).status_code == 401
        proof = {"Authorization": "Bearer a-token-of-these-tests"}
        assert (await client.get("/download/csv/deals", headers=proof)).status_code == 200
