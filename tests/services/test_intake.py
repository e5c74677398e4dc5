"""Taking webhooks in: one transaction for event and jobs, one event however often it is delivered."""

import asyncio

import pytest

from hub import JobContext, job
from hub.domain.errors import Invalid, NotFound, SignatureRefused, Unavailable
from hub.services.intake import Receipt
from tests.services.conftest import Start
from tests.services.deliveries import SETTINGS, Arrived, delivery, source
from tests.services.engine import Engine

SEEN: list[int] = []


@job(on="depot:parcel.arrived")
async def weigh(_ctx: JobContext, event: Arrived) -> int:
    SEEN.append(event.weight)
    return event.weight


@job(on="depot:parcel.arrived")
async def announce(_ctx: JobContext, _event: Arrived) -> None:
    pass


async def receive(engine: Engine, event_id: str, **more: object) -> Receipt:
    return await engine.hub.intake.receive("depot", *delivery(event_id, **more), "correlation")  # type: ignore[arg-type]


async def test_an_event_and_its_jobs_are_stored_together(start: Start) -> None:
    """The raw bytes are kept, secrets of the delivery are not, and each subscriber has its job, which runs."""
    engine = await start(weigh, announce, sources=(source,), environ=SETTINGS)
    receipt = await receive(engine, "evt_1", weight=3)
    assert not receipt.duplicate
    [event] = await engine.sql("SELECT * FROM events")
    assert (event.id, event.external_id, event.body) == (
        receipt.event_id,
        "evt_1",
        delivery("evt_1", weight=3)[1],
    )
    assert event.headers == {}
    jobs = await engine.sql("SELECT name, event_id, correlation_id FROM jobs ORDER BY name")
    assert [tuple(row) for row in jobs] == [
        ("test_intake.announce", receipt.event_id, "correlation"),
        ("test_intake.weigh", receipt.event_id, "correlation"),
    ]
    await engine.hub.intake.drain()
    assert await engine.work() == 2
    assert SEEN.pop() == 3


async def test_a_repeated_delivery_changes_nothing(start: Start) -> None:
    """It is told the first one's id, and no job is made."""
    engine = await start(weigh, sources=(source,), environ=SETTINGS)
    first, second = await receive(engine, "evt_1"), await receive(engine, "evt_1")
    assert (second.event_id, second.duplicate) == (first.event_id, True)
    assert [tuple(row) for row in await engine.sql("SELECT count(*) FROM jobs")] == [(1,)]


async def test_duplicates_in_one_batch_and_across_processes_are_one_event(start: Start) -> None:
    """Two hundred concurrent deliveries of ten events to two hubs make ten events, each with one fresh receipt."""
    one = await start(weigh, sources=(source,), environ=SETTINGS)
    two = await start(weigh, sources=(source,), environ=SETTINGS)
    names = [f"evt_{number % 10}" for number in range(200)]
    receipts = await asyncio.gather(
        *[receive((one, two)[index % 3 % 2], name) for index, name in enumerate(names)]
    )
    assert sum(not receipt.duplicate for receipt in receipts) == 10
    by_name = {
        name: {r.event_id for n, r in zip(names, receipts, strict=True) if n == name} for name in set(names)
    }
    assert all(len(ids) == 1 for ids in by_name.values())
    assert [
        tuple(row)
        for row in await one.sql("SELECT (SELECT count(*) FROM events), (SELECT count(*) FROM jobs)")
    ] == [(10, 10)]


async def test_a_poison_event_is_refused_alone(start: Start) -> None:
    """What the database cannot hold is the sender's mistake, and its neighbours are stored."""
    engine = await start(weigh, sources=(source,), environ=SETTINGS)
    headers, body = delivery("evt_bad")
    poison = engine.hub.intake.receive("depot", headers, body, "a\0b")
    outcomes = await asyncio.gather(
        receive(engine, "evt_1"), poison, receive(engine, "evt_2"), return_exceptions=True
    )
    assert [type(outcome) for outcome in outcomes] == [Receipt, Invalid, Receipt]
    assert isinstance(
        (
            await asyncio.gather(
                engine.hub.intake.receive("depot", headers, body, "\0"), return_exceptions=True
            )
        )[0],
        Invalid,
    )


async def test_what_is_not_the_providers_is_refused(start: Start) -> None:
    """Unknown source, wrong signature, unreadable body: nothing is stored."""
    engine = await start(weigh, sources=(source,), environ=SETTINGS)
    headers, body = delivery("evt_1")
    with pytest.raises(NotFound):
        await engine.hub.intake.receive("nobody", headers, body, "c")
    with pytest.raises(SignatureRefused):
        await engine.hub.intake.receive("depot", headers, body + b" ", "c")
    assert not await engine.sql("SELECT 1 FROM events")


async def test_a_provider_that_hangs_up_has_its_event_stored(start: Start) -> None:
    """A receiver cancelled in the middle leaves either all or nothing: here the batch was under way."""
    engine = await start(weigh, sources=(source,), environ=SETTINGS)
    receiving = asyncio.create_task(receive(engine, "evt_1"))
    await asyncio.sleep(0)
    receiving.cancel()
    await asyncio.gather(receiving, return_exceptions=True)
    await engine.hub.intake.drain()
    assert await engine.work() == 1
    assert (await receive(engine, "evt_1")).duplicate


async def test_too_many_waiting_are_sent_away(start: Start) -> None:
    """Beyond the bound the provider is told to come again, at once."""
    engine = await start(weigh, sources=(source,), environ=SETTINGS)
    outcomes = await asyncio.gather(
        *[receive(engine, f"evt_{number}") for number in range(2_100)], return_exceptions=True
    )
    refused = [outcome for outcome in outcomes if isinstance(outcome, Unavailable)]
    assert len(refused) == 100
    assert [tuple(row) for row in await engine.sql("SELECT count(*) FROM events")] == [(2000,)]
