"""The throttle in virtual time: the pace, the 429 gate, and how a streak of refusals ends."""

from __future__ import annotations

import asyncio
import itertools
from bisect import bisect_left
from typing import Any

import pytest

from salesmap_async.api.throttle import Slot, Throttle
from salesmap_async.errors import QuotaExhaustedError, StoppedError
from salesmap_async.events import GateClosed, PaceChanged
from salesmap_async.stop import Stop
from tests.support.runs import Events
from tests.support.virtual_time import VirtualTime

INTERVAL_S = 0.12
ROUNDING_S = 1e-6


def now() -> float:
    return asyncio.get_running_loop().time()


def make_throttle(events: Events | None = None, **overrides: Any) -> Throttle:
    usual: dict[str, Any] = {
        "min_interval_s": INTERVAL_S,
        "backoff_s": 10.0,
        "max_backoff_s": 60.0,
        "max_429_wait_s": 600.0,
        "stop": Stop(),
        "tell": events if events is not None else Events(),
    }
    return Throttle(**(usual | overrides))


async def starts_of(throttle: Throttle, *, waiters: int, each: int) -> list[float]:
    """Let `waiters` tasks take `each` slots, one after the other; return all starts in order."""
    starts: list[float] = []

    async def take() -> None:
        for _ in range(each):
            await throttle.slot()
            starts.append(now())

    async with asyncio.TaskGroup() as tasks:
        for _ in range(waiters):
            tasks.create_task(take())
    return starts


# The pace


def test_no_two_slots_are_closer_than_the_interval(virtual_time: VirtualTime[Any]) -> None:
    """Sixteen waiters at once never get two slots within one interval."""

    async def scenario() -> list[float]:
        return await starts_of(make_throttle(), waiters=16, each=25)

    starts = virtual_time(scenario())
    assert len(starts) == 400
    gaps = [later - earlier for earlier, later in itertools.pairwise(starts)]
    assert min(gaps) >= INTERVAL_S - ROUNDING_S


def test_no_ten_seconds_hold_more_than_a_hundred_starts(virtual_time: VirtualTime[Any]) -> None:
    """The vendor's quota of 100 requests in any 10 s is never passed at the default interval."""

    async def scenario() -> list[float]:
        return await starts_of(make_throttle(), waiters=16, each=25)

    starts = virtual_time(scenario())
    assert max(bisect_left(starts, start + 10) - i for i, start in enumerate(starts)) <= 100


def test_the_pace_is_the_interval_and_not_much_slower(virtual_time: VirtualTime[Any]) -> None:
    """Four hundred slots take four hundred intervals: the limiter wastes none."""

    async def scenario() -> float:
        began = now()
        await starts_of(make_throttle(), waiters=16, each=25)
        return now() - began

    assert virtual_time(scenario()) == pytest.approx(400 * INTERVAL_S, rel=0.01)


def test_a_new_run_starts_with_one_interval_of_silence(virtual_time: VirtualTime[Any]) -> None:
    """An earlier process may have sent a request a moment ago, so the first slot waits too."""

    async def scenario() -> float:
        began = now()
        await make_throttle(min_interval_s=5.0).slot()
        return now() - began

    assert virtual_time(scenario()) == pytest.approx(5.0)


def test_without_an_interval_slots_are_given_at_once(virtual_time: VirtualTime[Any]) -> None:
    """Interval 0 means no limiter."""

    async def scenario() -> float:
        began = now()
        await starts_of(make_throttle(min_interval_s=0), waiters=4, each=100)
        return now() - began

    assert virtual_time(scenario()) == 0


def test_a_cancelled_waiter_costs_nobody_a_slot(virtual_time: VirtualTime[Any]) -> None:
    """Waiters that give up leave the pace of the others as it was."""

    async def scenario() -> list[float]:
        throttle = make_throttle()
        leaving = [asyncio.create_task(throttle.slot()) for _ in range(5)]
        await asyncio.sleep(0)
        for task in leaving:
            task.cancel()
        await asyncio.gather(*leaving, return_exceptions=True)
        return await starts_of(throttle, waiters=1, each=3)

    starts = virtual_time(scenario())
    assert starts[-1] - starts[0] == pytest.approx(2 * INTERVAL_S)
    assert starts[0] == pytest.approx(1000.0 + INTERVAL_S)


# The gate


@pytest.mark.parametrize("interval_s", [INTERVAL_S, 0])
def test_nothing_starts_before_the_deadline(
    virtual_time: VirtualTime[Any], interval_s: float
) -> None:
    """One refusal holds every waiter until its deadline, and the first one goes right after."""

    async def scenario() -> tuple[float, list[float]]:
        throttle = make_throttle(min_interval_s=interval_s)
        slot = await throttle.slot()
        waiting = asyncio.create_task(starts_of(throttle, waiters=16, each=1))
        await asyncio.sleep(0)
        throttle.refused(slot, (7.0, "Retry-After"))
        deadline = now() + 7.0
        return deadline, await waiting

    deadline, starts = virtual_time(scenario())
    assert len(starts) == 16
    assert starts[0] >= deadline
    assert starts[0] - deadline <= INTERVAL_S + ROUNDING_S


