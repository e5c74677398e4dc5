"""A hub set up for a pooler in transaction mode: it works, and leaves nothing on the server that another would find."""

import asyncio

from sqlalchemy import text

from hub import Args, JobContext, job
from tests.services.conftest import Start


class Nothing(Args):
    pass


@job()
async def work(_ctx: JobContext, _args: Nothing) -> None:
    pass


async def test_a_pooled_hub_does_its_jobs(start: Start) -> None:
    """From submission to success, many at once."""
    engine = await start(work, environ={"HUB_DATABASE_POOLED": "yes"})
    made = await asyncio.gather(*[engine.submit("test_pooled.work") for _ in range(20)])
    assert await engine.work() == 20
    assert {(await engine.job(one)).state for one in made} == {"succeeded"}


async def test_a_pooled_hub_keeps_no_statements(start: Start) -> None:
    """No named statement is left on a connection, even within a transaction."""
    engine = await start(work, environ={"HUB_DATABASE_POOLED": "yes"})
    async with engine.hub.database.transaction() as connection:
        await connection.execute(text("SELECT 1"))
        named = await connection.scalar(text("SELECT count(*) FROM pg_prepared_statements WHERE name <> ''"))
    assert named == 0
