"""Masking: no address, no phone number and no name is left; what joins and counts stays."""

from __future__ import annotations

import json
import os
import re
from pathlib import Path

import pytest

from salesmap_async.export.export import ExportRequest, export
from salesmap_async.export.mask import Mask, read_key
from salesmap_async.export.source import Column, ExportTable, Row
from tests.support.export_db import hostile_snapshot

EMAIL = re.compile(r"(?<![\w.+-])[\w.+-]+@[\w-]+\.[\w.]+")
PHONE = re.compile(r"(?<!\d)(?:\+?82[- ]?)?0?1[016789][- .]?\d{3,4}[- .]?\d{4}(?!\d)")
MASK = Mask(b"k" * 32, {"김가상", "이예시"})


def masked(value: str, *, table: str = "memo", column: str = "글") -> str:
    rows: list[Row] = [(value,)]
    before = ExportTable(name=table, columns=(Column(column),), read=lambda: iter(rows))
    return str(next(MASK.masked(before).read())[0])


@pytest.mark.parametrize(
    "text",
    [
        "kim@example.com", "메일은 Kim.Lee+1@sub.example.co.kr 입니다", "<kim@example.com>",
        "010-1234-5678", "01012345678", "010 1234 5678", "010.1234.5678", "+82 10-1234-5678",
        "+82-10-1234-5678", "+821012345678", "(02) 123-4567", "02-0000-0000", "031)123-4567",
        "전화 010-1234-5678, 메일 a@example.com", "０１０-１２３４-５６７８", "kim＠example.com",
        "070-1234-5678", "0505-123-4567", "김가상",
    ],
)  # fmt: skip
def test_what_tells_who_it_is_becomes_a_token(text: str) -> None:
    """However it is written; in a text, in a list, in an object, in what nests them."""
    for value in (text, json.dumps([text]), json.dumps({"a": {"b": [text]}}, ensure_ascii=False)):
        found = masked(value)
        assert "[" in found
        assert text not in found
        assert not EMAIL.search(found)
        assert not PHONE.search(found)


@pytest.mark.parametrize(
    "text",
    [
        "2026-01-02T15:00:00.000Z", "24000000", "1,234,567원",
        "55cdb67c-1227-4296-a75d-3af321fc03af",
        "3.14159265358979", "주소 12-3", "[보류]", "{", "무료 교육 2기", "a @ b", "50%",
    ],
)  # fmt: skip
def test_what_tells_nobody_stays(text: str) -> None:
    """Amounts, dates, ids and plain words."""
    assert masked(text) == text


def test_names_where_they_stand() -> None:
    """In the fields that hold them, in a form's answer to the question for one; ids stay."""
    assert masked("박미상", table="people", column="이름").startswith("[이름 ")
    assert masked("박미상", table="organization", column="이름") == "박미상"
    asked = json.dumps([{"label": "성함", "value": "박미상"}, {"label": "과정", "value": "심화"}])
    found = json.loads(masked(asked))
    assert found[0]["value"].startswith("[이름 ")
    assert found[1] == {"label": "과정", "value": "심화"}
    owner = json.loads(masked(json.dumps({"id": "01012345678", "name": "김가상"})))
    assert owner["id"] == "01012345678"
    assert owner["name"].startswith("[이름 ")
    assert masked("01012345678", column="peopleId") == "01012345678"


def test_the_same_is_the_same_token() -> None:
    """A number however it is written, an address in any case; another key, other tokens."""
    assert masked("010-1234-5678") == masked("+82 10 1234 5678") == masked("01012345678")
    assert masked("KIM@example.com") == masked("kim@example.com")
    assert masked("김가상") == masked("김가상", table="people", column="이름")
    other = Mask(b"o" * 32, set())
    table = ExportTable(
        name="memo", columns=(Column("글"),), read=lambda: iter([("010-1234-5678",)])
    )
    assert next(iter(other.masked(table).read()))[0] != masked("010-1234-5678")


def test_the_key_is_made_once_and_is_its_owner_s(tmp_path: Path) -> None:
    """So that tokens are the same in every export."""
    key = read_key(tmp_path / "crm.db")
    assert read_key(tmp_path / "crm.db") == key
    if os.name == "posix":
        assert (tmp_path / "crm_mask.key").stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("format_", ["csv", "jsonl"])
def test_nothing_is_left_in_an_export(tmp_path: Path, format_: str) -> None:
    """Whatever the columns hold; the snapshot itself stays as it is."""
    db = hostile_snapshot(tmp_path)
    before = db.read_bytes()
    request = ExportRequest(
        db_path=db, snapshot=db, format=format_, out=tmp_path / "out", mask=True  # type: ignore[arg-type]
    )  # fmt: skip
    export(request)
    for path in (tmp_path / "out").iterdir():
        text = path.read_text(encoding="utf-8")
        assert not EMAIL.search(text)
        assert not PHONE.search(text)
        assert "김가상" not in text
    assert db.read_bytes() == before
