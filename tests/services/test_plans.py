"""Plans: what a dry run finds, what the runner releases, and what keeps it from doing harm."""

import asyncio
import math
from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

import pytest
from sqlalchemy import text

from hub import Backoff, JobContext, job
from hub.bootstrap import make_plan_runner
from hub.domain.access import Principal, Role
from hub.domain.errors import Conflict, Forbidden, Invalid, NotFound
from hub.domain.overrides import Forced, Override
from hub.domain.plan_decisions import TICK, WATCH, Barrier
from hub.domain.plan_rulings import Class
from hub.domain.plans import DRAFT_KEPT, Action, Command, ItemState, PlanState, Settings
from hub.domain.timeline import EntryKind
from hub.infra.breaker_states import Standing
from hub.infra.store.plan_releases import UPCOMING
from hub.infra.store.plan_snapshots import PlanSnapshots
from hub.infra.store.plan_ticks import AHEAD, PlanTickStore
from hub.infra.store.plans import PlanStore
from hub.services.operate import actor_of
from hub.services.plan_views import PlanView
from hub.services.plans import PlanRequest
from hub.services.timeline import Part
from tests.services import shop
from tests.services.conftest import Start
from tests.services.engine import Engine, another
from tests.services.shop import Answer, says

ALL_AT_ONCE = Settings(canary=0, rate=1000, stop_above=1, max_in_flight=10_000)
ONCE = Backoff(attempts=1)
NO = says(400, {"error": "no"})


@job(retry=ONCE)
async def sell(ctx: JobContext, args: shop.Order) -> int:
    """One effect at a provider that remembers keys; its first failure is final."""
    return (await ctx.call(shop.charge, item=args.item)).number


@job(retry=ONCE)
async def write(ctx: JobContext, args: shop.Order) -> int:
    """One effect at a provider that remembers none."""
    return (await ctx.call(shop.letter, item=args.item)).number


@job(retry=Backoff(attempts=3, base=timedelta(hours=1), cap=timedelta(hours=1)))
async def persist(ctx: JobContext, args: shop.Order) -> int:
    """Tries again, much later."""
    return (await ctx.call(shop.charge, item=args.item)).number


@pytest.fixture
async def engine(start: Start) -> Engine:
    """A hub whose worker and runner are driven by hand."""
    return await start(sell, write, persist)


async def submit(
    engine: Engine, server: shop.Server, count: int, answer: Answer = NO, job: str = "sell"
) -> list[UUID]:
    """Jobs that have failed."""
    made = [await engine.submit(f"test_plans.{job}", {"item": f"{job} {number}"}) for number in range(count)]
    server.answers = [answer] * count
    await engine.work()
    assert not server.answers
    server.requests.clear()
    return made


async def plan(
    engine: Engine, settings: Settings = ALL_AT_ONCE, *, start: bool = True, **request: object
) -> PlanView:
    """A plan over all that has failed, started."""
    asked = {"action": Action.RETRY, "filter": "state:failed", "settings": settings, **request}
    made = await engine.hub.plans.create(engine.principal, PlanRequest(**asked))  # type: ignore[arg-type]  # as they are named
    return await tell(engine, made, Command.START) if start else made


async def tell(engine: Engine, one: PlanView, command: Command) -> PlanView:
    """As a person does."""
    return await engine.hub.plans.command(engine.principal, one.id, command)


async def look(engine: Engine, seconds: float = 1.0) -> None:
    """Let time pass for every plan, as far as the database knows, and have the runner look at each once."""
    await engine.sql(
        "UPDATE plans SET ticked_at = ticked_at - make_interval(secs => :seconds), next_tick_at = now()"
        " WHERE next_tick_at IS NOT NULL",
        seconds=seconds,
    )
    runner = make_plan_runner(engine.hub, engine.relay)
    [(due,)] = await engine.sql("SELECT count(*) FROM plans WHERE next_tick_at IS NOT NULL")
    for _ in range(due):
        assert await runner.tick() is not None


async def seen(engine: Engine, one: PlanView) -> PlanView:
    """The plan as it is now; its counts are what its items say."""
    now = await engine.hub.plans.get(one.id)
    rows = await engine.sql(
        "SELECT state, count(*) FROM plan_items WHERE plan_id = :id GROUP BY 1", id=one.id
    )
    counted = {state: getattr(now.counts, state) for state in ItemState if getattr(now.counts, state)}
    assert counted == {row[0]: row[1] for row in rows}
    return now


