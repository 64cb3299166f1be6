"""The timeline gives back every state it was fed, to the last bit, and tells what changed."""

from __future__ import annotations

import json
import os
import random
import re
import sqlite3
import subprocess
import sys
from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from salesmap_async.docs import read_page
from salesmap_async.errors import SalesmapError, UsageError
from salesmap_async.operate.timeline import state_named
from salesmap_async.paths import RunPaths
from salesmap_async.run.timeline_step import build_timeline
from salesmap_async.sandbox import Sandbox, Workspace, work_a_day
from salesmap_async.timeline import timeline_file
from salesmap_async.timeline.between import sales_between, sums_of_states
from salesmap_async.timeline.feeding import feed
from salesmap_async.timeline.forgetting import forget, prune_states
from salesmap_async.timeline.lives import life_of, log_of
from salesmap_async.timeline.rebuilding import rebuild
from salesmap_async.timeline.timeline_file import State, states_of, timeline_opened, unpack
from tests.support.built import build
from tests.support.cli_process import cli, no_process_is_left
from tests.support.dashboard_db import change
from tests.support.runs import Snapshot, table_hashes
from tests.support.work_db_maker import ChainSpec

__all__ = ["no_process_is_left"]

Records = Sequence[Mapping[str, Any]]
VALUES = (None, 1, 1.0, -0.0, 0.0, 0, "1", "", "가상", True, 2**60, 2**70, 1.5, {"a": 1}, [1], "=1")
TYPED: dict[str, tuple[Any, ...]] = {
    "mixed": VALUES, "text": ("a", "b", None), "integer": (1, 2, 3), "real": (1.5, 2.0, None),
    "zero": (-0.0, 0.0, 1.0),
}  # fmt: skip


@pytest.fixture
def timeline(tmp_path: Path) -> Path:
    return tmp_path / "crm_timeline.db"


def snapshot_of(folder: Path, day: int, **tables: Records) -> Path:
    """Build a snapshot of run `t<day>`, read on that day of January."""
    chains = [ChainSpec(table=table, records=records) for table, records in tables.items()]
    path, _ = build(folder, chains, name=f"t{day}.db", run_tag=f"t{day}")
    at = f"2026-{1 + day // 28:02}-{1 + day % 28:02}T03:00:00+00:00"
    change(path, f"UPDATE run_info SET captured_at_utc = '{at}'",
           "UPDATE manifest SET read_from = ''")  # fmt: skip
    return path


def states_in(timeline: Path) -> list[State]:
    with timeline_opened(timeline) as connection:
        return states_of(connection)


def check_all(timeline: Path, hashes: Mapping[int, Mapping[str, str]], folder: Path) -> None:
    """Give back every state, and compare each table with what was fed."""
    for state in states_in(timeline):
        out = folder / f"as_of_{state.number}.db"
        rebuild(timeline, state, out)
        assert table_hashes(out) == hashes[state.number], state.run_tag
        out.unlink()


class Crm:
    """A workspace in which everything happens that a timeline must survive."""

    def __init__(self, seed: int) -> None:
        self._dice = random.Random(seed)
        self._deals: dict[str, dict[str, Any]] = {}
        self._fields = {"text": "text", "zero": "zero", "mixed": "mixed"}
        self._keyless: list[dict[str, Any]] = []

    def a_day_passes(self, day: int) -> dict[str, Records]:
        """Return the tables after records, fields and types have come and gone, or come back."""
        dice = self._dice
        for _ in range(dice.randrange(6)):
            self._deals.setdefault(f"r{dice.randrange(40):03}", {})
        for deal_id in [each for each in self._deals if dice.random() < 0.06]:
            del self._deals[deal_id]
        if dice.random() < 0.3:
            self._fields[dice.choice(("a", "b", "c"))] = dice.choice(list(TYPED))
        if dice.random() < 0.15:
            self._fields.pop(dice.choice(("a", "b", "c")), None)
        share = 0.9 if day % 5 == 0 else 0.05  # each fifth day nearly everything changes
        for deal in self._deals.values():
            for name, kind in self._fields.items():
                if name not in deal or dice.random() < share:
                    deal[name] = dice.choice(TYPED[kind])
            for name in deal.keys() - self._fields.keys():
                del deal[name]
        if dice.random() < 0.5:
            self._keyless.append({"t": dice.choice("ab"), "u": dice.choice(VALUES)})
        if self._keyless and dice.random() < 0.3:
            self._keyless.pop(dice.randrange(len(self._keyless)))
        tables: dict[str, Records] = {
            "deal": [{"id": each, **deal} for each, deal in self._deals.items()] + self._keyless,
            "people": [{"id": "p1", "x": 1}],
        }
        if day % 7 in (2, 3):  # a list that is not always read
            tables["memo"] = [{"id": f"m{each}", "text": str(day)} for each in range(3)]
        return tables


