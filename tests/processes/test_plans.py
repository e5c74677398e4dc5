"""A plan under real workers that are killed, one after the other: it goes on where it was, each job once."""

import signal
from collections import Counter
from collections.abc import Sequence
from uuid import UUID

from hub.domain.plans import Action, Command, PlanState, Settings
from hub.services.plan_views import PlanView
from hub.services.plans import PlanRequest
from tests.processes.conftest import Hire, registered
from tests.services.engine import Engine
from tests.simulators.provider import Provider
from tests.until import until

JOBS = 300
KILLS = 4
FAIL = """
UPDATE jobs SET state = 'failed', reason = 'exhausted', settled_at = now(), dispatched_at = NULL, attempt = 1, failures = 1
"""


async def failed(hub: Engine, count: int) -> list[UUID]:
    """Jobs that have failed before they called anybody."""
    made = [await hub.submit("fleet.ship", {"item": str(number)}) for number in range(count)]
    await hub.sql(FAIL)
    await hub.hub.queue.redis.flushall()
    return made


async def started(hub: Engine, settings: Settings) -> PlanView:
    wanted = PlanRequest(Action.RETRY, "state:failed", settings)
    plan = await hub.hub.plans.create(hub.principal, wanted)
    return await hub.hub.plans.command(hub.principal, plan.id, Command.START)


async def once_each(hub: Engine, provider: Provider, jobs: Sequence[UUID]) -> None:
    """Every job was released once, ran to its end, and did each of its two effects once."""
    assert len(provider.effects) == 2 * len(jobs)
    assert set(provider.effects.values()) == {1}
    rows = await hub.sql("SELECT state, generation, count(*) FROM jobs GROUP BY 1, 2")
    assert [tuple(row) for row in rows] == [("succeeded", 2, len(jobs))]


async def test_a_plan_survives_the_death_of_its_workers(hub: Engine, provider: Provider, hire: Hire) -> None:
    """SIGKILL in the middle, again and again; after the last one no job is forgotten, and none was done twice."""
    jobs = await failed(hub, JOBS)
    provider.go.set()
    victim = hire()
    await registered(hub, 1)
    plan = await started(hub, Settings(canary=5, rate=60, stop_above=1, max_in_flight=1000))
    for number in range(1, KILLS + 1):
        mark = number * JOBS // (KILLS + 2)

        async def gone_on(mark: int = mark) -> bool:
            return (await hub.hub.plans.get(plan.id)).counts.pending <= JOBS - mark

        await until(gone_on, within=60)
        heir = hire()
        assert victim.kill() == -signal.SIGKILL
        victim = heir

    async def finished() -> bool:
        return (await hub.hub.plans.get(plan.id)).state is PlanState.FINISHED

    await until(finished, within=90)
    now = await hub.hub.plans.get(plan.id)
    assert (now.counts.succeeded, now.counts.skipped, now.counts.pending) == (JOBS, 0, 0)
    await once_each(hub, provider, jobs)


async def test_two_plans_under_two_workers_do_each_job_once(
    hub: Engine, provider: Provider, hire: Hire
) -> None:
    """Started at the same moment over the same jobs; what one has released the other skips."""
    jobs = await failed(hub, 100)
    provider.go.set()
    for _ in range(2):
        hire()
    await registered(hub, 2)
    plans = [await started(hub, Settings(canary=0, rate=200, stop_above=1)) for _ in range(2)]

    async def finished() -> bool:
        return all([(await hub.hub.plans.get(plan.id)).state is PlanState.FINISHED for plan in plans])

    await until(finished, within=60)
    both = [(await hub.hub.plans.get(plan.id)).counts for plan in plans]
    told = Counter({"succeeded": 0, "skipped": 0})
    for counts in both:
        told.update(succeeded=counts.succeeded, skipped=counts.skipped)
    assert told == {"succeeded": 100, "skipped": 100}
    await once_each(hub, provider, jobs)
