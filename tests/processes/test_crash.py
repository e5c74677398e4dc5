"""Real workers, killed in the middle of real requests: everything is done, soon, and nothing twice."""

import asyncio
import os
import signal
import subprocess

from tests.processes.conftest import Hire, registered, settled
from tests.services.engine import Engine
from tests.simulators.provider import Provider
from tests.until import until

PICKED_UP_WITHIN = 10.0  # seconds, from the death of a worker to the end of its jobs elsewhere


async def test_jobs_of_a_killed_worker_are_done_by_another_and_not_twice(
    hub: Engine, provider: Provider, hire: Hire
) -> None:
    """SIGKILL while ten effects exist at the provider and their answers are on the way: each exists once in the end."""
    victim = hire()
    made = [await hub.submit("fleet.ship", {"item": str(number)}) for number in range(30)]
    await until(lambda: provider.waiting == 10, within=60)
    heir = hire()
    await registered(hub, 2)
    assert victim.kill() == -signal.SIGKILL
    provider.go.set()
    await settled(hub, PICKED_UP_WITHIN)
    assert [tuple(row) for row in await hub.sql("SELECT state, count(*) FROM jobs GROUP BY 1")] == [
        ("succeeded", len(made))
    ]
    assert len(provider.effects) == 2 * len(made)
    assert set(provider.effects.values()) == {1}
    assert heir.returncode is None


async def test_a_job_that_kills_its_worker_is_stopped_after_a_few(
    hub: Engine, provider: Provider, hire: Hire
) -> None:
    """Two workers die of it; the third time it dies alone, and is failed. Whatever ran beside it is done."""
    workers = [hire() for _ in range(3)]
    await registered(hub, 3)
    beside = [await hub.submit("fleet.ship", {"item": str(number)}) for number in range(20)]
    await until(lambda: provider.waiting == 20, within=60)
    made = await hub.submit("fleet.kill_worker")
    await until(lambda: [worker.returncode for worker in workers].count(-signal.SIGKILL) == 2, within=60)
    provider.go.set()
    await settled(hub, 60)
    row = await hub.job(made)
    assert (row.reason, row.crashes, row.error_code) == ("crash_loop", 3, "process_died")
    assert row.error_message == "the process that the job had for itself was killed by signal 9"
    assert sorted(str(worker.returncode) for worker in workers) == ["-9", "-9", "None"]
    assert {(await hub.job(one)).state for one in beside} == {"succeeded"}


async def test_a_suspect_is_cleared_though_worker_after_worker_is_killed_under_it(
    hub: Engine, provider: Provider, hire: Hire
) -> None:
    """Five workers are killed while it runs, and none of that proves anything: it succeeds, and counts as new."""
    made = await hub.submit("fleet.ship", {"item": "a"})
    for number in range(5):
        worker = hire()
        await until(lambda: provider.waiting == 1, within=60)
        # In a process of its own, it is handed back at once when that finds its worker gone.
        assert (await hub.job(made)).crashes == min(number, 2)
        worker.kill()
        await until(lambda: provider.waiting == 0, within=60)
    provider.go.set()
    hire()
    await settled(hub, 60)
    row = await hub.job(made)
    assert (row.state, row.crashes, row.failures) == ("succeeded", 0, 0)
    assert set(provider.effects.values()) == {1}


async def test_a_hundred_innocent_suspects_are_done_within_seconds(
    hub: Engine, provider: Provider, hire: Hire
) -> None:
    """They take turns in a few processes of their own, which are used again; the others do not wait for them."""
    provider.go.set()
    made = [await hub.submit("fleet.ship", {"item": str(number)}) for number in range(100)]
    await hub.hub.queue.redis.flushall()
    await hub.sql("UPDATE jobs SET crashes = 2, dispatched_at = NULL, dispatch = 0")
    hire()
    await registered(hub, 1)
    await settled(hub, 60)
    rows = await hub.sql("SELECT state, crashes, count(*), count(DISTINCT worker_id) FROM jobs GROUP BY 1, 2")
    assert [tuple(row) for row in rows] == [("succeeded", 0, len(made), 0)]


