"""Where each value of a run comes from, and whether any section of the settings file is wrong."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import click
from click.core import ParameterSource

from salesmap_async.cli.commands import load_command
from salesmap_async.cli.language import current_language
from salesmap_async.cli.settings_file import defaults_of, origin_of
from salesmap_async.commandline import ADDRESSES
from salesmap_async.settings_file import SHARED, SettingsFile


def check_all_sections(file: SettingsFile) -> None:
    """Raise UsageError for the first key or value of any section that its command refuses."""
    for name in file.sections:
        if name != SHARED:
            list(defaults_of(file, name, _command_named(name)))
    if SHARED in file.sections:
        list(defaults_of(file, "run", load_command("run")))


def _command_named(name: str) -> click.Command:
    first, _, below = name.partition(" ")
    command = load_command(first)
    if below and isinstance(command, click.Group):
        return command.commands[below]
    return command


def origins(context: click.Context) -> Iterator[tuple[str, str, str]]:
    """Yield flag, value and origin of everything that a `run` would not take from its defaults.

    What `context`'s own command is given counts as given to the run.
    """
    run = load_command("run")
    own = {
        str(each.name): each for each in context.command.params if isinstance(each, click.Option)
    }
    examined = run.make_context("run", [], parent=context.find_root())
    for option in run.params:
        if not isinstance(option, click.Option) or option.name == "settings_file":
            continue
        name, where, said = str(option.name), examined, option
        if name in own and context.get_parameter_source(name) is ParameterSource.COMMANDLINE:
            where, said = context, own[name]
        if origin := origin_of(where, said):
            value = _value(name, where)
            yield max(option.opts, key=len), value, origin


def _value(name: str, where: click.Context) -> str:
    """Return a value as it may be shown: an address may be secret."""
    if name == "lang":
        return current_language()
    return "(an address)" if name in ADDRESSES else _shown(where.params.get(name))


def _shown(value: Any) -> str:
    return ", ".join(map(str, value)) if isinstance(value, tuple) else str(value)
