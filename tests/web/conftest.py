"""A hub that serves on a real socket, with a PostgreSQL and a Redis of its own."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

import aiohttp
import asyncpg
import pytest

from hub import bootstrap, config
from hub.services.hub import Hub
from hub.web.server import running
from tests.web.client import Client
from tests.web.registry import REGISTRY, SECRET

ENVIRONMENT = {
    "HUB_WEBHOOK_SHOP_SECRET": SECRET,
    "HUB_WEBHOOK_TERSE_SECRET": SECRET,
    # However slow the machine is.
    "HUB_PENDING_PATIENCE": "60",
    "HUB_PENDING_DEADLINE": "120",
}


@asynccontextmanager
async def built_at(database_url: str, redis_url: str, **environment: str) -> AsyncIterator[Hub]:
    """A hub of these tests' registry, which has not asked its stores anything yet."""
    settings = config.load(
        {**ENVIRONMENT, **environment}, sources=REGISTRY.sources, providers=REGISTRY.providers
    )
    async with bootstrap.build(settings, REGISTRY, database_url=database_url, redis_url=redis_url) as hub:
        yield hub


@asynccontextmanager
async def hub_at(database_url: str, redis_url: str, **environment: str) -> AsyncIterator[Hub]:
    """A hub whose queues are known."""
    async with built_at(database_url, redis_url, **environment) as hub:
        await bootstrap.know_queues(hub)
        yield hub


@pytest.fixture
async def hub(database_url: str, redis_url: str) -> AsyncIterator[Hub]:
    """A hub."""
    async with hub_at(database_url, redis_url) as built:
        yield built


Serve = Callable[..., Awaitable[Client]]


@pytest.fixture
async def serve(database_url: str, redis_url: str) -> AsyncIterator[Serve]:
    """Serve a hub with settings of a test's own; gives a client without a key."""
    async with AsyncExitStack() as stack:

        async def start(
            built: Hub | None = None, *, body_timeout: float = 20.0, **environment: str
        ) -> Client:
            if built is None:
                built = await stack.enter_async_context(hub_at(database_url, redis_url, **environment))
            host, port = await stack.enter_async_context(
                running(built, "127.0.0.1", 0, body_timeout=body_timeout)
            )
            session = await stack.enter_async_context(aiohttp.ClientSession(auto_decompress=False))
            client = Client(session, f"http://{host}:{port}")
            await client.learn()
            return client

        yield start


@pytest.fixture
async def anyone(hub: Hub, serve: Serve) -> Client:
    """A client without a key."""
    return await serve(hub)


@pytest.fixture
async def shop(hub: Hub, anyone: Client) -> Client:
    """An application that submits and reads its own jobs."""
    made = await hub.keys.create("shop", ["jobs:write", "jobs:read"], actor="test")
    return anyone.with_key(made.token)


@pytest.fixture
async def admin(hub: Hub, anyone: Client) -> Client:
    """Somebody who may do everything."""
    made = await hub.keys.create("operators", ["admin"], actor="test")
    return anyone.with_key(made.token)


Query = Callable[..., Awaitable[list[Any]]]


@pytest.fixture
async def query(database_url: str) -> AsyncIterator[Query]:
    """Look into the tables, or change them behind the hub's back."""
    connection = await asyncpg.connect(database_url)

    async def run(statement: str, *values: Any) -> list[Any]:
        return [tuple(row) for row in await connection.fetch(statement, *values)]

    yield run
    await connection.close()


Untouched = Callable[[], Awaitable[dict[str, int]]]


@pytest.fixture
async def counts(query: Query) -> Untouched:
    """How many rows there are in every table that a request could write."""

    async def count() -> dict[str, int]:
        tables = (
            "events",
            "jobs",
            "attempts",
            "steps",
            "idempotency_keys",
            "audit_log",
            "api_keys",
            "applications",
        )
        return {table: (await query(f"SELECT count(*) FROM {table}"))[0][0] for table in tables}  # noqa: S608

    return count
