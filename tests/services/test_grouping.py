"""Failures are grouped by cause in the transaction in which they happen."""

import asyncio
from collections.abc import Sequence
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest

from hub import Args, Backoff, Fail, JobContext, Snooze, job
from hub.domain.causes import MOST_OF_A_JOB, Cause, rest_of
from hub.domain.inbox import GroupState, after_failure
from hub.domain.jobs import Ending, Failure, JobState, OutcomeKind, Reason, Transition
from hub.infra.store.inbox import InboxStore
from hub.infra.store.settlements import Settlement
from tests.services import shop
from tests.services.conftest import Start
from tests.services.engine import Engine, another

SOON = Backoff(attempts=2, base=timedelta(milliseconds=1))
LATER = Backoff(attempts=2, base=timedelta(hours=1))


class Said(Args):
    words: str = "no"


@job(retry=SOON)
async def give_up(ctx: JobContext, args: Said) -> None:
    raise Fail(args.words, code="said_no")


@job(retry=LATER)
async def explode(ctx: JobContext, args: Said) -> None:
    raise RuntimeError(args.words)


@job(retry=SOON)
async def snooze(ctx: JobContext, args: Said) -> None:
    raise Snooze(timedelta(hours=1))


@job(retry=SOON)
async def work(ctx: JobContext, args: Said) -> None:
    pass


@job(retry=SOON)
async def pay(ctx: JobContext, args: Said) -> None:
    await ctx.call(shop.charge, item="book")


@job(retry=SOON)
async def pay_or_give_up(ctx: JobContext, args: Said) -> None:
    try:
        await ctx.call(shop.charge, item="book")
    except Exception as error:
        raise Fail("the shop does not want to", code="shop") from error


@job(retry=SOON)
async def write(ctx: JobContext, args: Said) -> None:
    await ctx.call(shop.letter, item="letter")


async def groups(engine: Engine) -> Sequence[Any]:
    return await engine.sql("SELECT * FROM error_groups ORDER BY first_seen_at, signature")


async def fail(engine: Engine, name: str, **args: Any) -> UUID:
    made = await engine.submit(f"test_grouping.{name}", args)
    await engine.work()
    return made


async def test_failures_of_one_cause_are_one_group(start: Start) -> None:
    """Counted in its row and in its hour, with the latest job as the example, under the signature of the jobs."""
    engine = await start(give_up)
    await fail(engine, "give_up", words="no order 17")
    last = await fail(engine, "give_up", words="no order 18")
    [group] = await groups(engine)
    assert (group.job, group.kind, group.code) == ("test_grouping.give_up", "Fail", "said_no")
    assert (group.message, group.state, group.attempts, group.lost) == ("no order …", "open", 2, 2)
    assert (group.first_release, group.last_release, group.example_id) == ("1", "1", last)
    assert (await engine.job(last)).error_signature == group.signature
    [hour] = await engine.sql(
        "SELECT signature, attempts, lost, hour <= now() AND hour > now() - interval '1 hour' FROM error_hours"
    )
    assert tuple(hour) == (group.signature, 2, 2, True)


async def test_a_failure_that_a_retry_may_cure_is_told_apart(start: Start) -> None:
    """Attempts that failed, and those of them that a job failed of for good, are two numbers."""
    engine = await start(explode)
    await fail(engine, "explode")
    [group] = await groups(engine)
    assert (group.attempts, group.lost) == (1, 0)
    await engine.pass_time()
    await engine.work()
    [group] = await groups(engine)
    assert (group.attempts, group.lost) == (2, 1)


async def test_what_is_put_off_or_succeeds_is_not_counted(start: Start) -> None:
    """Snoozes and successes leave the inbox alone."""
    engine = await start(snooze, work)
    await fail(engine, "snooze")
    await fail(engine, "work")
    assert not await groups(engine)


async def test_a_group_knows_where_the_call_failed(start: Start, server: shop.Server) -> None:
    """Provider, operation and step, also where the job fails in words of its own because of it."""
    engine = await start(pay, pay_or_give_up)
    server.answers += [shop.says(422), shop.says(422)]
    await fail(engine, "pay")
    await fail(engine, "pay_or_give_up")
    for group in await groups(engine):
        assert (group.provider, group.step, group.operation) == (
            "shop",
            "shop POST /charges",
            "POST /charges",
        )
    assert [group.kind for group in await groups(engine)] == ["Rejected", "Fail"]