@pytest.mark.parametrize(("seed", "days"), [(1, 64), (2, 20), (3, 20)])
def test_every_state_is_given_back(tmp_path: Path, timeline: Path, seed: int, days: int) -> None:
    """Fields, types and records that come, go and come back, rows without a key."""
    print(f"seed {seed}")
    crm, hashes = Crm(seed), {}
    for day in range(1, days + 1):
        path = snapshot_of(tmp_path, day, **crm.a_day_passes(day))
        state = feed(timeline, path)
        assert state is not None
        hashes[state.number] = table_hashes(path)
        assert feed(timeline, path) is None  # fed twice is fed once
        path.unlink()
    assert len(hashes) == days
    check_all(timeline, hashes, tmp_path)
    assert {each for each in tmp_path.iterdir() if "as_of" in each.name} == set()


def test_the_whole_file_comes_back(tmp_path: Path, timeline: Path) -> None:
    """What the snapshot says of itself too, its keys and its indexes; only for its owner."""
    path = snapshot_of(tmp_path, 1, deal=[{"id": "d1", "organizationId": "o1"}])
    feed(timeline, path)
    [state] = states_in(timeline)
    out = tmp_path / "old.db"
    assert rebuild(timeline, state, out) == ()

    def dump(file: Path) -> list[str]:
        with closing(sqlite3.connect(file)) as connection:
            return sorted(connection.iterdump())

    assert dump(out) == dump(path)
    if os.name == "posix":
        assert (out.stat().st_mode & 0o777, timeline.stat().st_mode & 0o777) == (0o600, 0o600)


def test_what_a_manifest_says_wrongly_is_found_out(tmp_path: Path, timeline: Path) -> None:
    """A state that cannot be given back as it was is not given back at all."""
    path = snapshot_of(tmp_path, 1, deal=[{"id": "d1"}])
    feed(timeline, path)
    with closing(sqlite3.connect(timeline)) as connection:
        connection.execute("UPDATE latest_1 SET c1 = 'd2'")
        connection.commit()
    with pytest.raises(SalesmapError, match="deal of t1 does not come out"):
        rebuild(timeline, states_in(timeline)[0], tmp_path / "old.db")
    assert sorted(each.name for each in tmp_path.glob("*old*")) == []


# -- snapshots of every kind ----------------------------------------------------------------------


def plain(path: Path, *statements: str, tag: str) -> Path:
    """Make a snapshot of an older tool: no manifest, no primary keys unless the statements do."""
    with closing(sqlite3.connect(path)) as connection:
        for statement in (
            *statements,
            "CREATE TABLE run_info (run_tag TEXT, captured_at_utc TEXT)",
            f"INSERT INTO run_info VALUES ('{tag}', '2026-01-01')",
        ):
            connection.execute(statement)
        connection.commit()
    return path


KINDS = {
    "order of an older tool": (
        ["CREATE TABLE deal (id, x)", "INSERT INTO deal VALUES ('b', 1), ('a', 2), ('c', 3)"],
        ["CREATE TABLE deal (id, x)", "INSERT INTO deal VALUES ('c', 3), ('a', 9), ('d', 4)"],
    ),
    "ids that are numbers, then text": (
        ["CREATE TABLE deal (id INTEGER PRIMARY KEY, x)", "INSERT INTO deal VALUES (5, 1), (6, 1)"],
        ["CREATE TABLE deal (id TEXT PRIMARY KEY, x)",
         "INSERT INTO deal VALUES ('5', 1), ('7', 1)"],
    ),
    "5 and '5' are two": (
        ["CREATE TABLE deal (id, x)", "INSERT INTO deal VALUES (5, 1)"],
        ["CREATE TABLE deal (id, x)", "INSERT INTO deal VALUES (5, 2), ('5', 3)"],
    ),
    "an id comes twice": (
        ["CREATE TABLE deal (id, x)", "INSERT INTO deal VALUES ('a', 1), ('a', 2)"],
        ["CREATE TABLE deal (id, x)", "INSERT INTO deal VALUES ('a', 2), ('b', 2), ('a', 2)"],
    ),
    "the key is another one": (
        ["CREATE TABLE field (id TEXT PRIMARY KEY, type)", "INSERT INTO field VALUES ('1', 'a')"],
        [
            "CREATE TABLE field (id TEXT, type TEXT, PRIMARY KEY (type, id))",
            "INSERT INTO field VALUES ('1', 'b'), ('1', 'a'), ('0', 'b')",
        ],
    ),
    "a key of two": (
        ["CREATE TABLE field (id, type, x, PRIMARY KEY (type, id))",
         "INSERT INTO field VALUES ('1', 'a', 1), ('1', 'b', 1), ('2', 'a', 1)"],
        ["CREATE TABLE field (id, type, x, PRIMARY KEY (type, id))",
         "INSERT INTO field VALUES ('1', 'a', 2), ('2', 'b', 1), ('2', 'a', 1)"],
    ),
    "equal rows without an id": (
        ["CREATE TABLE deal (id, x)", "INSERT INTO deal VALUES (NULL, 1), (NULL, 1), ('a', 1)"],
        ["CREATE TABLE deal (id, x)", "INSERT INTO deal VALUES (NULL, 1), ('a', 2), (NULL, 2)"],
    ),
    "names that differ in case": (
        ['CREATE TABLE deal (id TEXT PRIMARY KEY, "Name")', "INSERT INTO deal VALUES ('a', 1)"],
        ['CREATE TABLE deal (id TEXT PRIMARY KEY, "name")', "INSERT INTO deal VALUES ('a', 2)"],
    ),
    "blobs, infinity, broken text": (
        ["CREATE TABLE deal (id TEXT PRIMARY KEY, x)",
         "INSERT INTO deal VALUES ('a', x'00ff'), ('b', 9e999), ('c', CAST(x'ff41' AS TEXT))"],
        ["CREATE TABLE deal (id TEXT PRIMARY KEY, x)",
         "INSERT INTO deal VALUES ('a', x'00'), ('b', -9e999), ('c', CAST(x'fe42' AS TEXT))"],
    ),
    "1 becomes 1.0 where nothing is declared": (
        ["CREATE TABLE deal (id PRIMARY KEY, x)", "INSERT INTO deal VALUES ('a', 1), ('b', 0.0)"],
        ["CREATE TABLE deal (id PRIMARY KEY, x)",
         "INSERT INTO deal VALUES ('a', 1.0), ('b', -0.0)"],
    ),
    "no rowid": (
        ["CREATE TABLE deal (id TEXT PRIMARY KEY, x) WITHOUT ROWID",
         "INSERT INTO deal VALUES ('b', 1)"],
        ["CREATE TABLE deal (id TEXT PRIMARY KEY, x) WITHOUT ROWID",
         "INSERT INTO deal VALUES ('b', 2), ('a', 1)"],
    ),
}  # fmt: skip


