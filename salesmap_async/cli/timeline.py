"""`timeline`: any earlier day again, and what changed since."""

from __future__ import annotations

import csv
import json
import re
import sqlite3
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from salesmap_async.cli.console import say
from salesmap_async.cli.explain import explaining
from salesmap_async.cli.figures import clock, offset, size
from salesmap_async.cli.help import HelpfulCommand
from salesmap_async.cli.options import json_option, path_options
from salesmap_async.commandline import path_command, same_command_again
from salesmap_async.errors import RunLockedError, SalesmapError, UsageError
from salesmap_async.paths import timeline_path
from salesmap_async.run.log import printable
from salesmap_async.seoul import day_named, end_of
from salesmap_async.settings import Settings
from salesmap_async.times import moment_of

if TYPE_CHECKING:
    from salesmap_async.timeline.lives import Event

_SPAN = re.compile(r"(\d+)([hdw])")
_HOURS = {"h": 1, "d": 24, "w": 24 * 7}
_FORMAT = click.option(
    "--format", "format_", type=click.Choice(("text", "json", "csv")), default="text",
    show_default=True,
)  # fmt: skip


@click.group()
def timeline() -> None:
    """Give back any earlier day, and tell what changed since.

    The file <DB>_timeline.db keeps what changed from snapshot to snapshot; each run feeds it. What
    was deleted in the CRM stays in it until `forget` or `prune`.
    """


@timeline.command("as-of", cls=HelpfulCommand)
@click.argument("word", metavar="DATE|RUN_TAG")
@path_options
@click.option("--out", type=click.Path(path_type=Path), required=True, help="DB file to write.")
@click.option("--force", is_flag=True, help="Replace what is there already.")
def as_of(word: str, out: Path, force: bool, **options: Any) -> None:
    """Write the snapshot of a run, or of the end of a day in Seoul.

    Every data table is compared with the fingerprint in that run's manifest before the file gets
    its name.
    """
    with _attempt(options, "as-of") as settings:
        from salesmap_async.operate.timeline import state_named
        from salesmap_async.timeline.rebuilding import rebuild
        from salesmap_async.timeline.timeline_file import states_of, timeline_opened

        path = timeline_path(settings.db_path)
        with timeline_opened(path) as connection:
            state = state_named(states_of(connection), word)
        _check_out(settings, out, force=force)
        forgotten = rebuild(path, state, out.absolute())
        say(f"{out}: the snapshot of run {state.run_tag}, read {clock(moment_of(state.at))}")
        if forgotten:
            say(
                f"Records were forgotten since in {', '.join(forgotten)}: the fingerprints of "
                "these tables in its manifest no longer hold; all others are compared and right."
            )


@timeline.command(cls=HelpfulCommand)
@click.argument("table")
@click.argument("record_id", metavar="ID")
@path_options
@_FORMAT
def show(table: str, record_id: str, format_: str, **options: Any) -> None:
    """Show the life of a record.

    When it was first seen, each change of a field, when it went.
    """
    with _attempt(options, "show") as settings:
        from salesmap_async.timeline.lives import life_of
        from salesmap_async.timeline.timeline_file import timeline_opened

        with timeline_opened(timeline_path(settings.db_path)) as connection:
            _write(life_of(connection, table, record_id), format_)


@timeline.command(cls=HelpfulCommand)
@path_options
@click.option(
    "--since", metavar="SPAN|DATE", help="7d, 12h, 2w, or a day: 2026-01-31. Default: everything."
)
@click.option("--table", "tables", multiple=True, metavar="TABLE", help="Only this; repeatable.")
@click.option("--field", "fields", multiple=True, metavar="FIELD", help="Only this; repeatable.")
@_FORMAT
@json_option
def log(
    as_json: bool,
    since: str | None,
    tables: tuple[str, ...],
    fields: tuple[str, ...],
    format_: str,
    **options: Any,
) -> None:
    """Show what changed, oldest first, a line per field."""
    with _attempt(options, "log") as settings:
        from salesmap_async.timeline.lives import log_of
        from salesmap_async.timeline.timeline_file import timeline_opened

        with timeline_opened(timeline_path(settings.db_path)) as connection:
            moment = None if since is None else _moment(since)
            _write(
                log_of(connection, since=moment, tables=tables, fields=fields),
                "json" if as_json else format_,
            )


@timeline.command(cls=HelpfulCommand)
@path_options
def build(**options: Any) -> None:
    """Feed the backups that are there, then the final DB."""
    with _attempt(options, "build") as settings:
        from salesmap_async.run.lock import run_lock
        from salesmap_async.run.timeline_step import build_timeline

        if not settings.db_path.is_file():
            raise UsageError(f"there is no snapshot at {settings.db_path}", cure="take one first")
        with run_lock(settings.db_path):
            fed = build_timeline(
                settings.paths("timeline"),
                was_run=lambda tag: settings.paths(tag).has_traces(),
                told=lambda path, state: say(f"fed: {path.name}, run {state.run_tag}"),
            )
        if not fed:
            say("The timeline has everything that is there.")


