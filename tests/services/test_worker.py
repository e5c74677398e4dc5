"""A whole worker on real stores: woken at once, bounded, graceful, and not to be put out by a restart of either store."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from hub import Args, JobContext, job
from hub.bootstrap import know_queues
from hub.domain.errors import Unavailable
from hub.infra import migrate
from hub.infra.embedded.postgres import PostgresServer
from hub.infra.embedded.redis import RedisServer
from hub.infra.embedded.sharing import shared
from hub.registry import Registry
from hub.worker import Worker, make
from tests.services import shop
from tests.services.conftest import Start
from tests.services.deliveries import SETTINGS, Arrived, delivery, source
from tests.services.engine import Engine, engine
from tests.until import until


class Number(Args):
    number: int = 0


class Floor:
    """What the jobs of one test tell and wait for."""

    def __init__(self) -> None:
        self.running = 0
        self.most = 0
        self.done: list[int] = []
        self.cancelled: list[int] = []
        self.go = asyncio.Event()


FLOORS: list[Floor] = []


@pytest.fixture
def floor() -> Iterator[Floor]:
    FLOORS.append(Floor())
    yield FLOORS[-1]
    FLOORS.clear()


@job()
async def note(_ctx: JobContext, args: Number) -> None:
    FLOORS[-1].done.append(args.number)


@job(on="depot:parcel.arrived")
async def unpack(_ctx: JobContext, event: Arrived) -> None:
    FLOORS[-1].done.append(event.weight)


@job()
async def stay(_ctx: JobContext, args: Number) -> None:
    here = FLOORS[-1]
    here.running += 1
    here.most = max(here.most, here.running)
    try:
        await here.go.wait()
        here.done.append(args.number)
    except asyncio.CancelledError:
        here.cancelled.append(args.number)
        raise
    finally:
        here.running -= 1


JOBS = (note, stay, unpack)
PACE = {"HUB_WORKER_HEARTBEAT": "0.1", "HUB_WORKER_LEASE": "1", **SETTINGS}


@asynccontextmanager
async def working(engine: Engine) -> AsyncIterator[Worker]:
    """A worker at work; stopped in good order at the end."""
    worker = make(engine.hub)
    task = asyncio.create_task(worker.async_run())
    try:
        yield worker
    finally:
        worker.stop()
        await task


async def submitted(engine: Engine, name: str, count: int = 1) -> list[Any]:
    return [await engine.submit(f"test_worker.{name}", {"number": number}) for number in range(count)]


def states(engine: Engine) -> Callable[[], Awaitable[dict[str, int]]]:
    async def count() -> dict[str, int]:
        rows = await engine.sql("SELECT state, count(*) FROM jobs GROUP BY state")
        return {row[0]: row[1] for row in rows}

    return count


async def test_an_idle_worker_starts_a_job_at_once(start: Start, floor: Floor) -> None:
    """It sleeps in Redis and is woken by the hand-over, long before any poll."""
    engine = await start(*JOBS, sources=(source,), environ={**PACE, "HUB_RELAY_TICK": "30"})

    async def asleep() -> bool:
        return int((await engine.hub.queue.redis.info("clients"))["blocked_clients"]) > 0

    loop = asyncio.get_running_loop()
    async with working(engine):
        times = []
        for _ in range(5):
            await until(asleep)
            began, before = loop.time(), len(floor.done)
            await submitted(engine, "note")
            await until(lambda: len(floor.done) > before)  # noqa: B023 - awaited at once
            times.append(loop.time() - began)
    assert min(times) < 0.1


async def test_no_more_run_at_once_than_allowed(start: Start, floor: Floor) -> None:
    """Thirty wait for five places; each gets its turn."""
    engine = await start(*JOBS, sources=(source,), environ={**PACE, "HUB_WORKER_CONCURRENCY": "5"})
    await submitted(engine, "stay", 30)
    async with working(engine) as worker:
        await until(lambda: floor.running == 5)
        assert worker.running == 5
        floor.go.set()
        await until(lambda: len(floor.done) == 30)
    assert floor.most == 5
    assert await states(engine)() == {"succeeded": 30}


async def test_a_stop_lets_running_jobs_finish(start: Start, floor: Floor) -> None:
    """Within the grace nothing is cancelled, and nothing new is begun."""
    engine = await start(*JOBS, sources=(source,), environ={**PACE, "HUB_WORKER_CONCURRENCY": "2"})
    await submitted(engine, "stay", 5)
    async with working(engine) as worker:
        await until(lambda: floor.running == 2)
        worker.stop()
        await asyncio.sleep(0)
        floor.go.set()
    assert (len(floor.done), floor.cancelled) == (2, [])
    assert await states(engine)() == {"succeeded": 2, "queued": 3}


async def test_what_does_not_finish_in_time_is_handed_back(start: Start, floor: Floor) -> None:
    """After the grace: interrupted, queued again, with no budget used and no crash counted, for the next worker."""
    engine = await start(*JOBS, sources=(source,), environ={**PACE, "HUB_WORKER_SHUTDOWN_GRACE": "0.05"})
    await submitted(engine, "stay", 3)
    async with working(engine):
        await until(lambda: floor.running == 3)
    rows = await engine.sql("SELECT state, failures, crashes, worker_id FROM jobs")
    assert [tuple(row) for row in rows] == [("queued", 0, 0, None)] * 3
    assert [row[0] for row in await engine.sql("SELECT outcome FROM attempts")] == ["interrupted"] * 3
    assert [row[0] is None for row in await engine.sql("SELECT stopped_at FROM workers WHERE pid <> 1")] == [
        False
    ]
    floor.go.set()
    async with working(engine):
        await until(lambda: len(floor.done) == 3)


async def test_a_stop_at_any_moment_leaves_nothing_behind(start: Start, floor: Floor) -> None:
    """Twenty workers, each stopped a moment later than the last: no job is left running or counted as crashed."""
    engine = await start(*JOBS, sources=(source,), environ=PACE)
    made = await submitted(engine, "note", 60)
    for turns in range(20):
        async with working(engine):
            for _ in range(turns * 10):
                await asyncio.sleep(0)
        assert not await engine.sql("SELECT 1 FROM jobs WHERE state = 'running'")
    async with working(engine):
        await until(lambda: len(floor.done) >= len(made))
    assert sorted(floor.done) == sorted(range(60))
    assert not await engine.sql("SELECT 1 FROM jobs WHERE crashes > 0")


async def test_a_lost_lease_drops_everything(start: Start, floor: Floor) -> None:
    """When it cannot be renewed in time, because the database is slow, the jobs are cancelled before others begin them."""
    engine = await start(*JOBS, sources=(source,), environ=PACE)
    await submitted(engine, "stay", 3)
    async with working(engine):
        await until(lambda: floor.running == 3)
        async with engine.hub.database.transaction() as locked:
            # Whoever renews the lease waits for this transaction.
            await locked.exec_driver_sql("SELECT 1 FROM workers FOR UPDATE")
            await until(lambda: floor.cancelled)
            assert len(floor.cancelled) == 3
        floor.go.set()
        await until(lambda: len(floor.done) == 3)
    assert await states(engine)() == {"succeeded": 3}


async def test_a_worker_that_was_forgotten_makes_itself_known_again(start: Start, floor: Floor) -> None:
    """A database restored from a backup does not know it: what it ran is dropped, and it goes on."""
    engine = await start(*JOBS, sources=(source,), environ=PACE)
    async with working(engine):
        await submitted(engine, "note")
        await until(lambda: floor.done)
        await engine.sql("DELETE FROM workers")
        await until(lambda: engine.sql("SELECT 1 FROM workers"))
        await submitted(engine, "note")
        await until(lambda: len(floor.done) == 2)


async def test_a_claim_that_was_undone_and_made_again_does_not_start_the_job_twice(
    start: Start, floor: Floor
) -> None:
    """Claims do not wait for the disk, so a crash or a failover may forget one while its job runs on; the same worker then
    claims the same attempt, and the fence cannot tell the two apart.
    """
    engine = await start(*JOBS, sources=(source,), environ=PACE)
    [made] = await submitted(engine, "stay")
    async with working(engine) as worker:
        await until(lambda: floor.running == 1)
        await engine.sql(
            "UPDATE jobs SET state = 'queued', attempt = 0, worker_id = NULL, started_at = NULL,"
            " dispatched_at = now() - interval '1 minute' WHERE id = :id",
            id=made,
        )

        async def claimed_again() -> bool:
            return bool((await engine.job(made)).state == "running")

        await until(claimed_again)
        assert worker.running == 1
        floor.go.set()
        await until(lambda: floor.done)
    assert (floor.most, floor.done) == (1, [0])
    assert await states(engine)() == {"succeeded": 1}


class Stores:
    """A PostgreSQL and a Redis of a test's own."""

    def __init__(self, var_dir: Path) -> None:
        self.postgres = PostgresServer(var_dir, {"fsync": "off"})
        self.redis = RedisServer(var_dir)


