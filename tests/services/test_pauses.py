"""Jobs that sleep and wait: no worker is held, nothing is missed, and each event ends one wait."""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from hub import Args, Backoff, JobContext, WaitTimedOut, job
from hub.infra.store.waits import WaitStore
from tests.services import shop
from tests.services.conftest import Start
from tests.services.deliveries import SECRET, SETTINGS, Arrived, delivery, source
from tests.services.engine import Engine, another

SOON = Backoff(attempts=3, base=timedelta(milliseconds=1))
HOUR = timedelta(hours=1)


class Parcel(Args):
    number: str = "p1"
    again: bool = False


@job(retry=SOON)
async def sleeper(ctx: JobContext, args: shop.Order) -> int:
    await ctx.call(shop.wrap, item=args.item)
    await ctx.sleep(HOUR)
    return (await ctx.call(shop.charge, item=args.item)).number


@job(retry=SOON)
async def waiter(ctx: JobContext, args: Parcel) -> list[int]:
    await ctx.call(shop.wrap, item=args.number)
    weights = []
    for _ in range(2 if args.again else 1):
        arrived = await ctx.wait_for("depot:parcel.arrived", Arrived, about=args.number, timeout=HOUR)
        weights.append(arrived.weight)
    return weights


@job(retry=SOON)
async def patient(ctx: JobContext, args: Parcel) -> str:
    try:
        await ctx.wait_for(
            ("depot:parcel.arrived", "depot:parcel.lost"), Arrived, about=args.number, timeout=HOUR
        )
    except WaitTimedOut:
        await ctx.call(shop.charge, item="a search")
        return "searched"
    return "came"


@job(retry=SOON)
async def impatient(ctx: JobContext, args: Parcel) -> int:
    return (await ctx.wait_for("depot:parcel.arrived", Arrived, about=args.number, timeout=HOUR)).weight


@job(retry=SOON)
async def both(ctx: JobContext, args: Parcel) -> list[int]:
    first, second = await asyncio.gather(
        ctx.wait_for("depot:parcel.arrived", Arrived, about="a", timeout=HOUR),
        ctx.wait_for("depot:parcel.arrived", Arrived, about="b", timeout=HOUR),
    )
    return [first.weight, second.weight]


@job(retry=SOON)
async def beside(ctx: JobContext, args: Parcel) -> int:
    """A call and a wait in one task group: the wait must not cut the call off."""
    async with asyncio.TaskGroup() as group:
        sent = group.create_task(ctx.call(shop.letter, item="letter"))
        group.create_task(ctx.wait_for("depot:parcel.arrived", Arrived, about=args.number, timeout=HOUR))
    return sent.result().number


@job(retry=SOON)
async def twins(ctx: JobContext, args: Parcel) -> list[str]:
    """Two branches that wait for the same."""
    first, second = await asyncio.gather(
        ctx.wait_for("depot:parcel.arrived", Arrived, about=args.number, timeout=HOUR),
        ctx.wait_for("depot:parcel.arrived", Arrived, about=args.number, timeout=HOUR),
    )
    return [first.id, second.id]


@job(retry=SOON)
async def deaf(ctx: JobContext, args: Parcel) -> str:
    """Takes its own pause for a result."""
    [said] = await asyncio.gather(
        ctx.wait_for("depot:parcel.arrived", Arrived, about=args.number, timeout=HOUR), return_exceptions=True
    )
    return type(said).__name__


@job(retry=SOON)
async def tidy(ctx: JobContext, args: Parcel) -> None:
    """Would charge before it is time."""
    try:
        await ctx.wait_for("depot:parcel.arrived", Arrived, about=args.number, timeout=HOUR)
    finally:
        await ctx.call(shop.charge, item="at the end")


@job(retry=SOON)
async def fickle(ctx: JobContext, args: Parcel) -> int:
    """Waits for something else each time."""
    about = f"{args.number}-{ctx.attempt}"
    return (await ctx.wait_for("depot:parcel.arrived", Arrived, about=about, timeout=HOUR)).weight


class Named(Arrived):
    name: str = ""


