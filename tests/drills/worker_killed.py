"""A worker that dies with 500 jobs running: each of them begins its next attempt elsewhere within seconds."""

import asyncio
import signal
import time
from pathlib import Path

from tests.drills.drill import Drill, Figure, Scale
from tests.drills.stage import Stage, View, prepare
from tests.simulators.processes import Child
from tests.until import until

RUNNING = 500
ALL_AGAIN_WITHIN = 10.0  # seconds
PACE = {"HUB_WORKER_SHUTDOWN_GRACE": "0"}


async def run(stage: Stage, scale: Scale) -> list[Figure]:
    """Kill the worker at the worst moment, just after it has renewed its lease; measure until the last job runs again."""
    count = scale.of(RUNNING)
    pace = {**PACE, "HUB_WORKER_CONCURRENCY": str(count), **scale.settings}
    async with stage.view() as view:
        await prepare(view)
        victim = stage.hire(**pace)
        await _registered(view, 1)
        await view.backlog(count, "crew.stay")
        await until(lambda: _begun(stage.notes, 1) == count, within=60)
        stage.hire(**pace)
        await _registered(view, 2)
        killed = await _killed_at_the_worst_moment(view, victim)
        await until(lambda: _begun(stage.notes, 2) == count, within=60)
        seconds = (_last(stage.notes, 2) - killed) / 1e9
        spent = await view.value("SELECT count(*) FROM jobs WHERE failures > 0 OR attempt <> 2")
    return [
        Figure(f"the last of {count} jobs runs again after", seconds, "s", ALL_AGAIN_WITHIN),
        Figure("jobs that lost retry budget, or began more than once again", spent, "jobs", 0),
    ]


async def _registered(view: View, count: int) -> None:
    async def enough() -> bool:
        return bool(await view.value("SELECT count(*) >= $1 FROM workers", count))

    await until(enough, within=30)


async def _killed_at_the_worst_moment(view: View, victim: Child) -> int:
    lease = "SELECT lease_until FROM workers WHERE pid = $1"
    before = await view.value(lease, victim.pid)

    async def renewed() -> bool:
        return bool(await view.value(lease, victim.pid) != before)

    await until(renewed)
    killed = time.time_ns()
    assert await asyncio.to_thread(victim.kill) == -signal.SIGKILL
    return killed


def _attempts(notes: Path) -> list[tuple[str, int, int]]:
    lines = notes.read_text().splitlines() if notes.exists() else []
    return [(job, int(attempt), int(at)) for job, attempt, at in (line.split() for line in lines)]


def _begun(notes: Path, attempt: int) -> int:
    return len({job for job, number, _ in _attempts(notes) if number == attempt})


def _last(notes: Path, attempt: int) -> int:
    return max(at for _, number, at in _attempts(notes) if number == attempt)


DRILL = Drill(
    "worker-killed", "SIGKILL to a worker that runs 500 jobs, just after it has renewed its lease", run
)
