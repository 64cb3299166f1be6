"""`search` as a person types it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.search.test_search import RECORDS
from tests.support.cli_process import cli, no_process_is_left  # noqa: F401
from tests.support.dashboard_db import make_db


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with a snapshot under its usual name."""
    make_db(tmp_path / "salesmap_latest.db", RECORDS)
    return tmp_path


def test_a_line_for_each_record(folder: Path) -> None:
    """Table, id, name, and the text that holds the word where that is another one."""
    code, out, _ = cli(folder, "search", "가상")
    assert code == 0
    assert [line.split()[:2] for line in out.splitlines()] == [
        ["organization", "o1"],
        ["people", "p1"],
        ["lead", "l1"],
    ]
    assert cli(folder, "search", "kim@")[1].split() == [
        "people", "p1", "김", "가상", "kim@example.com",
    ]  # fmt: skip


def test_json_has_the_links(folder: Path) -> None:
    """For other programs."""
    code, out, _ = cli(folder, "search", "리더십", "--json", "--table", "deal", "--limit", "1")
    (found,) = json.loads(out)
    assert code == 0
    assert (found["id"], found["organization_id"], found["person_id"]) == ("d1", "o1", "p1")


def test_nothing_is_said_as_nothing(folder: Path) -> None:
    """Exit code 0: an answer, too."""
    assert cli(folder, "search", "없는말")[:2] == (0, "nothing holds '없는말'\n")
    assert cli(folder, "search", "없는말", "--json")[:2] == (0, "[]\n")


def test_what_cannot_be_searched_is_one_paragraph(folder: Path) -> None:
    """No snapshot, no DB, no such table: exit code 2 and the next command."""
    (folder / "none.db").write_text("nothing")
    for arguments, words in (
        (("x", "--db-path", "gone.db"), "run --db-path"),
        (("x", "--db-path", "none.db"), "doctor --offline"),
        (("x", "--table", "user"), "--help"),
    ):
        code, _, said = cli(folder, "search", *arguments)
        assert (code, "Traceback" in said) == (2, False), said
        assert words in said.partition("Next: ")[2]
