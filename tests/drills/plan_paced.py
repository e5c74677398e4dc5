"""A plan at its set rate while its workers come and go: how near to the rate it is, and that each job ran once."""

import signal
from collections.abc import Sequence
from datetime import UTC, datetime
from uuid import UUID

import uuid_utils.compat as uuids

from hub.domain.access import Principal, Role
from hub.domain.plans import Action, Command, PlanState, Settings
from hub.infra.store.database import Database
from hub.services.plans import PlanRequest, Plans, plans_over
from tests.drills.drill import Drill, Figure, Scale
from tests.drills.stage import Stage, View, prepare
from tests.until import until

RATE = 100.0  # jobs a second
LASTS = 20.0  # seconds
WITHIN = 5.0  # percent
_FAIL = """
UPDATE jobs SET state = 'failed', reason = 'exhausted', settled_at = now(), dispatched_at = NULL, attempt = 1, failures = 1
"""
_OPERATOR = Principal.of_operator(UUID(int=9), "drill", Role.ADMIN)


async def run(stage: Stage, scale: Scale) -> list[Figure]:
    """Two workers take turns at the plan; one of them is killed half way, and another one comes."""
    count = int(RATE * (scale.seconds or LASTS))
    database = Database(stage.postgres.url, size=2)
    plans = plans_over(database, {}, clock=lambda: datetime.now(UTC), new_id=uuids.uuid7)
    async with stage.view() as view:
        await prepare(view)
        await view.backlog(count)
        await view.connection.execute(_FAIL)
        victim, _ = stage.hire(**scale.settings), stage.hire(**scale.settings)
        await until(lambda: _are(view, "SELECT count(*) = 2 FROM workers"), within=60)
        plan = await _started(plans, count)
        await until(lambda: _released(view, count // 2), within=120)
        stage.hire(**scale.settings)
        assert victim.kill() == -signal.SIGKILL
        await until(lambda: _over(plans, plan), within=120)
        times = [row[0] for row in await view.rows("SELECT released_at FROM plan_items ORDER BY 1")]
        again = await view.value("SELECT count(*) FROM jobs WHERE state <> 'succeeded' OR generation <> 2")
    await database.close()
    return [
        Figure(f"jobs released a second, set to {RATE:g}", _rate(times), "/s"),
        Figure("away from the set rate by", abs(_rate(times) / RATE - 1) * 100, "%", WITHIN),
        Figure("most released within any second", _most_within(times, 1.0), "jobs", 2 * RATE + 1),
        Figure(f"of {count} jobs forgotten, or released twice", again, "jobs", 0),
    ]


async def _started(plans: Plans, count: int) -> UUID:
    settings = Settings(canary=0, rate=RATE, stop_above=1, max_in_flight=10_000)
    made = await plans.create(_OPERATOR, PlanRequest(Action.RETRY, "state:failed", settings))
    assert made.counts.pending == count
    await plans.command(_OPERATOR, made.id, Command.START)
    return made.id


async def _are(view: View, statement: str) -> bool:
    return bool(await view.value(statement))


async def _released(view: View, count: int) -> bool:
    return bool(await view.value("SELECT pending_items <= $1 FROM plans", count))


async def _over(plans: Plans, plan: UUID) -> bool:
    return (await plans.get(plan)).state is PlanState.FINISHED


def _rate(times: Sequence[datetime]) -> float:
    """From the first to the last: so many intervals."""
    lasted = (times[-1] - times[0]).total_seconds()
    return (len(times) - 1) / lasted if lasted else 0.0


def _most_within(times: Sequence[datetime], seconds: float) -> int:
    most = begin = 0
    for end, at in enumerate(times):
        while (at - times[begin]).total_seconds() > seconds:
            begin += 1
        most = max(most, end - begin + 1)
    return most


DRILL = Drill(
    "plan-paced", "a plan at 100 jobs a second under two workers, one of which is killed half way", run
)
