"""After a published run: what nobody needs any more goes, so that nothing grows for ever.

Work DBs of abandoned runs go at once. Of the runs that are not among the newest, log, reports,
checkpoint folder and history lines go too; not those that `--resume` or `restore` could still need.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path

from salesmap_async.errors import PublishError, RunLockedError
from salesmap_async.operate.leftovers import Leftover
from salesmap_async.operate.prune import Pruned, look, remove
from salesmap_async.operate.runs import history_of
from salesmap_async.paths import RunPaths
from salesmap_async.run.history import PUBLISHED, RESTORED, Line, fold
from salesmap_async.run.lock import run_lock
from salesmap_async.settings import Settings


def tidy_up(settings: Settings) -> tuple[str, ...]:
    """Remove what is over; return a line for each thing that could not be removed.

    Where another run has begun meanwhile nothing is done: that one tidies up in its turn.
    """
    try:
        with run_lock(settings.db_path):
            found = look(settings)
            refused = tuple(remove(tuple(filter(_is_for_upkeep, found))))
            return (*refused, *_forget_old_runs(settings, found))
    except RunLockedError:
        return ()
    except Exception as error:  # whatever it is, the run is published
        return (f"old logs could not be removed: {error}",)


def _is_for_upkeep(run: Pruned) -> bool:
    """Tell whether a run's leftovers go unasked: not a copy that a person was told of."""
    return all(each.kind != "kept aside" for each in run.leftovers)


def _forget_old_runs(settings: Settings, found: tuple[Pruned, ...]) -> Iterator[str]:
    if settings.keep_logs == 0:
        return
    entries = [
        run.line
        for run in fold(history_of(settings).newest_first())
        if run.line.final_db == str(settings.db_path)
    ]
    leftovers = {run.run_tag: run.leftovers for run in found}
    needed = {run.run_tag for run in found if not run.remove} | set(_last_of_each(entries))
    gone = []
    for run in entries[settings.keep_logs :]:
        paths = settings.paths(run.run_tag)
        if run.run_tag in needed or paths.backup_db.exists():
            continue
        refused = list(_remove_files(paths, leftovers.get(run.run_tag, ())))
        yield from refused
        if not refused:
            gone.append(run.run_tag)
    if gone:
        try:
            history_of(settings).forget(gone)
        except (PublishError, OSError) as error:
            yield f"the run history could not be shortened: {error}"


def _last_of_each(entries: Iterable[Line]) -> Iterator[str]:
    """Yield the last published run of each kind and the last restore: later runs ask for them."""
    seen: set[tuple[str, str | None]] = set()
    for run in entries:
        if run.status in (PUBLISHED, RESTORED) and (run.status, run.kind) not in seen:
            seen.add((run.status, run.kind))
            yield run.run_tag


def _remove_files(paths: RunPaths, leftovers: Iterable[Leftover]) -> Iterator[str]:
    """Delete what a run has left; yield a line for each file that could not be deleted."""
    files: tuple[Path, ...] = (
        paths.log_file,
        paths.manifest_json,
        paths.run_info_json,
        paths.checkpoint_json,
        *(each.path for each in leftovers),
    )
    for path in files:
        try:
            path.unlink(missing_ok=True)
        except OSError as error:
            yield f"{path} ({error.strerror})"
    with suppress(OSError):  # something of a user lies in it, or it is not there
        paths.work_dir.rmdir()
