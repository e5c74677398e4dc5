"""What a provider can bear: a rate, and so many at once."""

import asyncio
from datetime import timedelta

import pytest

from hub import Limits
from hub.domain.errors import NotSent
from hub.infra.limits import Gate, Pace


def test_a_burst_passes_and_the_rest_keeps_the_pace() -> None:
    """Ten a second: ten at once, then one each tenth of a second, in order."""
    pace = Pace(10)
    waits = [pace.reserve(100.0, patience=1.0) for _ in range(13)]
    assert waits[:10] == [0.0] * 10
    assert waits[10:] == pytest.approx([0.1, 0.2, 0.3])


def test_a_turn_that_is_too_far_away_is_not_taken() -> None:
    """Those who are refused do not make the queue longer."""
    pace = Pace(1)
    assert pace.reserve(0.0, patience=1.0) == 0
    assert [pace.reserve(0.0, patience=0.5) for _ in range(3)] == [1.0, 1.0, 1.0]
    assert pace.reserve(1.0, patience=0.5) == 0


def test_less_than_one_a_second_is_a_rate_too() -> None:
    """One every ten seconds."""
    pace = Pace(0.1)
    assert [pace.reserve(0.0, patience=20.0) for _ in range(2)] == pytest.approx([0.0, 10.0])


def test_rest_is_not_saved_up_beyond_a_burst() -> None:
    """A quiet night does not allow a flood in the morning."""
    pace = Pace(2)
    assert [pace.reserve(1e6, patience=1.0) for _ in range(3)] == pytest.approx([0.0, 0.0, 0.5])


async def test_no_more_than_so_many_are_inside() -> None:
    """The third waits a moment, and is then told to come again."""
    gate = Gate("shop", Limits(concurrent=2), clock=lambda: 0.0)
    async with gate.passing(), gate.passing():
        with pytest.raises(NotSent) as caught:
            async with gate.passing(patience=0.01):
                pytest.fail("it was let in")
    assert caught.value.code == "too_many_at_once"
    assert caught.value.retry_after
    async with gate.passing(patience=0.0):
        pass


async def test_whoever_waits_gets_the_place_that_becomes_free() -> None:
    """A short wait is waited out."""
    gate = Gate("shop", Limits(concurrent=1), clock=lambda: 0.0)
    inside = asyncio.Event()

    async def wait() -> None:
        async with gate.passing(patience=5.0):
            inside.set()

    async with gate.passing():
        waiting = asyncio.create_task(wait())
        await asyncio.sleep(0)
        assert not inside.is_set()
    await waiting
    assert inside.is_set()


async def test_cancelled_waiters_keep_no_place() -> None:
    """A hundred that were cancelled while waiting leave the gate as it was."""
    gate = Gate("shop", Limits(concurrent=1), clock=lambda: 0.0)

    async def enter() -> None:
        async with gate.passing(patience=5.0):
            await asyncio.Event().wait()

    tasks = [asyncio.create_task(enter()) for _ in range(100)]
    await asyncio.sleep(0)
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    async with gate.passing(patience=0.0):
        pass


async def test_the_rate_refuses_with_the_time_to_wait() -> None:
    """So that the job comes again just then."""
    gate = Gate("shop", Limits(per_second=0.5), clock=lambda: 0.0)
    async with gate.passing():
        pass
    with pytest.raises(NotSent) as caught:
        async with gate.passing():
            pytest.fail("it was let in")
    assert caught.value.code == "rate_limited"
    assert caught.value.retry_after == timedelta(seconds=2)
