"""What is remembered of a state of the file: organizations, Won sums, names of owners.

It is what the list of organizations, the deal check and the memos' authors would else read whole
tables for on every request: ids, names, sizes and sums. Beside it the memory of that state holds
the row numbers of open deals by owner (`deal_check`), the figures of the pipeline (`pipeline`), the
count of all rows (`about`) and of dates that cannot be read (`caveats`). No record is kept.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from salesmap_async.dashboard.data.config import Statuses
from salesmap_async.dashboard.data.database import Snapshot
from salesmap_async.lenient import related, text_or_none, trimmed
from salesmap_async.money import krw
from salesmap_async.seoul import seoul_year

SumByOrganization = Mapping[str, int]


@dataclass(frozen=True, slots=True)
class Organization:
    """One line of the list."""

    id: str
    name: str | None
    size: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class WonSums:
    """KRW won by organization, by the year of the contract in Seoul.

    `of_deals`: what the deals of the organization say. `retention`: amounts of 0 and more alone,
    deals without an organization counted for that of their person; who is in it has won.
    """

    of_deals: Mapping[int, SumByOrganization]
    retention: Mapping[int, SumByOrganization]


def listed_organizations(snapshot: Snapshot) -> tuple[Organization, ...]:
    """Return the organizations that have people or deals, by name."""
    return snapshot.remembered("organizations", _read_organizations)


def organization_names(snapshot: Snapshot) -> Mapping[str, str]:
    """Return the names of all organizations that have one, by id."""
    return snapshot.remembered("organization names", _read_organization_names)


def won_sums(snapshot: Snapshot, won: str) -> WonSums:
    """Return what every organization has bought, by year; `won` is the status of such deals."""
    return snapshot.remembered("won sums", lambda each: _read_won_sums(each, won))


def owner_names(snapshot: Snapshot) -> Mapping[str, str]:
    """Return the names of all owners by id."""
    return snapshot.remembered("owner names", _read_owner_names)


def open_status(snapshot: Snapshot, statuses: Statuses) -> str:
    """Return the first of the configured open statuses that a deal has, else the first."""

    def read(each: Snapshot) -> str:
        if not each.columns.has_table("deal"):
            return statuses.open[0]
        found = {status for (status,) in each.rows("SELECT DISTINCT {deal.status} FROM deal")}
        return next((name for name in statuses.open if name in found), statuses.open[0])

    return snapshot.remembered("open status", read)


def _read_organizations(snapshot: Snapshot) -> tuple[Organization, ...]:
    rows = snapshot.rows(
        """
        SELECT {organization.id}, {organization.name}, {organization.size} FROM organization
        WHERE EXISTS (SELECT 1 FROM people WHERE {people.organizationId} = {organization.id})
           OR EXISTS (SELECT 1 FROM deal WHERE {deal.organizationId} = {organization.id})
        """
    )
    found = [Organization(org_id, text_or_none(name), text_or_none(size))
             for org_id, name, size in rows]  # fmt: skip
    return tuple(sorted(found, key=lambda each: (each.name or "", each.id)))


def _read_organization_names(snapshot: Snapshot) -> Mapping[str, str]:
    rows = snapshot.rows("SELECT {organization.id}, {organization.name} FROM organization")
    return {org_id: text for org_id, name in rows if (text := trimmed(name)) is not None}


def _read_won_sums(snapshot: Snapshot, won: str) -> WonSums:
    of_deals: dict[int, dict[str, int]] = defaultdict(lambda: defaultdict(int))
    retention: dict[int, dict[str, int]] = defaultdict(lambda: defaultdict(int))
    for org_id, person_org_id, contract_date, raw_amount in snapshot.each(
        """
        SELECT {deal.organizationId}, {people.organizationId}, {deal.contract_date}, {deal.amount}
        FROM deal LEFT JOIN people ON {people.id} = {deal.peopleId}
        WHERE {deal.status} = ?
        """,
        won,
    ):
        year, amount = seoul_year(contract_date), krw(raw_amount)
        if year is None or amount is None:
            continue
        if org_id:
            of_deals[year][org_id] += amount
        if amount >= 0 and (org_id or person_org_id):
            retention[year][org_id or person_org_id] += amount
    return WonSums(
        of_deals={year: dict(sums) for year, sums in of_deals.items()},
        retention={year: dict(sums) for year, sums in retention.items()},
    )


def _read_owner_names(snapshot: Snapshot) -> Mapping[str, str]:
    names: dict[str, str] = {}
    for owner in _owners(snapshot):
        owner_id, name = owner.get("id"), owner.get("name")
        if isinstance(owner_id, str) and isinstance(name, str) and name.strip():
            names.setdefault(owner_id, name)
    return names


def _owners(snapshot: Snapshot) -> Iterator[Mapping[str, Any]]:
    """Yield everybody who owns a record, then the users who own none."""
    for table in ("organization", "people", "deal"):
        for (owner,) in snapshot.each(f"SELECT DISTINCT {{{table}.owner}} FROM {table}"):
            yield from (each for each in related(owner) if isinstance(each, dict))
    if snapshot.columns.has_table("user"):
        for user_id, name in snapshot.each("SELECT {user.id}, {user.name} FROM user"):
            yield {"id": user_id, "name": name}
