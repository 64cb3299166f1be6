"""What the shapes of all answers share.

A shape is the return type of the function that makes the answer, so that mypy checks every key, and
what `/docs` and `/openapi.json` show. Money is whole KRW, except where a name ends in `_eok`. Times
are ISO 8601 as the CRM gave them. Names that hold a year (`won2025`) follow the base year: they are
not in the type, and stand under "additional properties".
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeVar, cast

from pydantic import ConfigDict, with_config
from typing_extensions import TypedDict

exact = with_config(ConfigDict(extra="forbid"))
"""Marks an answer with exactly these keys."""

yearly = with_config(ConfigDict(extra="allow"))
"""Marks an answer with more keys, named after years."""

YearlyShape = TypeVar("YearlyShape")


def with_years(shape: YearlyShape, by_year: Mapping[str, object]) -> YearlyShape:
    """Return a `yearly` answer with its keys named after years."""
    return cast("YearlyShape", {**cast("dict[str, object]", shape), **by_year})


@exact
class Health(TypedDict):
    status: str


@exact
class TeamLabel(TypedDict):
    key: str
    label: str
    crm_team: str