def half_open(engine: Engine, provider: str) -> None:
    """Its breaker was open, and now is the time to ask."""
    engine.hub.breakers.of(provider).open_until(engine.hub.breakers.clock() - 1)


async def states(engine: Engine, jobs: Sequence[UUID]) -> Counter[str]:
    return Counter([(await engine.job(job)).state for job in jobs])


async def test_a_dry_run_touches_nothing_and_says_what_would_become_of_each(
    engine: Engine, server: shop.Server
) -> None:
    """Refused ones are safe; one that may have been done, at a provider that remembers no keys, is not part of it."""
    refused = await submit(engine, server, 3)
    doubtful = await submit(engine, server, 2, server.do_and_vanish, job="write")
    done = await submit(engine, server, 1, server.do)
    made = await plan(engine, start=False, filter="job:test_plans.*")
    assert (made.state, made.found, made.safe, made.uncertain, made.ineligible) == (
        PlanState.DRAFT,
        6,
        3,
        2,
        1,
    )
    assert (made.counts.pending, made.counts.excluded) == (3, 3)
    told = {one.kind: one for one in made.verdicts}
    assert told[Class.SAFE].samples == refused
    assert told[Class.UNCERTAIN].samples == doubtful
    assert told[Class.INELIGIBLE].samples == done
    assert "look it up" in told[Class.UNCERTAIN].text
    assert told[Class.INELIGIBLE].text == "a job that is succeeded cannot be retried"
    await look(engine)
    assert await states(engine, [*refused, *doubtful]) == {"failed": 5}
    assert await engine.sql("SELECT action, detail ->> 'filter' FROM audit_log") == [
        ("plan.create", "job:test_plans.*")
    ]


async def test_every_job_is_done_once_and_reported(engine: Engine, server: shop.Server) -> None:
    """Released, run, and each with its outcome; then the plan is finished, and everybody's part is on record."""
    jobs = await submit(engine, server, 5)
    made = await plan(engine, reason="the shop is back")
    await look(engine)
    server.answers = [NO]
    assert await engine.work() == 5
    await look(engine)
    await look(engine)
    now = await seen(engine, made)
    assert (now.state, now.counts.succeeded, now.counts.failed) == (PlanState.FINISHED, 4, 1)
    assert now.judgement == "4 succeeded, 1 failed again"
    assert (await states(engine, jobs)) == {"succeeded": 4, "failed": 1}
    items = (await engine.hub.plans.list_items(made.id, [ItemState.FAILED])).items
    assert [(item.note, item.generation) for item in items] == [("status_400", 2)]
    assert [row[0] for row in await engine.sql("SELECT action FROM audit_log ORDER BY id")] == [
        "plan.create",
        "plan.start",
    ]


async def test_the_canary_goes_first_and_stops_the_plan_when_it_fails(
    engine: Engine, server: shop.Server
) -> None:
    """Of twenty jobs two are tried, both fail, and the others stay as they are, until a person says that it is to go on."""
    jobs = await submit(engine, server, 20)
    made = await plan(engine, Settings(canary=2, rate=1000, stop_above=0.5))
    await look(engine)
    await look(engine)
    assert (await seen(engine, made)).counts.released == 2
    server.answers = [NO, NO]
    assert await engine.work() == 2
    await look(engine)
    now = await seen(engine, made)
    assert (now.state, now.counts.pending) == (PlanState.STOPPED, 18)
    assert now.judgement == "2 of the first 2 jobs failed again (100%), more than the 50% that are allowed"
    await look(engine)
    assert await engine.work() == 0
    await tell(engine, made, Command.RESUME)
    await look(engine)
    server.answers = [NO]
    assert await engine.work() == 2
    for _ in range(2):
        await look(engine)
    assert await engine.work() == 16
    for _ in range(2):
        await look(engine)
    assert (await seen(engine, made)).state is PlanState.FINISHED
    assert await states(engine, jobs) == {"succeeded": 17, "failed": 3}


async def test_a_canary_that_stopped_its_plan_is_tried_anew_and_stops_it_again(
    engine: Engine, server: shop.Server
) -> None:
    """However often a person resumes: the next two, never the rest, and of those that were seen to fail none counts twice."""
    await submit(engine, server, 20)
    made = await plan(engine, Settings(canary=2, rate=1000, stop_above=0.4))
    await look(engine)
    for pending in (18, 16, 14):
        server.answers = [NO, NO]
        assert await engine.work() == 2
        await look(engine)
        now = await seen(engine, made)
        assert (now.state, now.counts.pending) == (PlanState.STOPPED, pending)
        assert (await tell(engine, made, Command.RESUME)).state is PlanState.CANARY
        assert now.judgement
        assert now.judgement.startswith("2 of the first 2" if pending == 18 else "2 of the next 2")
        await look(engine)
    await engine.work()
    await look(engine)
    now = await seen(engine, made)
    assert (now.state, now.judgement) == (PlanState.RUNNING, "the canary did well: 0 of 2 failed again")


