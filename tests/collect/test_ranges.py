"""Splitting a dated list: every record once, whatever the server makes of `startDate`.

First a list in memory, read by chains without a loop; then whole runs against the sandbox.
"""

from __future__ import annotations

import dataclasses
import random
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from salesmap_async import RunReport, take_snapshot
from salesmap_async.api.endpoints import ENDPOINTS, Endpoint
from salesmap_async.api.pages import Page
from salesmap_async.collect.chains import Chain, Storable, restored_chain
from salesmap_async.collect.dates import KnownDates
from salesmap_async.collect.ranges import (
    FilterUntrustedError,
    Ranges,
    slots_to_fill,
)
from salesmap_async.errors import StoppedError, TablesFailedError
from salesmap_async.events import Event, Note, TableFinished, TableProgress, Warned
from salesmap_async.sandbox import Fault, Sandbox, Workspace
from salesmap_async.stop import Stop
from salesmap_async.store.work_db import ChainRow, NewChain
from tests.support.chains import resumed
from tests.support.runs import Events, MakeSettings, Snapshot, rows_of, table_hashes

MEMO = Endpoint(table="memo", path="/memo", list_key="memoList", page_size=5, dated=True)
BEGIN = datetime(2024, 1, 1, tzinfo=UTC)
NOW = datetime(2025, 1, 1, tzinfo=UTC)

Record = dict[str, Any]
Filter = Callable[[datetime], datetime | None]


def memo(number: int, moment: datetime) -> Record:
    return {"id": f"m{number:04d}", "createdAt": moment.isoformat(timespec="milliseconds")}


def memos(dice: random.Random, count: int) -> list[Record]:
    """Return memos in order of time, many of them of the same moment, denser at the end."""
    days = sorted(365 * (1 - dice.random() ** 2) for _ in range(count))
    moments = [
        BEGIN + timedelta(days=round(each, 0 if dice.random() < 0.4 else 3)) for each in days
    ]
    return [memo(number, moment) for number, moment in enumerate(sorted(moments))]


@dataclass
class DatedServer:
    """A list by `createdAt` in memory; `filter` is what it makes of a `startDate`."""

    records: list[Record]
    filter: Filter = lambda since: since
    asked: int = 0

    def page(self, chain: Chain) -> Page:
        self.asked += 1
        asked_since = chain.span.asked_since(chain.cursor)
        since = None if asked_since is None else self.filter(asked_since)
        records = [
            each
            for each in self.records
            if since is None
            or (each["createdAt"] and datetime.fromisoformat(each["createdAt"]) >= since)
        ]
        ids = [each["id"] for each in records]
        start = 0 if chain.cursor is None else ids.index(chain.cursor) + 1
        part = records[start : start + MEMO.page_size]
        more = start + MEMO.page_size < len(records)
        return Page(part, part[-1]["id"] if more else None)


@dataclass
class Reading:
    """Reads a list in ranges like the workers do: any chain next, a split whenever asked for."""

    server: DatedServer
    ranges: Ranges
    chains: dict[str, Chain] = field(default_factory=dict)
    rows: dict[str, list[Record]] = field(default_factory=dict)
    splits: int = 0
    untrusted: list[str] = field(default_factory=list)

    def start(self) -> None:
        self.add(Chain(MEMO, "memo", "memo"))

    def add(self, chain: Chain) -> None:
        self.chains[chain.name] = chain
        self.rows.setdefault(chain.name, [])
        self.ranges.add(chain)

    def split(self, slots: int) -> None:
        found = self.ranges.split(slots, NOW)
        if found is not None:
            self.splits += 1
            assert found[1].name not in self.chains
            self.add(restored_chain(MEMO, fresh_row(found[1])))

    def step(self, chain: Chain) -> None:
        page = self.server.page(chain)
        try:
            self.store(chain, self.ranges.take(chain, page))
        except FilterUntrustedError as error:
            self.untrusted.append(str(error))
            for dropped in self.ranges.give_up(MEMO).dropped:
                del self.chains[dropped.name], self.rows[dropped.name]
            if not chain.dropped:
                self.store(chain, chain.take(page))

    def store(self, chain: Chain, storable: Storable) -> None:
        known = [] if storable.known_pages is None else list(self.rows[chain.name])
        self.rows[chain.name] += [each for each in storable.records if each not in known]

    def finish(self, dice: random.Random, *, split_one_in: int = 3) -> None:
        for _ in range(10_000):
            open_chains = [each for each in self.chains.values() if not each.ended]
            if not open_chains:
                return
            self.step(dice.choice(open_chains))
            if dice.randrange(split_one_in) == 0:
                self.split(dice.choice((4, 10)))
        raise AssertionError("the list does not end")

    @property
    def ids(self) -> list[str]:
        return [each["id"] for rows in self.rows.values() for each in rows]