@timeline.command(cls=HelpfulCommand)
@click.argument("table")
@click.argument("record_id", metavar="ID")
@path_options
def forget(table: str, record_id: str, **options: Any) -> None:
    """Remove a record from every state, as a person may demand.

    The states that held it can then not be given back to the last bit, and say so. The final DB,
    its backups and exports still hold the record.
    """
    with _attempt(options, "forget") as settings:
        from salesmap_async.operate.backups import list_backups
        from salesmap_async.run.lock import run_lock
        from salesmap_async.timeline.forgetting import forget as forget_record

        path = timeline_path(settings.db_path)
        _check_there(path)
        with run_lock(settings.db_path):
            states = forget_record(path, table, record_id)
        say(
            f"{record_id} of {table} is forgotten in {states} states; the fingerprints of {table} "
            "in their manifests no longer hold."
        )
        say(
            f"{settings.db_path.name} and its {len(list_backups(settings))} backups may still hold "
            "it; while it is in the CRM the next run feeds it again."
        )


@timeline.command(cls=HelpfulCommand)
@path_options
@click.option(
    "--keep-days", type=click.IntRange(1), required=True, help="States read since then stay."
)
def prune(keep_days: int, **options: Any) -> None:
    """Remove the oldest states; the newest stays in any case."""
    with _attempt(options, "prune") as settings:
        from salesmap_async.run.lock import run_lock
        from salesmap_async.timeline.forgetting import prune_states

        path = timeline_path(settings.db_path)
        _check_there(path)
        before = path.stat().st_size
        with run_lock(settings.db_path):
            gone = prune_states(path, datetime.now(UTC) - timedelta(days=keep_days))
        say(f"{gone} states removed; {path.name}: {size(before)} -> {size(path.stat().st_size)}")


@contextmanager
def _attempt(options: dict[str, Any], command: str) -> Iterator[Settings]:
    """Give the settings; tell every error in words, SQLite's and the disk's too."""
    with explaining() as attempt:
        settings = attempt.settings = Settings(**options)
        attempt.next_command = lambda error: _next_command(settings, error, command)
        try:
            yield settings
        except BrokenPipeError:  # what reads it has enough
            return
        except sqlite3.Error as error:
            raise SalesmapError(
                f"{timeline_path(settings.db_path)} cannot be used: {error}; it is as it was",
                cure="check the disk and its permissions; if the file is damaged, move it away: "
                "the next run begins a new one",
            ) from None
        except OSError as error:
            raise SalesmapError(f"nothing was written: {error.strerror or error}") from None


def _next_command(settings: Settings, error: SalesmapError, command: str) -> str:
    if not isinstance(error, UsageError) or isinstance(error, RunLockedError):
        return same_command_again()
    if "take one first" in error.cure or "each run feeds one" in error.cure:
        has_db = settings.db_path.is_file()
        words = ("timeline", "build") if has_db else ("run",)
        return path_command(settings, *words)
    return path_command(settings, "timeline", command, "--help")


def _check_there(path: Path) -> None:
    if not path.is_file() or path.stat().st_size == 0:
        raise UsageError(f"there is no timeline at {path}", cure="each run feeds one")


def _check_out(settings: Settings, out: Path, *, force: bool) -> None:
    """Raise UsageError where writing to `out` would harm something."""
    own = {settings.db_path, timeline_path(settings.db_path)}
    if out.absolute() in own:
        raise UsageError(f"--out {out} is the final DB or its timeline", cure="name another file")
    if out.is_dir() or not out.absolute().parent.is_dir():
        raise UsageError(f"--out {out} is no file in a folder that is there")
    if out.exists() and not force:
        raise UsageError(f"{out} is there already", cure="add --force to replace it")


def _moment(word: str) -> datetime:
    if found := _SPAN.fullmatch(word):
        return datetime.now(UTC) - timedelta(hours=int(found[1]) * _HOURS[found[2]])
    if (day := day_named(word)) is not None:
        return end_of(day) - timedelta(days=1)
    raise UsageError(f"--since {word} is neither a span like 7d nor a day like 2026-01-31")


# -- output ---------------------------------------------------------------------------------------


def _write(events: Iterable[Event], format_: str) -> None:
    if format_ == "json":
        separator = "["
        for event in events:
            click.echo(separator + json.dumps(_record(event), ensure_ascii=False, default=str))
            separator = ","
        click.echo("[]" if separator == "[" else "]")
    elif format_ == "csv":
        writer = csv.writer(sys.stdout, lineterminator="\n")
        writer.writerow(("run_tag", "at", "table", "id", "name", "kind", "field", "old", "new"))
        writer.writerows(map(_safe_row, events))
    else:
        for event in events:
            click.echo(printable(_line(event)))


def _record(event: Event) -> dict[str, Any]:
    return {
        "run_tag": event.state.run_tag,
        "at": event.state.at,
        "table": event.table,
        "id": event.id,
        "name": event.name,
        "kind": event.kind,
        "field": event.field,
        "old": event.old,
        "new": event.new,
    }


def _safe_row(event: Event) -> list[Any]:
    from salesmap_async.export.text_files import formula_safe

    return [formula_safe(value) for value in _record(event).values()]


def _line(event: Event) -> str:
    words = {
        "known": "in the first state of the timeline",
        "new": "new",
        "gone": "gone",
        "changed": f"{event.field}: {_short(event.old)} -> {_short(event.new)}",
    }
    who = " ".join(str(each) for each in (event.table, event.id, event.name) if each is not None)
    return f"{_when(event)} {event.state.run_tag} | {who} | {words[event.kind]}"


def _when(event: Event) -> str:
    """Return when the state was read, on this machine's clock, with its offset."""
    at = moment_of(event.state.at)
    if at is None:
        return event.state.at
    here = at.astimezone()
    return f"{here:%Y-%m-%d %H:%M}{offset(here)}"


def _short(value: Any) -> str:
    text = "-" if value is None else " ".join(str(value).split())
    return text if len(text) <= 60 else text[:57] + "..."
