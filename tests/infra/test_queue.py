"""The ready buffer on a real Redis: order, fairness, waking at once, and quick words when Redis is away."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest

from hub.domain.errors import Unavailable
from hub.infra.queue import Handed, Ready, ReadyQueue, key_of, parse_member
from tests.until import until

NOW = datetime(2026, 11, 1, tzinfo=UTC)


@pytest.fixture
async def queue(redis_url: str) -> AsyncIterator[ReadyQueue]:
    ready = ReadyQueue(redis_url)
    yield ready
    await ready.close()


def ready(
    number: int, *, queue: str = "default", priority: int = 5, late: int = 0, dispatch: int = 1
) -> Ready:
    return Ready(UUID(int=number), dispatch, queue, priority, NOW - timedelta(milliseconds=late))


def numbers(handed: list[Handed]) -> list[int]:
    return [job.int for job, _ in handed]


async def test_priority_comes_before_lateness(queue: ReadyQueue) -> None:
    """Higher priority first; among equals, what has been due longest, to the millisecond."""
    await queue.hand_over(
        [
            ready(1),
            ready(2, late=1),
            ready(3, priority=9),
            ready(4, priority=0, late=10**9),
            ready(5, priority=9, late=5),
        ]
    )
    assert numbers(await queue.take(["default"], 10)) == [5, 3, 2, 1, 4]


async def test_the_depths_are_told(queue: ReadyQueue) -> None:
    """By the hand-over for the queues it touched, and when asked for any."""
    assert await queue.hand_over([ready(1), ready(2, queue="mail"), ready(3, queue="mail")]) == {
        "default": 1,
        "mail": 2,
    }
    assert await queue.depths(["default", "mail", "empty"]) == {"default": 1, "mail": 2, "empty": 0}


async def test_a_full_queue_does_not_starve_the_others(queue: ReadyQueue) -> None:
    """Each queue has its share; what one does not use, another gets."""
    await queue.hand_over([ready(number, queue="full") for number in range(100)])
    await queue.hand_over([ready(200 + number, queue="small") for number in range(3)])
    taken = numbers(await queue.take(["full", "small", "empty"], 12))
    assert len(taken) == 12
    assert {200, 201, 202} <= set(taken)


async def test_fewer_places_than_queues_are_still_filled(queue: ReadyQueue) -> None:
    """One free place takes one job, from whichever queue has one."""
    await queue.hand_over([ready(1, queue="c")])
    assert numbers(await queue.take(["a", "b", "c"], 1)) == [1]


async def test_what_is_taken_is_gone(queue: ReadyQueue) -> None:
    """Two workers never take the same hand-over."""
    await queue.hand_over([ready(number) for number in range(50)])
    takes = await asyncio.gather(*[queue.take(["default"], 10) for _ in range(8)])
    assert sorted(number for take in takes for number in numbers(take)) == list(range(50))


async def test_a_sleeper_is_woken_by_a_hand_over(queue: ReadyQueue) -> None:
    """Not by a poll: it sleeps in Redis and has the job within milliseconds."""
    sleeping = asyncio.create_task(queue.wait(["mail", "default"], 10))

    async def blocked() -> bool:
        return int((await queue.redis.info("clients"))["blocked_clients"]) > 0

    await until(blocked)
    began = asyncio.get_running_loop().time()
    await queue.hand_over([ready(1, dispatch=3)])
    assert await sleeping == [(UUID(int=1), 3)]
    assert asyncio.get_running_loop().time() - began < 0.5


async def test_nothing_ready_is_an_empty_answer(queue: ReadyQueue) -> None:
    """After the time given, and without an error."""
    assert await queue.take(["default"], 5) == []
    assert await queue.wait(["default"], 0.01) == []


async def test_foreign_members_are_left_out(queue: ReadyQueue) -> None:
    """What the hub did not write is no job, and does no harm."""
    await queue.redis.zadd(key_of("default"), {b"somebody else's": 0, b"ff:1": 0, b"\xff:\xfe": 0})
    await queue.hand_over([ready(7)])
    assert numbers(await queue.take(["default"], 10)) == [7]


@pytest.mark.parametrize(
    "member", ["", ":", "x:1", f"{UUID(int=1).hex}:", f"{UUID(int=1).hex}:x", UUID(int=1).hex]
)
def test_a_member_is_a_job_and_a_number(member: str) -> None:
    """Anything else is nothing."""
    assert parse_member(member) is None
    assert parse_member(ready(1).member) == (UUID(int=1), 1)


async def test_what_is_missing_is_told(queue: ReadyQueue) -> None:
    """Taken, lost, or standing there under another hand-over's number."""
    standing, taken, renumbered = ready(1, queue="mail"), ready(2), ready(3)
    await queue.hand_over([standing, ready(3, dispatch=2)])
    assert await queue.missing([standing, taken, renumbered]) == [taken, renumbered]
    assert await queue.missing([]) == []


async def test_redis_away_is_told_quickly() -> None:
    """Every call says Unavailable within moments; nobody hangs."""
    away = ReadyQueue("redis://127.0.0.1:1")
    async with asyncio.timeout(2):
        for call in (
            away.hand_over([ready(1)]),
            away.take(["default"], 1),
            away.wait(["default"], 1),
            away.depths(["default"]),
            away.missing([ready(1)]),
            away.ping(),
        ):
            with pytest.raises(Unavailable):
                await call
    await away.close()


async def test_a_turn_is_one_caller_s_until_it_is_over(queue: ReadyQueue) -> None:
    """Whoever asks first has it, nobody else has, and a different turn is a matter of its own."""
    assert await queue.turn("one", timedelta(milliseconds=50))
    assert await queue.turn("other", timedelta(minutes=1))
    assert not await queue.turn("other", timedelta(minutes=1))

    async def over() -> bool:
        return await queue.turn("one", timedelta(minutes=1))

    await until(over)
    assert not await over()
    assert await queue.keep_turn("one", timedelta(minutes=2))
    assert await queue.redis.pttl("hub:turn:one") > 60_000
    assert not await queue.keep_turn("nobody's", timedelta(minutes=1))


async def test_a_connection_to_a_server_that_was_demoted_is_closed(redis_url: str) -> None:
    """Also when it is a script that says so; behind a name that moves to the new master, the next one leads there."""
    queue, other = ReadyQueue(redis_url, connections=1), ReadyQueue(redis_url, connections=1)

    async def follow(*whom: str) -> None:
        await other.redis.execute_command("REPLICAOF", *whom)  # type: ignore[no-untyped-call]

    try:
        for command in (queue.hand_over([ready(1)]), queue.take(["default"], 1)):
            before = await queue.redis.client_id()
            await follow("127.0.0.1", "1")
            with pytest.raises(Unavailable):
                await command
            await follow("NO", "ONE")
            assert await queue.redis.client_id() != before
    finally:
        await follow("NO", "ONE")
        await queue.close()
        await other.close()