async def test_a_stopped_worker_hands_its_suspects_back(hub: Engine, provider: Provider, hire: Hire) -> None:
    """SIGTERM, and a call that does not end within the grace: interrupted at no cost, and nobody is left behind."""
    made = await hub.submit("fleet.ship", {"item": "a"})
    await hub.hub.queue.redis.flushall()
    await hub.sql("UPDATE jobs SET crashes = 2, dispatched_at = NULL, dispatch = 0")
    worker = hire(HUB_WORKER_SHUTDOWN_GRACE="0.2")
    await until(lambda: provider.waiting == 1, within=60)
    worker.signal(signal.SIGTERM)
    assert await asyncio.to_thread(worker.wait) == 0
    await until(lambda: provider.waiting == 0)
    row = await hub.job(made)
    assert (row.state, row.crashes, row.failures, row.error_code) == ("queued", 2, 0, "interrupted")


async def test_a_suspect_that_holds_its_process_up_is_ended_and_failed(hub: Engine, hire: Hire) -> None:
    """For as long as a lease nothing moves in its process: then it is ended, and the log shows where the job was."""
    made = await hub.submit("fleet.hang")
    await hub.hub.queue.redis.flushall()
    await hub.sql("UPDATE jobs SET crashes = 2, dispatched_at = NULL, dispatch = 0")
    worker = hire()
    await settled(hub, 60)
    row = await hub.job(made)
    assert (row.state, row.reason) == ("failed", "crash_loop")
    assert row.error_message == "the process that the job had for itself ended with status 1"
    assert "in hang" in worker.output()
    assert worker.returncode is None


async def test_a_suspect_whose_process_is_stopped_is_taken_from_it(
    hub: Engine, provider: Provider, hire: Hire
) -> None:
    """SIGSTOP: the worker lives and keeps the lease, so nobody else would ever come for the job."""
    made = await hub.submit("fleet.ship", {"item": "a"})
    await hub.hub.queue.redis.flushall()
    await hub.sql("UPDATE jobs SET crashes = 2, dispatched_at = NULL, dispatch = 0")
    worker = hire()
    await until(lambda: provider.waiting == 1, within=60)
    children = await asyncio.to_thread(
        subprocess.run, ["pgrep", "-P", str(worker.pid)], capture_output=True, text=True, check=True
    )
    [cell] = children.stdout.split()
    os.kill(int(cell), signal.SIGSTOP)
    await settled(hub, 30)
    row = await hub.job(made)
    assert (row.state, row.reason) == ("failed", "crash_loop")
    assert row.error_message == "the process that the job had for itself fell silent"
    assert worker.returncode is None


async def test_a_suspect_that_does_not_hear_its_timeout_is_ended_and_failed(hub: Engine, hire: Hire) -> None:
    """Its process breathes, so only the time that the job was given tells."""
    made = await hub.submit("fleet.cling")
    await hub.hub.queue.redis.flushall()
    await hub.sql("UPDATE jobs SET crashes = 2, dispatched_at = NULL, dispatch = 0")
    worker = hire(HUB_WORKER_SHUTDOWN_GRACE="0.2")
    await settled(hub, 30)
    row = await hub.job(made)
    assert (row.state, row.reason) == ("failed", "crash_loop")
    assert row.error_message == "the process that the job had for itself ended with status 1"
    assert "the job does not end" in worker.output()


async def test_a_worker_told_to_stop_ends_in_good_order(hub: Engine, provider: Provider, hire: Hire) -> None:
    """SIGTERM while ten jobs run: they finish, the others stay queued, nobody has to be rescued, and the exit is clean."""
    worker = hire()
    for number in range(15):
        await hub.submit("fleet.ship", {"item": str(number)})
    await until(lambda: provider.waiting == 10, within=60)
    worker.signal(signal.SIGTERM)
    provider.go.set()
    assert await asyncio.to_thread(worker.wait) == 0
    rows = await hub.sql(
        "SELECT state, count(*), sum(crashes), sum(failures) FROM jobs GROUP BY 1 ORDER BY 1"
    )
    assert [tuple(row) for row in rows] == [("queued", 5, 0, 0), ("succeeded", 10, 0, 0)]
