"""Submitting: a key stands for one request, whoever repeats it, wherever and how often."""

import asyncio
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest

from hub import Args, JobContext, job
from hub.domain.errors import Invalid, KeyReused, NotFound, Unavailable
from hub.services.submit import JobRequest, Submitted
from tests.services.conftest import Start
from tests.services.engine import principal


class Parcel(Args):
    to: str
    weights: tuple[int, ...] = ()


@job()
async def send(_ctx: JobContext, _args: Parcel) -> None:
    pass


def request(to: str = "Ada", **more: Any) -> JobRequest:
    return JobRequest("test_submit.send", {"to": to, **more.pop("args", {})}, "correlation", **more)


async def test_the_same_key_and_request_is_the_same_job(start: Start) -> None:
    """Whatever differs in form only is the same request; the replay says so."""
    engine = await start(send)
    submit = engine.hub.submit.submit
    first = await submit(engine.principal, request(idempotency_key="k"))
    again = await submit(engine.principal, replace(request(idempotency_key="k"), correlation_id="other"))
    assert (again.id, again.replayed) == (first.id, True)
    at = datetime(2030, 1, 1, tzinfo=UTC)
    planned = await submit(engine.principal, request(idempotency_key="p", run_at=at))
    elsewhere = at.astimezone(timezone(timedelta(hours=2)))
    assert (await submit(engine.principal, request(idempotency_key="p", run_at=elsewhere))).id == planned.id


async def test_the_same_key_for_another_request_is_refused(start: Start) -> None:
    """Nothing is made for it, and the first job stands."""
    engine = await start(send)
    await engine.hub.submit.submit(engine.principal, request(idempotency_key="k"))
    with pytest.raises(KeyReused):
        await engine.hub.submit.submit(engine.principal, request("Grace", idempotency_key="k"))
    assert [tuple(row) for row in await engine.sql("SELECT count(*) FROM jobs")] == [(1,)]


async def test_a_key_belongs_to_one_application(start: Start) -> None:
    """Two applications may use the same key for two jobs."""
    engine = await start(send)
    other = await principal(engine.hub, "others")
    made = [
        await engine.hub.submit.submit(who, request(idempotency_key="k")) for who in (engine.principal, other)
    ]
    assert made[0].id != made[1].id
    assert not made[1].replayed


async def test_concurrent_requests_under_one_key_are_one_job(start: Start) -> None:
    """Across two processes, in one batch or in several: each key has one job, and everybody is told its id."""
    one, two = await start(send), await start(send)
    made = await asyncio.gather(
        *[
            (one, two)[index % 3 % 2].hub.submit.submit(
                one.principal, request(idempotency_key=f"k{index % 7}")
            )
            for index in range(210)
        ]
    )
    assert len({submitted.id for submitted in made}) == 7
    assert sum(not submitted.replayed for submitted in made) == 7
    assert [tuple(row) for row in await one.sql("SELECT count(*) FROM jobs")] == [(7,)]


async def test_a_client_that_hangs_up_finds_its_job_again(start: Start) -> None:
    """The job is stored all the same, handed over, and found under its key."""
    engine = await start(send)
    submitting = asyncio.create_task(engine.hub.submit.submit(engine.principal, request(idempotency_key="k")))
    await asyncio.sleep(0)
    submitting.cancel()
    await asyncio.gather(submitting, return_exceptions=True)
    await engine.hub.submit.drain()
    assert await engine.work() == 1
    assert (await engine.hub.submit.submit(engine.principal, request(idempotency_key="k"))).replayed


async def test_many_at_once_get_an_answer_each(start: Start) -> None:
    """Wrong, unknown, repeated and unstorable ones among the good, in order."""
    engine = await start(send)
    requests = [
        request(idempotency_key="a"),
        JobRequest("nothing", {}, "c"),
        request(args={"weights": ["heavy"]}),
        request(idempotency_key="a"),
        request("Grace", idempotency_key="a"),
        request("a\0b"),
        request(),
    ]
    answers = await engine.hub.submit.submit_many(engine.principal, requests)
    assert [type(answer) for answer in answers] == [
        Submitted, NotFound, Invalid, Submitted, KeyReused, Invalid, Submitted,
    ]  # fmt: skip
    [lone] = await engine.hub.submit.submit_many(engine.principal, [request("a\0b")])
    assert isinstance(lone, Invalid)


async def test_what_cannot_be_stored_is_the_callers_mistake(start: Start) -> None:
    """A NUL is refused in words, not as an error of the hub's."""
    engine = await start(send)
    with pytest.raises(Invalid):
        await engine.hub.submit.submit(engine.principal, request("a\0b"))


async def test_every_wrong_argument_is_pointed_at(start: Start) -> None:
    """One problem each, with its JSON pointer."""
    engine = await start(send)
    wrong = {"weights": [1, "heavy"], "a/b~c": 1}
    with pytest.raises(Invalid) as refused:
        await engine.hub.submit.submit(engine.principal, JobRequest("test_submit.send", wrong, "c"))
    pointers = {problem.pointer for problem in refused.value.problems}
    assert pointers == {"/args/to", "/args/weights/1", "/args/a~1b~0c"}


async def test_an_unknown_queue_is_refused_and_the_known_ones_are_named(start: Start) -> None:
    """So that the caller need not guess."""
    engine = await start(send)
    with pytest.raises(Invalid) as refused:
        await engine.hub.submit.submit(engine.principal, request(queue="nowhere"))
    assert "default" in refused.value.problems[0].message


async def test_a_job_for_later_waits_until_it_is_due(start: Start) -> None:
    """It is scheduled, runs not before, and is done once its time has come by the database's clock."""
    engine = await start(send)
    made = await engine.submit(
        "test_submit.send", {"to": "Ada"}, run_at=datetime.now(UTC) + timedelta(hours=1)
    )
    assert await engine.work() == 0
    assert (await engine.job(made)).state == "scheduled"
    await engine.sql("UPDATE jobs SET run_at = now() WHERE id = :id", id=made)
    assert await engine.work() == 1
    assert (await engine.job(made)).state == "succeeded"


async def test_too_many_batches_waiting_are_sent_away(start: Start) -> None:
    """They are bounded like single jobs: what does not fit is refused whole, at once, and before it is read."""
    engine = await start(send, environ={"HUB_PENDING_LIMIT": "2"})
    submit = engine.hub.submit
    batch = [request() for _ in range(3)]
    async with engine.hub.database.transaction() as holder:
        await holder.exec_driver_sql("LOCK TABLE jobs IN ACCESS EXCLUSIVE MODE")
        # Two are being stored and two wait.
        waiting = [asyncio.create_task(submit.submit_many(engine.principal, batch)) for _ in range(2)]
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        waiting += [asyncio.create_task(submit.submit_many(engine.principal, batch)) for _ in range(2)]
        await asyncio.sleep(0)
        with pytest.raises(Unavailable):
            await submit.submit_many(engine.principal, batch)
        with pytest.raises(Unavailable):
            submit.admit(1, many=True)
        submit.admit(1)
    answers = await asyncio.gather(*waiting)
    assert [[type(answer) for answer in answered] for answered in answers] == [[Submitted] * 3] * 4
    assert [tuple(row) for row in await engine.sql("SELECT count(*) FROM jobs")] == [(12,)]
    assert await submit.submit_many(engine.principal, []) == []
