"""`mcp`: the snapshot for language-model agents."""

from __future__ import annotations

from typing import Any

from salesmap_async.cli.explain import explaining
from salesmap_async.cli.help import command
from salesmap_async.cli.options import path_options
from salesmap_async.commandline import how_to_install
from salesmap_async.errors import UsageError
from salesmap_async.settings import Settings


@command()
@path_options
def mcp(**options: Any) -> None:
    """Answer language-model agents about the snapshot.

    A Model Context Protocol server on standard input and output: describe, query, search, changes,
    record, as_of. Read-only, without the API. Agents start it themselves; `docs agents` shows the
    lines of configuration. Needs the extra [mcp].
    """
    with explaining():
        settings = Settings(**options)
        try:
            from salesmap_async.agents.server import serve_stdio
        except ModuleNotFoundError as error:
            raise UsageError(
                f"mcp needs the extra [mcp]: {error.name} is not installed",
                cure=f"install it: {how_to_install('mcp')}",
            ) from None
        serve_stdio(settings)
