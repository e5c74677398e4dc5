"""A Redis that forgets everything while workers are busy: the flow is back in moments, and nothing is lost."""

import asyncio
from bisect import bisect_left
from datetime import datetime
from itertools import pairwise

from tests.drills.drill import Drill, Figure, Scale
from tests.drills.stage import Stage, View, prepare
from tests.until import until

BACKLOG = 100_000
BACK_WITHIN = 2.0  # seconds
WINDOW = 0.25  # seconds over which a rate is taken
BEFORE = 2.0  # seconds over which the former rate is taken
LOOK = 0.01
AFTER = 5.0


async def run(stage: Stage, scale: Scale) -> list[Figure]:
    """Measure how long the flow of completions is below half of what it was."""
    backlog = scale.of(BACKLOG)
    async with stage.view() as view, stage.buffer() as redis:
        await prepare(view)
        await view.backlog(backlog)
        for _ in range(2):
            stage.hire()
        await _done(view, backlog // 4)
        lost = int(await redis.zcard("hub:queue:default"))
        flushed: datetime = await view.value("SELECT clock_timestamp()")
        await redis.flushall()
        await _done(view, backlog)
        ends = await _ends(view, flushed)
        twice = await view.value("SELECT count(*) FROM jobs WHERE state <> 'succeeded' OR attempt <> 1")
        again = await view.value(
            "SELECT coalesce(max(extract(epoch FROM started_at - $1)), 0)::float8 FROM jobs WHERE dispatch > 1",
            flushed,
        )
    before = [end for end in ends if -BEFORE <= end < 0]
    after = [end for end in ends if 0 <= end < AFTER]
    rate = len(before) / BEFORE
    return [
        Figure("flow is back after", back_after(after, rate), "s", BACK_WITHIN),
        Figure("longest time without a completion", longest_gap(after), "s", BACK_WITHIN),
        Figure("what stood in Redis and was lost, begun again after", again, "s", None),
        Figure("jobs that stood in Redis", lost, "jobs"),
        Figure("rate before", rate, "jobs/s"),
        Figure("jobs lost, or begun twice", twice, "jobs", 0),
    ]


def back_after(ends: list[float], rate: float) -> float:
    """Seconds until, after the first window below half of the rate, one is above it again; 0 if none was below."""
    enough = rate * WINDOW / 2
    dipped = False
    # Not beyond the last one: then there is nothing left to do.
    for step in range(int((min(AFTER, ends[-1]) - WINDOW) / LOOK)):
        began = step * LOOK
        count = bisect_left(ends, began + WINDOW) - bisect_left(ends, began)
        if count < enough:
            dipped = True
        elif dipped:
            return began + WINDOW
    return AFTER if dipped else 0.0


def longest_gap(ends: list[float]) -> float:
    """Seconds between two completions that followed each other."""
    return max((later - earlier for earlier, later in pairwise([0.0, *ends])), default=AFTER)


async def _ends(view: View, since: datetime) -> list[float]:
    rows = await view.rows(
        "SELECT extract(epoch FROM finished_at - $1)::float8 FROM attempts ORDER BY finished_at", since
    )
    return [row[0] for row in rows]


async def _done(view: View, count: int) -> None:
    async def enough() -> bool:
        # Not too often: counting is the database's work too.
        await asyncio.sleep(0.1)
        return bool(await view.value("SELECT count(*) >= $1 FROM attempts", count))

    await until(enough, within=300)


DRILL = Drill("redis-flushed", "FLUSHALL while two workers drain a backlog of 100,000", run)
