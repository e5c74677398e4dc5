"""Gauges: read from the stores when somebody asks, and kept when a store is away."""

from hub import Args, JobContext, job
from hub.domain.jobs import HELD_FOR
from hub.infra.breaker_states import State
from hub.infra.store.database import Database
from hub.infra.store.depths import DepthStore
from hub.services.gauges import FRESH, Gauges
from hub.services.hub import Hub
from tests.clock import Clock
from tests.infra.test_metrics import samples
from tests.services import shop
from tests.services.conftest import Start


@job(queue="mail")
async def post(_ctx: JobContext, _args: Args) -> None:
    """Nothing to do."""


def made(hub: Hub, clock: Clock, database: Database | None = None) -> Gauges:
    return Gauges(
        hub.metrics,
        DepthStore(database or hub.database),
        hub.queue,
        ["default", "mail"],
        hub.breakers,
        ["shop"],
        clock=clock,
    )


async def test_queues_are_asked_at_most_every_few_seconds(start: Start) -> None:
    """However often the metrics are read."""
    engine = await start(post)
    clock = Clock()
    gauges = made(engine.hub, clock)
    await gauges.refresh()
    await engine.submit("test_gauges.post")
    await gauges.refresh()
    assert samples(engine.hub.metrics)["hub_queue_depth", "mail"] == 0
    clock.now = FRESH
    await gauges.refresh()
    seen = samples(engine.hub.metrics)
    assert seen["hub_queue_depth", "mail"] == 1
    assert 0 < seen["hub_queue_oldest_due_seconds", "mail"] < 30
    assert seen["hub_queue_ready", "mail"] == 1
    assert (seen["hub_store_up", "postgresql"], seen["hub_store_up", "redis"]) == (1, 1)


async def test_what_is_held_is_shown_by_its_reason(start: Start) -> None:
    """How much, and for how long it has been due; nought where nothing is, so that an alert ends."""
    engine = await start(post)
    one, other = await engine.submit("test_gauges.post"), await engine.submit("test_gauges.post")
    clock = Clock()
    gauges = made(engine.hub, clock)
    await engine.sql(
        """UPDATE jobs SET state = 'held', dispatched_at = NULL, run_at = now() - interval '1 hour',
           reason = CASE id WHEN :one THEN 'unknown_job' ELSE 'queue_paused' END WHERE id IN (:one, :other)""",
        one=one,
        other=other,
    )
    await gauges.refresh()
    seen = samples(engine.hub.metrics)
    assert [seen["hub_jobs_held", reason] for reason in HELD_FOR] == [1, 1, 0, 0]
    assert 3600 <= seen["hub_held_oldest_due_seconds", "unknown_job"] < 3700
    await engine.sql("UPDATE jobs SET state = 'queued', reason = NULL")
    clock.now = FRESH
    await gauges.refresh()
    seen = samples(engine.hub.metrics)
    assert {seen["hub_jobs_held", reason] for reason in HELD_FOR} == {0}
    assert seen["hub_held_oldest_due_seconds", "unknown_job"] == 0


async def test_what_waits_for_its_time_or_an_event_is_shown_by_its_state(start: Start) -> None:
    """Nothing of it is due, so no queue's depth has it."""
    engine = await start(post)
    clock = Clock()
    gauges = made(engine.hub, clock)
    for state in ("waiting", "waiting", "retrying"):
        job = await engine.submit("test_gauges.post")
        await engine.sql(
            "UPDATE jobs SET state = :state, dispatched_at = NULL, run_at = now() + interval '1 hour' WHERE id = :job",
            state=state,
            job=job,
        )
    await gauges.refresh()
    seen = samples(engine.hub.metrics)
    assert [seen["hub_jobs_later", state] for state in ("scheduled", "retrying", "waiting")] == [0, 1, 2]
    assert seen["hub_queue_depth", "mail"] == 0
    await engine.sql("UPDATE jobs SET state = 'queued'")
    clock.now = FRESH
    await gauges.refresh()
    assert samples(engine.hub.metrics)["hub_jobs_later", "waiting"] == 0


async def test_a_store_that_is_away_leaves_what_was_known(start: Start) -> None:
    """And is told to be away."""
    engine = await start(post)
    gauges = made(engine.hub, Clock())
    await engine.submit("test_gauges.post")
    await gauges.refresh()
    away = Database("postgresql://nobody@127.0.0.1:9/nothing")
    await made(engine.hub, Clock(), away).refresh()
    seen = samples(engine.hub.metrics)
    assert seen["hub_store_up", "postgresql"] == 0
    assert seen["hub_store_up", "redis"] == 1
    assert seen["hub_queue_depth", "mail"] == 1
    await away.close()


async def test_a_provider_s_breaker_is_shown_as_it_stands_now(start: Start) -> None:
    """The worst of its targets, also where another process opened it."""
    engine = await start(post)
    breakers, gauges = engine.hub.breakers, made(engine.hub, Clock())
    await gauges.refresh()
    assert samples(engine.hub.metrics)["hub_breaker_state", "shop"] == 0
    breakers.of("shop", "one")
    breakers.of("shop", "two").open_until(breakers.clock() + 60)
    await gauges.refresh()
    assert samples(engine.hub.metrics)["hub_breaker_state", "shop"] == 2
    breakers.of("shop", "two").open_until(breakers.clock() - 1)
    assert breakers.of("shop", "two").state is State.HALF_OPEN
    await gauges.refresh()
    assert samples(engine.hub.metrics)["hub_breaker_state", "shop"] == 1


async def test_what_runs_is_shown(start: Start, server: shop.Server) -> None:
    """By queue, for as long as it runs."""

    @job(queue="mail")
    async def look(_ctx: JobContext, _args: Args) -> None:
        await engine.hub.gauges.refresh()
        seen.append(samples(engine.hub.metrics)["hub_jobs_running", "mail"])

    seen: list[float] = []
    engine = await start(look)
    await engine.submit("test_gauges.look")
    await engine.work()
    await engine.hub.gauges.refresh()
    assert [*seen, samples(engine.hub.metrics)["hub_jobs_running", "mail"]] == [1, 0]
