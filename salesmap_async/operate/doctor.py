"""The checklist before a run: this machine, the final DB and its users, the token, the API.

Nothing here changes anything; what a run would stop at is `failed`, what it survives `warning`.
"""

from __future__ import annotations

import os
import sqlite3
import time
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

from salesmap_async.api.client import Client, Whoami
from salesmap_async.api.paths import compare_paths
from salesmap_async.api.throttle import Throttle
from salesmap_async.errors import (
    QuotaExhaustedError,
    RequestRefusedError,
    SalesmapError,
    TokenRefusedError,
    UnusableAnswerError,
    UsageError,
)
from salesmap_async.events import ignore
from salesmap_async.operate.backups import has_readable_backup
from salesmap_async.operate.freshness import freshness
from salesmap_async.operate.look import SnapshotFile, look_at
from salesmap_async.operate.runs import read_runs
from salesmap_async.operate.timeline import look_at_timeline
from salesmap_async.paths import lock_path
from salesmap_async.publish.damage import damage_in
from salesmap_async.run.checks import Finding, machine_checks
from salesmap_async.run.lock import is_held
from salesmap_async.run.plan import unfinished_run
from salesmap_async.run.preflight import TOLERATED_SKEW_S
from salesmap_async.settings import Secret, Settings
from salesmap_async.sqlite_file import is_locked, is_wal, opened, sidecars
from salesmap_async.stop import Stop

_PATIENCE_S = 10.0
_MEANINGS = {
    "-wal": "changes not yet in the file: a program uses the DB in WAL mode, or was killed",
    "-shm": "the index of a -wal: a program uses the DB in WAL mode, or was killed",
    "-journal": "a program is writing to the DB, or was killed: SQLite undoes it at the next open",
}


def examine_locally(settings: Settings, *, deep: bool = False) -> Iterator[Finding]:
    """Check everything that needs no network; `deep`: search the whole DB for damage."""
    final = look_at(settings.db_path, search=not deep)
    if deep and final is not None and not final.problem:
        final = _searched_whole(final)
    yield _recent_runs(settings, final)
    if unfinished := unfinished_run(settings):
        yield Finding(what="unfinished run", level="ok", said=unfinished)
    yield from machine_checks(settings)
    yield _run_lock(settings.db_path)
    beside = sidecars(settings.db_path)
    yield from (_sidecar(settings.db_path, each) for each in beside)
    yield _users(settings.db_path, beside)
    yield _final_db(final, settings.db_path, has_backup=has_readable_backup(settings))
    yield _timeline(settings, deep=deep)
    yield _token(settings)


async def examine_remotely(settings: Settings) -> list[Finding]:
    """Ask the API once who we are, without retries, and compare the answer with the final DB."""
    if settings.token is None:
        return []
    stop = Stop()
    throttle = Throttle(
        min_interval_s=settings.min_interval_s,
        backoff_s=0,
        max_backoff_s=0,
        max_429_wait_s=0,
        stop=stop,
        tell=ignore,
    )
    try:
        async with _client(settings, settings.token, throttle, stop) as client:
            started_s = time.monotonic()
            whoami = await client.whoami()
            latency_s = time.monotonic() - started_s
            paths = await _paths(client)
    except SalesmapError as error:
        return [_refusal(settings, error)]
    return [*_answer(settings, whoami, latency_s), paths]


async def _paths(client: Client) -> Finding:
    """Compare what the server says it has with what a run asks for."""
    what = "API paths"
    try:
        new, gone = compare_paths(await client.paths())
    except SalesmapError as error:
        return Finding(what=what, level="ok", said=f"the server does not list them: {error}")
    unread = f"not read by this version: {', '.join(new)}" if new else "nothing new"
    if gone:
        return Finding(
            what=what,
            level="warning",
            said=f"not on the server's list any more: {', '.join(gone)}; {unread}",
            cure="a run tries them all the same; if one fails, upgrade, or leave it out with "
            "--skip",
        )
    return Finding(what=what, level="ok", said=f"all that a run asks for are there; {unread}")


def _client(settings: Settings, token: Secret, throttle: Throttle, stop: Stop) -> Client:
    return Client(
        base_url=settings.base_url,
        token=token,
        throttle=throttle,
        stop=stop,
        tell=ignore,
        max_retries=0,
        backoff_s=0,
        max_backoff_s=0,
        request_timeout_s=min(settings.request_timeout_s, _PATIENCE_S),
        ca_file=settings.ca_file,
        proxy=settings.proxy,
    )


