"""What the web and worker processes of these tests run: a parcel that arrives is wrapped and charged for."""

import asyncio
import sys
from datetime import timedelta

import uvloop

from hub import Effect, Idempotency, JobContext, Provider, job
from hub.bootstrap import build, know_queues
from hub.config import from_environment
from hub.domain.redaction import Redactor
from hub.infra import logs
from hub.registry import Registry
from hub.services.hub import Hub
from hub.web.server import serve
from hub.worker import run
from tests.services.deliveries import Arrived, source
from tests.services.shop import Done, Order

# Patient, so that an answer that a test holds back is none that is missing, however busy the machine is.
patient = Provider(
    "shop",
    base_url="https://shop.test",
    idempotency=Idempotency("Idempotency-Key", timedelta(hours=24)),
    timeout=timedelta(seconds=60),
)
wrap = patient.operation("POST", "/wraps", Order, Done)
charge = patient.operation("POST", "/charges", Order, Done, effect=Effect.MONEY)


@job(on="depot:parcel.arrived")
async def ship(ctx: JobContext, parcel: Arrived) -> int:
    """Two effects, one after the other."""
    await ctx.call(wrap, item=f"wrap {parcel.id}")
    return (await ctx.call(charge, item=f"charge {parcel.id}")).number


@job()
async def count(_ctx: JobContext, _args: Order) -> None:
    """No effect at all."""


REGISTRY = Registry.of(providers=[patient], sources=[source], jobs=[ship, count])


async def main(role: str) -> None:
    """Serve or work until told to stop."""
    config = from_environment(sources=REGISTRY.sources, providers=REGISTRY.providers)
    logs.configure(level="info", style="json", redactor=Redactor.knowing(config.secrets()))
    assert config.database_url
    assert config.redis_url
    async with build(
        config, REGISTRY, database_url=config.database_url.reveal(), redis_url=config.redis_url.reveal()
    ) as hub:
        await (run(hub, ()) if role == "worker" else _web(hub))


async def _web(hub: Hub) -> None:
    await know_queues(hub)
    companions = asyncio.create_task(hub.companions.run())
    await serve(hub, hub.config.web.host, hub.config.web.port)
    companions.cancel()


def start() -> None:
    """`python -m tests.machines web` or `worker`."""
    uvloop.run(main(sys.argv[1]))
