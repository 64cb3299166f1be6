"""What an organization has bought, by the upper organization of the person who bought it."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field

from salesmap_async.dashboard.data.buyers import upper_org_of
from salesmap_async.dashboard.data.database import Snapshot
from salesmap_async.dashboard.data.existence import check_organization
from salesmap_async.dashboard.data.lacking import can_tell
from salesmap_async.dashboard.data.shapes import with_years
from salesmap_async.dashboard.sales.models import WonLine
from salesmap_async.lenient import owner_labels, trimmed
from salesmap_async.money import krw
from salesmap_async.seoul import seoul_year


@dataclass(slots=True)
class _Group:
    """One line while it is added up. Names are kept in the order in which they come."""

    won: dict[int, int] = field(default_factory=lambda: defaultdict(int))
    contacts: dict[str, None] = field(default_factory=dict)
    owners: dict[str, None] = field(default_factory=dict)
    owners_of_base_year: dict[str, None] = field(default_factory=dict)
    deals: int = 0


def won_summary(snapshot: Snapshot, org_id: str, *, years: list[int], won: str) -> list[WonLine]:
    """Return one line per upper organization, who bought most in `years` first.

    KRW by year as `won2025`, names as `contacts`, `owners` and, of the last year, `owners2025`.
    Raises NotFoundError.
    """
    check_organization(snapshot, org_id)
    has_amounts = can_tell(snapshot.columns, "won_amount")
    groups: dict[str, _Group] = defaultdict(_Group)
    for upper_org, works_at, contact, owner, contract_date, amount in snapshot.rows(
        """
        SELECT {people.upper_org}, {people.organizationId}, {people.name}, {deal.owner},
               {deal.contract_date}, {deal.amount}
        FROM deal LEFT JOIN people ON {people.id} = {deal.peopleId}
        WHERE {deal.organizationId} = ? AND {deal.status} = ?
        ORDER BY {deal.contract_date} DESC, {deal.id}
        """,
        org_id,
        won,
    ):
        group = groups[upper_org_of(upper_org, org_id=org_id, works_at=works_at)]
        year, owners = seoul_year(contract_date), owner_labels(owner)
        group.deals += 1
        if year is not None:
            group.won[year] += krw(amount) or 0
        if (name := trimmed(contact)) is not None:
            group.contacts[name] = None
        group.owners.update(dict.fromkeys(owners))
        if year == years[-1]:
            group.owners_of_base_year.update(dict.fromkeys(owners))
    lines = [
        _line(upper_org, group, years, has_amounts=has_amounts)
        for upper_org, group in groups.items()
    ]
    return sorted(lines, key=lambda line: (-(line["total"] or 0), line["upper_org"]))


def _line(upper_org: str, group: _Group, years: list[int], *, has_amounts: bool) -> WonLine:
    won = {year: group.won.get(year, 0) if has_amounts else None for year in years}
    line: WonLine = {
        "upper_org": upper_org,
        "total": sum(each or 0 for each in won.values()) if has_amounts else None,
        "contacts": list(group.contacts),
        "owners": list(group.owners),
        "dealCount": group.deals,
    }
    by_year: dict[str, object] = {f"won{year}": amount for year, amount in won.items()}
    by_year[f"owners{years[-1]}"] = list(group.owners_of_base_year)
    return with_years(line, by_year)
