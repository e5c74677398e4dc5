"""Handing over never makes anybody wait, and never piles up: what Redis does not take is left to the relay."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path
from uuid import UUID

import pytest

from hub.infra.embedded.redis import RedisServer
from hub.infra.embedded.sharing import shared
from hub.infra.queue import Ready, ReadyQueue
from hub.services.handover import Handover
from tests.until import until


def ready(number: int) -> Ready:
    return Ready(UUID(int=number), 1, "default", 5, datetime(2026, 11, 1, tzinfo=UTC))


@pytest.fixture
async def mute() -> AsyncIterator[str]:
    """The URL of a Redis that takes connections and never answers."""
    held = asyncio.Event()

    async def silent(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await held.wait()
        writer.close()

    server = await asyncio.start_server(silent, "127.0.0.1", 0)
    yield f"redis://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    held.set()
    server.close()
    await server.wait_closed()


async def test_a_redis_that_does_not_answer_is_not_waited_for(mute: str) -> None:
    """Some hand-overs are under way, the others are given up at once and counted, and no more are asked for."""
    failed: Counter[str] = Counter()
    queue = ReadyQueue(mute)
    handover = Handover(queue, 100, failed.update)
    assert handover.fits("default")
    for number in range(500):
        handover.hand_over([ready(number)])
    assert 400 < failed["default"] < 500
    assert not handover.fits("default")
    await handover.drain()
    assert failed["default"] == 500
    await queue.close()


async def test_nothing_is_handed_over_until_redis_answers_again(var_dir: Path) -> None:
    """While it is away jobs are left to the relay; once it is back they fit again, within moments."""
    server = RedisServer(var_dir)
    with shared(var_dir, [server]):
        queue = ReadyQueue(server.url)
        handover = Handover(queue, 100, lambda _lost: None)
        watching = asyncio.create_task(handover.watch(interval=0.01))
        await asyncio.to_thread(server.stop)
        handover.hand_over([ready(1)])
        await handover.drain()
        loop = asyncio.get_running_loop()
        over = loop.time() + 1.5  # longer than it would be left alone without being asked
        assert not handover.fits("default")
        await until(lambda: loop.time() > over or handover.fits("default"))
        assert not handover.fits("default")
        await asyncio.to_thread(server.ensure)
        await until(lambda: handover.fits("default"), within=3)
        watching.cancel()
        await asyncio.gather(watching, return_exceptions=True)
        await queue.close()
