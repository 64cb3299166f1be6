"""All commands by name; each is imported only when it is called for.

To print the version or the list of commands must not import aiohttp, FastAPI or the sandbox.
"""

from __future__ import annotations

from importlib import import_module

import click

from salesmap_async.cli.names import COMMANDS, GROUPS
from salesmap_async.first_moments import end_quietly_on_signals


class Commands(click.Group):
    """The group of all commands."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        return load_command(cmd_name) if cmd_name in COMMANDS else None

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        width = max(map(len, COMMANDS))
        for heading, commands in GROUPS.items():
            with formatter.section(heading):
                formatter.write_dl([(f"{name:<{width}}", line) for name, line in commands.items()])


def load_command(name: str) -> click.Command:
    """Import a command. A signal meanwhile ends the process: nothing has begun."""
    from salesmap_async.cli.settings_file import add_common_options

    put_back = end_quietly_on_signals()
    try:
        command: click.Command = getattr(import_module(f"salesmap_async.cli.{name}"), name)
        add_common_options(command)
    finally:
        put_back()
    return command
