"""What the shapes of all answers share.

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


class Health(Shape):
    status: str


class TeamLabel(Shape):
    key: str
    label: str
    crm_team: str
