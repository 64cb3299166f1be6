"""`salesmap.toml`: options of the commands, written down once for all nights.

A section bears the name of a command (`[run]`, `[timeline.log]`); `[all]` holds what several
commands share. A key is an option's name without `--`, with `_` or `-`. An option that is typed
wins over its variable, a variable over the command's section, that over `[all]`, and that over the
default. Paths are relative to the file; where it names none, a run's files lie beside it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from salesmap_async.errors import UsageError
from salesmap_async.settings import PATH_FIELDS, option_fields, option_flag, resolved_path

FILE_NAME = "salesmap.toml"
SHARED = "all"
_SHARED_BESIDES = ("token_file", "lang")


@dataclass(frozen=True, slots=True)
class SettingsFile:
    """What a file says. `sections`: by command (`run`, `timeline log`) and `all`: key -> value.

    Keys are option names with `_`; values are TOML's, not checked against the options yet.
    """

    path: Path
    sections: Mapping[str, Mapping[str, Any]]

    def values_for(self, command: str) -> dict[str, Any]:
        """Return all values that the file has for a command: its own, else the shared ones."""
        return {**self.sections.get(SHARED, {}), **self.sections.get(command, {})}

    def section_of(self, command: str, key: str) -> str:
        """Return the name of the section that gives the key, as it stands in the file."""
        own = key in self.sections.get(command, {})
        return f"[{command.replace(' ', '.') if own else SHARED}]"

    def value_of(self, field_name: str, value: Any) -> Any:
        """Return the value of a field of Settings as they hold it."""
        field = option_fields()[field_name]
        if isinstance(field.default, Path) or field.type == "Path | None":
            return resolved_path(field_name, self.path_named(value))
        if isinstance(field.default, tuple):
            return (value,) if isinstance(value, str) else tuple(value)
        return value

    def usual_value(self, field_name: str) -> Any:
        """Return what a field has where the file is silent: a path lies beside the file."""
        default = option_fields()[field_name].default
        if field_name in PATH_FIELDS:
            return resolved_path(field_name, self.path_named(str(default)))
        return default

    def path_named(self, text: str) -> Path:
        """Return the path that a value of the file means."""
        return self.path.parent / Path(text).expanduser()


def find_settings_file(named: Path | None) -> Path | None:
    """Return the file to read: the named one, else `salesmap.toml` in the working directory."""
    if named is not None:
        return named
    usual = Path(FILE_NAME)
    return usual if usual.is_file() else None


def read_settings_file(path: Path, commands: Mapping[str, tuple[str, ...]]) -> SettingsFile:
    """Read the file. `commands`: each command, with the names of its subcommands.

    Raises UsageError that names the place: for what is no TOML, for a section that is no command,
    and for a key of `[all]` that several commands do not share.
    """
    import tomllib

    try:
        table = tomllib.loads(path.read_text(encoding="utf-8-sig"))
    except OSError as error:
        raise UsageError(f"{path} cannot be read: {error.strerror}") from None
    except (UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise UsageError(f"{path} is not a TOML file: {error}") from None
    sections: dict[str, dict[str, Any]] = {}
    for name, values in table.items():
        if not isinstance(values, dict):
            raise UsageError(
                f"{path}: {name} stands in no section", cure=f"put it below [{SHARED}] or [run]"
            )
        if name != SHARED and name not in commands:
            raise UsageError(
                f"{path}: there is no command for the section [{name}]",
                cure=f"the sections are {SHARED}, {', '.join(commands)}",
            )
        below = commands.get(name, ())
        if not below:
            sections[name] = _keys(path, name, values)
            continue
        for sub, sub_values in values.items():
            if sub not in below or not isinstance(sub_values, dict):
                raise UsageError(
                    f"{path}: there is no command for {name}.{sub}",
                    cure=f"the sections are {', '.join(f'[{name}.{each}]' for each in below)}",
                )
            sections[f"{name} {sub}"] = _keys(path, f"{name}.{sub}", sub_values)
    _check_shared(path, sections.get(SHARED, {}))
    return SettingsFile(path.resolve(), sections)


def _keys(path: Path, section: str, values: Mapping[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key, value in values.items():
        name = key.replace("-", "_")
        if name in found:
            raise UsageError(f"{path}: [{section}] has {key} twice, with - and with _")
        found[name] = value
    return found


def _check_shared(path: Path, values: Mapping[str, Any]) -> None:
    shared = (*(key_of(name) for name in option_fields()), *_SHARED_BESIDES)
    for key in values:
        if key not in shared:
            raise UsageError(
                f"{path}: [{SHARED}] has {key}, which is no option of several commands",
                cure="put it into the section of its command",
            )


def key_of(field_name: str) -> str:
    """Return the key of a field of Settings: `min_interval_s` -> `min_interval`."""
    return option_flag(field_name).removeprefix("--").replace("-", "_")
