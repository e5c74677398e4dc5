"""A Redis that is away for long: everything is accepted, nothing piles up, little is said, and all is done soon after."""

import asyncio
import time
from dataclasses import dataclass, field

import aiohttp

from tests.drills.drill import Drill, Figure, Scale
from tests.drills.stage import TOKEN, Stage, View, lines, prepare, resident
from tests.services.deliveries import delivery
from tests.simulators.processes import Child
from tests.until import until

SECONDS = 60.0
PER_SECOND = 100.0
FLOWS_WITHIN = 2.0  # seconds after Redis is back, until jobs are done again
DONE_WITHIN = 10.0  # seconds, and what the backlog takes at the rate below
AT_LEAST = 1_000.0  # jobs a second
GROWTH = 32.0  # MiB, of each process
LINES_PER_MINUTE = 20.0  # of each process
WARM = 3.0


@dataclass(slots=True)
class Said:
    """What the hub answered."""

    accepted: int = 0
    refused: int = 0
    longest: float = 0.0
    events: set[str] = field(default_factory=set)


async def run(stage: Stage, scale: Scale) -> list[Figure]:
    """Stop Redis, send a webhook or a job a hundred times a second, start Redis; look at memory and logs meanwhile."""
    seconds = scale.seconds or SECONDS
    web, port = stage.serve(**scale.settings)
    worker = stage.hire(**scale.settings)
    said = Said()
    async with stage.view() as view, aiohttp.ClientSession(f"http://127.0.0.1:{port}") as session:
        await prepare(view)
        await _sent(session, said, "warm", WARM)
        await _all_done(view, 30)
        memory, printed = _memory(web, worker), [lines(web), lines(worker)]
        await asyncio.to_thread(stage.redis.stop)
        await _sent(session, said, "away", seconds)
        growth = [after - before for before, after in zip(memory, _memory(web, worker), strict=True)]
        told = [lines(child) - before for child, before in zip((web, worker), printed, strict=True)]
        waiting = await view.value("SELECT count(*) FROM jobs WHERE settled_at IS NULL")
        handed = await view.value("SELECT count(*) FROM jobs WHERE dispatched_at IS NOT NULL")
        await asyncio.to_thread(stage.redis.ensure)
        back = await view.value("SELECT clock_timestamp()")
        await _all_done(view, 300)
        first, done = await view.connection.fetchrow(
            """SELECT extract(epoch FROM min(finished_at) - $1)::float8, extract(epoch FROM max(finished_at) - $1)::float8
               FROM attempts WHERE finished_at > $1""",
            back,
        )
        stored = {row[0] for row in await view.rows("SELECT external_id FROM events")}
        twice = await view.value("SELECT count(*) FROM jobs WHERE state <> 'succeeded' OR attempt <> 1")
        jobs = await view.value("SELECT count(*) FROM jobs")
    minutes = max(1.0, seconds / 60)
    return [
        Figure("Redis was away for", seconds, "s"),
        Figure("accepted meanwhile, and before", said.accepted, "requests"),
        Figure("refused", said.refused, "requests", 0),
        Figure("longest wait for an answer", said.longest * 1000, "ms"),
        Figure("acknowledged and not stored", len(said.events - stored) + abs(jobs - said.accepted), "", 0),
        Figure("memory of the web process grew by", growth[0], "MiB", GROWTH),
        Figure("memory of the worker grew by", growth[1], "MiB", GROWTH),
        Figure("lines logged by the web process", told[0] / minutes, "/min", LINES_PER_MINUTE),
        Figure("lines logged by the worker", told[1] / minutes, "/min", LINES_PER_MINUTE),
        Figure("marked as handed over, in vain", handed, "jobs"),
        Figure("the first of them done after", first, "s", FLOWS_WITHIN),
        Figure(f"all {waiting:,} of them done after", done, "s", DONE_WITHIN + waiting / AT_LEAST),
        Figure("jobs lost, or begun twice", twice, "jobs", 0),
    ]


async def _sent(session: aiohttp.ClientSession, said: Said, name: str, seconds: float) -> None:
    """Send at a steady rate, however long an answer takes."""
    loop = asyncio.get_running_loop()
    began = loop.time()
    async with asyncio.TaskGroup() as sending:
        for number in range(int(seconds * PER_SECOND)):
            await asyncio.sleep(began + number / PER_SECOND - loop.time())
            sending.create_task(_one(session, said, f"{name}-{number}", webhook=number % 2 == 0))


async def _one(session: aiohttp.ClientSession, said: Said, name: str, *, webhook: bool) -> None:
    began = time.perf_counter()
    if webhook:
        headers, body = delivery(name)
        sending = session.post("/webhooks/depot", data=body, headers={"X-Signature": headers["x-signature"]})
    else:
        submission = {"job": "crew.noop", "args": {}}
        sending = session.post("/v1/jobs", json=submission, headers={"Authorization": f"Bearer {TOKEN}"})
    async with sending as answer:
        await answer.read()
    said.longest = max(said.longest, time.perf_counter() - began)
    if answer.status not in {200, 201}:
        said.refused += 1
        return
    said.accepted += 1
    if webhook:
        said.events.add(name)


async def _all_done(view: View, within: float) -> None:
    async def none_left() -> bool:
        # Not too often: the look goes through all jobs.
        await asyncio.sleep(0.5)
        return not await view.value("SELECT EXISTS (SELECT FROM jobs WHERE settled_at IS NULL)")

    await until(none_left, within=within)


def _memory(*children: Child) -> list[float]:
    return [resident(child) for child in children]


DRILL = Drill("redis-away", "Redis stops for a minute while a hundred requests a second arrive", run)
