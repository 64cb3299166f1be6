"""Each format holds what the DB holds, value by value, or says what it could not hold."""

from __future__ import annotations

import csv
import json
import sqlite3
from collections import Counter
from contextlib import closing
from datetime import datetime
from pathlib import Path
from typing import Any

import openpyxl
import pyarrow.parquet
import pytest

from salesmap_async.errors import UsageError
from salesmap_async.excel_book import MOST_CHARACTERS
from salesmap_async.export.excel import date_of, sheet_name
from salesmap_async.export.export import ExportReport, ExportRequest, Format, export
from salesmap_async.export.parquet import LARGEST_EXACT, OTHERS
from tests.support.export_db import hostile_snapshot, rows_in


@pytest.fixture(scope="module")
def db(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return hostile_snapshot(tmp_path_factory.mktemp("hostile"))


def exported(db: Path, out: Path, format_: Format, **more: Any) -> ExportReport:
    return export(ExportRequest(db_path=db, snapshot=db, format=format_, out=out, **more))


def told(rows: list[Any]) -> Counter[str]:
    """Return rows as texts in which 1 and 1.0 and "1" differ."""
    return Counter(repr(row) for row in rows)


@pytest.mark.parametrize("raw", [False, True])
def test_csv(db: Path, tmp_path: Path, raw: bool) -> None:
    """Every text is read back; one like a formula has a ' before it, unless raw; NULL is empty."""
    report = exported(db, tmp_path / "out", "csv", raw=raw)
    data = (tmp_path / "out" / "deal.csv").read_bytes()
    assert data.startswith(b"\xef\xbb\xbf")
    with (tmp_path / "out" / "deal.csv").open(encoding="utf-8-sig", newline="") as file:
        header, *lines = csv.reader(file)
    expected = rows_in(db, "deal")
    assert [name.removeprefix("'") for name in header] == list(expected[0])
    changed = 0
    for line, row in zip(lines, expected, strict=True):
        for cell, value in zip(line, row.values(), strict=True):
            text = "" if value is None else value if isinstance(value, str) else repr(value)
            changed += cell == f"'{text}"
            assert cell in (text, f"'{text}"), (cell, value)
            if not raw and isinstance(value, str) and value.lstrip()[:1] in ("=", "+", "-", "@"):
                assert cell[:1] == "'"
    assert bool(changed) is not raw
    assert any("like a formula" in line for line in report.losses) is not raw


def test_csv_tells_null_from_an_empty_text(db: Path, tmp_path: Path) -> None:
    """As PostgreSQL's COPY reads it; and without the BOM where that is asked for."""
    exported(db, tmp_path / "out", "csv", bom=False)
    lines = (tmp_path / "out" / "deal.csv").read_bytes().split(b"\r\n")
    place = lines[0].decode().split(",").index("글")
    assert lines[1].decode().split(",")[place] == '""'


def test_jsonl_has_the_values_as_they_came(db: Path, tmp_path: Path) -> None:
    """Objects and lists are such again; a text that only looks like one stays a text."""
    exported(db, tmp_path / "out", "jsonl")
    text = (tmp_path / "out" / "deal.jsonl").read_text(encoding="utf-8")
    lines = [json.loads(line) for line in text.split("\n")[:-1]]
    for line, row in zip(lines, rows_in(db, "deal"), strict=True):
        for name, value in row.items():
            found = line[name]
            if isinstance(found, dict | list):
                assert found == json.loads(value)
            else:
                assert repr(found) == repr(value)
    assert any(isinstance(line["중첩"], list) for line in lines)
    assert any(line["글"] == "[보류] 글" for line in lines)


def test_excel(db: Path, tmp_path: Path) -> None:
    """Texts are texts, never formulas or links; times are Seoul's; what was cut is told."""
    report = exported(db, tmp_path / "out.xlsx", "xlsx")
    book = openpyxl.load_workbook(tmp_path / "out.xlsx")
    assert book.sheetnames[:2] == ["안내", "딜"] or "딜" in book.sheetnames
    sheet = book["딜"]
    header, *lines = sheet.iter_rows()
    names = [cell.value for cell in header]
    assert sheet.freeze_panes == "B2"
    assert sheet.auto_filter.ref
    for line, row in zip(lines, rows_in(db, "deal"), strict=True):
        for cell, name in zip(line, names, strict=True):
            _check_cell(cell, row[str(name)])
    assert any("were cut" in line and "deal.글" in line for line in report.losses)
    cover = {row[0].value for row in book["안내"].iter_rows()}
    assert {"워크스페이스", "읽은 시각", "시각", "담지 못한 것"} <= cover


def _check_cell(cell: Any, value: Any) -> None:
    assert cell.data_type != "f"
    assert cell.hyperlink is None
    if value in (None, ""):
        assert cell.value in (None, "")
    elif isinstance(value, str) and (moment := date_of(value)) is not None:
        assert cell.value == moment
    elif isinstance(value, str):
        found = openpyxl.utils.escape.unescape(str(cell.value)).replace("\r\n", "\n")
        assert found == value[:MOST_CHARACTERS].replace("\r\n", "\n")
    elif isinstance(value, int) and abs(value) >= 10**15:
        assert cell.value == str(value)
    else:
        assert (cell.data_type, cell.value) == ("n", value)


def test_parquet(db: Path, tmp_path: Path) -> None:
    """Numbers are doubles, everything else is text; what a double cannot hold stands beside it."""
    exported(db, tmp_path / "out", "parquet")
    table = pyarrow.parquet.read_table(tmp_path / "out" / "deal.parquet")
    assert {str(field.type) for field in table.schema} == {"double", "string"}
    found = table.to_pylist()
    for line, row in zip(found, rows_in(db, "deal"), strict=True):
        for name, value in row.items():
            beside = line.get(name + OTHERS)
            if value is None:
                assert (line[name], beside) == (None, None)
            elif isinstance(line[name], float):
                assert (line[name], beside) == (value, None)
                assert abs(value) <= LARGEST_EXACT
            else:
                assert (beside or line[name]) == (value if isinstance(value, str) else repr(value))


def test_parquet_names_that_are_too_long(tmp_path: Path) -> None:
    """They are cut at a letter, told apart, and written down."""
    db = tmp_path / "a.db"
    long = "아주 긴 이름의 항목이라서 어떤 창고에도 들어가지 않는 이름 "
    with closing(sqlite3.connect(db)) as connection, connection:
        connection.execute(f'CREATE TABLE deal (id TEXT, "{long}1" TEXT, "{long}2" INTEGER)')
        connection.execute("INSERT INTO deal VALUES ('a', 'b', 3)")
    exported(db, tmp_path / "out", "parquet", max_name_bytes=63)
    names = pyarrow.parquet.read_schema(tmp_path / "out" / "deal.parquet").names
    assert len(set(names)) == 3
    assert max(len((name + OTHERS).encode()) for name in names) <= 63
    renamed = json.loads((tmp_path / "out" / "column_map.json").read_text("utf-8"))
    assert renamed == {"deal": {f"{long}1": names[1], f"{long}2": names[2]}}


def test_singer(db: Path, tmp_path: Path) -> None:
    """A schema, the records that fit it, and a state at the end."""
    exported(db, tmp_path / "out.jsonl", "singer")
    text = (tmp_path / "out.jsonl").read_text(encoding="utf-8")
    messages = [json.loads(line) for line in text.split("\n")[:-1]]
    assert messages[-1] == {
        "type": "STATE", "value": {"run_tag": "t1", "captured_at": "2026-01-02T03:04:05Z"},
    }  # fmt: skip
    schemas = {each["stream"]: each for each in messages if each["type"] == "SCHEMA"}
    assert schemas["people"]["key_properties"] == ["id"]
    assert schemas["deal"]["key_properties"] == []  # one deal has no id
    kinds: dict[str, Any] = {"string": str, "integer": int, "number": (int, float)}
    records = [each for each in messages if each["type"] == "RECORD"]
    for each in records:
        properties = schemas[each["stream"]]["schema"]["properties"]
        for name, value in each["record"].items():
            assert value is None or isinstance(value, kinds[properties[name]["type"][1]])
    deals = [each["record"] for each in records if each["stream"] == "deal"]
    as_text = [
        {k: v if v is None or isinstance(deal[k], type(v)) else repr(v) for k, v in row.items()}
        for deal, row in zip(deals, rows_in(db, "deal"), strict=True)
    ]
    assert told(deals) == told(as_text)


def test_the_result_of_a_statement_has_the_types_of_its_values(db: Path, tmp_path: Path) -> None:
    """Also in Parquet; two columns of one name are told apart."""
    sql = 'SELECT count(*) AS 수, 1.5 AS 수, "글" FROM deal GROUP BY "글" ORDER BY 3'
    report = exported(db, tmp_path / "out", "parquet", sql=sql)
    table = pyarrow.parquet.read_table(tmp_path / "out" / "result.parquet")
    assert [(field.name, str(field.type)) for field in table.schema] == [
        ("수", "double"), ("수_2", "double"), ("글", "string"),
    ]  # fmt: skip
    assert report.rows == {"result": table.num_rows}


def test_more_rows_than_a_sheet_holds(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """They go on in another sheet, with its own header."""
    monkeypatch.setattr("salesmap_async.export.excel.MOST_ROWS", 3)
    db = tmp_path / "a.db"
    with closing(sqlite3.connect(db)) as connection, connection:
        connection.execute("CREATE TABLE memo (id TEXT)")
        connection.executemany("INSERT INTO memo VALUES (?)", [(str(n),) for n in range(7)])
    exported(db, tmp_path / "out.xlsx", "xlsx")
    book = openpyxl.load_workbook(tmp_path / "out.xlsx")
    sheets = [[row[0].value for row in sheet.iter_rows()] for sheet in book.worksheets[1:]]
    assert sheets == [["id", "0", "1", "2"], ["id", "3", "4", "5"], ["id", "6"]]
    assert book.sheetnames == ["안내", "메모", "메모 (2)", "메모 (3)"]


def test_sheet_names_are_short_and_differ() -> None:
    """Whatever tables are called, and in whatever case."""
    taken = {"안내"}
    names = [
        sheet_name(each, taken) for each in ("deal", "딜", "DEAL/x", "deal_x", "x" * 40, "X" * 40)
    ]
    assert len({name.lower() for name in names}) == 6
    assert all(len(name) <= 31 for name in names)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2026-01-01T15:00:00.000Z", datetime(2026, 1, 2)),
        ("2026-01-01T15:00:00+09:00", datetime(2026, 1, 1, 15)),
        ("2026-01-01T15:00:00", datetime(2026, 1, 2)),
        ("2026-01-01", datetime(2026, 1, 1)),
        ("1899-12-31", None),
        ("2026-02-30", None),
        ("2026-01-01 and more", None),
    ],
)
def test_times_are_seoul_s(text: str, expected: datetime | None) -> None:
    """A day is a day; a time without an offset is UTC."""
    assert date_of(text) == expected


