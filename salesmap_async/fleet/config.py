"""Reads `fleet.toml`: `[defaults]`, and one `[[workspaces]]` for each.

The whole file is checked before anything starts. A key is an option of `run`, with underscores
(`min_interval`); a path is relative to the file, and `{name}` in it is the workspace's name. What
no path is given for lies in a folder of that name beside the file. Two entries of one name, one DB
or one token are refused: they would share a file or a quota.
"""

from __future__ import annotations

import hashlib
import re
import tomllib
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from salesmap_async.errors import UsageError
from salesmap_async.settings import Secret, Settings, option_fields, option_flag

ReadToken = Callable[[Path], Secret | None]
"""Returns the token in a file. Raises UsageError."""


@dataclass(frozen=True, slots=True)
class Tokens:
    """Where tokens come from: files, and the variables of the environment."""

    in_file: ReadToken
    variables: Mapping[str, str]


_NAME = re.compile(r"[^\s/\\:*?\"<>|{}]{1,64}")
_OF_ONE_RUN = frozenset({"run_tag", "resume", "resume_run_tag", "allow_shrink", "replace_damaged"})
_USUAL_PATHS = {
    "db_path": "{name}/salesmap_latest.db",
    "backup_dir": "{name}/backups",
    "log_dir": "{name}/logs",
    "checkpoint_dir": "{name}/logs/checkpoints",
}
_TOKEN_KEYS = ("token_file", "token_env")


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One workspace: its name, and the settings of its runs, the token among them."""

    name: str
    settings: Settings


@dataclass(frozen=True, slots=True)
class Shard:
    """Part `number` (from 1) of `count`, by the names of the entries: the same on every machine."""

    number: int
    count: int

    def has(self, name: str) -> bool:
        digest = hashlib.sha256(name.encode()).digest()
        return int.from_bytes(digest[:8]) % self.count == self.number - 1


def parse_shard(text: str) -> Shard:
    """Read `2/8`. Raises UsageError."""
    found = re.fullmatch(r"(\d{1,6})/(\d{1,6})", text)
    shard = Shard(int(found[1]), int(found[2])) if found else Shard(0, 0)
    if not 1 <= shard.number <= shard.count:
        raise UsageError(f"--shard {text!r} is not like 2/8: which part of how many")
    return shard


def load_fleet(
    path: Path, tokens: Tokens, *, only: Sequence[str] = (), shard: Shard | None = None
) -> tuple[Entry, ...]:
    """Return the entries of a fleet file: those of `only`, and of a shard, where given.

    Raises UsageError that names the place and what is wrong.
    """
    try:
        table = tomllib.loads(path.read_text(encoding="utf-8-sig"))
    except OSError as error:
        raise UsageError(f"the fleet file {path} cannot be read: {error.strerror}") from None
    except (UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise UsageError(f"{path} is not a TOML file: {error}") from None
    try:
        drafts = _drafts(table)
        chosen = _chosen(drafts, only, shard)
        entries = [_entry(draft, path.absolute().parent, tokens) for draft in chosen]
        _check_apart(entries)
    except UsageError as error:
        raise UsageError(f"{path}: {error}", cure=error.cure) from None
    return tuple(entries)


@dataclass(frozen=True, slots=True)
class _Draft:
    """An entry as it is written: its place in the file, its name, and all its keys."""

    place: str
    name: str
    values: Mapping[str, Any]


def _drafts(table: Mapping[str, Any]) -> list[_Draft]:
    _refuse_unknown(table, "", ("defaults", "workspaces"))
    defaults = table.get("defaults", {})
    if not isinstance(defaults, dict):
        raise UsageError("defaults must be a table, begun with [defaults]")
    _refuse_unknown(defaults, "defaults", _keys())
    workspaces = table.get("workspaces")
    if not isinstance(workspaces, list) or not workspaces:
        raise UsageError("workspaces must be a list of tables, each begun with [[workspaces]]")
    drafts = []
    for number, values in enumerate(workspaces):
        place = f"workspaces[{number}]"
        if not isinstance(values, dict):
            raise UsageError(f"{place} must be a table, begun with [[workspaces]]")
        _refuse_unknown(values, place, ("name", *_keys()))
        name = values.get("name")
        if not isinstance(name, str) or not _NAME.fullmatch(name) or set(name) == {"."}:
            raise UsageError(
                f"{place}.name must be 1 to 64 characters that a folder's name may have, "
                f"not {name!r}"
            )
        own = any(key in values for key in _TOKEN_KEYS)
        usual = {k: v for k, v in defaults.items() if not (own and k in _TOKEN_KEYS)}
        drafts.append(_Draft(place, name, {**usual, **values}))
    names = [draft.name for draft in drafts]
    for name in names:
        if names.count(name) > 1:
            raise UsageError(f"workspaces: the name {name!r} comes twice")
    return drafts


def _chosen(drafts: Sequence[_Draft], only: Sequence[str], shard: Shard | None) -> list[_Draft]:
    wanted = [name.strip() for each in only for name in each.split(",") if name.strip()]
    names = [draft.name for draft in drafts]
    for name in wanted:
        if name not in names:
            near = get_close_matches(name, names, 1)
            raise UsageError(
                f"--only: no workspace is called {name}",
                cure=f"did you mean {near[0]}?" if near else "name one of the file",
            )
    return [
        draft
        for draft in drafts
        if (not wanted or draft.name in wanted) and (shard is None or shard.has(draft.name))
    ]


def _entry(draft: _Draft, folder: Path, tokens: Tokens) -> Entry:
    options: dict[str, Any] = {}
    fields = _fields_by_key()
    for key, default in _USUAL_PATHS.items():
        options[key] = _path(draft.values.get(key, default), f"{draft.place}.{key}", draft, folder)
    for key, value in draft.values.items():
        if key in ("name", *_TOKEN_KEYS, *_USUAL_PATHS):
            continue
        options[fields[key]] = _value(fields[key], value, f"{draft.place}.{key}", draft, folder)
    try:
        return Entry(
            name=draft.name, settings=Settings(**options, token=_token(draft, folder, tokens))
        )
    except UsageError as error:
        raise UsageError(f"{draft.place} ({draft.name}): {error}", cure=error.cure) from None


def _value(field: str, value: Any, place: str, draft: _Draft, folder: Path) -> Any:
    """Return a value as Settings take it. Raises UsageError where it is of another kind."""
    kind = option_fields()[field]
    default = kind.default
    if kind.type == "Path | None":
        return _path(value, place, draft, folder)
    if isinstance(default, bool):
        return _of_type(value, bool, place, "true or false")
    if isinstance(default, tuple):
        values = [value] if isinstance(value, str) else value
        if not isinstance(values, list) or not all(isinstance(each, str) for each in values):
            raise UsageError(f"{place} must be a text or a list of texts, not {value!r}")
        return tuple(values)
    if isinstance(default, int):
        return _of_type(value, int, place, "a whole number")
    if isinstance(default, float) or kind.type == "float | None":
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise UsageError(f"{place} must be a number, not {value!r}")
        return float(value)
    return _of_type(value, str, place, "a text")


def _of_type(value: Any, wanted: type, place: str, words: str) -> Any:
    if not isinstance(value, wanted) or (wanted is int and isinstance(value, bool)):
        raise UsageError(f"{place} must be {words}, not {value!r}")
    return value


def _path(value: Any, place: str, draft: _Draft, folder: Path) -> Path:
    text = _of_type(value, str, place, "a path as text")
    return folder / Path(text.replace("{name}", draft.name)).expanduser()


def _token(draft: _Draft, folder: Path, tokens: Tokens) -> Secret | None:
    given = [key for key in _TOKEN_KEYS if key in draft.values]
    if len(given) != 1:
        said = "needs token_file or token_env" if not given else "has token_file and token_env"
        raise UsageError(f"{said}: exactly one of them")
    [key] = given
    if key == "token_file":
        return tokens.in_file(_path(draft.values[key], f"{draft.place}.{key}", draft, folder))
    variable = _of_type(draft.values[key], str, f"{draft.place}.{key}", "the name of a variable")
    text = tokens.variables.get(variable, "")
    if not text.strip():
        raise UsageError(f"the variable {variable} (token_env) is not set")
    return Secret(text)


def _check_apart(entries: Sequence[Entry]) -> None:
    for said, of in (
        ("the DB", lambda entry: str(entry.settings.db_path)),
        ("the token", lambda entry: entry.settings.token and entry.settings.token.reveal().strip()),
    ):
        seen: dict[Any, str] = {}
        for entry in entries:
            value = of(entry)
            if value is not None and value in seen:
                raise UsageError(
                    f"{seen[value]} and {entry.name} have one and the same {said[4:]}",
                    cure="give each workspace its own",
                )
            seen[value] = entry.name


def _fields_by_key() -> dict[str, str]:
    """Return the keys of a fleet file, each with its field of Settings."""
    return {
        option_flag(name).removeprefix("--").replace("-", "_"): name
        for name in option_fields()
        if name not in _OF_ONE_RUN
    }


def _keys() -> tuple[str, ...]:
    return (*_TOKEN_KEYS, *_fields_by_key())


def _refuse_unknown(table: Mapping[str, Any], place: str, known: Iterable[str]) -> None:
    known = tuple(known)
    for key in table:
        if key not in known:
            near = get_close_matches(key.replace("-", "_"), known, 1)
            where = f"{place}.{key}" if place else key
            raise UsageError(
                f"there is no key {where}",
                cure=f"did you mean {near[0]}?" if near else f"the keys are {', '.join(known)}",
            )
