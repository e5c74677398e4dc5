"""Draining jobs that do nothing, with one worker process: `python -m benchmarks.drain hub|arq COUNT`.

The hub's jobs are submitted through its own service, with recorded attempts and fsync; arq's through its own client, with
its best settings (max_jobs 100, poll_delay 0.01 s, keep_result 0). The clock runs from the worker's start to the last
job's end, for the hub until its end is durable.
"""

import asyncio
import json
import os
import sys
import time
from typing import Any

import uvloop
from arq.connections import ArqRedis, RedisSettings, create_pool
from arq.worker import Worker as ArqWorker
from arq.worker import func
from sqlalchemy import text

from benchmarks.parts import PRINCIPAL, bench_hub
from hub import worker
from hub.services.hub import Hub
from hub.services.submit import JobRequest


async def drain_hub(count: int) -> float:
    """Jobs a second."""
    async with bench_hub() as hub:
        requests = [JobRequest("parts.noop", {}, f"bench-{number}") for number in range(1000)]
        for _ in range(count // len(requests)):
            await hub.submit.submit_many(PRINCIPAL, requests)
        await hub.submit.drain()
        running = worker.make(hub)
        began = time.perf_counter()
        task = asyncio.create_task(running.async_run())
        # Counting rows is the database's work too, so it is asked seldom, and only for what is left.
        while await _left(hub):
            await asyncio.sleep(0.02)
        seconds = time.perf_counter() - began
        running.stop()
        await task
        return count / seconds


_LEFT = text("""
SELECT EXISTS (SELECT FROM jobs WHERE queue = 'bench' AND state = 'queued' AND dispatched_at IS NULL)
    OR EXISTS (SELECT FROM jobs WHERE dispatched_at IS NOT NULL) OR EXISTS (SELECT FROM jobs WHERE state = 'running')
""")


async def _left(hub: Hub) -> bool:
    [(left,)] = await hub.database.run(_LEFT)
    return bool(left)


async def drain_arq(count: int) -> float:
    """Jobs a second."""
    settings = RedisSettings(unix_socket_path=os.environ["HUB_REDIS_URL"].removeprefix("unix://"))
    pool: ArqRedis = await create_pool(settings)
    for _ in range(count):
        await pool.enqueue_job("noop")

    async def noop(_ctx: dict[Any, Any]) -> None:
        """Do nothing."""

    arq = ArqWorker(
        [func(noop, name="noop", keep_result=0)],  # type: ignore[arg-type]  # it asks for *args
        redis_pool=pool,
        burst=True,
        max_jobs=100,
        poll_delay=0.01,
        keep_result=0,
        handle_signals=False,
    )
    began = time.perf_counter()
    await arq.async_run()
    return count / (time.perf_counter() - began)


def main() -> None:
    which, count = sys.argv[1], int(sys.argv[2])
    print(json.dumps({"per_second": uvloop.run({"hub": drain_hub, "arq": drain_arq}[which](count))}))


if __name__ == "__main__":
    main()
