"""A hub whose worker is driven by hand: nothing runs that a test did not ask for."""

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import text

from hub.bootstrap import Surroundings, build, know_queues, make_execute, make_relay
from hub.config import load
from hub.domain.access import Principal, Scope
from hub.domain.ids import ApplicationId, KeyId
from hub.infra.store.execution import Claimed, ExecutionStore
from hub.registry import Registry
from hub.services.execute import Execute
from hub.services.hub import Hub
from hub.services.relay import Relay
from hub.services.submit import JobRequest

LEASE = timedelta(seconds=30)
QUICK: Mapping[str, str] = {
    "HUB_RELAY_TICK": "0.02",
    "HUB_RELAY_REHAND_AFTER": "0.1",
    # However slow the machine is.
    "HUB_PENDING_PATIENCE": "60",
    "HUB_PENDING_DEADLINE": "120",
}


@dataclass(frozen=True, slots=True)
class Engine:
    """A hub and one worker's parts."""

    hub: Hub
    store: ExecutionStore
    execute: Execute
    relay: Relay
    principal: Principal

    async def submit(self, job: str, args: Mapping[str, Any] | None = None, **request: Any) -> UUID:
        """Submit a job and wait until it was handed over; gives its id."""
        asked = JobRequest(job, dict(args or {}), request.pop("correlation_id", "test"), **request)
        made = await self.hub.submit.submit(self.principal, asked)
        await self.hub.submit.drain()
        return made.id

    async def claim(self) -> list[Claimed]:
        """Fill the buffers, take all that is ready and claim it."""
        await self.relay.refill()
        queues = sorted({"default"} | {spec.queue for spec in self.hub.registry.jobs.values()})
        held = await self.relay.take_held(queues, 1000, 1000)
        handed = [(job.job, job.dispatch) for job in held]
        return await self.execute.claim([*handed, *await self.hub.queue.take(queues, 1000)])

    async def work(self) -> int:
        """Run all that is due to its end; gives how many attempts were made."""
        claimed = await self.claim()
        await asyncio.gather(*[self.execute.run(job) for job in claimed])
        await self.execute.drain()
        return len(claimed)

    async def pass_time(self) -> None:
        """Let every planned retry be due now."""
        await self.sql("UPDATE jobs SET run_at = now() WHERE state = 'retrying'")

    async def retry(
        self, job: UUID, reason: str = "looked it up: it was not done", *, decided: bool = False
    ) -> None:
        """As a person does."""
        await self.hub.operate.retry(self.principal, job, reason=reason, decided=decided)

    async def sql(self, statement: str, **values: Any) -> Sequence[Any]:
        """The rows of a statement."""
        return await self.hub.database.run(text(statement), values)

    async def job(self, job: UUID) -> Any:
        """A job's row."""
        [row] = await self.sql("SELECT * FROM jobs WHERE id = :id", id=job)
        return row

    async def attempts(self, job: UUID) -> Sequence[Any]:
        """A job's attempts in order."""
        return await self.sql("SELECT * FROM attempts WHERE job_id = :id ORDER BY number", id=job)

    async def steps(self, job: UUID) -> Sequence[Any]:
        """A job's ledger in order."""
        return await self.sql("SELECT * FROM steps WHERE job_id = :id ORDER BY position", id=job)


@asynccontextmanager
async def engine(
    registry: Registry,
    database_url: str,
    redis_url: str,
    surroundings: Surroundings | None = None,
    environ: Mapping[str, str] | None = None,
) -> AsyncIterator[Engine]:
    """A hub over these stores, with a registered worker."""
    config = load({**QUICK, **(environ or {})}, sources=registry.sources, providers=registry.providers)
    async with build(
        config, registry, database_url=database_url, redis_url=redis_url, surroundings=surroundings
    ) as hub:
        await know_queues(hub)
        made = await another(hub)
        yield made
        await hub.intake.drain()
        await hub.submit.drain()


async def another(hub: Hub, *, lease: timedelta = LEASE, application: str = "tests") -> Engine:
    """One worker more on the same hub."""
    store = ExecutionStore(hub.database, hub.new_id())
    await store.register(host="test", pid=1, release="1", queues=["default"], concurrency=1, lease=lease)
    return Engine(
        hub, store, make_execute(hub, store), make_relay(hub, store), await principal(hub, application)
    )


async def principal(hub: Hub, application: str) -> Principal:
    """An application that may do everything."""
    [row] = await hub.database.run(
        text(
            "INSERT INTO applications (id, name) VALUES (:id, :name)"
            " ON CONFLICT (name) DO UPDATE SET name = excluded.name RETURNING id"
        ),
        {"id": hub.new_id(), "name": application},
    )
    return Principal(ApplicationId(row[0]), application, KeyId(hub.new_id()), frozenset({Scope.ADMIN}))
