"""`python -m salesmap_async`: the commands."""

from __future__ import annotations

import os
import sys
from contextlib import suppress
from pathlib import Path

from salesmap_async.first_moments import end_quietly_on_signals

_put_back = end_quietly_on_signals()

import click

from salesmap_async.cli.commands import Commands
from salesmap_async.cli.console import show
from salesmap_async.cli.language import (
    language_option,
    local,
    speak,
    typed_language,
    usual_language,
)
from salesmap_async.cli.settings_file import note_named_file, said_in_file
from salesmap_async.version import VERSION

_put_back()


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(VERSION, prog_name="salesmap-async")
@click.option(
    "--config",
    type=click.Path(path_type=Path),
    expose_value=False,
    callback=note_named_file,
    help="Options from this file, for any command; default: salesmap.toml, if it is there.",
)
def commands() -> None:
    """Snapshot a whole Salesmap CRM workspace into one SQLite file."""


commands.params.append(language_option())


def main() -> None:
    """Run a command and exit with its code; a wrong option is one line and exit code 2."""
    os.umask(0o077)  # customer data: files of this program are for its user alone
    speak(typed_language(sys.argv[1:]) or usual_language(os.environ))
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="replace")  # e.g. a Windows console in cp949
    if os.environ.get("_SALESMAP_ASYNC_COMPLETE", "").startswith("powershell"):
        import salesmap_async.cli.completion  # noqa: F401  (click finds its class by this)
    try:
        commands.main(standalone_mode=False)
    except click.ClickException as error:
        from salesmap_async.commandline import plain_command

        command = plain_command(*filter(None, (_command_of(error), "--help")))
        said = error.format_message()
        context = getattr(error, "ctx", None)
        if context is not None and (place := said_in_file(context, said)):
            said = f"{local(said.rstrip('.'))}. {local(place)}."
        with suppress(OSError):  # the exit code tells it too, where no output can be written
            show(f"salesmap-async: {local(said)} {local(f'Next: {command}')}", err=True)
        raise SystemExit(error.exit_code) from None
    except click.Abort:
        raise SystemExit(130) from None
    finally:
        _flush_or_forget()


def _flush_or_forget() -> None:
    """Flush what was printed; a reader that is gone (`| head`) must not change the exit code."""
    for stream in (sys.stdout, sys.stderr):
        try:
            if stream is not None:
                stream.flush()
        except OSError:
            os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())


def _command_of(error: click.ClickException) -> str:
    context = getattr(error, "ctx", None)
    return context.info_name or "" if context is not None and context.parent is not None else ""


if __name__ == "__main__":
    main()
