"""What the benchmarks of the worker share: a hub with one job that does nothing, on the servers that are given."""

import os
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from uuid import UUID

from sqlalchemy import text

from hub import Args, JobContext, Result, job
from hub.bootstrap import build, know_queues
from hub.config import load
from hub.domain.access import Principal, Scope
from hub.domain.ids import ApplicationId, KeyId
from hub.registry import Registry
from hub.services.hub import Hub


class Nothing(Args):
    """No arguments."""


class Moment(Result):
    """When the function was entered, in nanoseconds since the epoch."""

    began: int


@job(queue="bench")
async def noop(_ctx: JobContext, _args: Nothing) -> None:
    """Do nothing."""


@job(queue="bench")
async def moment(_ctx: JobContext, _args: Nothing) -> Moment:
    """Tell when it began."""
    return Moment(began=time.time_ns())


APPLICATION = UUID(int=1)
PRINCIPAL = Principal(ApplicationId(APPLICATION), "bench", KeyId(UUID(int=1)), frozenset({Scope.ADMIN}))


@asynccontextmanager
async def bench_hub() -> AsyncIterator[Hub]:
    """A hub on the servers named in the environment, as configured there."""
    registry = Registry.of(jobs=[noop, moment])
    urls = os.environ["HUB_DATABASE_URL"], os.environ["HUB_REDIS_URL"]
    config = load(os.environ, sources=registry.sources, providers=registry.providers)
    async with build(config, registry, database_url=urls[0], redis_url=urls[1]) as hub:
        await know_queues(hub)
        await hub.database.run(
            text("INSERT INTO applications (id, name) VALUES (:id, 'bench') ON CONFLICT DO NOTHING"),
            {"id": APPLICATION},
        )
        yield hub
