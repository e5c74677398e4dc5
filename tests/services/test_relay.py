"""The relay: what is due moves, the buffer stays bounded, and whatever is lost is found."""

import asyncio
from contextlib import suppress
from datetime import timedelta

import pytest
from sqlalchemy.exc import ProgrammingError

from hub import Args, Backoff, JobContext, job
from hub.domain.jobs import LOST_LIMIT
from hub.infra.queue import key_of
from hub.infra.store.plans import PlanStore
from hub.infra.store.relay import RelayStore
from tests.services.conftest import Start
from tests.services.engine import another
from tests.until import until


class Nothing(Args):
    pass


@job()
async def work(_ctx: JobContext, _args: Nothing) -> None:
    pass


@job(retry=Backoff(attempts=9))
async def loop(_ctx: JobContext, _args: Nothing) -> None:
    pass


async def test_the_buffer_is_filled_by_priority_up_to_its_bound(start: Start) -> None:
    """Ten places and thirty jobs: the ten of the highest priority stand in Redis, the others wait in PostgreSQL."""
    engine = await start(work, environ={"HUB_RELAY_BUFFER_LIMIT": "10"})
    made = [await engine.submit("test_relay.work", priority=number % 3) for number in range(30)]
    await engine.hub.queue.redis.flushall()
    await engine.sql("UPDATE jobs SET dispatched_at = NULL, dispatch = 0")
    assert await engine.relay.refill() == 10
    assert await engine.relay.refill() == 0
    assert await engine.hub.queue.depths(["default"]) == {"default": 10}
    taken = {job_id for job_id, _ in await engine.hub.queue.take(["default"], 100)}
    assert taken == set(made[2::3])


async def test_what_a_flushed_redis_lost_is_handed_over_again(start: Start) -> None:
    """Only what is lost: a hand-over that stands there stays as it is."""
    engine = await start(work)
    lost = await engine.submit("test_relay.work")
    await engine.hub.queue.redis.flushall()
    kept = await engine.submit("test_relay.work")
    await engine.sql("UPDATE jobs SET dispatched_at = dispatched_at - interval '1 minute'")
    await engine.relay.sweep()
    assert (await engine.job(lost)).dispatched_at is None
    assert (await engine.job(kept)).dispatched_at is not None
    assert await engine.work() == 2
    assert [(await engine.job(one)).dispatch for one in (lost, kept)] == [2, 1]


async def test_what_a_flushed_redis_lost_is_handed_over_again_at_once(start: Start) -> None:
    """The next look finds Redis empty and does not wait until a hand-over is old; none is claimed twice."""
    engine = await start(work, environ={"HUB_RELAY_REHAND_AFTER": "3600"})
    made = [await engine.submit("test_relay.work") for _ in range(30)]
    await engine.relay.refill()
    taken = await engine.hub.queue.take(["default"], 10)
    await engine.hub.queue.redis.flushall()
    await engine.relay.refill()
    assert await engine.work() == 30
    # What a worker had taken when Redis was lost was handed over again too: its claim comes too late.
    assert await engine.execute.claim(taken) == []
    assert [(await engine.job(one)).attempt for one in made] == [1] * 30
    kept = await engine.submit("test_relay.work")
    await engine.relay.refill()
    assert (await engine.job(kept)).dispatch == 1


async def test_a_look_that_fails_is_made_again(start: Start) -> None:
    """Redis is known to have been empty until what was lost has been found."""
    engine = await start(work, environ={"HUB_RELAY_REHAND_AFTER": "3600"})
    await engine.submit("test_relay.work")
    await engine.hub.queue.redis.flushall()
    await engine.sql("ALTER TABLE jobs RENAME COLUMN priority TO gone")
    with pytest.raises(ProgrammingError):
        await engine.relay.refill()
    assert not (await engine.hub.queue.look([])).forgotten
    await engine.sql("ALTER TABLE jobs RENAME COLUMN gone TO priority")
    assert await engine.work() == 0
    assert await engine.work() == 1


