"""How much is due: counted by queue, whatever state it waits in."""

from collections.abc import AsyncIterator, Sequence
from typing import Any
from uuid import uuid4

import pytest
from sqlalchemy import text

from hub.infra.store.database import Database
from hub.infra.store.depths import BY_STATE, Depth, DepthStore
from hub.infra.store.fleet import AllParked, FleetStore
from hub.infra.store.reading import ReadingStore


@pytest.fixture
async def database(database_url: str) -> AsyncIterator[Database]:
    made = Database(database_url)
    await made.run(text("INSERT INTO queues (name) VALUES ('mail'), ('idle'), ('later')"))
    yield made
    await made.close()


async def put(database: Database, queue: str, state: str, age: int, **more: object) -> None:
    values = {
        "id": uuid4(),
        "queue": queue,
        "state": state,
        "age": age,
        "handed": False,
        "priority": 5,
        "reason": "exhausted" if state == "failed" else None,
        "settled": state == "failed",
        "worker": uuid4() if state == "running" else None,
        **more,
    }
    await database.run(
        text(
            "INSERT INTO jobs (id, name, args, queue, priority, state, run_at, correlation_id, reason, worker_id,"
            " dispatched_at, settled_at)"
            " VALUES (:id, 'a.b', '{}', :queue, :priority, :state, now() - make_interval(secs => :age), 'c', :reason, :worker,"
            " CASE WHEN CAST(:handed AS boolean) THEN now() END,"
            " CASE WHEN CAST(:settled AS boolean) THEN now() END)"
        ),
        values,
    )


async def test_what_is_due_is_counted_wherever_it_waits(database: Database) -> None:
    """Queued, handed over, or due and not promoted yet; not what runs, is held, or is due later."""
    await put(database, "mail", "queued", 30, priority=9)
    await put(database, "mail", "queued", 60, priority=0)
    await put(database, "mail", "queued", 10, handed=True)
    await put(database, "mail", "retrying", 5)
    await put(database, "later", "scheduled", -60)
    await put(database, "later", "retrying", -60)
    idle, later, mail = await DepthStore(database).due()
    assert (idle, later) == (Depth("idle", 0, 0.0), Depth("later", 0, 0.0))
    assert (mail.queue, mail.jobs) == ("mail", 4)
    assert 60 <= mail.oldest < 90


async def test_open_work_is_counted_by_state_and_no_further_than_its_bound(database: Database) -> None:
    """What stopped at the bound says so; a queue asked for by name is told alone, and an empty one is told as well."""
    store = ReadingStore(database)
    for age in (10, 20, 30):
        await put(database, "mail", "queued", age)
    await put(database, "mail", "queued", 40, handed=True)
    await put(database, "later", "scheduled", -60)
    await put(database, "later", "waiting", -60)

    def counts(rows: Sequence[Sequence[Any]]) -> dict[tuple[str, str], tuple[int, bool]]:
        return {(row[0], row[2]): (row[3], row[6]) for row in rows if row[3]}

    assert counts(await store.depths(most=5)) == {
        ("mail", "queued"): (4, False),
        ("later", "scheduled"): (1, False),
        ("later", "waiting"): (1, False),
    }
    assert counts(await store.depths("mail", most=3)) == {("mail", "queued"): (4, True)}
    assert counts(await store.depths("mail", most=2)) == {("mail", "queued"): (3, True)}
    assert {row[0] for row in await store.depths("idle")} == {"idle"}
    assert await store.depths("unknown") == []


async def test_what_is_counted_for_all_queues_together_is_exact_in_each_or_in_none(
    database: Database,
) -> None:
    """Where counting stopped before it came to a queue, its own count is low, or 0; other states do not suffer."""
    store = ReadingStore(database)
    await put(database, "mail", "failed", 30)
    for _ in range(4):
        await put(database, "later", "failed", 20)
    await put(database, "later", "running", 10)

    async def stopped(most: int) -> set[tuple[str, str]]:
        return {(row[0], row[2]) for row in await store.depths(most=most) if row[6]}

    assert await stopped(6) == set()
    assert await stopped(4) == {("idle", "failed"), ("later", "failed"), ("mail", "failed")}


async def test_the_parts_of_a_count_are_made_once_and_not_again_for_each_queue(database: Database) -> None:
    """With five queues, that took twice as long as everything else."""
    asked = str(BY_STATE).replace(":name", "NULL").replace(":most", "5")
    plan = [row[0] for row in await database.run(text("EXPLAIN " + asked))]
    assert "CTE open" in [line.strip() for line in plan]


async def test_what_waits_for_a_provider_is_looked_for_among_the_next_to_come(database: Database) -> None:
    """However many jobs are scheduled before: no more are gone through than the bound, and that it was reached is told
    also where none was met.
    """
    await put(database, "later", "retrying", -60)
    await database.run(
        text(
            "WITH met AS (UPDATE jobs SET error_code = 'breaker_open' RETURNING id)"
            " INSERT INTO steps (job_id, position, name, provider, effect, certainty, serial, generation, attempt, sends, digest)"
            " SELECT id, 1, 'shop', 'shop', 'money', 'not_sent', 0, 1, 1, 0, '' FROM met"
        )
    )
    store = FleetStore(database)
    parked = await store.parked(most=2)
    assert (parked.by_provider["shop"].jobs, parked.bounded) == (1, False)
    for age in (-10, -20):
        await put(database, "later", "scheduled", age)
    parked = await store.parked(most=3)
    assert (parked.by_provider["shop"].jobs, parked.bounded) == (1, True)
    assert await store.parked(most=2) == AllParked({}, bounded=True)
