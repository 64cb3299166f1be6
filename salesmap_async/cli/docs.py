"""`docs`: the manual in the terminal."""

from __future__ import annotations

import sys

import click
from rich.console import Console
from rich.markdown import Markdown

from salesmap_async.cli.console import say
from salesmap_async.cli.explain import explaining
from salesmap_async.cli.help import command
from salesmap_async.commandline import plain_command
from salesmap_async.docs import PAGES, SCHEMAS, read_page, read_schema, title_of
from salesmap_async.errors import UsageError


@command()
@click.argument("page", required=False)
@click.option(
    "--schema",
    type=click.Choice(SCHEMAS),
    metavar="COMMAND",
    help="Print the JSON Schema of this command's --json, like run or fleet-status.",
)
def docs(page: str | None, schema: str | None) -> None:
    """Show a page of the manual.

    Without a name: the list of pages.
    """
    with explaining():
        if schema is not None:
            click.echo(read_schema(schema), nl=False)
            return
        if page is None:
            click.echo("\n".join(f"{name:<12} {title_of(name)}" for name in PAGES))
            click.echo()
            say(f"Next: {plain_command('docs', 'runbook')}")
            return
        if page not in PAGES:
            raise UsageError(f"the manual has no page {page!r}", cure=f"there are {_names()}")
        text = read_page(page)
        if sys.stdout.isatty():
            Console().print(Markdown(text))
        else:
            click.echo(text, nl=False)


def _names() -> str:
    return ", ".join(PAGES)
