"""What a hub holds before a command looks at it."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from datetime import UTC, datetime
from typing import Any, TypeVar
from uuid import UUID, uuid4

import asyncpg

from hub import registry as registries
from hub.bootstrap import build, know_queues
from hub.config import load
from hub.services.hub import Hub
from hub.services.submit import JobRequest
from hub.web.server import drain

T = TypeVar("T")
SECRET = "whsec_of_the_tests"
CHARGE = {"amount": 1999, "currency": "eur", "payment_method": "pm_card_visa"}


def in_hub(environ: Mapping[str, str], work: Callable[[Hub], Awaitable[T]]) -> T:
    """Do something with a hub that is configured like the commands."""

    async def run() -> T:
        registry = registries.load()
        secrets = {"HUB_WEBHOOK_STRIPE_SECRET": SECRET, "HUB_WEBHOOK_GITHUB_SECRET": SECRET}
        config = load({**secrets, **environ}, sources=registry.sources, providers=registry.providers)
        urls = environ["HUB_DATABASE_URL"], environ["HUB_REDIS_URL"]
        async with build(config, registry, database_url=urls[0], redis_url=urls[1]) as hub:
            await know_queues(hub)
            done = await work(hub)
            await drain(hub)
            return done

    return asyncio.run(run())


def sql(database_url: str, statement: str, *arguments: Any) -> Any:
    """Run a statement; gives its first value."""

    async def run() -> Any:
        connection = await asyncpg.connect(database_url)
        try:
            return await connection.fetchval(statement, *arguments)
        finally:
            await connection.close()

    return asyncio.run(run())


def submitted(
    environ: Mapping[str, str], *, tags: tuple[str, ...] = (), application: UUID | None = None
) -> UUID:
    """A charge that waits for a worker."""

    async def submit(hub: Hub) -> UUID:
        key = await hub.keys.create("shop", ["jobs:write"], actor="test")
        principal = await hub.keys.authenticate(key.token)
        assert principal is not None
        made = await hub.submit.submit(
            principal, JobRequest("payments.charge", CHARGE, uuid4().hex, tags=tags)
        )
        return made.id

    return in_hub(environ, submit)


def failed(environ: Mapping[str, str], *, reason: str = "declined") -> UUID:
    """A charge that a person has to look at."""
    job = submitted(environ)
    sql(
        environ["HUB_DATABASE_URL"],
        """
        UPDATE jobs SET state = 'failed', reason = $2, attempt = 1, settled_at = now(), started_at = now(),
            error_code = 'card_declined', error_message = $3, error_kind = 'Declined', error_signature = 'abc',
            dispatched_at = NULL
        WHERE id = $1
        """,
        job,
        reason,
        "stripe: Your card was declined. \x1b[31m",
    )
    return job


def received(
    environ: Mapping[str, str], source: str = "stripe", kind: str = "payment_intent.succeeded"
) -> UUID:
    """An event, with the jobs that it starts."""

    async def receive(hub: Hub) -> UUID:
        known = hub.registry.sources[source]
        delivery = known.deliver(known.sample(kind, id=uuid4().hex, at=datetime.now(UTC)), SECRET)
        headers = {name.lower(): value for name, value in delivery.headers.items()}
        receipt = await hub.intake.receive(source, headers, delivery.body, uuid4().hex)
        assert receipt.event_id is not None
        return receipt.event_id

    return in_hub(environ, receive)