@pytest.fixture
def stores(var_dir: Path) -> Iterator[Stores]:
    """Started, migrated, and free to be stopped."""
    own = Stores(var_dir)
    with shared(var_dir, [own.postgres, own.redis]):
        migrate.upgrade(own.postgres.url)
        yield own


@pytest.fixture
async def fragile(stores: Stores, server: shop.Server) -> AsyncIterator[Engine]:
    """An engine over stores that this test may stop."""
    registry = Registry.of(providers=[shop.shop], sources=[source], jobs=JOBS)
    async with AsyncExitStack() as stack:
        yield await stack.enter_async_context(
            engine(registry, stores.postgres.url, stores.redis.url, environ=PACE)
        )


async def restart(server: PostgresServer | RedisServer, meanwhile: Callable[[], Awaitable[None]]) -> None:
    await asyncio.to_thread(server.stop)
    await meanwhile()
    await asyncio.to_thread(server.ensure)


async def receive(engine: Engine, number: int) -> Any:
    return await engine.hub.intake.receive("depot", *delivery(f"evt_{number}", weight=number), "c")


async def test_a_restart_of_the_database_is_survived(fragile: Engine, stores: Stores, floor: Floor) -> None:
    """Meanwhile providers hear 503; what was running is settled or done again; afterwards all goes on."""
    await submitted(fragile, "stay", 3)
    async with working(fragile):
        await until(lambda: floor.running == 3)

        async def meanwhile() -> None:
            with pytest.raises(Unavailable):
                await receive(fragile, 7)
            floor.go.set()

        await restart(stores.postgres, meanwhile)

        async def received() -> Any:
            try:
                return await receive(fragile, 7)
            except Unavailable:
                return None

        await until(received)
        await until(lambda: 7 in floor.done)

        async def all_done() -> bool:
            return set(await states(fragile)()) == {"succeeded"}

        await until(all_done)
    assert not await fragile.sql("SELECT 1 FROM jobs WHERE failures > 0")


