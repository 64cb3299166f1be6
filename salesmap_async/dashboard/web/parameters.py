"""What endpoints take and which errors they document, said once."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import Path, Query

from salesmap_async.dashboard.web.errors import Problem, Unavailable

EARLIEST_YEAR, LATEST_YEAR = 1900, 2999

Responses = dict[int | str, dict[str, Any]]

UNAVAILABLE: Responses = {503: {"model": Unavailable, "description": "The snapshot cannot be read"}}
UNKNOWN_ID: Responses = {
    404: {"model": Problem, "description": "No such record"},
    **UNAVAILABLE,
}
UNKNOWN_TEAM: Responses = {
    400: {"model": Problem, "description": "No such team"},
    **UNAVAILABLE,
}

UNKNOWN_STATE: Responses = {
    400: {"model": Problem, "description": "No such state or record in the timeline"},
    **UNAVAILABLE,
}

RecordId = Annotated[str, Path(min_length=1, max_length=200)]
Text = Annotated[str, Query(max_length=200, pattern=r"^[^\x00]*$")]
"""Without NUL, where SQLite would end it."""

Limit = Annotated[int, Query(ge=1, le=500)]
Offset = Annotated[int, Query(ge=0, le=1_000_000_000)]
BaseYear = Annotated[
    int | None,
    Query(ge=EARLIEST_YEAR, le=LATEST_YEAR, description="Default: the snapshot's year in Seoul."),
]
