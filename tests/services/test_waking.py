"""Waking many: no buffer is filled beyond its bound, and no sweep of many waits is in anybody's way."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from datetime import timedelta
from uuid import UUID

import pytest

from hub import Args, JobContext, job
from hub.domain.errors import Unavailable
from hub.infra.queue import key_of
from hub.infra.store.database import Database
from hub.infra.store.waits import WaitStore, Woken
from hub.services.waking import Swept, Waking
from tests.services.conftest import Start
from tests.services.deliveries import SETTINGS, Arrived, delivery, source
from tests.services.engine import Engine, another
from tests.until import until


class Parcel(Args):
    number: str = "p1"


@job()
async def waiter(ctx: JobContext, args: Parcel) -> int:
    event = "depot:parcel.arrived"
    return (await ctx.wait_for(event, Arrived, about=args.number, timeout=timedelta(hours=1))).weight


Begin = Callable[[], Awaitable[Engine]]


@pytest.fixture
def begin(start: Start) -> Begin:
    """An engine that knows the job and the depot."""
    return lambda: start(waiter, sources=(source,), environ=SETTINGS)


async def arrive(engine: Engine, number: str) -> None:
    """The depot tells of a parcel."""
    body = delivery("e1", "parcel.arrived", about=number, weight=7)
    await engine.hub.intake.receive("depot", *body, "test")
    await engine.hub.intake.drain()


async def many_waiting(engine: Engine, number: int) -> None:
    """So many jobs that wait for one parcel, without running each."""
    made = await engine.submit("test_waking.waiter")
    await engine.work()
    await engine.sql("DELETE FROM jobs WHERE id <> :id", id=made)
    await engine.sql(
        """WITH more AS (
               INSERT INTO jobs (id, name, args, queue, priority, state, run_at, application_id, correlation_id)
               SELECT gen_random_uuid(), name, args, queue, priority, state, run_at, application_id, correlation_id
               FROM jobs, generate_series(2, :number) RETURNING id
           )
           INSERT INTO waits SELECT m.id, w.position, w.source, w.subject, w.types, w.since, w.consumed FROM waits w, more m""",
        number=number,
    )


async def tally(engine: Engine) -> dict[tuple[str, bool], int]:
    """How many jobs there are in each state, handed over or not."""
    rows = await engine.sql("SELECT state, dispatched_at IS NOT NULL, count(*) FROM jobs GROUP BY 1, 2")
    return {(state, is_handed_over): count for state, is_handed_over, count in rows}


async def test_an_event_that_wakes_many_fills_no_buffer_beyond_its_bound(begin: Begin) -> None:
    """More than one look's worth: all are woken, and what has no room waits in PostgreSQL for the relay."""
    engine = await begin()
    await many_waiting(engine, 2500)
    await engine.hub.queue.redis.zadd(key_of("default"), {f"{n}": n for n in range(5_000)})
    await engine.submit("test_waking.waiter")  # by which this process learns that the buffer is full
    await arrive(engine, "p1")
    assert await tally(engine) == {("queued", False): 2500, ("queued", True): 1}
    assert not await engine.sql("SELECT 1 FROM waits")


async def test_what_does_not_fit_is_left_to_the_relay(begin: Begin, monkeypatch: pytest.MonkeyPatch) -> None:
    """As with Redis away: marked as handed over, it would have to be found again, job by job."""
    engine = await begin()
    made = await engine.submit("test_waking.waiter")
    await engine.work()
    with monkeypatch.context() as away:
        away.setattr(engine.hub.handover, "fits", lambda _queue: False)
        await arrive(engine, "p1")
    row = await engine.job(made)
    assert (row.state, row.dispatched_at) == ("queued", None)
    await engine.work()
    assert (await engine.job(made)).state == "succeeded"


async def come_unseen(engine: Engine, number: str) -> None:
    """An event whose web process died before it looked who waits for it."""
    await engine.sql(
        """INSERT INTO events (id, source, external_id, type, body, headers, secret_index, correlation_id, subject)
           VALUES (gen_random_uuid(), 'depot', 'unseen', 'parcel.arrived', :body, '{}', 0, 'c', :number)""",
        body=b'{"weight": 1}',
        number=number,
    )


