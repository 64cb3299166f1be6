"""All commands by name; each is imported only when it is called for.

To print the version or the list of commands must not import aiohttp, FastAPI or the sandbox.
"""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module

import click

from salesmap_async.first_moments import end_quietly_on_signals

GROUPS: Mapping[str, Mapping[str, str]] = {
    "Take snapshots": {
        "run": "Read the whole workspace and publish it as one SQLite file.",
        "schedule": "Let the system start a run every night.",
        "fleet": "Keep snapshots of many workspaces, named in one file.",
    },
    "See how it goes": {
        "status": "Show what is left of the last run, and what to type next.",
        "runs": "List the runs of the final DB, newest first.",
        "doctor": "Check whether a run can start, and say what helps.",
    },
    "Put things right": {
        "restore": "List the backups, or put one back.",
        "prune": "Remove what published and abandoned runs have left.",
    },
    "Use the data": {
        "serve": "Show the snapshot in a browser, read-only.",
        "search": "Find a word in organizations, people, deals and memos.",
        "diff": "Show what changed between two snapshots.",
        "timeline": "Give back any earlier day, and tell what changed since.",
        "schema": "Show the tables and fields of the snapshot.",
        "mcp": "Answer language-model agents about the snapshot.",
        "export": "Write the snapshot as Excel, CSV, JSON, Parquet or Singer.",
    },
    "Learn and try": {
        "docs": "Show a page of the manual.",
        "sandbox": "Serve an invented workspace like the Salesmap API does.",
        "completion": "Print what lets your shell complete commands.",
    },
}
"""Heading -> name -> the first sentence of its help; the module in `cli` bears the name."""

COMMANDS: Mapping[str, str] = {
    name: line for commands in GROUPS.values() for name, line in commands.items()
}

SUBCOMMANDS: Mapping[str, tuple[str, ...]] = dict.fromkeys(COMMANDS, ()) | {
    "timeline": ("as-of", "show", "log", "build", "forget", "prune"),
    "fleet": ("run", "status"),
    "schedule": ("print", "install", "remove"),
}
"""Name -> the names of the commands below it; known without importing any."""


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
