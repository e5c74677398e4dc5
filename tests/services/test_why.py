"""Why isn't it running? Each answer, where the thing itself was brought about."""

from dataclasses import replace
from datetime import timedelta
from uuid import UUID, uuid4

import pytest

from hub import Args, Backoff, JobContext, Limits, job
from hub.domain.access import Scope
from hub.domain.errors import NotFound, Unavailable
from hub.domain.ids import ApplicationId
from hub.domain.situation import Place
from hub.domain.why import WhyCode
from hub.infra.breaker_states import State
from hub.infra.store.why import WhyStore
from hub.services.operate import actor_of
from hub.services.why import Why, WhyView
from tests.services import shop
from tests.services.conftest import Start
from tests.services.deliveries import SETTINGS, Arrived, source
from tests.services.engine import Engine
from tests.services.shop import says

LATER = Backoff(attempts=5, base=timedelta(minutes=5), cap=timedelta(minutes=5))
TIGHT = {"HUB_RELAY_BUFFER_LIMIT": "10"}


class Parcel(Args):
    number: str = "p1"


@job(retry=LATER)
async def charge(ctx: JobContext, args: shop.Order) -> None:
    await ctx.call(shop.charge, item=args.item)


@job()
async def wait(ctx: JobContext, args: Parcel) -> None:
    await ctx.wait_for("depot:parcel.arrived", Arrived, about=args.number, timeout=timedelta(hours=2))


@job()
async def nap(ctx: JobContext, _args: Parcel) -> None:
    await ctx.sleep(timedelta(hours=3))


@pytest.fixture
async def engine(start: Start) -> Engine:
    """An engine that knows these jobs."""
    return await start(charge, wait, nap, sources=(source,), environ={**SETTINGS, **TIGHT})


async def why(engine: Engine, job: UUID) -> WhyView:
    """The answer, as an operator gets it."""
    return await engine.hub.why.of(engine.principal, job)


async def test_it_is_not_due(engine: Engine) -> None:
    """It was asked for later: until then nothing keeps it but that."""
    due = engine.hub.clock() + timedelta(hours=1)
    made = await engine.submit("test_why.charge", run_at=due)
    answer = await why(engine, made)
    assert (answer.code, answer.until, answer.besides) == (WhyCode.NOT_DUE, due, [])


async def test_what_keeps_it_afterwards_is_told_beforehand(engine: Engine) -> None:
    """A paused queue and the lack of a worker keep a job that is not due from running when it is."""
    made = await engine.submit("test_why.charge", run_at=engine.hub.clock() + timedelta(hours=1))
    await engine.hub.operate.pause(engine.principal, "default")
    await engine.store.retire()
    answer = await why(engine, made)
    assert answer.code is WhyCode.NOT_DUE
    assert [text.partition("default")[0] for text in answer.besides] == [
        "the queue ",
        "no worker that is alive serves the queue ",
    ]


@pytest.mark.parametrize("held", [False, True])
async def test_its_queue_is_paused(engine: Engine, *, held: bool) -> None:
    """Whether it was held for that yet or not; and one that was resumed is let go in a moment."""
    made = await engine.submit("test_why.charge")
    await engine.hub.operate.pause(engine.principal, "default", reason="the shop moves")
    if held:
        assert await engine.work() == 0
        assert (await engine.job(made)).state == "held"
    answer = await why(engine, made)
    assert (answer.code, answer.todo) == (WhyCode.QUEUE_PAUSED, "resume the queue default")
    assert answer.text.endswith(f" UTC by {actor_of(engine.principal)} (the shop moves)")
    await engine.sql("UPDATE queues SET paused_at = now() + interval '1 second'")
    # By whom, nothing on record says; what was said of an earlier pause is not said of this.
    assert (await why(engine, made)).text.endswith(" UTC")
    if held:
        await engine.hub.operate.resume(engine.principal, "default")
        assert (await why(engine, made)).code is WhyCode.HELD


async def test_a_breaker_is_open(engine: Engine) -> None:
    """Whose, until when it is left alone, and when the job is tried again."""
    engine.hub.breakers.of("shop").open_until(engine.hub.breakers.clock() + 60)
    made = await engine.submit("test_why.charge")
    await engine.work()
    answer = await why(engine, made)
    assert answer.code is WhyCode.BREAKER_OPEN
    assert answer.until == (await engine.job(made)).run_at
    assert answer.text.startswith("shop has been failing")
    assert "a call is let through at" in answer.text
    assert engine.hub.breakers.of("shop").state is State.OPEN


async def test_the_provider_asked_to_be_left_alone(engine: Engine, server: shop.Server) -> None:
    """429 with Retry-After."""
    server.answers = [says(429, **{"Retry-After": "120"})]
    made = await engine.submit("test_why.charge")
    await engine.work()
    answer = await why(engine, made)
    assert answer.code is WhyCode.RATE_LIMITED
    assert answer.text.startswith("shop asked to be left alone")


