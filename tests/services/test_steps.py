"""The ledger: written before anything is sent, replayed afterwards, and closed to whoever lost the job."""

import asyncio
import contextlib
from collections.abc import Sequence
from datetime import timedelta
from uuid import UUID

import pytest

from hub import Args, Backoff, CallError, Declined, Fail, JobContext, NoAnswer, Rejected, job
from hub.domain.errors import Conflict
from hub.infra.store.steps import StepRecord, StepStore
from hub.services.ledger import Superseded
from tests.services import shop
from tests.services.conftest import Start
from tests.services.engine import another
from tests.services.shop import says
from tests.until import until

SOON = Backoff(attempts=5, base=timedelta(milliseconds=1))


TURN: list[asyncio.Event] = []


@pytest.fixture
def turn() -> asyncio.Event:
    """What some jobs wait for; an event belongs to one loop, so each test has its own."""
    TURN[:] = [asyncio.Event()]
    return TURN[0]


class Plan(Args):
    items: tuple[str, ...] = ("book",)


@job(retry=SOON)
async def charge_then_fail(ctx: JobContext, args: shop.Order) -> int:
    done = await ctx.call(shop.charge, item=args.item)
    if ctx.attempt == 1:
        raise RuntimeError("after the charge")
    return done.number


@job(retry=SOON)
async def charge(ctx: JobContext, args: shop.Order) -> int:
    return (await ctx.call(shop.charge, item=args.item)).number


@job(retry=SOON)
async def write(ctx: JobContext, args: shop.Order) -> int:
    return (await ctx.call(shop.letter, item=args.item)).number


async def test_an_effect_is_recorded_before_it_is_sent(start: Start, server: shop.Server) -> None:
    """While the provider is thinking, the ledger says already that something may be out there, and under which key."""
    engine = await start(charge)
    moment = asyncio.Event()
    server.answers = [server.do_when(moment)]
    made = await engine.submit("test_steps.charge")
    working = asyncio.create_task(engine.work())
    await until(lambda: server.requests)
    [step] = await engine.steps(made)
    assert (step.certainty, step.sends, step.answer) == ("unknown", 1, None)
    assert step.first_sent_at is not None
    moment.set()
    await working
    [step] = await engine.steps(made)
    assert (step.certainty, step.sends, step.answer) == ("confirmed", 1, {"number": 1})
    assert server.keys == [step.idempotency_key]


async def test_a_finished_step_is_replayed_and_not_sent(start: Start, server: shop.Server) -> None:
    """The next attempt gets the recorded answer."""
    engine = await start(charge_then_fail)
    made = await engine.submit("test_steps.charge_then_fail")
    await engine.work()
    await engine.pass_time()
    await engine.work()
    row = await engine.job(made)
    assert (row.state, row.result, len(server.requests)) == ("succeeded", 1, 1)


async def test_an_unanswered_step_is_repeated_under_its_key(start: Start, server: shop.Server) -> None:
    """Within the provider's window a repeat is harmless: same key, one effect, two sends on record."""
    engine = await start(charge)
    server.answers = [server.do_and_vanish]
    made = await engine.submit("test_steps.charge")
    await engine.work()
    assert (await engine.job(made)).state == "retrying"
    await engine.pass_time()
    await engine.work()
    assert (await engine.job(made)).state == "succeeded"
    assert server.keys[0] == server.keys[1]
    assert server.items == {"book": 1}
    [step] = await engine.steps(made)
    assert (step.sends, step.certainty) == (2, "confirmed")


@job(retry=SOON)
async def look(ctx: JobContext, args: shop.Order) -> int:
    return (await ctx.call(shop.look, item=args.item)).number


