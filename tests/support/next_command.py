"""Every `Next:` line that a test sees must be a command that the program takes as printed."""

from __future__ import annotations

import re
import shlex

import click

from salesmap_async.cli.commands import load_command
from salesmap_async.cli.names import COMMANDS

_NEXT = re.compile(r"Next: ((?:python -m salesmap_async|salesmap-async)\b.*)")


def check_next(*texts: str) -> None:
    """Let the commands that these outputs print go through the check of their options."""
    for text in texts:
        for line in _NEXT.findall(text):
            words = shlex.split(line)
            arguments = words[1:] if words[0] == "salesmap-async" else words[3:]
            _check(line, arguments)


def _check(line: str, arguments: list[str]) -> None:
    if arguments[0] == "--config":
        arguments = arguments[2:]
    name, *rest = arguments
    assert name in COMMANDS, line
    if "--help" in rest:
        return
    command = load_command(name)
    if isinstance(command, click.Group):
        name, *rest = rest
        assert name in command.commands, line
        command = command.commands[name]
    try:
        command.make_context(name, rest)
    except click.ClickException as error:
        raise AssertionError(f"`Next:` is refused ({error.format_message()}): {line}") from None