def test_the_queue_keeps_its_pace_after_the_gate(virtual_time: VirtualTime[Any]) -> None:
    """The waiters that a closed gate has gathered are not let out in a burst."""

    async def scenario() -> list[float]:
        throttle = make_throttle()
        slot = await throttle.slot()
        waiting = asyncio.create_task(starts_of(throttle, waiters=16, each=2))
        await asyncio.sleep(INTERVAL_S * 2.5)
        throttle.refused(slot, (3.0, "Retry-After"))
        return await waiting

    starts = virtual_time(scenario())
    gaps = [later - earlier for earlier, later in itertools.pairwise(starts)]
    assert min(gaps) >= INTERVAL_S - ROUNDING_S
    assert max(gaps) >= 3.0 - INTERVAL_S


def test_the_deadline_only_moves_later(virtual_time: VirtualTime[Any], events: Events) -> None:
    """A shorter wait in a later answer does not open the gate earlier; a longer one holds on."""

    async def scenario() -> float:
        throttle = make_throttle(events, min_interval_s=0)
        slots = [await throttle.slot() for _ in range(3)]
        began = now()
        for slot, wait_s in zip(slots, (20.0, 1.0, 30.0), strict=True):
            throttle.refused(slot, (wait_s, "Retry-After"))
        await throttle.slot()
        assert throttle.waited_s == pytest.approx(30.0)
        return now() - began

    assert virtual_time(scenario()) == pytest.approx(30.0)
    assert [event.wait_s for event in events.of(GateClosed)] == [20.0, 30.0]


def test_an_accepted_answer_does_not_open_the_gate(virtual_time: VirtualTime[Any]) -> None:
    """Only the clock opens the gate; an answer that was under way when it closed changes nothing.

    Nor does it end the streak: the next refusal is the second in a row.
    """

    async def scenario() -> tuple[float, float]:
        throttle = make_throttle(min_interval_s=0)
        refused, accepted = await throttle.slot(), await throttle.slot()
        began = now()
        throttle.refused(refused, None)
        throttle.accepted(accepted)
        second = await throttle.slot()
        first_wait = now() - began
        throttle.refused(second, None)
        await throttle.slot()
        return first_wait, now() - began - first_wait

    assert virtual_time(scenario()) == (pytest.approx(10.0), pytest.approx(20.0))


def test_a_long_wait_is_obeyed_in_full(virtual_time: VirtualTime[Any]) -> None:
    """An hour that the server asks for is an hour, where `--max-429-wait` allows it."""

    async def scenario() -> float:
        throttle = make_throttle(max_429_wait_s=4000.0)
        slot = await throttle.slot()
        began = now()
        throttle.refused(slot, (3600.0, "Retry-After"))
        await throttle.slot()
        return now() - began

    assert virtual_time(scenario()) >= 3600.0


def test_a_gate_that_closes_while_others_wait_for_the_limiter_holds_them(
    virtual_time: VirtualTime[Any],
) -> None:
    """A waiter that has passed the gate and waits for the limiter looks at the gate again."""

    async def scenario() -> tuple[float, float]:
        throttle = make_throttle(min_interval_s=2.0)
        slot = await throttle.slot()
        waiter = asyncio.create_task(throttle.slot())
        await asyncio.sleep(1.0)  # it has passed the open gate and waits for the limiter
        throttle.refused(slot, (10.0, "Retry-After"))
        deadline = now() + 10.0
        await waiter
        return deadline, now()

    deadline, started = virtual_time(scenario())
    assert started >= deadline


# Refusals without a time


async def waits_of_refusals(throttle: Throttle, times: int) -> list[float]:
    """Be refused `times` times in a row, one request each; return how long the gate was shut."""
    waits = []
    for _ in range(times):
        slot = await throttle.slot()
        began = now()
        throttle.refused(slot, None)
        waits.append((await reopened(throttle)) - began)
    return waits


async def reopened(throttle: Throttle) -> float:
    """Wait until the gate opens, without leaving a trace; return when."""
    await throttle.slot()
    return now()


def test_refusals_without_a_time_wait_longer_each_time(virtual_time: VirtualTime[Any]) -> None:
    """10 s, 20 s, 30 s ... and never more than 60 s."""

    async def scenario() -> list[float]:
        return await waits_of_refusals(make_throttle(min_interval_s=0), 8)

    assert virtual_time(scenario()) == pytest.approx([10, 20, 30, 40, 50, 60, 60, 60])


