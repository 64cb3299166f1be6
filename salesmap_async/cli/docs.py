"""`docs`: the manual in the terminal."""

from __future__ import annotations

import sys

import click
from rich.console import Console
from rich.markdown import Markdown

from salesmap_async.cli.explain import explaining
from salesmap_async.commandline import plain_command
from salesmap_async.docs import PAGES, read_page, title_of
from salesmap_async.errors import UsageError


@click.command()
@click.argument("page", required=False)
def docs(page: str | None) -> None:
    """Show a page of the manual; without a name, the list of pages."""
    with explaining():
        if page is None:
            click.echo("\n".join(f"{name:<12} {title_of(name)}" for name in PAGES))
            click.echo(f"\nNext: {plain_command('docs', 'runbook')}")
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
