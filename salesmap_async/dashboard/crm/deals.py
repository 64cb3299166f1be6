"""The deals of one person."""

from __future__ import annotations

from salesmap_async.dashboard.crm.models import Deal
from salesmap_async.dashboard.data.database import Snapshot
from salesmap_async.dashboard.data.existence import check_person
from salesmap_async.lenient import owner_labels, text_or_none
from salesmap_async.money import krw


def deals_of_person(snapshot: Snapshot, person_id: str) -> list[Deal]:
    """Return all deals of a person, the latest contract first, those without one after.

    Raises NotFoundError.
    """
    check_person(snapshot, person_id)
    rows = snapshot.rows(
        """
        SELECT {deal.id}, {deal.peopleId}, {deal.organizationId}, {deal.name}, {deal.status},
               {deal.amount}, {deal.expected_amount}, {deal.contract_date}, {deal.owner},
               {deal.created_at}
        FROM deal WHERE {deal.peopleId} = ?
        ORDER BY nullif({deal.contract_date}, '') DESC NULLS LAST, {deal.created_at} DESC, {deal.id}
        """,
        person_id,
    )
    return [
        {
            "id": deal_id,
            "peopleId": people_id,
            "organizationId": organization_id,
            "name": text_or_none(name),
            "status": text_or_none(status),
            "amount": krw(amount),
            "expected_amount": krw(expected_amount),
            "contract_date": text_or_none(contract_date),
            "ownerName": ", ".join(owner_labels(owner)) or None,
            "created_at": text_or_none(created_at),
        }
        for (
            deal_id, people_id, organization_id, name, status, amount, expected_amount,
            contract_date, owner, created_at,
        ) in rows
    ]  # fmt: skip
