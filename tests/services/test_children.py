"""Jobs that make jobs, say how far they are, and were written anew between two attempts."""

import asyncio
from datetime import UTC, datetime, timedelta
from uuid import UUID

from hub import Args, Backoff, Fail, JobContext, job
from tests.services import shop
from tests.services.conftest import Start
from tests.services.shop import says

SOON = Backoff(attempts=3, base=timedelta(milliseconds=1))


class Wish(Args):
    wish: str = "plain"


@job(retry=SOON, priority=7)
async def follow(ctx: JobContext, args: shop.Order) -> str:
    return args.item


@job(retry=SOON)
async def lead(ctx: JobContext, args: Wish) -> list[str]:
    soon = await ctx.enqueue(follow, item="a\0b" if args.wish == "odd" else "a")
    later = await ctx.enqueue(follow, delay=timedelta(hours=1), item="b")
    await ctx.call(shop.wrap, item=soon)
    if args.wish == "fail":
        raise Fail("no")
    return [soon, later]


@job(retry=SOON)
async def far(ctx: JobContext, args: Wish) -> None:
    await ctx.enqueue(follow, delay=timedelta.max, item="some day")


@job(retry=SOON)
async def babble(ctx: JobContext, args: Wish) -> None:
    ctx.progress(1, 2, "bad\0\ud800")
    await ctx.call(shop.wrap, item="x")


@job(retry=SOON)
async def remember(ctx: JobContext, args: Wish) -> str:
    async def work() -> str:
        return "done"

    said = await ctx.step("work", work)
    if ctx.attempt == 1:
        raise RuntimeError("for now")
    return said


@job(retry=SOON)
async def unwritable(ctx: JobContext, args: Wish) -> float:
    await ctx.call(shop.wrap, item="x")
    return 1.0


@job(retry=SOON)
async def mislead(ctx: JobContext, args: Wish) -> None:
    await ctx.enqueue(follow, nonsense=1)


STEPS: list[str] = []


@job(retry=SOON)
async def rewritten(ctx: JobContext, args: Wish) -> None:
    """Its steps are what `STEPS` says: another release each time."""
    for step in STEPS:
        if step == "look":
            await ctx.call(shop.look, item="x")
        elif step == "charge":
            await ctx.call(shop.charge, item="x")
        elif step == "sleep":
            await ctx.sleep(timedelta(hours=1))
        elif step == "stop":
            raise RuntimeError("for now")


READING = asyncio.Event()


@job(retry=SOON)
async def toil(ctx: JobContext, args: Wish) -> None:
    for done in range(1, 51):
        ctx.progress(done, 50, "x" * 300)
    await asyncio.wait_for(READING.wait(), 30)
    ctx.progress(50, 50, "written")


async def test_a_child_is_made_with_the_success_of_its_parent(start: Start) -> None:
    """Not before; under the id that was given out; with the parent's correlation id and application."""
    engine = await start(lead, follow)
    made = await engine.submit("test_children.lead", correlation_id="order-7")
    [claimed] = await engine.claim()
    await engine.execute.run(claimed)
    await engine.execute.drain()
    row = await engine.job(made)
    soon, later = [await engine.job(UUID(child)) for child in row.result]
    parent = (made, row.application_id, "order-7", "test_children.follow")
    assert (soon.parent_id, soon.application_id, soon.correlation_id, soon.name) == parent
    assert (soon.state, soon.args, soon.priority) == ("queued", {"item": "a"}, 7)
    assert later.state == "scheduled"
    assert later.run_at - datetime.now(UTC) > timedelta(minutes=59)
    await engine.work()
    assert (await engine.job(soon.id)).result == "a"


async def test_a_failed_parent_makes_no_children(start: Start) -> None:
    """They were part of its success."""
    engine = await start(lead, follow)
    await engine.submit("test_children.lead", {"wish": "fail"})
    await engine.work()
    [[count]] = await engine.sql("SELECT count(*) FROM jobs")
    assert count == 1


async def test_a_child_keeps_its_id_when_the_parent_runs_again(start: Start, server: shop.Server) -> None:
    """So that it can be told to others; and it is made once."""
    engine = await start(lead, follow)
    made = await engine.submit("test_children.lead")
    server.answers = [says(500)]
    await engine.work()
    [before] = await engine.sql("SELECT answer->>'job' FROM steps WHERE kind = 'enqueue' AND position = 1")
    await engine.pass_time()
    await engine.work()
    assert (await engine.job(made)).result[0] == before[0]
    [[count]] = await engine.sql("SELECT count(*) FROM jobs WHERE parent_id = :id", id=made)
    assert count == 2


async def test_two_workers_that_both_think_they_succeeded_make_the_children_once(start: Start) -> None:
    """The zombie's settlement is refused, children and all."""
    engine = await start(lead, follow)
    made = await engine.submit("test_children.lead")
    [zombie] = await engine.claim()
    await engine.sql("UPDATE jobs SET attempt = attempt + 1 WHERE id = :id", id=made)
    await engine.execute.run(zombie)
    await engine.execute.drain()
    [[count]] = await engine.sql("SELECT count(*) FROM jobs")
    assert count == 1


