"""Claims: by the number of the hand-over, under a living lease, once; and held where nothing should start."""

import asyncio
from datetime import timedelta

from hub import Args, JobContext, job
from hub.domain.effects import Certainty, Effect, Step
from hub.infra.queue import Ready
from hub.infra.store.execution import Claimed
from hub.infra.store.steps import StepRecord, StepStore
from tests.services.conftest import Start
from tests.services.engine import another


class Nothing(Args):
    pass


@job(queue="mail")
async def post(_ctx: JobContext, _args: Nothing) -> None:
    pass


@job(queue="mail")
async def newer(_ctx: JobContext, _args: Nothing) -> None:
    pass


async def test_a_stale_hand_over_is_refused(start: Start) -> None:
    """After a job was handed over again, the older number starts nothing."""
    engine = await start(post)
    made = await engine.submit("test_claim.post")
    await engine.sql("UPDATE jobs SET dispatch = dispatch + 1 WHERE id = :id", id=made)
    assert await engine.execute.claim([(made, 1)]) == []
    assert [claimed.attempt for claimed in await engine.execute.claim([(made, 2)])] == [1]


async def test_of_two_workers_that_claim_the_same_one_wins(start: Start) -> None:
    """Fifty jobs handed to two workers at once, in opposite order, are held once each, and nobody is in deadlock."""
    engine = await start(post)
    other = await another(engine.hub)
    handed = [(await engine.submit("test_claim.post"), 1) for _ in range(50)]
    one, two = await asyncio.gather(engine.execute.claim(handed), other.execute.claim(handed[::-1]))
    assert len(one) + len(two) == 50
    assert not {claimed.id for claimed in one} & {claimed.id for claimed in two}


async def test_a_worker_whose_lease_has_lapsed_claims_nothing(start: Start) -> None:
    """A frozen process that comes back takes no work until its lease is renewed."""
    engine = await start(post)
    made = await engine.submit("test_claim.post")
    await engine.store.heartbeat(timedelta(seconds=-1))
    assert await engine.execute.claim([(made, 1)]) == []
    await engine.store.heartbeat(timedelta(seconds=30))
    assert len(await engine.execute.claim([(made, 1)])) == 1


async def test_a_paused_queue_starts_nothing_and_uses_up_nothing(start: Start) -> None:
    """What was handed over is held by the claim, what was not by the relay; resumed, all of it runs as first attempts."""
    engine = await start(post)
    handed = await engine.submit("test_claim.post")
    await engine.hub.operate.pause(engine.principal, "mail")
    waiting = await engine.submit("test_claim.post")
    await engine.sql("UPDATE jobs SET dispatched_at = NULL, dispatch = 0 WHERE id = :id", id=waiting)
    assert await engine.work() == 0
    await engine.relay.sweep()
    for job_id in (handed, waiting):
        row = await engine.job(job_id)
        assert (row.state, row.reason, row.attempt, row.started_at) == ("held", "queue_paused", 0, None)
    await engine.hub.operate.resume(engine.principal, "mail")
    await engine.relay.sweep()
    assert await engine.work() == 2
    assert {(await engine.job(one)).attempt for one in (handed, waiting)} == {1}


async def test_a_job_of_a_newer_release_waits_for_it(start: Start) -> None:
    """A worker that does not know its name holds it; one that does releases and runs it, as a first attempt."""
    new, old = await start(post, newer), await start(post)
    made = await new.submit("test_claim.newer")
    assert await old.work() == 0
    await old.relay.sweep()
    row = await new.job(made)
    assert (row.state, row.reason, row.attempt, row.failures) == ("held", "unknown_job", 0, 0)
    await new.relay.sweep()
    assert await new.work() == 1
    assert (await new.job(made)).state == "succeeded"


async def test_a_claim_whose_answer_was_lost_is_given_back(start: Start) -> None:
    """The worker lives, so nobody would rescue it: it finds what it does not run, and only that."""
    engine = await start(post)
    lost, held = await engine.submit("test_claim.post"), await engine.submit("test_claim.post")
    claimed = {one.id: one for one in await engine.claim()}
    assert await engine.execute.give_back({(held, claimed[held].attempt)}, crashed=False) == 1
    await engine.execute.drain()
    assert (await engine.job(lost)).state == "queued"
    assert (await engine.job(lost)).crashes == 0
    assert (await engine.job(held)).state == "running"


async def test_the_end_of_an_attempt_is_its_holders_alone(start: Start) -> None:
    """A zombie's settlement is refused, and its report changes nothing."""
    engine = await start(post)
    other = await another(engine.hub)
    made = await engine.submit("test_claim.post")
    [zombie] = await engine.claim()
    await engine.store.heartbeat(timedelta(seconds=-1))
    await other.relay.rescue()
    [present] = await other.claim()
    assert present.attempt == zombie.attempt + 1
    await engine.execute.run(zombie)
    await engine.execute.drain()
    assert ((await engine.job(made)).state, (await engine.job(made)).worker_id) == (
        "running",
        other.store.worker,
    )
    await other.execute.run(present)
    await other.execute.drain()
    assert [attempt.outcome for attempt in await engine.attempts(made)] == ["interrupted", "succeeded"]


async def test_of_two_attempts_of_one_worker_only_the_present_one_writes(start: Start) -> None:
    """Even in one batch: what is left of a former attempt must not take the present one's success for its own."""
    engine = await start(post)
    made = await engine.submit("test_claim.post")
    [former] = await engine.claim()
    await engine.execute.give_back((), crashed=False)
    await engine.execute.drain()
    [present] = await engine.claim()
    lines = [_line(former), _line(present)]
    assert await StepStore(engine.hub.database, engine.store.worker).record(lines) == {
        (made, present.attempt, 1)
    }
    await asyncio.gather(engine.execute.run(former), engine.execute.run(present))
    await engine.execute.drain()
    assert [attempt.outcome for attempt in await engine.attempts(made)] == ["interrupted", "succeeded"]


def _line(held: Claimed) -> StepRecord:
    step = Step(1, "step", Effect.READ, Certainty.UNKNOWN, 0, held.generation, None, b"")
    return StepRecord(held.id, held.attempt, step, "provider", "key", sending=True)


async def test_a_hand_over_taken_back_under_a_claim_is_started_once(start: Start) -> None:
    """Sweep and claim race for every job of a batch: whoever wins, each is claimed at most once by each number."""
    engine = await start(post)
    made = [await engine.submit("test_claim.post") for _ in range(30)]
    [row] = await engine.sql("SELECT now() AS now")
    ready = [Ready(one, 1, "mail", 5, row.now) for one in made]
    claimed, _ = await asyncio.gather(
        engine.execute.claim([(one, 1) for one in made]), engine.hub.queue.missing(ready)
    )
    assert len(claimed) == 30
    assert await engine.claim() == []
