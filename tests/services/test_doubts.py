"""An effect that was asked for and never answered, of a job that ended for another reason: it is told, and not done twice."""

from collections.abc import AsyncIterator
from datetime import timedelta
from uuid import UUID

import pytest

from hub import Args, Backoff, JobContext, job
from hub.bootstrap import Surroundings
from hub.registry import Registry
from hub.services.inspect import JobFilter
from tests.services import shop
from tests.services.engine import Engine, engine

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
    assert (shown.retry.allowed, shown.retry.safe) == (True, False)


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
async def test_a_retry_outside_the_window_sends_nothing_and_asks(
    hub: Engine, server: shop.Server, ending: str
) -> None:
    """Whoever retried it was not asked about that effect."""
    made = await ended_in_doubt(hub, server, ending)
    await hub.sql("UPDATE steps SET first_sent_at = first_sent_at - interval '24 hours'")
    sent = len(server.requests)
    await hub.retry(made)
    await hub.work()
    row = await hub.job(made)
    assert (row.state, row.reason) == ("failed", "uncertain")
    assert len(server.requests) == sent
