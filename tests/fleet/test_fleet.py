"""A fleet: every healthy workspace is published as by a run of its own, whatever the others do."""

from __future__ import annotations

import json
import shlex
import signal
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from salesmap_async import Secret, Settings, take_snapshot
from salesmap_async.events import TableProgress
from salesmap_async.fleet.config import Entry
from salesmap_async.fleet.runs import Outcome, run_fleet
from salesmap_async.fleet.status import status_of
from salesmap_async.sandbox import SANDBOX_TOKEN, Fault, Sandbox, Workspace
from salesmap_async.stop import Stop
from tests.support.cli_process import (
    POSIX,
    ServedSandbox,
    cli,
    finish,
    no_process_is_left,
    start,
)
from tests.support.runs import table_hashes
from tests.support.told import Told

__all__ = ["no_process_is_left"]

COUNT, BAD, BROKEN = 12, 2, 3
SIZE: dict[str, Any] = {"records": 300, "forms": 2}


@pytest.fixture
async def sandboxes() -> AsyncIterator[list[Sandbox]]:
    async with AsyncExitStack() as stack:
        yield [
            await stack.enter_async_context(
                Sandbox(Workspace.generate(**SIZE, seed=number), quota=False)
            )
            for number in range(COUNT)
        ]


def entry_of(folder: Path, number: int, sandbox: Sandbox, *, token: str = "") -> Entry:
    own = folder / f"w{number}"
    settings = Settings(
        token=Secret(token or SANDBOX_TOKEN),
        base_url=sandbox.base_url,
        db_path=own / "a.db",
        log_dir=own / "logs",
        backup_dir=own / "backups",
        checkpoint_dir=own / "logs" / "checkpoints",
        min_interval_s=0,
        backoff_s=0.01,
        max_retries=1,
    )
    return Entry(name=f"w{number}", settings=settings)


async def fleet(entries: list[Entry], **more: Any) -> dict[str, Outcome]:
    options: dict[str, Any] = {
        "parallel": 5,
        "resume": False,
        "stop": Stop(),
        "told": lambda _outcome: None,
    }
    outcomes = await run_fleet(entries, **(options | more))
    assert [each.name for each in outcomes] == [each.name for each in entries]
    return {each.name: each for each in outcomes}


async def test_one_that_fails_stops_no_other(sandboxes: list[Sandbox], tmp_path: Path) -> None:
    """Refused tokens and broken servers; what is healthy equals a run alone. Then a resume."""
    entries = [
        entry_of(tmp_path, number, sandbox, token="expired" if number < BAD else "")
        for number, sandbox in enumerate(sandboxes)
    ]
    for sandbox in sandboxes[BAD : BAD + BROKEN]:
        sandbox.faults.append(Fault(action="status", status=500, path="/memo", times=None))
    told: list[str] = []
    found = await fleet(entries, told=lambda outcome: told.append(outcome.name))
    states = [found[each.name].state for each in entries]
    assert states == ["failed"] * (BAD + BROKEN) + ["published"] * (COUNT - BAD - BROKEN)
    assert [found[f"w{n}"].exit_code for n in range(BAD + BROKEN)] == [2] * BAD + [1] * BROKEN
    assert sorted(told) == sorted(found)
    for number in range(BAD + BROKEN, COUNT):
        alone = entry_of(tmp_path / "alone", number, sandboxes[number])
        report = await take_snapshot(alone.settings)
        published = entries[number].settings.db_path
        assert table_hashes(report.paths.final_db) == table_hashes(published), number

    before = [len(sandbox.arrivals) for sandbox in sandboxes]
    for sandbox in sandboxes:
        sandbox.faults.clear()
    again = await fleet(entries, resume=True)
    asked = [len(sandbox.arrivals) - n for sandbox, n in zip(sandboxes, before, strict=True)]
    assert [again[each.name].state for each in entries] == (
        ["failed"] * BAD + ["published"] * BROKEN + ["left alone"] * (COUNT - BAD - BROKEN)
    )
    assert asked[BAD + BROKEN :] == [0] * (COUNT - BAD - BROKEN)
    assert all(0 < n < before[-1] / 2 for n in asked[BAD : BAD + BROKEN])  # went on, not anew
    assert [status_of(each).last_run for each in entries[:BAD]] == ["not_started"] * BAD


