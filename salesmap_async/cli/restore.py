"""`restore`: list the backups, or put one in the place of the final DB."""

from __future__ import annotations

from typing import Any

import click
from rich.console import Console
from rich.table import Table
from rich.text import Text

from salesmap_async.cli.console import table_console
from salesmap_async.cli.explain import explaining
from salesmap_async.cli.figures import age, number, size
from salesmap_async.cli.options import path_options
from salesmap_async.cli.progress import Verbosity, progress_listener
from salesmap_async.commandline import path_command
from salesmap_async.errors import UsageError
from salesmap_async.operate.backups import choose_backup, list_backups
from salesmap_async.operate.look import SnapshotFile, look_at
from salesmap_async.operate.restore import Restored, check_backup, restore_backup
from salesmap_async.run.log import printable
from salesmap_async.settings import Settings


@click.command()
@click.argument("backup", required=False, metavar="[BACKUP|RUN_TAG]")
@path_options
@click.option("--yes", is_flag=True, help="Do not ask before the final DB is replaced.")
def restore(backup: str | None, yes: bool, **options: Any) -> None:
    """List the backups; or restore BACKUP, a file, or the snapshot that run RUN_TAG published."""
    with explaining() as attempt:
        settings = attempt.settings = Settings(**options)
        if backup is None:
            _list(settings)
            return
        again = (backup, "--yes") if yes else (backup,)
        attempt.next_command = lambda error: path_command(
            settings, "restore", *(() if isinstance(error, UsageError) else again)
        )
        chosen = _chosen(settings, backup)
        check_backup(chosen, settings.db_path)
        _confirm(settings, chosen, yes=yes)
        with progress_listener(Verbosity(bars=False)) as tell:
            restored = restore_backup(settings, chosen, tell=tell)
        for line in _done(settings, restored):
            _say(Console(), line)


def _list(settings: Settings) -> None:
    console = table_console()
    backups = list_backups(settings)
    if not backups:
        _say(console, f"There is no backup of {settings.db_path} in {settings.backup_dir}.")
        return
    console.print(_table(backups), soft_wrap=True)
    example = next((each.run_tag for each in backups if each.run_tag), backups[0].path.name)
    console.print()
    _say(console, "To restore one, name its run or its file, for example:")
    _say(console, f"Next: {path_command(settings, 'restore', example)}")


def _table(backups: tuple[SnapshotFile, ...]) -> Table:
    table = Table(box=None, padding=(0, 2, 0, 0), pad_edge=False)
    table.add_column("snapshot of run, and its file", overflow="fold")
    for heading in ("read", "size", "rows"):
        table.add_column(heading, justify="right", no_wrap=True)
    for each in backups:
        lines = [each.run_tag or "another tool", f"  {each.path.name}"]
        if each.problem:
            lines[0] = f"UNREADABLE: {each.problem}"
        elif each.webforms_tag not in (None, each.run_tag):
            lines.append(f"  web forms of run {each.webforms_tag}")
        when = each.captured_at or each.changed_at
        table.add_row(
            Text("\n".join(map(printable, lines))), age(when), size(each.size_bytes),
            number(each.rows),
        )  # fmt: skip
    return table


def _chosen(settings: Settings, wanted: str) -> SnapshotFile:
    try:
        return choose_backup(settings, wanted)
    except UsageError:
        backups = list_backups(settings)
        if backups:
            Console(stderr=True, highlight=False).print(_table(backups))
        raise


def _confirm(settings: Settings, chosen: SnapshotFile, *, yes: bool) -> None:
    """Show what goes and what comes, and ask. Raises UsageError where the answer is not yes."""
    console = table_console()
    present = look_at(settings.db_path)
    _say(console, f"final DB  {settings.db_path}")
    _say(console, f"now       {_named(present)}")
    _say(console, f"then      {_named(chosen)}")
    _say(console, f"from      {chosen.path}")
    ids = {each.workspace_id for each in (present, chosen) if each and each.workspace_id}
    if len(ids) > 1:
        _say(console, f"NOTE      the backup is of another workspace: {chosen.workspace_name}")
    if yes:
        return
    question = "The present DB is kept as a backup. Replace it?"
    try:
        agreed = click.confirm(question if present else "Restore it?", default=False)
    except click.Abort:
        click.echo()
        agreed = False
    if not agreed:
        raise UsageError("not restored: nobody said yes", cure="answer y, or add --yes")


def _named(file: SnapshotFile | None) -> str:
    if file is None:
        return "nothing"
    if file.problem:
        return f"unreadable: {file.problem}"
    run = f"run {file.run_tag}" if file.run_tag else "made by another tool"
    return f"{run}, read {age(file.captured_at)}; {number(file.rows)} rows, {size(file.size_bytes)}"


def _done(settings: Settings, restored: Restored) -> list[str]:
    lines = [f"Restored: {settings.db_path} holds the snapshot of run {restored.backup.run_tag}."]
    if restored.kept_at is not None:
        said = "The damaged DB" if restored.damaged else "The DB before"
        lines.append(f"{said} is kept at {restored.kept_at}.")
    return lines


def _say(console: Console, line: str) -> None:
    console.print(Text(printable(line)), soft_wrap=True)
