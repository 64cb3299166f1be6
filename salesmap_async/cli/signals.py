"""Ctrl-C, SIGTERM and Ctrl-Break: the first one asks the run to stop, the second one ends it.

`signal.signal` works the same on Windows and elsewhere; asyncio's own handlers do not exist there.
"""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

from salesmap_async.stop import Stop

_NAMES = ("SIGINT", "SIGTERM", "SIGBREAK")  # SIGBREAK: Windows, sent by Ctrl-Break


@contextmanager
def stopping_on_signals(stop: Stop) -> Iterator[None]:
    """Within the block, signals stop the running task; the handlers before are put back."""
    loop = asyncio.get_running_loop()
    task = asyncio.current_task()

    def on_signal(number: int, _frame: FrameType | None) -> None:
        loop.call_soon_threadsafe(react, number)

    def react(number: int) -> None:
        if stop.requested and task is not None:
            task.cancel()
        stop.request(number)

    numbers = [getattr(signal, name) for name in _NAMES if hasattr(signal, name)]
    before = {number: signal.signal(number, on_signal) for number in numbers}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def ignore_signals() -> None:
    """Let no signal change how the process ends any more."""
    for name in _NAMES:
        if hasattr(signal, name):
            signal.signal(getattr(signal, name), signal.SIG_IGN)
