"""The list of deals, its sums, its choices, and the same by colleague."""

from __future__ import annotations

import sqlite3
from collections import defaultdict
from datetime import date
from functools import partial
from typing import Any, cast

from salesmap_async.dashboard.data.columns import Columns
from salesmap_async.dashboard.data.lacking import can_tell
from salesmap_async.dashboard.deals.facts import DealFacts
from salesmap_async.dashboard.deals.filters import (
    DealFilter,
    Order,
    Sort,
    is_overdue,
    is_stale,
    order_by,
)
from salesmap_async.dashboard.deals.models import Choices, Closing, ListedDeal, OwnerLine, Sums

CLOSINGS = 3
"""Of each colleague the next ones."""


_FIGURES_OF_SUMS = {
    "count": None,
    "worth": "open_amount",
    "open_count": "open_deals",
    "open_worth": "open_worth",
    "won_count": "open_deals",
    "won_worth": "won_total",
    "overdue": "overdue",
    "stale": "open_deals",
}
"""Sum -> the figure that it is, in the order of `Sums`."""


def list_deals(
    facts: DealFacts,
    columns: Columns,
    wanted: DealFilter,
    *,
    sort: Sort,
    order: Order,
    limit: int,
    offset: int,
) -> tuple[list[ListedDeal], Sums]:
    """Return one page of the deals that `wanted` lets through, and the sums of all of them."""
    where, values = wanted.where(facts.today)
    overdue, stale = is_overdue(facts.today), is_stale(facts.today, wanted.stale_days)
    with facts.asked() as connection:
        rows = connection.execute(
            f"""
            SELECT id, name, org_id, org, person_id, person, org_of_person, status, pipeline,
                   stage, owners, teams, worth, close, created, contract, active, {overdue}, {stale}
            FROM fact WHERE {where} ORDER BY {order_by(sort, order)} LIMIT ? OFFSET ?
            """,
            [*values, limit, offset],
        ).fetchall()
        sums = _sums(connection, where, values, overdue, stale)
    return [_listed(row) for row in rows], _told(columns, sums)


def choices(facts: DealFacts) -> Choices:
    """Return what the filters may be set to."""
    with facts.asked() as connection:
        return {
            "owners": _firsts(connection, "SELECT DISTINCT owner FROM owner ORDER BY 1"),
            "teams": _firsts(connection, "SELECT DISTINCT team FROM team ORDER BY 1"),
            "stages": [
                {"pipeline": pipeline, "stage": stage}
                for pipeline, stage in connection.execute(
                    "SELECT pipeline, stage FROM fact GROUP BY 1, 2 ORDER BY min(stage_place), 1, 2"
                )
            ],
            "statuses": _firsts(
                connection, "SELECT DISTINCT status FROM fact WHERE status <> '' ORDER BY 1"
            ),
        }


def owner_lines(
    facts: DealFacts, columns: Columns, *, year: int, stale_days: int
) -> list[OwnerLine]:
    """Return a line for each colleague, and one for deals of nobody; most open first."""
    today = facts.today
    overdue, stale = is_overdue(today), is_stale(today, stale_days)
    of_year = f"(is_won AND contract BETWEEN '{year:04d}-01-01' AND '{_last_day(year, today)}')"
    tells = partial(can_tell, columns)
    with facts.asked() as connection:
        closings = _closings(connection, today)
        rows = connection.execute(
            f"""
            SELECT owner, sum(is_open), total(worth * is_open), sum({of_year}),
                   total(worth * {of_year}), sum({overdue}), sum({stale})
            FROM owner JOIN fact USING (row) GROUP BY owner
            """
        ).fetchall()
    lines: list[OwnerLine] = [
        {
            "owner": owner,
            "open_count": open_count if tells("open_deals") else None,
            "open_worth": round(open_worth) if tells("open_worth") else None,
            "won_count": (won_count or 0) if tells("won_count") else None,
            "won_worth": round(won_worth) if tells("won_amount") else None,
            "overdue": (overdue_count or 0) if tells("overdue") else None,
            "stale": (stale_count or 0) if tells("open_deals") else None,
            "next_closings": closings.get(owner, []),
        }
        for owner, open_count, open_worth, won_count, won_worth, overdue_count, stale_count in rows
    ]
    return sorted(lines, key=lambda line: (-(line["open_worth"] or 0), line["owner"]))


def _last_day(year: int, today: date) -> str:
    return today.isoformat() if year == today.year else f"{year:04d}-12-31"


def _closings(connection: sqlite3.Connection, today: date) -> dict[str, list[Closing]]:
    found: dict[str, list[Closing]] = defaultdict(list)
    for owner, deal_id, name, close, worth in connection.execute(
        f"""
        SELECT owner, id, name, close, worth FROM (
          SELECT owner, id, name, close, worth,
                 row_number() OVER (PARTITION BY owner ORDER BY close, row) AS place
          FROM owner JOIN fact USING (row) WHERE is_open AND close >= ?
        ) WHERE place <= {CLOSINGS}
        ORDER BY owner, place
        """,
        (today.isoformat(),),
    ):
        found[owner].append({"id": deal_id, "name": name, "expected_close": close, "worth": worth})
    return found


def _sums(
    connection: sqlite3.Connection, where: str, values: list[Any], overdue: str, stale: str
) -> Sums:
    counted = connection.execute(
        f"""
        SELECT count(*), total(worth), total(is_open), total(worth * is_open), total(is_won),
               total(worth * is_won), total({overdue}), total({stale})
        FROM fact WHERE {where}
        """,
        values,
    ).fetchone()
    count, worth, open_count, open_worth, won_count, won_worth, late, old = map(round, counted)
    return {
        "count": count,
        "worth": worth,
        "open_count": open_count,
        "open_worth": open_worth,
        "won_count": won_count,
        "won_worth": won_worth,
        "overdue": late,
        "stale": old,
    }


def _told(columns: Columns, sums: Sums) -> Sums:
    """Return the sums without those that the snapshot cannot tell."""
    known: dict[str, Any] = {
        name: value if figure is None or can_tell(columns, figure) else None
        for (name, value), figure in zip(sums.items(), _FIGURES_OF_SUMS.values(), strict=True)
    }
    return cast("Sums", known)


def _listed(row: tuple[Any, ...]) -> ListedDeal:
    (
        deal_id, name, org_id, org, person_id, person, org_of_person, status, pipeline, stage,
        owners, teams, worth, close, created, contract, active, late, old,
    ) = row  # fmt: skip
    return {
        "id": deal_id,
        "name": name,
        "organization_id": org_id,
        "organization": org,
        "person_id": person_id,
        "person": person,
        "organization_of_person": org_of_person,
        "status": status,
        "pipeline": pipeline,
        "stage": stage,
        "owners": owners,
        "teams": teams,
        "worth": worth,
        "expected_close": close,
        "created": created,
        "contract": contract,
        "active_on": active,
        "is_overdue": bool(late),
        "is_stale": bool(old),
    }


def _firsts(connection: sqlite3.Connection, sql: str) -> list[str]:
    return [value for (value,) in connection.execute(sql)]
