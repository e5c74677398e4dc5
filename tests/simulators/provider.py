"""A provider on a real socket that remembers idempotency keys; it can be told to think for ever."""

import asyncio
import socket
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from aiohttp import web


class Provider:
    """Does at once what it is asked, and answers when it may: the worst moment to be cut off is in between.

    Attributes:
        effects: what was done, once for each key.
        asked: how often each was asked for.
        waiting: how many calls wait for their answer.
        go: set while answers are given.
    """

    def __init__(self) -> None:
        self.effects: Counter[str] = Counter()
        self.asked: Counter[str] = Counter()
        self.waiting = 0
        self.go = asyncio.Event()
        self.go.set()
        self._known: dict[str, int] = {}

    async def handle(self, request: web.Request) -> web.Response:
        item = (await request.json())["item"]
        key = request.headers["Idempotency-Key"]
        self.asked[item] += 1
        if key not in self._known:
            self._known[key] = len(self._known)
            self.effects[item] += 1
        self.waiting += 1
        try:
            await self.go.wait()
        finally:
            self.waiting -= 1
        return web.json_response({"number": self._known[key]})


@asynccontextmanager
async def serving(on: socket.socket) -> AsyncIterator[Provider]:
    """A provider that serves on a bound socket."""
    made = Provider()
    application = web.Application()
    application.router.add_post("/{name}", made.handle)
    runner = web.AppRunner(application, handler_cancellation=True, shutdown_timeout=0.1)
    await runner.setup()
    await web.SockSite(runner, on).start()
    try:
        yield made
    finally:
        await runner.cleanup()


@asynccontextmanager
async def local() -> AsyncIterator[tuple[Provider, str]]:
    """A provider on the loopback, and its URL."""
    with socket.socket() as on:
        on.bind(("127.0.0.1", 0))
        async with serving(on) as made:
            yield made, f"http://127.0.0.1:{on.getsockname()[1]}"
