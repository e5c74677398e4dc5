"""A database that does not answer: whoever comes is told so, early, and before anything is read of them."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import asyncpg
from structlog.testing import capture_logs

from tests.web.client import Answer, Client
from tests.web.conftest import Serve

STUCK = "what waits to be stored has waited too long already"
SETTINGS = {"HUB_PENDING_PATIENCE": "0.2", "HUB_PENDING_DEADLINE": "1"}


@asynccontextmanager
async def stalled(database_url: str) -> AsyncIterator[None]:
    """The tables that are written to are locked."""
    holder = await asyncpg.connect(database_url)
    try:
        async with holder.transaction():
            await holder.execute("LOCK TABLE events, jobs IN ACCESS EXCLUSIVE MODE")
            yield
    finally:
        await holder.close()


async def deliver(client: Client, number: int) -> Answer:
    return await client.webhook("shop", {"id": f"evt_{number}", "type": "order.placed"})


async def test_while_the_database_is_stuck_requests_are_refused_at_once(
    serve: Serve, database_url: str
) -> None:
    """The first waits until the deadline, later ones not at all; all hear when to come again; few lines are logged."""
    client = await serve(**SETTINGS)
    assert (await deliver(client, 0)).status == 200
    with capture_logs() as lines:
        async with stalled(database_url):
            first = asyncio.create_task(deliver(client, 1))
            # Whoever comes soon after it waits with it; when it has waited for too long, nobody does any more.
            while (answer := await deliver(client, 2)).json["detail"] != STUCK:
                assert answer.status == 503
            assert (answer.json["code"], answer.headers["Retry-After"]) == ("unavailable", "2")
            for number in range(50):
                assert (await deliver(client, number)).json["detail"] == STUCK
            assert (await first).status == 503
    assert 1 <= len([line for line in lines if line["event"] == "request refused"]) <= 3
    async with asyncio.timeout(30):
        while (await deliver(client, 3)).status != 200:
            pass


async def test_bodies_that_arrive_together_are_bounded_together(serve: Serve) -> None:
    """Each is small enough, and of two of them the second is refused before it has arrived whole."""
    client = await serve(HUB_PENDING_BYTES=str(1024 * 1024))
    host, port = client.url.removeprefix("http://").split(":")
    head = b"POST /webhooks/shop HTTP/1.1\r\nHost: hub\r\nContent-Length: 900000\r\n\r\n"
    streams = [await asyncio.open_connection(host, int(port)) for _ in range(2)]
    for _, writer in streams:
        writer.write(head + b"x" * 600_000)
    answers = [asyncio.create_task(reader.readuntil(b"\r\n")) for reader, _ in streams]
    done, left = await asyncio.wait(answers, return_when=asyncio.FIRST_COMPLETED, timeout=15)
    assert [task.result() for task in done] == [b"HTTP/1.1 503 Service Unavailable\r\n"]
    # The other one goes on: there is room for it now.
    [going] = left
    streams[answers.index(going)][1].write(b"x" * 300_000)
    assert b" 401 " in await going
    for _, writer in streams:
        writer.close()
