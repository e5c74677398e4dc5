"""Breakers that persons hold: known to every process, kept over everything, and told to every job that waits for one."""

import asyncio
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest
from sqlalchemy import text

from hub import JobContext, job
from hub.domain.errors import Conflict, Invalid, NotFound, Unavailable
from hub.domain.overrides import Forced
from hub.infra.breaker_states import State
from hub.infra.breakers import Breakers
from hub.infra.store.fleet import FleetStore
from hub.infra.store.overrides import OverrideStore
from hub.services.overrides import Overrides
from tests.services import shop
from tests.services.conftest import Start
from tests.services.engine import Engine
from tests.services.shop import Order, says
from tests.until import until


@job(queue="default")
async def buy(ctx: JobContext, args: Order) -> shop.Done:
    return await ctx.call(shop.charge, item=args.item)


@job(queue="default")
async def tell(ctx: JobContext, args: Order) -> shop.Done:
    return await ctx.call(shop.letter, item=args.item)


async def test_jobs_wait_for_a_breaker_that_is_held_open_and_say_who_holds_it(
    start: Start, server: shop.Server
) -> None:
    """Nothing is sent, no retry is used up, and when it is given back the job is done."""
    engine = await start(buy)
    fleet = engine.hub.fleet
    await fleet.force(engine.principal, "shop", Forced.OPEN, reason="announced maintenance")
    made = await engine.submit("test_overrides.buy")
    await engine.work()
    row = await engine.job(made)
    assert (row.state, row.failures, row.error_code) == ("retrying", 0, "breaker_open")
    assert "holds its breaker open (announced maintenance)" in row.error_message
    assert server.requests == []
    why = await engine.hub.why.of(engine.principal, made)
    assert (why.code, why.until) == ("breaker_open", None)
    assert why.text.startswith("the breaker of shop is held open by ")
    assert "until it is given back to itself (announced maintenance)" in why.text
    assert why.todo
    assert "give its breaker back" in why.todo
    [view] = [one for one in await fleet.providers() if one.name == "shop"]
    assert view.forced
    assert (view.forced.reason, view.parked_jobs, view.parked_bounded) == ("announced maintenance", 1, False)
    assert view.next_parked_at == row.run_at
    await fleet.give_back(engine.principal, "shop")
    await engine.pass_time()
    await engine.work()
    assert (await engine.job(made)).state == "succeeded"
    assert len(server.requests) == 1


@pytest.mark.parametrize("how", ["given back", "held closed"])
async def test_what_waits_for_a_provider_goes_on_when_a_person_lets_it(start: Start, how: str) -> None:
    """At once, and not when its time has come; what waits for another provider, or for another reason, waits on."""
    engine = await start(buy, tell)
    fleet, who = engine.hub.fleet, engine.principal
    for provider in ("shop", "post"):
        await fleet.force(who, provider, Forced.OPEN, reason="maintenance")
    bought = [await engine.submit("test_overrides.buy") for _ in range(5)]
    told = await engine.submit("test_overrides.tell")
    await engine.work()
    later = await engine.submit("test_overrides.buy", run_at=datetime.now(UTC) + timedelta(hours=1))
    if how == "given back":
        await fleet.give_back(who, "shop")
    else:
        await fleet.force(who, "shop", Forced.CLOSED, reason="it is over")
    waits = {job: (await engine.job(job)).run_at - datetime.now(UTC) for job in (*bought, told, later)}
    assert max(waits[job] for job in bought) < timedelta(seconds=5)
    assert min(waits[told], waits[later]) > timedelta(seconds=15)


async def parked(engine: Engine, jobs: int = 1) -> list[UUID]:
    """Jobs that have met a breaker which a person holds open."""
    await engine.hub.fleet.force(engine.principal, "shop", Forced.OPEN, reason="maintenance")
    made = [await engine.submit("test_overrides.buy") for _ in range(jobs)]
    assert await engine.work() == jobs
    return made


async def test_what_waits_is_brought_forward_page_by_page_and_not_without_end(start: Start) -> None:
    """Nobody waits for one statement about them all; whoever is beyond the bound looks again by itself."""
    engine = await start(buy)
    await parked(engine, 7)
    store = FleetStore(engine.hub.database)
    assert await store.bring_forward("shop", timedelta(seconds=1), most=4, page=2) == 4
    assert await store.bring_forward("shop", timedelta(seconds=2), most=100, page=2) == 3
    assert await store.bring_forward("shop", timedelta(seconds=2), most=100, page=2) == 0


