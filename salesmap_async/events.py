"""What happens in a run, told as frozen values to listeners.

A Listener is any callable that takes one event. It is called in the event loop's thread or, while
the snapshot is built, in a worker thread; it must be quick. One that raises is not called again:
a closed terminal must not end a run.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal

from salesmap_async.paths import RunPaths


@dataclass(frozen=True, slots=True)
class RunStarted:
    """The preflight has passed. `expected_rows` comes from the last snapshot (may be empty)."""

    paths: RunPaths
    base_url: str
    workspace: str
    tables: tuple[str, ...]
    expected_rows: Mapping[str, int]
    resumed: bool


@dataclass(frozen=True, slots=True)
class TableProgress:
    """Cumulative figures of one table, after one more page went to the writer."""

    table: str
    pages: int
    rows: int


@dataclass(frozen=True, slots=True)
class TableFinished:
    """Every chain of the table has ended; `state` is done or failed."""

    table: str
    pages: int
    rows: int
    state: Literal["done", "failed"]
    error: str = ""


@dataclass(frozen=True, slots=True)
class CheckpointCommitted:
    """The writer has committed; nothing up to here will be asked again."""

    rows: int


@dataclass(frozen=True, slots=True)
class RequestRetried:
    """One request failed and is tried again after `wait_s`; `cause` says why."""

    what: str
    cause: str
    attempt: int
    attempts: int
    wait_s: float


@dataclass(frozen=True, slots=True)
class GateClosed:
    """The server answered 429: no request starts for `wait_s`. `cause` names where that is from."""

    wait_s: float
    cause: str


@dataclass(frozen=True, slots=True)
class PaceChanged:
    """The throttle has changed its interval, because of refusals or because they have stopped."""

    interval_s: float
    why: str


@dataclass(frozen=True, slots=True)
class Step:
    """A named step of publishing: `backup`, `replace_file_with_retry attempt 2/5`, ..."""

    name: str
    detail: str = ""


@dataclass(frozen=True, slots=True)
class Note:
    """Something worth a line in the log."""

    text: str


@dataclass(frozen=True, slots=True)
class Warned:
    """Something an operator should see; the run goes on."""

    text: str


@dataclass(frozen=True, slots=True)
class RunEnded:
    """The run ended without publishing, with this exit code; its error is told to the caller."""

    run_tag: str
    exit_code: int
    error: str


Event = (
    RunStarted
    | RunEnded
    | TableProgress
    | TableFinished
    | CheckpointCommitted
    | RequestRetried
    | GateClosed
    | PaceChanged
    | Step
    | Note
    | Warned
)
Listener = Callable[[Event], None]


def ignore(_event: Event) -> None:
    """Do nothing with an event."""


def unfailing(listener: Listener, on_failure: Listener) -> Listener:
    """Return a listener that tells `listener` until it raises, and then `on_failure` once."""
    failed = False

    def tell(event: Event) -> None:
        nonlocal failed
        if failed:
            return
        try:
            listener(event)
        except Exception as error:
            failed = True
            on_failure(Warned(f"the progress cannot be shown any more: {type(error).__name__}"))

    return tell


def tell_all(*listeners: Listener) -> Listener:
    """Return one listener that passes every event on to each of `listeners`, in order."""

    def tell(event: Event) -> None:
        for listener in listeners:
            listener(event)

    return tell
