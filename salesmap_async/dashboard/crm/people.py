"""The people of an organization, with their web forms and how many deals they have."""

from __future__ import annotations

from salesmap_async.dashboard.crm.models import Person, Submission
from salesmap_async.dashboard.data.database import Snapshot
from salesmap_async.dashboard.data.existence import check_organization
from salesmap_async.dashboard.data.lacking import can_tell
from salesmap_async.dashboard.data.webforms import DATE_UNKNOWN, forms_of, submission_dates
from salesmap_async.dashboard.web.errors import NotFoundError
from salesmap_async.lenient import text_or_none, trimmed


def people_of(snapshot: Snapshot, org_id: str, *, has_deal: bool | None = None) -> list[Person]:
    """Return the people of an organization by name, with or without deals or both.

    Raises NotFoundError.
    """
    check_organization(snapshot, org_id)
    rows = snapshot.rows(
        """
        SELECT {people.id}, {people.organizationId}, {people.name}, {people.upper_org},
               {people.team_signature}, {people.title_signature}, {people.edu_area},
               {people.email}, {people.phone}, {people.webforms},
               (SELECT count(*) FROM deal WHERE {deal.peopleId} = {people.id}) AS deal_count
        FROM people WHERE {people.organizationId} = ?
        ORDER BY {people.name}, {people.id}
        """,
        org_id,
    )
    chosen = [row for row in rows if has_deal is None or bool(row[-1]) == has_deal]
    has_counts = can_tell(snapshot.columns, "deals_of_people")
    dates = submission_dates(snapshot, [row[0] for row in chosen if row[0] and row[9]])
    return [
        {
            "id": person_id,
            "organizationId": organization_id,
            "name": text_or_none(name),
            "upper_org": trimmed(upper_org),
            "team_signature": trimmed(team),
            "title_signature": trimmed(title),
            "edu_area": text_or_none(area),
            "email": text_or_none(email),
            "phone": text_or_none(phone),
            "deal_count": deal_count if has_counts else None,
            "webforms": (forms := forms_of(person_id, webforms, dates)),
            "webform_count": len(forms),
        }
        for (
            person_id, organization_id, name, upper_org, team, title, area, email, phone,
            webforms, deal_count,
        ) in chosen
    ]  # fmt: skip


def webforms_of_person(snapshot: Snapshot, person_id: str) -> list[Submission]:
    """Return one line per form and date, the latest first, unknown dates last.

    Raises NotFoundError.
    """
    row = snapshot.row("SELECT {people.webforms} FROM people WHERE {people.id} = ?", person_id)
    if row is None:
        raise NotFoundError("person", person_id)
    forms = forms_of(person_id, row[0], submission_dates(snapshot, [person_id]))
    lines: list[Submission] = [
        {"date": day, "name": form["name"]}
        for form in forms
        for day in form["dates"] or [DATE_UNKNOWN]
    ]
    lines.sort(key=lambda line: line["name"])
    known = [line for line in lines if line["date"] != DATE_UNKNOWN]
    known.sort(key=lambda line: line["date"], reverse=True)
    return known + [line for line in lines if line["date"] == DATE_UNKNOWN]
