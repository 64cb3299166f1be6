"""An organization in full: its people, their web forms and memos, and what they have bought.

Groups are (upper organization, team) of the people, all of them; deals whose person is unknown or
works elsewhere stand in the group without a name.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection
from dataclasses import dataclass

from salesmap_async.dashboard.crm.models import (
    CompactWonGroups,
    Figures,
    Group,
    GroupedDeal,
    GroupedOrganization,
    GroupedPerson,
    ShortMemo,
    WonGroups,
)
from salesmap_async.dashboard.data.buyers import upper_org_of
from salesmap_async.dashboard.data.columns import Columns
from salesmap_async.dashboard.data.database import Snapshot
from salesmap_async.dashboard.data.lacking import can_tell
from salesmap_async.dashboard.data.webforms import date_or_dates, forms_of, submission_dates
from salesmap_async.dashboard.web.errors import NotFoundError
from salesmap_async.lenient import NOT_GIVEN, parsed, text_or_none, trimmed
from salesmap_async.money import krw
from salesmap_async.seoul import seoul_year

GroupKey = tuple[str, str]
MemosById = dict[str | None, list[ShortMemo]]
"""Memos by the id of what they are about."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Memos:
    """The memos of the organization itself, of its people, of its deals; newest first."""

    of_org: list[ShortMemo]
    of_people: MemosById
    of_deals: MemosById


def won_groups(snapshot: Snapshot, org_id: str, *, years: list[int], won: str) -> WonGroups:
    """Return groups by name; deals are those won in `years`.

    Raises NotFoundError.
    """
    memos = _memos(snapshot, org_id)
    organization = _organization(snapshot, org_id, memos.of_org)
    groups: dict[GroupKey, Group] = {}
    key_of: dict[str | None, GroupKey] = {}
    for key, person in _people(snapshot, org_id, memos.of_people):
        key_of[person["id"]] = key
        _group(groups, key)["people"].append(person)
    key_of[None] = nobody = (NOT_GIVEN, NOT_GIVEN)
    for deal in _deals(snapshot, org_id, memos.of_deals, years=years, won=won):
        _group(groups, key_of.get(deal["peopleId"], nobody))["deals"].append(deal)
    return {
        "organization": organization,
        "groups": [groups[key] for key in sorted(groups)],
        "years": years,
    }


def compact(
    columns: Columns, found: WonGroups, online_formats: Collection[str]
) -> CompactWonGroups:
    """Return the same groups without their records: how many there are, and KRW by year."""
    organization = found["organization"]
    return {
        "organization": {
            "id": organization["id"],
            "name": organization["name"],
            "size": organization["size"],
            "industry": organization["industry"],
            "industry_major": organization["industry_major"],
            "industry_mid": organization["industry_mid"],
        },
        "groups": [
            {
                "upper_org": group["upper_org"],
                "team": group["team"],
                "people": len(group["people"]),
                "deals": len(group["deals"]),
                "won": {
                    str(year): _figures(
                        columns,
                        [d for d in group["deals"] if seoul_year(d["contract_date"]) == year],
                        online_formats,
                    )
                    for year in found["years"]
                },
            }
            for group in found["groups"]
        ],
        "years": found["years"],
    }


def _figures(
    columns: Columns, deals: list[GroupedDeal], online_formats: Collection[str]
) -> Figures:
    total = sum(deal["amount"] or 0 for deal in deals)
    online = sum(deal["amount"] or 0 for deal in deals if deal["course_format"] in online_formats)
    knows_amounts = can_tell(columns, "won_amount")
    knows_rails = knows_amounts and can_tell(columns, "rails")
    return {
        "total": total if knows_amounts else None,
        "online": online if knows_rails else None,
        "offline": total - online if knows_rails else None,
        "deals": len(deals),
    }


def _group(groups: dict[GroupKey, Group], key: GroupKey) -> Group:
    empty: Group = {"upper_org": key[0], "team": key[1], "people": [], "deals": []}
    return groups.setdefault(key, empty)


