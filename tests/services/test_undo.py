"""Compensation: what was done is taken back in reverse when the job fails for good, and whoever cannot be is shown to a person."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta
from uuid import UUID

import pytest
from pydantic import SecretStr
from sqlalchemy import text

from hub import Args, Backoff, Effect, Fail, JobContext, job
from hub.bootstrap import Surroundings
from hub.domain.access import Scope
from hub.domain.errors import Conflict, Forbidden
from hub.registry import Registry
from tests.services import shop
from tests.services.engine import Engine, another, engine
from tests.services.shop import Done, Order, says
from tests.until import until

SOON = Backoff(attempts=3, base=timedelta(milliseconds=1))
unwrap = shop.shop.operation("POST", "/unwraps", Order, Done)
refund = shop.shop.operation("POST", "/refunds", Order, Done, effect=Effect.MONEY)
recall = shop.post.operation("POST", "/recalls", Order, Done, effect=Effect.MESSAGE)


class Signed(Order):
    pins: tuple[SecretStr, ...] = ()


signed_refund = shop.shop.operation("POST", "/signed-refunds", Signed, Done, effect=Effect.MONEY)


class Sale(Args):
    fails: bool = True
    waits: bool = False


@job(retry=SOON)
async def sell(ctx: JobContext, args: Sale) -> str:
    await ctx.call(shop.wrap, item="wrap")
    await ctx.compensate(unwrap, item="unwrap")
    await ctx.call(shop.charge, item="charge")
    await ctx.compensate(refund, item="refund")
    if args.waits:
        await ctx.sleep(timedelta(hours=1))
    if args.fails:
        raise Fail("sold out", code="sold_out")
    return "sold"


@job(retry=SOON)
async def stumble(ctx: JobContext, args: Sale) -> None:
    """Fails at once when it runs again, before it has asked for any step."""
    if ctx.attempt > 1:
        raise Fail("not again")
    await ctx.call(shop.charge, item="charge")
    await ctx.compensate(refund, item="refund")
    raise RuntimeError("for now")


@job(retry=SOON)
async def tell(ctx: JobContext, args: Sale) -> None:
    """What it did last is uncertain."""
    await ctx.call(shop.charge, item="charge")
    await ctx.compensate(refund, item="refund")
    await ctx.call(shop.letter, item="letter")


@job(retry=SOON)
async def inform(ctx: JobContext, args: Sale) -> None:
    """Its undoing goes to a provider without idempotency keys."""
    await ctx.call(shop.letter, item="letter")
    await ctx.compensate(recall, item="recall")
    raise Fail("wrong letter")


@job(retry=SOON)
async def confide(ctx: JobContext, args: Sale) -> None:
    """What would undo it takes a secret."""
    await ctx.call(shop.charge, item="charge")
    await ctx.compensate(refund, item="refund")
    await ctx.compensate(signed_refund, item="signed", pins=["hush-hush"])


@pytest.fixture
async def hub(database_url: str, redis_url: str, server: shop.Server) -> AsyncIterator[Engine]:
    """An engine that knows these jobs, and the operations that undo what they do."""
    registry = Registry.of(
        providers=[shop.shop, shop.post],
        jobs=[sell, stumble, tell, inform, confide],
        operations=[unwrap, refund, recall, signed_refund],
    )
    async with engine(registry, database_url, redis_url, Surroundings(transport=server)) as made:
        yield made


async def work_out(hub: Engine) -> None:
    """Until nothing is due any more."""
    while await hub.work():
        await hub.pass_time()


async def test_what_was_done_is_undone_in_reverse(hub: Engine, server: shop.Server) -> None:
    """The last thing first; then the job is failed for what it failed for, and each step stands in its ledger."""
    made = await hub.submit("test_undo.sell")
    await work_out(hub)
    assert server.effects == ["wrap", "charge", "refund", "unwrap"]
    row = await hub.job(made)
    assert (row.state, row.reason, row.error_code, row.result) == ("failed", "stopped", "sold_out", None)
    assert row.undone_at is not None
    shown = await hub.hub.inspect.get_job(hub.principal, made)
    assert (shown.next.action.value, shown.next.text) == (
        "none", "nothing: it has failed, and what it did was undone; submit a new job to try again",
    )  # fmt: skip
    attempts = [(one.outcome, one.error_code, one.error_signature) for one in await hub.attempts(made)]
    assert attempts == [("failed", "sold_out", row.error_signature), ("compensated", None, None)]
    assert [(step.kind, step.certainty) for step in await hub.steps(made)] == [
        ("call", "confirmed"), ("undo", "confirmed"), ("call", "confirmed"), ("undo", "confirmed"),
    ]  # fmt: skip


async def test_a_success_undoes_nothing(hub: Engine, server: shop.Server) -> None:
    """What was recorded for the worst is left alone."""
    made = await hub.submit("test_undo.sell", {"fails": False})
    await work_out(hub)
    assert (await hub.job(made)).result == "sold"
    assert server.effects == ["wrap", "charge"]


async def test_an_undoing_is_retried_with_a_budget_of_its_own(hub: Engine, server: shop.Server) -> None:
    """Under the same key, so that it is done once, though its answer was lost."""
    made = await hub.submit("test_undo.sell")
    server.answers = [server.do, server.do, says(500), server.do_and_vanish]
    await work_out(hub)
    row = await hub.job(made)
    assert (row.state, row.error_code) == ("failed", "sold_out")
    assert server.items == {"wrap": 1, "charge": 1, "refund": 1, "unwrap": 1}
    assert len(set(server.keys[2:5])) == 1


async def test_an_undoing_that_fails_for_good_is_a_persons_case(hub: Engine, server: shop.Server) -> None:
    """Under a reason of its own, with what was not undone yet left as it is; a retry goes on with the undoing alone."""
    made = await hub.submit("test_undo.sell")
    server.answers = [server.do, server.do, says(402)]
    await work_out(hub)
    row = await hub.job(made)
    assert (row.state, row.reason) == ("failed", "compensation_failed")
    assert server.effects == ["wrap", "charge"]
    await hub.retry(made)
    await work_out(hub)
    row = await hub.job(made)
    assert (row.state, row.reason, row.error_code) == ("failed", "stopped", "sold_out")
    assert server.effects == ["wrap", "charge", "refund", "unwrap"]


async def test_what_may_have_been_done_without_an_undoing_is_a_persons_case(
    hub: Engine, server: shop.Server
) -> None:
    """The charge was never answered: the rest is undone, and a person looks for it before the job is closed."""
    made = await hub.submit("test_undo.sell")
    server.answers = [server.do, *[server.do_and_vanish] * 3]
    await work_out(hub)
    row = await hub.job(made)
    assert (row.state, row.reason, row.undone_at) == ("failed", "uncertain", None)
    assert "shop POST /charges was sent at" in row.error_message
    assert server.effects == ["wrap", "charge", "unwrap"]
    await hub.retry(made)
    await work_out(hub)
    row = await hub.job(made)
    assert (row.state, row.reason, row.undone_at is None) == ("failed", "exhausted", False)
    assert server.effects == ["wrap", "charge", "unwrap"]


async def test_a_job_that_was_undone_is_not_retried(hub: Engine) -> None:
    """Its record says done of what is not there any more."""
    made = await hub.submit("test_undo.sell")
    await work_out(hub)
    detail = await hub.hub.inspect.get_job(hub.principal, made)
    assert not detail.retry.allowed
    with pytest.raises(Conflict) as refused:
        await hub.retry(made)
    assert refused.value.code == "job_undone"


async def test_cancelling_a_waiting_job_undoes_what_it_did(hub: Engine, server: shop.Server) -> None:
    """It is cancelled when that is done, and not before; meanwhile it cannot be cancelled again."""
    made = await hub.submit("test_undo.sell", {"waits": True})
    await hub.work()
    assert (await hub.job(made)).state == "waiting"
    shown = await hub.hub.operate.cancel(hub.principal, made)
    assert (shown.state.value, shown.next.text) == (
        "queued",
        "what it did is being undone: waits for a worker",
    )
    with pytest.raises(Conflict) as refused:
        await hub.hub.operate.cancel(hub.principal, made)
    assert refused.value.code == "job_being_undone"
    with pytest.raises(Conflict) as refused:
        await hub.hub.operate.cancel(hub.principal, made, reason="enough")
    assert refused.value.code == "job_being_undone"
    await work_out(hub)
    row = await hub.job(made)
    assert (row.state, row.reason, row.error_code) == ("cancelled", "by_operator", None)
    assert server.effects == ["wrap", "charge", "refund", "unwrap"]


async def test_cancelling_undoes_what_was_recorded_while_it_waited(hub: Engine, server: shop.Server) -> None:
    """Somebody holds the job's row and records a step: whoever cancels looks at the steps after that, not before."""
    made = await hub.submit("test_undo.sell", {"waits": True})
    await hub.work()
    await hub.sql("DELETE FROM steps WHERE job_id = :id AND kind = 'undo' RETURNING position", id=made)
    async with hub.hub.database.transaction() as recording:
        await recording.execute(text("SELECT FROM jobs WHERE id = :id FOR SHARE"), {"id": made})
        cancelling = asyncio.create_task(hub.hub.operate.cancel(hub.principal, made))
        await until(lambda: somebody_waits(hub))
        await recording.execute(text(_RECORDED_MEANWHILE), {"id": made, "planned": _PLANNED})
    shown = await cancelling
    assert (shown.state.value, shown.next.text) == (
        "queued",
        "what it did is being undone: waits for a worker",
    )
    await work_out(hub)
    assert (await hub.job(made)).state == "cancelled"
    assert server.effects == ["wrap", "charge", "refund"]