@job(retry=SOON)
async def reader(ctx: JobContext, args: Parcel) -> str:
    return (await ctx.wait_for("depot:parcel.arrived", Named, about=args.number, timeout=HOUR)).name


class Wanted(Args):
    event: str
    about: Any = "p1"


@job(retry=SOON)
async def hopeless(ctx: JobContext, args: Wanted) -> None:
    await ctx.wait_for(args.event, Arrived, about=args.about, timeout=HOUR)


@job(retry=SOON)
async def careless(ctx: JobContext, args: Parcel) -> None:
    """Waits on as if its letter had been answered."""
    with contextlib.suppress(Exception):
        await ctx.call(shop.letter, item="letter")
    await ctx.wait_for("depot:parcel.arrived", Arrived, about=args.number, timeout=HOUR)


@job(retry=SOON)
async def greedy(ctx: JobContext, args: Parcel) -> str:
    try:
        await ctx.wait_for("depot:parcel.arrived", Arrived, about=args.number, timeout=HOUR)
    except Exception:  # noqa: BLE001 - the point
        return "swallowed"
    return "came"


ALL = (
    sleeper,
    waiter,
    patient,
    impatient,
    both,
    beside,
    hopeless,
    careless,
    twins,
    deaf,
    tidy,
    fickle,
    reader,
    greedy,
)
Begin = Callable[[], Awaitable[Engine]]


@pytest.fixture
def begin(start: Start) -> Begin:
    """An engine that knows these jobs and the depot."""
    return lambda: start(*ALL, sources=(source,), environ=SETTINGS)


async def arrive(
    engine: Engine, number: str, event: str = "e1", kind: str = "parcel.arrived", weight: int = 7
) -> None:
    """The depot tells of a parcel."""
    await engine.hub.intake.receive("depot", *delivery(event, kind, about=number, weight=weight), "test")
    await engine.hub.intake.drain()


async def end_of_time(engine: Engine) -> None:
    """Let everything that waits for time be due now, by every record of it."""
    await engine.sql("UPDATE jobs SET run_at = now() WHERE state = 'waiting'")
    await engine.sql(
        "UPDATE steps SET answer = jsonb_set(answer, '{until}', '\"2020-01-01T00:00:00+00:00\"') WHERE kind IN ('sleep', 'wait')"
    )


async def test_a_sleeping_job_holds_no_worker_and_goes_on_from_there(
    begin: Begin, server: shop.Server
) -> None:
    """Waiting until its time; then the step before is not done again, and the one behind is done."""
    engine = await begin()
    made = await engine.submit("test_pauses.sleeper")
    assert await engine.work() == 1
    row = await engine.job(made)
    assert (row.state, row.worker_id, row.failures) == ("waiting", None, 0)
    [left] = await engine.sql("SELECT extract(epoch FROM run_at - now()) FROM jobs")
    assert 3590 < left[0] <= 3600
    await end_of_time(engine)
    assert await engine.work() == 1
    assert (await engine.job(made)).state == "succeeded"
    assert dict(server.items) == {"book": 2}
    assert [attempt.outcome for attempt in await engine.attempts(made)] == ["waiting", "succeeded"]


async def test_a_job_that_is_woken_early_sleeps_on(begin: Begin) -> None:
    """Its record says until when, not how long from now."""
    engine = await begin()
    made = await engine.submit("test_pauses.sleeper")
    await engine.work()
    [before] = await engine.sql("SELECT answer->>'until' FROM steps WHERE kind = 'sleep'")
    await engine.sql("UPDATE jobs SET run_at = now()")
    await engine.work()
    [after] = await engine.sql("SELECT answer->>'until' FROM steps WHERE kind = 'sleep'")
    assert ((await engine.job(made)).state, after) == ("waiting", before)


async def test_an_event_wakes_the_job_that_waits_for_it(begin: Begin, server: shop.Server) -> None:
    """At once, and only for its subject and its type; what was done before is not done again."""
    engine = await begin()
    made = await engine.submit("test_pauses.waiter")
    await engine.work()
    assert (await engine.job(made)).state == "waiting"
    await arrive(engine, "p2", "e1")
    await arrive(engine, "p1", "e2", kind="parcel.lost")
    assert (await engine.job(made)).state == "waiting"
    await arrive(engine, "p1", "e3", weight=12)
    assert (await engine.job(made)).state == "queued"
    await engine.work()
    row = await engine.job(made)
    assert (row.state, row.result, len(server.requests)) == ("succeeded", [12], 1)
    assert not await engine.sql("SELECT 1 FROM waits")


