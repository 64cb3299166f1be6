"""The run's log file: every event as one line, readable by a person and by grep.

The file is opened once the run has its tag; what happened before (the preflight) is written first.
Lines hold no token and no bodies: events carry neither.
"""

from __future__ import annotations

from contextlib import suppress
from datetime import UTC, datetime
from types import TracebackType
from typing import Self, TextIO

from salesmap_async.errors import UsageError
from salesmap_async.events import (
    CheckpointCommitted,
    Event,
    GateClosed,
    Note,
    PaceChanged,
    RequestRetried,
    RunEnded,
    RunStarted,
    Step,
    TableFinished,
    TableProgress,
    Warned,
)


class RunLog:
    """A Listener that appends to `paths.log_file`. Use it as a context manager.

    Raises UsageError where the file cannot be opened. That the disk refuses a line later does not
    end a run: what is lost then is the log's, not the snapshot's.
    """

    def __init__(self) -> None:
        self._early: list[str] = []
        self._file: TextIO | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self._file is not None:
            with suppress(OSError):
                self._file.close()

    def __call__(self, event: Event) -> None:
        if isinstance(event, RunStarted):
            self._open(event)
        text = describe(event)
        if text:
            self._write(f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%S.%f}Z {text}")

    def _open(self, event: RunStarted) -> None:
        path = event.paths.log_file
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._file = path.open("a", encoding="utf-8", errors="replace")
        except OSError as error:
            raise UsageError(f"the log {path} cannot be written: {error.strerror}") from None
        early, self._early = self._early, []
        for line in early:
            self._write(line)

    def _write(self, line: str) -> None:
        if self._file is None:
            self._early.append(line)
            return
        with suppress(OSError):
            self._file.write(line + "\n")
            self._file.flush()


def printable(text: str) -> str:
    """Return `text` on one line without control characters, which the CRM's text may hold."""
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else " " for c in text)


def describe(event: Event) -> str:
    """Say an event in one line, or '' where it is not worth one (single pages)."""
    return printable(_describe(event))


def _describe(event: Event) -> str:
    match event:
        case RunStarted():
            verb = "resumed" if event.resumed else "started"
            return (
                f"INFO run {event.paths.run_tag} {verb}: {event.base_url}, {event.workspace}, "
                f"{', '.join(event.tables)} -> {event.paths.final_db}"
            )
        case RunEnded():
            return f"ERROR run {event.run_tag} ended with {event.exit_code}: {event.error}"
        case TableFinished(state="failed"):
            return f"ERROR {event.table} failed after {event.rows} rows: {event.error}"
        case TableFinished():
            return f"INFO {event.table} done: {event.rows} rows on {event.pages} pages"
        case RequestRetried():
            return (
                f"WARNING {event.what}: {event.cause}; retry {event.attempt}/{event.attempts} "
                f"in {event.wait_s:g} s"
            )
        case GateClosed():
            return f"WARNING 429: waiting {event.wait_s:.1f} s ({event.cause})"
        case PaceChanged():
            return f"INFO one request per {event.interval_s:.3f} s: {event.why}"
        case CheckpointCommitted():
            return f"INFO checkpoint: {event.rows} records committed"
        case Step():
            return f"INFO {event.name}" + (event.detail and f": {event.detail}")
        case Note():
            return f"INFO {event.text}"
        case Warned():
            return f"WARNING {event.text}"
        case TableProgress():
            return ""