@pytest.mark.parametrize("kind", KINDS)
def test_snapshots_of_any_tool_come_back(tmp_path: Path, timeline: Path, kind: str) -> None:
    """To and fro: each is fed twice, the second time over the other."""
    hashes = {}
    for number, statements in enumerate([*KINDS[kind], *KINDS[kind]]):
        path = plain(tmp_path / f"{number}.db", *statements, tag=f"r{number}")
        state = feed(timeline, path)
        assert state is not None
        hashes[state.number] = table_hashes(path)
    check_all(timeline, hashes, tmp_path)


def test_more_fields_than_a_table_can_have(tmp_path: Path, timeline: Path) -> None:
    """Fields that came and went may add up to more columns than SQLite has."""
    hashes = {}
    for day in (1, 2, 3):
        deal = {"id": "d1", **{f"f{day}_{number:04}": number for number in range(1_500)}}
        path = snapshot_of(tmp_path, day, deal=[deal, {"id": "d2"}])
        state = feed(timeline, path)
        assert state is not None
        hashes[state.number] = table_hashes(path)
    check_all(timeline, hashes, tmp_path)
    with timeline_opened(timeline) as connection:
        assert next(event.kind for event in life_of(connection, "deal", "d1")) == "known"


def test_a_field_that_floods_is_kept_apart(tmp_path: Path, timeline: Path) -> None:
    """A counter of days takes little room, comes back exactly, and hides no other change."""
    hashes = {}
    for day in range(1, 6):
        deals = [{"id": f"d{n:04}", "days": n + day, "name": "a"} for n in range(2_000)]
        deals[7]["name"] = f"name {day}"
        path = snapshot_of(tmp_path, day, deal=deals)
        state = feed(timeline, path)
        assert state is not None
        hashes[state.number] = table_hashes(path)
    check_all(timeline, hashes, tmp_path)
    assert states_in(timeline)[-1].counts["deal"] == {"new": 0, "gone": 0, "changed": 1}
    with timeline_opened(timeline) as connection:
        assert connection.execute("SELECT count(*) FROM changed_1").fetchone() == (4,)
        assert [event.new for event in log_of(connection)] == [f"name {n}" for n in range(2, 6)]
        (kept,) = connection.execute("SELECT sum(length(content)) FROM flood").fetchone()
    assert kept < 4 * 2_000 * 3


# -- who feeds, and what stops it -----------------------------------------------------------------

FEED = """
import sys
from pathlib import Path
from salesmap_async.timeline.feeding import feed
print(feed(Path(sys.argv[1]), Path(sys.argv[2])) is not None)
"""