def test_refusals_of_one_closing_count_once(virtual_time: VirtualTime[Any]) -> None:
    """Sixteen answers that refuse requests of before the gate closed are one refusal, not 16."""

    async def scenario() -> list[float]:
        throttle = make_throttle(min_interval_s=0)
        waits = []
        for _ in range(3):
            slots = [await throttle.slot() for _ in range(16)]
            began = now()
            for slot in slots:
                throttle.refused(slot, None)
            waits.append(await reopened(throttle) - began)
        return waits

    assert virtual_time(scenario()) == pytest.approx([10, 20, 30])


def test_an_accepted_request_ends_the_streak(virtual_time: VirtualTime[Any]) -> None:
    """After an answer that is no 429, counting begins at 10 s again."""

    async def scenario() -> list[float]:
        throttle = make_throttle(min_interval_s=0)
        before = await waits_of_refusals(throttle, 2)
        throttle.accepted(await throttle.slot())
        return before + await waits_of_refusals(throttle, 1)

    assert virtual_time(scenario()) == pytest.approx([10, 20, 10])


# The end of patience


def test_a_wait_longer_than_allowed_ends_the_run_at_once(virtual_time: VirtualTime[Any]) -> None:
    """A single wait that would pass `--max-429-wait` is not begun, and its length is named."""

    async def scenario() -> float:
        throttle = make_throttle(max_429_wait_s=600.0)
        slot = await throttle.slot()
        began = now()
        with pytest.raises(QuotaExhaustedError, match=r"Retry-After asks to wait 3600 s"):
            throttle.refused(slot, (3600.0, "Retry-After"))
        return now() - began

    assert virtual_time(scenario()) == 0


def test_a_streak_of_refusals_ends_the_run(virtual_time: VirtualTime[Any]) -> None:
    """Many short waits in a row, without one accepted request, are as long as their sum."""

    async def scenario() -> tuple[int, float]:
        throttle = make_throttle(min_interval_s=0, max_429_wait_s=95.0)
        began = now()
        for number in range(100):
            slot = await throttle.slot()
            try:
                throttle.refused(slot, (10.0, "Retry-After"))
            except QuotaExhaustedError:
                return number, now() - began
        raise AssertionError("the streak never ended")

    assert virtual_time(scenario()) == (9, pytest.approx(90.0))


def test_accepted_requests_renew_the_patience(virtual_time: VirtualTime[Any]) -> None:
    """Any number of 429s may come while requests are accepted between them: a queue, no failure."""

    async def scenario() -> float:
        throttle = make_throttle(min_interval_s=0, max_429_wait_s=30.0)
        for _ in range(50):
            throttle.refused(await throttle.slot(), (20.0, "Retry-After"))
            throttle.accepted(await throttle.slot())
        return throttle.waited_s

    assert virtual_time(scenario()) == pytest.approx(1000.0)


# The stop


@pytest.mark.parametrize("interval_s", [0, INTERVAL_S, 50.0])
def test_a_stop_ends_every_wait_at_once(virtual_time: VirtualTime[Any], interval_s: float) -> None:
    """Whoever waits for the gate gets StoppedError in the moment of the stop."""

    async def scenario() -> tuple[list[Slot | BaseException], float]:
        stop = Stop()
        throttle = make_throttle(stop=stop, min_interval_s=interval_s)
        throttle.refused(Slot(0), (500.0, "Retry-After"))
        waiters = [asyncio.create_task(throttle.slot()) for _ in range(16)]
        await asyncio.sleep(100)
        stop.request()
        began = now()
        results = await asyncio.gather(*waiters, return_exceptions=True)
        return results, now() - began

    results, waited = virtual_time(scenario())
    assert [type(result) for result in results] == [StoppedError] * 16
    assert waited == 0


def test_a_stop_ends_the_wait_for_the_limiter(virtual_time: VirtualTime[Any]) -> None:
    """A long interval does not hold up a stop either."""

    async def scenario() -> tuple[list[Slot | BaseException], float]:
        stop = Stop()
        throttle = make_throttle(stop=stop, min_interval_s=50.0)
        await throttle.slot()
        waiters = [asyncio.create_task(throttle.slot()) for _ in range(4)]
        await asyncio.sleep(1)
        stop.request()
        began = now()
        results = await asyncio.gather(*waiters, return_exceptions=True)
        return results, now() - began

    results, waited = virtual_time(scenario())
    assert [type(result) for result in results] == [StoppedError] * 4
    assert waited == 0


