"""One run: the load, the faults, the drain, the books."""

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import aiohttp
import asyncpg
import uvloop

from hub.infra.embedded.postgres import PostgresServer
from hub.infra.embedded.redis import RedisServer
from tests.certify.books import Books, close
from tests.certify.faults import Injector
from tests.certify.load import Clients
from tests.certify.sabotage import Sabotage
from tests.certify.schedule import Schedule
from tests.certify.stage import Stage, servers, staged

Tell = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Ended:
    """What a run came to; times in seconds.

    Attributes:
        load: from the first input to the last answer.
        drain: from then until no job was left, or patience was.
    """

    books: Books
    load: float
    drain: float


def run(
    schedule: Schedule,
    directory: Path,
    tell: Tell,
    *,
    sabotage: Sabotage | None = None,
    patience: float = 120.0,
) -> Ended:
    """Make it all happen, on servers under `directory`.

    Args:
        schedule: what.
        directory: where; it is not removed.
        tell: given a line of progress now and then.
        sabotage: what the hub does without.
        patience: seconds that the hub has to finish, once all faults are over.
    """
    tell("starting PostgreSQL and Redis")
    with servers(directory) as (postgres, redis):
        return uvloop.run(_run(postgres, redis, schedule, tell, sabotage, patience))


async def _run(
    postgres: PostgresServer,
    redis: RedisServer,
    schedule: Schedule,
    tell: Tell,
    sabotage: Sabotage | None,
    patience: float,
) -> Ended:
    tell("starting the hub's processes")
    async with staged(postgres, redis, schedule, sabotage) as stage, aiohttp.ClientSession() as session:
        injector, clients = Injector(stage, session), Clients(schedule, stage.ports, stage.key)
        supervising = asyncio.create_task(injector.supervise())
        telling = asyncio.create_task(_tell(tell, schedule, clients, injector))
        began = time.monotonic()
        async with asyncio.TaskGroup() as group:
            group.create_task(clients.run())
            group.create_task(injector.run(schedule.faults))
        loaded = time.monotonic()
        for provider in range(len(stage.providers)):
            await injector.heal(provider)
        telling.cancel()
        await _drained(stage, tell, patience)
        drained = time.monotonic()
        supervising.cancel()
        return Ended(await close(injector, clients.sent, schedule.lease), loaded - began, drained - loaded)


async def _drained(stage: Stage, tell: Tell, patience: float) -> None:
    deadline = time.monotonic() + patience
    while left := await _left(stage):
        tell(f"everything is sent, and every fault is over; {left} jobs left")
        if time.monotonic() > deadline:
            return
        await asyncio.sleep(0.25)


async def _left(stage: Stage) -> int:
    try:
        [(left,)] = await stage.rows("SELECT count(*) FROM jobs WHERE settled_at IS NULL")
    except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError, TimeoutError):
        return -1
    return int(left)


async def _tell(tell: Tell, schedule: Schedule, clients: Clients, injector: Injector) -> None:
    while True:
        tell(
            f"{len(clients.sent)} of {len(schedule.inputs)} sent, {clients.acknowledged} acknowledged, "
            f"{len(injector.happened)} of {len(schedule.faults)} faults over"
        )
        await asyncio.sleep(0.25)
