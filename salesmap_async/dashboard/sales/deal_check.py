"""The deal check of one team: its open deals, and which of their customers bought this year."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any

from salesmap_async.dashboard.data.config import Statuses, Team, team_label
from salesmap_async.dashboard.data.database import Snapshot
from salesmap_async.dashboard.data.lacking import can_tell, lacks
from salesmap_async.dashboard.data.shapes import with_years
from salesmap_async.dashboard.data.summary import open_status, organization_names, won_sums
from salesmap_async.dashboard.data.years import captured_on, retention_years
from salesmap_async.dashboard.sales.models import CheckedDeal, DealCheck
from salesmap_async.dashboard.sales.teams import Members, members_of, plain_name
from salesmap_async.lenient import owner_labels, related, text_or_none, trimmed
from salesmap_async.money import krw

NO_PART = "미매핑"

OpenDeals = Mapping[str | None, tuple[int, ...]]
"""What stands under the owner of open deals -> the row numbers of those deals."""


def deal_check(snapshot: Snapshot, team: Team, *, base_year: int, statuses: Statuses) -> DealCheck:
    """Return the deals of customers who bought most in `base_year` first."""
    members = members_of(snapshot, team)
    row_numbers = _deals_of(snapshot, members, open_status(snapshot, statuses))
    years = retention_years(base_year, captured_on(snapshot))
    bought = _bought(snapshot, statuses.won, years)
    of_base_year = _bought(snapshot, statuses.won, [base_year])
    rows = _rows(snapshot, row_numbers)
    names = organization_names(snapshot)
    owners = {text: owner_labels(text) for text in {row[_OWNER] for row in rows}}  # few differ
    items = [
        (
            None if of_base_year is None else of_base_year.get(row[_ORGANIZATION], 0),
            _item(row, team, bought, names, owners),
        )
        for row in rows
    ]
    items.sort(
        key=lambda each: (-(each[0] or 0), each[1]["createdAt"] or "", each[1]["dealId"] or "")
    )
    total = f"orgWon{base_year}Total"
    return {
        "items": [with_years(item, {total: amount}) for amount, item in items],
        "years": [base_year],
        "meta": {
            "team": team_label(team, members.crm_team),
            "members": members.count,
            "warnings": [] if members.crm_team else ["team_not_found"],
            "base_year": base_year,
        },
        "retention_years": years,
        **lacks(snapshot.columns, "team_deals", "retention"),
    }


def _bought(snapshot: Snapshot, won: str, years: list[int]) -> Mapping[str, int] | None:
    """Return what each customer bought in those years; None where the snapshot cannot tell."""
    if not can_tell(snapshot.columns, "retention"):
        return None
    sums = Counter[str]()
    for year in years:
        sums.update(won_sums(snapshot, won).retention.get(year, {}))
    return sums


def _deals_of(snapshot: Snapshot, members: Members, status: str) -> list[int]:
    """Return the row numbers of the open deals that a member owns."""
    open_deals: OpenDeals = snapshot.remembered(
        "open deals by owner", lambda each: _open_deals(each, status)
    )
    return [
        row_number
        for owner, row_numbers in open_deals.items()
        if any(members.include(each) for each in related(owner))
        for row_number in row_numbers
    ]


def _open_deals(snapshot: Snapshot, status: str) -> OpenDeals:
    found: dict[str | None, list[int]] = {}
    for owner, row_number in snapshot.each(
        "SELECT {deal.owner}, deal.rowid FROM deal WHERE {deal.status} = ?", status
    ):
        found.setdefault(owner, []).append(row_number)
    return {owner: tuple(row_numbers) for owner, row_numbers in found.items()}


_ORGANIZATION, _OWNER = 1, 2
"""Where `_rows` has them."""


def _rows(snapshot: Snapshot, row_numbers: Iterable[int]) -> list[tuple[Any, ...]]:
    return snapshot.rows(
        """
        SELECT {deal.id}, coalesce(nullif({deal.organizationId}, ''), {people.organizationId}),
               {deal.owner}, {deal.created_at}, {deal.name}, {deal.course_format},
               {deal.probability}, {deal.expected_close_date},
               {deal.open_amount}, {deal.part}, {deal.peopleId}, {people.name},
               {people.upper_org}, {people.team_signature},
               (SELECT count(*) FROM memo WHERE {memo.dealId} = {deal.id})
        FROM deal
        LEFT JOIN people ON {people.id} = {deal.peopleId}
        WHERE deal.rowid IN (SELECT value FROM json_each(?))
        """,
        json.dumps(sorted(row_numbers)),
    )


def _item(
    row: tuple[Any, ...],
    team: Team,
    bought: Mapping[str, int] | None,
    names: Mapping[str, str],
    owners: Mapping[str | None, list[str]],
) -> CheckedDeal:
    (
        deal_id, org_id, owner, created_at, name, course_format, probability,
        expected_close_date, expected_amount, part, person_id, person_name, upper_org, signature,
        memo_count,
    ) = row  # fmt: skip
    return {
        "dealId": deal_id,
        "orgId": org_id,
        "orgName": names.get(org_id) or org_id or "-",
        "isRetention": None if bought is None else org_id in bought,
        "createdAt": text_or_none(created_at),
        "dealName": text_or_none(name),
        "courseFormat": text_or_none(course_format),
        "owners": owners[owner],
        "probability": text_or_none(probability),
        "expectedCloseDate": text_or_none(expected_close_date),
        "expectedAmount": krw(expected_amount),
        "memoCount": memo_count,
        "upperOrg": trimmed(upper_org),
        "teamSignature": trimmed(signature),
        "personId": person_id,
        "personName": text_or_none(person_name),
        "part": _part(team, owners[owner], part),
    }


def _part(team: Team, owners: list[str], part: object) -> str:
    """Return which parts of the team the owners are in, by the configuration, else by the deal."""
    found = [
        label
        for label, people in team.parts.items()
        if {plain_name(owner) for owner in owners} & set(map(plain_name, people))
    ]
    return "+".join(found or owner_labels(part)) or NO_PART
