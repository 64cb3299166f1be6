"""Where commands print, and how: one line without control characters, in the screen's language."""

from __future__ import annotations

import sys
from contextlib import suppress
from typing import TYPE_CHECKING

import click

from salesmap_async.cli.language import local
from salesmap_async.run.log import printable

if TYPE_CHECKING:
    from rich.console import Console
    from rich.text import Text

_PIPED_WIDTH = 1_000


def table_console() -> Console:
    """Return a console for standard output; into a pipe or a file no name is broken over lines."""
    from rich.console import Console

    width = None if sys.stdout.isatty() else _PIPED_WIDTH
    return Console(highlight=False, width=width)


def say(text: str, *, err: bool = False) -> None:
    """Print one line; it is not broken where the terminal ends."""
    show(local(text), err=err)


def show(line: str, *, err: bool = False) -> None:
    """Print one line that is in the screen's language already."""
    click.echo(printable(line), err=err)


def say_if_possible(text: str) -> None:
    """Print one line to standard error; where that cannot be, the exit code tells it too."""
    with suppress(OSError):
        say(text, err=True)


def warn(problem: str) -> None:
    """Say what did not work beside the command, which counts all the same; '' is nothing."""
    if problem:
        say_if_possible(f"salesmap-async: warning: {problem}")


def cell(text: str) -> Text:
    """Return a text as a cell of a table shows it; lines stay lines."""
    from rich.text import Text

    return Text("\n".join(map(printable, local(text).split("\n"))))


def labelled(label: str, text: str, width: int) -> str:
    """Return a label and its text in the screen's language, the text in a column of its own."""
    from rich.cells import cell_len

    label = local(label)
    return f"{label}{' ' * max(1, width - cell_len(label))}{local(text)}"
