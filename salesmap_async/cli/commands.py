"""All commands by name; each is imported only when it is called for.

To print the version or the list of commands must not import aiohttp, FastAPI or the sandbox.
"""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module

import click

from salesmap_async.first_moments import end_quietly_on_signals

COMMANDS: Mapping[str, str] = {
    "run": "Read the whole workspace and publish it as one SQLite file, complete or not at all.",
    "sandbox": "Serve an invented workspace like the Salesmap API does, until Ctrl-C.",
    "doctor": "Check what a run needs, and say what to do about what is missing; exit code 0 or 2.",
    "status": "Show what is left of the last run, or of RUN_TAG, and the exact next command.",
    "runs": "List the runs of the final DB, newest first.",
    "restore": (
        "List the backups; or restore BACKUP, a file, or the snapshot that run RUN_TAG published."
    ),
    "prune": (
        "Remove work DBs, kept copies and temporary files of runs that are published or abandoned."
    ),
    "diff": (
        "Show what changed between two snapshots: records, their fields, and what it means in "
        "sales."
    ),
    "timeline": "Give back any earlier day, and tell what changed since.",
    "search": "Find a word in organizations, people, deals, leads and memos.",
    "export": "Write the snapshot as Excel, CSV, JSON Lines, Parquet or Singer messages.",
    "fleet": "Keep a snapshot of each of many workspaces, named in one file.",
    "serve": "Show the snapshot in a browser, read-only, until Ctrl-C.",
    "docs": "Show a page of the manual; without a name, the list of pages.",
}
"""Name -> the first sentence of its help; the module in `cli` and its command bear the name."""


class Commands(click.Group):
    """The group of all commands."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        return load_command(cmd_name) if cmd_name in COMMANDS else None

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))


def load_command(name: str) -> click.Command:
    """Import a command. A signal meanwhile ends the process: nothing has begun."""
    put_back = end_quietly_on_signals()
    try:
        command: click.Command = getattr(import_module(f"salesmap_async.cli.{name}"), name)
    finally:
        put_back()
    return command
