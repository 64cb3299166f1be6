"""`restore`: list the backups, or put one in the place of the final DB."""

from __future__ import annotations

from typing import Any

import click
from rich.console import Console
from rich.table import Table

from salesmap_async.cli import as_json as answers
from salesmap_async.cli.console import cell, labelled, say, show, table_console
from salesmap_async.cli.explain import explaining
from salesmap_async.cli.figures import age, number, size
from salesmap_async.cli.help import command
from salesmap_async.cli.language import local
from salesmap_async.cli.options import json_option, path_options
from salesmap_async.cli.progress import Verbosity, progress_listener
from salesmap_async.commandline import path_command
from salesmap_async.errors import UsageError
from salesmap_async.operate.backups import choose_backup, list_backups
from salesmap_async.operate.look import SnapshotFile, look_at
from salesmap_async.operate.restore import Restored, check_backup, restore_backup
from salesmap_async.settings import Settings

_LABEL_WIDTH = 10


@command()
@click.argument("backup", required=False, metavar="[BACKUP|RUN_TAG]")
@path_options
@json_option
@click.option("--yes", is_flag=True, help="Do not ask before the final DB is replaced.")
def restore(backup: str | None, as_json: bool, yes: bool, **options: Any) -> None:
    """List the backups, or put one back.

    BACKUP is a file; RUN_TAG means the snapshot that this run published.
    """
    with explaining(as_json=as_json) as attempt:
        settings = attempt.settings = Settings(**options)
        if backup is None:
            _list(settings, as_json=as_json)
            return
        if as_json and not yes:
            raise UsageError("--json asks no question", cure="add --yes to restore")
        again = (backup, "--yes") if yes else (backup,)
        attempt.next_command = lambda error: path_command(
            settings, "restore", *(() if isinstance(error, UsageError) else again)
        )
        chosen = _chosen(settings, backup)
        check_backup(chosen, settings.db_path)
        if not as_json:
            _confirm(settings, chosen, yes=yes)
        with progress_listener(Verbosity(bars=False)) as tell:
            restored = restore_backup(settings, chosen, tell=tell)
        if as_json:
            answers.print_json(answers.restored(restored, settings.db_path))
            return
        for line in _done(settings, restored):
            say(line)


def _list(settings: Settings, *, as_json: bool) -> None:
    backups = list_backups(settings)
    if as_json:
        answers.print_json(answers.backups(backups))
        return
    if not backups:
        say(f"There is no backup of {settings.db_path} in {settings.backup_dir}.")
        return
    console = table_console()
    console.print(_table(backups), soft_wrap=True)
    example = next((each.run_tag for each in backups if each.run_tag), backups[0].path.name)
    console.print()
    say("To restore one, name its run or its file, for example:")
    say(f"Next: {path_command(settings, 'restore', example)}")


def _table(backups: tuple[SnapshotFile, ...]) -> Table:
    table = Table(box=None, padding=(0, 2, 0, 0), pad_edge=False)
    table.add_column(local("snapshot of run, and its file"), overflow="fold")
    for heading in ("read", "size", "rows"):
        table.add_column(local(heading), justify="right", no_wrap=True)
    for each in backups:
        lines = [each.run_tag or "another tool", f"  {each.path.name}"]
        if each.problem:
            lines[0] = f"UNREADABLE: {each.problem}"
        elif each.webforms_tag not in (None, each.run_tag):
            lines.append(f"  web forms of run {each.webforms_tag}")
        when = each.captured_at or each.changed_at
        table.add_row(
            cell("\n".join(lines)), local(age(when)), size(each.size_bytes), number(each.rows),
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
    present = look_at(settings.db_path)
    show(labelled("final DB", str(settings.db_path), _LABEL_WIDTH))
    show(labelled("now", _named(present), _LABEL_WIDTH))
    show(labelled("then", _named(chosen), _LABEL_WIDTH))
    show(labelled("from", str(chosen.path), _LABEL_WIDTH))
    ids = {each.workspace_id for each in (present, chosen) if each and each.workspace_id}
    if len(ids) > 1:
        said = f"the backup is of another workspace: {chosen.workspace_name}"
        show(labelled("NOTE", said, _LABEL_WIDTH))
    if yes:
        return
    question = "The present DB is kept as a backup. Replace it?"
    try:
        agreed = click.confirm(local(question if present else "Restore it?"), default=False)
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