@pytest.mark.parametrize("format_", ["csv", "jsonl", "singer", "xlsx", "parquet"])
def test_what_is_there_is_only_replaced_when_forced(
    db: Path, tmp_path: Path, format_: Format
) -> None:
    """And never the snapshot, nor a folder that holds other files."""
    out = tmp_path / "out"
    exported(db, out, format_)
    with pytest.raises(UsageError, match="is there already"):
        exported(db, out, format_)
    exported(db, out, format_, force=True)
    assert sorted(each.name for each in tmp_path.iterdir()) == ["out"]
    if out.is_dir():
        (out / "mine.txt").touch()
        with pytest.raises(UsageError, match="no export has made"):
            exported(db, out, format_, force=True)
    else:
        with pytest.raises(UsageError, match="snapshot itself"):
            exported(db, db, format_, force=True)


@pytest.mark.parametrize("format_", ["csv", "jsonl", "parquet"])
def test_one_table_can_be_one_file(db: Path, tmp_path: Path, format_: Format) -> None:
    """Where the name says so; named twice it is one table all the same."""
    report = exported(db, tmp_path / f"deals.{format_}", format_, tables=("people,people",))
    assert (tmp_path / f"deals.{format_}").is_file()
    assert report.rows == {"people": 2}
    assert [each.name for each in tmp_path.iterdir()] == [f"deals.{format_}"]


def test_no_table_s_name_leads_out_of_the_folder(tmp_path: Path) -> None:
    """Another tool's tables may be called anything."""
    db = tmp_path / "a.db"
    with closing(sqlite3.connect(db)) as connection, connection:
        for name in ("../evil", "a/b", "a_b", "..", "한글 표"):
            connection.execute(f'CREATE TABLE "{name}" (id TEXT)')
    exported(db, tmp_path / "in" / "out", "csv")
    assert sorted(each.name for each in tmp_path.iterdir()) == ["a.db", "in"]
    names = sorted(each.name for each in (tmp_path / "in" / "out").iterdir())
    assert names == ["__.csv", "___evil.csv", "a_b.csv", "a_b_2.csv", "한글_표.csv"]
