"""Search: equal to LIKE without spaces, whatever the word; never from an index of another day."""

from __future__ import annotations

import logging
import os
import sqlite3
import string
import tempfile
from contextlib import closing
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from salesmap_async.search.find import Found, search
from salesmap_async.search.index import index_path
from salesmap_async.sqlite_file import opened
from tests.support.dashboard_db import Records, change, make_db

LETTERS = "가나다라마 01-@.'\"%_*aB😀ñ\u1112\u1161"
TEXTS = st.text(st.sampled_from(LETTERS), max_size=12)
WORDS = st.text(st.sampled_from(LETTERS), min_size=1, max_size=5)

RECORDS: Records = {
    "organization": [{"id": "o1", "이름": "가상 전자"}, {"id": "o2", "이름": "ACME 물산"}],
    "people": [
        {"id": "p1", "이름": "김 가상", "이메일": "kim@example.com", "전화": "010-0000-1234",
         "organizationId": "o1"},
    ],
    "deal": [{"id": "d1", "이름": "리더십 과정", "organizationId": "o1", "peopleId": "p1"}],
    "lead": [{"id": "l1", "이름": "가상 리드"}],
    "memo": [{"id": "m1", "text": "첫 줄\n통화: 견적 100% 요청 <b>", "dealId": "d1"}],
}  # fmt: skip


def find(db: Path, term: str, *, limit: int = 1000, tables: tuple[str, ...] = ()) -> list[Found]:
    with opened(db, "ro") as connection:
        connection.execute("BEGIN")
        return search(db, connection, term, limit=limit, tables=tables)


def ids(db: Path, term: str) -> list[str | None]:
    return [each.id for each in find(db, term)]


@pytest.fixture
def db(tmp_path: Path) -> Path:
    """The records above."""
    return make_db(tmp_path / "final.db", RECORDS)


@pytest.mark.parametrize(
    ("term", "found"),
    [
        ("가상", ["o1", "p1", "l1"]),
        ("가", ["o1", "p1", "l1"]),
        ("김가상", ["p1"]),
        ("가상전자", ["o1"]),
        ("가 상 전 자", ["o1"]),
        ("acme", ["o2"]),
        ("kim@example.com", ["p1"]),
        ("01000001234", ["p1"]),
        ("0000-1234", ["p1"]),
        ("리더십", ["d1"]),
        ("100%", ["m1"]),
        ("통화 요청", ["m1"]),
        ("줄통화", ["m1"]),
        ("<b>", ["m1"]),
        ("없는말", []),
        ("%", ["m1"]),
        ("_", []),
        ('"', []),
        ("' OR 1", []),
        ("가상*", []),
        ("   ", []),
    ],
)
def test_words(db: Path, term: str, found: list[str]) -> None:
    """Names, addresses, phone numbers with and without hyphens, signs as they stand."""
    assert ids(db, term) == found


@settings(max_examples=60, deadline=None, derandomize=True)
@given(st.lists(TEXTS, max_size=8), WORDS)
def test_it_is_like_without_spaces(texts: list[str], word: str) -> None:
    """SQLite itself is asked, over the texts without their spaces, letters folded."""
    with tempfile.TemporaryDirectory() as folder:
        memos = [{"id": f"m{n}", "text": text} for n, text in enumerate(texts)]
        db = make_db(Path(folder) / "final.db", {"memo": memos})
        needle = plain(word)
        expected = {
            memo["id"] for memo in memos
            if needle and (needle in plain(memo["text"]) or words_in(word, memo["text"]))
        }  # fmt: skip
        assert set(ids(db, word)) == expected
        assert not needle or index_path(db).exists() == (len_of_longest(word) > 1)


def plain(text: str) -> str:
    with closing(sqlite3.connect(":memory:")) as connection:
        connection.create_function("composed", 1, composed)
        (found,) = connection.execute("SELECT composed(replace(?, ' ', ''))", (text,)).fetchone()
    return str(found)


