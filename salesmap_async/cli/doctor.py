"""`doctor`: the checklist before a run."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import click
from rich.console import Console
from rich.table import Table
from rich.text import Text

from salesmap_async.cli import as_json as answers
from salesmap_async.cli.console import cell, say
from salesmap_async.cli.explain import explaining
from salesmap_async.cli.help import command
from salesmap_async.cli.language import local
from salesmap_async.cli.options import (
    json_option,
    path_options,
    read_token,
    settings_options,
    token_file_option,
)
from salesmap_async.cli.origins import check_all_sections, origins
from salesmap_async.cli.settings_file import file_in_force
from salesmap_async.commandline import path_command, same_command_again
from salesmap_async.errors import UsageError
from salesmap_async.run.checks import Finding
from salesmap_async.run.log import printable
from salesmap_async.settings import Settings, option_flag, usual_value

_NETWORK_OPTIONS = ("base_url", "ca_file", "proxy")
_STYLES = {"ok": "green", "warning": "yellow", "failed": "bold red"}


@command()
@path_options
@settings_options(_NETWORK_OPTIONS)
@token_file_option
@json_option
@click.option("--deep", is_flag=True, help="Search the whole final DB for damage.")
@click.option("--offline", is_flag=True, help="Leave out what needs the network.")
def doctor(
    token_file: Path | None, as_json: bool, offline: bool, deep: bool, **options: Any
) -> None:
    """Check whether a run can start, and say what helps.

    Write access (really tried), disk space, file system, versions, run lock, what lies beside the
    final DB and what has it open, the final DB itself, token, API and its latency, workspace,
    clock: each is ok, a warning or failed, with a cure. Exit code 2 where something failed. A run
    checks what would stop it by itself.
    """
    import asyncio  # here, as the client below: to look at the options needs neither

    from salesmap_async.operate.doctor import examine_locally, examine_remotely

    with explaining(as_json=as_json) as attempt:
        settings = Settings(**options, token=read_token(token_file))
        attempt.settings = settings
        findings = [*_options(), *examine_locally(settings, deep=deep)]
        if not offline:
            findings += asyncio.run(examine_remotely(settings))
    command = _next_command(settings, findings, token_file)
    if as_json:
        answers.print_json(answers.doctor(findings, command))
    else:
        _show(findings, command, offline=offline)
    if any(each.level == "failed" for each in findings):
        raise SystemExit(2)


def _show(findings: Sequence[Finding], command: str, *, offline: bool) -> None:
    console = Console(highlight=False)
    console.print(_table(findings))
    console.print()
    failed = sum(each.level == "failed" for each in findings)
    warnings = sum(each.level == "warning" for each in findings)
    verdict = "A run can start" if not failed else "A run would not start"
    left_out = "; the network was left out" if offline else ""
    say(f"{verdict}: {failed} failed, {_counted(warnings)}{left_out}.")
    say(f"Next: {command}")


def _options() -> Iterator[Finding]:
    """Yield what is wrong with the settings file, and where the values of a run come from."""
    context = click.get_current_context()
    file = file_in_force(context)
    what = "options"
    try:
        said = [f"{flag} {value} ({origin})" for flag, value, origin in origins(context)]
        if file is not None:
            check_all_sections(file)
    except UsageError as error:
        yield Finding(what=what, level="failed", said=str(error), cure=error.cure or "correct it")
        return
    except click.ClickException as error:
        yield Finding(what=what, level="failed", said=error.format_message(), cure="correct it")
        return
    read = f"{file.path} is read" if file else "there is no salesmap.toml here"
    all_others = "all others have their defaults" if said else "all have their defaults"
    yield Finding(what=what, level="ok", said="\n".join([f"{read}; {all_others}", *said]))


def _next_command(settings: Settings, findings: Sequence[Finding], token_file: Path | None) -> str:
    """Return what leads on: around a damaged DB, else a run, or this again after the mending."""
    failed = [each for each in findings if each.level == "failed"]
    if not failed:
        return _run_command(settings, token_file)
    command, *arguments = next((each.way_out for each in failed if each.way_out), ("",))
    if not command:
        return same_command_again()
    if command == "run":
        return _run_command(settings, token_file, *arguments)
    return path_command(settings, command, *arguments)


def _run_command(settings: Settings, token_file: Path | None, *more: str) -> str:
    """Return the `run` that was examined."""
    arguments = (
        [*more] if token_file is None else [*more, "--token-file", str(token_file.resolve())]
    )
    for name in _NETWORK_OPTIONS:
        if getattr(settings, name) != usual_value(name):
            arguments += [option_flag(name), str(getattr(settings, name))]
    return path_command(settings, "run", *arguments)


def _counted(warnings: int) -> str:
    return "1 warning" if warnings == 1 else f"{warnings} warnings"


def _table(findings: Sequence[Finding]) -> Table:
    table = Table(box=None, padding=(0, 2, 0, 0), pad_edge=False)
    table.add_column(local("check"), no_wrap=True)
    table.add_column(local("state"), no_wrap=True)
    table.add_column(local("found"), overflow="fold")
    for each in findings:
        said = cell(each.said)
        if each.level != "ok" and each.cure:
            said.append(f"\n-> {printable(local(each.cure))}", style="italic")
        table.add_row(local(each.what), Text(local(each.level), style=_STYLES[each.level]), said)
    return table