_PLANNED = '{"operation": "shop POST /refunds", "args": {"item": "refund"}}'
_RECORDED_MEANWHILE = """
INSERT INTO steps (job_id, position, name, provider, effect, certainty, serial, generation, attempt, sends, digest, kind, planned,
                   first_sent_at, last_sent_at)
SELECT job_id, 4, 'shop POST /refunds', provider, effect, 'not_sent', 0, generation, attempt, 0, digest, 'undo', CAST(:planned AS jsonb),
       first_sent_at, last_sent_at
FROM steps WHERE job_id = :id AND position = 3
"""


async def somebody_waits(hub: Engine) -> bool:
    """For a lock."""
    [(waiting,)] = await hub.sql("SELECT count(*) FROM pg_locks WHERE NOT granted")
    return bool(waiting)


async def test_cancelling_what_did_nothing_cancels_it_at_once(hub: Engine) -> None:
    """Nothing to undo, nothing to wait for."""
    made = await hub.submit("test_undo.sell")
    assert (await hub.hub.operate.cancel(hub.principal, made)).state.value == "cancelled"


async def test_what_earlier_attempts_recorded_is_undone_too(hub: Engine, server: shop.Server) -> None:
    """Though the attempt that failed for good had not come so far."""
    made = await hub.submit("test_undo.stumble")
    await work_out(hub)
    assert (await hub.job(made)).state == "failed"
    assert server.effects == ["charge", "refund"]


