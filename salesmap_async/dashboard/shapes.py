"""What the shapes of all answers share, and the shape of an error.

The shapes are for `/docs` and `/openapi.json`. Money is whole KRW, except where a name ends in
`_eok`. Times are ISO 8601 as the CRM gave them. Names that hold a year (`won2025`) follow the base
year, so they stand under "additional properties".
"""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict


class Shape(BaseModel):
    """An answer with exactly these keys."""

    model_config = ConfigDict(extra="forbid")


class YearlyShape(BaseModel):
    """An answer with more keys, named after years."""

    model_config = ConfigDict(extra="allow")


class Problem(BaseModel):
    """What went wrong, for a person; `command`: what to type."""

    detail: str
    command: str | None = None


class Missing(Shape):
    missing: list[str]


class Unavailable(BaseModel):
    """The DB, a table or a column is missing, or the file cannot be read."""

    detail: str | Missing
    command: str | None = None


class Health(Shape):
    status: str


class TeamLabel(Shape):
    key: str
    label: str
    crm_team: str
