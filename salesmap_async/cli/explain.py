"""How every command fails: one paragraph, what happened, what is safe, what next; an exit code."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass

import click

from salesmap_async.cli.as_json import failed, print_json
from salesmap_async.cli.console import show
from salesmap_async.cli.language import local
from salesmap_async.cli.settings_file import said_in_file
from salesmap_async.commandline import plain_command, same_command_again
from salesmap_async.errors import (
    DamagedLateError,
    GateRefusedError,
    KeptAsideError,
    SalesmapError,
    UsageError,
    exit_code_of,
)
from salesmap_async.run.log import printable
from salesmap_async.run.plan import is_resumable
from salesmap_async.settings import Settings


@dataclass(slots=True)
class Attempt:
    """What a command has found out by the time it fails.

    `as_json`: the failure is told on standard output too, as JSON. `next_command` returns what to
    type after an error, once there are settings; `told` hears of the failure and of that.
    """

    as_json: bool = False
    settings: Settings | None = None
    next_command: Callable[[SalesmapError], str] = lambda _error: same_command_again()
    told: Callable[[SalesmapError, str, str], None] = lambda _error, _said, _command: None


@contextmanager
def explaining(*, as_json: bool = False) -> Iterator[Attempt]:
    """Turn a SalesmapError of the block into its paragraph on standard error and its exit code."""
    attempt = Attempt(as_json=as_json)
    try:
        yield attempt
    except SalesmapError as error:
        if attempt.settings is None:
            command = plain_command(*_names(click.get_current_context()), "--help")
        else:
            command = attempt.next_command(error)
        said = explain(error, attempt.settings, command)
        with suppress(OSError):  # the exit code tells it too, where no output can be written
            show(f"salesmap-async: {said}", err=True)
        if attempt.as_json:
            with suppress(OSError):
                print_json(failed(error, command))
        attempt.told(error, said, command)
        raise SystemExit(exit_code_of(error)) from None


def _names(context: click.Context) -> list[str]:
    """Return the names of a command and of the group that it stands in."""
    if context.parent is None:
        return []
    return [*_names(context.parent), str(context.info_name)]


def explain(error: SalesmapError, settings: Settings | None, command: str) -> str:
    """Return the paragraph for `error`, in the screen's language; `command` is what to type."""
    parts = [_sentence(str(error))]
    if settings is not None:
        parts.append(_what_is_safe(error, settings))
    if error.run is not None:
        parts.append(f"Log: {error.run.log_file}.")
    context = click.get_current_context(silent=True)
    if context is not None and (place := said_in_file(context, str(error))):
        parts.append(_sentence(place))
    if error.cure:
        parts.append(_sentence(error.cure[0].upper() + error.cure[1:]))
    parts.append(f"Next: {command}")
    return printable(" ".join(map(local, parts)))


def next_arguments(error: SalesmapError) -> tuple[str, ...] | None:
    """Return the arguments of `run` that lead on from `error`; None: the same ones again."""
    if error.run is None:
        return error.instead if isinstance(error, UsageError) else None
    if not is_resumable(error.run):
        return ()
    tag = ("--resume-run-tag", error.run.run_tag)
    if isinstance(error, DamagedLateError):
        return (*tag, "--replace-damaged")
    return (*tag, "--allow-shrink") if isinstance(error, GateRefusedError) else tag


def _what_is_safe(error: SalesmapError, settings: Settings) -> str:
    final_db = error.run.final_db if error.run else settings.db_path
    if error.published:
        return f"{final_db} holds the new, complete snapshot."
    if isinstance(error, KeptAsideError):
        return f"{final_db} is as it was; the new data lies complete at {error.kept_at}."
    if error.run is None:
        return f"Nothing was touched; {final_db} is as it was."
    if not is_resumable(error.run):
        return f"{final_db} is as it was; of what was read nothing is kept."
    return f"{final_db} is as it was; what was read is kept in {error.run.work_dir}."


def _sentence(text: str) -> str:
    return text if text.endswith((".", "!", "?")) else text + "."
