"""Engines over stores of their own."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from typing import Any

import pytest

from hub.bootstrap import Surroundings
from hub.domain.specs import JobSpec
from hub.registry import Registry
from tests.services import shop
from tests.services.engine import Engine, engine

Start = Callable[..., Awaitable[Engine]]


@pytest.fixture
def server() -> shop.Server:
    """The providers' side."""
    return shop.Server()


@pytest.fixture
async def start(database_url: str, redis_url: str, server: shop.Server) -> AsyncIterator[Start]:
    """Start an engine that knows these jobs; another one on the same stores if called again."""
    async with AsyncExitStack() as stack:

        async def start_one(
            *jobs: JobSpec,
            sources: tuple[Any, ...] = (),
            operations: tuple[Any, ...] = (),
            providers: tuple[Any, ...] = (shop.shop, shop.post, shop.once),
            environ: dict[str, str] | None = None,
            **around: Any,
        ) -> Engine:
            registry = Registry.of(providers=providers, sources=sources, jobs=jobs, operations=operations)
            surroundings = Surroundings(transport=server, **around)
            return await stack.enter_async_context(
                engine(registry, database_url, redis_url, surroundings, environ)
            )

        yield start_one
