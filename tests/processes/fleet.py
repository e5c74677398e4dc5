"""A worker process with jobs made up for tests: `python -m tests.processes`, stores and pace from the environment."""

import os
import signal
import sys
import threading
from collections.abc import Sequence

from hub import JobContext, job
from hub.bootstrap import build
from hub.config import from_environment
from hub.quarantine import serve
from hub.registry import Registry
from hub.worker import run
from tests.services import shop


@job()
async def ship(ctx: JobContext, args: shop.Order) -> int:
    """Two effects, one after the other."""
    await ctx.call(shop.wrap, item=f"wrap {args.item}")
    return (await ctx.call(shop.charge, item=f"charge {args.item}")).number


@job()
async def kill_worker(_ctx: JobContext, _args: shop.Order) -> None:
    """What a job that eats all memory does to its worker."""
    os.kill(os.getpid(), signal.SIGKILL)


@job()
async def hang(_ctx: JobContext, _args: shop.Order) -> None:
    """What a loop that never awaits does to its worker."""
    threading.Event().wait()


REGISTRY = Registry.of(providers=[shop.shop], jobs=[ship, kill_worker, hang])


async def main(arguments: Sequence[str]) -> None:
    """Work until told to stop; with an argument, run one job at a time for the worker that gave it."""
    config = from_environment(sources=REGISTRY.sources, providers=REGISTRY.providers)
    assert config.database_url
    assert config.redis_url
    async with build(
        config, REGISTRY, database_url=config.database_url.reveal(), redis_url=config.redis_url.reveal()
    ) as hub:
        if arguments:
            await serve(hub, arguments[0])
        else:
            await run(hub, (sys.executable, "-m", "tests.processes"))
