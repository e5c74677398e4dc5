"""One attempt, from claim to settlement: whatever a job does, its row says what came of it and what is next."""

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from hub import Args, Backoff, Fail, JobContext, Result, Snooze, job
from hub.bootstrap import make_execute
from hub.domain.errors import NoAnswer, Unavailable
from hub.domain.jobs import Interrupted
from hub.infra.store.execution import Abandoned, Claimed, ExecutionStore
from hub.services.interruptions import not_begun
from tests.services import shop
from tests.services.conftest import Start
from tests.services.shop import says


class Nothing(Args):
    pass


class Number(Result):
    number: int


@job()
async def succeed(_ctx: JobContext, _args: Nothing) -> Number:
    return Number(number=7)


@job(retry=Backoff(attempts=2, base=timedelta(seconds=100), factor=1, cap=timedelta(seconds=100)))
async def explode(_ctx: JobContext, _args: Nothing) -> None:
    raise RuntimeError("no use for sk_live_4242424242424242 today")


@job()
async def stop(_ctx: JobContext, _args: Nothing) -> None:
    raise Fail("not worth it", code="not_worth_it")


@job()
async def snooze(_ctx: JobContext, _args: Nothing) -> None:
    raise Snooze(timedelta(hours=1), "the bank is closed")


@job(timeout=timedelta(milliseconds=30))
async def dawdle(_ctx: JobContext, _args: Nothing) -> None:
    await asyncio.Event().wait()


@job()
async def pay(ctx: JobContext, args: shop.Order) -> Number:
    done = await ctx.call(shop.charge, item=args.item)
    return Number(number=done.number)


@job()
async def write(ctx: JobContext, args: shop.Order) -> None:
    await ctx.call(shop.letter, item=args.item)


async def test_success_is_kept_with_its_result(start: Start) -> None:
    """The row says succeeded, with the result, and one attempt is on record."""
    engine = await start(succeed)
    made = await engine.submit("test_execute.succeed")
    assert await engine.work() == 1
    row = await engine.job(made)
    assert (row.state, row.result, row.attempt, row.worker_id) == ("succeeded", {"number": 7}, 1, None)
    assert row.settled_at is not None
    [attempt] = await engine.attempts(made)
    assert (attempt.outcome, attempt.worker_id) == ("succeeded", engine.store.worker)


async def test_an_unexpected_error_is_tried_again_until_the_budget_is_spent(start: Start) -> None:
    """First a planned retry, then failed for good; secrets in the message are gone; the signature groups both."""
    engine = await start(explode)
    made = await engine.submit("test_execute.explode")
    await engine.work()
    row = await engine.job(made)
    assert (row.state, row.failures, row.settled_at) == ("retrying", 1, None)
    assert "4242424242424242" not in row.error_message
    await engine.pass_time()
    await engine.work()
    row = await engine.job(made)
    assert (row.state, row.reason, row.failures) == ("failed", "exhausted", 2)
    first, second = await engine.attempts(made)
    assert first.error_signature == second.error_signature == row.error_signature


@pytest.mark.parametrize("off", [timedelta(minutes=-5), timedelta(minutes=5)])
async def test_due_times_are_the_databases_whatever_the_workers_clock_says(
    start: Start, off: timedelta
) -> None:
    """A worker whose clock is five minutes off plans its retries by the database's."""
    engine = await start(explode, clock=lambda: datetime.now(UTC) + off)
    made = await engine.submit("test_execute.explode")
    await engine.work()
    [[ahead]] = await engine.sql(
        "SELECT extract(epoch FROM run_at - now()) FROM jobs WHERE id = :id", id=made
    )
    assert -1 < ahead <= 100


async def test_a_job_that_gives_up_is_failed_for_good(start: Start) -> None:
    """`Fail` is not tried again."""
    engine = await start(stop)
    made = await engine.submit("test_execute.stop")
    await engine.work()
    row = await engine.job(made)
    assert (row.state, row.reason, row.error_code) == ("failed", "stopped", "not_worth_it")


