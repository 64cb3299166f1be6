"""`fleet`: snapshots of many workspaces, named in one file."""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

import click

from salesmap_async.cli.console import say, show
from salesmap_async.cli.explain import explaining
from salesmap_async.cli.help import HelpfulCommand
from salesmap_async.cli.language import local
from salesmap_async.cli.options import json_option, read_token
from salesmap_async.commandline import plain_command
from salesmap_async.first_moments import end_quietly_on_signals
from salesmap_async.run.log import printable

if TYPE_CHECKING:
    from salesmap_async.fleet.config import Entry
    from salesmap_async.fleet.runs import Outcome

_FILE = click.argument("file", type=click.Path(path_type=Path), metavar="FLEET.TOML")
_ONLY = click.option("--only", multiple=True, metavar="NAME[,NAME...]", help="Only these.")
_SHARD = click.option(
    "--shard", metavar="N/COUNT", help="Only part N of COUNT, by name: for several machines."
)


@click.group()
def fleet() -> None:
    """Keep snapshots of many workspaces, named in one file."""


@fleet.command(cls=HelpfulCommand)
@_FILE
@_ONLY
@_SHARD
@json_option
@click.option(
    "--parallel",
    type=click.IntRange(1, 500),
    default=20,
    show_default=True,
    help="Runs side by side at most.",
)
@click.option(
    "--resume",
    is_flag=True,
    help="Only what is not published: each goes on where it stopped, or begins.",
)
@click.option(
    "--dask",
    metavar="tcp://SCHEDULER:8786",
    help="Run them on this Dask cluster, whose workers share the file's paths.",
)
def run(
    file: Path,
    only: tuple[str, ...],
    shard: str | None,
    as_json: bool,
    parallel: int,
    resume: bool,
    dask: str | None,
) -> None:
    """Take a snapshot of each workspace.

    One that fails never stops the others.

    The file is checked as a whole before anything starts. Exit code 0: all are published (with
    --resume: or were before); 1: some are not, each with its next command; 2: the file cannot be
    used.
    """
    put_back = end_quietly_on_signals()
    import asyncio

    with explaining():
        entries = _entries(file, only, shard)
        put_back()
        try:
            if dask is None:
                outcomes = asyncio.run(
                    _run(file, entries, parallel, resume=resume, as_json=as_json)
                )
            else:
                task = _OnWorker(str(file.absolute()), resume, parallel)
                outcomes = _on_cluster(dask, entries, task, as_json=as_json)
        except asyncio.CancelledError:
            _stop("what runs had read is kept; `fleet run --resume` goes on")
        except KeyboardInterrupt:
            _stop("what the cluster has begun goes on there")
    lines = [_as_json(file, outcome) for outcome in outcomes]
    with suppress(OSError):  # the exit code tells it too
        if as_json:
            click.echo(json.dumps(lines, ensure_ascii=False, indent=1))
        else:
            _tell(file, outcomes)
    if any(outcome.exit_code for outcome in outcomes):
        raise SystemExit(1)


@fleet.command(cls=HelpfulCommand)
@_FILE
@_ONLY
@_SHARD
@json_option
def status(file: Path, only: tuple[str, ...], shard: str | None, as_json: bool) -> None:
    """Show each workspace's snapshot, and how its last run ended."""
    from salesmap_async.fleet.status import status_of

    with explaining():
        found = [status_of(entry) for entry in _entries(file, only, shard)]
    if as_json:
        click.echo(json.dumps([each.as_json() for each in found], ensure_ascii=False, indent=1))
        return
    from rich.table import Table
    from rich.text import Text

    from salesmap_async.cli.console import table_console
    from salesmap_async.cli.figures import age, number

    table = Table(box=None, padding=(0, 2, 0, 0), pad_edge=False)
    for heading in ("name", "snapshot", "read", "rows", "last run", "error"):
        table.add_column(local(heading), overflow="fold")
    for each in found:
        cells = (
            each.name, each.run_tag or "-", age(each.captured_at), number(each.rows),
            each.last_run or "-", each.error or "",
        )  # fmt: skip
        table.add_row(*(Text(printable(local(each))) for each in cells))
    table_console().print(table, soft_wrap=True)


