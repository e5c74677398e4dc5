"""How much is due: counted by queue, whatever state it waits in."""

from collections.abc import AsyncIterator
from uuid import uuid4

import pytest
from sqlalchemy import text

from hub.infra.store.database import Database
from hub.infra.store.depths import Depth, DepthStore


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
        **more,
    }
    await database.run(
        text(
            "INSERT INTO jobs (id, name, args, queue, priority, state, run_at, correlation_id, dispatched_at)"
            " VALUES (:id, 'a.b', '{}', :queue, :priority, :state, now() - make_interval(secs => :age), 'c',"
            " CASE WHEN CAST(:handed AS boolean) THEN now() END)"
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