async def test_lost_hand_overs_beyond_one_page_are_found(start: Start) -> None:
    """Two and a half thousand at once, of one moment."""
    engine = await start(work)
    [[application]] = await engine.sql("SELECT id FROM applications")
    await engine.sql(
        """INSERT INTO jobs (id, name, args, queue, priority, state, run_at, application_id, correlation_id, dispatch,
                             dispatched_at)
           SELECT gen_random_uuid(), 'test_relay.work', '{}', 'default', 5, 'queued', now(), :application, 'c', 1,
                  now() - interval '1 minute' FROM generate_series(1, 2500)""",
        application=application,
    )
    await engine.relay.sweep()
    assert [
        tuple(row) for row in await engine.sql("SELECT count(*) FROM jobs WHERE dispatched_at IS NULL")
    ] == [(2500,)]


async def test_relays_take_turns_at_looking_for_lost_hand_overs(start: Start) -> None:
    """One looks for all, though others may be many; when its turn is over, or lost with Redis, whoever comes first does."""
    engine = await start(work)
    other = await another(engine.hub)
    made = await engine.submit("test_relay.work")
    redis = engine.hub.queue.redis

    async def lose() -> None:
        await redis.delete(key_of("default"))
        await engine.sql("UPDATE jobs SET dispatched_at = now() - interval '1 minute'")

    async def is_lost() -> bool:
        return (await engine.job(made)).dispatched_at is not None

    await engine.relay.sweep()
    await lose()
    # However slow this machine is, the turn is not over yet.
    assert await redis.pexpire("hub:turn:sweep", 60_000) or await engine.hub.queue.turn(
        "sweep", timedelta(minutes=1)
    )
    await other.relay.sweep()
    assert await is_lost()
    assert await redis.pexpire("hub:turn:sweep", 50)

    async def found() -> bool:
        await other.relay.sweep()
        return not await is_lost()

    # The first one is never heard of again.
    await until(found)
    await lose()
    await redis.flushall()
    await engine.relay.sweep()
    assert not await is_lost()


async def test_lost_workers_are_found_out_of_turn(start: Start) -> None:
    """Every relay looks for them, and still when Redis gives the turn to another."""
    engine = await start(loop)
    made = await engine.submit("test_relay.loop")
    victim = await another(engine.hub)
    assert len(await victim.claim()) == 1
    await victim.store.heartbeat(timedelta(seconds=-1))
    assert await engine.hub.queue.turn("sweep", timedelta(minutes=1))
    await engine.relay.sweep()
    assert (await engine.job(made)).worker_id is None


async def test_lost_workers_are_found_while_something_is_deleted(start: Start) -> None:
    """A dry run of a million jobs that nobody has started takes a while; a worker that died does not wait for that."""
    deleting = asyncio.Event()

    class Slow(PlanStore):
        async def forget_unstarted(self, *_given: object, **_named: object) -> None:
            deleting.set()
            await asyncio.Event().wait()

    engine = await start(loop)
    engine.relay._plans = Slow(engine.hub.database)
    running = asyncio.create_task(engine.relay.run())
    await deleting.wait()
    made = await engine.submit("test_relay.loop")
    victim = await another(engine.hub)
    claimed: list[object] = []

    async def is_claimed() -> bool:
        claimed.extend(await victim.execute.claim(await engine.hub.queue.take(["default"], 10)))
        return bool(claimed)

    await until(is_claimed)
    await victim.store.heartbeat(timedelta(seconds=-1))

    async def is_found() -> bool:
        return (await engine.job(made)).worker_id is None

    await until(is_found)
    running.cancel()
    with suppress(asyncio.CancelledError):
        await running


async def test_jobs_of_a_dead_worker_are_rescued_and_a_crash_loop_ends(start: Start) -> None:
    """Each death is counted and costs no budget; where nothing is ever proven, the tenth fails the job all the same."""
    engine = await start(loop)
    made = await engine.submit("test_relay.loop")
    for crash in range(1, LOST_LIMIT + 1):
        victim = await another(engine.hub)
        assert len(await victim.claim()) == 1
        assert await engine.relay.rescue() == 0
        await victim.store.heartbeat(timedelta(seconds=-1))
        assert await engine.relay.rescue() == 1
        row = await engine.job(made)
        assert (row.crashes, row.failures, row.worker_id) == (crash, 0, None)
    row = await engine.job(made)
    assert (row.state, row.reason) == ("failed", "crash_loop")
    assert [attempt.outcome for attempt in await engine.attempts(made)] == ["interrupted"] * LOST_LIMIT


