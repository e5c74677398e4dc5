"""Two releases at work at the same time, in real processes: each job is done by a release that can, soon, and for nothing."""

import asyncio
import signal
from uuid import UUID

from tests.processes.conftest import Hire, registered, settled
from tests.services.engine import Engine
from tests.simulators.provider import Provider
from tests.until import until

SOON = 40.0  # seconds, on a very busy machine; alone it takes two


async def test_a_job_that_only_the_next_release_knows_is_done_by_it(
    hub: Engine, provider: Provider, hire: Hire
) -> None:
    """Submitted during the rollout: held once at most, then handed to a worker that knows it; one attempt, no budget."""
    provider.go.set()
    hire("former"), hire("next")
    await registered(hub, 2)
    made = [await hub.submit("fleet.announce", {"item": str(number)}) for number in range(40)]
    await settled(hub, SOON)
    for one in made:
        row = await hub.job(one)
        assert (row.state, row.attempt, row.failures) == ("succeeded", 1, 0)
        assert row.dispatch <= 2
    assert set(provider.effects.values()) == {1}


async def test_arguments_of_the_next_release_are_found_by_it(
    hub: Engine, provider: Provider, hire: Hire
) -> None:
    """Also when it started long before: a worker of the former release tries once, the next one does it."""
    provider.go.set()
    hire("next"), hire("former")
    await registered(hub, 2)
    made = [await hub.submit("fleet.label", {"item": str(n), "colour": "red"}) for n in range(40)]
    await settled(hub, SOON)
    for one in made:
        row = await hub.job(one)
        assert (row.state, row.failures) == ("succeeded", 0)
        assert row.attempt <= 2
        assert row.dispatch <= 2
    assert set(provider.effects) == {f"label {number} red" for number in range(40)}


async def test_what_one_release_began_it_ends(hub: Engine, provider: Provider, hire: Hire) -> None:
    """Recorded steps do not fit the next release: it tries each job once, and when it is rolled back they are ended."""
    former = hire("former", HUB_WORKER_SHUTDOWN_GRACE="0.2")
    made = [await hub.submit("fleet.pack", {"item": str(number)}) for number in range(10)]
    await until(lambda: provider.waiting == len(made), within=SOON)
    former.signal(signal.SIGTERM)
    assert await asyncio.to_thread(former.wait) == 0
    provider.go.set()
    hire("next")

    async def all_held() -> bool:
        return len(await hub.sql("SELECT 1 FROM jobs WHERE reason = 'steps_changed'")) == len(made)

    await until(all_held, within=SOON)
    hire("former")
    await settled(hub, SOON)
    for one in made:
        row = await hub.job(one)
        assert (row.state, row.failures, row.crashes) == ("succeeded", 0, 0)
        outcomes = [attempt.outcome for attempt in await hub.attempts(one)]
        assert outcomes == ["interrupted", "held", "succeeded"]
    assert set(provider.effects.values()) == {1}


async def test_a_rolling_restart_under_load_loses_nothing_and_costs_nothing(
    hub: Engine, provider: Provider, hire: Hire
) -> None:
    """Both workers are replaced, one after the other, while jobs come in: each is done once, none has used its budget."""
    provider.go.set()
    workers = [hire("former"), hire("former")]
    await registered(hub, 2)
    made: list[UUID] = []

    async def load() -> None:
        while len(workers):
            names = ("ship", "announce") if len(made) % 2 else ("ship",)
            made.extend([await hub.submit(f"fleet.{name}", {"item": str(len(made))}) for name in names])
            await asyncio.sleep(0.01)

    loading = asyncio.create_task(load())
    for number, worker in enumerate(list(workers), start=3):
        hire("next")
        await registered(hub, number)
        worker.signal(signal.SIGTERM)
        assert await asyncio.to_thread(worker.wait) == 0
    workers.clear()
    await loading
    await settled(hub, SOON)
    rows = await hub.sql(
        "SELECT state, count(*), sum(failures), sum(crashes), max(dispatch) FROM jobs GROUP BY 1"
    )
    [(state, count, failures, crashes, dispatches)] = [tuple(row) for row in rows]
    assert (state, count, failures, crashes) == ("succeeded", len(made), 0, 0)
    assert dispatches <= 3
    assert set(provider.effects.values()) == {1}
