"""A server on the loopback that misbehaves below HTTP, where mocked transports never go.

`async with faulty() as server: server.url + "/reset-mid-body"`. The path chooses the behaviour (`BEHAVIOURS` lists
them with a sentence each), `server.on(path, behaviour)` adds one, `server.refused_url()` is a port that refuses, and
`server.connections` and `server.requests` tell what arrived.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from tests.simulators.misbehaviour import BEHAVIOURS
from tests.simulators.raw_http import LARGEST_HEAD, Behaviour, Connection, FaultyServer, Request, answer

__all__ = ["BEHAVIOURS", "Behaviour", "Connection", "FaultyServer", "Request", "answer", "faulty"]


@asynccontextmanager
async def faulty() -> AsyncIterator[FaultyServer]:
    """Serve on a free port of the loopback while the block runs."""
    state = FaultyServer(behaviours=dict(BEHAVIOURS))
    server = await asyncio.start_server(state.accept, "127.0.0.1", 0, limit=LARGEST_HEAD)
    state.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    try:
        yield state
    finally:
        server.close()
        await state.close()
        await server.wait_closed()