def test_two_feeders_feed_once(tmp_path: Path, timeline: Path) -> None:
    """The second one waits, and finds it done."""
    first, second = (
        snapshot_of(tmp_path, day, deal=[{"id": str(n), "x": day} for n in range(3_000)])
        for day in (1, 2)
    )
    feed(timeline, first)
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", FEED, str(timeline), str(second)], stdout=subprocess.PIPE
        )
        for _ in range(2)
    ]
    said = sorted(process.communicate(timeout=60)[0].strip() for process in processes)
    assert said == [b"False", b"True"]
    assert len(states_in(timeline)) == 2


class Stopped(Exception):
    """Stands for the end of the process."""


@pytest.mark.parametrize("steps", range(0, 40, 3))
def test_a_feeding_that_stops_anywhere_leaves_what_was(
    tmp_path: Path, timeline: Path, monkeypatch: pytest.MonkeyPatch, steps: int
) -> None:
    """One transaction; at every single I/O call: `scripts/torture.py crash`."""
    days = [snapshot_of(tmp_path, day, deal=[{"id": "d", "x": day}]) for day in (1, 2)]
    feed(timeline, days[0])
    before = timeline.read_bytes()
    left = [steps]
    original = sqlite3.connect

    class Counting(sqlite3.Connection):
        def execute(self, *arguments: Any) -> sqlite3.Cursor:
            if "timeline" in str(self.execute_path) and left[0] == 0:
                raise Stopped
            left[0] -= 1
            return super().execute(*arguments)

        execute_path = ""

    def connect(path: str, **more: Any) -> sqlite3.Connection:
        connection: Any = original(path, factory=Counting, **more)
        connection.execute_path = path
        return connection  # type: ignore[no-any-return]

    monkeypatch.setattr(sqlite3, "connect", connect)
    try:
        feed(timeline, days[1])
    except Stopped:
        assert timeline.read_bytes() == before
    monkeypatch.undo()
    feed(timeline, days[1])
    check_all(timeline, {n: table_hashes(day) for n, day in enumerate(days, start=1)}, tmp_path)


def test_another_workspace_and_another_file_are_refused(tmp_path: Path, timeline: Path) -> None:
    """And nothing is written into them."""
    first, other = (snapshot_of(tmp_path, day, deal=[{"id": "d1"}]) for day in (1, 2))
    for path, workspace in ((first, "one"), (other, "another")):
        change(path, "ALTER TABLE run_info ADD COLUMN workspace_id TEXT",
               f"UPDATE run_info SET workspace_id = '{workspace}'")  # fmt: skip
    feed(timeline, first)
    with pytest.raises(UsageError, match="is of another workspace"):
        feed(timeline, other)
    before = other.read_bytes()
    with pytest.raises(UsageError, match="is no timeline"):
        feed(other, timeline.with_name("t1.db"))
    assert other.read_bytes() == before
    change(timeline, f"PRAGMA user_version = {timeline_file.VERSION + 1}")
    with pytest.raises(UsageError, match="written by a later version"):
        states_in(timeline)


# -- what it tells --------------------------------------------------------------------------------


def deal(deal_id: str, **more: Any) -> dict[str, Any]:
    return {"id": deal_id, "이름": f"딜 {deal_id}", "상태": "SQL", "금액": 100, **more}


@pytest.fixture
def told(tmp_path: Path, timeline: Path) -> Path:
    """Three days: a deal that goes and comes back, one that is won, one that is new."""
    days: list[Records] = [
        [deal("a"), deal("b", organizationId="o1")],
        [deal("b", **{"상태": "Won", "금액": 300}, organizationId="o1"), deal("c")],
        [deal("a", **{"금액": 50}), deal("b", **{"상태": "Won", "금액": 300}), deal("c")],
    ]
    for day, deals in enumerate(days, start=1):
        feed(timeline, snapshot_of(tmp_path, day, deal=deals, organization=[
            {"id": "o1", "이름": "가상전자"}]))  # fmt: skip
    return timeline


def test_the_life_of_a_record(told: Path) -> None:
    """First seen, each change, gone, and back again."""
    with timeline_opened(told) as connection:
        life = [(e.state.run_tag, e.kind, e.field) for e in life_of(connection, "deal", "a")]
        assert life == [("t1", "known", None), ("t2", "gone", None), ("t3", "new", None)]
        b = [(e.kind, e.field, e.old, e.new) for e in life_of(connection, "deal", "b")]
        assert b[0] == ("known", None, None, None)
        assert set(b[1:]) == {
            ("changed", "상태", "SQL", "Won"),
            ("changed", "금액", 100, 300),
            ("changed", "organizationId", "o1", None),
        }
        for table, record in (("deal", "x"), ("deals", "a")):
            with pytest.raises(UsageError, match="the timeline has no"):
                life_of(connection, table, record)


