"""Every command of this program that is printed: what to type next, from settings (I10)."""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
from pathlib import Path

from salesmap_async.settings import (
    PATH_FIELDS,
    Settings,
    option_fields,
    option_flag,
    usual_value,
)

_INSTALLED_NAME = "salesmap-async"
_MODULE = ("python", "-m", "salesmap_async")
_DECIDED_ANEW = frozenset(
    {"run_tag", "resume", "resume_run_tag", "allow_shrink", "replace_damaged"}
)
_REMEMBERED = frozenset({"webform_people", "webform_only", "only", "skip", "include"})
"""What a run that is resumed by its tag remembers by itself."""


def plain_command(*words: str) -> str:
    """Return a command of this program, under the name it was started with."""
    started_as = Path(sys.argv[0]).stem
    program = (_INSTALLED_NAME,) if started_as == _INSTALLED_NAME else _MODULE
    return _as_typed([*program, *words])


def same_command_again() -> str:
    """Return the command line of this process, as it would be typed again."""
    return plain_command(*sys.argv[1:])


def how_to_install(extra: str) -> str:
    """Return what to type to have the packages of an extra."""
    return (
        f'python -m pip install "salesmap-async[{extra}]", or in a clone '
        f'python -m pip install -e ".[{extra}]"'
    )


def path_command(settings: Settings, command: str, *arguments: str) -> str:
    """Return any command with `arguments` and the path options that differ from their defaults."""
    return plain_command(command, *arguments, *_unusual(settings, PATH_FIELDS))


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
    return plain_command(*words, *_unusual(settings, names))


def _unusual(settings: Settings, names: list[str] | tuple[str, ...]) -> list[str]:
    """Return the options of these fields that differ from their defaults."""
    words: list[str] = []
    for name in names:
        value = getattr(settings, name)
        if value != usual_value(name):
            words += [option_flag(name)] if value is True else [option_flag(name), _typed(value)]
    return words


def _typed(value: object) -> str:
    return ",".join(value) if isinstance(value, tuple) else str(value)


def _as_typed(words: list[str]) -> str:
    return subprocess.list2cmdline(words) if os.name == "nt" else shlex.join(words)
