"""`sandbox`: serve the invented workspace as a Salesmap API on loopback."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from pathlib import Path

import click

from salesmap_async.cli.console import say
from salesmap_async.cli.help import command
from salesmap_async.cli.options import evolve_option, fields_option
from salesmap_async.errors import SalesmapError, UsageError, exit_code_of
from salesmap_async.sandbox import (
    SANDBOX_TOKEN,
    USUAL_MIX,
    Workspace,
    load_faults,
    serve,
    work_a_day,
)


@command()
@click.option(
    "--port",
    type=click.IntRange(0, 65535),
    default=8765,
    show_default=True,
    help="Port on loopback; 0: any free one.",
)
@click.option(
    "--records",
    type=click.IntRange(1),
    default=3000,
    show_default=True,
    help="Records in the five big lists together.",
)
@click.option(
    "--seed", type=int, default=7, show_default=True, help="The same seed gives the same workspace."
)
@click.option(
    "--mix",
    multiple=True,
    metavar="TABLE=SHARE",
    help="Share of one list, e.g. memo=0.8; may be repeated.",
)
@click.option(
    "--forms", type=click.IntRange(0), default=20, show_default=True, help="Web forms that exist."
)
@click.option(
    "--wide-fields",
    type=click.IntRange(0),
    default=36,
    show_default=True,
    help="Stage-tracking fields of each deal and lead.",
)
@click.option(
    "--absent",
    type=click.FloatRange(0, 1, max_open=True),
    default=0.0,
    show_default=True,
    help="Probability that a record leaves an optional key out, each for itself.",
)
@fields_option("`plain`: only the fields that every workspace has.  [default: all]")
@click.option(
    "--log-events",
    type=click.IntRange(0),
    help="Rows of each history and activity, over two years.  [default: 120]",
)
@click.option(
    "--latency",
    "latency_s",
    type=click.FloatRange(0),
    default=0.0,
    show_default=True,
    help="Seconds before each answer.",
)
@click.option(
    "--faults",
    "faults_file",
    type=click.Path(path_type=Path),
    help="JSON file with scripted faults: which request goes wrong, and how.",
)
@evolve_option("After a day of work in the CRM: deals new, moved, won, lost; may be repeated.")
@click.option("--no-quota", is_flag=True, help="Do not enforce 100 requests per 10 s.")
@click.option(
    "--used-by-others",
    type=click.IntRange(0, 100),
    default=0,
    show_default=True,
    help="What another client takes of each 100 requests.",
)
@click.option("--token", default=SANDBOX_TOKEN, show_default=True, help="The one it accepts.")
@click.option("--arrivals", type=click.Path(path_type=Path), help="Log of arrivals, JSON lines.")
def sandbox(
    port: int,
    records: int,
    seed: int,
    mix: Sequence[str],
    forms: int,
    wide_fields: int,
    absent: float,
    field_set: str | None,
    log_events: int | None,
    latency_s: float,
    faults_file: Path | None,
    days: Sequence[int],
    no_quota: bool,
    used_by_others: int,
    token: str,
    arrivals: Path | None,
) -> None:
    """Serve an invented workspace like the Salesmap API does.

    For trying things out: start it with `--records 20000 --latency 0.3`, then
    `run --base-url http://127.0.0.1:8765/api/v2` with the token that it prints.
    """
    try:
        workspace = Workspace.generate(
            records=records,
            seed=seed,
            mix=_shares(mix),
            forms=forms,
            wide_fields=wide_fields,
            absent=absent,
            plain=field_set == "plain",
            log_events=log_events,
        )
        for day in days:
            work_a_day(workspace, day)
        serving = serve(
            workspace,
            port=port,
            latency_s=latency_s,
            faults=load_faults(faults_file) if faults_file else (),
            quota=not no_quota,
            token=token,
            announce=lambda url: say(_greeting(url, token)),
            quota_used_by_others=used_by_others,
            arrivals_log=arrivals,
        )
        asyncio.run(serving)
    except SalesmapError as error:
        say(f"salesmap-async: {error}", err=True)
        raise SystemExit(exit_code_of(error)) from None
    except KeyboardInterrupt:
        say("stopped")


def _greeting(url: str, token: str) -> str:
    return f"serving {url} with token {json.dumps(token)}; stop with Ctrl-C"


def _shares(items: Sequence[str]) -> dict[str, float]:
    shares = {}
    for item in items:
        table, _, share = item.partition("=")
        try:
            shares[table] = float(share)
        except ValueError:
            shares[table] = -1.0
        if table not in USUAL_MIX or not 0 < shares[table] <= 1:
            raise UsageError(
                f"--mix {item!r} is not TABLE=SHARE, like memo=0.8; tables: {', '.join(USUAL_MIX)}"
            )
    return shares
