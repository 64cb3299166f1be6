"""A start that was refused is told of, and changes nothing that other commands say of the runs."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path
from typing import Any

import pytest

from salesmap_async import Secret, Settings, take_snapshot
from salesmap_async.errors import UsageError
from salesmap_async.operate.prune import prune
from salesmap_async.operate.runs import read_runs
from salesmap_async.operate.status import read_status
from salesmap_async.run import checks
from salesmap_async.run.plan import make_plan
from tests.support.cli_process import QUICK, ServedSandbox, cli, env_of, no_process_is_left
from tests.support.history import history_lines
from tests.support.operate_runs import (
    damage,
    path_flags,
    small_sandbox,
    stopped,
    written_to,
)
from tests.support.runs import MakeSettings

__all__ = ["no_process_is_left"]


def refused_token(settings: Settings) -> Settings:
    return dataclasses.replace(settings, token=Secret("expired"))


async def refuse(settings: Settings) -> None:
    """Start with a token that the server does not take (any more)."""
    with pytest.raises(UsageError, match="the token is not accepted"):
        await take_snapshot(refused_token(settings))


def test_status_and_doctor_begin_with_a_refused_token(tmp_path: Path) -> None:
    """A token that has expired is not "nothing is left to do"."""
    with ServedSandbox(tmp_path) as server:
        good, expired = env_of(server), env_of(server) | {"SALESMAP_TOKEN": "expired"}
        assert cli(tmp_path, "run", *QUICK, **good)[0] == 0
        for _ in range(3):
            assert cli(tmp_path, "run", *QUICK, **expired)[0] == 2
        code, out, _ = cli(tmp_path, "status")
        first, second, *_ = out.splitlines()
        assert code == 0
        assert first.startswith("The last start was refused ")
        assert "401" in first
        assert second.startswith("The snapshot is ")
        assert second.endswith("the last 3 starts failed.")
        assert "othing is left" not in out
        code, out, _ = cli(tmp_path, "doctor", "--offline", **expired)
        assert "401" in " ".join(out.split("write --db-path")[0].split())
        code, out, _ = cli(tmp_path, "runs")
        assert (code, out.count("not_started")) == (0, 3)
        assert cli(tmp_path, "run", *QUICK, **good)[0] == 0
        code, out, _ = cli(tmp_path, "status")
        assert out.startswith("The snapshot is ")
        assert "failed" not in out.splitlines()[0]
        assert "Nothing is left to do" in out


def _damaged(settings: Settings) -> AbstractContextManager[Any]:
    damage(settings.db_path)
    return nullcontext()


@contextmanager
def _full(_settings: Settings) -> Iterator[None]:
    """Ask for more space than any disk has."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(checks, "SMALLEST_FREE_BYTES", 1 << 60)
        yield


@pytest.mark.parametrize(
    ("cause", "reason"),
    [
        (_damaged, "damaged"),
        (lambda settings: written_to(settings.db_path), "locked by another program"),
        (_full, "a run needs about"),
    ],
)
async def test_every_refusal_leaves_its_reason(
    make_settings: MakeSettings,
    cause: Callable[[Settings], AbstractContextManager[Any]],
    reason: str,
) -> None:
    """A damaged or locked final DB and a full disk: one line each, and no `started`."""
    async with small_sandbox() as sandbox:
        settings = make_settings(sandbox)
        await take_snapshot(dataclasses.replace(settings, run_tag="a"))
        with cause(settings), pytest.raises(UsageError, match=reason):
            await take_snapshot(dataclasses.replace(settings, run_tag="b"))
    last = history_lines(settings.paths("a").history_file)[-1]
    assert (last["status"], last["run_tag"] == "b") == ("not_started", False)
    assert reason in last["error"]
    refused = read_status(settings).history.last_refused
    assert refused is not None
    assert (refused.starts, reason in refused.error) == (0, True)


async def test_options_that_cannot_work_leave_no_line(make_settings: MakeSettings) -> None:
    """An unknown tag is a slip of the keyboard, no start."""
    async with small_sandbox() as sandbox:
        settings = make_settings(sandbox)
        await take_snapshot(dataclasses.replace(settings, run_tag="a"))
        with pytest.raises(UsageError, match="there is no run"):
            await take_snapshot(dataclasses.replace(settings, resume_run_tag="nowhere"))
    statuses = [line["status"] for line in history_lines(settings.paths("a").history_file)]
    assert statuses == ["started", "published"]


@pytest.mark.parametrize("resumes", [False, True])
async def test_an_unfinished_run_stays_what_it_is(
    make_settings: MakeSettings, resumes: bool
) -> None:
    """--resume, status and prune see the run as before, whether or not its resume was refused."""
    async with small_sandbox() as sandbox:
        settings = make_settings(sandbox)
        await stopped(settings, "t")
        before = read_status(settings)
        for _ in range(25):  # more than `status` looks at
            await refuse(dataclasses.replace(settings, resume=resumes))
        found = read_status(settings)
        assert (found.run, found.checkpoint) == (before.run, before.checkpoint)
        assert found.advice.arguments == ("--resume-run-tag", "t")
        assert [pruned.remove for pruned in prune(settings, dry_run=True)] == [False]
        plan = make_plan(dataclasses.replace(settings, resume=True))
        assert plan.paths.run_tag == "t"
        await take_snapshot(dataclasses.replace(settings, resume=True))
    (run,) = [run for run in read_runs(settings).runs if run.status != "not_started"]
    assert (run.run_tag, run.status, run.starts) == ("t", "published", 2)


async def test_a_refused_tag_is_free_for_the_next_start(make_settings: MakeSettings) -> None:
    """The command that was refused works when typed again."""
    async with small_sandbox() as sandbox:
        settings = make_settings(sandbox, run_tag="mine")
        await refuse(settings)
        report = await take_snapshot(settings)
    assert report.run_tag == "mine"


async def test_a_refused_start_can_be_asked_for(
    make_settings: MakeSettings, tmp_path: Path
) -> None:
    """`status TAG` of a refused start says that it was none."""
    async with small_sandbox() as sandbox:
        settings = make_settings(sandbox)
        await refuse(settings)
    (line,) = history_lines(settings.paths("any").history_file)
    code, out, _ = cli(tmp_path, "status", line["run_tag"], *path_flags(settings))
    assert (code, "was not started" in out) == (0, True)
