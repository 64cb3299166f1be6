"""Runs that were broken on purpose, for the tests of what an operator is told about them."""

from __future__ import annotations

import dataclasses
import json
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from salesmap_async import Settings, take_snapshot
from salesmap_async.errors import GateRefusedError, KeptAsideError, StoppedError
from salesmap_async.events import Event, Step, TableProgress
from salesmap_async.publish.backup import back_up
from salesmap_async.run.history import History
from salesmap_async.sandbox import Sandbox, Workspace
from salesmap_async.stop import Stop
from tests.support.history import history_lines

SMALL: dict[str, Any] = {"records": 400, "forms": 2}


def small_sandbox() -> Sandbox:
    return Sandbox(Workspace.generate(**SMALL), quota=False)


async def stopped(settings: Settings, tag: str, pages: int = 6) -> None:
    """Stop run `tag` once `pages` pages are read, as Ctrl-C does."""
    stop = Stop()
    seen = 0

    def listen(event: Event) -> None:
        nonlocal seen
        seen += isinstance(event, TableProgress)
        if seen == pages:
            stop.request()

    with pytest.raises(StoppedError):
        await take_snapshot(
            dataclasses.replace(settings, run_tag=tag, concurrency=2), listen, stop=stop
        )


async def killed(settings: Settings, tag: str) -> None:
    """Leave run `tag` as a kill does: begun and read in part, without an end line."""
    await stopped(settings, tag)
    history = settings.paths(tag).history_file
    lines = [line for line in history_lines(history) if line["status"] != "interrupted"]
    history.unlink()
    for line in lines:
        History(history).append(line)


async def refused(settings: Settings, sandbox_workspace: Workspace, tag: str) -> None:
    """Let the gate refuse run `tag`: the workspace has lost nearly all memos."""
    del sandbox_workspace.table("memo")[5:]
    with pytest.raises(GateRefusedError):
        await take_snapshot(dataclasses.replace(settings, run_tag=tag))


def wait_shortly_for_locks(monkeypatch: pytest.MonkeyPatch) -> None:
    """A backup waits half a minute for a lock, which is no part of what is tested here."""
    defaults = back_up.__kwdefaults__
    assert defaults is not None
    monkeypatch.setitem(defaults, "deadline_s", 0.1)


async def kept_aside(settings: Settings, tag: str, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Lock the final DB from the gate on; return where the new data lies."""
    wait_shortly_for_locks(monkeypatch)
    locks: list[sqlite3.Connection] = []

    def lock_at_the_gate(event: Event) -> None:
        if isinstance(event, Step) and event.name == "gate":
            connection = sqlite3.connect(settings.db_path, check_same_thread=False)
            connection.execute("BEGIN EXCLUSIVE")
            locks.append(connection)

    with pytest.raises(KeptAsideError) as kept:
        await take_snapshot(dataclasses.replace(settings, run_tag=tag), lock_at_the_gate)
    locks[0].close()
    return kept.value.kept_at


def tear_the_history(settings: Settings) -> None:
    """End the history in the middle of a line, as a full disk does."""
    with settings.paths("any").history_file.open("ab") as file:
        file.write(b'{"run_tag": "torn", "status": "pub')


def damage(path: Path) -> None:
    """Overwrite the middle of a file."""
    data = bytearray(path.read_bytes())
    data[: len(data) // 2] = b"x" * (len(data) // 2)
    path.write_bytes(bytes(data))


def path_flags(settings: Settings) -> list[str]:
    """Return the path options of `settings` as they are typed."""
    return [
        *("--db-path", str(settings.db_path)),
        *("--backup-dir", str(settings.backup_dir)),
        *("--log-dir", str(settings.log_dir)),
        *("--checkpoint-dir", str(settings.checkpoint_dir)),
    ]


def bytes_below(folder: Path) -> dict[str, bytes]:
    """Return every file below `folder` with its content; the lock file holds nothing."""
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file() and not path.name.endswith((".lock", "-shm"))
    }


@contextmanager
def written_to(db: Path) -> Iterator[None]:
    """Hold the write lock of a database, as another program does."""
    connection = sqlite3.connect(db)
    connection.execute("BEGIN EXCLUSIVE")
    try:
        yield
    finally:
        connection.close()


def as_json(text: str) -> Any:
    return json.loads(text)
