"""What the list of deals filters, sorts and adds up: a few values of each deal, in a table.

The table is made once for each state of the snapshot, in a temporary file of SQLite, so that memory
stays small; it goes with that state. Days are days in Seoul (ISO), amounts whole KRW.
"""

from __future__ import annotations

import sqlite3
import weakref
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import date, datetime, timedelta
from itertools import chain, islice
from pathlib import Path
from threading import Lock
from typing import Any

from salesmap_async.dashboard.data.config import DashboardConfig
from salesmap_async.dashboard.data.database import Snapshot
from salesmap_async.dashboard.data.lacking import can_tell
from salesmap_async.dashboard.data.stages import in_pipeline_order, stage_teller
from salesmap_async.dashboard.data.summary import organization_names
from salesmap_async.dashboard.data.years import captured_on
from salesmap_async.errors import SalesmapError
from salesmap_async.exact_json import fits_int64
from salesmap_async.lenient import NOT_GIVEN, owner_labels, text_or_none, trimmed
from salesmap_async.money import krw
from salesmap_async.search.texts import needle_of
from salesmap_async.seoul import SEOUL, seoul_date
from salesmap_async.timeline.lives import log_of
from salesmap_async.timeline.sales import PIPELINE, STAGE
from salesmap_async.timeline.timeline_file import timeline_opened

NOBODY = "담당자 없음"
_CREATE = """
CREATE TABLE fact (
  row INTEGER PRIMARY KEY, id TEXT, name TEXT, org_id TEXT, org TEXT, person_id TEXT, person TEXT,
  org_of_person TEXT,
  size TEXT, status TEXT, is_open INTEGER, is_won INTEGER, is_lost INTEGER, pipeline TEXT,
  stage TEXT, stage_place INTEGER, owners TEXT, teams TEXT, worth INTEGER, close TEXT, created TEXT,
  contract TEXT, active TEXT, plain TEXT);
CREATE TABLE owner (owner TEXT, row INTEGER, PRIMARY KEY (owner, row)) WITHOUT ROWID;
CREATE TABLE team (team TEXT, row INTEGER, PRIMARY KEY (team, row)) WITHOUT ROWID;
"""
_AT_ONCE = 500


class DealFacts:
    """The table; `today` is the day in Seoul on which the snapshot was read."""

    def __init__(self, connection: sqlite3.Connection, today: date) -> None:
        self._connection = connection
        self._lock = Lock()
        self.today = today
        weakref.finalize(self, connection.close)

    @contextmanager
    def asked(self) -> Iterator[sqlite3.Connection]:
        """Give the connection to one request at a time."""
        with self._lock:
            yield self._connection


def deal_facts(snapshot: Snapshot, config: DashboardConfig, timeline: Path) -> DealFacts:
    """Return the table of this state of the snapshot; a timeline that has grown makes it anew."""
    name = f"deal facts {_state_of(timeline)}"
    return snapshot.remembered(name, lambda each: _make(each, config, timeline))


def plain(*texts: str | None) -> str:
    """Return texts as the search compares them, one to a line, so that no word spans two."""
    return "\n".join(needle_of(text or "") for text in texts)


def _state_of(path: Path) -> tuple[int, int] | None:
    try:
        stat = path.stat()
    except OSError:
        return None
    return stat.st_size, stat.st_mtime_ns


def _make(snapshot: Snapshot, config: DashboardConfig, timeline: Path) -> DealFacts:
    connection = sqlite3.connect("", check_same_thread=False, isolation_level=None)
    try:
        connection.execute("PRAGMA cache_size = -4000")
        connection.execute("PRAGMA journal_mode = OFF")
        connection.executescript(_CREATE)
        connection.execute("BEGIN")
        _fill(connection, snapshot, config, _moves(timeline, captured_on(snapshot)))
        connection.execute("COMMIT")
    except BaseException:
        connection.close()
        raise
    return DealFacts(connection, captured_on(snapshot))


def _fill(
    connection: sqlite3.Connection,
    snapshot: Snapshot,
    config: DashboardConfig,
    moves: Mapping[str, str],
) -> None:
    maker = _Maker(snapshot, config, moves)
    numbered = enumerate(maker.deals())
    while made := [maker.fact(row, deal) for row, deal in islice(numbered, _AT_ONCE)]:
        facts, owners, teams = zip(*made, strict=True)
        marks = ", ".join("?" * len(facts[0]))
        connection.executemany(f"INSERT INTO fact VALUES ({marks})", facts)
        connection.executemany(
            "INSERT OR IGNORE INTO owner VALUES (?, ?)", chain.from_iterable(owners)
        )
        connection.executemany(
            "INSERT OR IGNORE INTO team VALUES (?, ?)", chain.from_iterable(teams)
        )


