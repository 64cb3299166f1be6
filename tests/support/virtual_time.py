"""A loop whose clock jumps, so that no test waits."""

from __future__ import annotations

import asyncio
import selectors
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

_Result = TypeVar("_Result")


CLOCK_TICK_S = 1e-9
"""Added to every jump: rounding must not leave the clock a hair before its timer."""


class VirtualTimeLoop(asyncio.SelectorEventLoop):
    """A loop whose clock stands still while there is work, and jumps to the next timer else.

    With neither work nor a timer it waits a moment for a thread, and then says that nothing will
    ever happen.
    """

    def __init__(self) -> None:
        super().__init__(_JumpingSelector(self))
        self.now_s = 1000.0

    def time(self) -> float:
        return self.now_s


class _JumpingSelector(selectors.DefaultSelector):
    """Waits for files in real time only when no timer is set."""

    def __init__(self, loop: VirtualTimeLoop) -> None:
        super().__init__()
        self._loop = loop

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        ready = super().select(5.0 if timeout is None else 0)
        if not ready and timeout is None:
            raise RuntimeError("every task waits for something that nobody will do")
        if not ready and timeout is not None and timeout > 0:
            self._loop.now_s += timeout + CLOCK_TICK_S
        return ready


VirtualTime = Callable[[Coroutine[Any, Any, _Result]], _Result]
