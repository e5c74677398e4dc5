"""The hub's processes in a drill: `python -m tests.drills.process web|worker`, with jobs made up for it.

Stores, port and pace come from the environment. `DRILL_NOTES` names the file in which attempts note that they began.
"""

import asyncio
import os
import time
from pathlib import Path

from hub import Args, JobContext, job
from hub.bootstrap import build, know_queues
from hub.config import from_environment
from hub.infra import logs
from hub.registry import Registry
from hub.services.hub import Hub
from hub.web.server import serve
from hub.worker import run
from tests.services.deliveries import Arrived, source


class Nothing(Args):
    pass


class Freight(Args):
    text: str = ""


@job()
async def noop(_ctx: JobContext, _args: Freight) -> None:
    """Do nothing."""


@job(on="depot:parcel.arrived")
async def unpack(_ctx: JobContext, _event: Arrived) -> None:
    """Do nothing about an event."""


@job()
async def stay(ctx: JobContext, _args: Nothing) -> None:
    """Note that an attempt began, and run until the worker dies."""
    note = f"{ctx.job_id} {ctx.attempt} {time.time_ns()}\n".encode()
    # In one write, so that the lines of many processes do not mix.
    handle = os.open(Path(os.environ["DRILL_NOTES"]), os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    try:
        os.write(handle, note)
    finally:
        os.close(handle)
    await asyncio.Event().wait()


REGISTRY = Registry.of(sources=[source], jobs=[noop, stay, unpack])


async def main(role: str) -> None:
    """Work, or serve, until told to stop."""
    config = from_environment(sources=REGISTRY.sources, providers=REGISTRY.providers)
    logs.configure(level=config.log.level, style="json")
    assert config.database_url
    assert config.redis_url
    urls = config.database_url.reveal(), config.redis_url.reveal()
    async with build(config, REGISTRY, database_url=urls[0], redis_url=urls[1]) as hub:
        await (_web(hub) if role == "web" else run(hub, ()))


async def _web(hub: Hub) -> None:
    await know_queues(hub)
    await serve(hub, hub.config.web.host, hub.config.web.port)
