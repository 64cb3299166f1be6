"""`search`: which records hold a word."""

from __future__ import annotations

import json
import sqlite3
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import click
from rich.text import Text

from salesmap_async.cli.console import say, table_console
from salesmap_async.cli.explain import explaining
from salesmap_async.cli.help import command
from salesmap_async.cli.options import path_options
from salesmap_async.commandline import path_command, same_command_again
from salesmap_async.errors import SalesmapError, UsageError
from salesmap_async.publish.published import NoSnapshotError, snapshot_opened
from salesmap_async.run.log import printable
from salesmap_async.search.texts import TABLES
from salesmap_async.settings import Settings

if TYPE_CHECKING:
    from salesmap_async.search.find import Found


@command()
@click.argument("term")
@path_options
@click.option(
    "--table",
    "tables",
    multiple=True,
    type=click.Choice(TABLES),
    help="Only this; may be repeated.",
)
@click.option(
    "--limit",
    type=click.IntRange(1, 10_000),
    default=20,
    show_default=True,
    help="How many of each table.",
)
@click.option("--json", "as_json", is_flag=True, help="Print a JSON list.")
def search(term: str, tables: tuple[str, ...], limit: int, as_json: bool, **options: Any) -> None:
    """Find a word in organizations, people, deals and memos.

    People are found by e-mail address and phone number too. Spaces do not count: 가상전자 finds
    가상 전자. Of several words all must be there. The first search in a new snapshot makes an index
    beside it, `<stem>_search.db`.
    """
    with explaining() as attempt:
        settings = attempt.settings = Settings(**options)
        attempt.next_command = lambda error: _next_command(settings, error)
        found = _search(settings, term, tables, limit)
        if as_json:
            click.echo(json.dumps([asdict(each) for each in found], ensure_ascii=False, indent=1))
            return
        console = table_console()
        for each in found:
            console.print(Text(printable(_line(each))), soft_wrap=True)
        if not found:
            say(f"nothing holds {term!r}")


def _search(settings: Settings, term: str, tables: tuple[str, ...], limit: int) -> list[Found]:
    from salesmap_async.search.find import search as find

    db = settings.db_path
    try:
        with snapshot_opened(db) as connection:
            return find(db, connection, term, tables=tables, limit=limit)
    except (OSError, sqlite3.Error) as error:
        raise UsageError(f"{db} cannot be read: {error}") from error


def _next_command(settings: Settings, error: SalesmapError) -> str:
    if isinstance(error, NoSnapshotError):
        return path_command(settings, "run")
    if isinstance(error.__cause__, sqlite3.Error):
        return path_command(settings, "doctor", "--offline")
    return same_command_again()


def _line(found: Found) -> str:
    name = f"{found.name}  " if found.name else ""
    text = found.text if found.text != found.name else ""
    return f"{found.table:<13}{found.id or '-'}  {name}{text}".rstrip()
