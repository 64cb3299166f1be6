"""Every command of this program that is printed: what to type next, from settings (I10)."""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from salesmap_async.settings import (
    PATH_FIELDS,
    Settings,
    option_fields,
    option_flag,
    usual_value,
)
from salesmap_async.settings_file import SettingsFile, key_of

_INSTALLED_NAME = "salesmap-async"
_MODULE = ("python", "-m", "salesmap_async")
_DECIDED_ANEW = frozenset(
    {"run_tag", "resume", "resume_run_tag", "allow_shrink", "replace_damaged"}
)
ADDRESSES = ("ping_url", "webhook_url")
"""Whoever knows one can write there: they stand in no command that is told."""
_REMEMBERED = frozenset({"webform_people", "webform_only", "only", "skip", "include"})
"""What a run that is resumed by its tag remembers by itself."""

_file: SettingsFile | None = None
"""The file that gives this process its options: like `sys.argv`, there is one at most."""


def use_settings_file(file: SettingsFile | None) -> None:
    """Let every command that is printed name this file, and leave out what stands in it."""
    global _file
    _file = file


def plain_command(*words: str) -> str:
    """Return a command of this program, under the name it was started with."""
    started_as = Path(sys.argv[0]).stem
    program = (_INSTALLED_NAME,) if started_as == _INSTALLED_NAME else _MODULE
    return _as_typed([*program, *words_naming_the_file(), *words])


def same_command_again() -> str:
    """Return the command line of this process, as it would be typed again, without addresses."""
    words = iter(_without_file(sys.argv[1:]))
    flags = tuple(map(option_flag, ADDRESSES))
    kept = []
    for word in words:
        if word in flags:
            next(words, None)
        elif not word.startswith(tuple(f"{flag}=" for flag in flags)):
            kept.append(word)
    return plain_command(*kept)


def how_to_install(extra: str) -> str:
    """Return what to type to have the packages of an extra."""
    return (
        f'python -m pip install "salesmap-async[{extra}]", or in a clone '
        f'python -m pip install -e ".[{extra}]"'
    )


def path_command(settings: Settings, command: str, *arguments: str) -> str:
    """Return any command with `arguments` and the path options that differ from their defaults."""
    return plain_command(command, *arguments, *_unusual(settings, PATH_FIELDS, command))


def run_command(
    settings: Settings,
    *arguments: str,
    sandbox: bool,
    token_file: str | None,
    without: tuple[str, ...] = (),
) -> str:
    """Return a `run` command with `arguments` and the options that differ from their defaults.

    Options of the fields `without` are left out. Also a resume names its final DB: where it turns
    out to be impossible, the command that it prints in its turn is a new run for that DB.
    """
    words = run_words(
        settings,
        *arguments,
        sandbox=sandbox,
        token_file=token_file,
        without=(*without, *ADDRESSES),
    )
    return plain_command(*words)


def run_words(
    settings: Settings,
    *arguments: str,
    sandbox: bool,
    token_file: str | None,
    without: tuple[str, ...] = (),
    always: tuple[str, ...] = (),
) -> list[str]:
    """Return the words of a `run` command; options of the fields `always` are among them."""
    words = ["run", *arguments]
    left_out = {*_DECIDED_ANEW, *without}
    if "--resume-run-tag" in arguments:
        left_out |= _REMEMBERED
    if sandbox:
        words.append("--sandbox")
        left_out.add("base_url")
    if token_file is not None:
        words += ["--token-file", token_file]
    names = [name for name in option_fields() if name not in left_out]
    return [*words, *_unusual(settings, names, "run", always)]


def default_of(field_name: str) -> Any:
    """Return what a field of Settings has in this process where nothing gives it."""
    return usual_value(field_name) if _file is None else _file.usual_value(field_name)


def words_naming_the_file() -> list[str]:
    """Return the words before a command that name the settings file, if one is in force."""
    return ["--config", str(_file.path)] if _file is not None else []


def _without_file(words: list[str]) -> list[str]:
    """Return typed words without a leading --config, which is put there anyway."""
    if _file is not None and words[:1] == ["--config"]:
        return words[2:]
    return words


def _unusual(
    settings: Settings,
    names: list[str] | tuple[str, ...],
    command: str,
    always: tuple[str, ...] = (),
) -> list[str]:
    """Return the options of these fields that `command` would not have without being told."""
    said = _file.values_for(command) if _file is not None else {}
    words: list[str] = []
    for name in names:
        value = getattr(settings, name)
        if name in always or value != _untold(name, said):
            words += [option_flag(name)] if value is True else [option_flag(name), _typed(value)]
    return words


def _untold(name: str, said: Mapping[str, Any]) -> Any:
    """Return the value of a field that a command has by itself: the file's, or the default."""
    key = key_of(name)
    if _file is None:
        return usual_value(name)
    if key not in said:
        return _file.usual_value(name)
    return _file.value_of(name, said[key])


def _typed(value: object) -> str:
    return ",".join(value) if isinstance(value, tuple) else str(value)


def _as_typed(words: list[str]) -> str:
    return subprocess.list2cmdline(words) if os.name == "nt" else shlex.join(words)