async def test_a_canary_that_was_paused_is_the_same_one_afterwards(
    engine: Engine, server: shop.Server
) -> None:
    """What has failed before the pause still counts, and no more are tried than were to be."""
    await submit(engine, server, 20)
    made = await plan(engine, Settings(canary=2, rate=1, stop_above=0.5))
    await look(engine)
    server.answers = [NO]
    assert await engine.work() == 1
    await look(engine, 0)
    await tell(engine, made, Command.PAUSE)
    await tell(engine, made, Command.RESUME)
    for _ in range(3):
        await look(engine)
    server.answers = [NO]
    assert await engine.work() == 1
    await look(engine)
    now = await seen(engine, made)
    assert (now.state, now.counts.failed) == (PlanState.STOPPED, 2)
    assert now.judgement == "2 of the first 2 jobs failed again (100%), more than the 50% that are allowed"


async def test_a_canary_that_does_well_lets_the_rest_go(engine: Engine, server: shop.Server) -> None:
    """By itself, or at a person's word where one wants to look first."""
    await submit(engine, server, 6)
    made = await plan(engine, Settings(canary=2, rate=1000, stop_above=0.5, wait_for_go=True))
    await look(engine)
    await engine.work()
    await look(engine)
    now = await seen(engine, made)
    assert (now.state, now.counts.pending) == (PlanState.AWAITING, 4)
    assert now.judgement == "the canary did well: 0 of 2 failed again"
    await look(engine)
    assert await engine.work() == 0
    assert (await tell(engine, made, Command.GO)).approved_by == f"tests (key {engine.principal.key})"
    await look(engine)
    assert await engine.work() == 4


async def test_a_job_that_tries_again_by_itself_counts_as_failing_until_it_succeeds(
    engine: Engine, server: shop.Server
) -> None:
    """The canary does not wait for a retry in an hour: it has failed at least once, and that is enough to judge."""
    jobs = await submit(engine, server, 1, job="persist")
    made = await plan(engine, Settings(canary=1, rate=1000, stop_above=0.5), filter="job:test_plans.persist")
    await look(engine)
    server.answers = [says(503)]
    await engine.work()
    await look(engine)
    now = await seen(engine, made)
    assert (now.state, now.counts.retrying, now.failure_share) == (PlanState.STOPPED, 1, 1.0)
    await engine.pass_time()
    await engine.work()
    await look(engine)
    now = await seen(engine, made)
    assert (now.counts.succeeded, now.failure_share) == (1, 0.0)
    assert await states(engine, jobs) == {"succeeded": 1}


async def test_it_stops_by_itself_when_too_many_of_the_latest_fail(
    engine: Engine, server: shop.Server
) -> None:
    """What did well long ago does not hide that the provider has just gone down."""
    await submit(engine, server, 60)
    made = await plan(engine, Settings(canary=0, rate=1000, stop_above=0.5, max_in_flight=20))
    await look(engine)
    assert await engine.work() == 20
    await look(engine)
    server.answers = [NO] * 40
    assert await engine.work() == 20
    await look(engine)
    assert (await seen(engine, made)).state is PlanState.RUNNING
    assert await engine.work() == 20
    await look(engine)
    now = await seen(engine, made)
    assert (now.state, now.judgement) == (
        PlanState.STOPPED,
        "40 of the latest 60 jobs failed again (67%), more than the 50% that are allowed",
    )


async def test_the_rate_is_kept_and_nothing_is_made_up_for_after_a_pause(
    engine: Engine, server: shop.Server
) -> None:
    """Ten a second: an outage of an hour is worth one second, a pause nothing."""
    await submit(engine, server, 60)
    made = await plan(engine, Settings(canary=0, rate=10))
    await look(engine, 0.5)
    assert 5 <= (await seen(engine, made)).counts.released <= 6
    await look(engine, 3600)
    released = (await seen(engine, made)).counts.released
    assert 15 <= released <= 17
    await tell(engine, made, Command.PAUSE)
    await look(engine, 3600)
    await tell(engine, made, Command.RESUME)
    await look(engine, 0)
    assert (await seen(engine, made)).counts.released == released


