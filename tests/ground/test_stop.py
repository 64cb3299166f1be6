"""The request to stop: made once, it stays made, and every wait ends in that moment."""

from __future__ import annotations

import asyncio
import signal
from typing import Any

import pytest

from salesmap_async.errors import StoppedError, exit_code_of
from salesmap_async.stop import Stop
from tests.support.virtual_time import VirtualTime


def test_without_a_request_nothing_stops() -> None:
    """A fresh Stop lets everything pass."""
    stop = Stop()
    stop.check()
    assert not stop.requested


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_the_signal_decides_the_exit_code(number: signal.Signals, code: int) -> None:
    """A stop by SIGINT ends with 130, one by SIGTERM with 143, and its name is told."""
    stop = Stop()
    stop.request(int(number))
    with pytest.raises(StoppedError, match=number.name) as caught:
        stop.check()
    assert exit_code_of(caught.value) == code


def test_only_the_first_signal_counts() -> None:
    """A second request changes nothing about the first."""
    stop = Stop()
    stop.request(int(signal.SIGTERM))
    stop.request(int(signal.SIGINT))
    with pytest.raises(StoppedError, match="SIGTERM"):
        stop.check()


def test_a_sleep_lasts_as_long_as_it_should(virtual_time: VirtualTime[Any]) -> None:
    """Without a request a sleep is a sleep."""

    async def scenario() -> float:
        loop = asyncio.get_running_loop()
        began = loop.time()
        await Stop().sleep(30)
        return loop.time() - began

    assert virtual_time(scenario()) == pytest.approx(30)


def test_a_request_ends_every_wait_in_its_moment(virtual_time: VirtualTime[Any]) -> None:
    """Sleepers, those in a cut block, and those who wait for the stop itself go on together."""

    async def scenario() -> tuple[float, list[Any]]:
        loop = asyncio.get_running_loop()
        stop = Stop()

        async def blocked() -> None:
            async with stop.ending_waits():
                await asyncio.Event().wait()

        tasks = [asyncio.create_task(stop.sleep(1000)) for _ in range(3)]
        tasks += [asyncio.create_task(blocked()), asyncio.create_task(stop.wait())]
        await asyncio.sleep(5)
        stop.request()
        began = loop.time()
        results = await asyncio.gather(*tasks, return_exceptions=True)
        return loop.time() - began, results

    waited, results = virtual_time(scenario())
    assert waited == 0
    assert [type(result) for result in results] == [StoppedError] * 4 + [type(None)]


def test_after_a_request_no_wait_begins(virtual_time: VirtualTime[Any]) -> None:
    """A sleep that is begun after the request does not even start."""

    async def scenario() -> float:
        loop = asyncio.get_running_loop()
        stop = Stop()
        stop.request()
        began = loop.time()
        with pytest.raises(StoppedError):
            await stop.sleep(1000)
        return loop.time() - began

    assert virtual_time(scenario()) == 0


def test_a_timeout_of_ones_own_stays_a_timeout(virtual_time: VirtualTime[Any]) -> None:
    """A TimeoutError inside the block is not taken for a stop, and a cancel stays a cancel."""

    async def scenario() -> None:
        stop = Stop()
        with pytest.raises(TimeoutError):
            async with stop.ending_waits(), asyncio.timeout(1):
                await asyncio.Event().wait()
        task = asyncio.create_task(stop.sleep(1000))
        await asyncio.sleep(1)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    virtual_time(scenario())
