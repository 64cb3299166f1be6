"""The endpoint of the search box."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated

from fastapi import APIRouter, Query
from typing_extensions import TypedDict

from salesmap_async.dashboard.data.context import ThisDashboard
from salesmap_async.dashboard.data.shapes import exact
from salesmap_async.dashboard.web.answers import Answer
from salesmap_async.dashboard.web.parameters import UNAVAILABLE, Limit, Text
from salesmap_async.search.find import Found, search

router = APIRouter(prefix="/api", default_response_class=Answer)

_NAMING = {
    "organization": ("name",),
    "people": ("name", "email", "phone"),
    "deal": ("name",),
    "memo": ("text",),
}
"""Meanings whose fields are searched, beside those that are found by their names."""


@exact
class FoundRecords(TypedDict):
    items: list[Found]


@router.get("/search", response_model=FoundRecords, responses=UNAVAILABLE)
def get_search(
    here: ThisDashboard,
    term: Annotated[Text, Query(min_length=1, description="A word, or several.")],
    limit: Limit = 10,
) -> Answer:
    """Find a word in organizations, people, deals, leads and memos, at most `limit` of each."""
    fields = {
        table: [field for each in meanings if (field := here.config.columns[table][each])]
        for table, meanings in _NAMING.items()
    }
    with here.database.open() as snapshot:
        found = search(here.db_path, snapshot.connection, term, limit=limit, more_fields=fields)
    return Answer({"items": [asdict(each) for each in found]})
