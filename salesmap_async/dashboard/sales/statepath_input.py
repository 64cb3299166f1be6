"""The Won deals of an organization, as StatePath counts them."""

from __future__ import annotations

from salesmap_async.dashboard.data.buyers import is_of, upper_org_of
from salesmap_async.dashboard.data.config import DashboardConfig
from salesmap_async.dashboard.data.database import Snapshot
from salesmap_async.dashboard.data.lacking import can_tell
from salesmap_async.dashboard.sales.models import StatePath
from salesmap_async.dashboard.sales.statepath import WonDeal, statepath
from salesmap_async.dashboard.web.errors import NotFoundError
from salesmap_async.lenient import text_or_none
from salesmap_async.money import krw
from salesmap_async.seoul import seoul_year


def statepath_of(
    snapshot: Snapshot, org_id: str, *, base_year: int, config: DashboardConfig
) -> StatePath | None:
    """Return the StatePath item of an organization; None where the snapshot cannot tell it.

    Raises NotFoundError.
    """
    row = snapshot.row("SELECT {organization.name} FROM organization WHERE {organization.id} = ?",
                       org_id)  # fmt: skip
    if row is None:
        raise NotFoundError("organization", org_id)
    if not can_tell(snapshot.columns, "statepath"):
        return None
    return statepath(
        text_or_none(row[0]),
        won_deals(snapshot, org_id, config),
        base_year=base_year,
        lane_keywords=config.lane_keywords,
    )


def won_deals(snapshot: Snapshot, org_id: str, config: DashboardConfig) -> list[WonDeal]:
    """Return all Won deals with a year.

    A deal whose person is unknown or works elsewhere counts under no upper organization.
    """
    rows = snapshot.rows(
        """
        SELECT {deal.contract_date}, {deal.amount}, {deal.course_format},
               {people.organizationId}, {people.upper_org}
        FROM deal LEFT JOIN people ON {people.id} = {deal.peopleId}
        WHERE {deal.organizationId} = ? AND {deal.status} = ?
        """,
        org_id,
        config.statuses.won,
    )
    found = []
    for contract_date, amount, course_format, works_at, upper_org in rows:
        year = seoul_year(contract_date)
        if year is not None:
            found.append(
                WonDeal(
                    year=year,
                    amount_krw=krw(amount) or 0,
                    upper_org=upper_org_of(upper_org, org_id=org_id, works_at=works_at),
                    is_online=course_format in config.online_formats,
                    of_known_person=is_of(org_id, works_at),
                )
            )
    return found