def composed(text: str) -> str:
    return text.replace("\u1112\u1161", "하").casefold()


def words_in(term: str, text: str) -> bool:
    words = [plain(word) for word in term.split()]
    return len(words) > 1 and all(word in plain(text) for word in words)


def len_of_longest(term: str) -> int:
    return max((len(plain(word)) for word in term.split()), default=0)


def test_the_index_belongs_to_one_state(db: Path) -> None:
    """Another snapshot, or the same one changed: what was found before is not found any more."""
    assert ids(db, "리더십") == ["d1"]
    first = index_path(db).read_bytes()
    change(db, "UPDATE deal SET \"이름\" = '협상 과정'")
    assert ids(db, "리더십") == []
    assert ids(db, "협상") == ["d1"]
    assert index_path(db).read_bytes() != first


def test_an_index_is_used_again(db: Path) -> None:
    """The second search makes none."""
    ids(db, "리더십")
    before = index_path(db).stat()
    ids(db, "가상")
    assert index_path(db).stat().st_mtime_ns == before.st_mtime_ns


@pytest.mark.parametrize("content", [b"", b"no database", b"SQLite format 3\x00" + b"\xff" * 4096])
def test_a_broken_index_is_made_anew(db: Path, content: bytes) -> None:
    """It is worth nothing."""
    index_path(db).write_bytes(content)
    assert ids(db, "리더십") == ["d1"]
    assert index_path(db).read_bytes() != content


@pytest.mark.skipif(os.name == "nt", reason="a folder of the same name stands in the way on POSIX")
def test_a_failed_index_only_warns(db: Path, caplog: pytest.LogCaptureFixture) -> None:
    """The tables are read then; nothing is left over."""
    index_path(db).mkdir()
    (index_path(db) / "full").write_text("x")
    with caplog.at_level(logging.WARNING):
        assert ids(db, "리더십") == ["d1"]
        assert ids(db, "통화") == ["m1"]
    assert "searching takes longer" in caplog.text
    assert not list(db.parent.glob("*.tmp"))


def test_limits_are_of_each_table(tmp_path: Path) -> None:
    """The latest first."""
    memos = [{"id": f"m{n:02d}", "text": f"견적 {n}"} for n in range(30)]
    db = make_db(tmp_path / "final.db", {**RECORDS, "memo": memos})
    assert [each.id for each in find(db, "견적", limit=3)] == ["m29", "m28", "m27"]
    assert [each.table for each in find(db, "가상", tables=("people",))] == ["people"]


def test_a_long_text_is_cut_around_the_word(tmp_path: Path) -> None:
    """One line, with the word in it."""
    text = f"{'앞' * 200} 견적서 {'뒤' * 200}"
    db = make_db(tmp_path / "final.db", {"memo": [{"id": "m1", "text": text}]})
    (found,) = find(db, "견적서")
    assert "견적서" in found.text
    assert len(found.text) < 100
    assert found.text.startswith("…")
    assert found.text.endswith("…")


def test_a_field_of_another_workspace_is_searched(db: Path) -> None:
    """What the dashboard's configuration calls a name."""
    change(db, 'ALTER TABLE deal RENAME COLUMN "이름" TO "딜명"')
    with opened(db, "ro") as connection:
        found = search(db, connection, "리더십", limit=9, more_fields={"deal": ["딜명"]})
    assert [each.id for each in found] == ["d1"]


def test_every_sign_can_be_searched(tmp_path: Path) -> None:
    """FTS5 has a language of its own; none of it is heard."""
    signs = string.punctuation
    db = make_db(tmp_path / "final.db", {"memo": [{"id": "m1", "text": f"가{signs}나"}]})
    for sign in signs:
        assert ids(db, sign) == ["m1"], sign
    for pair in pairwise(signs):
        assert ids(db, "".join(pair)) == ["m1"], pair
