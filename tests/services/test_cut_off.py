"""Branches of a job that are cut off in the middle of a step: what they had begun to record is not forgotten."""

import asyncio
from datetime import timedelta

from hub import Args, Backoff, Fail, JobContext, job
from hub.bootstrap import Surroundings
from hub.registry import Registry
from tests.services import shop
from tests.services.engine import engine

SOON = Backoff(attempts=3, base=timedelta(milliseconds=1))


class Nothing(Args):
    pass


@job(retry=SOON)
async def together(ctx: JobContext, args: Nothing) -> None:
    """One branch records how to undo; the other fails meanwhile."""
    await ctx.call(shop.charge, item="charge")

    async def give_up() -> None:
        await asyncio.sleep(0)
        raise Fail("no")

    async with asyncio.TaskGroup() as group:
        group.create_task(ctx.compensate(shop.wrap, item="undo"))
        group.create_task(give_up())


@job(retry=SOON)
async def hurried(ctx: JobContext, args: Nothing) -> None:
    """Has no time to record how to undo."""
    await ctx.call(shop.charge, item="charge")
    try:
        async with asyncio.timeout(0):
            await ctx.compensate(shop.wrap, item="undo")
    except TimeoutError:
        raise Fail("too late") from None


async def test_an_undoing_that_was_cut_off_while_it_was_recorded_is_made(
    database_url: str, redis_url: str, server: shop.Server
) -> None:
    """The line is written though nobody waits for it any more; so the job is undone."""
    registry = Registry.of(providers=[shop.shop], jobs=[together, hurried], operations=[shop.wrap])
    async with engine(registry, database_url, redis_url, Surroundings(transport=server)) as hub:
        for name in ("together", "hurried"):
            server.effects.clear()
            made = await hub.submit(f"test_cut_off.{name}")
            while await hub.work():
                await hub.pass_time()
            row = await hub.job(made)
            recorded = await hub.sql("SELECT 1 FROM steps WHERE kind = 'undo' AND job_id = :id", id=made)
            assert (row.state, row.reason) == ("failed", "stopped")
            assert server.effects == (["charge", "undo"] if recorded else ["charge"])