class _Maker:
    """Turns a deal of the snapshot into its line of the table."""

    def __init__(
        self, snapshot: Snapshot, config: DashboardConfig, moves: Mapping[str, str]
    ) -> None:
        self._snapshot = snapshot
        self._statuses = config.statuses
        self._moves = moves
        self._names = organization_names(snapshot)
        self._teller = stage_teller(snapshot)
        self._order = in_pipeline_order(snapshot)
        self._memos = _last_memos(snapshot)
        self._knows_status = can_tell(snapshot.columns, "open_deals")
        self._labels: dict[Any, list[str]] = {}
        self._days: dict[Any, str | None] = {}

    def deals(self) -> Iterator[tuple[Any, ...]]:
        columns = ", ".join((*self._teller.entered, *self._teller.columns))
        return self._snapshot.each(
            f"""
            SELECT {{deal.id}}, {{deal.organizationId}}, {{deal.peopleId}}, {{deal.name}},
                   {{deal.status}}, {{deal.amount}}, {{deal.open_amount}}, {{deal.owner}},
                   {{deal.team}}, {{deal.expected_close_date}}, {{deal.created_at}},
                   {{deal.contract_date}}, {{people.name}}, {{people.organizationId}},
                   {{organization.size}}, {columns}
            FROM deal
            LEFT JOIN people ON {{people.id}} = {{deal.peopleId}}
            LEFT JOIN organization ON {{organization.id}} = {{deal.organizationId}}
            """
        )

    def fact(
        self, row: int, deal: tuple[Any, ...]
    ) -> tuple[tuple[Any, ...], list[tuple[str, int]], list[tuple[str, int]]]:
        """Return the line, and (owner, row) and (team, row) of each owner and team."""
        (
            deal_id, org_id, person_id, name, status, amount, open_amount, owner, team, close,
            created, contract, person, org_of_person, size, *told,
        ) = deal  # fmt: skip
        entered, values = self._split(told)
        org_id, person_id = org_id or None, person_id or None
        org = self._names.get(org_id or "")
        is_won = self._knows_status and status == self._statuses.won
        is_lost = self._knows_status and status == self._statuses.lost
        is_open = self._knows_status and not (is_won or is_lost)
        worth = krw(open_amount if is_open else amount)
        stage = self._teller.stage_of(values)
        owners, teams = self._labels_of(owner), self._labels_of(team)
        person_name = text_or_none(person)
        active = self._last((created, *entered, self._memos.get(deal_id)), self._moves.get(deal_id))
        fact = (
            row, deal_id, text_or_none(name), org_id, org, person_id, person_name, org_of_person,
            trimmed(size) or NOT_GIVEN, text_or_none(status), is_open, is_won, is_lost, *stage,
            self._order.get(stage, len(self._order)), ", ".join(owners) or None,
            ", ".join(teams) or None, worth if worth is not None and fits_int64(worth) else None,
            self._day(close), self._day(created), self._day(contract), active,
            plain(text_or_none(name), org, person_name),
        )  # fmt: skip
        return fact, [(each, row) for each in owners or [NOBODY]], [(each, row) for each in teams]

    def _split(self, told: list[Any]) -> tuple[list[Any], list[Any]]:
        place = len(self._teller.entered)
        return told[:place], told[place:]

    def _labels_of(self, raw: Any) -> list[str]:
        if raw not in self._labels:
            self._labels[raw] = list(dict.fromkeys(owner_labels(raw)))
        return self._labels[raw]

    def _day(self, raw: Any) -> str | None:
        if raw is None:
            return None
        if raw not in self._days:
            if len(self._days) > 50_000:
                self._days.clear()
            day = seoul_date(raw)
            self._days[raw] = None if day is None else day.isoformat()
        return self._days[raw]

    def _last(self, moments: tuple[Any, ...], moved: str | None) -> str | None:
        """Return the last day; ISO texts stand in the order of their moments."""
        texts = [each for each in moments if isinstance(each, str)]
        last = self._day(max(texts, default=None))
        days = [last] if last else list(map(self._day, texts))  # one of them is no day
        return max(filter(None, (*days, moved)), default=None)


def _last_memos(snapshot: Snapshot) -> dict[Any, Any]:
    if not snapshot.columns.has_table("memo"):
        return {}
    return dict(
        snapshot.rows(
            "SELECT {memo.dealId}, max({memo.created_at}) FROM memo"
            " WHERE {memo.dealId} IS NOT NULL GROUP BY 1"
        )
    )


def _moves(timeline: Path, today: date) -> dict[str, str]:
    """Return the day on which the timeline saw each deal in another stage; of the last year."""
    since = datetime.combine(today - timedelta(days=366), datetime.min.time(), SEOUL)
    moves: dict[str, str] = {}
    for field in (STAGE, PIPELINE):
        try:
            with timeline_opened(timeline) as connection:
                for event in log_of(connection, since=since, tables=("deal",), fields=(field,)):
                    day = seoul_date(event.state.at)
                    if event.kind == "changed" and day is not None:
                        moves[event.id] = max(moves.get(event.id, ""), day.isoformat())
        except (SalesmapError, sqlite3.Error):
            continue  # no timeline, or none of that field: the memos tell
    return moves
