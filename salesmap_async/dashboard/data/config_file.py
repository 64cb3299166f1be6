"""Reads `dashboard.toml`.

Every key is checked by the types in `config`. A mistake is named with its place and what is
allowed, before anything runs.
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import fields
from pathlib import Path

from pydantic import TypeAdapter, ValidationError
from pydantic_core import ErrorDetails

from salesmap_async.dashboard.data.columns import DEFAULT_COLUMNS
from salesmap_async.dashboard.data.config import DashboardConfig, Statuses, Team
from salesmap_async.dashboard.data.config_types import WANTED
from salesmap_async.errors import UsageError

_KEYS: Mapping[str, Iterable[str]] = {
    "": [each.name for each in fields(DashboardConfig)],
    "statuses": [each.name for each in fields(Statuses)],
    "teams": [each.name for each in fields(Team)],
    "columns": DEFAULT_COLUMNS,
    **{f"columns.{table}": meanings for table, meanings in DEFAULT_COLUMNS.items()},
}
"""Place, without numbers of a list -> the keys that are allowed there."""

_CONTAINERS = {
    "teams": "a list of tables, each begun with [[teams]]",
    "allowed_hosts": "a list of texts",
}
"""Place of a list of what has kinds of its own -> what it must be; else it is a table."""


def load_config(path: Path) -> DashboardConfig:
    """Read a `dashboard.toml`. Raises UsageError that names the key and what is allowed."""
    try:
        table = tomllib.loads(path.read_text(encoding="utf-8-sig"))
    except OSError as error:
        raise UsageError(f"the configuration {path} cannot be read: {error.strerror}") from None
    except (UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise UsageError(f"{path} is not a TOML file: {error}") from None
    try:
        return TypeAdapter(DashboardConfig).validate_python(table)
    except ValidationError as error:
        raise UsageError(f"{path}: {_mistake(error.errors(include_url=False)[0])}") from None


def _mistake(error: ErrorDetails) -> str:
    """Return a mistake in words: an unknown key, a missing one, or a wrong value."""
    place = _written([part for part in error["loc"] if part != "[key]"])
    kind, value = error["type"], error["input"]
    if kind in ("unexpected_keyword_argument", "extra_forbidden"):
        known = _KEYS[_written(part for part in error["loc"][:-1] if isinstance(part, str))]
        return f"there is no key {place}; the keys there are {', '.join(sorted(known))}"
    if kind == "missing":
        return f"{place} is missing; a team needs key, label and crm_team"
    if kind == "value_error":
        return f"{place}{error['ctx']['error']}"
    shown = repr(value) if len(repr(value)) <= 80 else repr(value)[:77] + "..."
    wanted = error["msg"] if kind == WANTED else _CONTAINERS.get(place, "a table")
    return f"{place} must be {wanted}, not {shown}"


def _written(place: Iterable[str | int]) -> str:
    """Return a place as it is said: `teams[0].key`."""
    text = ""
    for part in place:
        text += f"[{part}]" if isinstance(part, int) else f".{part}" if text else part
    return text