def test_the_log(told: Path) -> None:
    """Everything, or since a moment, of some fields."""
    with timeline_opened(told) as connection:
        events = [(e.state.run_tag, e.kind, e.id) for e in log_of(connection, tables=["deal"])]
        assert ("t2", "gone", "a") in events
        assert ("t3", "new", "a") in events
        since = datetime(2026, 1, 4, tzinfo=UTC)
        assert {e.state.run_tag for e in log_of(connection, since=since)} == {"t3"}
        amounts = [(e.id, e.old, e.new) for e in log_of(connection, fields=["금액"])]
        assert amounts == [("b", 100, 300)]
        with pytest.raises(UsageError, match="there never was a field 금엑"):
            log_of(connection, fields=["금엑"])


def test_the_table_change(told: Path) -> None:
    """For SQL of one's own; a record that came or went has no field."""
    with closing(sqlite3.connect(told)) as connection:
        rows = connection.execute(
            'SELECT run_tag, id, field, old, new FROM change WHERE "table" = ? ORDER BY 1, 2, 3',
            ("deal",),
        ).fetchall()
    assert rows == [
        ("t2", "a", None, "a", None),
        ("t2", "b", "금액", 100, 300),
        ("t2", "b", "상태", "SQL", "Won"),
        ("t2", "c", None, None, "c"),
        ("t3", "a", None, None, "a"),
        ("t3", "b", "organizationId", "o1", None),
    ]


def test_the_queries_of_the_manual(tmp_path: Path, timeline: Path) -> None:
    """Stage moves, days in each stage, deleted deals: as the page shows them."""
    stages = ("접수", "제안", "제안", "협상")
    for day, stage in enumerate(stages, start=1):
        deals = [deal("a", **{"파이프라인 단계": stage}), *([deal("b")] if day < 3 else [])]
        feed(timeline, snapshot_of(tmp_path, day, deal=deals))
    queries = re.findall(r"```sql\n(.*?)```", read_page("changes"), re.S)[0].split(";")
    with closing(sqlite3.connect(timeline)) as connection:
        moves, dwell, deleted = (connection.execute(each).fetchall() for each in queries[:3])
    assert [row[1:] for row in moves] == [("a", "접수", "제안"), ("a", "제안", "협상")]
    assert dwell == [("제안", 1, 2.0)]
    assert deleted == [("t3", "2026-01-04", "b")]


def test_sales_between_any_two_states(told: Path) -> None:
    """Net of what happened in between, and the sums of each state."""
    with timeline_opened(told) as connection:
        first, second, third = states_of(connection)
        assert [(e.kind, e.deal_id, e.amount_krw) for e in sales_between(connection, first, third)
                ] == [("amount down", "a", -50), ("won", "b", 300), ("amount up", "b", 200),
                      ("new", "c", 100)]  # fmt: skip
        events = list(sales_between(connection, first, second))
        assert [(e.kind, e.deal_id) for e in events] == [
            ("gone", "a"), ("won", "b"), ("amount up", "b"), ("new", "c")]  # fmt: skip
        assert events[1].organization == "가상전자"
        sums = [(each.open_krw, each.won_krw) for each in sums_of_states(connection)]
    assert sums == [(200, 0), (100, 300), (150, 300)]


def test_sales_between_states_is_what_comparing_them_says(tmp_path: Path, timeline: Path) -> None:
    """Random days; a field that floods is among them."""
    dice = random.Random(5)
    deals = {str(n): deal(str(n)) for n in range(60)}
    hashes: dict[int, dict[str, tuple[Any, Any]]] = {}
    for day in range(1, 9):
        for each in deals.values():
            if dice.random() < (0.8 if day == 4 else 0.1):
                each["금액"] = dice.randrange(5)
            if dice.random() < 0.1:
                each["상태"] = dice.choice(("SQL", "Won", "Lost"))
        if dice.random() < 0.5:
            deals.pop(dice.choice(list(deals)))
        state = feed(timeline, snapshot_of(tmp_path, day, deal=list(deals.values())))
        assert state is not None
        hashes[state.number] = {k: (d["금액"], d["상태"]) for k, d in deals.items()}
    with timeline_opened(timeline) as connection:
        states = states_of(connection)
        for old in states:
            for new in states[old.number :]:
                told = {e.deal_id for e in sales_between(connection, old, new)
                        if e.kind.startswith("amount")}  # fmt: skip
                before, after = hashes[old.number], hashes[new.number]
                both = before.keys() & after.keys()
                assert told == {k for k in both if before[k][0] != after[k][0]}
        for sums in sums_of_states(connection):
            found = hashes[sums.state.number].values()
            assert sums.won_krw == sum(a for a, status in found if status == "Won")


