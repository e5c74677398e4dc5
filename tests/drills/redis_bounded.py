"""A million queued jobs: they are PostgreSQL's; Redis holds the next moments' work of each queue and no more."""

import asyncio
from typing import Any

from tests.drills.drill import Drill, Figure, Scale
from tests.drills.stage import MIB, Stage, prepare
from tests.until import until

BACKLOG = 1_000_000
BUFFER = 5_000  # HUB_RELAY_BUFFER_LIMIT of a hub that was not told otherwise
OVERSHOOT = 2_000  # what relays and web processes may have in flight at once
MEMORY = 4.0  # MiB


async def run(stage: Stage, scale: Scale) -> list[Figure]:
    """Queue the jobs, start two workers, and watch the buffer while they work."""
    backlog = scale.of(BACKLOG)
    async with stage.view() as view, stage.buffer() as redis:
        await prepare(view)
        before = await _memory(redis)
        await view.backlog(backlog)
        for _ in range(2):
            stage.hire()
        most, used, handed = 0, 0.0, 0

        async def worked() -> bool:
            nonlocal most, used, handed
            most = max(most, int(await redis.zcard("hub:queue:default")))
            used = max(used, await _memory(redis) - before)
            handed = max(
                handed, await view.value("SELECT count(*) FROM jobs WHERE dispatched_at IS NOT NULL")
            )
            await asyncio.sleep(0.05)
            return bool(await view.value("SELECT count(*) >= $1 FROM attempts", min(backlog, 50_000) // 2))

        await until(worked, within=300)
    return [
        Figure("jobs queued in PostgreSQL", backlog, "jobs"),
        Figure("most members in Redis", most, "jobs", BUFFER + OVERSHOOT),
        Figure("most jobs marked as handed over", handed, "jobs", BUFFER + OVERSHOOT),
        Figure("Redis' memory grew by", used, "MiB", MEMORY),
    ]


async def _memory(redis: Any) -> float:
    return int((await redis.info("memory"))["used_memory"]) / MIB


DRILL = Drill("redis-bounded", "a million jobs are queued, and two workers work on them", run)