async def test_no_more_is_looked_at_than_was_said_whatever_it_waits_for(start: Start) -> None:
    """A heap of jobs that are scheduled, and due before, costs no more than one of jobs that wait for the provider."""
    engine = await start(buy)
    [one] = await parked(engine)
    for _ in range(4):
        await engine.submit("test_overrides.buy", run_at=datetime.now(UTC) + timedelta(seconds=10))
    await engine.sql("UPDATE jobs SET run_at = now() + interval '20 seconds' WHERE id = :id", id=one)
    store = FleetStore(engine.hub.database)
    assert await store.bring_forward("shop", timedelta(seconds=1), most=4, page=2) == 0
    assert await store.bring_forward("shop", timedelta(seconds=1), most=6, page=2) == 1


async def test_a_job_that_has_run_meanwhile_is_not_brought_forward(start: Start) -> None:
    """It may have been told by the provider when to come again, between the look at it and its turn."""
    engine = await start(buy)
    [one] = await parked(engine)
    # Whoever reads steps waits for a lock that the test holds: the look has happened, the turn has not come.
    held = "CREATE FUNCTION held() RETURNS boolean LANGUAGE plpgsql AS"
    held += " $$ BEGIN PERFORM pg_advisory_xact_lock_shared(7); RETURN true; END $$"
    view = "CREATE VIEW steps AS SELECT * FROM kept_steps WHERE held()"
    for statement in (held, "ALTER TABLE steps RENAME TO kept_steps", view):
        await engine.sql(statement)
    store = FleetStore(engine.hub.database)
    async with engine.hub.database.transaction() as holding:
        await holding.execute(text("SELECT pg_advisory_xact_lock(7)"))
        moving = asyncio.create_task(store.bring_forward("shop", timedelta(seconds=1)))

        async def waits() -> bool:
            return bool(
                await engine.sql("SELECT 1 FROM pg_locks WHERE locktype = 'advisory' AND NOT granted")
            )

        await until(waits)
        await engine.sql("UPDATE jobs SET error_code = 'status_429' WHERE id = :id", id=one)
    assert await moving == 0


async def test_what_was_ordered_is_done_though_the_database_goes_away_after_it(start: Start) -> None:
    """While jobs are let go: nobody is told that it failed, and whoever gives back again lets go what still waits."""

    class Away(FleetStore):
        async def bring_forward(self, *_given: object, **_named: object) -> int:
            raise Unavailable("gone")

    engine = await start(buy)
    fleet, who = engine.hub.fleet, engine.principal
    [one] = await parked(engine)
    store, fleet._store = fleet._store, Away(engine.hub.database)
    assert (await fleet.give_back(who, "shop")).forced is None
    assert (await engine.job(one)).run_at - datetime.now(UTC) > timedelta(seconds=15)
    fleet._store = store
    await fleet.give_back(who, "shop")
    assert (await engine.job(one)).run_at - datetime.now(UTC) < timedelta(seconds=5)


async def test_every_process_learns_of_it_within_a_second(start: Start) -> None:
    """One that has never asked, too: it is in PostgreSQL, not in what a flushed Redis forgets."""
    engine = await start(buy)
    elsewhere = Breakers()
    learning = asyncio.create_task(Overrides(OverrideStore(engine.hub.database), elsewhere).run())
    began = asyncio.get_running_loop().time()
    await engine.hub.fleet.force(engine.principal, "shop", Forced.OPEN, reason="maintenance")
    await engine.hub.queue.redis.flushall()

    async def open_there() -> bool:
        return elsewhere.of("shop").state is State.OPEN

    await until(open_there)
    assert asyncio.get_running_loop().time() - began < 5
    learning.cancel()
    with suppress(asyncio.CancelledError):
        await learning
    late = Breakers()
    await Overrides(OverrideStore(engine.hub.database), late).learn()
    assert late.of("shop").state is State.OPEN


async def test_an_order_that_has_ended_holds_nothing(start: Start) -> None:
    """By the database's clock."""
    engine = await start(buy)
    later = datetime.now(UTC) + timedelta(hours=1)
    await engine.hub.fleet.force(engine.principal, "shop", Forced.OPEN, reason="maintenance", until=later)
    await engine.sql("UPDATE breaker_overrides SET until = now() - interval '1 second'")
    breakers = Breakers()
    await Overrides(OverrideStore(engine.hub.database), breakers).learn()
    assert breakers.of("shop").state is State.CLOSED
    assert (await engine.hub.fleet.provider("shop")).forced is None


