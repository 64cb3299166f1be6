"""The names of all commands, in their groups; known without importing any."""

from __future__ import annotations

from collections.abc import Mapping

import click

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


def name_of(context: click.Context) -> str:
    """Return the name of a command below the program: `run`, `timeline log`."""
    names: list[str] = []
    while context.parent is not None:
        names.insert(0, str(context.info_name))
        context = context.parent
    return " ".join(names)