async def test_the_limit_of_calls_is_reached(start: Start) -> None:
    """Our own limit, kept for the provider's sake: two calls at once where one is allowed in ten seconds."""
    slow = replace(shop.charge, provider=replace(shop.shop, name="slow", limits=Limits(per_second=0.1)))

    @job(retry=LATER)
    async def both(ctx: JobContext, _args: Parcel) -> None:
        await ctx.call(slow, item="a")
        await ctx.call(slow, item="b")

    engine = await start(both, providers=(slow.provider,))
    made = await engine.submit("test_why.both")
    await engine.work()
    answer = await why(engine, made)
    assert answer.code is WhyCode.RATE_LIMITED
    assert answer.text.startswith("slow is at its limit of calls")


async def test_a_later_attempt_is_due(engine: Engine, server: shop.Server) -> None:
    """It failed, and is tried again at a known time, or at once by a person."""
    server.answers = [says(503)]
    made = await engine.submit("test_why.charge")
    await engine.work()
    answer = await why(engine, made)
    assert (answer.code, answer.until) == (WhyCode.NOT_DUE, (await engine.job(made)).run_at)
    assert "attempt 1 failed (status_503)" in answer.text


async def test_it_waits_for_an_event(engine: Engine) -> None:
    """Which, about what, since when and until when."""
    made = await engine.submit("test_why.wait")
    await engine.work()
    answer = await why(engine, made)
    assert (answer.code, answer.until) == (WhyCode.WAITS_FOR_EVENT, (await engine.job(made)).run_at)
    assert "depot:parcel.arrived about p1 since 20" in answer.text


async def test_it_sleeps(engine: Engine) -> None:
    """As its code says."""
    made = await engine.submit("test_why.nap")
    await engine.work()
    answer = await why(engine, made)
    assert (answer.code, answer.until) == (WhyCode.WAITS_FOR_TIME, (await engine.job(made)).run_at)


@pytest.mark.parametrize("gone", ["stopped", "lapsed", "elsewhere"])
async def test_no_worker_serves_its_queue(engine: Engine, gone: str) -> None:
    """It has stopped, its lease has lapsed, or it serves other queues."""
    made = await engine.submit("test_why.charge")
    if gone == "stopped":
        await engine.store.retire()
    elif gone == "lapsed":
        await engine.sql("UPDATE workers SET lease_until = now()")
    else:
        await engine.sql("UPDATE workers SET queues = '{payments}'")
    answer = await why(engine, made)
    assert answer.code is WhyCode.NO_WORKER
    assert answer.todo == "start a worker for the queue default: hub worker"


async def test_it_is_next_or_others_come_first(engine: Engine) -> None:
    """By their place in the ready buffer."""
    made = [await engine.submit("test_why.charge") for _ in range(3)]
    answers = [await why(engine, job) for job in made]
    assert [answer.code for answer in answers] == [WhyCode.NEXT, *[WhyCode.BEHIND_OTHERS] * 2]
    assert [answer.ahead for answer in answers] == [0, 1, 2]


async def test_the_ready_buffer_is_full(engine: Engine) -> None:
    """Those in it, those before it by priority, and those before it by due time come first; the others do not."""
    for _ in range(10):
        await engine.submit("test_why.charge")
    early = await engine.submit("test_why.charge")
    urgent = await engine.submit("test_why.charge", priority=9)
    late = await engine.submit("test_why.charge")
    await engine.submit("test_why.charge", priority=0)
    answers = {job: await why(engine, job) for job in (early, urgent, late)}
    assert {answer.code for answer in answers.values()} == {WhyCode.BUFFER_FULL}
    assert [answers[job].ahead for job in (urgent, early, late)] == [10, 11, 12]
    assert not answers[late].ahead_bounded


async def test_a_long_line_is_counted_up_to_a_bound(engine: Engine) -> None:
    """Beyond it nobody counts, and it says so."""
    made = [await engine.submit("test_why.charge") for _ in range(11)][-1]
    await engine.sql(
        """INSERT INTO jobs (id, name, args, queue, priority, state, run_at, correlation_id)
           SELECT gen_random_uuid(), 'test_why.charge', '{}', 'default', 9, 'queued', now(), 'c'
           FROM generate_series(1, 10001)"""
    )
    answer = await why(engine, made)
    assert (answer.code, answer.ahead, answer.ahead_bounded) == (WhyCode.BUFFER_FULL, 10_010, True)
    assert "more than 10010 jobs are ahead of it" in answer.text