async def test_no_more_are_in_flight_than_may_be(engine: Engine, server: shop.Server) -> None:
    """Those that a paused queue holds are in flight as well."""
    await submit(engine, server, 10)
    made = await plan(engine, Settings(canary=0, rate=1000, max_in_flight=4))
    await look(engine)
    await engine.hub.operate.pause(engine.principal, "default")
    await engine.relay.sweep()
    await look(engine)
    now = await seen(engine, made)
    assert (now.counts.released, now.counts.pending) == (4, 6)
    assert now.held_up == "4 released jobs have no outcome yet, and no more may be in flight"
    await engine.hub.operate.resume(engine.principal, "default")
    await engine.relay.sweep()
    assert await engine.work() == 4
    await look(engine)
    assert await engine.work() == 4


async def test_nothing_is_released_while_the_breaker_of_its_provider_is_open(
    engine: Engine, server: shop.Server
) -> None:
    """It says so with the time; jobs of another provider go on; when it may be asked again, one job asks."""
    sold = await submit(engine, server, 5)
    posted = await submit(engine, server, 1, job="write")
    made = await plan(engine)
    circuit = engine.hub.breakers.of("shop")
    circuit.open_until(engine.hub.breakers.clock() + 60)
    await look(engine)
    assert await states(engine, sold) == {"failed": 5}
    assert await states(engine, posted) == {"queued": 1}
    now = await seen(engine, made)
    assert now.held_up is not None
    assert now.held_up.startswith("the breaker of shop is open until ")
    assert await engine.work() == 1
    circuit.open_until(engine.hub.breakers.clock() - 1)
    await look(engine)
    assert (await seen(engine, made)).held_up == "shop is being asked whether it is back"
    await look(engine)
    assert await engine.work() == 1
    await look(engine)
    assert (await engine.work(), await states(engine, sold)) == (4, {"succeeded": 5})