def test_after_a_stop_no_slot_is_given(virtual_time: VirtualTime[Any]) -> None:
    """An open gate and a free limiter make no difference once a stop was requested."""

    async def scenario() -> None:
        stop = Stop()
        throttle = make_throttle(stop=stop, min_interval_s=0)
        stop.request()
        with pytest.raises(StoppedError):
            await throttle.slot()

    virtual_time(scenario())


# A pace that gives way


async def refused_after(throttle: Throttle, seconds: float, wait_s: float = 1.0) -> None:
    """Take slots for `seconds`, all accepted, then be refused once."""
    until = now() + seconds
    while (slot := await throttle.slot()) and now() < until:
        throttle.accepted(slot)
    throttle.refused(slot, (wait_s, "Retry-After"))


def test_repeated_refusals_lengthen_the_interval(
    virtual_time: VirtualTime[Any], events: Events
) -> None:
    """The first refusal only closes the gate; each that follows soon makes the pace slower."""

    async def scenario() -> list[float]:
        throttle, paces = make_throttle(events), []
        for _ in range(4):
            await refused_after(throttle, 12.0)
            paces.append(throttle.interval_s / INTERVAL_S)
        return paces

    assert virtual_time(scenario()) == pytest.approx([1.0, 1.1, 1.07 * 1.1, 1.147 * 1.1])
    said = [event for event in events.of(PaceChanged) if "another client" in event.why]
    assert len(said) == 3


def test_refusals_far_apart_change_nothing(virtual_time: VirtualTime[Any], events: Events) -> None:
    """One refusal in minutes is no reason to go slower."""

    async def scenario() -> float:
        throttle = make_throttle(events)
        for _ in range(3):
            await refused_after(throttle, 100.0)
        return throttle.interval_s

    assert virtual_time(scenario()) == INTERVAL_S
    assert not events.of(PaceChanged)


def test_the_interval_creeps_back(virtual_time: VirtualTime[Any], events: Events) -> None:
    """Without refusals the pace comes back in small steps, to the usual one and not below."""

    async def scenario() -> float:
        throttle = make_throttle(events)
        await refused_after(throttle, 1.0)
        await refused_after(throttle, 1.0)
        assert throttle.interval_s > INTERVAL_S
        slots = 0
        while throttle.interval_s > INTERVAL_S:
            throttle.accepted(await throttle.slot())
            slots += 1
            assert slots < 5000
        return throttle.interval_s

    assert virtual_time(scenario()) == INTERVAL_S
    paces = [event.interval_s for event in events.of(PaceChanged)]
    assert paces == sorted(paces, reverse=True)
    assert len(paces) == 5  # once slower, then four steps of 3 % back


def test_the_interval_never_grows_without_end(virtual_time: VirtualTime[Any]) -> None:
    """However often it is refused, it asks at least once in five usual intervals."""

    async def scenario() -> float:
        throttle = make_throttle(max_429_wait_s=10**6)
        for _ in range(80):
            await refused_after(throttle, 11.0)
        return throttle.interval_s

    assert virtual_time(scenario()) == pytest.approx(5 * INTERVAL_S)


def test_no_two_slots_are_closer_than_the_pace_of_the_moment(
    virtual_time: VirtualTime[Any],
) -> None:
    """A change of pace with sixteen waiters lets none of them go early (I1)."""

    async def scenario() -> list[tuple[float, float]]:
        throttle, starts = make_throttle(), []

        async def take(number: int) -> None:
            for turn in range(30):
                slot = await throttle.slot()
                starts.append((now(), throttle.interval_s))
                if number == 3 and turn % 5 == 4:
                    throttle.refused(slot, (0.3, "Retry-After"))
                else:
                    throttle.accepted(slot)

        async with asyncio.TaskGroup() as tasks:
            for number in range(16):
                tasks.create_task(take(number))
        return starts

    starts = virtual_time(scenario())
    assert len({pace for _, pace in starts}) > 2
    for (earlier, _), (later, pace) in itertools.pairwise(starts):
        assert later - earlier >= min(pace, 1.1 * INTERVAL_S) - INTERVAL_S * 0.04
        assert later - earlier >= INTERVAL_S - ROUNDING_S


def test_it_says_when_a_slot_would_be_free(virtual_time: VirtualTime[Any]) -> None:
    """Idle slots are told by this: an interval after the last one, or when the gate opens."""

    async def scenario() -> list[float]:
        throttle = make_throttle()
        slot = await throttle.slot()
        told = [throttle.free_in_s()]
        await asyncio.sleep(INTERVAL_S / 2)
        told.append(throttle.free_in_s())
        await asyncio.sleep(INTERVAL_S)
        told.append(throttle.free_in_s())
        throttle.refused(slot, (9.0, "Retry-After"))
        return [*told, throttle.free_in_s()]

    assert virtual_time(scenario()) == pytest.approx([INTERVAL_S, INTERVAL_S / 2, 0.0, 9.0])
