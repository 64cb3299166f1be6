"""Waiting for what must not be left halfway."""

from __future__ import annotations

import asyncio
from typing import TypeVar

_Result = TypeVar("_Result")


async def outlast(work: asyncio.Future[_Result]) -> tuple[_Result, bool]:
    """Wait for the end of `work`, however often that is cancelled meanwhile.

    Return its result, and whether the waiting was cancelled; the caller decides what that means.
    Raises what `work` raises, and CancelledError where `work` itself was cancelled.
    """
    cancelled = False
    while not work.done():
        try:
            await asyncio.shield(work)
        except asyncio.CancelledError:
            cancelled = True
        except Exception:
            break
    return work.result(), cancelled
