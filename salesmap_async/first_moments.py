"""Signals while the program is still being imported, which takes some tenths of a second.

Nothing has begun then: the process ends at once, with the exit codes of every other stop.
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable
from contextlib import suppress
from types import FrameType

_NAMES = ("SIGINT", "SIGTERM", "SIGBREAK")  # SIGBREAK: Windows, sent by Ctrl-Break


def end_quietly_on_signals() -> Callable[[], None]:
    """Let signals end the process with 130 or 143; return what puts the handlers back."""
    numbers = [getattr(signal, name) for name in _NAMES if hasattr(signal, name)]
    try:
        before = {number: signal.signal(number, _end) for number in numbers}
    except ValueError:  # not the main thread: signals are none of its business
        return lambda: None

    def put_back() -> None:
        for number, handler in before.items():
            signal.signal(number, handler)

    return put_back


def _end(number: int, _frame: FrameType | None) -> None:
    if sys.stderr is not None:
        with suppress(OSError):
            os.write(2, b"salesmap-async: stopped; nothing was touched.\n")
    os._exit(143 if number == signal.SIGTERM else 130)
