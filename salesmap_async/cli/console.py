"""Where commands print their tables."""

from __future__ import annotations

import sys

from rich.console import Console

_PIPED_WIDTH = 1_000


def table_console() -> Console:
    """Return a console for standard output; into a pipe or a file no name is broken over lines."""
    width = None if sys.stdout.isatty() else _PIPED_WIDTH
    return Console(highlight=False, width=width)
