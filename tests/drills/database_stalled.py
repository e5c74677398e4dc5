"""A database that does not answer, and clients that do not care: they are refused early and cheaply, in bounded memory."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager

from tests.drills.drill import Drill, Figure, Scale
from tests.drills.flood import Flood, Order, Report
from tests.drills.stage import Stage, View, open_files, prepare, processor, resident
from tests.simulators.processes import Child

CONNECTIONS = 2_000
SIZE = 256 * 1024
SECONDS = 12.0
SMALL = 1_300
FEW = 64
BATCH = 4 * 1024 * 1024
BATCHES = 32
# MiB: what may wait, as much again for bodies on the way, and what the event loop takes from each socket in one go.
WAITING = ON_THE_WAY = 64.0
OF_A_SOCKET = 0.25
ANSWERED_WITHIN = 10.0  # seconds: providers give up after that


async def run(stage: Stage, scale: Scale) -> list[Figure]:
    """Lock the tables that are written to, flood the web process, and let go."""
    seconds = scale.seconds or SECONDS
    ceiling = WAITING + ON_THE_WAY + OF_A_SOCKET * scale.of(CONNECTIONS)
    open_files(CONNECTIONS + 500)
    child, port = stage.serve(**scale.settings)
    async with stage.view() as view, stage.view() as holder:
        await prepare(view)
        await _flooded(child, Order(port, "webhook", FEW, SMALL, 1, "warm"))
        before = resident(child)
        async with _locked(holder):
            large, most = await _flooded(
                child, Order(port, "webhook", scale.of(CONNECTIONS), SIZE, seconds, "large")
            )
            used = processor(child)
            small, _ = await _flooded(child, Order(port, "webhook", FEW, SMALL, 3, "small"))
            used = processor(child) - used
            jobs, _ = await _flooded(child, Order(port, "job", FEW, SMALL, 3, "job"))
            batch, most_of_batches = await _flooded(
                child, Order(port, "batch", scale.of(BATCHES), BATCH, seconds, "batch")
            )
        after, _ = await _flooded(child, Order(port, "webhook", FEW, SMALL, 1, "after"))
        acknowledged = {name for report in (large, small, after) for name in report.acknowledged}
        stored = {row[0] for row in await view.rows("SELECT external_id FROM events")}
    floods = (large, small, jobs, batch)
    wrong = sum(
        count
        for report in floods
        for status, count in report.statuses.items()
        if status not in {"200", "201", "503"}
    )
    return [
        Figure(f"memory, {scale.of(CONNECTIONS)} x 256 KiB", most - before, "MiB", ceiling),
        Figure(f"memory, {scale.of(BATCHES)} x batches of 4 MiB", most_of_batches - before, "MiB", ceiling),
        Figure("longest wait for an answer", max(small.longest, jobs.longest), "s", ANSWERED_WITHIN),
        Figure("and with large bodies, which first have to arrive", max(r.longest for r in floods), "s"),
        Figure("refusals with small bodies", small.count("503") / small.seconds, "/s"),
        Figure("processor time of one", used / max(1, small.count("503")) * 1e6, "us"),
        Figure("one takes, p50", small.refusals[50] * 1000, "ms"),
        Figure("one takes, p99", small.refusals[99] * 1000, "ms"),
        Figure("refusals without Retry-After", sum(r.bare for r in floods), "", 0),
        Figure("answers that are neither 2xx nor 503", wrong, "", 0),
        Figure("accepted afterwards", after.count("200") / after.seconds, "/s"),
        Figure("acknowledged and not stored", len(acknowledged - stored), "events", 0),
    ]


async def _flooded(child: Child, order: Order) -> tuple[Report, float]:
    """What came back, and the most memory that the process had in use."""
    most = resident(child)
    with _flood(order) as flood:
        while not flood.over:
            most = max(most, resident(child))
            await asyncio.sleep(0.02)
        return flood.report(), most


@contextmanager
def _flood(order: Order) -> Iterator[Flood]:
    flood = Flood(order)
    try:
        yield flood
    finally:
        flood.stop()


@asynccontextmanager
async def _locked(view: View) -> AsyncIterator[None]:
    async with view.connection.transaction():
        await view.connection.execute("LOCK TABLE events, jobs IN ACCESS EXCLUSIVE MODE")
        yield


DRILL = Drill("database-stalled", "2,000 clients post 256 KiB each while the database does not answer", run)