def _entries(file: Path, only: Sequence[str], shard: str | None) -> tuple[Entry, ...]:
    from salesmap_async.fleet.config import Tokens, load_fleet, parse_shard

    tokens = Tokens(read_token, os.environ)
    part = None if shard is None else parse_shard(shard)
    return load_fleet(file, tokens, only=only, shard=part)


async def _run(
    file: Path, entries: Sequence[Entry], parallel: int, *, resume: bool, as_json: bool
) -> list[Outcome]:
    from salesmap_async.cli.signals import stopping_on_signals
    from salesmap_async.fleet.runs import run_fleet
    from salesmap_async.stop import Stop

    stop, told = Stop(), _teller(as_json=as_json)
    with stopping_on_signals(stop):
        return await run_fleet(
            entries,
            parallel=parallel,
            resume=resume,
            stop=stop,
            told=told,
            next_command=partial(_next_command, file),
        )


def _on_cluster(
    address: str, entries: Sequence[Entry], task: _OnWorker, *, as_json: bool
) -> list[Outcome]:
    from salesmap_async.fleet.cluster import run_on_cluster

    names = [entry.name for entry in entries]
    return run_on_cluster(address, names, task, told=_teller(as_json=as_json))


def _stop(said: str) -> NoReturn:
    say(f"salesmap-async: stopped; {said}.", err=True)
    raise SystemExit(130) from None


def _teller(*, as_json: bool) -> Callable[[Outcome], None]:
    def told(outcome: Outcome) -> None:
        said = () if as_json else (_said(outcome),)
        with suppress(OSError):
            for each in (*said, *(f"warning: {problem}" for problem in outcome.warnings)):
                show(f"{outcome.name}: {local(each)}", err=True)

    return told


_places: dict[int, threading.BoundedSemaphore] = {}
"""Of a worker process: how many runs it may do at once -> the places for them."""


@dataclass(frozen=True, slots=True)
class _OnWorker:
    """Takes the snapshot of one workspace on a worker, which reads the fleet file itself: so no
    token travels. An unfinished run is always gone on with, for a task of a worker that died is
    given to another one.
    """

    file: str
    only_unpublished: bool
    parallel: int

    def __call__(self, name: str) -> Outcome:
        import asyncio

        from salesmap_async.fleet.runs import run_entry
        from salesmap_async.stop import Stop

        async def one() -> Outcome:
            [entry] = _entries(Path(self.file), [name], None)
            return await run_entry(
                entry,
                resume=True,
                only_unpublished=self.only_unpublished,
                stop=Stop(),
                next_command=partial(_next_command, Path(self.file)),
            )

        with _places.setdefault(self.parallel, threading.BoundedSemaphore(self.parallel)):
            return asyncio.run(one())


def _said(outcome: Outcome) -> str:
    if outcome.rows is not None:
        return f"published {outcome.run_tag}, {sum(outcome.rows.values()):,} rows"
    if outcome.error:
        return f"exit code {outcome.exit_code}: {outcome.error}"
    return outcome.state


def _tell(file: Path, outcomes: Sequence[Outcome]) -> None:
    """Print one line for each that is published, and a paragraph for each that is not."""
    good = [each for each in outcomes if not each.exit_code]
    for each in good:
        show(f"{each.name}: {local(_said(each))}")
    for each in outcomes:
        if each.exit_code:
            parts = (_said(each), each.cure[:1].upper() + each.cure[1:])
            said = [f"{local(part)}." for part in parts if part]
            show(" ".join((f"{each.name}:", *said, local(f"Next: {_next_command(file, each)}"))))
    say(f"{len(good)} of {len(outcomes)} workspaces are published.")


def _next_command(file: Path, outcome: Outcome) -> str:
    words = ("fleet", "run", str(file.absolute()), "--only", outcome.name, "--resume")
    return plain_command(*words)


def _as_json(file: Path, outcome: Outcome) -> dict[str, Any]:
    return {
        "name": outcome.name,
        "state": outcome.state,
        "exit_code": outcome.exit_code,
        "run_tag": outcome.run_tag,
        "rows": outcome.rows,
        "seconds": outcome.seconds,
        "error": outcome.error or None,
        "next": _next_command(file, outcome) if outcome.exit_code else None,
        "warnings": list(outcome.warnings),
    }