async def test_an_event_that_came_before_the_wait_is_found(begin: Begin) -> None:
    """Between the making of the job and its wait: it does not wait at all."""
    engine = await begin()
    made = await engine.submit("test_pauses.waiter")
    await arrive(engine, "p1", weight=3)
    await engine.work()
    row = await engine.job(made)
    assert (row.state, row.result, row.attempt) == ("succeeded", [3], 1)


async def test_an_event_from_before_the_job_is_not_its_answer(begin: Begin) -> None:
    """Unless it asks for it."""
    engine = await begin()
    await arrive(engine, "p1")
    made = await engine.submit("test_pauses.waiter")
    await engine.work()
    assert (await engine.job(made)).state == "waiting"


@pytest.mark.parametrize(("later", "what"), [("2 hours", "beyond the wait"), ("1 second", "within it")])
async def test_the_event_that_came_first_ends_the_wait(begin: Begin, later: str, what: str) -> None:
    """By the time it was received and not by its id; one that came too late does not hide one that did not."""
    engine = await begin()
    made = await engine.submit("test_pauses.waiter")
    await arrive(engine, "p1", "e1", weight=1)
    await arrive(engine, "p1", "e2", weight=2)
    await engine.sql(
        "UPDATE events SET received_at = received_at + CAST(CAST(:later AS text) AS interval) WHERE external_id = 'e1'",
        later=later,
    )
    await engine.work()
    assert (await engine.job(made)).result == [2], what


async def test_each_event_ends_one_wait(begin: Begin) -> None:
    """Two waits for the same need two events, in the order they came; a duplicate is none."""
    engine = await begin()
    made = await engine.submit("test_pauses.waiter", {"again": True})
    await arrive(engine, "p1", "e1", weight=1)
    await engine.work()
    assert (await engine.job(made)).state == "waiting"
    await arrive(engine, "p1", "e1", weight=1)
    assert (await engine.job(made)).state == "waiting"
    await arrive(engine, "p1", "e2", weight=2)
    await engine.work()
    assert (await engine.job(made)).result == [1, 2]


async def test_what_crosses_is_joined_by_whoever_looks_last(begin: Begin) -> None:
    """The event is committed after the job looked and before its wait is: the look after the commit finds it."""
    engine = await begin()
    made = await engine.submit("test_pauses.waiter")
    [claimed] = await engine.claim()
    await engine.execute.run(claimed)
    await arrive(engine, "p1")
    await engine.execute.drain()
    assert (await engine.job(made)).state == "queued"


async def test_the_sweep_joins_what_a_dead_process_left_apart(begin: Begin) -> None:
    """A web process that died between its commit and its look: the relay finds the pair, and no wait stays behind."""
    engine = await begin()
    made = await engine.submit("test_pauses.waiter")
    await engine.work()
    [row] = await engine.sql("SELECT * FROM waits")
    await arrive(engine, "p1")
    # As it would stand if nobody had looked.
    await engine.sql("UPDATE jobs SET state = 'waiting', dispatched_at = NULL")
    await engine.sql(
        "INSERT INTO waits VALUES (:job, 2, 'depot', 'p1', '{parcel.arrived}', :since, '{}')",
        job=made,
        since=row.since,
    )
    assert (await engine.hub.waking.sweep()).woken == 1
    assert (await engine.job(made)).state == "queued"
    await engine.sql("INSERT INTO waits VALUES (:job, 2, 'depot', 'p1', '{x}', now(), '{}')", job=made)
    assert (await engine.hub.waking.sweep()).woken == 0
    assert not await WaitStore(engine.hub.database).waiting(made.__class__(int=0), 10)


