"""The organization screen's first column: sizes, the list and its search, one organization."""

from __future__ import annotations

import json
from collections.abc import Iterable

from salesmap_async.dashboard.crm import models
from salesmap_async.dashboard.data.database import Snapshot
from salesmap_async.dashboard.data.lacking import can_tell
from salesmap_async.dashboard.data.summary import Organization, listed_organizations, won_sums
from salesmap_async.dashboard.web.errors import NotFoundError
from salesmap_async.lenient import parsed, text_or_none

EVERY_SIZE = "전체"


def sizes(snapshot: Snapshot) -> list[str]:
    """Return the sizes that organizations have, in order."""
    rows = snapshot.rows("SELECT DISTINCT {organization.size} FROM organization")
    return sorted({text for (size,) in rows if (text := text_or_none(size)) and text.strip()})


def list_organizations(
    snapshot: Snapshot,
    *,
    size: str,
    search: str,
    limit: int,
    offset: int,
    base_year: int,
    won: str,
) -> tuple[list[models.Organization], dict[str, int | None]]:
    """Return organizations that have people or deals, who bought most in `base_year` first, and
    what each of them bought.

    `search` is a part of the name or id; as in SQL's LIKE, `%` and `_` stand for any text and any
    letter.
    """
    found: Iterable[Organization] = listed_organizations(snapshot)
    if size != EVERY_SIZE:
        found = [each for each in found if each.size == size]
    if search:
        matching = _matching_ids(snapshot, search)
        found = [each for each in found if each.id in matching]
    sums = won_sums(snapshot, won).of_deals.get(base_year, {})
    ranked = sorted(found, key=lambda each: -sums.get(each.id, 0))  # stable: then by name
    is_known = can_tell(snapshot.columns, "won_of_organization")
    items = _with_team_and_owner(snapshot, ranked[offset : offset + limit])
    return items, {each["id"]: sums.get(each["id"], 0) if is_known else None for each in items}


def organization(snapshot: Snapshot, org_id: str) -> models.Organization:
    """Return one organization. Raises NotFoundError."""
    row = snapshot.row(
        """
        SELECT {organization.id}, {organization.name}, {organization.size}, {organization.team},
               {organization.owner}
        FROM organization WHERE {organization.id} = ?
        """,
        org_id,
    )
    if row is None:
        raise NotFoundError("organization", org_id)
    found_id, name, size, team, owner = row
    found = Organization(found_id, text_or_none(name), text_or_none(size))
    return _item(found, team, owner)


def _matching_ids(snapshot: Snapshot, search: str) -> set[str]:
    pattern = f"%{search}%"
    rows = snapshot.rows(
        """
        SELECT {organization.id} FROM organization
        WHERE {organization.name} LIKE ? OR {organization.id} LIKE ?
        """,
        pattern,
        pattern,
    )
    return {org_id for (org_id,) in rows}


def _with_team_and_owner(
    snapshot: Snapshot, found: list[Organization]
) -> list[models.Organization]:
    rows = snapshot.rows(
        """
        SELECT {organization.id}, {organization.team}, {organization.owner} FROM organization
        WHERE {organization.id} IN (SELECT value FROM json_each(?))
        """,
        json.dumps([each.id for each in found]),
    )
    details = {org_id: (team, owner) for org_id, team, owner in rows}
    return [_item(each, *details.get(each.id, (None, None))) for each in found]


def _item(found: Organization, team: object, owner: object) -> models.Organization:
    teams, person = parsed(team), parsed(owner)
    return {
        "id": found.id,
        "name": found.name,
        "size": found.size,
        "team": teams if isinstance(teams, list) else [],
        "owner": person if isinstance(person, dict) else None,
    }