def _recent_runs(settings: Settings, final: SnapshotFile | None) -> Finding:
    what = "recent runs"
    try:
        history = read_runs(settings, most=1)
    except UsageError as error:
        return Finding(what=what, level="warning", said=str(error), cure=error.cure)
    said = "\n".join(freshness(final, history)) or "none yet"
    if not history.unpublished:
        return Finding(what=what, level="ok", said=said)
    return Finding(what=what, level="warning", said=said, cure="`status` says how to go on")


def _run_lock(final_db: Path) -> Finding:
    try:
        held = is_held(final_db)
    except UsageError as error:
        return Finding(
            what="run lock",
            level="failed",
            said=str(error),
            cure="check its permissions; it may belong to another user",
        )
    if not held:
        return Finding(what="run lock", level="ok", said="free: no run is at work on this DB")
    holder = _lock_holder(lock_path(final_db))
    return Finding(
        what="run lock",
        level="failed",
        said=f"a run is at work on this DB{f': {holder}' if holder else ''}",
        cure="wait for it to end (`status` shows it); a dead process holds no lock",
    )


def _sidecar(final_db: Path, sidecar: Path) -> Finding:
    ending = sidecar.name.removeprefix(final_db.name)
    return Finding(
        what="sidecar",
        level="warning",
        said=f"{sidecar.name}: {_MEANINGS[ending]}",
        cure="close programs that use the DB; a run settles it. Never delete it by hand",
    )


def _users(final_db: Path, beside: tuple[Path, ...]) -> Finding:
    """Tell which programs have the final DB open, by name where the system says so.

    Where it does not, tell at least whether the DB is locked.

    With a sidecar the lock is not tried: to open the file would settle it.
    """
    users = _processes_with_open({final_db, *beside})
    writing = not beside and _is_being_written(final_db)
    if not users and not writing:
        return Finding(what="in use", level="ok", said="no other program is seen to use the DB")
    holders = ", ".join(users) or "a program that this system does not name"
    if writing:
        return Finding(
            what="in use",
            level="failed",
            said=f"{holders} is writing to the DB and locks it",
            cure="let it finish, or close it",
        )
    return Finding(
        what="in use",
        level="warning",
        said=f"open in {holders}",
        cure="close it if a run ends with exit code 3 (the DB stayed locked)",
    )


def _is_being_written(final_db: Path) -> bool:
    try:
        if not final_db.exists() or final_db.stat().st_size == 0 or is_wal(final_db):
            return False
        with opened(final_db, "rw", timeout_s=0.2) as connection:
            connection.execute("BEGIN IMMEDIATE")
            connection.execute("ROLLBACK")
    except sqlite3.Error as error:
        return is_locked(error)
    except OSError:
        return False
    return False


def _timeline(settings: Settings, *, deep: bool) -> Finding:
    what, found = "timeline", look_at_timeline(settings, deep=deep)
    if found is None:
        return Finding(what=what, level="ok", said="none yet: a run begins it")
    if found.problem:
        return Finding(
            what=what,
            level="warning",
            said=f"{found.path} cannot be read: {found.problem}; runs publish without it",
            cure="move that file away: the next run begins a new one",
        )
    lag = "" if found.is_current else "; the next run feeds the present snapshot"
    said = f"states of {len(found.states)} runs, {found.size_bytes >> 20:,} MiB{lag}"
    return Finding(what=what, level="ok", said=said)


def _final_db(final: SnapshotFile | None, path: Path, *, has_backup: bool) -> Finding:
    what = "final DB"
    if final is None:
        return Finding(what=what, level="ok", said=f"{path} does not exist yet: a first run")
    if final.locked:
        return Finding(
            what=what,
            level="failed",
            said=f"{path} is locked: {final.problem}",
            cure="close the program that writes to it",
        )
    if final.problem and not final.damaged:
        return Finding(
            what=what,
            level="failed",
            said=f"{path} cannot be read: {final.problem}",
            cure="check its permissions and the disk",
        )
    if final.problem:
        return Finding(
            what=what,
            level="failed",
            said=f"{path} is damaged or no database: {final.problem}",
            cure="`restore` puts a backup in its place, `run --replace-damaged` a new snapshot",
            way_out=("restore",) if has_backup else ("run", "--replace-damaged"),
        )
    if final.captured_at is not None and final.captured_at - datetime.now(UTC) > timedelta(
        seconds=TOLERATED_SKEW_S
    ):
        return Finding(
            what=what,
            level="warning",
            said=f"its snapshot is of {final.captured_at.astimezone():%Y-%m-%d %H:%M %z}, in the "
            "future",
            cure="set this machine's clock",
        )
    run = f"run {final.run_tag}" if final.run_tag else "another tool"
    said = f"the snapshot of {run}, {final.rows:,} rows; {final.examined}"
    return Finding(what=what, level="ok", said=said)