async def test_a_refusal_on_record_is_the_same_cause(start: Start, server: shop.Server) -> None:
    """A job that meets the recorded refusal once more fails in the same group."""
    engine = await start(write)
    server.answers += [server.do_and_vanish]
    made = await fail(engine, "write")
    [group] = await groups(engine)
    assert (group.kind, group.provider, group.lost) == ("UncertainEffect", "post", 1)
    assert (await engine.job(made)).error_signature == group.signature


async def test_a_crash_loop_is_grouped_by_job(start: Start) -> None:
    """A rescue that fails a job for good counts, one that queues it again does not."""
    engine = await start(work)
    made = await engine.submit("test_grouping.work")
    for lost in range(10):
        assert len(await groups(engine)) == 0, lost
        worker = await another(engine.hub, lease=timedelta(seconds=-1))
        # As a worker that has lost its lease since it claimed.
        await engine.sql(
            "UPDATE workers SET lease_until = now() + interval '1 hour' WHERE id = :id",
            id=worker.store.worker,
        )
        await worker.claim()
        await engine.sql(
            "UPDATE workers SET lease_until = now() - interval '1 hour' WHERE id = :id",
            id=worker.store.worker,
        )
        await engine.relay.rescue()
    [group] = await groups(engine)
    assert (group.job, group.code, group.lost) == ("test_grouping.work", "worker_lost", 1)
    assert (await engine.job(made)).reason == "crash_loop"


@pytest.mark.parametrize("state", [*GroupState])
async def test_the_statement_moves_groups_as_the_rule_says(start: Start, state: GroupState) -> None:
    """Resolved opens again, and says so; ignored and acknowledged stay."""
    engine = await start(give_up)
    await fail(engine, "give_up")
    await engine.sql("UPDATE error_groups SET state = :state RETURNING 1", state=state.value)
    await fail(engine, "give_up")
    [group] = await groups(engine)
    assert group.state == after_failure(state, lost=True)
    came_back = state is GroupState.RESOLVED
    assert (group.reopened, group.changed_by) == ((1, "hub") if came_back else (0, None))


async def test_a_retry_to_come_opens_nothing(start: Start) -> None:
    """A resolved group stays so while retries may cure what has come back."""
    engine = await start(explode)
    await fail(engine, "explode")
    await engine.sql("UPDATE error_groups SET state = 'resolved' RETURNING 1")
    await fail(engine, "explode")
    assert [group.state for group in await groups(engine)] == ["resolved"]
    await engine.pass_time()
    await engine.work()
    assert [group.state for group in await groups(engine)] == ["open"]


def failed(job: UUID, attempt: int, message: str) -> Settlement:
    failure = Failure.of(Cause.of("test_grouping.work", "Odd", "odd", message), message)
    move = Transition(JobState.FAILED, 1, 0, OutcomeKind.FAILED, reason=Reason.STOPPED, failure=failure)
    return Settlement(job, attempt, move, None)


LETTERS = [f"{a}{b}{c}" for a in "pqrstuvwxyz" for b in "ghijklm" for c in "nopq"]


async def test_a_job_with_endless_causes_has_a_bounded_number_of_groups(start: Start) -> None:
    """What comes after many causes is counted as the rest, under whose signature its jobs are found."""
    engine = await start(work)
    many = MOST_OF_A_JOB + 50
    for _ in range(many):
        await engine.submit("test_grouping.work")
    claimed = await engine.claim()
    ends = [failed(one.id, one.attempt, word) for one, word in zip(claimed, LETTERS, strict=False)]
    await engine.store.settle(ends[:150])
    await engine.store.settle(ends[150:])
    found = await groups(engine)
    assert len(found) == MOST_OF_A_JOB + 1
    [rest] = [group for group in found if group.signature == rest_of("test_grouping.work").signature]
    assert (rest.code, rest.lost, rest.kind) == ("too_many_causes", 50, "")
    [[jobs]] = await engine.sql(
        "SELECT count(*) FROM jobs WHERE error_signature = :rest", rest=rest.signature
    )
    assert jobs == 50
    [[attempts]] = await engine.sql(
        "SELECT count(*) FROM attempts WHERE error_signature = :rest", rest=rest.signature
    )
    assert attempts == 50


