"""`schema`: what is in the snapshot, table by table and field by field."""

from __future__ import annotations

import json
import sqlite3
from pathlib import Path
from typing import Any

import click

from salesmap_async.cli.console import say, show
from salesmap_async.cli.explain import explaining
from salesmap_async.cli.help import command
from salesmap_async.cli.options import path_options
from salesmap_async.commandline import path_command, same_command_again
from salesmap_async.errors import SalesmapError, UsageError
from salesmap_async.publish.published import NoSnapshotError, snapshot_opened
from salesmap_async.settings import Settings

_EXAMPLES = 3


@command()
@path_options
@click.option(
    "--format",
    "format_",
    type=click.Choice(("md", "json", "datasette")),
    default="md",
    show_default=True,
    help="A page, JSON, or metadata for datasette.",
)
@click.option("--table", "tables", multiple=True, metavar="TABLE", help="Only this; repeatable.")
@click.option("--no-examples", is_flag=True, help="Leave out values of the CRM.")
@click.option("--out", type=click.Path(path_type=Path), help="File to write; default: the screen.")
def schema(
    format_: str, tables: tuple[str, ...], no_examples: bool, out: Path | None, **options: Any
) -> None:
    """Show the tables and fields of the snapshot.

    Each with its type, how much of it is filled, what it links to, and the CRM's own kind where
    the field lists were read (`run --include field`).
    """
    with explaining() as attempt:
        settings = attempt.settings = Settings(**options)
        attempt.next_command = lambda error: _next_command(settings, error)
        examples = 0 if no_examples or format_ == "datasette" else _EXAMPLES
        text = _text(settings.db_path, format_, tables, examples)
        if out is None:
            click.echo(text)
        else:
            _write(out, text)
            say(f"written: {out}")
        if format_ == "datasette":
            named = out or Path("metadata.json")
            show(
                f"datasette {settings.db_path.name} -m {named} --setting suggest_facets off",
                err=True,
            )


def _text(db: Path, format_: str, tables: tuple[str, ...], examples: int) -> str:
    from salesmap_async.describe.description import describe, snapshot_of
    from salesmap_async.describe.formats import as_datasette, as_json, as_markdown

    try:
        with snapshot_opened(db) as connection:
            found = describe(connection, tables=tables, examples=examples)
            snapshot = snapshot_of(connection)
    except (OSError, sqlite3.Error) as error:
        raise UsageError(f"{db} cannot be read: {error}") from error
    known = {table.name for table in found}
    if unknown := [name for name in tables if name not in known]:
        raise UsageError(f"--table: there is no table {', '.join(unknown)}")
    if format_ == "md":
        return "\n".join(as_markdown(snapshot, found))
    value = as_json(snapshot, found)
    if format_ == "datasette":
        value = as_datasette(db.stem, snapshot, found)
    return json.dumps(value, ensure_ascii=False, indent=1)


def _write(out: Path, text: str) -> None:
    from salesmap_async.files import write_text_atomically

    try:
        write_text_atomically(out, text + "\n")
    except OSError as error:
        raise SalesmapError(f"{out} cannot be written: {error.strerror or error}") from None


def _next_command(settings: Settings, error: SalesmapError) -> str:
    if isinstance(error, NoSnapshotError):
        return path_command(settings, "run")
    return same_command_again()