async def test_a_restart_of_redis_is_survived(fragile: Engine, stores: Stores, floor: Floor) -> None:
    """What is accepted meanwhile is done afterwards, though Redis has forgotten everything."""
    async with working(fragile):
        await submitted(fragile, "note", 3)
        await until(lambda: len(floor.done) == 3)

        async def meanwhile() -> None:
            for number in range(10, 13):
                await receive(fragile, number)
            await fragile.hub.intake.drain()

        await restart(stores.redis, meanwhile)
        await until(lambda: {10, 11, 12} <= set(floor.done))


async def test_a_start_waits_for_a_database_that_is_away(fragile: Engine, stores: Stores) -> None:
    """A process that dies of it would be started again and again, and shout each time."""
    starting: list[asyncio.Task[None]] = []

    async def meanwhile() -> None:
        starting.append(asyncio.create_task(know_queues(fragile.hub)))
        with pytest.raises(Unavailable):
            await fragile.sql("SELECT 1")
        assert not starting[0].done()

    await restart(stores.postgres, meanwhile)
    async with asyncio.timeout(10):
        await starting[0]


async def test_a_worker_can_stop_while_the_database_is_away(
    fragile: Engine, stores: Stores, floor: Floor
) -> None:
    """Within its lease; what it could not settle is done by the next one."""
    await submitted(fragile, "stay", 2)
    worker = make(fragile.hub)
    task = asyncio.create_task(worker.async_run())
    await until(lambda: floor.running == 2)

    async def meanwhile() -> None:
        floor.go.set()
        worker.stop()
        async with asyncio.timeout(5):
            await task

    await restart(stores.postgres, meanwhile)
    async with working(fragile):

        async def all_done() -> bool:
            try:
                return await states(fragile)() == {"succeeded": 2}
            except Unavailable:
                return False

        await until(all_done)
