"""An effect that was asked for and never answered, of a job that ended for another reason: it is told, and not done twice."""

from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta
from uuid import UUID

import pytest

from hub import Args, Backoff, JobContext, job
from hub.bootstrap import Surroundings
from hub.domain.access import Scope
from hub.domain.effects import WINDOW_MARGIN
from hub.domain.errors import Conflict, Forbidden
from hub.registry import Registry
from hub.services.filters import JobFilter
from tests.services import shop
from tests.services.engine import Engine, engine

LATER = "UPDATE steps SET first_sent_at = first_sent_at - interval '24 hours'"
ENDINGS = pytest.mark.parametrize("ending", ["exhausted", "by_operator"])


class Nothing(Args):
    pass


@job(retry=Backoff(attempts=2, base=timedelta(milliseconds=1)))
async def pay(ctx: JobContext, args: Nothing) -> None:
    await ctx.call(shop.look)
    await ctx.call(shop.charge, item="charge")


@pytest.fixture
async def hub(database_url: str, redis_url: str, server: shop.Server) -> AsyncIterator[Engine]:
    """An engine that knows this job."""
    registry = Registry.of(providers=[shop.shop], jobs=[pay])
    async with engine(registry, database_url, redis_url, Surroundings(transport=server)) as made:
        yield made


async def ended_in_doubt(hub: Engine, server: shop.Server, ending: str) -> UUID:
    """A job that has ended so, and whose charge was done, as the hub cannot know."""
    made = await hub.submit("test_doubts.pay")
    server.answers = [server.do, server.do_and_vanish, server.do_and_vanish]
    await hub.work()
    if ending == "exhausted":
        await hub.pass_time()
        await hub.work()
    else:
        await hub.hub.operate.cancel(hub.principal, made)
    server.answers.clear()
    assert (await hub.job(made)).reason == ending
    assert server.effects == ["charge"]
    return made


@ENDINGS
async def test_what_may_have_happened_is_named(hub: Engine, server: shop.Server, ending: str) -> None:
    """In what comes next, of lists too, and in the advice: the step, and the key to look for. A read is none."""
    made = await ended_in_doubt(hub, server, ending)
    shown = await hub.hub.inspect.get_job(hub.principal, made)
    [listed] = (await hub.hub.inspect.list_jobs(hub.principal, JobFilter())).items
    assert listed.next == shown.next
    assert shown.next.action.value == "decide"
    for text in (shown.next.text, shown.retry.text):
        assert "step 2 (shop POST /charges) was sent" in text
        assert f"hub-{made}-2-0" in text
    assert (shown.retry.verdict, shown.retry.allowed, shown.retry.safe) == ("covered", True, True)
    [doubt] = shown.retry.doubts
    assert (doubt.position, doubt.provider, doubt.idempotency_key) == (2, "shop", f"hub-{made}-2-0")
    assert doubt.first_sent_at
    assert doubt.covered_until == doubt.first_sent_at + shop.KEPT_FOR - WINDOW_MARGIN
    assert shown.retry.covered_until == doubt.covered_until


@ENDINGS
async def test_a_retry_inside_the_window_repeats_it_under_the_same_key(
    hub: Engine, server: shop.Server, ending: str
) -> None:
    """The provider answers what it has done."""
    made = await ended_in_doubt(hub, server, ending)
    await hub.retry(made)
    await hub.work()
    assert (await hub.job(made)).state == "succeeded"
    assert server.effects == ["charge"]
    keys = [request.headers["Idempotency-Key"] for request in server.requests if request.method == "POST"]
    assert len(keys) > 1
    assert len(set(keys)) == 1
    shown = await hub.hub.inspect.get_job(hub.principal, made)
    assert shown.next.text == "nothing: it has succeeded"


@ENDINGS
async def test_a_retry_that_comes_too_late_sends_nothing_and_asks(
    hub: Engine, server: shop.Server, ending: str
) -> None:
    """The window was open when a person retried, and is closed when the worker comes: nobody was asked about that."""
    made = await ended_in_doubt(hub, server, ending)
    sent = len(server.requests)
    await hub.retry(made)
    await hub.sql(LATER)
    await hub.work()
    row = await hub.job(made)
    assert (row.state, row.reason) == ("failed", "uncertain")
    assert len(server.requests) == sent


@ENDINGS
@pytest.mark.parametrize("reason", [None, "the provider is back"])
async def test_outside_the_window_a_retry_takes_a_decision(
    hub: Engine, server: shop.Server, ending: str, reason: str | None
) -> None:
    """A reason alone is none: whoever gives it was not asked about that effect. Nothing changes."""
    made = await ended_in_doubt(hub, server, ending)
    await hub.sql(LATER)
    before = await hub.job(made)
    with pytest.raises(Conflict, match=f"under the key hub-{made}-2-0.*decided") as refused:
        await hub.hub.operate.retry(hub.principal, made, reason=reason)
    assert refused.value.code == "uncertain_effect"
    assert await hub.job(made) == before
    shown = (await hub.hub.inspect.get_job(hub.principal, made)).retry
    assert (shown.verdict, shown.safe, shown.needs_decision) == ("uncertain", False, True)


@ENDINGS
async def test_a_decision_repeats_it_under_the_same_key(
    hub: Engine, server: shop.Server, ending: str
) -> None:
    """The person has looked it up, and says so: the hub goes on from there."""
    made = await ended_in_doubt(hub, server, ending)
    await hub.sql(LATER)
    await hub.retry(made, decided=True)
    await hub.work()
    assert (await hub.job(made)).state == "succeeded"
    assert len({r.headers["Idempotency-Key"] for r in server.requests if r.method == "POST"}) == 1


@pytest.mark.parametrize("ending", ["uncertain", "exhausted", "by_operator"])
async def test_only_who_may_judge_effects_decides(hub: Engine, server: shop.Server, ending: str) -> None:
    """Without `jobs:decide` neither a reason nor the word that it was looked up is taken, and the refusal names the scope."""
    made = await ended_in_doubt(hub, server, "exhausted" if ending == "uncertain" else ending)
    await hub.sql(LATER)
    if ending == "uncertain":
        await hub.sql("UPDATE jobs SET reason = 'uncertain'")
    clerk = replace(hub.principal, scopes=frozenset({Scope.JOBS_OPERATE, Scope.JOBS_READ}))
    with pytest.raises(Forbidden, match="jobs:decide") as refused:
        await hub.hub.operate.retry(clerk, made, reason="looked it up", decided=True)
    assert refused.value.code == "decision_needed"
    judge = replace(hub.principal, scopes=clerk.scopes | {Scope.JOBS_DECIDE})
    retried = await hub.hub.operate.retry(judge, made, reason="looked it up", decided=True)
    assert retried.state == "queued"


async def test_inside_the_window_nobody_has_to_decide(hub: Engine, server: shop.Server) -> None:
    """The key makes the repeat harmless, so whoever may operate may retry, without a reason."""
    made = await ended_in_doubt(hub, server, "exhausted")
    clerk = replace(hub.principal, scopes=frozenset({Scope.JOBS_OPERATE}))
    assert (await hub.hub.operate.retry(clerk, made)).state == "queued"