@pytest.mark.parametrize("columns", ["id, x", "id TEXT PRIMARY KEY, x"])
def test_deals_without_any_known_field_or_key_tell_nothing(
    tmp_path: Path, timeline: Path, columns: str
) -> None:
    """And nothing fails: ids that come twice, a workspace with other fields."""
    for number in (1, 2):
        rows = f"('a', {number}), ('b', 1)" + (", ('a', 3)" if columns == "id, x" else "")
        path = plain(
            tmp_path / f"{number}.db", f"CREATE TABLE deal ({columns})",
            f"INSERT INTO deal VALUES {rows}", tag=f"r{number}",
        )  # fmt: skip
        feed(timeline, path)
    with timeline_opened(timeline) as connection:
        assert list(sales_between(connection, *states_of(connection))) == []
        assert [(each.open_krw, each.won_krw) for each in sums_of_states(connection)] == [
            (0, 0)
        ] * 2
        assert all(isinstance(event.kind, str) for event in log_of(connection))


# -- taking out -----------------------------------------------------------------------------------


def test_a_forgotten_record_is_nowhere(tmp_path: Path, timeline: Path) -> None:
    """Not in the file's bytes, in no state; the rest is as it was, and the states say so."""
    for day in (1, 2, 3):
        people = [{"id": f"p{n:03}", "이름": f"이름{n}", "days": n * day} for n in range(100)]
        people[3] |= {"이메일": f"secret.person.{day}@example.com"}
        feed(timeline, snapshot_of(tmp_path, day, people=people, deal=[deal("d", x=day)]))
    assert b"secret.person.1@example.com" in timeline.read_bytes()
    assert forget(timeline, "people", "p003") == 3
    assert b"secret.person" not in timeline.read_bytes()
    with timeline_opened(timeline) as connection:
        kept = connection.execute("SELECT content FROM flood").fetchall()
        assert {len(unpack(content)[1]) for (content,) in kept} == {98}
    with pytest.raises(UsageError, match="no record p003"):
        forget(timeline, "people", "p003")
    for state in states_in(timeline):
        out = tmp_path / "out.db"
        assert rebuild(timeline, state, out) == ("people",)
        with closing(sqlite3.connect(out)) as connection:
            rows = connection.execute("SELECT id, days FROM people ORDER BY id").fetchall()
        assert rows == [(f"p{n:03}", n * state.number) for n in range(100) if n != 3]
        assert table_hashes(out)["deal"] == table_hashes(tmp_path / f"t{state.number}.db")["deal"]
    # What is still in the CRM comes back with the next run, and that state is whole.
    assert feed(timeline, snapshot_of(tmp_path, 4, people=people, deal=[deal("d", x=3)]))
    assert rebuild(timeline, states_in(timeline)[-1], tmp_path / "out.db") == ()


def test_the_oldest_states_go(tmp_path: Path, timeline: Path) -> None:
    """What is left comes back as before; the newest state stays in any case."""
    crm, hashes = Crm(11), {}
    for day in range(1, 13):
        path = snapshot_of(tmp_path, day, **crm.a_day_passes(day))
        state = feed(timeline, path)
        assert state is not None
        hashes[state.number] = table_hashes(path)
    assert prune_states(timeline, datetime(2026, 1, 9, tzinfo=UTC)) == 7
    assert [state.run_tag for state in states_in(timeline)] == [f"t{n}" for n in range(8, 13)]
    with timeline_opened(timeline) as connection:
        undone = connection.execute("SELECT DISTINCT run_tag FROM change").fetchall()
        assert connection.execute("PRAGMA freelist_count").fetchone() == (0,)
    assert {tag for (tag,) in undone} <= {f"t{n}" for n in range(9, 13)}  # nothing before t8
    check_all(timeline, hashes, tmp_path)
    assert prune_states(timeline, datetime(2027, 1, 1, tzinfo=UTC)) == 4
    check_all(timeline, hashes, tmp_path)


# -- in the run and on the command line -----------------------------------------------------------


async def test_each_run_feeds_and_tells(snapshot: Snapshot, tmp_path: Path) -> None:
    """Whole runs, runs of some tables and of web forms; a restore goes back and the next run on."""
    timeline, hashes = tmp_path / "final_timeline.db", {}
    final = tmp_path / "final.db"
    kinds: list[dict[str, Any]] = [{}, {"only": ("memo",)}, {"webform_only": True}, {}]
    workspace = Workspace.generate(records=300, forms=4)
    for number, overrides in enumerate(kinds, start=1):
        work_a_day(workspace, number)
        async with Sandbox(workspace, quota=False) as sandbox:
            report = await snapshot(
                sandbox, no_timeline=False, run_tag=f"r{number}", allow_shrink=True, **overrides
            )
        hashes[number] = table_hashes(final)
        assert report.changes is not None
        assert not [text for text in report.warnings if "timeline" in text]
        if number == 1:
            assert report.changes.tables == {}
        if number == 4:
            assert report.changes.tables["deal"]["changed"] > 0
    states = states_in(timeline)
    assert [(state.run_tag, state.kind) for state in states] == [
        ("r1", "full"), ("r2", "full"), ("r3", "webform-only"), ("r4", "full")]  # fmt: skip
    check_all(timeline, hashes, tmp_path)
    [line] = [json.loads(text) for text in (tmp_path / "logs" / "run_history.jsonl").read_text(
        encoding="utf-8").splitlines() if '"r4"' in text and '"published"' in text]  # fmt: skip
    assert line["changes"]["tables"]["deal"]["changed"] > 0