def fresh_row(new: NewChain) -> ChainRow:
    return ChainRow(
        name=new.name,
        table=new.table,
        path=new.path,
        added=new.added,
        since=new.since,
        state="reading",
        pages=0,
        rows=0,
        progress={},
        error="",
        started_at=None,
        ended_at=None,
    )


def reading_of(server: DatedServer, known: KnownDates | None = None) -> Reading:
    reading = Reading(server, Ranges({"memo": known} if known else {}, split=True))
    reading.start()
    return reading


# The list in memory


@pytest.mark.parametrize("seed", range(200))
def test_every_record_is_read(seed: int) -> None:
    """Whatever the order of the answers and the moments of the splits, nothing is missed."""
    dice = random.Random(seed)
    records = memos(dice, dice.randrange(30, 300))
    known = None
    if seed % 2:  # the last snapshot's dates, some of them from before it was taken
        moments = [datetime.fromisoformat(each["createdAt"]) for each in records[: seed * 2 : 5]]
        known = KnownDates(moments, 5, moments[-1])
    reading = reading_of(DatedServer(records), known)
    reading.finish(dice)
    assert not reading.untrusted
    assert set(reading.ids) == {each["id"] for each in records}
    assert len(reading.chains) == reading.splits + 1


def test_only_records_of_the_boundary_moment_come_twice() -> None:
    """Of the page that goes beyond the boundary, nothing is stored that the next range has."""
    records = [memo(number, BEGIN + timedelta(days=number // 3 * 7)) for number in range(150)]
    reading = reading_of(DatedServer(records))
    reading.step(reading.chains["memo"])
    reading.split(4)
    [later] = [each for each in reading.chains.values() if each.span.since]
    for chain in (later, reading.chains["memo"]):
        while not chain.ended:
            reading.step(chain)
    twice = {each for each in reading.ids if reading.ids.count(each) > 1}
    boundary = min(each["id"] for each in reading.rows[later.name])
    moment = next(each["createdAt"] for each in records if each["id"] == boundary)
    assert twice == {each["id"] for each in records if each["createdAt"] == moment}


def test_splits_really_happen_in_these_scenes() -> None:
    """The scenes above are worth something: most of them split, many more than once."""
    splits = []
    for seed in range(50):
        dice = random.Random(seed)
        reading = reading_of(DatedServer(memos(dice, 250)))
        reading.finish(dice)
        splits.append(reading.splits)
    assert sum(each > 0 for each in splits) > 45
    assert sum(each > 2 for each in splits) > 25


SHIFTS: dict[str, Filter] = {
    "later by nine hours": lambda since: since + timedelta(hours=9),
    "later by a month": lambda since: since + timedelta(days=30),
    "exclusive": lambda since: since + timedelta(milliseconds=1),
    "never anything": lambda _since: NOW + timedelta(days=1),
}


@pytest.mark.parametrize("name", SHIFTS)
@pytest.mark.parametrize("seed", range(20))
def test_a_filter_that_leaves_records_out_loses_none(name: str, seed: int) -> None:
    """A range ends where the next one really began, so what the filter skips is read anyway."""
    dice = random.Random(seed)
    records = memos(dice, 200)
    reading = reading_of(DatedServer(records, SHIFTS[name]))
    reading.finish(dice)
    assert set(reading.ids) == {each["id"] for each in records}
    assert not reading.untrusted


TOO_MUCH: dict[str, Filter] = {
    "ignored": lambda _since: None,
    "cut to days": lambda since: since.replace(hour=0, minute=0, second=0, microsecond=0),
    "earlier by nine hours": lambda since: since - timedelta(hours=9),
}


@pytest.mark.parametrize("name", TOO_MUCH)
@pytest.mark.parametrize("seed", range(20))
def test_a_filter_that_gives_too_much_is_not_trusted(name: str, seed: int) -> None:
    """Records from before the startDate: the list is read plainly, and each record once."""
    dice = random.Random(seed)
    records = memos(dice, 200)
    reading = reading_of(DatedServer(records, TOO_MUCH[name]))
    reading.finish(dice)
    if name == "ignored":
        assert reading.untrusted
    if reading.untrusted:
        assert set(reading.chains) == {"memo"}
        assert sorted(reading.ids) == [each["id"] for each in records]
    assert set(reading.ids) == {each["id"] for each in records}


@pytest.mark.parametrize("seed", range(30))
@pytest.mark.parametrize("spoil", ["no createdAt", "no time", "out of order"])
def test_a_list_that_cannot_be_dated_is_read_plainly(spoil: str, seed: int) -> None:
    """A record without a date or out of order drops the ranges, wherever it stands."""
    dice = random.Random(seed)
    records = memos(dice, 200)
    spoilt = records[dice.randrange(20, 190)]
    if spoil == "no createdAt":
        spoilt["createdAt"] = None
    else:
        spoilt["createdAt"] = "gestern" if spoil == "no time" else "2023-01-01T00:00:00.000+00:00"
    plain = DatedServer(records)

    def page(chain: Chain) -> Page:
        return unfiltered_page(plain, chain)

    server = DatedServer(records)
    server.page = page  # type: ignore[method-assign]
    reading = reading_of(server)
    reading.finish(dice)
    assert len(reading.untrusted) == 1
    assert sorted(reading.ids) == sorted(each["id"] for each in records)


def unfiltered_page(server: DatedServer, chain: Chain) -> Page:
    """Answer by place in the list: what is spoilt has no date to filter by."""
    ids = [each["id"] for each in server.records]
    start = 0 if chain.cursor is None else ids.index(chain.cursor) + 1
    if chain.cursor is None and chain.span.since is not None:
        start = next(
            number
            for number, each in enumerate(server.records)
            if _later(each["createdAt"], chain.span.since)
        )
    part = server.records[start : start + MEMO.page_size]
    more = start + MEMO.page_size < len(ids)
    return Page(part, part[-1]["id"] if more else None)


def _later(text: Any, since: datetime) -> bool:
    try:
        return datetime.fromisoformat(text) >= since
    except (TypeError, ValueError):
        return False


def test_a_chain_that_had_met_a_range_goes_on_when_the_range_is_dropped() -> None:
    """The page that it had taken in part is asked again, and none of it is stored twice."""
    records = [memo(number, BEGIN + timedelta(days=number)) for number in range(250)]
    reading = reading_of(DatedServer(records))
    plain = reading.chains["memo"]
    reading.step(plain)
    reading.split(4)
    [later] = [each for each in reading.chains.values() if each.span.since]
    reading.step(later)
    while not plain.ended:
        reading.step(plain)
    met_at = len(reading.rows["memo"])
    assert 0 < met_at < 250
    later.span.last_at = NOW  # now its next page is out of order
    reading.step(later)
    assert reading.untrusted
    assert not plain.ended
    while not plain.ended:
        reading.step(plain)
    assert reading.ids == [each["id"] for each in records]


@pytest.mark.parametrize("seed", range(20))
def test_a_resumed_reading_goes_on_in_its_ranges(seed: int) -> None:
    """All chains go through their stored form in the middle; nothing is missed or dated anew."""
    dice = random.Random(seed)
    records = memos(dice, 200)
    reading = reading_of(DatedServer(records))
    for _ in range(12):
        open_chains = [each for each in reading.chains.values() if not each.ended]
        reading.step(dice.choice(open_chains))
        reading.split(4)
    later = Reading(reading.server, Ranges({}, split=bool(seed % 2)), rows=reading.rows)
    for chain in reading.chains.values():
        later.add(again := resumed(chain))
        assert (again.span.since, again.span.first_at, again.span.last_at) == (
            chain.span.since,
            chain.span.first_at,
            chain.span.last_at,
        )
    later.finish(dice)
    assert set(later.ids) == {each["id"] for each in records}


def test_a_resumed_reading_stays_plain_once_it_is() -> None:
    """What showed that the filter cannot be trusted is not asked again; a resume remembers it."""
    records = [memo(number, BEGIN + timedelta(days=number)) for number in range(200)]
    records[12]["createdAt"] = None
    reading = reading_of(DatedServer(records))
    reading.server.page = partial(unfiltered_page, reading.server)  # type: ignore[method-assign]
    chain = reading.chains["memo"]
    for _ in range(6):
        reading.step(chain)
    assert reading.untrusted
    later = Reading(reading.server, Ranges({}, split=True), rows=reading.rows)
    later.add(resumed(chain))
    later.finish(random.Random(1), split_one_in=1)
    assert later.splits == 0
    assert later.ids == [each["id"] for each in records]


def test_a_list_with_undated_records_in_the_last_snapshot_is_not_split() -> None:
    """A filter may keep a record without a date back, and no page would show it."""
    records = [memo(number, BEGIN + timedelta(days=number)) for number in range(200)]
    moments = [datetime.fromisoformat(each["createdAt"]) for each in records[4::5]]
    for undated, splits in ((0, True), (1, False)):
        reading = reading_of(DatedServer(records), KnownDates(moments, 5, NOW, undated))
        reading.finish(random.Random(1), split_one_in=1)
        assert bool(reading.splits) == splits


@pytest.mark.parametrize("seed", range(20))
def test_undated_records_at_the_end_of_a_split_list_are_read(seed: int) -> None:
    """The filter keeps them back: beyond its end the last range is asked for without one."""
    dice = random.Random(seed)
    dated = memos(dice, 150)
    undated = [{"id": f"u{n}", "createdAt": None} for n in range(dice.choice([1, 7, 120]))]
    reading = reading_of(DatedServer([*dated, *undated]))
    reading.finish(dice, split_one_in=2)
    assert reading.splits
    assert not reading.untrusted
    assert set(reading.ids) == {each["id"] for each in (*dated, *undated)}


def test_the_end_of_the_last_range_costs_one_request_more() -> None:
    """And only the end of that one: the others end where the next one begins."""
    records = [memo(number, BEGIN + timedelta(days=number)) for number in range(300)]
    asked = []
    for splits in (0, 1):
        reading = reading_of(DatedServer(records))
        reading.step(reading.chains["memo"])
        if splits:
            reading.split(4)
        reading.finish(random.Random(1), split_one_in=10**9)
        assert reading.splits == splits
        asked.append(reading.server.asked)
    assert asked[1] <= asked[0] + 1 + 1  # the split itself may cost one


def test_records_without_an_id_are_read_in_one_list() -> None:
    """On a boundary one would come twice and be two rows."""
    records = [memo(number, BEGIN + timedelta(days=number)) for number in range(200)]
    records[70]["id"] = None
    reading = reading_of(DatedServer(records[:70] + records[71:]))
    reading.step(reading.chains["memo"])
    page = Page([records[5], records[70]], "m0070")
    with pytest.raises(FilterUntrustedError, match="no id"):
        reading.ranges.take(reading.chains["memo"], page)


def test_without_splitting_a_list_stays_in_one_piece() -> None:
    """`--no-split` never cuts."""
    reading = Reading(DatedServer(memos(random.Random(1), 200)), Ranges({}, split=False))
    reading.start()
    reading.finish(random.Random(1), split_one_in=1)
    assert reading.splits == 0


def test_a_short_rest_is_not_split() -> None:
    """A split costs a request; with two pages left it saves none."""
    records = [memo(number, NOW - timedelta(days=20 - number)) for number in range(20)]
    reading = reading_of(DatedServer(records))
    reading.step(reading.chains["memo"])
    reading.step(reading.chains["memo"])
    reading.split(10)
    assert reading.splits == 0


def test_the_cut_leaves_every_range_the_same() -> None:
    """With known dates, four cuts in a row leave parts of equal length, not halves of halves."""
    moments = [BEGIN + timedelta(days=each / 2) for each in range(700)]
    records = [memo(number, moment) for number, moment in enumerate(moments)]
    reading = reading_of(DatedServer(records), KnownDates(moments[4::5], 5, moments[-1]))
    reading.step(reading.chains["memo"])
    for _ in range(3):
        reading.split(4)
    cuts = sorted(each.span.since for each in reading.chains.values() if each.span.since)
    shares = [(cut - BEGIN) / (moments[-1] - BEGIN) for cut in cuts]
    assert shares == pytest.approx([0.25, 0.5, 0.75], abs=0.02)


def test_ranges_are_as_few_as_keep_the_slots_busy() -> None:
    """The measured rule: one in flight for each slot of the latency, and one more."""
    assert [slots_to_fill(latency_s, 0.12) for latency_s in (0.01, 0.1, 0.3, 1.0)] == [2, 2, 4, 10]


# Whole runs against the sandbox

ACTIVITY = "deal_activity"


def dated_workspace(seed: int) -> Workspace:
    """Return a workspace of memos; the first of each page is as old as the last before it."""
    return Workspace.generate(records=2500, seed=seed, mix={"memo": 0.9}, forms=1)


SPLITTING: dict[str, Any] = {
    "min_interval_s": 0.004,
    "include": ("deal_activity", "people_activity"),
}
"""Slots come quicker than answers, so that the lists that can be split are."""


async def plainly(snapshot: Snapshot, workspace: Workspace, **more: Any) -> RunReport:
    """Read the workspace without splitting anything, from a server that answers at once."""
    async with Sandbox(workspace, quota=False) as quick:
        usual = {"include": SPLITTING["include"]} | more
        report = await snapshot(quick, no_split=True, **usual)
        assert not any("startDate" in arrival.query for arrival in quick.arrivals)
    return report


def memo_counts(report: RunReport) -> tuple[int, int]:
    """Return the pages that memos took, and how many came twice."""
    return next((row.pages, row.duplicates) for row in report.tables if row.table == "memo")


@pytest.mark.parametrize("date_filter", ["exact", "ignored", "days", "shifted", "refused"])
async def test_split_and_plain_runs_give_the_same_tables(
    snapshot: Snapshot, events: Events, tmp_path: Path, date_filter: Any
) -> None:
    """Byte for byte, with ties on every page's boundary, whatever the server makes of the dates."""
    workspace = dated_workspace(seed=11)
    activities = workspace.table(ACTIVITY)
    for number in range(1500):
        last = activities[len(activities) - 1]
        later = datetime.fromisoformat(last["createdAt"]) + timedelta(minutes=number % 40)
        activities.append({**last, "id": f"a{number}", "createdAt": later.isoformat()})
    report = await plainly(snapshot, workspace)
    plain, counts = table_hashes(tmp_path / "final.db"), memo_counts(report)
    async with Sandbox(workspace, quota=False, latency_s=0.03, date_filter=date_filter) as sandbox:
        report = await snapshot(sandbox, **SPLITTING)
        asked = [each for each in sandbox.arrivals if "startDate" in each.query]
    assert table_hashes(tmp_path / "final.db") == plain
    assert len(plain) > 9
    assert asked
    warned = [each.text for each in events.of(Warned) if "memo is read as one list" in each.text]
    assert len(warned) == (date_filter in ("ignored", "days", "refused"))
    if warned:  # nothing is left of the ranges
        pages, duplicates = memo_counts(report)
        assert duplicates == counts[1]
        assert pages - counts[0] in (0, 1)  # a page that had been taken in part is asked again
    if date_filter == "exact":
        assert {each.path for each in asked} == {"/memo"}  # copied activities keep old dates


@pytest.mark.parametrize("place", [0.3, 0.9])
async def test_nothing_is_left_of_ranges_that_are_dropped_late(
    snapshot: Snapshot, events: Events, tmp_path: Path, place: float
) -> None:
    """A memo without a date in the middle: what the ranges had read by then counts no more.

    A run that knows of it from the last snapshot does not split at all.
    """
    workspace = dated_workspace(seed=8)
    memos_of = workspace.table("memo")
    memos_of[int(len(memos_of) * place)]["createdAt"] = None
    counts = memo_counts(await plainly(snapshot, workspace))
    plain = table_hashes(tmp_path / "final.db")
    async with Sandbox(workspace, quota=False, latency_s=0.03) as sandbox:
        report = await snapshot(sandbox, db_path=tmp_path / "split.db", **SPLITTING)
        in_ranges = [each for each in sandbox.arrivals if "startDate" in each.query]
    async with Sandbox(workspace, quota=False, latency_s=0.01) as sandbox:
        await snapshot(sandbox, **SPLITTING)
        assert not any("startDate" in each.query for each in sandbox.arrivals)
    assert table_hashes(tmp_path / "split.db") == plain
    pages, duplicates = memo_counts(report)
    assert duplicates == counts[1]
    assert pages - counts[0] in (0, 1)  # a page that had been taken in part is asked again
    assert len(in_ranges) > 2  # they had stored pages
    assert sum("memo is read as one list" in each.text for each in events.of(Warned)) == 1


@pytest.mark.parametrize("seed", [1, 2, 3])
async def test_split_runs_follow_a_workspace_that_changes_between_them(
    snapshot: Snapshot, tmp_path: Path, seed: int
) -> None:
    """Run, change, run: the second run splits by the first one's dates and equals a plain one."""
    workspace = dated_workspace(seed)
    dice = random.Random(seed)
    async with Sandbox(workspace, quota=False, latency_s=0.03) as sandbox:
        await snapshot(sandbox, **SPLITTING)
        table = workspace.table("memo")
        for _ in range(60):
            del table[dice.randrange(len(table))]
        for number in range(300):
            place = dice.choice((len(table) - 1, dice.randrange(len(table))))
            table.insert(place + 1, {**table[place], "id": f"new-{number}", "text": "새 메모"})
        table[dice.randrange(len(table))]["text"] = "고친 메모"
        await snapshot(sandbox, **SPLITTING)
        split = table_hashes(tmp_path / "final.db")
        asked = [each for each in sandbox.arrivals if "startDate" in each.query]
    await plainly(snapshot, workspace)
    assert asked
    assert table_hashes(tmp_path / "final.db") == split
    assert len(rows_of(tmp_path / "final.db", "memo")) == len(table)


async def test_memos_that_change_while_they_are_read_are_not_lost(
    snapshot: Snapshot, tmp_path: Path
) -> None:
    """Memos are deleted and written all the time; every untouched one is there."""
    workspace = dated_workspace(seed=5)
    table, dice = workspace.table("memo"), random.Random(5)
    untouched = {record["id"] for record in table}

    def change(_arrival: Any) -> None:
        gone = table.peek(dice.randrange(len(table)))
        untouched.discard(gone["id"])
        del table[table.position(gone["id"]) or 0]
        last = table.peek(len(table) - 1)
        table.append({**last, "id": f"new-{len(untouched)}"})

    faults = [Fault(action="call", path="/memo", times=None, hook=change)]
    async with Sandbox(workspace, quota=False, latency_s=0.03, faults=faults) as sandbox:
        await snapshot(sandbox, **SPLITTING)
        asked = [each for each in sandbox.arrivals if "startDate" in each.query]
    assert asked
    stored = {row["id"] for row in rows_of(tmp_path / "final.db", "memo")}
    assert untouched <= stored


def ranges_in(seen: Events) -> list[Note]:
    return [each for each in seen.of(Note) if each.text.startswith("reading ")]


@pytest.mark.parametrize(("pages", "no_split"), [(12, False), (25, True), (40, False)])
async def test_a_split_run_goes_on_after_a_stop(
    make_settings: MakeSettings, snapshot: Snapshot, tmp_path: Path, pages: int, no_split: bool
) -> None:
    """Stopped while ranges are open and resumed, with or without more splitting: the same."""
    workspace = dated_workspace(seed=3)
    await plainly(snapshot, workspace, db_path=tmp_path / "plain.db", include=())
    async with Sandbox(workspace, quota=False, latency_s=0.03) as sandbox:
        settings = make_settings(sandbox, run_tag="t", min_interval_s=0.004)
        stop, seen = Stop(), Events()

        def listen(event: Event) -> None:
            seen(event)
            # On a busy machine the first range may be begun later than usual.
            if len(seen.of(TableProgress)) >= pages and ranges_in(seen):
                stop.request()

        with pytest.raises(StoppedError):
            await take_snapshot(settings, listen, stop=stop)
        begun = ranges_in(seen)
        again = dataclasses.replace(settings, run_tag=None, resume_run_tag="t", no_split=no_split)
        sandbox.arrivals.clear()
        await take_snapshot(again)
        resumed_ranges = {each.query.get("startDate") for each in sandbox.arrivals} - {None}
    assert begun
    assert resumed_ranges
    assert table_hashes(settings.db_path) == table_hashes(tmp_path / "plain.db")


async def test_an_outage_does_not_throw_away_what_ranges_have_read(
    snapshot: Snapshot, events: Events, tmp_path: Path
) -> None:
    """A server that is out of order fails the table, resumable; its filter is not to blame."""
    async with Sandbox(dated_workspace(seed=6), quota=False, latency_s=0.03) as sandbox:
        outage = Fault(action="status", path="/memo", status=503, nth=22, times=None)
        sandbox.faults.append(outage)
        with pytest.raises(TablesFailedError):
            await snapshot(sandbox, run_tag="t", max_retries=0, min_interval_s=0.004)
        answered = sum(each.path == "/memo" and each.status == 200 for each in sandbox.arrivals)
        sandbox.faults.remove(outage)
        sandbox.arrivals.clear()
        await snapshot(sandbox, resume_run_tag="t", min_interval_s=0.004)
        again = sum(each.path == "/memo" for each in sandbox.arrivals)
    await plainly(snapshot, sandbox.workspace, db_path=tmp_path / "plain.db", include=())
    assert not [each for each in events.of(Warned) if "not by dates" in each.text]
    assert answered == 21
    assert again < 46
    assert table_hashes(tmp_path / "final.db") == table_hashes(tmp_path / "plain.db")


@pytest.mark.parametrize("date_filter", ["exact", "ignored"])
async def test_every_table_is_told_once_to_be_complete(
    snapshot: Snapshot, events: Events, date_filter: Any
) -> None:
    """Also one whose ranges were dropped, and one whose chains were begun early."""
    async with Sandbox(
        dated_workspace(seed=2), quota=False, latency_s=0.03, date_filter=date_filter
    ) as sandbox:
        report = await snapshot(sandbox, **SPLITTING)
    told = [each.table for each in events.of(TableFinished)]
    assert sorted(told) == sorted(set(told))
    assert {row.table for row in report.tables} <= set(told)
    rows = {each.table: each.rows for each in events.of(TableFinished)}
    memos_row = next(row for row in report.tables if row.table == "memo")
    assert rows["memo"] == memos_row.row_count + memos_row.duplicates


async def test_forms_begin_in_idle_slots_before_the_people_are_complete(
    snapshot: Snapshot, tmp_path: Path
) -> None:
    """While one long list leaves slots idle, forms named by then are read; the content is the same.

    A form that in the end nobody names any more, because its people moved in the list and came a
    second time without it, leaves nothing behind.
    """
    workspace = Workspace.generate(records=3000, seed=4, mix={"people": 0.9}, forms=8)
    people = workspace.table("people")
    allowed = {deal.get("peopleId") for deal in workspace.table("deal")}
    persons = [person for person in people if person["제출된 웹폼 목록"]]
    named = [form["id"] for p in persons if p["id"] in allowed for form in p["제출된 웹폼 목록"]]
    form = min(set(named), key=named.count)

    def forget(_arrival: object) -> None:
        for person in persons:
            if form in str(person["제출된 웹폼 목록"]):
                del people[people.position(person["id"]) or 0]
                people.append({**person, "제출된 웹폼 목록": []})

    late = Fault(action="call", path="/people", nth=45, hook=forget)
    async with Sandbox(workspace, quota=False, latency_s=0.03, faults=[late]) as sandbox:
        await snapshot(sandbox, min_interval_s=0.004)
        split = table_hashes(tmp_path / "final.db")
        paths = [each.path for each in sandbox.arrivals]
        sandbox.arrivals.clear()
        await snapshot(sandbox, no_split=True)
        assert not any(form in each.path for each in sandbox.arrivals)
    submits = [number for number, path in enumerate(paths) if path.endswith("/submit")]
    last_people = max(number for number, path in enumerate(paths) if path == "/people")
    assert submits[0] < last_people
    assert any(form in path for path in paths)
    assert table_hashes(tmp_path / "final.db") == split


async def test_the_log_says_what_was_split(snapshot: Snapshot, events: Events) -> None:
    """Every range is a note, and its moment carries an offset."""
    async with Sandbox(dated_workspace(seed=1), quota=False, latency_s=0.03) as sandbox:
        await snapshot(sandbox, **SPLITTING)
        asked = {each.query["startDate"] for each in sandbox.arrivals if "startDate" in each.query}
    notes = [each.text for each in events.of(Note) if each.text.startswith("reading ")]
    assert len(notes) == len(asked)
    assert all(datetime.fromisoformat(each).utcoffset() is not None for each in asked)


def test_the_lists_with_date_filters_are_the_documented_ones() -> None:
    """Memos. Activities are filtered by a date that is not in the order of the list."""
    dated = {endpoint.table for endpoint in ENDPOINTS if endpoint.dated}
    assert dated == {"memo"}
