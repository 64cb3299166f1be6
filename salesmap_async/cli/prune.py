"""`prune`: remove what published and abandoned runs have left."""

from __future__ import annotations

from typing import Any

import click

from salesmap_async.cli import as_json as answers
from salesmap_async.cli.console import say
from salesmap_async.cli.explain import explaining
from salesmap_async.cli.figures import size
from salesmap_async.cli.help import command
from salesmap_async.cli.options import json_option, path_options
from salesmap_async.commandline import path_command
from salesmap_async.operate.leftovers import bytes_of
from salesmap_async.operate.prune import Pruned
from salesmap_async.operate.prune import prune as prune_leftovers
from salesmap_async.paths import timeline_path
from salesmap_async.settings import Settings


@command()
@path_options
@json_option
@click.option("--dry-run", is_flag=True, help="Only say what would be removed.")
def prune(as_json: bool, dry_run: bool, **options: Any) -> None:
    """Remove what published and abandoned runs have left.

    That is work DBs, kept copies and temporary files.

    A run is abandoned when it is unfinished and a run of its kind (full, web forms only) that
    started later has been published. Backups, logs and the history stay.
    """
    with explaining(as_json=as_json) as attempt:
        settings = attempt.settings = Settings(**options)
        found = prune_leftovers(settings, dry_run=dry_run)
        if as_json:
            answers.print_json(answers.pruned(found, dry_run=dry_run))
            return
        for line in (*_lines(settings, found, dry_run=dry_run), *_about_timeline(settings)):
            say(line)


def _about_timeline(settings: Settings) -> list[str]:
    """Say how large the timeline is, which has a command of its own."""
    path = timeline_path(settings.db_path)
    if not path.is_file():
        return []
    command = path_command(settings, "timeline", "prune", "--keep-days", "730")
    return [f"{path.name} takes {size(path.stat().st_size)}; its oldest states go with: {command}"]


def _lines(settings: Settings, found: tuple[Pruned, ...], *, dry_run: bool) -> list[str]:
    removed = [run for run in found if run.remove]
    lines = []
    for run in found:
        verb = "keep" if not run.remove else "would remove" if dry_run else "removed"
        lines.append(f"{verb} {size(bytes_of(run.leftovers))} of run {run.run_tag} ({run.why})")
        lines += [f"  {each.kind}: {each.path}" for each in run.leftovers]
    total = sum(bytes_of(run.leftovers) for run in removed)
    files = sum(len(run.leftovers) for run in removed)
    said = f"{files} {'file' if files == 1 else 'files'}, {size(total)} ({total:,} bytes)"
    if not removed:
        return [*lines, f"Nothing to remove for {settings.db_path}."]
    if not dry_run:
        return [*lines, f"Removed {said}."]
    return [
        *lines,
        f"Would remove {said}.",
        f"Next: {path_command(settings, 'prune')}",
    ]
