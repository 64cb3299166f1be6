"""`diff`: exact counts on planted pairs, nothing on equal ones, and words for people."""

from __future__ import annotations

import json
import sqlite3
from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import openpyxl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from salesmap_async.errors import UsageError
from salesmap_async.operate.states import States
from salesmap_async.settings import Settings
from salesmap_async.timeline.difference import comparing
from salesmap_async.timeline.sales import deal_changes, sales_events
from tests.support.built import build
from tests.support.cli_process import cli, no_process_is_left
from tests.support.dashboard_db import change
from tests.support.work_db_maker import ChainSpec

__all__ = ["no_process_is_left"]

Records = Sequence[Mapping[str, Any]]


def snapshot(folder: Path, name: str, day: int = 1, **tables: Records) -> Path:
    chains = [ChainSpec(table=table, records=records) for table, records in tables.items()]
    path, _ = build(folder, chains, name=name, run_tag=name.removesuffix(".db"))
    change(path, f"UPDATE run_info SET captured_at_utc = '2026-01-0{day}T03:00:00Z'",
           "UPDATE manifest SET read_from = ''")  # fmt: skip
    return path


def deal(deal_id: str, **more: Any) -> dict[str, Any]:
    return {"id": deal_id, "이름": f"딜 {deal_id}", "상태": "SQL", "예상 체결액": 100, **more}


OLD = [
    deal("same"), deal("gone", **{"금액": 500_000_000}), deal("won"), deal("lost"),
    deal("up", **{"금액": 100}), deal("down", **{"금액": 100}),
    deal("owner", **{"담당자": {"id": "u1", "name": "김가상"}}), deal("link", organizationId="o1"),
    deal("stage", **{"신규 - 제안로 진입한 날짜": None}), deal("field", **{"옛": 1}),
]  # fmt: skip
NEW = [
    deal("same"), deal("new", **{"예상 체결액": 250_000_000}),
    deal("won", **{"상태": "Won", "금액": 300_000_000}), deal("lost", **{"상태": "Lost"}),
    deal("up", **{"금액": 175}), deal("down", **{"금액": 25.0}),
    deal("owner", **{"담당자": {"id": "u2", "name": "이예시"}}), deal("link", organizationId="o2"),
    deal("stage", **{"신규 - 제안로 진입한 날짜": "2026-01-02T15:00:00.000Z"}),
    deal("field", **{"새": 1}),
]  # fmt: skip
ORGANIZATIONS = [{"id": "o1", "이름": "가상전자"}, {"id": "o2", "이름": "예시중공업"}]


@pytest.fixture
def pair(tmp_path: Path) -> tuple[Path, Path]:
    return (
        snapshot(tmp_path, "old.db", 1, deal=OLD, organization=ORGANIZATIONS),
        snapshot(tmp_path, "new.db", 2, deal=NEW, organization=ORGANIZATIONS),
    )


def test_a_planted_pair_is_counted_exactly(pair: tuple[Path, Path]) -> None:
    """By record and by field; fields that came and went are facts of the table."""
    with comparing(*pair) as comparison:
        found = comparison.table("deal")
        assert (found.added, found.gone, found.changed) == (1, 1, 7)
        assert found.by_field == {
            "상태": 2, "금액": 3, "담당자": 1, "organizationId": 1, "신규 - 제안로 진입한 날짜": 1,
        }  # fmt: skip
        assert (found.fields_added, found.fields_gone) == (("새",), ("옛",))
        assert [each.key for each in comparison.added(found)] == [("new",)]
        changes = {each.key[0]: each.fields for each in comparison.changed(found)}
        assert changes["up"] == {"금액": (100, 175)}
        assert changes["link"] == {"organizationId": ("o1", "o2")}
        assert comparison.shown("organizationId", "o2") == "예시중공업"
        assert comparison.table("organization").is_empty


def test_what_happened_in_sales(pair: tuple[Path, Path]) -> None:
    """New, won, lost, moved, more or less money, another owner, gone: each with its amount."""
    with comparing(*pair) as comparison:
        changes = deal_changes(comparison, comparison.table("deal"))
        events = list(sales_events(changes, pipelines=(), organization=lambda _: None))
    assert Counter((each.kind, each.deal_id, each.amount_krw) for each in events) == Counter(
        [
            ("new", "new", 250_000_000),
            ("won", "won", 300_000_000),
            ("lost", "lost", 100),
            ("moved on", "stage", 100),
            ("amount up", "won", 300_000_000),
            ("amount up", "up", 75),
            ("amount down", "down", -75),
            ("new owner", "owner", 100),
            ("gone", "gone", 500_000_000),
        ]
    )
    assert (events[0].kind, events[-1].kind) == ("new", "gone")
    [owner] = [each for each in events if each.kind == "new owner"]
    assert (owner.old, owner.new) == ("김가상", "이예시")


