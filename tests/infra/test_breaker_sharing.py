"""Breakers across processes, through a real Redis."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from datetime import timedelta

import pytest
from redis.asyncio import Redis
from redis.exceptions import RedisError

from hub import ProviderFault
from hub.domain.errors import BreakerOpen
from hub.infra.breaker_sharing import KEY, BreakerSharing
from hub.infra.breaker_states import State
from hub.infra.breakers import Breakers, Circuit


class Telling(BreakerSharing):
    """Says when it has looked."""

    looked: asyncio.Event

    async def exchange(self) -> None:
        await super().exchange()
        self.looked.set()


class Process:
    """What one process has of this."""

    def __init__(self, redis: "Redis", offset: float = 0.0) -> None:
        self.now = 50.0 + offset  # each process's steady clock begins anywhere
        self.breakers = Breakers(clock=lambda: self.now, failures=2, open_for=timedelta(seconds=10))
        self.sharing = Telling(self.breakers, redis, interval=timedelta(seconds=0.01))
        self.sharing.looked = asyncio.Event()

    @property
    def circuit(self) -> Circuit:
        return self.breakers.of("shop")

    def fail(self, times: int = 2) -> None:
        """Calls that fail."""
        for _ in range(times):
            with contextlib.suppress(ProviderFault), self.circuit.call():
                raise ProviderFault("500", status=500)


@pytest.fixture
async def redis(redis_url: str) -> AsyncIterator["Redis"]:
    client = Redis.from_url(redis_url)
    yield client
    await client.aclose()


@pytest.fixture
async def one(redis: "Redis") -> Process:
    return Process(redis)


@pytest.fixture
async def other(redis: "Redis") -> Process:
    return Process(redis, offset=9000.0)


async def exchanged(*processes: Process) -> None:
    """Each looks once, in this order."""
    for process in processes:
        await process.sharing.exchange()


async def test_what_opens_in_one_process_opens_in_the_others(one: Process, other: Process) -> None:
    """For the same rest of the time, though their clocks have nothing in common."""
    one.fail()
    await exchanged(one, other)
    with pytest.raises(BreakerOpen) as caught, other.circuit.call():
        pytest.fail("it was let through")
    assert caught.value.retry_after
    assert timedelta(seconds=9) < caught.value.retry_after <= timedelta(seconds=10)


async def test_a_probe_that_succeeds_closes_it_for_all(one: Process, other: Process) -> None:
    """Whoever finds the provider well tells the others."""
    one.fail()
    await exchanged(one, other)
    other.now += 10
    with other.circuit.call():
        pass
    await exchanged(other, one)
    assert one.circuit.state is State.CLOSED


async def test_a_probe_that_fails_keeps_it_open_for_all(one: Process, other: Process) -> None:
    """The others need not find out for themselves."""
    one.fail()
    await exchanged(one, other)
    one.now += 10
    other.now += 10
    one.fail(1)
    await exchanged(one, other)
    assert other.circuit.state is State.OPEN


async def test_a_process_does_not_undo_what_it_just_told(one: Process) -> None:
    """Its own entry is no news, and its absence before is none either."""
    one.fail()
    for _ in range(3):
        await exchanged(one)
    assert one.circuit.state is State.OPEN


async def test_what_nobody_shares_is_left_alone(one: Process, other: Process, redis: "Redis") -> None:
    """A quiet exchange writes nothing."""
    await exchanged(one, other)
    assert one.circuit.state is State.CLOSED
    assert not await redis.exists(KEY)


async def test_the_key_goes_away_by_itself(one: Process, redis: "Redis") -> None:
    """Nothing stays in Redis for ever."""
    one.fail()
    await exchanged(one)
    assert 0 < await redis.ttl(KEY) <= 3600


async def test_running_tells_at_once(one: Process, other: Process) -> None:
    """The wait between two looks ends when there is something to tell."""
    async with asyncio.timeout(5), asyncio.TaskGroup() as group:
        tasks = [group.create_task(process.sharing.run()) for process in (one, other)]
        one.fail()
        while other.circuit.state is not State.OPEN:
            other.sharing.looked.clear()
            await other.sharing.looked.wait()
        for task in tasks:
            task.cancel()


async def test_without_redis_each_goes_by_what_it_sees(unused_tcp_port: int) -> None:
    """A Redis that is away stops nothing, and what it missed is told when it is back."""
    gone = Redis(host="127.0.0.1", port=unused_tcp_port, retry_on_error=[])
    process = Process(gone)
    running = asyncio.create_task(process.sharing.run())
    process.fail()
    with pytest.raises(RedisError):
        await process.sharing.exchange()
    assert process.circuit.state is State.OPEN
    assert "shop" in process.sharing._changed
    assert not running.done()
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    await gone.aclose()
