"""The time from a job's commit to its start, on an idle worker in a process of its own, at a steady rate.

`python -m benchmarks.latency worker` runs the worker; `python -m benchmarks.latency submit RATE SECONDS` submits and
reports.
"""

import asyncio
import json
import sys
import time
from uuid import UUID

import uvloop
from sqlalchemy import text

from benchmarks.parts import PRINCIPAL, bench_hub
from hub import worker
from hub.services.hub import Hub
from hub.services.submit import JobRequest, Submitted


async def work() -> None:
    """Run the worker until a signal."""
    async with bench_hub() as hub:
        print("ready", flush=True)
        await worker.run(hub, ())


async def submit(rate: float, seconds: float) -> dict[str, float]:
    """Submit at a steady rate; p50 and p99 in milliseconds."""
    async with bench_hub() as hub:
        committed: dict[UUID, int] = {}
        began = asyncio.get_running_loop().time()
        for number in range(int(rate * seconds)):
            await asyncio.sleep(max(0.0, began + number / rate - asyncio.get_running_loop().time()))
            done: Submitted = await hub.submit.submit(PRINCIPAL, JobRequest("parts.moment", {}, "bench"))
            committed[done.id] = time.time_ns()
        begun = await _begun(hub, list(committed))
        # Rarely a worker is faster than the news of the commit: that is no time at all, not less than none.
        waits = sorted(max(0, begun[job] - at) / 1e6 for job, at in committed.items())
        return {"p50": waits[len(waits) // 2], "p99": waits[len(waits) * 99 // 100], "samples": len(waits)}


_BEGUN = text("""
SELECT id, CAST(result->>'began' AS bigint) FROM jobs WHERE id = ANY(CAST(:jobs AS uuid[])) AND state = 'succeeded'
""")


async def _begun(hub: Hub, jobs: list[UUID]) -> dict[UUID, int]:
    while len(rows := await hub.database.run(_BEGUN, {"jobs": jobs})) < len(jobs):
        await asyncio.sleep(0.05)
    return {row[0]: row[1] for row in rows}


def main() -> None:
    if sys.argv[1] == "worker":
        uvloop.run(work())
    else:
        print(json.dumps(uvloop.run(submit(float(sys.argv[2]), float(sys.argv[3])))))


if __name__ == "__main__":
    main()
