"""The history of one final DB, folded to what each run came to."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from salesmap_async.run.history import (
    PUBLISHED,
    RESTORED,
    STARTED,
    Line,
    fold_runs,
    read_history,
)
from salesmap_async.run.lock import is_held
from salesmap_async.settings import Settings
from salesmap_async.store.checkpoint import read_mirror
from salesmap_async.times import moment_of

KILLED = "killed"
RUNNING = "running"
RESTORE = "restore"


@dataclass(frozen=True, slots=True, kw_only=True)
class RunEntry:
    """One run. `status` is that of the history, or killed or running where it has no end line.

    `started_at` is its last start. `seconds` counts the reading of all starts, or from the start
    to the end where only those are known; `rows` what was published, or else read. None: unknown.
    `size_bytes` is the published file's.
    """

    run_tag: str
    status: str
    kind: str
    final_db: Path
    starts: int = 1
    started_at: datetime | None = None
    ended_at: datetime | None = None
    seconds: float | None = None
    rows: int | None = None
    requests: int | None = None
    refusals: int | None = None
    size_bytes: int | None = None
    pid: int | None = None
    error: str = ""
    restored_tag: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class RunHistory:
    """The runs of one final DB, the most recently active first; `other_dbs` have runs there too.

    `busy`: somebody holds the run lock of the final DB.
    """

    runs: tuple[RunEntry, ...]
    other_dbs: tuple[Path, ...]
    busy: bool

    def of(self, run_tag: str) -> RunEntry | None:
        """Return the run of that tag."""
        return next((run for run in self.runs if run.run_tag == run_tag), None)

    @property
    def last_run(self) -> RunEntry | None:
        """The most recently active run that is not a restore."""
        return next((run for run in self.runs if run.kind != RESTORE), None)

    @property
    def last_published(self) -> RunEntry | None:
        """The run that published last."""
        return next((run for run in self.runs if run.status == PUBLISHED), None)

    def restored_since(self, run: RunEntry | None) -> RunEntry | None:
        """Return the last restore after the end of `run`, if there was one."""
        for each in self.runs:
            if each is run:
                return None
            if each.status == RESTORED:
                return each
        return None


def final_db_of(settings: Settings, run_tag: str) -> Path | None:
    """Return which final DB run `run_tag` works on; None where nobody knows such a run.

    Raises UsageError where the history cannot be read.
    """
    for line in history_lines(settings):
        if line.get("run_tag") == run_tag and isinstance(line.get("final_db_path"), str):
            return Path(line["final_db_path"])
    if run_tag not in {folder.name for folder in settings.checkpoint_dir.glob("*/")}:
        return None
    paths = settings.paths(run_tag)
    named = (read_mirror(paths.checkpoint_json) or {}).get("db_path")
    return Path(named) if isinstance(named, str) else settings.db_path


def read_runs(settings: Settings) -> RunHistory:
    """Read the history of `settings.db_path`. Raises UsageError where it cannot be read."""
    lines = fold_runs(history_lines(settings))
    busy = is_held(settings.db_path)
    own = [line for line in lines if line.get("final_db_path") == str(settings.db_path)]
    others = {str(line.get("final_db_path")) for line in lines} - {str(settings.db_path), "None"}
    runs = [_entry(line, settings) for line in reversed(own)]
    if busy and runs and runs[0].status == KILLED:
        runs[0] = _entry(own[-1], settings, running=True)
    return RunHistory(runs=tuple(runs), other_dbs=tuple(map(Path, sorted(others))), busy=busy)


def history_lines(settings: Settings) -> list[Line]:
    """Return the history's lines. Raises UsageError where it cannot be read."""
    return read_history(settings.paths("any").history_file)


def _entry(line: Mapping[str, Any], settings: Settings, *, running: bool = False) -> RunEntry:
    run_tag = str(line["run_tag"])
    status = str(line.get("status"))
    open_end = status == STARTED
    started_at = moment_of(line.get("started_at"))
    ended_at = None if open_end else moment_of(line.get("at"))
    mirror = read_mirror(settings.paths(run_tag).checkpoint_json) or {}
    rows = _rows(line.get("tables"))
    if rows is None and line.get("kind") != RESTORE:
        rows = _rows(mirror.get("tables"))
    if open_end and mirror.get("state") == PUBLISHED:
        status = PUBLISHED  # only its line in the history was torn
    elif open_end:
        status = RUNNING if running else KILLED
    return RunEntry(
        run_tag=run_tag,
        status=status,
        kind=str(line.get("kind") or "full"),
        final_db=settings.db_path,
        starts=_whole(line.get("starts")) or 1,
        started_at=started_at,
        ended_at=ended_at,
        seconds=_seconds(line.get("seconds"), started_at, ended_at),
        rows=rows,
        requests=_whole(line.get("requests")),
        refusals=_whole(line.get("refusals")),
        size_bytes=_whole(line.get("size_bytes")),
        pid=_whole(line.get("pid")),
        error=str(line.get("error") or ""),
        restored_tag=_text(line.get("restored_tag")),
    )


def _seconds(
    counted: object, started_at: datetime | None, ended_at: datetime | None
) -> float | None:
    if isinstance(counted, int | float):
        return float(counted)
    if started_at is None or ended_at is None or ended_at < started_at:
        return None
    return (ended_at - started_at).total_seconds()


def _rows(tables: object) -> int | None:
    """Return the sum of the tables' rows, of a history line or of a checkpoint.json."""
    if not isinstance(tables, dict):
        return None
    return sum(_whole(each.get("rows")) or 0 for each in tables.values() if isinstance(each, dict))


def _whole(value: object) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def _text(value: object) -> str | None:
    return value if isinstance(value, str) and value else None