async def test_a_wait_that_times_out_tells_the_job(begin: Begin, server: shop.Server) -> None:
    """It may do something else then, and goes on to say the same when it runs again."""
    engine = await begin()
    made = await engine.submit("test_pauses.patient")
    server.answers = [shop.says(500)]
    await engine.work()
    await end_of_time(engine)
    await engine.work()
    assert (await engine.job(made)).state == "retrying"
    await arrive(engine, "p1")
    await engine.pass_time()
    await engine.work()
    row = await engine.job(made)
    assert (row.state, row.result) == ("succeeded", "searched")


async def test_a_wait_that_times_out_fails_a_job_that_does_not_mind_it(begin: Begin) -> None:
    """For good, by its own name; a person who retries it has it wait anew."""
    engine = await begin()
    made = await engine.submit("test_pauses.impatient")
    await engine.work()
    await end_of_time(engine)
    await engine.work()
    row = await engine.job(made)
    assert (row.state, row.reason, row.error_code) == ("failed", "stopped", "wait_timed_out")
    await engine.retry(made)
    await engine.work()
    assert (await engine.job(made)).state == "waiting"
    await arrive(engine, "p1", weight=5)
    await engine.work()
    assert (await engine.job(made)).result == 5


async def test_two_waits_at_once_are_both_on_record(begin: Begin) -> None:
    """Whichever event comes first wakes the job; it waits on for the other."""
    engine = await begin()
    made = await engine.submit("test_pauses.both")
    await engine.work()
    await arrive(engine, "b", "e1", weight=2)
    assert await engine.work() == 1
    assert (await engine.job(made)).state == "waiting"
    await arrive(engine, "a", "e2", weight=1)
    await engine.work()
    assert (await engine.job(made)).result == [1, 2]


async def test_a_wait_does_not_cut_off_a_call_beside_it(begin: Begin, server: shop.Server) -> None:
    """The provider without idempotency keys is asked once, and nothing is uncertain."""
    engine = await begin()
    made = await engine.submit("test_pauses.beside")
    moment = asyncio.Event()
    server.answers = [server.do_when(moment)]
    [claimed] = await engine.claim()
    running = asyncio.create_task(engine.execute.run(claimed))
    while not await engine.sql("SELECT 1 FROM steps WHERE kind = 'wait'"):
        assert not running.done()
    moment.set()
    await running
    await engine.execute.drain()
    assert (await engine.job(made)).state == "waiting"
    await arrive(engine, "p1")
    await engine.work()
    row = await engine.job(made)
    assert (row.state, len(server.requests)) == ("succeeded", 1)


async def test_an_effect_in_doubt_weighs_more_than_a_wait(begin: Begin, server: shop.Server) -> None:
    """A person is asked now, not when the event comes."""
    engine = await begin()
    made = await engine.submit("test_pauses.careless")
    server.answers = [server.do_and_vanish]
    await engine.work()
    row = await engine.job(made)
    assert (row.state, row.reason) == ("failed", "uncertain")
    assert not await engine.sql("SELECT 1 FROM waits")


@pytest.mark.parametrize(
    ("asked", "why"),
    [
        ({"event": "deepot:parcel.arrived"}, "there is no webhook source 'deepot'; there are depot, mute"),
        ({"event": "mute:parcel.arrived"}, "mute does not say what its events are about"),
        ({"event": "parcel.arrived"}, "must be '<source>:<type>'"),
        ({"event": "depot:parcel.arrived", "about": 7}, "`about` must be text"),
        ({"event": "depot:parcel.arrived", "about": ""}, "`about` must be text"),
    ],
)
async def test_what_can_never_come_is_not_waited_for(start: Start, asked: dict[str, Any], why: str) -> None:
    """The job fails at once, with what to do about it, and not when its time is up."""
    mute = replace(source, name="mute", subject=None)
    engine = await start(
        *ALL, sources=(source, mute), environ={**SETTINGS, "HUB_WEBHOOK_MUTE_SECRET": SECRET}
    )
    made = await engine.submit("test_pauses.hopeless", asked)
    await engine.work()
    row = await engine.job(made)
    assert (row.state, row.reason, row.error_code) == ("failed", "invalid", "invalid_wait")
    assert why in row.error_message