async def test_snoozing_uses_up_no_budget(start: Start) -> None:
    """`Snooze` comes again later and costs nothing."""
    engine = await start(snooze)
    made = await engine.submit("test_execute.snooze")
    await engine.work()
    row = await engine.job(made)
    assert (row.state, row.failures) == ("retrying", 0)
    [[ahead]] = await engine.sql(
        "SELECT extract(epoch FROM run_at - now()) FROM jobs WHERE id = :id", id=made
    )
    assert 3590 < ahead <= 3600


async def test_a_throttled_call_comes_again_when_the_provider_says(start: Start, server: shop.Server) -> None:
    """429 with Retry-After: no budget used, and nothing counts as sent."""
    engine = await start(pay)
    server.answers = [says(429, **{"Retry-After": "120"})]
    made = await engine.submit("test_execute.pay")
    await engine.work()
    row = await engine.job(made)
    assert (row.state, row.failures) == ("retrying", 0)
    [[ahead]] = await engine.sql(
        "SELECT extract(epoch FROM run_at - now()) FROM jobs WHERE id = :id", id=made
    )
    assert 110 < ahead <= 120
    assert [step.certainty for step in await engine.steps(made)] == ["not_sent"]


async def test_an_open_breaker_costs_nothing(start: Start, server: shop.Server) -> None:
    """A provider that keeps failing is not called, and the job comes again without using its budget."""
    engine = await start(pay)
    engine.hub.breakers.of("shop").open_until(engine.hub.breakers.clock() + 60)
    made = await engine.submit("test_execute.pay")
    await engine.work()
    row = await engine.job(made)
    assert (row.state, row.failures, row.error_code) == ("retrying", 0, "breaker_open")
    assert server.requests == []


async def test_a_fault_of_the_provider_is_tried_again(start: Start, server: shop.Server) -> None:
    """5xx uses up budget, and comes again."""
    engine = await start(pay)
    server.answers = [says(500)]
    made = await engine.submit("test_execute.pay")
    await engine.work()
    row = await engine.job(made)
    assert (row.state, row.failures) == ("retrying", 1)


async def test_a_definite_no_is_failed_for_good(start: Start, server: shop.Server) -> None:
    """4xx will not pass by itself."""
    engine = await start(pay)
    server.answers = [says(422)]
    made = await engine.submit("test_execute.pay")
    await engine.work()
    row = await engine.job(made)
    assert (row.state, row.reason) == ("failed", "rejected")


async def test_an_attempt_that_takes_too_long_says_so(start: Start) -> None:
    """A timeout counts as a failure, and its message tells the limit."""
    engine = await start(dawdle)
    made = await engine.submit("test_execute.dawdle")
    await engine.work()
    row = await engine.job(made)
    assert (row.state, row.error_code, row.failures) == ("retrying", "timeout", 1)
    assert "0.03 s" in row.error_message


async def test_arguments_that_another_release_accepted_are_held_for_it(start: Start) -> None:
    """What does not fit is said, with its place, and costs no budget; a person may have it tried again."""
    engine = await start(pay)
    made = await engine.submit("test_execute.pay")
    await engine.sql("""UPDATE jobs SET args = '{"item": 5}' WHERE id = :id""", id=made)
    await engine.work()
    row = await engine.job(made)
    assert (row.state, row.reason, row.error_code) == ("held", "args_unknown", "args_unknown")
    assert "item" in row.error_message
    await engine.sql("""UPDATE jobs SET args = '{"item": "a"}' WHERE id = :id""", id=made)
    await engine.retry(made)
    await engine.work()
    row = await engine.job(made)
    assert (row.state, row.generation, row.failures, row.attempt) == ("succeeded", 1, 0, 2)