def test_a_backup_from_before_the_first_state_is_not_fed_after_it(tmp_path: Path) -> None:
    """Days go forward in the timeline; what it has no place for is left out."""
    final, backups = tmp_path / "crm.db", tmp_path / "backups"
    backups.mkdir()
    earlier = snapshot_of(tmp_path, 1, deal=[deal("a")])
    earlier.rename(backups / "crm_before_20260102_000000.db")
    snapshot_of(tmp_path, 2, deal=[deal("a"), deal("b")]).rename(final)
    paths = RunPaths(run_tag="x", final_db=final, log_dir=tmp_path, backup_dir=backups,
                     checkpoint_dir=tmp_path)  # fmt: skip
    feed(paths.timeline_db, final)
    fed: list[State] = []
    build_timeline(paths, was_run=lambda _: True, told=lambda _, state: fed.append(state))
    assert fed == []


async def test_time_goes_back_with_a_restore_and_on_again(
    snapshot: Snapshot, tmp_path: Path
) -> None:
    """What the next run changed is told against what it replaced; each state comes back."""
    timeline, final = tmp_path / "final_timeline.db", tmp_path / "final.db"
    workspace, hashes = Workspace.generate(records=300, forms=2), []
    for number in (1, 2, 3):
        work_a_day(workspace, number)
        async with Sandbox(workspace, quota=False) as sandbox:
            report = await snapshot(
                sandbox, no_timeline=False, run_tag=f"r{number}", only=("deal", "organization")
            )
        hashes.append(table_hashes(final))
        if number == 2:
            where = ("--db-path", "final.db", "--backup-dir", "backups", "--log-dir", "logs")
            code, _, err = cli(tmp_path, "restore", "r1", "--yes", *where)
            assert code == 0, err
    assert report.changes is not None
    assert [state.run_tag for state in states_in(timeline)] == ["r1", "r2", "r1", "r3"]
    first, second, third = hashes
    check_all(timeline, {1: first, 2: second, 3: first, 4: third}, tmp_path)
    with timeline_opened(timeline) as connection:
        states = states_of(connection)
        told = Counter(event.kind for event in sales_between(connection, states[0], states[3]))
    assert {kind: count for kind, (count, _) in report.changes.sales.items()} == told


async def test_what_fails_only_warns_and_is_caught_up(snapshot: Snapshot, tmp_path: Path) -> None:
    """The snapshot is published; the run after the next one has all states."""
    timeline = tmp_path / "final_timeline.db"
    async with Sandbox(Workspace.generate(records=60, forms=2)) as sandbox:
        await snapshot(sandbox, no_timeline=False, run_tag="r1")
        with closing(sqlite3.connect(timeline)) as connection:
            connection.execute("CREATE TRIGGER full BEFORE INSERT ON state BEGIN"
                               " SELECT RAISE(ABORT, 'database or disk is full'); END")  # fmt: skip
            connection.commit()
        report = await snapshot(sandbox, no_timeline=False, run_tag="r2")
        assert report.changes is None
        assert "could not be fed: database or disk is full" in report.warnings[-1]
        change(timeline, "DROP TRIGGER full")
        await snapshot(sandbox, no_timeline=False, run_tag="r3")
    assert [state.run_tag for state in states_in(timeline)] == ["r1", "r2", "r3"]


async def test_a_damaged_timeline_is_said_to_be(snapshot: Snapshot, tmp_path: Path) -> None:
    """By the run, which publishes all the same, and by the commands; no traceback."""
    timeline = tmp_path / "final_timeline.db"
    async with Sandbox(Workspace.generate(records=60, forms=2)) as sandbox:
        await snapshot(sandbox, no_timeline=False, run_tag="r1")
        for number, damage in enumerate(("zeros", "pages", "content")):
            whole = timeline.read_bytes()
            if damage == "content":
                change(timeline, "UPDATE shared SET content = x'00'")
            else:
                begin = 0 if damage == "zeros" else 4096
                timeline.write_bytes(whole[:begin] + bytes(20_000) + whole[begin + 20_000 :])
            report = await snapshot(sandbox, no_timeline=False, run_tag=f"d{number}")
            assert "move that file away" in report.warnings[-1], damage
            code, _, err = cli(tmp_path, "timeline", "as-of", "r1", "--out", "x.db",
                               "--db-path", "final.db")  # fmt: skip
            assert (code in (1, 2), "Traceback" in err) == (True, False), err
            timeline.write_bytes(whole)


