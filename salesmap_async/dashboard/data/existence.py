"""Whether the snapshot has a record: what an address names must be there."""

from __future__ import annotations

from salesmap_async.dashboard.data.database import Snapshot
from salesmap_async.dashboard.web.errors import NotFoundError


def check_organization(snapshot: Snapshot, org_id: str) -> None:
    """Raise NotFoundError where there is no such organization."""
    if not snapshot.row("SELECT 1 FROM organization WHERE {organization.id} = ?", org_id):
        raise NotFoundError("organization", org_id)


def check_person(snapshot: Snapshot, person_id: str) -> None:
    """Raise NotFoundError where there is no such person."""
    if not snapshot.row("SELECT 1 FROM people WHERE {people.id} = ?", person_id):
        raise NotFoundError("person", person_id)


def check_deal(snapshot: Snapshot, deal_id: str) -> None:
    """Raise NotFoundError where there is no such deal."""
    if not snapshot.row("SELECT 1 FROM deal WHERE {deal.id} = ?", deal_id):
        raise NotFoundError("deal", deal_id)
