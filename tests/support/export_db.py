"""A small snapshot full of what formats find hard, as a run would have published it."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

from tests.support.built import build
from tests.support.work_db_maker import ChainSpec

HOSTILE_TEXTS = (
    "", " ", "=1+1", "+82 10-0000-0000", "-5", "@cmd", "\t=1", "'", '"', 'a"b', "a,b", "a\r\nb",
    "\n",
    "줄\u2028바꿈", "null", "NULL", "true", "007", "1e5", "2026-01-02", "2026-01-02T15:00:00.000Z",
    "2026-13-40", "1899-12-31T00:00:00Z", "https://example.com", "[1, 2]", "{\"a\": 1}",
    "[보류] 글", "{", "한글 \U0001f600", "\x01\x0b", "_x0041_", "a" * 40_000, "\ufeffbom",
)  # fmt: skip

RECORDS: list[dict[str, Any]] = [
    {"id": f"d{number:03}", "글": text, "섞임": text if number % 2 else number,
     "수": number * 1.5, "정수": number - 3, "큰 정수": 2**53 + number,
     "중첩": [{"id": "u1", "name": "김가상"}], "Aa": 1, "aA": None}
    for number, text in enumerate(HOSTILE_TEXTS)
]  # fmt: skip
RECORDS.append({"id": "d900", "거대": 2**70, "수": -0.0, "정수": -(2**63), "참": True})
RECORDS.append({"글": "id 없음"})


def hostile_snapshot(folder: Path) -> Path:
    """Publish RECORDS as deals, and two people; return the file."""
    people = [
        {"id": "p1", "이름": "김가상", "이메일": "kim@example.com", "전화": "010-1234-5678"},
        {"id": "p2", "이름": "이예시", "이메일": "LEE@example.co.kr", "전화": "+82 10 9876 5432"},
    ]
    built, _ = build(
        folder,
        [ChainSpec(table="deal", records=RECORDS), ChainSpec(table="people", records=people)],
        tables=("deal", "people"),
    )
    final = folder / "crm.db"
    built.rename(final)
    return final


def rows_in(db: Path, table: str) -> list[dict[str, Any]]:
    """Return the rows of a table as SQLite has them."""
    with closing(sqlite3.connect(db)) as connection:
        connection.row_factory = sqlite3.Row
        return [dict(row) for row in connection.execute(f'SELECT * FROM "{table}"')]