class Troubled(WaitStore):
    """Who waits, with troubles in an order."""

    def __init__(self, database: Database, *troubles: Exception | None) -> None:
        super().__init__(database)
        self.troubles = list(troubles)

    async def wake(self, jobs: Sequence[UUID], room: Sequence[str], limit: int) -> Woken:
        """Fail, if it is time to."""
        if self.troubles and (trouble := self.troubles.pop(0)):
            raise trouble
        return await super().wake(jobs, room, limit)


async def test_a_sweep_goes_on_where_the_last_one_ended(begin: Begin) -> None:
    """A page at a time; one that failed for a store that was away is made again, and none before it is."""
    engine = await begin()
    await many_waiting(engine, 1250)
    await come_unseen(engine, "p1")
    store = Troubled(engine.hub.database, None, Unavailable("away"))
    waking = Waking(store, engine.hub.handover, engine.hub.registry.queues)
    assert await waking.sweep() == Swept(500, more=True)
    with pytest.raises(Unavailable):
        await waking.sweep()
    assert await waking.sweep() == Swept(500, more=True)
    assert await waking.sweep() == Swept(250, more=False)
    assert not await engine.sql("SELECT 1 FROM waits")


async def test_a_page_that_cannot_be_swept_is_passed_over(begin: Begin) -> None:
    """Until the next round, so that the others have their turn."""
    engine = await begin()
    await many_waiting(engine, 750)
    await come_unseen(engine, "p1")
    store = Troubled(engine.hub.database, ArithmeticError())
    waking = Waking(store, engine.hub.handover, engine.hub.registry.queues)
    with pytest.raises(ArithmeticError):
        await waking.sweep()
    assert await waking.sweep() == Swept(250, more=False)
    assert await waking.sweep() == Swept(500, more=True)


async def test_one_relay_sweeps_all_waits_in_its_turn(begin: Begin) -> None:
    """And keeps the turn while it does; another has it when it is over."""
    engine = await begin()
    other = await another(engine.hub)
    await many_waiting(engine, 1500)
    await come_unseen(engine, "p1")
    await engine.relay.wake()
    assert await engine.sql("SELECT 1 FROM jobs WHERE state = 'waiting'") == []
    await engine.sql("UPDATE jobs SET state = 'waiting', dispatched_at = NULL")
    await engine.sql(
        "INSERT INTO waits SELECT id, 1, 'depot', 'p1', '{parcel.arrived}', created_at, '{}' FROM jobs"
    )
    await other.relay.wake()
    assert len(await engine.sql("SELECT 1 FROM jobs WHERE state = 'waiting'")) == 1500
    await engine.hub.queue.redis.delete("hub:turn:wake")
    await other.relay.wake()
    assert await engine.sql("SELECT 1 FROM jobs WHERE state = 'waiting'") == []


async def test_rescue_does_not_wait_for_the_sweep_of_waits(
    begin: Begin, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However long it takes: here for ever."""
    engine = await begin()
    sweeping = asyncio.Event()

    async def sweep() -> Swept:
        sweeping.set()
        await asyncio.Event().wait()
        raise AssertionError

    monkeypatch.setattr(engine.hub.waking, "sweep", sweep)
    made = await engine.submit("test_waking.waiter")
    dead = await another(engine.hub)
    assert await dead.claim()

    async def rescued() -> bool:
        return bool((await engine.job(made)).state != "running")

    relaying = asyncio.create_task(engine.relay.run())
    try:
        async with asyncio.timeout(30):
            await sweeping.wait()
            await engine.sql(
                "UPDATE workers SET lease_until = now() - interval '1 second' WHERE id = :id",
                id=dead.store.worker,
            )
            await until(rescued)
    finally:
        relaying.cancel()
        await asyncio.gather(relaying, return_exceptions=True)
