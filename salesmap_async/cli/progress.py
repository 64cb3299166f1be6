"""What a person sees while a run goes on: bars on a terminal, plain lines elsewhere.

Both are Listeners and write to standard error; text of the CRM is printed as text, never as markup.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass

from rich.console import Console, Group
from rich.live import Live
from rich.progress import (
    BarColumn,
    Progress,
    ProgressColumn,
    Task,
    TaskID,
    TextColumn,
    TimeRemainingColumn,
)
from rich.text import Text

from salesmap_async.events import (
    CheckpointCommitted,
    Event,
    GateClosed,
    Listener,
    Note,
    RunEnded,
    RunStarted,
    TableFinished,
    TableProgress,
    ignore,
)
from salesmap_async.run.log import describe

LINE_INTERVAL_S = 10.0


@dataclass(frozen=True, slots=True)
class Verbosity:
    """`bars` None: bars if standard error is a terminal. `verbose` adds notes and checkpoints."""

    bars: bool | None = None
    quiet: bool = False
    verbose: bool = False


@contextmanager
def progress_listener(verbosity: Verbosity) -> Iterator[Listener]:
    """Yield the listener that shows a run as `verbosity` wants it."""
    if verbosity.quiet or sys.stderr is None:
        yield ignore
        return
    console = _Screen(stderr=True, highlight=False)
    bars = sys.stderr.isatty() if verbosity.bars is None else verbosity.bars
    if bars:
        shown = Bars(console, verbose=verbosity.verbose)
        with _on_screen(shown.live):
            yield shown
    else:
        yield Lines(console, verbose=verbosity.verbose)


@contextmanager
def _on_screen(live: Live) -> Iterator[None]:
    """Show `live` for the block. Where it cannot be written, the block goes on without it.

    How a run ends is not decided by a terminal that was closed or a file that is full.
    """
    with suppress(OSError):
        live.start(refresh=False)
    try:
        yield
    finally:
        with suppress(OSError):
            live.stop()


class _Screen(Console):
    """Standard error; that its reader has gone is an error like others, not the program's end."""

    def on_broken_pipe(self) -> None:
        raise BrokenPipeError


class Lines:
    """One line for what matters, and one per table and interval while it is read."""

    def __init__(
        self, console: Console, *, verbose: bool, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._console = console
        self._verbose = verbose
        self._clock = clock
        self._said_at: dict[str, float] = {}

    def __call__(self, event: Event) -> None:
        if isinstance(event, TableProgress):
            self._table(event)
        elif isinstance(event, RunEnded):
            return  # the command prints its own paragraph
        elif self._verbose or not isinstance(event, CheckpointCommitted | Note):
            self._say(describe(event))

    def _table(self, event: TableProgress) -> None:
        now = self._clock()
        if now - self._said_at.setdefault(event.table, now) >= LINE_INTERVAL_S:
            self._said_at[event.table] = now
            self._say(f"INFO {event.table}: {event.rows} rows on {event.pages} pages so far")

    def _say(self, line: str) -> None:
        self._console.print(Text(line), soft_wrap=True)


class Bars:
    """A bar per table, the state of the 429 gate below, everything else as lines above."""

    def __init__(self, console: Console, *, verbose: bool) -> None:
        self._verbose = verbose
        self._gate = _GateLine()
        self._progress = Progress(
            TextColumn("{task.description}", markup=False),
            BarColumn(bar_width=30),
            _Counts(),
            TimeRemainingColumn(compact=True),
            console=console,
        )
        self._tasks: dict[str, TaskID] = {}
        self.live = Live(Group(self._progress, self._gate), console=console, transient=False)

    def __call__(self, event: Event) -> None:
        match event:
            case RunStarted():
                self._add_bars(event)
            case TableProgress():
                self._update(event.table, event.rows, event.pages)
            case TableFinished():
                self._update(event.table, event.rows, event.pages)
                self._progress.update(self._task(event.table), total=max(event.rows, 1))
                if event.rows == 0:
                    self._progress.update(self._task(event.table), completed=1)
                if event.state == "failed":
                    self._say(event)
            case GateClosed():
                self._gate.close(event.wait_s)
            case RunEnded():
                return  # the command prints its own paragraph
            case CheckpointCommitted() | Note():
                if self._verbose:
                    self._say(event)
            case _:
                self._say(event)

    def _add_bars(self, event: RunStarted) -> None:
        self._say(event)
        for table in event.tables:
            self._tasks[table] = self._progress.add_task(
                table, total=event.expected_rows.get(table) or None, rows=0, pages=0
            )

    def _task(self, table: str) -> TaskID:
        return self._tasks[table]

    def _update(self, table: str, rows: int, pages: int) -> None:
        self._progress.update(self._task(table), completed=rows, rows=rows, pages=pages)

    def _say(self, event: Event) -> None:
        self.live.console.print(Text(describe(event)), soft_wrap=True)


class _Counts(ProgressColumn):
    """Rows, pages and rate of one table."""

    def render(self, task: Task) -> Text:
        rate = f"{task.speed:,.0f} rows/s" if task.speed else ""
        rows, pages = task.fields["rows"], task.fields["pages"]
        return Text(f"{rows:>8,} rows {pages:>6,} pages {rate:>13}")


class _GateLine:
    """`429: waiting 7 s` while the gate is closed, else nothing."""

    def __init__(self) -> None:
        self._open_at = 0.0

    def close(self, wait_s: float) -> None:
        self._open_at = max(self._open_at, time.monotonic() + wait_s)

    def __rich__(self) -> Text:
        left_s = self._open_at - time.monotonic()
        return Text(f"429: waiting {left_s:.0f} s" if left_s > 0 else "", style="yellow")
