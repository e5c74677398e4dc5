"""What one release could not run is taken up by a worker that may, directly, and tried once by each."""

from uuid import UUID

import pytest

from hub import JobContext, job
from tests.services import shop
from tests.services.conftest import Start
from tests.services.engine import Engine, another


@job()
async def work(_ctx: JobContext, _args: shop.Order) -> None:
    pass


@job(queue="aside")
async def elsewhere(_ctx: JobContext, _args: shop.Order) -> None:
    pass


async def held(engine: Engine) -> UUID:
    """A job whose arguments this release does not know."""
    made = await engine.submit("test_releases.work")
    await engine.sql("""UPDATE jobs SET args = '{"item": 5}' WHERE id = :id""", id=made)
    assert await engine.work() == 1
    assert (await engine.job(made)).state == "held"
    return made


async def test_a_worker_tries_once_what_did_not_fit(start: Start) -> None:
    """What still does not fit is held again, for any other worker, and has used up nothing."""
    engine = await start(work)
    made = await held(engine)
    assert await engine.relay.take_held(["default"], 10, 4) == []
    for attempt in (2, 3):
        started = await another(engine.hub)
        assert await started.work() == 1
        again = (await another(engine.hub)).relay._store
        for worker in (engine.store.worker, started.store.worker):
            assert await again.take_held(worker, ["default"], ["test_releases.work"], 10, 4) == []
        row = await engine.job(made)
        assert (row.state, row.reason, row.attempt, row.failures) == ("held", "args_unknown", attempt, 0)


async def test_the_release_that_knows_the_arguments_does_the_job(start: Start) -> None:
    """Whenever it was held: nobody has to start for it."""
    engine = await start(work)
    fitting = await another(engine.hub)
    made = await held(engine)
    await engine.sql("""UPDATE jobs SET args = '{"item": "a"}' WHERE id = :id""", id=made)
    assert await fitting.work() == 1
    row = await engine.job(made)
    assert (row.state, row.generation, row.attempt, row.failures) == ("succeeded", 1, 2, 0)


async def test_what_was_held_is_handed_to_the_worker_that_asks(start: Start) -> None:
    """Not through Redis, where a worker that does not know it might take it again; one hand-over, one attempt."""
    new, old = await start(work), await start()
    made = await new.submit("test_releases.work")
    assert await old.work() == 0
    assert (await new.job(made)).reason == "unknown_job"
    assert await old.relay.take_held(["default"], 10, 4) == []
    [handed] = await new.relay.take_held(["default"], 10, 4)
    assert await new.hub.queue.depths(["default"]) == {"default": 0}
    assert await old.work() == 0
    [claimed] = await new.execute.claim([(handed.job, handed.dispatch)])
    row = await new.job(made)
    assert (claimed.id, row.state, row.dispatch, row.attempt) == (made, "running", 2, 1)


async def test_a_worker_that_dies_with_it_in_hand_loses_nothing(start: Start) -> None:
    """The sweep finds that it was handed over and is nowhere."""
    new, old = await start(work), await start()
    made = await new.submit("test_releases.work")
    assert await old.work() == 0
    assert len(await new.relay.take_held(["default"], 10, 4)) == 1
    await new.sql("UPDATE jobs SET dispatched_at = now() - interval '1 minute'")
    await new.relay.sweep()
    assert await new.work() == 1
    assert (await new.job(made)).state == "succeeded"


@pytest.mark.parametrize(
    ("reason", "taken"),
    [("steps_changed", True), ("args_unknown", True), ("unknown_job", True), ("queue_paused", False)],
)
async def test_only_what_waits_for_a_release_is_taken_up(start: Start, reason: str, *, taken: bool) -> None:
    """As many as there is room for, then the next; not from queues that others work on, or that are paused."""
    engine = await start(work, elsewhere)
    [[application]] = await engine.sql("SELECT id FROM applications")
    await engine.sql(
        """INSERT INTO jobs (id, name, args, queue, priority, state, reason, run_at, application_id, correlation_id)
           SELECT gen_random_uuid(), CASE n % 3 WHEN 0 THEN 'test_releases.strange' ELSE 'test_releases.work' END, '{}',
                  CASE n % 3 WHEN 1 THEN 'aside' ELSE 'default' END, 5, 'held', :reason, now(), :application, 'c'
           FROM generate_series(1, 150) n""",
        application=application,
        reason=reason,
    )
    sizes = [len(await engine.relay.take_held(["default"], 20, 4)) for _ in range(4)]
    assert sizes == ([20, 20, 10, 0] if taken else [0] * 4)
    await engine.hub.operate.pause(engine.principal, "aside")
    assert await (await another(engine.hub)).relay.take_held(["aside"], 20, 4) == []
    queued = await engine.sql("SELECT DISTINCT name, queue FROM jobs WHERE state = 'queued'")
    assert [tuple(row) for row in queued] == ([("test_releases.work", "default")] if taken else [])


async def test_no_more_suspects_are_taken_than_there_are_places_for(start: Start) -> None:
    """They would be claimed, and wait in the worker's hands; the others fill the room that is left."""
    new, old = await start(work), await start()
    made = [await new.submit("test_releases.work") for _ in range(9)]
    assert await old.work() == 0
    await new.sql("UPDATE jobs SET crashes = 2 WHERE id = ANY(CAST(:ids AS uuid[]))", ids=made[:5])
    taken = await new.relay.take_held(["default"], 5, 2)
    assert sorted(job.suspect for job in taken) == [False, False, False, True, True]
    store = (await another(new.hub)).relay._store
    left = await store.take_held(new.store.worker, ["default"], ["test_releases.work"], 10, 0)
    assert [job.suspect for job in left] == [False]
    held = await new.sql("SELECT count(*), min(crashes) FROM jobs WHERE state = 'held'")
    assert [tuple(row) for row in held] == [(3, 2)]
