"""Reads `dashboard.toml`.

Every key is checked: a mistake is named with its place and what is allowed, before anything runs.
"""

from __future__ import annotations

import ipaddress
import re
import tomllib
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from salesmap_async.dashboard.data.columns import DEFAULT_COLUMNS, ColumnMap
from salesmap_async.dashboard.data.config import (
    DashboardConfig,
    Statuses,
    Team,
)
from salesmap_async.dashboard.web.parameters import EARLIEST_YEAR, LATEST_YEAR
from salesmap_async.errors import UsageError

_HOST_NAME = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9.-]*[A-Za-z0-9])?")


def load_config(path: Path) -> DashboardConfig:
    """Read a `dashboard.toml`. Raises UsageError that names the key and what is allowed."""
    try:
        table = tomllib.loads(path.read_text(encoding="utf-8-sig"))
    except OSError as error:
        raise UsageError(f"the configuration {path} cannot be read: {error.strerror}") from None
    except (UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise UsageError(f"{path} is not a TOML file: {error}") from None
    try:
        return config_of(table)
    except _MistakeError as error:
        raise UsageError(f"{path}: {error}") from None


def config_of(table: Mapping[str, Any]) -> DashboardConfig:
    """Return the configuration of a parsed file."""
    _refuse_unknown(table, "", _TOP_LEVEL)
    return DashboardConfig(**{key: _TOP_LEVEL[key](key, value) for key, value in table.items()})


class _MistakeError(Exception):
    """One thing in the file that cannot be meant."""


class _WrongKeyError(_MistakeError):
    def __init__(self, place: str, known: Iterable[str]) -> None:
        super().__init__(f"there is no key {place}; the keys there are {', '.join(sorted(known))}")


class _WrongValueError(_MistakeError):
    def __init__(self, place: str, wanted: str, value: object) -> None:
        shown = repr(value) if len(repr(value)) <= 80 else repr(value)[:77] + "..."
        super().__init__(f"{place} must be {wanted}, not {shown}")


def _refuse_unknown(table: Mapping[str, Any], place: str, known: Iterable[str]) -> None:
    for key in table:
        if key not in known:
            where = f"{place}.{key}" if place else key
            raise _WrongKeyError(where, known)


def _text(place: str, value: object) -> str:
    if not isinstance(value, str) or not value.strip():
        raise _WrongValueError(place, "a text", value)
    return value


def _texts(place: str, value: object) -> tuple[str, ...]:
    if not isinstance(value, list) or not all(isinstance(v, str) and v.strip() for v in value):
        raise _WrongValueError(place, "a list of texts", value)
    return tuple(value)


def _one_or_more(place: str, value: object) -> tuple[str, ...]:
    found = (_text(place, value),) if isinstance(value, str) else _texts(place, value)
    if not found:
        raise _WrongValueError(place, "a text or a list of texts", value)
    return found


def _flag(place: str, value: object) -> bool:
    if not isinstance(value, bool):
        raise _WrongValueError(place, "true or false", value)
    return value


def _year(place: str, value: object) -> int:
    is_year = isinstance(value, int) and not isinstance(value, bool)
    if not is_year or not EARLIEST_YEAR <= int(str(value)) <= LATEST_YEAR:
        wanted = f"a year from {EARLIEST_YEAR} to {LATEST_YEAR}"
        raise _WrongValueError(place, wanted, value)
    return int(str(value))


def _url(place: str, value: object) -> str:
    text = _text(place, value).rstrip("/")
    try:
        parts = urlsplit(text)
        good = parts.scheme in ("http", "https") and bool(parts.hostname)
        good = good and (parts.port is None or parts.port > 0)
    except ValueError:
        good = False
    if not good or not text.isprintable() or set(text) & set(" ?#@\\"):
        wanted = "an address like https://salesmap.kr/web, without password, query and fragment"
        raise _WrongValueError(place, wanted, value)
    return text


def _hosts(place: str, value: object) -> tuple[str, ...]:
    hosts = _texts(place, value)
    for host in hosts:
        if not (_HOST_NAME.fullmatch(host) or _is_address(host)):
            wanted = "names like crm.example.com or IP addresses, without port, scheme, * and path"
            raise _WrongValueError(place, wanted, host)
    return hosts


def _is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


def _table(place: str, value: object) -> Mapping[str, Any]:
    if not isinstance(value, dict):
        raise _WrongValueError(place, "a table", value)
    return value


def _statuses(place: str, value: object) -> Statuses:
    table = _table(place, value)
    _refuse_unknown(table, place, ("won", "lost", "open"))
    return Statuses(**{key: _text(f"{place}.{key}", each) for key, each in table.items()})


def _teams(place: str, value: object) -> tuple[Team, ...]:
    if not isinstance(value, list):
        raise _WrongValueError(place, "a list of tables, each begun with [[teams]]", value)
    teams = tuple(_team(f"{place}[{at}]", each) for at, each in enumerate(value))
    keys = [team.key for team in teams]
    for key in keys:
        if keys.count(key) > 1:
            raise _MistakeError(f"{place}.key must differ from team to team; {key!r} comes twice")
    return teams


def _team(place: str, value: object) -> Team:
    table = _table(place, value)
    _refuse_unknown(table, place, _TEAM)
    for key in ("key", "label", "crm_team"):
        if key not in table:
            raise _MistakeError(f"{place}.{key} is missing; a team needs key, label and crm_team")
    return Team(**{_TEAM_FIELDS.get(key, key): _TEAM[key](f"{place}.{key}", each)
                   for key, each in table.items()})  # fmt: skip


def _key(place: str, value: object) -> str:
    text = _text(place, value)
    if len(text) > 40 or not all(letter.isascii() and (letter.isalnum() or letter in "_-")
                                 for letter in text):  # fmt: skip
        raise _WrongValueError(place, "1 to 40 of the characters A-Z a-z 0-9 _ -", value)
    return text


def _parts(place: str, value: object) -> Mapping[str, tuple[str, ...]]:
    table = _table(place, value)
    return {_text(place, key): _texts(f"{place}.{key}", names) for key, names in table.items()}


def _columns(place: str, value: object) -> ColumnMap:
    table = _table(place, value)
    _refuse_unknown(table, place, DEFAULT_COLUMNS)
    merged = {name: dict(meanings) for name, meanings in DEFAULT_COLUMNS.items()}
    for name, meanings in table.items():
        given = _table(f"{place}.{name}", meanings)
        _refuse_unknown(given, f"{place}.{name}", DEFAULT_COLUMNS[name])
        for meaning, column in given.items():
            if not isinstance(column, str):
                raise _WrongValueError(
                    f"{place}.{name}.{meaning}", "a field of the CRM, or '' for none", column
                )
            merged[name][meaning] = column
    return merged


_TOP_LEVEL: dict[str, Callable[[str, object], Any]] = {
    "base_year": _year,
    "default_size": _text,
    "crm_url": _url,
    "own_side_owner_label": _text,
    "online_formats": lambda place, value: frozenset(_texts(place, value)),
    "lane_keywords": _texts,
    "statuses": _statuses,
    "teams": _teams,
    "allowed_hosts": _hosts,
    "columns": _columns,
}
_TEAM: dict[str, Callable[[str, object], Any]] = {
    "key": _key,
    "label": _text,
    "crm_team": _one_or_more,
    "menu": _flag,
    "extra_members": _texts,
    "parts": _parts,
}
_TEAM_FIELDS = {"menu": "in_menu"}
