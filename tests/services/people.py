"""A hub with people in it, whose passwords cost little to hash."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from hub import bootstrap, config
from hub.bootstrap import Surroundings
from hub.infra.passwords import Cost
from hub.infra.store.operators import StoredOperator
from hub.registry import Registry
from hub.services.hub import Hub
from hub.services.logins import Visitor
from tests.clock import Clock

CHEAP = Cost(passes=1, memory=8, lanes=1)
PASSWORD = "correct horse battery"
VISITOR = Visitor("192.0.2.7", "Firefox")
NOTHING = Registry.of()


@asynccontextmanager
async def peopled(
    database_url: str, redis_url: str, *, steady: Clock | None = None, cost: Cost = CHEAP, **environment: str
) -> AsyncIterator[Hub]:
    """A hub that knows no jobs."""
    settings = config.load(environment, sources={}, providers={})
    around = Surroundings(password_cost=cost, steady=steady or Clock())
    async with bootstrap.build(
        settings, NOTHING, database_url=database_url, redis_url=redis_url, surroundings=around
    ) as hub:
        yield hub


async def somebody(
    hub: Hub, email: str = "ada@example.com", role: str = "operator", password: str | None = PASSWORD
) -> StoredOperator:
    """An operator, with a password unless it is None."""
    made = await hub.operators.create(email, email.partition("@")[0].title(), role, actor="test")
    if password is not None:
        await hub.operators.set_password(made, password, actor="test")
    return await hub.operators.get(made.id)
