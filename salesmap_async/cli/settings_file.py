"""How the commands take their options from `salesmap.toml`, and where a value is from."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import click
from click.core import ParameterSource

from salesmap_async.cli.language import language_option
from salesmap_async.cli.names import SUBCOMMANDS, name_of
from salesmap_async.commandline import use_settings_file
from salesmap_async.errors import UsageError
from salesmap_async.settings import PATH_FIELDS
from salesmap_async.settings_file import (
    SettingsFile,
    find_settings_file,
    read_settings_file,
)

_VARIABLE = "SALESMAP_CONFIG"
_NAMED = "salesmap_async.named_settings_file"
_READ = "salesmap_async.settings_file"
"""Keys of what a context and those below it remember."""
_HELP = "Options from this file; default: salesmap.toml in the working directory, if it is there."


def add_common_options(command: click.Command) -> None:
    """Let a command, and those below it, name its settings file and the language of its screens.

    Where a command has a --config of its own, the file can only be named before the command.
    """
    if isinstance(command, click.Group):
        for below in command.commands.values():
            add_common_options(below)
        return
    if any(each.name == "settings_file" for each in command.params):
        return
    has_its_own = any("--config" in each.opts for each in command.params)
    command.params.append(_option("--settings-file" if has_its_own else "--config", has_its_own))
    command.params.append(language_option())


def _option(flag: str, is_hidden: bool) -> click.Option:
    return click.Option(
        [flag, "settings_file"],
        hidden=is_hidden,
        type=click.Path(path_type=Path),
        envvar=_VARIABLE,
        show_envvar=True,
        is_eager=True,
        expose_value=False,
        callback=_apply,
        help=_HELP,
    )


def _apply(context: click.Context, _option: click.Parameter, value: Path | None) -> None:
    """Give the context the values of the file as defaults; click ranks them as it should."""
    path = find_settings_file(context.meta.get(_NAMED) or value)
    use_settings_file(None)
    if path is None:
        return
    try:
        file = read_settings_file(path, SUBCOMMANDS)
        context.default_map = _beside(file, context.command) | dict(
            defaults_of(file, name_of(context), context.command)
        )
    except UsageError as error:
        said = f"{error}; {error.cure}" if error.cure else str(error)
        raise click.UsageError(said.rstrip(".?") + ".", context) from None
    context.meta[_READ] = file
    use_settings_file(file)


def note_named_file(context: click.Context, _option: click.Parameter, value: Path | None) -> None:
    """Remember the file that stands before the name of the command."""
    if value is not None:
        context.meta[_NAMED] = value


def file_in_force(context: click.Context) -> SettingsFile | None:
    """Return the file that this command has read."""
    found = context.meta.get(_READ)
    return found if isinstance(found, SettingsFile) else None


def defaults_of(
    file: SettingsFile, command_name: str, command: click.Command
) -> Iterator[tuple[str, Any]]:
    """Yield parameter and value of each key that is for this command. Raises UsageError."""
    options = {
        key_of_option(each): each
        for each in command.params
        if isinstance(each, click.Option) and each.name != "settings_file"
    }
    own = file.sections.get(command_name, {})
    for key, value in file.values_for(command_name).items():
        option = options.get(key)
        if option is None:
            if key in own:
                raise UsageError(f"{file.path}: {_unknown(file, command_name, key, options)}")
            continue
        place = f"{file.path}: {file.section_of(command_name, key)} {key}"
        yield str(option.name), _checked(file, option, value, place)


def _beside(file: SettingsFile, command: click.Command) -> dict[str, Any]:
    """Return where the files of a run lie if nothing else says so: beside the settings file."""
    own = {each.name for each in command.params}
    return {name: str(file.usual_value(name)) for name in PATH_FIELDS if name in own}


def _unknown(
    file: SettingsFile, command_name: str, key: str, options: Mapping[str, click.Option]
) -> str:
    from difflib import get_close_matches

    near = get_close_matches(key, options, 1)
    help_ = f"did you mean {near[0]}?" if near else f"`{command_name} --help` lists them"
    return f"{file.section_of(command_name, key)} has {key}, which is no option; {help_}"


def key_of_option(option: click.Option) -> str:
    """Return the key of an option: its longest flag without dashes before it, with `_`."""
    return max(option.opts, key=len).removeprefix("--").replace("-", "_")


def _checked(file: SettingsFile, option: click.Option, value: Any, place: str) -> Any:
    """Return the value as click takes it. Raises UsageError that names its place."""
    if option.is_flag or option.secondary_opts:
        return _of(value, bool, place, "true or false")
    if option.multiple:
        values = value if isinstance(value, list) else [value]
        return [_one(file, option, each, place) for each in values]
    return _one(file, option, value, place)


def _one(file: SettingsFile, option: click.Option, value: Any, place: str) -> Any:
    kind = option.type
    if isinstance(kind, click.Path):
        value = str(file.path_named(_of(value, str, place, "a path as text")))
    elif isinstance(kind, click.types.IntParamType):
        value = _of(value, int, place, "a whole number")
    elif isinstance(kind, click.types.FloatParamType):
        value = _of(value, int | float, place, "a number")
    else:
        value = _of(value, str, place, "a text")
    try:
        kind.convert(value, option, None)
    except click.BadParameter as error:
        raise UsageError(f"{place}: {error.message}") from None
    return value


def _of(value: Any, wanted: Any, place: str, words: str) -> Any:
    if not isinstance(value, wanted) or (wanted is not bool and isinstance(value, bool)):
        raise UsageError(f"{place} must be {words}, not {value!r}")
    return value


def origin_of(context: click.Context, option: click.Option) -> str:
    """Say where the value of an option is from: `option`, the variable, the file; '' for none."""
    source = context.get_parameter_source(str(option.name))
    if source is ParameterSource.COMMANDLINE:
        return "typed"
    if source is ParameterSource.ENVIRONMENT:
        return str(option.envvar)
    file = file_in_force(context)
    if source is ParameterSource.DEFAULT_MAP and file is not None:
        if key_of_option(option) not in file.values_for(name_of(context)):
            return f"beside {file.path.name}"
        return f"{file.path.name} {file.section_of(name_of(context), key_of_option(option))}"
    return ""


def said_in_file(context: click.Context, text: str) -> str:
    """Return where the file has the option that a message names; '' where it does not."""
    for option in context.command.params:
        if not isinstance(option, click.Option):
            continue
        source = context.get_parameter_source(str(option.name))
        flag = re.compile(rf"{re.escape(max(option.opts, key=len))}(?![\w-])")
        if source is ParameterSource.DEFAULT_MAP and flag.search(text):
            where = origin_of(context, option)
            return f"The value of {key_of_option(option)} is from {where}"
    return ""