async def test_an_uncertain_effect_is_looked_at_before_anything_is_undone(
    hub: Engine, server: shop.Server
) -> None:
    """The job waits for a person, who may say that it is to be cancelled: then the rest is undone."""
    made = await hub.submit("test_undo.tell")
    server.answers = [server.do, server.do_and_vanish]
    await work_out(hub)
    row = await hub.job(made)
    assert (row.state, row.reason) == ("failed", "uncertain")
    assert server.effects == ["charge", "letter"]
    shown = await hub.hub.inspect.get_job(hub.principal, made)
    assert "cancel it with a reason, which undoes what was recorded" in shown.next.text
    with pytest.raises(Conflict, match="to cancel, give") as refused:
        await hub.hub.operate.cancel(hub.principal, made)
    assert refused.value.code == "reason_needed"
    await hub.hub.operate.cancel(hub.principal, made, reason="the letter went out; give the money back")
    await work_out(hub)
    assert (await hub.job(made)).state == "cancelled"
    assert server.effects == ["charge", "letter", "refund"]


async def test_an_uncertain_undoing_is_not_repeated_blindly(hub: Engine, server: shop.Server) -> None:
    """A provider without idempotency keys: a person looks, and has it gone on with."""
    made = await hub.submit("test_undo.inform")
    server.answers = [server.do, server.do_and_vanish]
    await work_out(hub)
    assert (await hub.job(made)).reason == "uncertain"
    assert server.effects == ["letter", "recall"]
    server.answers = [says(422)]
    await hub.retry(made, reason="it is there")
    await work_out(hub)
    assert (await hub.job(made)).reason == "compensation_failed"


async def test_a_person_closes_what_could_not_be_undone(hub: Engine, server: shop.Server) -> None:
    """They mended it at the provider, and say so: the job is what it was to become, and stays so."""
    made = await hub.submit("test_undo.sell")
    server.answers = [server.do, server.do, says(402)]
    await work_out(hub)
    assert (await hub.job(made)).reason == "compensation_failed"
    await closed(hub, made, "failed")
    row = await hub.job(made)
    assert (row.reason, row.error_code, row.error_message) == ("stopped", "sold_out", "sold out")
    assert server.effects == ["wrap", "charge"]


async def test_a_person_closes_what_was_uncertain_while_it_was_undone(
    hub: Engine, server: shop.Server
) -> None:
    """The recall may have gone out: whoever has looked need not have it sent again."""
    made = await hub.submit("test_undo.inform")
    server.answers = [server.do, server.do_and_vanish]
    await work_out(hub)
    assert (await hub.job(made)).reason == "uncertain"
    await closed(hub, made, "failed")
    row = await hub.job(made)
    assert (row.reason, row.error_message) == ("stopped", "wrong letter")
    assert server.effects == ["letter", "recall"]


