"""Command-line options, made from the fields of Settings: written down once, there."""

from __future__ import annotations

import codecs
import dataclasses
import os
import re
import stat
from collections.abc import Callable, Iterable
from datetime import timedelta
from pathlib import Path
from typing import Any, TypeVar, get_args

import click

from salesmap_async.cli.console import warn
from salesmap_async.commandline import default_of
from salesmap_async.errors import UsageError
from salesmap_async.paths import SANDBOX_DB
from salesmap_async.settings import (
    PATH_FIELDS,
    Secret,
    Settings,
    WebformPeople,
    option_fields,
    option_flag,
)

_UTF16_MARKS = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
"""How PowerShell begins a text file."""

_Command = TypeVar("_Command", bound=Callable[..., Any])


def settings_options(names: Iterable[str]) -> Callable[[_Command], _Command]:
    """Return a decorator that adds the options of these Settings fields to a command."""

    def decorate(command: _Command) -> _Command:
        for name in reversed(list(names)):
            command = _option(name)(command)
        return command

    return decorate


def path_options(command: _Command) -> _Command:
    """Add the options that say where things lie; every command takes the same ones."""
    return settings_options(PATH_FIELDS)(command)


def token_file_option(command: _Command) -> _Command:
    """Add --token-file; there is no --token, because process lists show it."""
    return click.option(
        "--token-file",
        type=click.Path(path_type=Path),
        envvar="SALESMAP_TOKEN_FILE",
        show_envvar=True,
        help="File that holds the token; else the variable SALESMAP_TOKEN.",
    )(command)


def json_option(command: _Command) -> _Command:
    """Add --json; `docs --schema COMMAND` shows what comes."""
    return click.option(
        "--json",
        "as_json",
        is_flag=True,
        help="Print JSON, in English, and nothing else to standard output.",
    )(command)


def with_sandbox_db(settings: Settings) -> Settings:
    """Let a run of the built-in workspace publish to a DB of its own, where none is named."""
    usual: Path = default_of("db_path")
    if settings.db_path != usual:
        return settings
    return dataclasses.replace(settings, db_path=usual.with_name(SANDBOX_DB.name))


_UNITS = {"m": "minutes", "h": "hours", "d": "days"}


def duration(_context: click.Context, _option: click.Parameter, value: str) -> timedelta:
    """Return a time like 90m, 26h or 2d; the callback of an option."""
    found = re.fullmatch(r"(\d{1,6})([mhd])", value)
    if found is None or not int(found[1]):
        raise click.BadParameter(f"{value!r} is no time like 90m, 26h or 2d")
    return timedelta(**{_UNITS[found[2]]: int(found[1])})


def evolve_option(meaning: str) -> Callable[[_Command], _Command]:
    """Return a decorator that adds --evolve: days of work in the invented workspace, by seed."""
    return click.option("--evolve", "days", type=int, multiple=True, metavar="SEED", help=meaning)


def fields_option(meaning: str) -> Callable[[_Command], _Command]:
    """Return a decorator that adds --fields: which fields the invented workspace has."""
    return click.option("--fields", "field_set", type=click.Choice(["all", "plain"]), help=meaning)


def read_token(token_file: Path | None) -> Secret | None:
    """Return the token from the file, else from SALESMAP_TOKEN; None where there is neither."""
    if token_file is None:
        text = os.environ.get("SALESMAP_TOKEN", "")
        token = Secret(text) if text.strip() else None
        if token is not None:
            _check_token_text(token, "SALESMAP_TOKEN")
        return token
    try:
        data = token_file.read_bytes()
        text = data.decode("utf-16" if data.startswith(_UTF16_MARKS) else "utf-8-sig").strip()
    except (OSError, UnicodeDecodeError) as error:
        why = error.strerror if isinstance(error, OSError) else "it is not UTF-8 text"
        raise UsageError(f"--token-file {token_file} cannot be read: {why}") from None
    if os.name == "posix" and token_file.stat().st_mode & (stat.S_IRWXG | stat.S_IRWXO):
        said = f"other accounts can read {token_file}: `chmod 600` it"
        warn(said)
    token = Secret(text)
    _check_token_text(token, f"--token-file {token_file}")
    return token


def _check_token_text(token: Secret, place: str) -> None:
    """Raise UsageError for text that holds more than the token; `place` says where it stands."""
    text = token.reveal().strip()
    name, equals, _ = text.partition("=")
    if text[:1] in ("'", '"', "“", "‘") or text[-1:] in ("'", '"', "”", "’"):
        what = "quotes around it"
    elif equals and name.replace("_", "").isalnum() and name.isupper():
        what = f"`{name}=` before it"
    else:
        return
    raise UsageError(f"the token in {place} has {what}", cure="leave only the token itself there")


def _option(name: str) -> Callable[[_Command], _Command]:
    field: dataclasses.Field[Any] = option_fields()[name]
    kind: dict[str, Any] = {"default": field.default, "show_default": field.default is not None}
    if isinstance(field.default, bool):
        kind = {"is_flag": True, "default": False}
    elif isinstance(field.default, tuple):
        kind = {"multiple": True, "metavar": "TABLE[,TABLE...]"}
    elif isinstance(field.default, Path) or field.type == "Path | None":
        kind |= {"type": click.Path(path_type=Path)}
    elif field.type == "float | None":
        kind["type"] = click.FLOAT
    elif field.type == "WebformPeople":
        kind |= {"type": click.Choice(get_args(WebformPeople))}
    return click.option(
        option_flag(name),
        name,
        help=field.metadata["help"],
        envvar=field.metadata["env"],
        show_envvar=True,
        **kind,
    )
