"""A worker process with jobs made up for tests: `python -m tests.processes`, stores and pace from the environment."""

import asyncio
import os
import signal
import sys
import threading
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import replace
from datetime import timedelta

from hub import JobContext, job
from hub.bootstrap import build
from hub.config import from_environment
from hub.domain.specs import JobSpec
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


@job(timeout=timedelta(seconds=0.1))
async def cling(_ctx: JobContext, _args: shop.Order) -> None:
    """Whatever it is told, it goes on."""
    while True:
        with suppress(BaseException):
            await asyncio.sleep(60)


@job()
async def label(ctx: JobContext, args: shop.Order) -> None:
    """As it was."""
    await ctx.call(shop.wrap, item=f"label {args.item}")


class Coloured(shop.Order):
    colour: str


@job()
async def label_in_colour(ctx: JobContext, args: Coloured) -> None:
    """As it is in the next release, whose arguments do not fit the former one."""
    await ctx.call(shop.wrap, item=f"label {args.item} {args.colour}")


@job()
async def pack(ctx: JobContext, args: shop.Order) -> None:
    """It begins with wrapping."""
    await ctx.call(shop.wrap, item=f"wrap {args.item}")
    await ctx.call(shop.charge, item=f"charge {args.item}")


@job()
async def pack_first(ctx: JobContext, args: shop.Order) -> None:
    """The next release begins with something else: what the former one has begun does not fit it."""
    await ctx.call(shop.charge, item=f"charge {args.item}")


@job()
async def announce(ctx: JobContext, args: shop.Order) -> None:
    """Only the next release knows it."""
    await ctx.call(shop.wrap, item=f"announce {args.item}")


def _release(*jobs: JobSpec) -> Registry:
    return Registry.of(providers=[shop.shop], jobs=[ship, kill_worker, hang, cling, *jobs])


RELEASES: Mapping[str, Registry] = {
    "former": _release(label, pack),
    "next": _release(
        announce, replace(label_in_colour, name=label.name), replace(pack_first, name=pack.name)
    ),
}


async def main(release: str, place: str | None = None) -> None:
    """Work until told to stop; at a place that a worker gave, run one job at a time for it."""
    registry = RELEASES[release]
    config = from_environment(sources=registry.sources, providers=registry.providers)
    assert config.database_url
    assert config.redis_url
    async with build(
        config, registry, database_url=config.database_url.reveal(), redis_url=config.redis_url.reveal()
    ) as hub:
        if place:
            await serve(hub, place)
        else:
            await run(hub, (sys.executable, "-m", "tests.processes", release))