VALUES = st.none() | st.integers(0, 3) | st.sampled_from(["0", "1", "가", ""]) | st.just(1.5)
FIELDS = st.dictionaries(st.sampled_from("abc"), VALUES)
TABLES = st.dictionaries(st.sampled_from("1234567"), FIELDS)


@settings(max_examples=60, deadline=None)
@given(TABLES, TABLES, st.lists(FIELDS, max_size=4), st.lists(FIELDS, max_size=4))
def test_it_is_what_comparing_record_by_record_says(
    tmp_path_factory: pytest.TempPathFactory,
    old: dict[str, dict[str, Any]],
    new: dict[str, dict[str, Any]],
    old_keyless: list[dict[str, Any]],
    new_keyless: list[dict[str, Any]],
) -> None:
    """On any pair, with any values, rows without an id as multisets."""
    folder = tmp_path_factory.mktemp("pair")
    paths = [
        _plain(folder / f"{number}.db", records, keyless)
        for number, (records, keyless) in enumerate(((old, old_keyless), (new, new_keyless)))
    ]
    with comparing(*paths) as comparison:
        found = comparison.table("deal", all_fields=True)
        changed = {each.key[0]: dict(each.fields) for each in comparison.changed(found)}
        assert {each.key[0] for each in comparison.added(found)} == new.keys() - old.keys()
        assert {each.key[0] for each in comparison.gone(found)} == old.keys() - new.keys()
    expected = {
        name: fields
        for name in old.keys() & new.keys()
        if (fields := {
            each: (old[name].get(each), new[name].get(each))
            for each in "abc"
            if _told(old[name].get(each)) != _told(new[name].get(each))
        })
    }  # fmt: skip
    assert changed == expected
    assert (found.added, found.gone, found.changed) == (
        len(new.keys() - old.keys()), len(old.keys() - new.keys()), len(expected),
    )  # fmt: skip
    before, after = (
        Counter(tuple(_told(row.get(each)) for each in "abc") for row in rows)
        for rows in (old_keyless, new_keyless)
    )
    assert found.keyless == ((after - before).total(), (before - after).total())


def _told(value: Any) -> tuple[str, Any]:
    return ("number" if isinstance(value, int | float) else type(value).__name__, value)


def _plain(path: Path, records: dict[str, dict[str, Any]], keyless: list[dict[str, Any]]) -> Path:
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("CREATE TABLE deal (id TEXT PRIMARY KEY, a, b, c)")
        connection.executemany(
            "INSERT INTO deal VALUES (?, ?, ?, ?)",
            [(name, *map(row.get, "abc")) for name, row in records.items()]
            + [(None, *map(row.get, "abc")) for row in keyless],
        )
    return path


def test_a_field_that_floods_is_counted_apart(tmp_path: Path) -> None:
    """A counter of days does not hide the one deal that was renamed."""
    old = [deal(f"d{n:03}", **{"지난 일수": n}) for n in range(100)]
    new = [deal(f"d{n:03}", **{"지난 일수": n + 1}) for n in range(99)]
    new.append(deal("d099", **{"이름": "다른 이름", "지난 일수": 99}))
    pair = snapshot(tmp_path, "old.db", deal=old), snapshot(tmp_path, "new.db", deal=new)
    with comparing(*pair) as comparison:
        found = comparison.table("deal")
        assert (found.changed, found.flooding) == (1, {"지난 일수": 99})
        assert comparison.table("deal", all_fields=True).changed == 100
        assert comparison.table("deal", fields=("지난 일수",)).changed == 99


def test_types_are_compared_as_they_are_stored(tmp_path: Path) -> None:
    """A text of digits is not the number, whatever the columns were declared as."""
    pair = (
        snapshot(tmp_path, "old.db", deal=[{"id": "1", "a": "1"}, {"id": "2", "a": "2"}]),
        snapshot(tmp_path, "new.db", deal=[{"id": "1", "a": 1}, {"id": "2", "a": 2}]),
    )
    with comparing(*pair) as comparison:
        assert comparison.table("deal").changed == 2


def test_two_rows_without_an_id_do_not_hide_whose_id_is_unique(tmp_path: Path) -> None:
    """A DB without primary keys: what has an id is compared by it all the same."""
    pair = [tmp_path / "old.db", tmp_path / "new.db"]
    for path, value in zip(pair, ("old", "new"), strict=True):
        with closing(sqlite3.connect(path)) as connection:
            connection.execute("CREATE TABLE deal (id, x)")
            connection.executemany(
                "INSERT INTO deal VALUES (?, ?)", [(None, 1), (None, 2), ("a", value), ("b", 1)]
            )
            connection.commit()
    with comparing(*pair) as comparison:
        found = comparison.table("deal")
    assert (found.changed, found.keyless) == (1, (0, 0))