async def test_at_most_so_many_run_at_once(
    sandboxes: list[Sandbox], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The others wait for a place."""
    running, most = 0, 0

    async def counted(*arguments: Any, **more: Any) -> Any:
        nonlocal running, most
        running += 1
        most = max(most, running)
        try:
            return await take_snapshot(*arguments, **more)
        finally:
            running -= 1

    monkeypatch.setattr("salesmap_async.fleet.runs.take_snapshot", counted)
    entries = [entry_of(tmp_path, n, sandbox) for n, sandbox in enumerate(sandboxes)]
    found = await fleet(entries, parallel=3)
    assert {outcome.state for outcome in found.values()} == {"published"}
    assert most == 3


async def test_two_entries_of_one_workspace_do_not_share_its_quota(tmp_path: Path) -> None:
    """The second one to start is refused, before it has read anything."""
    async with Sandbox(Workspace.generate(**SIZE), quota=False) as sandbox:
        entries = [entry_of(tmp_path, number, sandbox) for number in range(2)]
        found = list((await fleet(entries)).values())
    assert sorted(each.state for each in found) == ["failed", "published"]
    [refused] = [each for each in found if each.error]
    assert "they would share a quota" in refused.error
    assert refused.exit_code == 2


async def test_a_stop_ends_what_runs_and_begins_nothing(
    sandboxes: list[Sandbox], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Those under way can be resumed; the rest has not begun."""
    stop = Stop()

    async def stopping(settings: Settings, **more: Any) -> Any:
        def listen(event: object) -> None:
            if isinstance(event, TableProgress):
                stop.request()

        return await take_snapshot(settings, listen, **more)

    monkeypatch.setattr("salesmap_async.fleet.runs.take_snapshot", stopping)
    entries = [entry_of(tmp_path, n, sandbox) for n, sandbox in enumerate(sandboxes)]
    found = await fleet(entries, parallel=2, stop=stop)
    states = [outcome.state for outcome in found.values()]
    assert states == ["failed"] * 2 + ["not begun"] * (COUNT - 2)
    assert {outcome.exit_code for outcome in found.values()} == {130}


def test_the_command(tmp_path: Path) -> None:
    """One line per workspace, one exit code, next commands that work; status; JSON."""
    with (
        ServedSandbox(tmp_path) as first,
        ServedSandbox(tmp_path, "--seed", "8", "--token", "other-token") as second,
    ):
        (tmp_path / "fleet.toml").write_text(
            f"""
            [defaults]
            min_interval = 0
            backoff = 0.01

            [[workspaces]]
            name = "가상전자"
            token_env = "TOKEN_A"
            base_url = "{first.base_url}"

            [[workspaces]]
            name = "second"
            token_file = "token.txt"
            base_url = "{second.base_url}"
            """,
            encoding="utf-8",
        )
        (tmp_path / "token.txt").write_text("expired")
        (tmp_path / "token.txt").chmod(0o600)
        env = {"TOKEN_A": "sandbox-token"}
        code, out, err = cli(tmp_path, "fleet", "run", "fleet.toml", **env)
        assert (code, "1 of 2 workspaces are published." in out) == (1, True), (out, err)
        assert "expired" not in out + err
        [command] = [line.partition("Next: ")[2] for line in out.splitlines() if "Next: " in line]
        (tmp_path / "token.txt").write_text("other-token")
        assert cli(tmp_path, *shlex.split(command)[3:], **env)[0] == 0
        code, out, _ = cli(tmp_path, "fleet", "run", "fleet.toml", "--resume", "--json", **env)
        assert (code, [each["state"] for each in json.loads(out)]) == (0, ["left alone"] * 2)
        code, out, _ = cli(tmp_path, "fleet", "status", "fleet.toml", "--json", **env)
        told = json.loads(out)
        assert [each["name"] for each in told] == ["가상전자", "second"]
        assert [each["last_run"] for each in told] == ["published"] * 2
        assert (tmp_path / "가상전자" / "salesmap_latest.db").is_file()
        code, out, _ = cli(
            tmp_path, "fleet", "run", "fleet.toml", "--resume", "--shard", "1/1", **env
        )
        assert (code, "2 of 2 workspaces" in out) == (0, True)
        code, out, _ = cli(tmp_path, "fleet", "status", "fleet.toml", **env)
        assert (code, "가상전자" in out) == (0, True)
    code, _, err = cli(tmp_path, "fleet", "run", "none.toml")
    assert (code, "cannot be read" in err) == (2, True)
    assert err.rstrip().endswith("Next: python -m salesmap_async fleet run --help")


@POSIX
def test_ctrl_c_once_and_twice(tmp_path: Path) -> None:
    """Once: what is under way ends safely, each with its next command; twice: at once, one line."""
    with ServedSandbox(tmp_path, "--latency", "0.2") as server:
        (tmp_path / "fleet.toml").write_text(
            f"[[workspaces]]\nname = 'a'\ntoken_env = 'A'\nbase_url = '{server.base_url}'\n"
        )
        for presses in (1, 2):
            fleet = start(tmp_path, "fleet", "run", "fleet.toml", A="sandbox-token")
            server.wait_for(presses * 8)
            for _ in range(presses):
                fleet.send_signal(signal.SIGINT)
                time.sleep(0.05)  # two signals at once would be one
            code, out, err = finish(fleet)
            assert "Traceback" not in err
            if presses == 1:
                assert (code, "exit code 130" in out, "Next: " in out) == (1, True, True)
            else:
                assert code in (1, 130)


async def test_each_workspace_tells_of_its_own_run(
    sandboxes: list[Sandbox], tmp_path: Path
) -> None:
    """Its monitor, its channel, its metrics; the failing one with its own next command."""
    with Told() as told:
        entries = [
            entry_of(tmp_path, 0, sandboxes[0]),
            entry_of(tmp_path, 1, sandboxes[1], token="expired-token-1"),
        ]
        telling = [
            replace(
                entry,
                settings=replace(
                    entry.settings,
                    ping_url=f"{told.url}/{entry.name}",
                    webhook_url=f"{told.url}/hook",
                    metrics_file=tmp_path / f"{entry.name}.prom",
                ),
            )
            for entry in entries
        ]
        await fleet(telling, next_command=lambda outcome: f"next for {outcome.name}")
    assert sorted(told.paths) == ["/hook", "/hook", "/w0", "/w0/start", "/w1/fail", "/w1/start"]
    said = {path: body for path, body in told.messages if path != "/hook"}
    assert said["/w0"].startswith("w0 is published: run ")
    assert said["/w1/fail"].endswith("Next: next for w1")
    assert "expired-token-1" not in str(told.messages)
    assert all((tmp_path / f"{entry.name}.prom").exists() for entry in entries)