async def test_a_known_cause_is_never_counted_as_the_rest(start: Start) -> None:
    """Also of a job that has too many: its group is there already."""
    engine = await start(work)
    for _ in range(MOST_OF_A_JOB + 2):
        await engine.submit("test_grouping.work")
    claimed = await engine.claim()
    words = [*LETTERS[:MOST_OF_A_JOB], LETTERS[0], "new"]
    await engine.store.settle(
        [failed(one.id, one.attempt, word) for one, word in zip(claimed[:-2], words, strict=False)]
    )
    last = [failed(one.id, one.attempt, word) for one, word in zip(claimed[-2:], words[-2:], strict=True)]
    await engine.store.settle(last)
    counts = {group.message: group.lost for group in await groups(engine)}
    assert counts[LETTERS[0]] == 2
    assert "new" not in counts


async def test_the_rest_is_what_an_undone_job_failed_of_too(start: Start) -> None:
    """What is stored for later names the group in which the failure was counted."""
    engine = await start(work)
    for _ in range(MOST_OF_A_JOB + 1):
        await engine.submit("test_grouping.work")
    claimed = await engine.claim()
    ends = [failed(one.id, one.attempt, word) for one, word in zip(claimed, LETTERS, strict=False)]
    await engine.store.settle(ends[:-1])
    failure = ends[-1].transition.failure
    ending = Ending(JobState.FAILED, Reason.STOPPED, failure)
    move = Transition(JobState.QUEUED, 0, 0, OutcomeKind.FAILED, failure=failure, ending=ending)
    await engine.store.settle([Settlement(ends[-1].job, ends[-1].attempt, move, timedelta(0))])
    row = await engine.job(ends[-1].job)
    assert (
        row.error_signature == rest_of("test_grouping.work").signature == row.ending["failure"]["signature"]
    )


async def test_workers_that_fail_of_the_same_causes_at_once_all_get_through(start: Start) -> None:
    """Many batches with the same groups in different orders: no deadlock, and each failure is counted once."""
    engine = await start(work)
    workers = [engine, *[await another(engine.hub) for _ in range(5)]]
    for _ in range(360):
        await engine.submit("test_grouping.work")
    await engine.relay.refill()
    held = []
    for worker in workers:
        handed = await engine.hub.queue.take(["default"], 60)
        held.append((worker, await worker.execute.claim(handed)))
    words = LETTERS[:30]

    async def settle(worker: Engine, jobs: Sequence[Any], turn: int) -> None:
        for at in range(0, len(jobs), 20):
            batch = jobs[at : at + 20]
            order = words if turn % 2 else words[::-1]
            await worker.store.settle(
                [failed(one.id, one.attempt, order[(at + place) % 30]) for place, one in enumerate(batch)]
            )

    await asyncio.gather(*[settle(worker, jobs, turn) for turn, (worker, jobs) in enumerate(held)])
    found = await groups(engine)
    assert (len(found), sum(group.lost for group in found)) == (30, 360)
    [[hours]] = await engine.sql("SELECT sum(lost) FROM error_hours")
    assert hours == 360


async def test_what_failed_before_there_were_groups_is_adopted(start: Start) -> None:
    """Each cause gets its group with the number of its jobs; a second look makes none anew."""
    engine = await start(give_up)
    made = [await fail(engine, "give_up", words=word) for word in ("no", "no", "never")]
    await engine.sql("DELETE FROM error_groups RETURNING 1")
    store = InboxStore(engine.hub.database)
    assert await store.adopt(10) == 2
    assert await store.adopt(10) == 0
    found = {group.message: group for group in await groups(engine)}
    assert (found["no"].lost, found["no"].example_id, found["never"].lost) == (2, made[1], 1)
    assert found["no"].job == "test_grouping.give_up"


async def test_old_groups_are_forgotten_unless_a_job_stands_failed_or_somebody_said_to_ignore_them(
    start: Start,
) -> None:
    """And hours go when nobody draws them any more."""
    engine = await start(give_up)
    await fail(engine, "give_up", words="kept")
    for word in ("gone", "ignored"):
        made = await fail(engine, "give_up", words=word)
        await engine.sql("UPDATE jobs SET state = 'cancelled' WHERE id = :id RETURNING 1", id=made)
    await engine.sql("UPDATE error_groups SET state = 'ignored' WHERE message = 'ignored' RETURNING 1")
    await engine.sql("UPDATE error_groups SET last_seen_at = now() - interval '91 days' RETURNING 1")
    await engine.sql("UPDATE error_hours SET hour = now() - interval '36 days' RETURNING 1")
    await InboxStore(engine.hub.database).forget(10)
    assert {group.message for group in await groups(engine)} == {"kept", "ignored"}
    assert not await engine.sql("SELECT 1 FROM error_hours")
