"""Which web forms a person has submitted, and when.

The person's record says which; the dates are in `webform_history`. Ids of forms stay inside.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable, Mapping

from typing_extensions import TypedDict

from salesmap_async.dashboard.data.database import Snapshot
from salesmap_async.dashboard.data.shapes import exact
from salesmap_async.lenient import name_of, related
from salesmap_async.seoul import seoul_date

DATE_UNKNOWN = "날짜 확인 불가"

Dates = Mapping[tuple[str, str], list[str]]
"""(person, form) -> the days in Seoul on which the person submitted the form, in order."""


@exact
class WebForm(TypedDict):
    name: str
    dates: list[str]
    date_label: str


def submission_dates(snapshot: Snapshot, people: Iterable[str]) -> Dates:
    """Return when these people submitted which form; nothing where there is no such table."""
    if not snapshot.columns.has_table("webform_history"):
        return {}
    rows = snapshot.rows(
        """
        SELECT {webform_history.peopleId}, {webform_history.webFormId}, {webform_history.createdAt}
        FROM webform_history
        WHERE {webform_history.peopleId} IN (SELECT value FROM json_each(?))
        """,
        json.dumps(list(people)),
    )
    days: dict[tuple[str, str], set[str]] = defaultdict(set)
    for person_id, form_id, created_at in rows:
        day = seoul_date(created_at)
        if day is not None:
            days[person_id, form_id].add(day.isoformat())
    return {key: sorted(found) for key, found in days.items()}


def forms_of(person_id: str, form_list: object, dates: Dates) -> list[WebForm]:
    """Return each form that the person's record names."""
    forms: list[WebForm] = []
    for form in related(form_list):
        form_id = form.get("id") if isinstance(form, dict) else None
        days = dates.get((person_id, form_id), []) if isinstance(form_id, str) else []
        name = form.get("name") if isinstance(form, dict) else form
        forms.append(
            {
                "name": name_of(name) or "-",
                "dates": days,
                "date_label": ", ".join(days) or DATE_UNKNOWN,
            }
        )
    return forms


def date_or_dates(form: WebForm) -> str | list[str]:
    """Return one date, the list of several, or the words for none."""
    return form["dates"] if len(form["dates"]) > 1 else form["date_label"]