async def test_while_the_database_is_away_what_was_learnt_last_holds() -> None:
    """A provider that must not be called is not called because the database restarts."""

    class Away(OverrideStore):
        def __init__(self) -> None:
            self.asked = asyncio.Event()

        async def standing(self) -> list[object]:  # type: ignore[override]  # it never answers
            self.asked.set()
            raise Unavailable("gone")

    breakers, store = Breakers(), Away()
    learning = asyncio.create_task(Overrides(store, breakers, interval=timedelta(0)).run())
    for _ in range(3):
        store.asked.clear()
        await store.asked.wait()
    assert not learning.done()
    learning.cancel()
    with suppress(asyncio.CancelledError):
        await learning


async def test_each_order_is_a_line_in_the_audit_log(start: Start) -> None:
    """Who, what, why; giving back what nobody holds leaves one, too, as it lets jobs look again before their time."""
    engine = await start(buy)
    fleet, who = engine.hub.fleet, engine.principal
    await fleet.force(who, "shop", Forced.OPEN, reason="maintenance")
    await fleet.force(who, "shop", Forced.CLOSED, reason="they say it is over")
    for _ in range(2):
        await fleet.give_back(who, "shop", reason="it is")
    rows = await engine.sql(
        "SELECT action, subject, detail ->> 'reason' AS reason FROM audit_log ORDER BY id"
    )
    assert [tuple(row) for row in rows] == [
        ("breaker.open", "shop", "maintenance"),
        ("breaker.closed", "shop", "they say it is over"),
        ("breaker.auto", "shop", "it is"),
        ("breaker.auto", "shop", "it is"),
    ]


async def test_an_order_needs_a_reason_a_provider_and_an_end_that_is_ahead(start: Start) -> None:
    """All of which is said."""
    engine = await start(buy)
    fleet, who = engine.hub.fleet, engine.principal
    with pytest.raises(NotFound):
        await fleet.force(who, "nobody", Forced.OPEN, reason="x")
    with pytest.raises(Invalid) as refused:
        await fleet.force(who, "shop", Forced.OPEN, reason="  ")
    assert refused.value.problems[0].pointer == "/reason"
    for wrong in (datetime.now(UTC) - timedelta(seconds=1), datetime.now(UTC) + timedelta(days=400)):
        with pytest.raises(Invalid) as refused:
            await fleet.force(who, "shop", Forced.OPEN, reason="x", until=wrong)
        assert refused.value.problems[0].pointer == "/until"
    assert await engine.sql("SELECT 1 FROM breaker_overrides") == []


async def test_a_probe_is_sent_once_whatever_the_breaker_says(start: Start, server: shop.Server) -> None:
    """It tells how long it took and what was answered; breaker, jobs and orders stay as they were."""
    engine = await start(buy, operations=(shop.hello,))
    fleet, who = engine.hub.fleet, engine.principal
    await fleet.force(who, "shop", Forced.OPEN, reason="maintenance")
    well = await fleet.probe(who, "shop")
    assert (well.ok, well.status, well.code) == (True, None, None)
    assert well.milliseconds > 0
    server.answers = [says(503)]
    unwell = await fleet.probe(who, "shop")
    assert (unwell.ok, unwell.status, unwell.code) == (False, 503, "status_503")
    assert [request.url.path for request in server.requests] == ["/hello", "/hello"]
    assert engine.hub.breakers.of("shop").snapshot().calls == 0
    assert (await fleet.provider("shop")).forced
    notes = await engine.sql(
        "SELECT detail ->> 'outcome' AS outcome FROM audit_log WHERE action = 'provider.probe' ORDER BY id"
    )
    assert [row.outcome for row in notes] == ["ok", "status_503"]


async def test_a_provider_without_a_probe_says_why(start: Start) -> None:
    """Instead of sending something that might do harm."""
    engine = await start(buy)
    with pytest.raises(Conflict, match="letters cannot be called back") as refused:
        await engine.hub.fleet.probe(engine.principal, "post")
    assert refused.value.code == "no_probe"


async def test_workers_are_shown_with_what_they_run(start: Start) -> None:
    """One that lives, with what it holds; one that went silent is told apart; one that has stopped is not shown."""
    engine = await start(buy)
    await engine.submit("test_overrides.buy")
    await engine.claim()
    silent = "UPDATE workers SET lease_until = now() - interval '1 second'"
    [worker] = await engine.hub.fleet.workers()
    assert (worker.alive, worker.running, worker.concurrency) == (True, 1, 1)
    await engine.sql(silent)
    assert [one.alive for one in await engine.hub.fleet.workers()] == [False]
    await engine.sql("UPDATE workers SET stopped_at = now()")
    assert await engine.hub.fleet.workers() == []
