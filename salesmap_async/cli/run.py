"""`run`: take a snapshot."""

from __future__ import annotations

import dataclasses
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from salesmap_async.cli.as_json import print_json, published
from salesmap_async.cli.console import say_if_possible
from salesmap_async.cli.explain import explaining, next_arguments
from salesmap_async.cli.help import command
from salesmap_async.cli.options import (
    evolve_option,
    fields_option,
    json_option,
    read_token,
    settings_options,
    token_file_option,
    with_sandbox_db,
)
from salesmap_async.cli.signals import ignore_signals
from salesmap_async.commandline import path_command, run_command, same_command_again
from salesmap_async.errors import (
    DamagedError,
    SalesmapError,
    UsageError,
)
from salesmap_async.first_moments import end_quietly_on_signals
from salesmap_async.paths import SANDBOX_DB
from salesmap_async.settings import Secret, Settings, option_fields

if TYPE_CHECKING:
    from salesmap_async.cli.progress import Verbosity
    from salesmap_async.run.snapshot import RunReport

SANDBOX_RECORDS = 3000


@command()
@settings_options(option_fields())
@token_file_option
@click.option(
    "--sandbox",
    is_flag=True,
    help=f"Snapshot a built-in, invented workspace into {SANDBOX_DB}; needs no token.",
)
@evolve_option("With --sandbox: after a day of work in that workspace; may be repeated.")
@fields_option("With --sandbox: `plain` has only the fields that every workspace has.")
@click.option(
    "--progress/--no-progress",
    default=None,
    help="Bars, or plain lines; default: bars on a terminal.",
)
@click.option("--quiet", is_flag=True, help="Print nothing but errors and the summary.")
@json_option
@click.option("-v", "--verbose", is_flag=True, help="Print every checkpoint and note.")
def run(
    token_file: Path | None,
    sandbox: bool,
    days: tuple[int, ...],
    field_set: str | None,
    progress: bool | None,
    quiet: bool,
    as_json: bool,
    verbose: bool,
    **options: Any,
) -> None:
    """Read the whole workspace and publish it as one SQLite file.

    It is complete or not at all.

    Tables that a run does not read are carried over from the present DB, and the manifest says
    from which run. A resume remembers what to read, the DB and the base URL, and takes the rest
    from the command line. A wrong value is one line and exit code 2, before anything is touched.
    """
    end_quietly_on_signals()  # until the run has handlers of its own
    # Imported here, so that a look at the options does not wait for all of the program.
    import asyncio

    from salesmap_async.cli.attended import Attendance
    from salesmap_async.cli.progress import Verbosity
    from salesmap_async.cli.summary import show_summary

    verbosity = Verbosity(bars=progress, quiet=quiet, verbose=verbose)
    with explaining(as_json=as_json) as attempt:
        attendance = Attendance(Settings(**options))
        attempt.told = attendance.failed
        settings = _settings(attendance.settings, token_file, sandbox=sandbox)
        invented = _invented(days, field_set, sandbox=sandbox)
        attendance.settings = attempt.settings = settings
        attempt.next_command = lambda error: _next_command(
            error, settings, sandbox=sandbox, token_file=token_file
        )
        attendance.started()
        try:
            report = asyncio.run(_snapshot(settings, verbosity, invented))
        except asyncio.CancelledError:  # a second signal before the run had begun
            say_if_possible("salesmap-async: stopped; nothing was touched.")
            attendance.stopped()
            raise SystemExit(130) from None
        except Exception as error:
            if not isinstance(error, SalesmapError):
                attendance.broke(error)
            raise
        finally:
            ignore_signals()  # it is over: what comes now is too late to stop anything
    if as_json:
        with suppress(OSError):  # it is published, whether that can be told or not
            print_json(published(report))
    else:
        show_summary(report)
    attendance.published(report)


def _settings(settings: Settings, token_file: Path | None, *, sandbox: bool) -> Settings:
    """Return the settings with their token; of the built-in workspace, with a DB of its own."""
    if sandbox:
        return with_sandbox_db(settings)
    return dataclasses.replace(settings, token=read_token(token_file))


def _invented(days: tuple[int, ...], field_set: str | None, *, sandbox: bool) -> _Invented | None:
    """Return how the built-in workspace is to be read; None for a real one."""
    for option, given in (("--evolve", days), ("--fields", field_set)):
        if given and not sandbox:
            said = f"{option} changes the built-in workspace only"
            raise UsageError(said, cure="add --sandbox")
    return _Invented(days=days, is_plain=field_set == "plain") if sandbox else None


def _next_command(
    error: SalesmapError, settings: Settings, *, sandbox: bool, token_file: Path | None
) -> str:
    """Return what to type: the resume of a begun run, what leads on, or this command again."""
    from salesmap_async.operate.backups import has_readable_backup

    if isinstance(error, DamagedError) and has_readable_backup(settings):
        return path_command(settings, "restore")
    arguments = next_arguments(error)
    if arguments is None:
        return same_command_again()
    token_path = str(token_file.resolve()) if token_file else None
    without = error.without if isinstance(error, UsageError) else ()
    return run_command(
        settings, *arguments, sandbox=sandbox, token_file=token_path, without=without
    )


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class _Invented:
    """The built-in workspace as it is to be read: after which days of work, with which fields."""

    days: tuple[int, ...]
    is_plain: bool


async def _snapshot(
    settings: Settings, verbosity: Verbosity, invented: _Invented | None
) -> RunReport:
    from contextlib import AsyncExitStack

    from salesmap_async.cli.progress import progress_listener
    from salesmap_async.cli.signals import stopping_on_signals
    from salesmap_async.run.snapshot import take_snapshot
    from salesmap_async.stop import Stop

    stop = Stop()
    async with AsyncExitStack() as stack:
        stack.enter_context(stopping_on_signals(stop))
        if invented is not None:
            from salesmap_async.sandbox import Sandbox, Workspace, work_a_day

            token = "sandbox-token"  # noqa: S105  (the sandbox's own, worth nothing)
            workspace = Workspace.generate(records=SANDBOX_RECORDS, plain=invented.is_plain)
            for day in invented.days:
                work_a_day(workspace, day)
            server = await stack.enter_async_context(Sandbox(workspace, token=token))
            settings = dataclasses.replace(settings, base_url=server.base_url, token=Secret(token))
        listener = stack.enter_context(progress_listener(verbosity))
        return await take_snapshot(settings, listener, stop=stop)
