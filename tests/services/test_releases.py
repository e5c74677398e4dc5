"""What did not fit one release is tried once by each worker that starts, and then left alone."""

from typing import Any
from uuid import UUID

import pytest

from hub import JobContext, job
from tests.services import shop
from tests.services.conftest import Start
from tests.services.engine import Engine, another


@job()
async def work(_ctx: JobContext, _args: shop.Order) -> None:
    pass


async def held(engine: Engine) -> UUID:
    """A job whose arguments this release does not know."""
    made = await engine.submit("test_releases.work")
    await engine.sql("""UPDATE jobs SET args = '{"item": 5}' WHERE id = :id""", id=made)
    assert await engine.work() == 1
    assert (await engine.job(made)).state == "held"
    return made


async def test_a_worker_tries_once_what_did_not_fit(start: Start) -> None:
    """What still does not fit is held again, for the next worker that starts, and has used up nothing."""
    engine = await start(work)
    made = await held(engine)
    for attempt in (2, 3):
        started = await another(engine.hub)
        for _ in range(3):
            await started.relay.try_held()
            await started.relay.sweep()
            await started.work()
        row = await engine.job(made)
        assert (row.state, row.reason, row.attempt, row.failures) == ("held", "args_unknown", attempt, 0)


async def test_the_release_that_knows_the_arguments_does_the_job(start: Start) -> None:
    """Once its worker has started, by itself."""
    engine = await start(work)
    made = await held(engine)
    await engine.sql("""UPDATE jobs SET args = '{"item": "a"}' WHERE id = :id""", id=made)
    started = await another(engine.hub)
    await started.relay.try_held()
    await started.work()
    row = await engine.job(made)
    assert (row.state, row.generation, row.attempt) == ("succeeded", 1, 2)


@pytest.mark.parametrize(
    ("reason", "state"),
    [
        ("steps_changed", "queued"),
        ("args_unknown", "queued"),
        ("queue_paused", "held"),
        ("unknown_job", "held"),
    ],
)
async def test_only_what_an_attempt_can_tell_is_tried(start: Start, reason: str, state: str) -> None:
    """All of it, however much; the other reasons go when they go."""
    engine = await start(work)
    [[application]] = await engine.sql("SELECT id FROM applications")
    await engine.sql(
        """INSERT INTO jobs (id, name, args, queue, priority, state, reason, run_at, application_id, correlation_id)
           SELECT gen_random_uuid(), 'test_releases.work', '{}', 'default', 5, 'held', :reason, now(), :application,
                  'c' FROM generate_series(1, 2500)""",
        application=application,
        reason=reason,
    )
    await engine.relay.try_held()
    states: list[Any] = [tuple(row) for row in await engine.sql("SELECT DISTINCT state FROM jobs")]
    assert states == [(state,)]