async def test_two_waits_for_the_same_take_two_events(begin: Begin) -> None:
    """Though they look at the same moment."""
    engine = await begin()
    made = await engine.submit("test_pauses.twins")
    await arrive(engine, "p1", "e1")
    await engine.work()
    assert (await engine.job(made)).state == "waiting"
    await arrive(engine, "p1", "e2")
    await engine.work()
    assert (await engine.job(made)).result == ["e1", "e2"]


async def test_a_job_does_not_go_on_past_a_pause_that_it_caught(begin: Begin) -> None:
    """As `gather` does where it is told to return what was raised."""
    engine = await begin()
    made = await engine.submit("test_pauses.deaf")
    await engine.work()
    assert (await engine.job(made)).state == "waiting"
    await arrive(engine, "p1")
    await engine.work()
    assert (await engine.job(made)).result == "Arrived"


async def test_nothing_is_done_in_passing_while_a_job_is_suspended(begin: Begin, server: shop.Server) -> None:
    """A `finally` runs at every pause; its steps are for the end."""
    engine = await begin()
    made = await engine.submit("test_pauses.tidy")
    await engine.work()
    assert ((await engine.job(made)).state, server.effects) == ("waiting", [])
    await arrive(engine, "p1")
    await engine.work()
    assert ((await engine.job(made)).state, server.effects) == ("succeeded", ["at the end"])


async def test_a_wait_for_something_else_than_recorded_is_held(begin: Begin) -> None:
    """It is another question than the one that was asked."""
    engine = await begin()
    made = await engine.submit("test_pauses.fickle")
    await engine.work()
    await engine.sql("UPDATE jobs SET run_at = now()")
    await engine.work()
    row = await engine.job(made)
    assert (row.state, row.reason) == ("held", "steps_changed")


async def test_an_event_with_a_nul_in_it_can_be_waited_for(begin: Begin) -> None:
    """PostgreSQL's text cannot hold it, so it is replaced, the first time and when it is replayed."""
    engine = await begin()
    made = await engine.submit("test_pauses.reader")
    await engine.hub.intake.receive("depot", *delivery("e1", about="p1", name="a\0b"), "test")
    await engine.hub.intake.drain()
    await engine.work()
    row = await engine.job(made)
    assert (row.state, row.result) == ("succeeded", "a\ufffdb")


async def test_the_waits_of_a_job_are_those_of_its_last_pause(begin: Begin) -> None:
    """What an earlier one left behind is replaced."""
    engine = await begin()
    made = await engine.submit("test_pauses.waiter")
    await engine.sql("INSERT INTO waits VALUES (:job, 2, 'x', 'x', '{x}', now(), '{}')", job=made)
    await engine.sql("INSERT INTO waits VALUES (:job, 7, 'x', 'x', '{x}', now(), '{}')", job=made)
    await engine.work()
    rows = await engine.sql("SELECT position, source, subject, types FROM waits")
    assert [tuple(row) for row in rows] == [(2, "depot", "p1", ["parcel.arrived"])]


async def test_a_job_that_catches_everything_still_waits(begin: Begin) -> None:
    """The pause is no Exception."""
    engine = await begin()
    made = await engine.submit("test_pauses.greedy")
    await engine.work()
    assert (await engine.job(made)).state == "waiting"


async def test_a_wait_survives_the_worker_and_redis(begin: Begin) -> None:
    """Another worker goes on, though Redis has lost everything meanwhile."""
    engine = await begin()
    made = await engine.submit("test_pauses.waiter")
    await engine.work()
    await engine.hub.queue.redis.flushall()
    other = await another(engine.hub)
    await arrive(engine, "p1", weight=9)
    await other.work()
    assert (await engine.job(made)).result == [9]


async def test_a_waiting_job_can_be_cancelled(begin: Begin) -> None:
    """And an event that comes afterwards does not bring it back."""
    engine = await begin()
    made = await engine.submit("test_pauses.waiter")
    await engine.work()
    await engine.hub.operate.cancel(engine.principal, made)
    await arrive(engine, "p1")
    assert (await engine.job(made)).state == "cancelled"
    await engine.hub.waking.sweep()
    assert not await engine.sql("SELECT 1 FROM waits")
