"""The trace that one start of a run leaves in the history.

A `started` line and one end line, unless the process is killed. A start that is refused before it
begins leaves one `not_started` line, under a tag of its own, so that no run of an earlier start
changes; wrong options and a lock that is held leave none.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from salesmap_async.errors import (
    PublishError,
    RunLockedError,
    SalesmapError,
    StartRefusedError,
    UsageError,
    exit_code_of,
)
from salesmap_async.events import Listener, RunEnded, Warned
from salesmap_async.paths import RunPaths
from salesmap_async.run.history import NOT_STARTED, PUBLISHED, STARTED, History
from salesmap_async.stop import Stop
from salesmap_async.store.work_db import RunKind

_END_STATUS = {1: "failed", 3: "kept_aside", 4: "refused"}


class RunRecord:
    """Writes the history lines of one start and names the run in its error."""

    def __init__(self, paths: RunPaths, kind: RunKind, *, stop: Stop, tell: Listener) -> None:
        self._paths = paths
        self._kind = kind
        self._stop = stop
        self._tell = tell
        self._begun = False
        self._started_at = now()

    def begin(self) -> None:
        """Write the `started` line. Raises PublishError when the history cannot be written."""
        self._append_start()
        self._begun = True

    def publish(self, **facts: Any) -> None:
        """Write the line that makes the run a finished one. Raises PublishError."""
        self._append(PUBLISHED, ended_at=now(), **facts)

    @contextmanager
    def ending(self) -> Iterator[None]:
        """Write the end line of what ends with an error in this block."""
        try:
            try:
                yield
            except asyncio.CancelledError:
                self._stop.check()  # a second signal: the same end as the first one, only sooner
                raise
        except SalesmapError as error:
            self._end(error)
            raise
        except BaseException as error:
            if self._begun:
                status = "failed" if isinstance(error, Exception) else "interrupted"
                self._append_end(status, f"{type(error).__name__}: {error}")
            raise

    def _end(self, error: SalesmapError) -> None:
        code = exit_code_of(error)
        if self._begun:
            error.run = self._paths
            self._tell(RunEnded(self._paths.run_tag, code, str(error)))
        if code not in (UsageError.exit_code, RunLockedError.exit_code):
            self._append_end(_END_STATUS.get(code, "interrupted"), str(error))

    def _append_end(self, status: str, error: str) -> None:
        """Write an end line; that the disk refuses it must not hide why the run ended."""
        try:
            if not self._begun:
                self._append_start()
            self._append(status, ended_at=now(), error=error)
        except PublishError as unwritten:
            self._tell(Warned(str(unwritten)))

    def _append_start(self) -> None:
        self._append(STARTED, pid=os.getpid())

    def _append(self, status: str, **facts: Any) -> None:
        line = {
            "run_tag": self._paths.run_tag,
            "status": status,
            "started_at": self._started_at,
            "at": now(),
            "kind": self._kind,
            "final_db_path": str(self._paths.final_db),
            "log_path": _if_there(self._paths.log_file),
            "checkpoint_path": _if_there(self._paths.work_dir),
            "backup_path": _if_there(self._paths.backup_db),
            "manifest_path": _if_there(self._paths.manifest_json),
            "run_info_path": _if_there(self._paths.run_info_json),
        }
        History(self._paths.history_file).append(line | facts)


@contextmanager
def noting_refusals(paths: RunPaths, kind: RunKind) -> Iterator[None]:
    """Leave a `not_started` line where the start of a planned run is refused in this block."""
    try:
        yield
    except StartRefusedError as error:
        moment = datetime.now(UTC)
        said_at = moment.isoformat(timespec="milliseconds")
        line = {
            "run_tag": f"{moment:%Y%m%d_%H%M%S_%f}",
            "status": NOT_STARTED,
            "started_at": said_at,
            "at": said_at,
            "ended_at": said_at,
            "kind": kind,
            "final_db_path": str(paths.final_db),
            "pid": os.getpid(),
            "error": str(error),
        }
        with suppress(PublishError):  # e.g. a full disk: the error itself tells why
            History(paths.history_file).append(line)
        raise


def now() -> str:
    """Return the present moment as the history and the work DB write it."""
    return datetime.now(UTC).isoformat(timespec="milliseconds")


def _if_there(path: Path) -> str | None:
    return str(path) if path.exists() else None