def _searched_whole(final: SnapshotFile) -> SnapshotFile:
    try:
        damage = damage_in(final.path)
    except sqlite3.Error as error:
        return replace(final, problem=str(error), locked=is_locked(error))
    return replace(
        final, problem=damage, damaged=bool(damage), examined="the whole file has no damage"
    )


def _token(settings: Settings) -> Finding:
    if settings.token is None:
        return Finding(
            what="token",
            level="failed",
            said="there is none",
            cure="set SALESMAP_TOKEN, or use --token-file",
        )
    return Finding(what="token", level="ok", said="present")


def _refusal(settings: Settings, error: SalesmapError) -> Finding:
    """Say what a run would make of this error of `/user/me`."""
    if isinstance(error, UsageError):
        what, said = "options", str(error)
    elif isinstance(error, TokenRefusedError):
        what, said = "token", f"not accepted: {error}"
    else:
        what, said = "API", f"{settings.base_url}: {error}"
    survived = isinstance(error, QuotaExhaustedError)
    if isinstance(error, RequestRefusedError):
        survived = error.status != 0
    if isinstance(error, UnusableAnswerError):
        survived = error.status == 200
    cure = error.cure or "check --base-url, the network and the proxy; then try again"
    if isinstance(error, QuotaExhaustedError):
        cure = "other programs use up the quota; a run waits for it"
    return Finding(what=what, level="warning" if survived else "failed", said=said, cure=cure)


def _answer(settings: Settings, whoami: Whoami, latency_s: float) -> Iterator[Finding]:
    yield Finding(
        what="API", level="ok", said=f"{settings.base_url} answered in {latency_s * 1000:.0f} ms"
    )
    if whoami.workspace_id is None:
        yield Finding(
            what="workspace",
            level="warning",
            said="/user/me does not tell it: a run cannot see that a token is another company's",
            cure="check --base-url",
        )
    else:
        yield _workspace(settings, whoami)
    yield _clock(whoami)


def _workspace(settings: Settings, whoami: Whoami) -> Finding:
    name = f"{whoami.workspace_name or whoami.workspace_id}, user {whoami.user_name or 'unknown'}"
    final = look_at(settings.db_path)
    if final is None or final.workspace_id is None:
        return Finding(what="workspace", level="ok", said=name)
    if final.workspace_id != whoami.workspace_id:
        return Finding(
            what="workspace",
            level="failed",
            said=f"the token's is {name}, but {settings.db_path.name} holds "
            f"{final.workspace_name or final.workspace_id}",
            cure="use another --db-path, or the other workspace's token",
        )
    return Finding(what="workspace", level="ok", said=f"{name}; the final DB holds the same")


def _clock(whoami: Whoami) -> Finding:
    if whoami.clock_skew_s is None:
        return Finding(what="clock", level="ok", said="the server does not tell its own")
    skew_s = -whoami.clock_skew_s
    said = f"{abs(skew_s):.0f} s {'ahead of' if skew_s > 0 else 'behind'} the server's"
    if abs(skew_s) > TOLERATED_SKEW_S:
        return Finding(what="clock", level="warning", said=said, cure="let the system set it (NTP)")
    return Finding(what="clock", level="ok", said=said if abs(skew_s) >= 2 else "as the server's")


def _processes_with_open(paths: set[Path]) -> list[str]:
    """Return `name (pid)` of each other process with one of the files open; [] where unknown."""
    wanted = {str(path) for path in paths}
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        if folder.name == str(os.getpid()):
            continue
        try:
            if any(str(each.readlink()) in wanted for each in (folder / "fd").iterdir()):
                found.append(_process_name(int(folder.name)))
        except OSError:  # it ended meanwhile, or belongs to another account
            continue
    return sorted(found)


def _lock_holder(lock_file: Path) -> str:
    """Return `name (pid)` of the flock's holder, by /proc/locks; '' where unknown."""
    try:
        inode = lock_file.stat().st_ino
        lines = Path("/proc/locks").read_text(encoding="ascii", errors="replace").splitlines()
    except OSError:
        return ""
    for line in lines:
        fields = line.split()
        if len(fields) > 5 and fields[1] == "FLOCK" and fields[5].endswith(f":{inode}"):
            return _process_name(int(fields[4]))
    return ""


def _process_name(pid: int) -> str:
    try:
        name = Path(f"/proc/{pid}/comm").read_text(encoding="utf-8", errors="replace").strip()
    except OSError:
        name = "process"
    return f"{name} ({pid})"
