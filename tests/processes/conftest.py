"""Real worker processes of either release, a provider on a real socket, and a hub to submit jobs to."""

import asyncio
import sys
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import ExitStack

import pytest
from aiohttp import web

from tests.processes.fleet import RELEASES
from tests.services.engine import Engine, engine
from tests.simulators.processes import Child, running
from tests.until import until


class Shop:
    """A provider on a real socket that remembers idempotency keys; it can be told to think for ever."""

    def __init__(self) -> None:
        self.effects: Counter[str] = Counter()
        self.waiting = 0
        self.go = asyncio.Event()
        self.url = ""
        self._known: dict[str, int] = {}

    async def handle(self, request: web.Request) -> web.Response:
        item = (await request.json())["item"]
        key = request.headers["Idempotency-Key"]
        # Done at once, and answered late: the worst moment to die is in between.
        if key not in self._known:
            self._known[key] = len(self._known)
            self.effects[item] += 1
        self.waiting += 1
        try:
            await self.go.wait()
        finally:
            self.waiting -= 1
        return web.json_response({"number": self._known[key]})


@pytest.fixture
async def provider() -> AsyncIterator[Shop]:
    """Serving on the loopback."""
    made = Shop()
    application = web.Application()
    application.router.add_post("/{name}", made.handle)
    runner = web.AppRunner(application, handler_cancellation=True, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    made.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    yield made
    await runner.cleanup()


@pytest.fixture
async def hub(database_url: str, redis_url: str) -> AsyncIterator[Engine]:
    """Where the jobs are submitted; it works on nothing itself."""
    async with engine(RELEASES["next"], database_url, redis_url) as built:
        yield built


Hire = Callable[..., Child]


@pytest.fixture
def hire(database_url: str, redis_url: str, provider: Shop) -> Iterator[Hire]:
    """Start a worker process; all are stopped at the end."""
    environ = {
        "HUB_DATABASE_URL": database_url,
        "HUB_REDIS_URL": redis_url,
        "HUB_SHOP_BASE_URL": provider.url,
        "HUB_WORKER_CONCURRENCY": "10",
        "HUB_WORKER_LEASE": "2",
        "HUB_WORKER_HEARTBEAT": "0.2",
        "HUB_WORKER_SHUTDOWN_GRACE": "5",
    }
    with ExitStack() as stack:
        yield lambda release="former", **more: stack.enter_context(
            running([sys.executable, "-m", "tests.processes", release], env={**environ, **more})
        )


async def registered(hub: Engine, count: int) -> None:
    await until(
        lambda: hub.sql("SELECT 1 FROM workers WHERE pid <> 1 OFFSET :most", most=count - 1), within=60
    )


async def settled(hub: Engine, within: float) -> None:
    async def none_left() -> bool:
        return not await hub.sql("SELECT 1 FROM jobs WHERE settled_at IS NULL LIMIT 1")

    await until(none_left, within=within)
