"""`schedule`: a run every night."""

from __future__ import annotations

import dataclasses
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

import click

from salesmap_async.cli.commands import load_command
from salesmap_async.cli.console import say, warn
from salesmap_async.cli.explain import explaining
from salesmap_async.cli.help import HelpfulCommand
from salesmap_async.cli.options import with_sandbox_db
from salesmap_async.commandline import (
    plain_command,
    run_words,
    same_command_again,
    words_naming_the_file,
)
from salesmap_async.errors import UsageError
from salesmap_async.settings import PATH_FIELDS, Settings

if TYPE_CHECKING:
    from salesmap_async.schedule.job import Job, Scheduler

_Command = TypeVar("_Command", bound=Callable[..., Any])
_OUTPUT_NAME = "scheduled.log"


def _options(command: _Command) -> _Command:
    for add in (
        click.argument("run_options", nargs=-1, type=click.UNPROCESSED, metavar="[RUN OPTIONS]..."),
        click.option(
            "--as",
            "scheduler",
            type=click.Choice(("cron", "systemd", "windows")),
            help="Which scheduler; default: this system's.",
        ),
        click.option(
            "--at", default="03:30", show_default=True, help="Time of day on this machine."
        ),
    ):
        command = add(command)
    return command


_TAKES_RUN_OPTIONS = {"ignore_unknown_options": True}


@click.group()
def schedule() -> None:
    """Let the system start a run every night.

    What is scheduled is `run --resume` with absolute paths and the options of `run` that are given
    here or stand in salesmap.toml. It needs --token-file: no variable of yours is set at night.
    """


@schedule.command("print", cls=HelpfulCommand, context_settings=_TAKES_RUN_OPTIONS)
@_options
def print_(at: str, scheduler: Scheduler | None, run_options: tuple[str, ...]) -> None:
    """Show what `install` would do, and change nothing."""
    with explaining():
        from salesmap_async.schedule.install import planned

        job = _job(at, run_options)
        try:
            chosen = scheduler or _usual()
        except UsageError as error:
            warn(f"{error}: these are the lines for cron")
            chosen = "cron"
        click.echo("\n".join(planned(job, chosen)))
    given = ["--at", at, *(["--as", scheduler] if scheduler else []), *run_options]
    say(f"Next: {plain_command('schedule', 'install', *given)}", err=True)


@schedule.command(cls=HelpfulCommand, context_settings=_TAKES_RUN_OPTIONS)
@_options
def install(at: str, scheduler: Scheduler | None, run_options: tuple[str, ...]) -> None:
    """Schedule it, and read it back.

    What was scheduled for this DB before is replaced.
    """
    with explaining() as attempt:
        from salesmap_async.schedule.install import install as install_job

        attempt.next_command = lambda _error: same_command_again()
        job = _job(at, run_options)
        for line in install_job(job, scheduler or _usual()):
            say(line)
        say(f"every day at {job.at:%H:%M}: {' '.join(job.words)}")
    remove_words = [*(["--as", scheduler] if scheduler else []), *run_options]
    say(f"To undo it: {plain_command('schedule', 'remove', *remove_words)}")


@schedule.command(cls=HelpfulCommand, context_settings=_TAKES_RUN_OPTIONS)
@_options
def remove(at: str, scheduler: Scheduler | None, run_options: tuple[str, ...]) -> None:
    """Take out what is scheduled for this DB."""
    with explaining():
        from salesmap_async.schedule.install import remove as remove_job

        job = _job(at, run_options)
        was_there = remove_job(job, scheduler or _usual())
        said = "is not scheduled any more" if was_there else "was not scheduled"
        say(f"A run of {job.db_path} {said}.")


def _usual() -> Scheduler:
    from salesmap_async.schedule.install import usual_scheduler

    return usual_scheduler()


def _job(at: str, run_options: tuple[str, ...]) -> Job:
    """Return the job of these options of `run`. Raises UsageError for one that `run` refuses."""
    from salesmap_async.schedule.job import Job, at_time

    time_of_day = at_time(at)
    root = click.get_current_context().find_root()
    run = load_command("run")
    try:
        values = dict(run.make_context("run", list(run_options), parent=root).params)
    except click.ClickException as error:
        raise UsageError(f"`run` would not take that: {error.format_message()}") from None
    fields = {each.name for each in dataclasses.fields(Settings)}
    settings = Settings(**{name: value for name, value in values.items() if name in fields})
    sandbox, token_file = bool(values["sandbox"]), values["token_file"]
    if sandbox:
        settings = with_sandbox_db(settings)
    if token_file is None and not sandbox:
        warn(
            "no --token-file is given, and a scheduler does not know your SALESMAP_TOKEN: the run "
            "would find no token"
        )
    elif token_file is not None and not token_file.is_file():
        raise UsageError(f"--token-file {token_file} is no file", cure="write the token into it")
    beside_file = words_naming_the_file()
    words = run_words(
        settings,
        *([] if settings.resume_run_tag else ["--resume"]),
        "--no-progress",
        sandbox=sandbox,
        token_file=str(token_file.resolve()) if token_file is not None else None,
        always=() if beside_file else PATH_FIELDS,
    )
    return Job(
        db_path=settings.db_path,
        at=time_of_day,
        words=(sys.executable, "-m", "salesmap_async", *beside_file, *words),
        folder=settings.db_path.parent,
        output=settings.log_dir / _OUTPUT_NAME,
    )