def test_the_command(pair: tuple[Path, Path], tmp_path: Path) -> None:
    """Text, JSON, HTML, Excel; an exit code where it is asked for; nothing on equal snapshots."""
    old, new = (path.name for path in pair)
    code, out, _ = cli(tmp_path, "diff", old, new)
    assert code == 0
    assert "deal: +1 -1 ~7 (10 -> 10 rows)" in out
    assert "won" in out
    assert "3.00억" in out
    assert "organizationId: 가상전자 -> 예시중공업" in out
    assert cli(tmp_path, "diff", old, new, "--exit-code")[0] == 1
    code, out, _ = cli(tmp_path, "diff", old, old, "--exit-code")
    assert (code, out.splitlines()[-1]) == (0, "Nothing has changed.")
    code, out, _ = cli(tmp_path, "diff", old, new, "--format", "json")
    told = json.loads(out)
    assert [told["old"]["run_tag"], told["new"]["run_tag"]] == ["old", "new"]
    deals = told["tables"]["deal"]
    assert [each["id"] for each in deals["added"]] == ["new"]
    assert {"id": "up", "name": "딜 up", "fields": {"금액": [100, 175]}} in deals["changed"]
    assert (deals["fields_added"], deals["fields_gone"]) == (["새"], ["옛"])
    assert json.loads(cli(tmp_path, "diff", old, old, "--format", "json")[1])["tables"] == {}
    for option, said in (("--table", "no table nowhere"), ("--field", "no field nowhere")):
        code, _, err = cli(tmp_path, "diff", old, new, option, "nowhere")
        assert (code, said in err) == (2, True)
    for words in (("--format", "html", "--out", "a.html"), ("--format", "xlsx", "--out", "a.xlsx")):
        assert cli(tmp_path, "diff", old, new, *words)[0] == 0
    page = (tmp_path / "a.html").read_text("utf-8")
    assert "예시중공업" in page
    assert "<script" not in page
    sheet = openpyxl.load_workbook(tmp_path / "a.xlsx")["changes"]
    assert ("deal", "changed", "up", "딜 up", "금액", 100, 175) in list(sheet.values)


def test_markup_of_the_crm_is_text_in_the_page(tmp_path: Path) -> None:
    """And in a terminal no escape sequence."""
    evil = "<script>alert(1)</script>\x1b[31m"
    pair = (
        snapshot(tmp_path, "old.db", deal=[deal("1")]),
        snapshot(tmp_path, "new.db", deal=[deal("1", **{"이름": evil})]),
    )
    old, new = (path.name for path in pair)
    assert cli(tmp_path, "diff", old, new, "--format", "html", "--out", "a.html")[0] == 0
    assert "<script" not in (tmp_path / "a.html").read_text("utf-8")
    assert "\x1b" not in cli(tmp_path, "diff", old, new)[1]


def test_words_for_snapshots(tmp_path: Path) -> None:
    """Runs, files and days; what there is not is said with what there is."""
    (tmp_path / "backups").mkdir()
    final = snapshot(tmp_path, "crm.db", 3, deal=[deal("3")])
    for day in (1, 2):
        path = snapshot(tmp_path, f"run{day}.db", day, deal=[deal(str(day))])
        path.rename(tmp_path / "backups" / f"crm_before_2026010{day + 1}_000000.db")
    paths: dict[str, Any] = {
        "db_path": final,
        "backup_dir": tmp_path / "backups",
        "log_dir": tmp_path / "logs",
    }
    states = States.of(Settings(**paths))
    now = datetime(2026, 1, 3, 20, tzinfo=UTC)  # the 4th, in Seoul
    named = {
        word: states.named(word, now=now).run_tag
        for word in ("today", "latest", "yesterday", "2026-01-01", "2026-01-02", "run1", "crm.db")
    }
    assert named == {
        "today": "crm", "latest": "crm", "yesterday": "crm", "2026-01-01": "run1",
        "2026-01-02": "run2", "run1": "run1", "crm.db": "crm",
    }  # fmt: skip
    assert states.before(states.newest()).run_tag == "run2"
    for word in ("2025-12-31", "nonsense"):
        with pytest.raises(UsageError, match=r"crm \(2026-01-03\), run2"):
            states.named(word, now=now)
    alone = States.of(Settings(**(paths | {"backup_dir": tmp_path / "none"})))
    with pytest.raises(UsageError, match="has no yesterday"):
        alone.before(alone.newest())