async def test_a_person_closes_what_this_release_cannot_undo(
    hub: Engine, server: shop.Server, database_url: str, redis_url: str
) -> None:
    """The operation is gone from the code, and no release will bring it back."""
    made = await hub.submit("test_undo.sell", {"waits": True})
    await hub.work()
    await hub.hub.operate.cancel(hub.principal, made)
    later = Registry.of(providers=[shop.shop], jobs=[sell], operations=[unwrap])
    async with engine(later, database_url, redis_url, Surroundings(transport=server)) as newer:
        await newer.work()
        row = await newer.job(made)
        assert (row.state, row.reason) == ("held", "steps_changed")
        await closed(newer, made, "cancelled")
        await work_out(newer)
        row = await newer.job(made)
        assert (row.state, row.reason, row.error_code) == ("cancelled", "by_operator", None)
    assert server.effects == ["wrap", "charge"]


async def closed(hub: Engine, job: UUID, state: str) -> None:
    """By a person who says why, which it takes; then nobody can retry it, and everybody can read what was said."""
    shown = await hub.hub.inspect.get_job(hub.principal, job)
    assert "cancel it with a reason" in shown.next.text
    with pytest.raises(Conflict, match="to cancel, give") as refused:
        await hub.hub.operate.cancel(hub.principal, job, reason=" ")
    assert refused.value.code == "reason_needed"
    clerk = replace(hub.principal, scopes=frozenset({Scope.JOBS_OPERATE}))
    with pytest.raises(Forbidden, match="jobs:decide"):
        await hub.hub.operate.cancel(clerk, job, reason="given back by hand")
    shown = await hub.hub.operate.cancel(hub.principal, job, reason="given back by hand")
    assert (shown.state.value, shown.next.action.value) == (state, "none")
    assert "a person has said" in shown.next.text
    assert shown.undone_at is not None
    assert shown.settled_at is not None
    assert await hub.sql(
        "SELECT detail FROM audit_log WHERE action = 'job.close' AND subject = :id", id=str(job)
    ) == [({"reason": "given back by hand"},)]
    with pytest.raises(Conflict) as refused:
        await hub.retry(job)
    assert refused.value.code == "job_undone"
    with pytest.raises(Conflict):
        await hub.hub.operate.cancel(hub.principal, job, reason="again")


async def test_a_secret_is_not_recorded_to_undo_something(hub: Engine, server: shop.Server) -> None:
    """Arguments are stored as they are, and a masked one could not be sent: the job is told so, and what it did undone."""
    made = await hub.submit("test_undo.confide")
    await work_out(hub)
    row = await hub.job(made)
    assert (row.state, row.reason, row.error_code) == ("failed", "invalid", "secret_in_undo")
    assert "shop POST /signed-refunds takes a secret" in row.error_message
    assert [step.name for step in await hub.steps(made)] == ["shop POST /charges", "shop POST /refunds"]
    assert server.effects == ["charge", "refund"]


async def test_an_undoing_survives_its_worker(hub: Engine, server: shop.Server) -> None:
    """Claimed by a worker that dies in the middle: another goes on, and nothing is undone twice."""
    made = await hub.submit("test_undo.sell")
    await hub.work()
    other = await another(hub.hub)
    [dying] = await hub.claim()
    server.answers = [server.do, says(500)]
    await hub.execute.run(dying)
    # It does not come to writing its end, as its lease lapses.
    await hub.store.heartbeat(timedelta(seconds=-1))
    await other.relay.rescue()
    await hub.execute.drain()
    await work_out(other)
    assert (await hub.job(made)).state == "failed"
    assert server.items == {"wrap": 1, "charge": 1, "refund": 1, "unwrap": 1}


async def test_a_crash_loop_is_undone_without_running_its_code(hub: Engine, server: shop.Server) -> None:
    """The killer is its function; what it did is taken back by the record."""
    made = await hub.submit("test_undo.sell", {"waits": True})
    await hub.work()
    await hub.sql("UPDATE jobs SET crashes = 9, run_at = now() WHERE id = :id", id=made)
    [claimed] = await hub.claim()
    await hub.store.heartbeat(timedelta(seconds=-1))
    other = await another(hub.hub)
    await other.relay.rescue()
    await work_out(other)
    row = await hub.job(made)
    assert (row.state, row.reason) == ("failed", "crash_loop")
    assert server.effects == ["wrap", "charge", "refund", "unwrap"]
    assert claimed.attempt == 2