def test_the_commands(tmp_path: Path) -> None:
    """As a person types them; every refusal says what to do, and its command works."""
    folder = tmp_path
    code, _, err = cli(folder, "timeline", "show", "deal", "x")
    assert code == 2
    assert "there is no timeline at" in err
    backups = folder / "backups"
    backups.mkdir()
    for day in (1, 2):
        path = snapshot_of(folder, day, deal=[deal("a", x=day), deal("=b")])
        path.rename(folder / "salesmap_latest.db" if day == 2 else
                    backups / "salesmap_latest_before_20260102_000000.db")  # fmt: skip
    code, out, _ = cli(folder, "timeline", "build")
    assert code == 0
    assert out.count("fed: ") == 2
    assert (
        cli(folder, "timeline", "build")[1].strip() == "The timeline has everything that is there."
    )
    code, out, _ = cli(folder, "timeline", "as-of", "2026-01-02", "--out", "old.db")
    assert code == 0
    assert "the snapshot of run t1" in out
    assert table_hashes(folder / "old.db") == table_hashes(
        backups / "salesmap_latest_before_20260102_000000.db"
    )
    code, _, err = cli(folder, "timeline", "as-of", "t2", "--out", "old.db")
    assert code == 2
    assert "is there already" in err
    assert cli(folder, "timeline", "as-of", "t2", "--out", "salesmap_latest.db", "--force")[0] == 2
    assert cli(folder, "timeline", "as-of", "2025-01-01", "--out", "new.db")[0] == 2
    code, out, _ = cli(folder, "timeline", "show", "deal", "a", "--format", "json")
    assert [each["kind"] for each in json.loads(out)] == ["known", "changed"]
    code, out, _ = cli(folder, "timeline", "log", "--field", "x")
    assert out.strip().endswith("x: 1 -> 2")
    assert cli(folder, "timeline", "log", "--since", "soon")[0] == 2
    code, out, _ = cli(folder, "timeline", "show", "deal", "=b", "--format", "csv")
    assert "'=b" in out
    code, out, _ = cli(folder, "timeline", "forget", "deal", "a")
    assert code == 0
    assert "is forgotten in 2 states" in out
    code, out, _ = cli(folder, "timeline", "as-of", "t1", "--out", "old.db", "--force")
    assert code == 0
    assert "Records were forgotten since in deal" in out
    code, out, _ = cli(folder, "timeline", "prune", "--keep-days", "1")
    assert code == 0
    assert out.startswith("1 states removed")
    code, out, _ = cli(folder, "status")
    assert "salesmap_latest_timeline.db, 1 state" in out
    assert "salesmap_latest_timeline.db takes" in cli(folder, "prune")[1]


def test_diff_takes_from_the_timeline_what_has_no_backup_any_more(tmp_path: Path) -> None:
    """A run, or a day for which the timeline has a later state than the backups."""
    final = tmp_path / "salesmap_latest.db"
    backups = tmp_path / "backups"
    backups.mkdir()
    for day in (1, 2, 3):
        path = snapshot_of(tmp_path, day, deal=[deal("a", x=day)])
        feed(tmp_path / "salesmap_latest_timeline.db", path)
        if day == 1:
            path.rename(backups / "salesmap_latest_before_20260102_000000.db")
    path.rename(final)
    (tmp_path / "t2.db").unlink()
    for word, before in (("t2", 2), ("2026-01-03", 2), ("2026-01-02", 1)):
        code, out, err = cli(tmp_path, "diff", word, "--format", "json")
        assert code == 0, err
        [changed] = json.loads(out)["tables"]["deal"]["changed"]
        assert changed["fields"]["x"] == [before, 3]


def test_days_of_work_pass_in_the_built_in_workspace_only(tmp_path: Path) -> None:
    """A real workspace is not changed; to leave the option unheard would say what is not so."""
    code, _, err = cli(tmp_path, "run", "--evolve", "1", SALESMAP_TOKEN="t")
    assert code == 2
    assert "--evolve changes the built-in workspace only" in err


def test_words_for_states() -> None:
    """A run, a day, the day before; where time went back the later reading of a day counts."""
    states = [
        State(number=n, run_tag=tag, at=at, kind="full", fingerprint=str(n), workspace_id=None,
              workspace_name=None)
        for n, (tag, at) in enumerate(
            (("r1", "2026-01-01T14:00:00+00:00"), ("r2", "2026-01-01T15:30:00+00:00"),
             ("r3", "2026-01-01T14:30:00+00:00")), start=1)
    ]  # fmt: skip
    assert state_named(states, "r1").number == 1
    assert state_named(states, "2026-01-01").number == 3  # the last before Seoul's midnight
    assert state_named(states, "2026-01-02").number == 2
    assert state_named([replace(states[0], at="")], "r1").number == 1
    with pytest.raises(UsageError, match="no state 2025-12-31; it has r1"):
        state_named(states, "2025-12-31")
    with pytest.raises(UsageError, match="it has none"):
        state_named([], "yesterday")