@pytest.mark.parametrize("kind", ["charge", "look"])
async def test_what_was_never_sent_is_not_counted(start: Start, server: shop.Server, kind: str) -> None:
    """While a breaker is open a job asks again and again; whoever judges a charge reads how often it was sent."""
    engine = await start(charge, look)
    made = await engine.submit(f"test_steps.{kind}")
    breaker = engine.hub.breakers.of("shop")
    server.answers = [server.do_and_vanish, says(429)]
    counted = []
    for calls in (False, False, True, False, True, False, True):
        breaker.close() if calls else breaker.open_until(engine.hub.breakers.clock() + 60)
        await engine.work()
        counted += [(step.sends, step.certainty) for step in await engine.steps(made)]
        await engine.pass_time()
    assert [sends for sends, _ in counted] == [0, 0, 1, 1, 2, 2, 3]
    assert (len(server.requests), counted[-1]) == (3, (3, "confirmed"))


async def test_a_line_that_is_written_twice_counts_once(
    start: Start, server: shop.Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An answer is written until it is known to be: the first time may have been kept, too."""
    record = StepStore.record

    async def again(store: StepStore, lines: Sequence[StepRecord]) -> set[tuple[UUID, int, int]]:
        written = await record(store, lines)
        return written if any(line.sending for line in lines) else await record(store, lines)

    monkeypatch.setattr(StepStore, "record", again)
    engine = await start(charge, look)
    made = {kind: await engine.submit(f"test_steps.{kind}") for kind in ("charge", "look")}
    server.answers = [server.do_and_vanish, server.do_and_vanish]
    breaker = engine.hub.breakers.of("shop")
    for calls in (True, False, True):
        breaker.close() if calls else breaker.open_until(engine.hub.breakers.clock() + 60)
        await engine.work()
        await engine.pass_time()
    sends = {kind: (await engine.steps(one))[0].sends for kind, one in made.items()}
    assert (len(server.requests), sends) == (4, {"charge": 2, "look": 2})


async def test_beyond_the_window_a_person_decides(start: Start, server: shop.Server) -> None:
    """The provider may have forgotten the key: nothing is sent until a person has looked it up."""
    engine = await start(charge)
    server.answers = [server.do_and_vanish]
    made = await engine.submit("test_steps.charge")
    await engine.work()
    await engine.sql("UPDATE steps SET first_sent_at = now() - interval '24 hours'")
    await engine.pass_time()
    await engine.work()
    row = await engine.job(made)
    assert (row.state, row.reason, len(server.requests)) == ("failed", "uncertain", 1)
    assert row.error_code == "uncertain_effect"
    await engine.retry(made)
    await engine.work()
    assert (await engine.job(made)).state == "succeeded"
    assert server.keys[0] == server.keys[1]


async def test_only_a_decision_about_the_effect_vouches_for_it(start: Start, server: shop.Server) -> None:
    """A person who retries a job that failed for another reason has not looked the effect up: they are asked to."""
    engine = await start(write)
    server.answers = [server.do_and_vanish]
    made = await engine.submit("test_steps.write")
    await engine.work()
    # As if it had ended in a crash loop before the step was met again.
    await engine.sql("UPDATE jobs SET reason = 'crash_loop' WHERE id = :id", id=made)
    with pytest.raises(Conflict, match="look it up"):
        await engine.retry(made, "the crash is fixed")
    assert await engine.work() == 0
    await engine.retry(made, "nothing arrived", decided=True)
    await engine.work()
    assert (await engine.job(made)).state == "succeeded"
    assert len(server.requests) == 2


async def test_a_refused_step_is_tried_anew_only_when_a_person_asks(
    start: Start, server: shop.Server
) -> None:
    """The same generation gets the refusal again without sending; a person's retry sends under a new key."""
    engine = await start(charge)
    server.answers = [says(402)]
    made = await engine.submit("test_steps.charge")
    await engine.work()
    assert (await engine.job(made)).state == "failed"
    await engine.retry(made)
    await engine.work()
    assert (await engine.job(made)).state == "succeeded"
    assert len(set(server.keys)) == 2


@job(retry=SOON)
async def tell_refusals_apart(ctx: JobContext, args: shop.Order) -> str:
    kind = "done"
    try:
        await ctx.call(shop.charge, item=args.item)
    except Declined:
        kind = "declined"
    except Rejected:
        kind = "rejected"
    if ctx.attempt == 1:
        raise RuntimeError("later")
    return kind


async def test_a_refusal_is_replayed_as_what_it_was(start: Start, server: shop.Server) -> None:
    """A job that tells a declined card from a bad request does so on every attempt."""
    engine = await start(tell_refusals_apart)
    server.answers = [says(402)]
    made = await engine.submit("test_steps.tell_refusals_apart")
    await engine.work()
    await engine.sql("UPDATE steps SET error_kind = 'Declined'")
    await engine.pass_time()
    await engine.work()
    row = await engine.job(made)
    assert (row.result, len(server.requests)) == ("declined", 1)


PLANS: list[tuple[str, ...]] = []


@job(retry=SOON)
async def follow_plan(ctx: JobContext, _args: shop.Order) -> None:
    for item in PLANS[ctx.attempt - 1]:
        if item == "look":
            await ctx.call(shop.look, item=item)
        else:
            await ctx.call(shop.wrap if item == "wrap" else shop.charge, item=item)
    if ctx.attempt == 1:
        raise RuntimeError("later")


@pytest.mark.parametrize(
    ("first", "second"),
    [(("wrap", "a"), ("a", "wrap")), (("a", "b"), ("b", "a"))],
    ids=["other operations", "the same operation for others"],
)
async def test_steps_in_another_order_are_held_and_not_guessed(
    start: Start, server: shop.Server, first: tuple[str, ...], second: tuple[str, ...]
) -> None:
    """After a deploy that reordered them (or a loop over an unordered set) nothing is sent twice."""
    engine = await start(follow_plan)
    PLANS[:] = [first, second]
    made = await engine.submit("test_steps.follow_plan")
    await engine.work()
    await engine.pass_time()
    await engine.work()
    row = await engine.job(made)
    assert (row.state, row.reason, len(server.requests)) == ("held", "steps_changed", 2)
    assert row.error_code == "steps_changed"


async def test_a_retry_of_held_steps_goes_on_where_they_fit(start: Start, server: shop.Server) -> None:
    """After the release they fit is back, what was sent is not sent again."""
    engine = await start(follow_plan)
    PLANS[:] = [("a", "b"), ("b", "a"), ("a", "b", "wrap")]
    made = await engine.submit("test_steps.follow_plan")
    await engine.work()
    await engine.pass_time()
    await engine.work()
    assert (await engine.job(made)).state == "held"
    await engine.retry(made)
    await engine.work()
    row = await engine.job(made)
    assert (row.state, row.generation, len(server.requests)) == ("succeeded", 1, 3)


async def test_another_question_is_asked_and_not_answered_from_the_record(
    start: Start, server: shop.Server
) -> None:
    """A read with other arguments is another read."""
    engine = await start(follow_plan)
    PLANS[:] = [("look", "a"), ("look", "a")]
    await engine.submit("test_steps.follow_plan")
    await engine.work()
    await engine.sql(r"UPDATE steps SET digest = '\x00' WHERE effect = 'read'")
    await engine.pass_time()
    await engine.work()
    assert [request.method for request in server.requests] == ["GET", "POST", "GET"]


@job(retry=SOON)
async def charge_together(ctx: JobContext, args: Plan) -> list[int]:
    done = await asyncio.gather(*[ctx.call(shop.charge, item=item) for item in args.items])
    if ctx.attempt == 1:
        raise RuntimeError("later")
    return [one.number for one in done]


async def test_concurrent_steps_keep_the_order_of_the_code(start: Start, server: shop.Server) -> None:
    """Twenty calls at once are twenty steps; the next attempt replays each to its own caller."""
    engine = await start(charge_together)
    items = [f"item {number}" for number in range(20)]
    made = await engine.submit("test_steps.charge_together", {"items": items})
    await engine.work()
    await engine.pass_time()
    await engine.work()
    row = await engine.job(made)
    assert sorted(row.result) == list(range(1, 21))
    assert sorted(server.effects) == sorted(items)
    assert [step.position for step in await engine.steps(made)] == list(range(1, 21))


@job(retry=SOON)
async def fail_beside(ctx: JobContext, args: shop.Order) -> None:
    async def fail() -> None:
        await TURN[0].wait()
        raise Fail("the other one")

    await asyncio.gather(ctx.call(shop.letter, item=args.item), fail())


async def test_what_a_failed_job_leaves_under_way_is_waited_for(
    start: Start, server: shop.Server, turn: asyncio.Event
) -> None:
    """The attempt ends after its last answer is on record: a letter that was sent is not in doubt."""
    engine = await start(fail_beside)
    moment = asyncio.Event()
    server.answers = [server.do_when(moment)]
    made = await engine.submit("test_steps.fail_beside")
    working = asyncio.create_task(engine.work())
    await until(lambda: server.requests)
    turn.set()
    await asyncio.sleep(0)
    moment.set()
    await working
    [step] = await engine.steps(made)
    assert ((await engine.job(made)).reason, step.certainty) == ("stopped", "confirmed")


LEFT: list["asyncio.Task[object]"] = []


@job()
async def leave_running(ctx: JobContext, args: shop.Order) -> None:
    async def later() -> None:
        await TURN[0].wait()
        await ctx.call(shop.letter, item=args.item)

    LEFT.append(asyncio.create_task(later()))


async def test_what_outlives_its_job_may_begin_nothing(
    start: Start, server: shop.Server, turn: asyncio.Event
) -> None:
    """A task that a job has left behind is refused its next step."""
    engine = await start(leave_running)
    made = await engine.submit("test_steps.leave_running")
    await engine.work()
    turn.set()
    with pytest.raises(Superseded):
        await LEFT.pop()
    assert ((await engine.job(made)).state, server.requests) == ("succeeded", [])


@job()
async def charge_in_turn(ctx: JobContext, args: shop.Order) -> None:
    await TURN[0].wait()
    await ctx.call(shop.charge, item=args.item)


async def test_a_superseded_attempt_sends_nothing(
    start: Start, server: shop.Server, turn: asyncio.Event
) -> None:
    """Whoever lost the job is refused before it sends, and cannot settle either."""
    engine = await start(charge_in_turn)
    made = await engine.submit("test_steps.charge_in_turn")
    zombie = asyncio.create_task(engine.work())
    await until(lambda: engine.sql("SELECT 1 FROM jobs WHERE state = 'running'"))
    await engine.sql(
        "UPDATE workers SET lease_until = now() - interval '1 second' WHERE id = :id", id=engine.store.worker
    )
    other = await another(engine.hub)
    assert await other.relay.rescue() == 1
    turn.set()
    await zombie
    assert (server.requests, (await engine.job(made)).state) == ([], "queued")
    await other.work()
    assert ((await engine.job(made)).state, server.items) == ("succeeded", {"book": 1})
    assert [attempt.outcome for attempt in await engine.attempts(made)] == ["interrupted", "succeeded"]


async def test_a_line_of_a_former_attempt_is_refused_beside_one_of_the_present(
    start: Start, server: shop.Server, turn: asyncio.Event
) -> None:
    """The fence is the attempt and not the worker: both lines in one batch, and only the present one is written."""
    engine = await start(charge_in_turn)
    made = await engine.submit("test_steps.charge_in_turn")
    former = asyncio.create_task(engine.work())
    await until(lambda: engine.sql("SELECT 1 FROM jobs WHERE attempt = 1 AND state = 'running'"))
    await engine.sql(
        "UPDATE workers SET lease_until = now() - interval '1 second' WHERE id = :id", id=engine.store.worker
    )
    await engine.relay.rescue()
    await engine.store.heartbeat(timedelta(seconds=30))
    present = asyncio.create_task(engine.work())
    await until(lambda: engine.sql("SELECT 1 FROM jobs WHERE attempt = 2 AND state = 'running'"))
    turn.set()
    await asyncio.gather(former, present)
    assert ((await engine.job(made)).state, server.items, len(server.requests)) == (
        "succeeded",
        {"book": 1},
        1,
    )


async def test_a_cancelled_job_does_not_forget_what_was_answered(start: Start, server: shop.Server) -> None:
    """A stop that falls between the answer and its record waits for the record."""
    engine = await start(write)
    made = await engine.submit("test_steps.write")
    [claimed] = await engine.claim()
    running = asyncio.create_task(engine.execute.run(claimed))
    await until(lambda: server.effects)
    while not running.done():
        running.cancel()
        await asyncio.sleep(0)
    await engine.execute.drain()
    [step] = await engine.steps(made)
    assert step.certainty == "confirmed"


@job(retry=SOON)
async def remember(ctx: JobContext, _args: shop.Order) -> list[str]:
    async def work() -> list[str]:
        DONE.append("once")
        return ["a\0b"]

    remembered = await ctx.step("work", work)
    if ctx.attempt == 1:
        raise RuntimeError("later")
    return remembered


DONE: list[str] = []


async def test_other_work_is_remembered_as_well(start: Start) -> None:
    """`ctx.step` runs once and its JSON comes from the record afterwards; a NUL in it hurts nobody."""
    engine = await start(remember)
    DONE.clear()
    made = await engine.submit("test_steps.remember")
    await engine.work()
    await engine.pass_time()
    await engine.work()
    assert ((await engine.job(made)).result, DONE) == (["a\ufffdb"], ["once"])


@job(retry=SOON)
async def name_badly(ctx: JobContext, args: shop.Order) -> None:
    async def work() -> None:
        return None

    await ctx.step(args.item, work)


async def test_a_line_that_cannot_be_written_spoils_no_other(start: Start) -> None:
    """One job's step with a NUL in its name fails alone; its neighbours in the batch are written."""
    engine = await start(name_badly)
    bad = await engine.submit("test_steps.name_badly", {"item": "bell"})
    await engine.sql("UPDATE jobs SET name = name WHERE id = :id", id=bad)
    good = [await engine.submit("test_steps.name_badly", {"item": "fine"}) for _ in range(5)]
    claimed = await engine.claim()
    for one in claimed:
        if one.id == bad:
            one.args["item"] = "b\0d"
    await asyncio.gather(*[engine.execute.run(one) for one in claimed])
    await engine.execute.drain()
    assert ((await engine.job(bad)).state, (await engine.job(bad)).error_code) == ("failed", "unstorable")
    assert {(await engine.job(one)).state for one in good} == {"succeeded"}


@job(retry=SOON)
async def call_wrongly(ctx: JobContext, _args: shop.Order) -> None:
    await ctx.call(shop.charge, nothing="like that")


async def test_arguments_that_do_not_fit_an_operation_are_not_tried_again(start: Start) -> None:
    """It will not pass by itself; the message names the field and holds no value."""
    engine = await start(call_wrongly)
    made = await engine.submit("test_steps.call_wrongly")
    await engine.work()
    row = await engine.job(made)
    assert (row.state, row.reason) == ("failed", "invalid")
    assert "nothing" in row.error_message
    assert "like that" not in row.error_message


@job(retry=SOON)
async def look_again(ctx: JobContext, _args: shop.Order) -> int:
    with contextlib.suppress(NoAnswer, CallError):
        await ctx.call(shop.look)
    return (await ctx.call(shop.charge, item="a")).number


async def test_a_read_without_an_answer_is_no_uncertain_effect(start: Start, server: shop.Server) -> None:
    """Reading may always be repeated."""
    engine = await start(look_again)
    server.answers = [server.do_and_vanish]
    made = await engine.submit("test_steps.look_again")
    await engine.work()
    assert (await engine.job(made)).state == "succeeded"