async def test_a_suspect_is_handed_over_apart_from_the_others(start: Start) -> None:
    """A worker takes as many as it can run apart, and leaves the others to others; lost, they are found there too."""
    engine = await start(work)
    made = [await engine.submit("test_relay.work") for _ in range(5)]
    await engine.hub.queue.redis.flushall()
    await engine.sql("UPDATE jobs SET dispatched_at = NULL, dispatch = 0")
    await engine.sql("UPDATE jobs SET crashes = 2 WHERE id <> :id", id=made[0])
    assert await engine.relay.refill() == 5
    assert await engine.hub.queue.take(["default"], 100, 0) == [(made[0], 1)]
    assert len(await engine.hub.queue.take(["default"], 100, 3)) == 3
    await engine.sql("UPDATE jobs SET dispatched_at = now() - interval '1 minute' WHERE crashes = 2")
    await engine.relay.sweep()
    [[lost]] = await engine.sql("SELECT count(*) FROM jobs WHERE crashes = 2 AND dispatched_at IS NULL")
    assert lost == 3


async def test_workers_that_have_gone_are_forgotten(start: Start) -> None:
    """After a day, unless they still hold a job; those that live, or went lately, stay."""
    engine = await start(loop)
    await engine.submit("test_relay.loop")
    holder, gone, lately = [await another(engine.hub) for _ in range(3)]
    assert len(await holder.claim()) == 1
    for worker, hours in ((holder, 48), (gone, 48), (lately, 1)):
        await worker.store.heartbeat(timedelta(hours=-hours))
    # Before the rescue: the row is what finds the job.
    store = RelayStore(engine.hub.database)
    assert await store.forget_workers(timedelta(days=1), 100) == 1
    kept = {row[0] for row in await engine.sql("SELECT id FROM workers")}
    assert kept == {engine.store.worker, holder.store.worker, lately.store.worker}
    await engine.relay.sweep()
    await engine.relay.prune()
    kept = {row[0] for row in await engine.sql("SELECT id FROM workers")}
    assert kept == {engine.store.worker, lately.store.worker}


async def test_the_relay_knows_when_the_next_lease_lapses(start: Start) -> None:
    """Not later than asked for, and not for workers that went long ago."""
    engine = await start(loop)
    store = RelayStore(engine.hub.database)
    assert await store.until_next_lapse(1) == 1
    assert 25 < await store.until_next_lapse(60) <= 30
    other = await another(engine.hub)
    await other.store.heartbeat(timedelta(seconds=0.5))
    assert 0 < await store.until_next_lapse(60) <= 0.5
    await other.store.heartbeat(timedelta(seconds=-1))
    assert await store.until_next_lapse(1) == 1


async def test_a_success_ends_the_count_of_crashes(start: Start) -> None:
    """Only crashes in a row make a loop."""
    engine = await start(loop)
    made = await engine.submit("test_relay.loop")
    victim = await another(engine.hub)
    await victim.claim()
    await victim.store.retire()
    assert await engine.relay.rescue() == 1
    assert await engine.work() == 1
    row = await engine.job(made)
    assert (row.state, row.crashes, row.attempt) == ("succeeded", 0, 2)


async def test_two_relays_hand_nothing_over_twice(start: Start) -> None:
    """They share the work; every job stands in Redis once."""
    engine = await start(work)
    other = await another(engine.hub)
    for _ in range(40):
        await engine.submit("test_relay.work")
    await engine.hub.queue.redis.flushall()
    await engine.sql("UPDATE jobs SET dispatched_at = NULL")

    async def all_handed() -> bool:
        handed = await engine.relay.refill() + await other.relay.refill()
        return handed == 0

    await until(all_handed)
    assert await engine.hub.queue.depths(["default"]) == {"default": 40}
    assert await engine.work() == 40


async def test_a_whole_held_backlog_is_released_at_once(start: Start) -> None:
    """A resumed queue is not throttled by the sweep's pace."""
    engine = await start(work)
    [[application]] = await engine.sql("SELECT id FROM applications")
    await engine.sql(
        """INSERT INTO jobs (id, name, args, queue, priority, state, reason, run_at, application_id, correlation_id)
           SELECT gen_random_uuid(), 'test_relay.work', '{}', 'default', 5, 'held', 'queue_paused', now(), :application,
                  'c' FROM generate_series(1, 2500)""",
        application=application,
    )
    await engine.relay.sweep()
    assert [tuple(row) for row in await engine.sql("SELECT DISTINCT state FROM jobs")] == [("queued",)]
