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
    TaskProgressColumn,
    TextColumn,
)
from rich.table import Column
from rich.text import Text

from salesmap_async.cli.language import local
from salesmap_async.events import (
    CheckpointCommitted,
    Event,
    GateClosed,
    Listener,
    Note,
    RunEnded,
    RunStarted,
    Step,
    TableFinished,
    TableProgress,
    ignore,
)
from salesmap_async.run.log import describe, printable

LINE_INTERVAL_S = 10.0
_NAME_WIDTH = 20
_BAR_WIDTH = 22


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
        self._console.print(Text(printable(local(line))), soft_wrap=True)


class Bars:
    """One bar for the whole run with the time that is left, below it a bar per table, then the
    state of the 429 gate; everything else as lines above. It all fits into 80 columns.
    """

    def __init__(self, console: Console, *, verbose: bool) -> None:
        self._verbose = verbose
        self._gate = _GateLine()
        self._whole = Progress(
            TextColumn("{task.description}", markup=False, table_column=Column(width=_NAME_WIDTH)),
            BarColumn(bar_width=_BAR_WIDTH),
            TextColumn("{task.fields[rows]:>9,} " + local("rows"), markup=False),
            TaskProgressColumn(show_speed=False),
            _TimeLeft(),
            console=console,
        )
        self._tables = Progress(
            TextColumn("{task.description}", markup=False, table_column=Column(width=_NAME_WIDTH)),
            BarColumn(bar_width=_BAR_WIDTH),
            _Counts(),
            console=console,
        )
        self._task_of: dict[str, TaskID] = {}
        self._rows: dict[str, int] = {}
        self._expected: dict[str, int] = {}
        self._known = False
        self._total = self._whole.add_task(local("whole run"), total=None, rows=0)
        self.live = Live(
            Group(self._whole, self._tables, self._gate), console=console, transient=False
        )

    def __call__(self, event: Event) -> None:
        match event:
            case RunStarted():
                self._add_bars(event)
            case TableProgress():
                self._update(event.table, event.rows, event.pages)
            case TableFinished():
                self._finish(event)
            case GateClosed():
                self._gate.close(event.wait_s)
            case Step(name="build"):
                self._whole.update(self._total, description=local("publishing"))
                self._say(event)
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
            expected = event.expected_rows.get(table, 0)
            self._expected[table] = expected
            self._task_of[table] = self._tables.add_task(
                _cut(table), total=expected or None, rows=0, pages=0
            )
        self._known = any(self._expected.values())
        self._show_whole()

    def _update(self, table: str, rows: int, pages: int) -> None:
        self._rows[table] = rows
        self._tables.update(self._task_of[table], completed=rows, rows=rows, pages=pages)
        self._show_whole()

    def _finish(self, event: TableFinished) -> None:
        self._expected[event.table] = event.rows
        self._update(event.table, event.rows, event.pages)
        total = max(event.rows, 1)
        self._tables.update(self._task_of[event.table], total=total, completed=event.rows or 1)
        if event.state == "failed":
            self._say(event)

    def _show_whole(self) -> None:
        """Show all tables together; without an earlier snapshot nobody knows how much is left."""
        rows = sum(self._rows.values())
        expected = sum(
            max(self._rows.get(table, 0), count) for table, count in self._expected.items()
        )
        self._whole.update(
            self._total, completed=rows, total=max(expected, 1) if self._known else None, rows=rows
        )

    def _say(self, event: Event) -> None:
        self.live.console.print(Text(printable(local(describe(event)))), soft_wrap=True)


def _cut(name: str) -> str:
    return name if len(name) <= _NAME_WIDTH else f"{name[: _NAME_WIDTH - 1]}…"


class _TimeLeft(ProgressColumn):
    """How long the rest takes at the present rate; nothing where that is unknown."""

    def render(self, task: Task) -> Text:
        if task.total is None or task.time_remaining is None or task.finished:
            return Text("")
        minutes, seconds = divmod(int(task.time_remaining), 60)
        hours, minutes = divmod(minutes, 60)
        left = f"{hours}:{minutes:02}:{seconds:02}" if hours else f"{minutes}:{seconds:02}"
        return Text(local(f"{left} left"))


class _Counts(ProgressColumn):
    """Rows and pages of one table."""

    def render(self, task: Task) -> Text:
        rows, pages = task.fields["rows"], task.fields["pages"]
        return Text(f"{rows:>9,} {local('rows')} {pages:>6,} {local('pages')}")


class _GateLine:
    """`429: waiting 7 s` while the gate is closed, else nothing."""

    def __init__(self) -> None:
        self._open_at = 0.0

    def close(self, wait_s: float) -> None:
        self._open_at = max(self._open_at, time.monotonic() + wait_s)

    def __rich__(self) -> Text:
        left_s = self._open_at - time.monotonic()
        said = local(f"429: waiting {left_s:.0f} s") if left_s > 0 else ""
        return Text(said, style="yellow")