async def test_what_a_child_cannot_take_fails_its_parent(start: Start) -> None:
    """For good, as no repeat would change it; and what PostgreSQL cannot hold is taken out, not tried for ever."""
    engine = await start(mislead, lead, follow)
    made = await engine.submit("test_children.mislead")
    odd = await engine.submit("test_children.lead", {"wish": "odd"})
    await engine.work()
    row = await engine.job(made)
    assert (row.state, row.error_code) == ("failed", "invalid_args")
    assert (await engine.job(odd)).state == "succeeded"


async def test_a_child_of_the_far_future_is_made_for_the_farthest_time(start: Start) -> None:
    """What PostgreSQL cannot add up must not keep its parent from ending."""
    engine = await start(far, follow)
    made = await engine.submit("test_children.far")
    await engine.work()
    assert (await engine.job(made)).state == "succeeded"
    [child] = await engine.sql("SELECT run_at FROM jobs WHERE parent_id = :id", id=made)
    assert timedelta(days=365) < child.run_at - datetime.now(UTC) < timedelta(days=367)


async def test_what_a_job_says_of_its_progress_harms_nobody(start: Start) -> None:
    """Not itself, and not those whose words are written with its own."""
    engine = await start(babble, toil)
    READING.set()
    made = [await engine.submit("test_children.babble") for _ in range(5)]
    await engine.work()
    assert {(await engine.job(one)).state for one in made} == {"succeeded"}


async def test_an_end_that_cannot_be_written_is_a_failure(start: Start) -> None:
    """Not a job that runs for ever, or is counted as a crash until it is failed as a crash loop."""
    engine = await start(unwritable)
    # A double that JSON knows and jsonb's numbers cannot hold: none; so a settlement that the database refuses.
    await engine.sql(
        "CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN IF NEW.result IS NOT NULL THEN RAISE EXCEPTION USING ERRCODE = '22P05'; END IF; RETURN NEW; END $$"
    )
    await engine.sql("CREATE TRIGGER refuse BEFORE UPDATE ON jobs FOR EACH ROW EXECUTE FUNCTION refuse()")
    made = await engine.submit("test_children.unwritable")
    await engine.work()
    await engine.execute.drain()
    row = await engine.job(made)
    assert (row.state, row.reason, row.error_code) == ("failed", "invalid", "unstorable")


async def test_steps_of_the_release_before_are_known(start: Start) -> None:
    """It knew no kinds, and wrote all its steps as calls."""
    engine = await start(remember)
    made = await engine.submit("test_children.remember")
    await engine.work()
    await engine.sql("UPDATE steps SET kind = DEFAULT")
    await engine.pass_time()
    await engine.work()
    row = await engine.job(made)
    assert (row.state, row.result) == ("succeeded", "done")


async def test_progress_is_shown_while_a_job_runs_and_when_it_ends(start: Start) -> None:
    """The latest word of many, and the last one."""
    global READING  # noqa: PLW0603 - an event belongs to one loop
    READING = asyncio.Event()
    engine = await start(toil)
    made = await engine.submit("test_children.toil")
    working = asyncio.create_task(engine.work())
    while (shown := (await engine.job(made)).progress) is None:
        assert not working.done()
    assert (shown["done"], shown["total"], len(shown["note"])) == (50, 50, 200)
    READING.set()
    await working
    assert (await engine.hub.inspect.get_job(engine.principal, made)).progress["note"] == "written"


async def test_an_effect_that_new_code_does_not_ask_for_is_not_passed_over(start: Start) -> None:
    """It was done by other code: the job is held, not succeeded as if it had not been."""
    engine = await start(rewritten)
    STEPS[:] = ["look", "charge", "stop"]
    made = await engine.submit("test_children.rewritten")
    await engine.work()
    STEPS[:] = ["look"]
    await engine.pass_time()
    await engine.work()
    row = await engine.job(made)
    assert (row.state, row.reason) == ("held", "steps_changed")
    STEPS[:] = ["look", "charge"]
    await engine.retry(made)
    await engine.work()
    assert (await engine.job(made)).state == "succeeded"


async def test_a_changed_order_of_waiting_is_held_too(start: Start, server: shop.Server) -> None:
    """A sleep where a charge was: nothing is guessed, nothing is sent."""
    engine = await start(rewritten)
    STEPS[:] = ["look", "sleep", "charge"]
    made = await engine.submit("test_children.rewritten")
    await engine.work()
    STEPS[:] = ["look", "charge", "sleep"]
    await engine.sql("UPDATE jobs SET run_at = now()")
    await engine.work()
    row = await engine.job(made)
    assert (row.state, row.reason, server.effects) == ("held", "steps_changed", [])