async def test_a_worker_is_at_it(engine: Engine) -> None:
    """Which, with what, and until when its lease lasts."""
    made = await engine.submit("test_why.charge")
    await engine.claim()
    answer = await why(engine, made)
    assert answer.code is WhyCode.RUNNING
    assert "the worker on test, process 1, release 1 is at attempt 1 since" in answer.text
    [[lease]] = await engine.sql("SELECT lease_until FROM workers")
    assert answer.until == lease
    shop = replace(engine.principal, scopes=frozenset({Scope.JOBS_READ}))
    told = (await engine.hub.why.of(shop, made)).text
    assert "it is running: a worker, release 1, is at attempt 1 since" in told, "no host for an application"


@pytest.mark.parametrize("forgotten", [False, True])
async def test_its_worker_is_gone(engine: Engine, *, forgotten: bool) -> None:
    """The lease has lapsed, and whoever lives takes the job over."""
    made = await engine.submit("test_why.charge")
    await engine.claim()
    await engine.sql("DELETE FROM workers" if forgotten else "UPDATE workers SET lease_until = now()")
    answer = await why(engine, made)
    assert answer.code is WhyCode.LEASE_LAPSED
    assert answer.todo == "start a worker for the queue default"


async def test_no_worker_knows_it(engine: Engine, start: Start) -> None:
    """A worker of another release has held it."""
    other = await start()
    made = await engine.submit("test_why.charge")
    assert await other.work() == 0
    answer = await why(engine, made)
    assert answer.code is WhyCode.UNKNOWN_JOB
    assert "knows the job test_why.charge" in answer.text


async def test_its_arguments_do_not_fit(engine: Engine) -> None:
    """Another release accepted them."""
    made = await engine.submit("test_why.charge")
    await engine.sql("""UPDATE jobs SET args = '{"item": 5}'""")
    await engine.work()
    assert (await why(engine, made)).code is WhyCode.ARGS_UNKNOWN


async def test_its_steps_do_not_fit(engine: Engine, server: shop.Server) -> None:
    """Another release recorded them."""
    server.answers = [says(503)]
    made = await engine.submit("test_why.charge")
    await engine.work()
    await engine.sql("UPDATE steps SET name = 'shop POST /formerly'")
    await engine.pass_time()
    await engine.work()
    assert (await why(engine, made)).code is WhyCode.STEPS_CHANGED


async def test_it_is_due_and_not_queued_yet(engine: Engine, server: shop.Server) -> None:
    """The relay queues what is due within a moment."""
    server.answers = [says(503)]
    made = await engine.submit("test_why.charge")
    await engine.work()
    await engine.pass_time()
    assert (await why(engine, made)).code is WhyCode.NEXT


async def test_it_is_settled(engine: Engine, server: shop.Server) -> None:
    """Then it is not waiting, and what remains is whether a retry is safe."""
    server.answers = [says(402)]
    failed = await engine.submit("test_why.charge")
    await engine.work()
    done = await engine.submit("test_why.charge")
    await engine.work()
    given_up = await engine.submit("test_why.charge", run_at=engine.hub.clock() + timedelta(hours=1))
    await engine.hub.operate.cancel(engine.principal, given_up)
    answers = [await why(engine, job) for job in (failed, done, given_up)]
    assert {answer.code for answer in answers} == {WhyCode.SETTLED}
    assert [bool(answer.todo) for answer in answers] == [True, False, True]


async def test_redis_away_leaves_what_the_database_knows(engine: Engine) -> None:
    """The place in the buffer is not known then, nor whether a breaker is still open, and that is said; that it is due is."""

    async def away(_queue: str, _job: UUID, _dispatch: int) -> Place:
        raise Unavailable("Redis is not available")

    async def unknown(_provider: str) -> None:
        raise Unavailable("Redis is not available")

    made = await engine.submit("test_why.charge")
    blind = Why(WhyStore(engine.hub.database), away, unknown, bound=10)
    answer = await blind.of(engine.principal, made)
    assert (answer.code, answer.ahead) == (WhyCode.NEXT, 0)
    assert "the ready buffer could not be looked at" in answer.text
    engine.hub.breakers.of("shop").open_until(engine.hub.breakers.clock() + 60)
    await engine.work()
    answer = await blind.of(engine.principal, made)
    assert answer.code is WhyCode.BREAKER_OPEN
    assert "its breaker was open" in answer.text
    assert "whether it still is could not be looked at" in answer.text


async def test_nobody_is_told_of_another_s_job(engine: Engine) -> None:
    """Nor whether there is one."""
    made = await engine.submit("test_why.charge")
    stranger = replace(
        engine.principal, application=ApplicationId(uuid4()), scopes=frozenset({Scope.JOBS_READ})
    )
    for job_id in (made, uuid4()):
        with pytest.raises(NotFound):
            await engine.hub.why.of(stranger, job_id)
