"""An organization in full: its people, their web forms and memos, and what they have bought.

Groups are (upper organization, team) of the people, all of them; deals whose person is unknown or
works elsewhere stand in the group without a name.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from typing import Any

from salesmap_async.dashboard.data.buyers import upper_org_of
from salesmap_async.dashboard.data.database import Snapshot
from salesmap_async.dashboard.data.lenient import NOT_GIVEN, parsed, text_or_none, trimmed
from salesmap_async.dashboard.data.money import krw
from salesmap_async.dashboard.data.seoul import seoul_year
from salesmap_async.dashboard.data.webforms import date_or_dates, forms_of, submission_dates
from salesmap_async.dashboard.web.errors import NotFoundError

GroupKey = tuple[str, str]
Records = dict[str, list[dict[str, Any]]]
"""Memos by the id of what they are about."""


def won_groups(snapshot: Snapshot, org_id: str, *, years: list[int], won: str) -> dict[str, Any]:
    """Return `organization` and `groups`, by name; deals are those won in `years`.

    Raises NotFoundError.
    """
    organization = _organization(snapshot, org_id)
    people = _people(snapshot, org_id)
    deals = _deals(snapshot, org_id, years=years, won=won)
    of_org, of_people, of_deals = _memos(snapshot, org_id)
    groups: dict[GroupKey, dict[str, Any]] = {}
    key_of: dict[str, GroupKey] = {}
    for person in people:
        key = (person.pop("_upper_org"), person.pop("_team"))
        if person["id"] is not None:
            key_of[person["id"]] = key
        person["memos"] = of_people.get(person["id"], [])
        _group(groups, key)["people"].append(person)
    for deal in deals:
        deal["memos"] = of_deals.get(deal["id"], [])
        key = key_of.get(deal["peopleId"], (NOT_GIVEN, NOT_GIVEN))
        _group(groups, key)["deals"].append(deal)
    return {
        "organization": organization | {"memos": of_org},
        "groups": [groups[key] for key in sorted(groups)],
    }


def _group(groups: dict[GroupKey, dict[str, Any]], key: GroupKey) -> dict[str, Any]:
    empty = {"upper_org": key[0], "team": key[1], "people": [], "deals": []}
    return groups.setdefault(key, empty)


def _organization(snapshot: Snapshot, org_id: str) -> dict[str, Any]:
    row = snapshot.row(
        """
        SELECT {organization.id}, {organization.name}, {organization.size},
               {organization.industry}, {organization.industry_major}, {organization.industry_mid}
        FROM organization WHERE {organization.id} = ?
        """,
        org_id,
    )
    if row is None:
        raise NotFoundError("organization", org_id)
    names = ("id", "name", "size", "industry", "industry_major", "industry_mid")
    return _as_texts(names, row)


def _people(snapshot: Snapshot, org_id: str) -> list[dict[str, Any]]:
    rows = snapshot.rows(
        """
        SELECT {people.id}, {people.upper_org}, {people.team_signature}, {people.webforms},
               {people.name}, {people.title_signature}, {people.edu_area}
        FROM people WHERE {people.organizationId} = ? ORDER BY {people.name}, {people.id}
        """,
        org_id,
    )
    dates = submission_dates(snapshot, [row[0] for row in rows if row[0] and row[3]])
    return [
        {
            "id": person_id,
            "_upper_org": upper_org_of(upper_org, org_id=org_id, works_at=org_id),
            "_team": trimmed(team) or NOT_GIVEN,
            **_as_texts(("name", "title_signature", "edu_area"), rest),
            "webforms": [
                {"name": form["name"], "date": date_or_dates(form)}
                for form in forms_of(person_id, webforms, dates)
            ],
        }
        for person_id, upper_org, team, webforms, *rest in rows
    ]


def _deals(snapshot: Snapshot, org_id: str, *, years: list[int], won: str) -> list[dict[str, Any]]:
    rows = snapshot.rows(
        """
        SELECT {deal.team}, {deal.owner}, {deal.amount}, {deal.expected_amount},
               {deal.net_percent}, {deal.contract_date},
               {deal.id}, {deal.peopleId}, {deal.name}, {deal.status}, {deal.probability},
               {deal.expected_close_date}, {deal.lost_at}, {deal.lost_reason},
               {deal.course_format}, {deal.category}, {deal.start_date}, {deal.end_date},
               {deal.created_at}
        FROM deal WHERE {deal.organizationId} = ? AND {deal.status} = ?
        ORDER BY {deal.contract_date} DESC, {deal.id}
        """,
        org_id,
        won,
    )
    names = (
        "id", "peopleId", "name", "status", "probability", "expected_close_date", "lost_at",
        "lost_reason", "course_format", "category", "start_date", "end_date", "created_at",
    )  # fmt: skip
    return [
        {
            **_as_texts(names, rest),
            "team": parsed(team),
            "owner": parsed(owner),
            "amount": krw(amount),
            "expected_amount": krw(expected_amount),
            "net_percent": net_percent,
            "contract_date": text_or_none(contract_date),
        }
        for team, owner, amount, expected_amount, net_percent, contract_date, *rest in rows
        if seoul_year(contract_date) in years
    ]


def _memos(snapshot: Snapshot, org_id: str) -> tuple[list[dict[str, Any]], Records, Records]:
    """Return the memos of the organization itself, of its people, of its deals; newest first."""
    rows = snapshot.rows(
        """
        SELECT {memo.id}, {memo.dealId}, {memo.peopleId}, {memo.text}, {memo.created_at} FROM memo
        WHERE {memo.organizationId} = ?
           OR {memo.peopleId} IN (SELECT {people.id} FROM people WHERE {people.organizationId} = ?)
           OR {memo.dealId} IN (SELECT {deal.id} FROM deal WHERE {deal.organizationId} = ?)
        ORDER BY {memo.created_at} DESC, {memo.id}
        """,
        org_id,
        org_id,
        org_id,
    )
    of_org: list[dict[str, Any]] = []
    of_people: Records = defaultdict(list)
    of_deals: Records = defaultdict(list)
    for memo_id, deal_id, person_id, text, created_at in rows:
        memo = {
            "id": memo_id,
            "text": text_or_none(text),
            "createdAt": text_or_none(created_at),
        }
        if deal_id:
            of_deals[deal_id].append(memo)
        elif person_id:
            of_people[person_id].append(memo)
        else:
            of_org.append(memo)
    return of_org, of_people, of_deals


def _as_texts(names: Iterable[str], values: Iterable[object]) -> dict[str, Any]:
    return {name: text_or_none(value) for name, value in zip(names, values, strict=True)}
