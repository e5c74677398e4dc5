"""Real workers, killed in the middle of real requests: everything is done, soon, and nothing twice."""

import asyncio
import signal
import sys
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import ExitStack

import pytest
from aiohttp import web

from tests.processes.fleet import REGISTRY
from tests.services.engine import Engine, engine
from tests.simulators.processes import Child, running
from tests.until import until

PICKED_UP_WITHIN = 10.0  # seconds, from the death of a worker to the end of its jobs elsewhere


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
    async with engine(REGISTRY, database_url, redis_url) as built:
        yield built


Hire = Callable[[], Child]


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
        yield lambda: stack.enter_context(running([sys.executable, "-m", "tests.processes"], env=environ))


async def registered(hub: Engine, count: int) -> None:
    await until(
        lambda: hub.sql("SELECT 1 FROM workers WHERE pid <> 1 OFFSET :most", most=count - 1), within=20
    )


async def settled(hub: Engine, within: float) -> None:
    async def none_left() -> bool:
        return not await hub.sql("SELECT 1 FROM jobs WHERE settled_at IS NULL LIMIT 1")

    await until(none_left, within=within)


async def test_jobs_of_a_killed_worker_are_done_by_another_and_not_twice(
    hub: Engine, provider: Shop, hire: Hire
) -> None:
    """SIGKILL while ten effects exist at the provider and their answers are on the way: each exists once in the end."""
    victim = hire()
    made = [await hub.submit("fleet.ship", {"item": str(number)}) for number in range(30)]
    await until(lambda: provider.waiting == 10, within=20)
    heir = hire()
    await registered(hub, 2)
    assert victim.kill() == -signal.SIGKILL
    provider.go.set()
    await settled(hub, PICKED_UP_WITHIN)
    assert [tuple(row) for row in await hub.sql("SELECT state, count(*) FROM jobs GROUP BY 1")] == [
        ("succeeded", len(made))
    ]
    assert len(provider.effects) == 2 * len(made)
    assert set(provider.effects.values()) == {1}
    assert heir.returncode is None


async def test_a_job_that_kills_its_worker_is_stopped_after_a_few(hub: Engine, hire: Hire) -> None:
    """The third dead worker is the last; the job is failed as a crash loop and the next worker lives."""
    workers = [hire() for _ in range(4)]
    await registered(hub, 4)
    made = await hub.submit("fleet.kill_worker")
    await settled(hub, 20)
    row = await hub.job(made)
    assert (row.state, row.reason, row.crashes) == ("failed", "crash_loop", 3)
    assert sorted(str(worker.returncode) for worker in workers) == ["-9", "-9", "-9", "None"]


async def test_a_worker_told_to_stop_ends_in_good_order(hub: Engine, provider: Shop, hire: Hire) -> None:
    """SIGTERM while ten jobs run: they finish, the others stay queued, nobody has to be rescued, and the exit is clean."""
    worker = hire()
    for number in range(15):
        await hub.submit("fleet.ship", {"item": str(number)})
    await until(lambda: provider.waiting == 10, within=20)
    worker.signal(signal.SIGTERM)
    provider.go.set()
    assert await asyncio.to_thread(worker.wait) == 0
    rows = await hub.sql(
        "SELECT state, count(*), sum(crashes), sum(failures) FROM jobs GROUP BY 1 ORDER BY 1"
    )
    assert [tuple(row) for row in rows] == [("queued", 5, 0, 0), ("succeeded", 10, 0, 0)]
