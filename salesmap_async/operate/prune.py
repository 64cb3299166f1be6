"""Remove what published and abandoned runs have left.

A run is abandoned when it is unfinished and started before the last published run of its kind
(full, webform-only) of the same final DB: `--resume` would not take it up any more. What is newer
is kept, whether it can be resumed or not. Runs of other final DBs are not looked at.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from salesmap_async.errors import RunLockedError, SalesmapError, StoreError
from salesmap_async.operate.leftovers import Leftover, leftovers_of, tags_with_traces
from salesmap_async.operate.look import look_at
from salesmap_async.operate.runs import KILLED, RunEntry, entry_of, history_of
from salesmap_async.paths import RunPaths
from salesmap_async.run.history import PUBLISHED, RESTORE, fold
from salesmap_async.run.lock import is_held, run_lock
from salesmap_async.settings import Settings
from salesmap_async.store.checkpoint import read_mirror
from salesmap_async.store.work_db import open_work_db, read_run_values
from salesmap_async.times import moment_of


@dataclass(frozen=True, slots=True, kw_only=True)
class Pruned:
    """One run that left something. `remove`: it is to go, or gone; `why` says why, or why not."""

    run_tag: str
    remove: bool
    why: str
    leftovers: tuple[Leftover, ...]


def prune(settings: Settings, *, dry_run: bool) -> tuple[Pruned, ...]:
    """Remove them, or with `dry_run` only look; return every run that had left something.

    Raises RunLockedError while a run is at work on this DB, and SalesmapError at the end where
    files could not be removed.
    """
    if dry_run:
        if is_held(settings.db_path):
            raise RunLockedError(
                f"a run is working on {settings.db_path}", cure="wait for it to end, then try again"
            )
        return look(settings)
    if not settings.db_path.parent.is_dir():
        return ()
    with run_lock(settings.db_path):
        found = look(settings)
        refused = list(remove(found))
    if refused:
        raise SalesmapError(
            f"{len(refused)} files could not be removed: {'; '.join(refused)}",
            cure="close the programs that use them, then prune again",
        )
    return found


def fate(run: RunEntry, *, superseded: bool) -> tuple[bool, str]:
    """Tell whether the run's leftovers go, and why.

    `superseded`: it began before the last published run of its kind.
    """
    if run.status == PUBLISHED:
        return True, "published"
    if run.kind == RESTORE:
        return True, "a restore that is over"
    if superseded:
        return True, f"abandoned: {run.status}, and a later run is published"
    return False, f"{run.status}, and no later run is published"


def look(settings: Settings) -> tuple[Pruned, ...]:
    """Return every run that has left something. Hold the run lock."""
    found: list[tuple[RunEntry, str, tuple[Leftover, ...]]] = []
    for run in _known_runs(settings):
        paths = settings.paths(run.run_tag)
        values = _run_values(paths)
        if values.get("db_path", str(settings.db_path)) != str(settings.db_path):
            continue  # the folder of that name is another DB's
        leftovers = tuple(each for each in leftovers_of(paths) if _is_its_own(each, paths))
        if leftovers:
            found.append((run, str(values.get("started_at") or _iso(run)), leftovers))
    superseded: set[str] = set()
    for kind in {run.kind for run, _, _ in found}:
        starts = {run.run_tag: started_at for run, started_at, _ in found if run.kind == kind}
        superseded |= history_of(settings).superseded(starts, settings.db_path, kind)
    pruned = []
    for run, _, leftovers in found:
        remove, why = fate(run, superseded=run.run_tag in superseded)
        pruned.append(Pruned(run_tag=run.run_tag, remove=remove, why=why, leftovers=leftovers))
    return tuple(pruned)


def _known_runs(settings: Settings) -> Iterator[RunEntry]:
    """Yield the runs that left something: those of the history, then those of a folder alone."""
    tags = tags_with_traces(settings)
    in_history = set()
    for run in fold(history_of(settings).of_tags(tags)):
        if run.line.final_db == str(settings.db_path):
            in_history.add(run.line.run_tag)
            yield entry_of(run, settings, with_rows=False)
    for tag in sorted(tags - in_history):
        values = _run_values(settings.paths(tag))
        if "db_path" in values:
            yield RunEntry(
                run_tag=tag,
                status=PUBLISHED if values.get("state") == PUBLISHED else KILLED,
                kind=str(values.get("kind") or "full"),
                final_db=settings.db_path,
                started_at=moment_of(values.get("started_at")),
            )


def _run_values(paths: RunPaths) -> dict[str, Any]:
    """Return what the run remembers of itself: its checkpoint.json, else its work DB; {} for none.

    The work DB of another final DB's run may be in use: it is only asked without the other.
    """
    mirror = read_mirror(paths.checkpoint_json)
    if mirror is not None:
        return mirror
    try:
        with open_work_db(paths.work_db) as connection:
            return read_run_values(connection)
    except StoreError:
        return {}


def _is_its_own(leftover: Leftover, paths: RunPaths) -> bool:
    """A copy that was kept aside has an ordinary name: it must say that it is of this run."""
    if leftover.kind != "kept aside":
        return True
    kept = look_at(paths.sibling_db)
    return kept is not None and paths.run_tag in (kept.run_tag, kept.webforms_tag)


def remove(found: tuple[Pruned, ...]) -> Iterator[str]:
    """Delete what is to go; yield a line for each file that could not be deleted."""
    for run in found:
        for leftover in run.leftovers if run.remove else ():
            try:
                leftover.path.unlink(missing_ok=True)
            except OSError as error:
                yield f"{leftover.path} ({error.strerror})"


def _iso(run: RunEntry) -> str:
    return run.started_at.isoformat(timespec="milliseconds") if run.started_at else ""