def _organization(snapshot: Snapshot, org_id: str, memos: list[ShortMemo]) -> GroupedOrganization:
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
    found_id, name, size, industry, industry_major, industry_mid = row
    return {
        "id": found_id,
        "name": text_or_none(name),
        "size": text_or_none(size),
        "industry": text_or_none(industry),
        "industry_major": text_or_none(industry_major),
        "industry_mid": text_or_none(industry_mid),
        "memos": memos,
    }


def _people(
    snapshot: Snapshot, org_id: str, memos: MemosById
) -> list[tuple[GroupKey, GroupedPerson]]:
    """Return the people by name, each with the group it belongs to."""
    rows = snapshot.rows(
        """
        SELECT {people.id}, {people.upper_org}, {people.team_signature}, {people.webforms},
               {people.name}, {people.title_signature}, {people.edu_area}
        FROM people WHERE {people.organizationId} = ? ORDER BY {people.name}, {people.id}
        """,
        org_id,
    )
    dates = submission_dates(snapshot, [row[0] for row in rows if row[0] and row[3]])
    found: list[tuple[GroupKey, GroupedPerson]] = []
    for person_id, upper_org, team, webforms, name, title, area in rows:
        upper = upper_org_of(upper_org, org_id=org_id, works_at=org_id)
        person: GroupedPerson = {
            "id": text_or_none(person_id),
            "name": text_or_none(name),
            "title_signature": text_or_none(title),
            "edu_area": text_or_none(area),
            "webforms": [
                {"name": form["name"], "date": date_or_dates(form)}
                for form in forms_of(person_id, webforms, dates)
            ],
            "memos": memos.get(person_id, []),
        }
        found.append(((upper, trimmed(team) or NOT_GIVEN), person))
    return found


def _deals(
    snapshot: Snapshot, org_id: str, memos: MemosById, *, years: list[int], won: str
) -> list[GroupedDeal]:
    rows = snapshot.rows(
        """
        SELECT {deal.id}, {deal.peopleId}, {deal.name}, {deal.status}, {deal.probability},
               {deal.expected_close_date}, {deal.lost_at}, {deal.lost_reason},
               {deal.course_format}, {deal.category}, {deal.start_date}, {deal.end_date},
               {deal.created_at}, {deal.team}, {deal.owner}, {deal.amount}, {deal.expected_amount},
               {deal.net_percent}, {deal.contract_date}
        FROM deal WHERE {deal.organizationId} = ? AND {deal.status} = ?
        ORDER BY {deal.contract_date} DESC, {deal.id}
        """,
        org_id,
        won,
    )
    return [
        {
            "id": text_or_none(deal_id),
            "peopleId": text_or_none(people_id),
            "name": text_or_none(name),
            "status": text_or_none(status),
            "probability": text_or_none(probability),
            "expected_close_date": text_or_none(expected_close_date),
            "lost_at": text_or_none(lost_at),
            "lost_reason": text_or_none(lost_reason),
            "course_format": text_or_none(course_format),
            "category": text_or_none(category),
            "start_date": text_or_none(start_date),
            "end_date": text_or_none(end_date),
            "created_at": text_or_none(created_at),
            "team": parsed(team),
            "owner": parsed(owner),
            "amount": krw(amount),
            "expected_amount": krw(expected_amount),
            "net_percent": net_percent,
            "contract_date": text_or_none(contract_date),
            "memos": memos.get(deal_id, []),
        }
        for (
            deal_id, people_id, name, status, probability, expected_close_date, lost_at,
            lost_reason, course_format, category, start_date, end_date, created_at, team, owner,
            amount, expected_amount, net_percent, contract_date,
        ) in rows
        if seoul_year(contract_date) in years
    ]  # fmt: skip


def _memos(snapshot: Snapshot, org_id: str) -> _Memos:
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
    of_org: list[ShortMemo] = []
    of_people: MemosById = defaultdict(list)
    of_deals: MemosById = defaultdict(list)
    for memo_id, deal_id, person_id, text, created_at in rows:
        memo: ShortMemo = {
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
    return _Memos(of_org=of_org, of_people=of_people, of_deals=of_deals)