async def test_an_event_that_does_not_fit_is_failed_for_good(start: Start) -> None:
    """No release has accepted it: what a provider sends is read for the first time when the job runs."""
    engine = await start(pay)
    made = await engine.submit("test_execute.pay")
    event = engine.hub.new_id()
    await engine.sql(
        """INSERT INTO events (id, source, external_id, type, headers, body, secret_index, correlation_id)
           VALUES (:event, 's', 'evt_1', 't', '{}', '{"item": 5}', 0, 'c')""",
        event=event,
    )
    await engine.sql("UPDATE jobs SET args = NULL, event_id = :event WHERE id = :id", id=made, event=event)
    await engine.work()
    row = await engine.job(made)
    assert (row.state, row.reason, row.error_code) == ("failed", "invalid", "invalid_args")


async def test_an_unanswered_effect_without_idempotency_goes_to_a_person(
    start: Start, server: shop.Server
) -> None:
    """A letter that may have been sent is not sent again by itself."""
    engine = await start(write)
    server.answers = [server.do_and_vanish]
    made = await engine.submit("test_execute.write")
    await engine.work()
    row = await engine.job(made)
    assert (row.state, row.reason) == ("failed", "uncertain")
    [attempt] = await engine.attempts(made)
    assert attempt.outcome == "uncertain"
    assert server.items == {"book": 1}


@job(timeout=timedelta(milliseconds=50), retry=Backoff(attempts=1))
async def write_in_a_hurry(ctx: JobContext, args: shop.Order) -> None:
    await ctx.call(shop.letter, item=args.item)


async def test_a_timeout_in_the_middle_of_an_effect_goes_to_a_person(
    start: Start, server: shop.Server
) -> None:
    """Even with the budget spent, the reason is that the effect may exist; without a reason no retry is taken."""
    engine = await start(write_in_a_hurry)
    server.answers = [server.do_when(asyncio.Event())]
    made = await engine.submit("test_execute.write_in_a_hurry")
    await engine.work()
    row = await engine.job(made)
    assert (row.state, row.reason, row.error_code) == ("failed", "uncertain", "timeout")


@job()
async def write_and_stumble(ctx: JobContext, args: shop.Order) -> None:
    try:
        await ctx.call(shop.letter, item=args.item)
    except NoAnswer as lost:
        raise ValueError(args.item) from lost


async def test_an_effect_in_doubt_says_more_than_an_error_without_a_code(
    start: Start, server: shop.Server
) -> None:
    """Which the job made of it: what matters is that the effect may exist."""
    engine = await start(write_and_stumble)
    server.answers = [server.do_and_vanish]
    made = await engine.submit("test_execute.write_and_stumble")
    await engine.work()
    row = await engine.job(made)
    assert (row.reason, row.error_code, row.error_kind) == (
        "uncertain",
        "uncertain_effect",
        "UncertainEffect",
    )


RESULTS: dict[str, tuple[Any, str]] = {
    "large": ("x" * 70_000, "result_too_large"),
    "object": (object(), "result_not_json"),
    "surrogate": ("\ud800", "result_not_json"),
}


@job()
async def give(_ctx: JobContext, args: shop.Order) -> Any:
    return RESULTS[args.item][0]


@pytest.mark.parametrize("kind", RESULTS)
async def test_a_result_that_cannot_be_kept_is_the_jobs_mistake(start: Start, kind: str) -> None:
    """Too large or not JSON: failed for good, as doing it again would give the same."""
    engine = await start(give)
    made = await engine.submit("test_execute.give", {"item": kind})
    await engine.work()
    row = await engine.job(made)
    assert (row.state, row.reason, row.error_code) == ("failed", "invalid", RESULTS[kind][1])


@job(retry=Backoff(attempts=1))
async def give_nul(_ctx: JobContext, args: shop.Order) -> dict[str, str]:
    if args.item == "error":
        raise RuntimeError("a NUL: \0, and half a pair: \ud800")
    return {"nul": "\0", "backslash": "\\u0000"}