@pytest.mark.parametrize("before", [12_000, 10_000])
async def test_a_provider_that_is_well_does_not_wait_behind_one_that_is_not(
    engine: Engine, server: shop.Server, before: int
) -> None:
    """However many jobs stand before its own: they are passed over part by part, and have their turn when it is back."""
    posted = await submit(engine, server, 1, job="write")
    made = await plan(engine)
    await engine.sql("UPDATE plan_items SET position = position + :before", before=before)
    await engine.sql(
        "INSERT INTO plan_items (plan_id, position, job_id, state, verdict, seen, generation, attempt, provider)"
        " SELECT :plan, n, gen_random_uuid(), 'pending', 'unsent', 'failed', 1, 1, 'shop'"
        " FROM generate_series(1, CAST(:before AS int)) n",
        plan=made.id,
        before=before,
    )
    await engine.sql(
        "UPDATE plans SET providers = ARRAY['post', 'shop'], pending_items = pending_items + :before",
        before=before,
    )
    circuit = engine.hub.breakers.of("shop")
    circuit.open_until(engine.hub.breakers.clock() + 60)
    runner = make_plan_runner(engine.hub, engine.relay)
    for _ in range(before // AHEAD):
        assert await runner.tick() == 0
    await runner.tick()
    assert await states(engine, posted) == {"queued": 1}
    # Nobody looks through them again and again.
    await look(engine)
    now = await seen(engine, made)
    assert (now.counts.pending, now.held_up is not None) == (before, True)
    circuit.open_until(engine.hub.breakers.clock() - 1)
    await engine.work()
    await look(engine)
    assert (await seen(engine, made)).counts.skipped == 1


async def test_a_provider_is_asked_by_one_job_of_its_own_while_the_others_go_on(
    engine: Engine, server: shop.Server
) -> None:
    """Wherever its own stand in the list; what is released at once is no more than without it."""
    posted = await submit(engine, server, 12, job="write")
    sold = await submit(engine, server, 3)
    await plan(engine, Settings(canary=0, rate=1000, stop_above=1, max_in_flight=6))
    half_open(engine, "shop")
    await look(engine)
    assert await states(engine, posted) == {"queued": 5, "failed": 7}
    assert await states(engine, sold) == {"queued": 1, "failed": 2}
    for _ in range(2):
        assert await engine.work() == 6
        await look(engine)
    assert await engine.work() == 3
    assert await states(engine, [*posted, *sold]) == {"succeeded": 15}


async def test_a_provider_is_asked_by_one_job_at_a_time_whoever_else_is_on_the_way(
    engine: Engine, server: shop.Server
) -> None:
    """Those of others ask nothing of it."""
    posted = await submit(engine, server, 3, job="write")
    sold = await submit(engine, server, 3)
    made = await plan(engine)
    engine.hub.breakers.of("shop").open_until(engine.hub.breakers.clock() + 60)
    await look(engine)
    assert await states(engine, [*posted, *sold]) == {"queued": 3, "failed": 3}
    half_open(engine, "shop")
    for _ in range(2):
        await look(engine)
        assert await states(engine, sold) == {"queued": 1, "failed": 2}
        assert (await seen(engine, made)).held_up == "shop is being asked whether it is back"


async def test_a_provider_that_nothing_is_left_to_ask_by_keeps_nothing_back(
    engine: Engine, server: shop.Server
) -> None:
    """All of its jobs have had their turn: the others go on at the plan's rate."""
    await submit(engine, server, 1)
    posted = await submit(engine, server, 10, job="write")
    made = await plan(engine, Settings(canary=1, rate=1000, stop_above=1))
    await look(engine)
    assert await engine.work() == 1
    half_open(engine, "shop")
    for _ in range(2):
        await look(engine)
    assert await states(engine, posted) == {"queued": 10}
    assert (await seen(engine, made)).held_up is None


async def test_a_provider_whose_jobs_are_no_part_of_the_plan_is_none_of_its_concern(
    engine: Engine, server: shop.Server
) -> None:
    """As when the uncertain ones are left out: it neither slows the others nor is named."""
    await submit(engine, server, 3, server.do_and_vanish, job="write")
    sold = await submit(engine, server, 10)
    made = await plan(engine)
    assert (made.counts.excluded, await engine.sql("SELECT providers FROM plans")) == (3, [(["shop"],)])
    half_open(engine, "post")
    await look(engine)
    assert await states(engine, sold) == {"queued": 10}
    assert (await seen(engine, made)).held_up is None


@pytest.mark.parametrize("how", ["open", "half-open", "held"])
@pytest.mark.parametrize("action", [Action.CANCEL, Action.DISCARD])
async def test_what_calls_nobody_waits_for_no_breaker(
    engine: Engine, server: shop.Server, how: str, action: Action
) -> None:
    """What cannot be done in a provider's long absence can be given up in it."""
    if action is Action.CANCEL:
        made, state = await submit(engine, server, 5, says(503), job="persist"), "retrying"
    else:
        made, state = await submit(engine, server, 5), "failed"
    if how == "held":
        override = Override("shop", Forced.OPEN, "an audit", "ada", datetime.now(UTC), None)
        engine.hub.breakers.override({"shop": Standing(override, math.inf)})
    else:
        later = {"open": 60, "half-open": -1}[how]
        engine.hub.breakers.of("shop").open_until(engine.hub.breakers.clock() + later)
    one = await plan(engine, action=action, filter=f"state:{state}")
    await look(engine)
    assert await states(engine, made) == {"cancelled": 5}
    assert (await seen(engine, one)).held_up is None


async def test_whoever_was_to_ask_and_has_changed_leaves_it_to_the_next_at_once(
    engine: Engine, server: shop.Server
) -> None:
    """Not after the time that an answer takes: of many that have changed each would take it."""
    sold = await submit(engine, server, 3)
    made = await plan(engine)
    await engine.sql("UPDATE jobs SET generation = generation + 1 WHERE id = :id", id=sold[0])
    half_open(engine, "shop")
    waits = "SELECT next_tick_at - ticked_at AS again FROM plans"
    for expected in (TICK, WATCH):
        await look(engine)
        [plans] = await engine.sql(waits)
        assert abs(plans.again - expected) < TICK
    assert (await seen(engine, made)).counts.skipped == 1


async def test_whom_to_ask_by_is_found_by_its_index(engine: Engine) -> None:
    """And not by going through all that stands before it."""
    await engine.sql(
        "INSERT INTO plan_items (plan_id, position, job_id, state, verdict, seen, generation, attempt, provider)"
        " SELECT :plan, n, gen_random_uuid(), 'pending', 'unsent', 'failed', 1, 1, 'shop'"
        " FROM generate_series(1, 50000) n",
        plan=uuid4(),
    )
    await engine.sql("ANALYZE plan_items")
    given = {"plan": uuid4(), "from": 0, "to": AHEAD, "limit": 100, "ask": ["post"], "blocked": ["post"]}
    rows = await engine.hub.database.run(text(f"EXPLAIN {UPCOMING.text}"), given)
    told = "\n".join(row[0] for row in rows)
    assert "Index Scan using plan_items_to_ask" in told
    assert "Seq Scan on plan_items" not in told


async def test_nothing_asks_a_provider_whose_breaker_a_person_holds(
    engine: Engine, server: shop.Server
) -> None:
    """Also where this process has never called it; and why is said."""
    sold = await submit(engine, server, 2)
    made = await plan(engine)
    override = Override("shop", Forced.OPEN, "an audit", "ada", datetime.now(UTC))
    engine.hub.breakers.override({"shop": Standing(override, math.inf)})
    await look(engine)
    assert await states(engine, sold) == {"failed": 2}
    assert (await seen(engine, made)).held_up == "shop is not called: ada holds its breaker open (an audit)"
    engine.hub.breakers.override({})
    await look(engine)
    assert await states(engine, sold) == {"queued": 2}


async def test_two_operators_and_two_plans_on_the_same_jobs_do_each_once(
    engine: Engine, server: shop.Server
) -> None:
    """All at the same moment: each job is retried by one of them, and the other reports that it had changed."""
    jobs = await submit(engine, server, 40)
    plans = [await plan(engine) for _ in range(2)]
    beside = await another(engine.hub)

    async def click(job: UUID) -> int:
        try:
            await engine.hub.operate.retry(engine.principal, job)
        except Conflict:
            return 0
        return 1

    async def run(one: Engine) -> None:
        runner = make_plan_runner(one.hub, one.relay)
        for _ in range(3):
            await engine.sql("UPDATE plans SET ticked_at = now() - interval '1 s', next_tick_at = now()")
            await runner.tick()

    clicks, *_ = await asyncio.gather(asyncio.gather(*(click(job) for job in jobs)), run(engine), run(beside))
    while await engine.work():
        pass
    await look(engine)
    both = [await seen(engine, one) for one in plans]
    assert sum(clicks) + sum(one.counts.succeeded for one in both) == 40
    assert sum(one.counts.skipped for one in both) == 40 + sum(clicks)
    assert len(server.requests) == 40
    assert {(await engine.job(job)).generation for job in jobs} == {2}
    skipped = (await engine.hub.plans.list_items(both[0].id, [ItemState.SKIPPED], limit=1)).items
    assert all(item.note and item.note.startswith("it is ") for item in skipped)


async def test_a_runner_that_dies_leaves_nothing_half_done(engine: Engine, server: shop.Server) -> None:
    """Whatever it had done in its look is undone with it, and the next runner does the same again."""
    jobs = await submit(engine, server, 3)
    made = await plan(engine)

    async def begin_and_die() -> None:
        async with PlanTickStore(engine.hub.database, engine.hub.registry.providers).turn() as turn:
            assert turn is not None
            assert (await turn.release(3, turn.plan.counts, Barrier())).released == 3
            raise KeyboardInterrupt

    await engine.sql("UPDATE plans SET next_tick_at = now()")
    with pytest.raises(KeyboardInterrupt):
        await begin_and_die()
    assert await states(engine, jobs) == {"failed": 3}
    assert (await seen(engine, made)).counts.pending == 3
    await look(engine)
    assert await engine.work() == 3


async def test_uncertain_jobs_take_a_person_who_may_decide_and_a_reason(
    engine: Engine, server: shop.Server
) -> None:
    """Then they are retried in a generation that vouches for what may exist."""
    [doubtful] = await submit(engine, server, 1, server.do_and_vanish, job="write")
    wanted = PlanRequest(
        Action.RETRY, "state:failed", ALL_AT_ONCE, include_uncertain=True, reason="looked: not there"
    )
    operator = Principal.of_operator(uuid4(), "ada", Role.OPERATOR)
    with pytest.raises(Forbidden, match="jobs:decide"):
        await engine.hub.plans.create(operator, wanted)
    with pytest.raises(Conflict, match="reason"):
        await plan(engine, include_uncertain=True)
    made = await engine.hub.plans.create(engine.principal, wanted)
    assert made.counts.pending == 1
    with pytest.raises(Forbidden, match="jobs:decide"):
        await engine.hub.plans.command(operator, made.id, Command.START)
    await tell(engine, made, Command.START)
    await look(engine)
    assert await engine.work() == 1
    assert (await engine.job(doubtful)).state == "succeeded"


async def test_an_uncertain_job_is_never_released_by_a_plan_without_a_decision(
    engine: Engine, server: shop.Server
) -> None:
    """Not even if it becomes so between the dry run and its turn."""
    [one] = await submit(engine, server, 1)
    made = await plan(engine)
    await engine.sql("UPDATE jobs SET reason = 'uncertain' WHERE id = :id", id=one)
    await look(engine)
    assert (await seen(engine, made)).counts.skipped == 1
    assert (await engine.job(one)).state == "failed"


async def test_including_uncertain_jobs_vouches_for_those_that_were_called_so_alone(
    engine: Engine, server: shop.Server
) -> None:
    """One that the dry run called safe, as its key protected, was not looked up: when that lapses, it is not released."""
    [doubtful] = await submit(engine, server, 1, server.do_and_vanish, job="write")
    [covered] = await submit(engine, server, 1, server.do_and_vanish)
    made = await plan(engine, include_uncertain=True, reason="looked: not there")
    assert (made.safe, made.uncertain, made.counts.pending) == (1, 1, 2)
    await engine.sql("UPDATE steps SET first_sent_at = first_sent_at - interval '24 hours'")
    await look(engine)
    assert await engine.work() == 1
    assert [(await engine.job(job)).state for job in (doubtful, covered)] == ["succeeded", "failed"]
    [left] = (await engine.hub.plans.list_items(made.id, [ItemState.SKIPPED])).items
    assert (left.job_id, left.note) == (
        covered,
        "it may not be done any more: a key that made it harmless protects no longer",
    )


async def test_a_plan_cancels_discards_and_requeues(engine: Engine, server: shop.Server) -> None:
    """With the conditions of the single actions, and an outcome for each."""
    await submit(engine, server, 2)
    later = await submit(engine, server, 2, says(503), job="persist")
    requeued = await plan(engine, action=Action.REQUEUE, filter="state:retrying")
    await look(engine)
    assert await states(engine, later) == {"queued": 2}
    server.answers = [says(503), says(503)]
    assert await engine.work() == 2
    await look(engine)
    assert (await seen(engine, requeued)).counts.retrying == 2
    # Of what was refused before that, the timeline still tells.
    entries = (await engine.hub.timeline.of_job(engine.principal, later[0], Part())).items
    calls = [entry.detail for entry in entries if entry.kind is EntryKind.STEP]
    assert [(call["attempt"], call["past"]) for call in calls] == [(1, True), (2, False)]
    cancelled = await plan(engine, action=Action.CANCEL, filter="state:retrying")
    discarded = await plan(engine, action=Action.DISCARD, filter="state:failed")
    await look(engine)
    await look(engine)
    assert (await seen(engine, cancelled)).counts.succeeded == 2
    assert (await seen(engine, discarded)).counts.succeeded == 2
    assert await engine.sql("SELECT state, reason, count(*) FROM jobs GROUP BY 1, 2") == [
        ("cancelled", "by_operator", 4)
    ]
    # As far as the plan that ran them is concerned, somebody else ended them.
    assert (await seen(engine, requeued)).counts.cancelled == 2


async def test_what_is_aborted_releases_nothing_more_and_still_reports(
    engine: Engine, server: shop.Server
) -> None:
    """What was released runs on."""
    jobs = await submit(engine, server, 6)
    made = await plan(engine, Settings(canary=2, rate=1000))
    await look(engine)
    assert made.halted_by is None
    ended = await engine.hub.plans.command(engine.principal, made.id, Command.ABORT, reason="enough")
    assert ended.state is PlanState.ABORTED
    assert await engine.work() == 2
    await look(engine)
    now = await seen(engine, made)
    assert (now.state, now.counts.succeeded, now.counts.pending) == (PlanState.ABORTED, 2, 4)
    assert (now.halted_by, now.halt_reason) == (actor_of(engine.principal), "enough")
    assert await states(engine, jobs) == {"succeeded": 2, "failed": 4}
    for command in (Command.START, Command.RESUME, Command.PAUSE, Command.GO, Command.ABORT):
        with pytest.raises(Conflict, match="aborted"):
            await tell(engine, made, command)
    assert await engine.sql("SELECT 1 FROM plans WHERE next_tick_at IS NOT NULL") == []


async def test_a_plan_that_fits_nothing_or_too_much_is_refused(engine: Engine, server: shop.Server) -> None:
    """Before anything is kept."""
    await submit(engine, server, 3)
    for wrong in (
        {"filter": " "},
        {"filter": "state:nonsense"},
        {"settings": Settings(rate=0)},
        {"settings": Settings(stop_above=2)},
    ):
        with pytest.raises(Invalid):
            await plan(engine, **wrong)
    unfit = await plan(engine, action=Action.REQUEUE, start=False)
    with pytest.raises(Conflict, match="nothing"):
        await tell(engine, unfit, Command.START)
    await engine.sql("DELETE FROM plans")
    await engine.sql("DELETE FROM plan_items")
    engine.hub.plans._snapshots = PlanSnapshots(engine.hub.database, engine.hub.registry.providers, most=2)
    with pytest.raises(Invalid, match="more than 2 jobs"):
        await plan(engine)
    assert await engine.sql("SELECT 1 FROM plans UNION ALL SELECT 1 FROM plan_items") == []
    with pytest.raises(NotFound):
        await engine.hub.plans.get(uuid4())


async def test_a_dry_run_beside_other_actions_keeps_the_audit_log_whole(
    engine: Engine, server: shop.Server
) -> None:
    """However long it takes, and whatever is noted meanwhile."""
    jobs = await submit(engine, server, 30)
    made = await asyncio.gather(
        *(plan(engine, start=False) for _ in range(4)), *(engine.retry(job) for job in jobs)
    )
    assert len([one for one in made if one]) == 4
    assert await engine.sql("SELECT count(*), max(seq) FROM audit_log") == [(34, 34)]


async def test_a_jobs_timeline_tells_of_the_plan_that_released_it(
    engine: Engine, server: shop.Server
) -> None:
    """Who, by which plan, why, and what came of it."""
    [one] = await submit(engine, server, 1)
    made = await plan(engine, reason="the shop is back")
    await look(engine)
    await engine.work()
    await look(engine)
    story = await engine.hub.timeline.of_job(engine.principal, one, Part())
    [told] = [entry for entry in story.items if "by a plan" in entry.text]
    assert told.text.endswith("retried it with others, by a plan: the shop is back")
    assert (told.detail["detail"]["plan"], told.detail["detail"]["outcome"]) == (str(made.id), "succeeded")


async def test_lists_and_reports_go_on_where_they_ended(engine: Engine, server: shop.Server) -> None:
    """Page by page, each once."""
    jobs = await submit(engine, server, 5)
    plans = [await plan(engine, start=False) for _ in range(3)]
    first = await engine.hub.plans.list_plans(limit=2)
    rest = await engine.hub.plans.list_plans(limit=2, cursor=first.next_cursor)
    assert [one.id for one in (*first.items, *rest.items)] == [one.id for one in reversed(plans)]
    items = await engine.hub.plans.list_items(plans[0].id, limit=3)
    more = await engine.hub.plans.list_items(plans[0].id, limit=3, cursor=items.next_cursor)
    assert [item.job_id for item in (*items.items, *more.items)] == jobs
    reported = [item async for page in engine.hub.plans.report(plans[0].id) for item in page]
    assert [item.position for item in reported] == [1, 2, 3, 4, 5]


async def test_what_nobody_starts_is_deleted_in_time(engine: Engine, server: shop.Server) -> None:
    """With its items; what is younger, and what was started however long ago, stays. The audit log forgets nothing."""
    await submit(engine, server, 3)
    old, given_up, begun = [await plan(engine, start=False) for _ in range(3)]
    await tell(engine, given_up, Command.ABORT)
    await tell(engine, begun, Command.START)
    await engine.sql("UPDATE plans SET created_at = created_at - CAST(:age AS interval)", age=DRAFT_KEPT)
    young = await plan(engine, start=False)
    await engine.relay.prune()
    left = {begun.id, young.id}
    assert {row[0] for row in await engine.sql("SELECT id FROM plans")} == left
    assert {row[0] for row in await engine.sql("SELECT plan_id FROM plan_items")} == left
    with pytest.raises(NotFound):
        await tell(engine, old, Command.START)
    assert await engine.sql("SELECT count(*) FROM audit_log WHERE action = 'plan.create'") == [(4,)]


async def test_a_long_dry_run_is_deleted_part_by_part_and_cannot_be_started_meanwhile(
    engine: Engine, server: shop.Server
) -> None:
    """Nothing of a list is done that is not what was shown."""
    await submit(engine, server, 5)
    made = await plan(engine, start=False)
    store = PlanStore(engine.hub.database)
    for left in (3, 1):
        await store.forget_unstarted(timedelta(0), looks=1, limit=2)
        assert await engine.sql("SELECT count(*) FROM plan_items") == [(left,)]
        with pytest.raises(Conflict):
            await tell(engine, made, Command.START)
    await store.forget_unstarted(timedelta(0), looks=1, limit=2)
    assert await engine.sql("SELECT (SELECT count(*) FROM plans), (SELECT count(*) FROM plan_items)") == [
        (0, 0)
    ]