async def test_what_postgresql_cannot_hold_is_replaced(start: Start) -> None:
    """NUL in a result or a message stops neither its own job nor the others of the batch."""
    engine = await start(give_nul, succeed)
    good, bad = (
        await engine.submit("test_execute.give_nul"),
        await engine.submit("test_execute.give_nul", {"item": "error"}),
    )
    other = await engine.submit("test_execute.succeed")
    await engine.work()
    assert (await engine.job(good)).result == {"nul": "\ufffd", "backslash": "\\u0000"}
    assert (await engine.job(bad)).state == "failed"
    assert (await engine.job(other)).state == "succeeded"


class Unprintable(Exception):
    def __str__(self) -> str:
        raise ValueError("no")


MISCHIEF: dict[str, BaseException] = {
    "unprintable": Unprintable(),
    "exit": SystemExit(3),
    "cancelled": asyncio.CancelledError(),
    "group": ExceptionGroup("two", [RuntimeError("a"), ValueError("b")]),
}


@job()
async def misbehave(_ctx: JobContext, args: shop.Order) -> None:
    raise MISCHIEF[args.item]


@pytest.mark.parametrize("kind", MISCHIEF)
async def test_no_error_of_a_job_is_too_strange_to_be_settled(start: Start, kind: str) -> None:
    """It is a failure that uses up budget, not a job that runs for ever or again and again for nothing."""
    engine = await start(misbehave)
    made = await engine.submit("test_execute.misbehave", {"item": kind})
    await engine.work()
    row = await engine.job(made)
    assert (row.state, row.failures) == ("retrying", 1)


@job()
async def decline_among_others(_ctx: JobContext, _args: Nothing) -> None:
    raise ExceptionGroup("two", [RuntimeError("may pass"), ExceptionGroup("inner", [Fail("will not")])])


async def test_of_several_errors_the_gravest_decides(start: Start) -> None:
    """A task group's errors are judged one by one."""
    engine = await start(decline_among_others)
    made = await engine.submit("test_execute.decline_among_others")
    await engine.work()
    assert (await engine.job(made)).reason == "stopped"


@job()
async def store_away(_ctx: JobContext, _args: Nothing) -> None:
    raise Unavailable("the database is restarting", timedelta(seconds=2))


async def test_the_hubs_own_troubles_cost_a_job_nothing(start: Start) -> None:
    """A store that is away is waited for, without using up budget and without haste."""
    engine = await start(store_away)
    made = await engine.submit("test_execute.store_away")
    await engine.work()
    row = await engine.job(made)
    assert (row.state, row.failures) == ("retrying", 0)
    [[ahead]] = await engine.sql(
        "SELECT extract(epoch FROM run_at - now()) FROM jobs WHERE id = :id", id=made
    )
    assert ahead > 1


class Restarting(ExecutionStore):
    """A store whose database is away the first time that it is asked what runs."""

    asked = 0

    async def running(self) -> list[Abandoned]:
        self.asked += 1
        if self.asked == 1:
            raise Unavailable("the database is restarting", timedelta(seconds=2))
        return await super().running()


async def test_how_a_job_ended_in_a_process_of_its_own_is_kept_while_the_database_is_away(
    start: Start,
) -> None:
    """A process that could not be started is no crash, and must not be taken for one later."""
    hub = await start(succeed)
    made = await hub.submit("test_execute.succeed")
    [claimed] = await hub.claim()
    store = Restarting(hub.hub.database, hub.store.worker)
    execute = make_execute(hub.hub, store)

    async def no_process(_claimed: Claimed) -> Interrupted:
        return not_begun("apart", "tried 3 times")

    await execute.run_apart(claimed, no_process)
    await execute.drain()
    row = await hub.job(made)
    assert (row.state, row.crashes, row.failures, store.asked) == ("queued", 0, 0, 2)
