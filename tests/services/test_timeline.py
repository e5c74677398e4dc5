"""One job whole, and all that belongs together, in order of time and bounded."""

import struct
import time
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest

from hub import Args, Backoff, JobContext, job
from hub.domain.access import Scope
from hub.domain.errors import Invalid, NotFound
from hub.domain.ids import ApplicationId
from hub.domain.redaction import Redactor
from hub.domain.timeline import EntryKind
from hub.infra.store.stories import StoryStep
from hub.services.cursors import seal
from hub.services.edits import Wanted
from hub.services.telling import told_of_steps
from hub.services.timeline import Part
from hub.services.timeline_views import TimelineEntry, TimelineView
from tests.services import shop
from tests.services.conftest import Start
from tests.services.deliveries import SETTINGS, Arrived, delivery, source
from tests.services.engine import Engine
from tests.services.shop import says

SOON = Backoff(attempts=3, base=timedelta(milliseconds=1))


class Parcel(Args):
    number: str = "p1"


@job(retry=SOON)
async def thank(ctx: JobContext, args: Parcel) -> None:
    await ctx.call(shop.letter, item=args.number)


@job(retry=Backoff(attempts=1))
async def look(ctx: JobContext, args: Parcel) -> None:
    await ctx.call(shop.look, item=args.number)
    await ctx.call(shop.wrap, item="always the same")


@job(retry=Backoff(attempts=1))
async def pay(ctx: JobContext, args: Parcel) -> None:
    await ctx.call(shop.charge, item=args.number)


@job(retry=Backoff(attempts=2, base=timedelta(milliseconds=1)))
async def reserve(ctx: JobContext, args: Parcel) -> None:
    await ctx.compensate(shop.wrap, item=args.number)
    await ctx.call(shop.charge, item=args.number)


@job(retry=SOON)
async def buy(ctx: JobContext, args: Parcel) -> None:
    await ctx.call(shop.charge, item=args.number)
    await ctx.wait_for("depot:parcel.arrived", Arrived, about=args.number, timeout=timedelta(hours=1))
    await ctx.enqueue(thank, number=args.number)


@job(retry=SOON, on="depot:parcel.lost")
async def mourn(ctx: JobContext, event: Arrived) -> None:
    await ctx.call(shop.wrap, item=event.id)


@pytest.fixture
async def engine(start: Start) -> Engine:
    """An engine that knows these jobs."""
    known = (buy, thank, look, pay, reserve, mourn)
    return await start(*known, operations=(shop.wrap,), sources=(source,), environ=SETTINGS)


async def told(engine: Engine, job: UUID, part: Part = Part()) -> TimelineView:  # noqa: B008 - frozen
    """One job's timeline, as an operator sees it."""
    return await engine.hub.timeline.of_job(engine.principal, job, part)


async def arrive(engine: Engine, event: str, kind: str = "parcel.arrived", **more: Any) -> UUID:
    """The depot tells of a parcel."""
    receipt = await engine.hub.intake.receive("depot", *delivery(event, kind, about="p1", **more), "test")
    await engine.hub.intake.drain()
    assert receipt.event_id
    return receipt.event_id


async def in_pages_of_one(engine: Engine, job: UUID, *, newest_first: bool) -> list[TimelineEntry]:
    """One job's timeline, entry by entry."""
    parts, cursor = [], None
    while True:
        page = await told(engine, job, Part(1, cursor, newest_first))
        parts += page.items
        if (cursor := page.next_cursor) is None:
            return parts


def kinds(view: TimelineView) -> list[EntryKind]:
    return [entry.kind for entry in view.items]


def of_kind(view: TimelineView, kind: EntryKind) -> list[TimelineEntry]:
    return [entry for entry in view.items if entry.kind is kind]


async def test_a_job_is_told_from_its_submission_to_its_end(engine: Engine, server: shop.Server) -> None:
    """Attempts that failed, were put off and waited; steps; a person; a child; the end: each once, in order of time."""
    made = await engine.submit("test_timeline.buy", idempotency_key="order-1", tags=("order:1",))
    server.answers = [says(503), says(429, **{"Retry-After": "1"})]
    for _ in range(2):
        await engine.work()
        await engine.pass_time()
    await engine.work()
    await arrive(engine, "e1")
    await engine.work()
    view = await told(engine, made)

    assert [entry.at for entry in view.items] == sorted(entry.at for entry in view.items)
    [submitted] = of_kind(view, EntryKind.SUBMITTED)
    assert submitted.text == "test_timeline.buy was submitted by tests, with the idempotency key order-1"
    assert submitted.detail["tags"] == ["order:1"]
    attempts = of_kind(view, EntryKind.ATTEMPT)
    assert [entry.text.partition(":")[0] for entry in attempts] == [
        "attempt 1 failed",
        "attempt 2 was put off, since the provider asked to be left alone for a while",
        "attempt 3 gave its worker back, to wait; again at " + f"{attempts[3].at:%Y-%m-%d %H}",
        "attempt 4 succeeded",
    ]
    assert [entry.detail["again_at"] for entry in attempts] == [*(one.at for one in attempts[1:]), None]
    assert {entry.detail["worker"] for entry in attempts} == {"test, process 1"}
    called, waited, enqueued = of_kind(view, EntryKind.STEP)
    assert called.text == "step 1: shop POST /charges was called (3 times), and is confirmed"
    assert called.detail["idempotency_key"] == f"hub-{made}-1-0"
    assert called.detail["answer"] == {"number": 3}
    assert "depot:parcel.arrived about p1 came, event" in waited.text
    assert "made when this job succeeds" in enqueued.text
    assert view.items[-1].text == "it succeeded"
    assert view.next_cursor is None


async def test_what_is_to_come_is_told_with_its_time(engine: Engine, server: shop.Server) -> None:
    """The last entry of a job that is tried again."""
    made = await engine.submit("test_timeline.buy")
    server.answers = [says(503)]
    await engine.work()
    await engine.sql("UPDATE jobs SET run_at = run_at + interval '1 hour'")
    last = (await told(engine, made)).items[-1]
    assert (last.kind, last.text) == (EntryKind.TO_COME, "attempt 2 is due")
    assert last.at == (await engine.job(made)).run_at


async def test_a_retry_by_a_person_is_not_told_as_one_by_the_hub(engine: Engine, server: shop.Server) -> None:
    """The attempt before it failed for good: nothing was to follow it by itself."""
    server.answers = [says(402)]
    made = await engine.submit("test_timeline.thank")
    await engine.work()
    await engine.hub.operate.retry(engine.principal, made)
    await engine.work()
    failed, _ = of_kind(await told(engine, made), EntryKind.ATTEMPT)
    assert "again at" not in failed.text
    assert failed.detail["again_at"] is None


async def test_what_a_call_came_to_before_a_retry_by_a_person_is_told_as_well(
    engine: Engine, server: shop.Server
) -> None:
    """Once for each time that it was made again by a person, at its time; what was not made again is told once."""
    made = await engine.submit("test_timeline.thank")
    for _ in range(2):
        server.answers.append(says(402))
        await engine.work()
        await engine.hub.operate.retry(engine.principal, made)
        # Retried, and not made again yet.
        [*_, last] = of_kind(await told(engine, made), EntryKind.STEP)
        assert (last.detail["certainty"], last.detail["past"]) == ("rejected", False)
    await engine.work()
    steps = of_kind(await told(engine, made), EntryKind.STEP)
    assert [(one.detail["certainty"], one.detail["past"]) for one in steps] == [
        ("rejected", True), ("rejected", True), ("confirmed", False)
    ]  # fmt: skip
    assert [one.detail["attempt"] for one in steps] == [1, 2, 3]
    assert "was refused" in steps[0].text
    assert steps[0].at < steps[1].at < steps[2].at
    pages = [await told(engine, made, Part(newest_first=True))]
    assert [one.detail["attempt"] for one in of_kind(pages[0], EntryKind.STEP)] == [3, 2, 1]


def test_a_sentence_of_a_provider_is_gone_on_with_as_one() -> None:
    """Its full stop is left out where more follows."""
    at = datetime(2026, 1, 2, tzinfo=UTC)
    declined = StoryStep(
        uuid4(), 1, "stripe.charge", "stripe", "create", "rejected", 1, 2, 1, None, "", "call", None, None,
        "card_declined", "Your card was declined.", at, at, at, past=True,
    )  # fmt: skip
    [entry] = told_of_steps([declined], Redactor())
    assert entry.text == (
        "step 1: stripe.charge was refused (2 times): Your card was declined; it was made again later"
    )


async def test_a_call_that_was_held_back_is_told_after_a_retry_as_well(
    engine: Engine, server: shop.Server
) -> None:
    """It was not sent, and is not counted as such; that it was to be is known all the same."""
    made = await engine.submit("test_timeline.pay")
    breaker = engine.hub.breakers.of("shop")
    breaker.open_until(engine.hub.breakers.clock() + 60)
    await engine.work()
    await engine.hub.operate.retry(engine.principal, made)
    breaker.close()
    await engine.work()
    assert [one.text for one in of_kind(await told(engine, made), EntryKind.STEP)] == [
        "step 1: shop POST /charges was not sent: shop has been failing: not called; it was made again later",
        "step 1: shop POST /charges was called, and is confirmed",
    ]
    assert len(server.requests) == 1


async def test_what_is_only_read_is_told_at_the_time_it_was_read(engine: Engine, server: shop.Server) -> None:
    """Though nothing is on record of it before its answer is: after the retry of a person, and of the hub."""
    made = await engine.submit("test_timeline.look")
    server.answers = [says(404)]
    await engine.work()
    await engine.hub.operate.retry(engine.principal, made)
    server.answers = [says(503)]
    await engine.work()
    await engine.hub.operate.retry(engine.principal, made)
    await engine.work()
    view = await told(engine, made)
    tries = [at for at in view.items if at.kind is EntryKind.ATTEMPT]
    reads = [one for one in of_kind(view, EntryKind.STEP) if one.detail["position"] == 1]
    assert [one.detail["attempt"] for one in reads] == [1, 2, 3]
    for one, read in zip(tries, reads, strict=True):
        assert one.ended_at
        assert one.at < read.at < one.ended_at
        assert one.at < read.detail["last_sent_at"] < one.ended_at


async def test_a_repeat_under_the_same_key_is_told_at_its_own_time(
    engine: Engine, server: shop.Server
) -> None:
    """Each that went unanswered, and in pages of one entry, too."""
    made = await engine.submit("test_timeline.pay")
    for _ in range(3):
        server.answers = [server.do_and_vanish]
        await engine.work()
        await engine.hub.operate.retry(engine.principal, made, reason="it answers again")
    await engine.work()
    view = await told(engine, made)
    calls = of_kind(view, EntryKind.STEP)
    assert len(set(server.keys)) == 1
    assert [one.detail["attempt"] for one in calls] == [1, 2, 3, 4]
    for one, call in zip(of_kind(view, EntryKind.ATTEMPT), calls, strict=True):
        assert one.ended_at
        assert one.at < call.at < one.ended_at
    for newest_first in (False, True):
        assert (
            await in_pages_of_one(engine, made, newest_first=newest_first)
            == view.items[:: -1 if newest_first else 1]
        )


async def test_what_an_edit_has_the_job_read_again_is_told_as_it_was(
    engine: Engine, server: shop.Server
) -> None:
    """The answer on which the job acted before; of a retry without an edit, which hands it back, once."""
    made = await engine.submit("test_timeline.look")
    server.answers = [says(200, {"number": 111}), says(402)]
    await engine.work()
    await engine.hub.operate.retry(engine.principal, made)
    server.answers = [says(402)]
    await engine.work()

    async def answers() -> list[Any]:
        steps = of_kind(await told(engine, made), EntryKind.STEP)
        return [one.detail["answer"] for one in steps if one.detail["position"] == 1]

    assert await answers() == [{"number": 111}]
    await engine.hub.edits.edit(engine.principal, made, Wanted("another", args={"number": "p2"}))
    server.answers = [says(200, {"number": 222})]
    await engine.work()
    assert await answers() == [{"number": 111}, {"number": 222}]


async def test_an_undoing_that_was_never_made_is_not_told_as_made_again(
    engine: Engine, server: shop.Server
) -> None:
    """It was recorded; that its job was retried before its turn came takes nothing from it."""
    server.answers = [says(503)]
    made = await engine.submit("test_timeline.reserve")
    await engine.work()
    await engine.hub.operate.retry(engine.principal, made)
    server.answers = [says(402)]
    for _ in range(2):
        await engine.work()
    texts = [
        one.text for one in of_kind(await told(engine, made), EntryKind.STEP) if one.detail["position"] == 1
    ]
    assert texts == ["step 1: shop POST /wraps was called, to undo what was done, and is confirmed"]


async def test_what_people_did_is_told_with_their_reasons(engine: Engine, server: shop.Server) -> None:
    """To the job, and while it was there to its queue; not to other jobs or queues."""
    server.answers = [says(402)]
    made = await engine.submit("test_timeline.buy")
    other = await engine.submit("test_timeline.buy")
    await engine.work()
    await engine.hub.operate.pause(engine.principal, "default", reason="the shop moves")
    await engine.hub.operate.resume(engine.principal, "default")
    await engine.hub.operate.retry(engine.principal, made, reason="the card is new")
    await engine.hub.operate.cancel(engine.principal, other, reason="not wanted")
    view = await told(engine, made)
    said = [entry.text.partition(") ")[2] for entry in of_kind(view, EntryKind.OPERATOR)]
    assert said == ["paused its queue: the shop moves", "resumed its queue", "retried it: the card is new"]


async def test_an_attempt_under_way_is_told(engine: Engine) -> None:
    """It has begun, and has no end yet."""
    made = await engine.submit("test_timeline.buy")
    await engine.claim()
    last = (await told(engine, made)).items[-1]
    assert (last.kind, last.ended_at, last.text) == (EntryKind.ATTEMPT, None, "attempt 1 is under way")


@pytest.mark.parametrize(
    ("scopes", "sees"),
    [
        ({Scope.EVENTS_READ}, "raw"),
        ({Scope.EVENTS_LIST}, "redacted"),
        (set(), "nothing"),
    ],
)
async def test_of_the_webhook_one_sees_what_one_may(engine: Engine, scopes: set[Scope], sees: str) -> None:
    """The body and headers as received for some, without secrets for others, nothing of it for the rest."""
    event = await arrive(engine, "e1", "parcel.lost", password="hunter2", weight=3)
    [[made]] = await engine.sql("SELECT id FROM jobs")
    base = {Scope.JOBS_READ, Scope.JOBS_READ_ALL}
    principal = replace(engine.principal, scopes=frozenset(base | scopes))
    view = await engine.hub.timeline.of_job(principal, made, Part())
    received = of_kind(view, EntryKind.RECEIVED)
    if sees == "nothing":
        assert received == []
        return
    [entry] = received
    assert view.items[0] == entry
    assert entry.text == "depot sent parcel.lost about p1"
    assert (entry.detail["event_id"], entry.detail["external_id"]) == (event, "e1")
    assert ("hunter2" in str(entry.detail["body"])) == (sees == "raw")
    assert entry.detail["size"] > 0
    assert "cookie" not in entry.detail["headers"]


async def test_half_a_body_is_shown_as_received_or_not_at_all(engine: Engine) -> None:
    """What is secret in it is told by names, and of half a document those are not understood."""
    event = await arrive(engine, "e1", "parcel.lost", password="hunter two", filling="x" * 20_000)
    principal = replace(engine.principal, scopes=frozenset({Scope.JOBS_READ_ALL, Scope.EVENTS_LIST}))
    told = await engine.hub.timeline.of_event(principal, event)
    assert told.body == f"<{told.size} bytes>"
    may = replace(principal, scopes=principal.scopes | {Scope.EVENTS_READ})
    assert "hunter two" in str((await engine.hub.timeline.of_event(may, event)).body)


async def test_pages_join_without_a_gap_or_a_repeat(engine: Engine, server: shop.Server) -> None:
    """In both orders, and entry by entry."""
    made = await engine.submit("test_timeline.buy")
    server.answers = [says(503), says(503)]
    for _ in range(3):
        await engine.work()
        await engine.pass_time()
    await arrive(engine, "e1")
    await engine.work()
    whole = (await told(engine, made)).items
    for newest_first in (False, True):
        assert (
            await in_pages_of_one(engine, made, newest_first=newest_first)
            == whole[:: -1 if newest_first else 1]
        )


@pytest.mark.parametrize("newest_first", [False, True])
async def test_events_of_one_moment_are_told_in_pages_as_well(engine: Engine, *, newest_first: bool) -> None:
    """What comes in together is taken in by one statement, at one time."""
    ids = [await arrive(engine, f"e{number}") for number in range(8)]
    await engine.sql(
        "UPDATE events SET received_at = '2026-01-02 03:04:05Z' WHERE external_id IN ('e1', 'e2', 'e3', 'e4', 'e5', 'e6')"
    )

    async def about(part: Part) -> TimelineView:
        return await engine.hub.timeline.about(engine.principal, "p1", part)

    whole = await about(Part(100, None, newest_first))
    assert {entry.detail["event_id"] for entry in whole.items} == set(ids)
    for limit in (1, 2, 3):
        items: list[TimelineEntry] = []
        cursor = None
        while True:
            page = await about(Part(limit, cursor, newest_first))
            items += page.items
            if (cursor := page.next_cursor) is None:
                break
        assert items == whole.items


async def test_pages_end_where_there_is_no_more(engine: Engine) -> None:
    """Also of a job that ends in many records of one kind, with nothing to come."""
    made = await engine.submit("test_timeline.buy")
    await engine.sql(
        """INSERT INTO attempts (job_id, number, generation, outcome, worker_id, started_at, finished_at)
           SELECT :id, n, 1, 'failed', :worker, now() + n * interval '1 second', now() + n * interval '1 second'
           FROM generate_series(1, 4) n""",
        id=made,
        worker=engine.store.worker,
    )
    assert len(await in_pages_of_one(engine, made, newest_first=False)) == 5


async def test_a_job_with_ten_thousand_attempts_costs_no_more(engine: Engine) -> None:
    """Its beginning, its end, and a hundred thousand lines of audit: each page is bounded, and quickly there."""
    made = await engine.submit("test_timeline.buy")
    await engine.work()
    await engine.sql(
        """INSERT INTO attempts (job_id, number, generation, outcome, worker_id, started_at, finished_at)
           SELECT :id, n, 1, 'failed', :worker, now() + n * interval '1 second', now() + n * interval '1 second'
           FROM generate_series(2, 10000) n""",
        id=made,
        worker=engine.store.worker,
    )
    await engine.sql(
        """INSERT INTO audit_log (id, at, actor, action, subject, detail)
           SELECT gen_random_uuid(), now() + n * interval '1 second', 'ada', 'job.retry', :subject, '{}'
           FROM generate_series(1, 1000) n""",
        subject=str(made),
    )
    for newest_first in (False, True):
        began = time.perf_counter()
        page = await told(engine, made, Part(100, None, newest_first))
        assert time.perf_counter() - began < 2
        assert len(page.items) == 100
        assert page.next_cursor


async def test_what_belongs_together_is_told_together(engine: Engine, server: shop.Server) -> None:
    """By correlation id the event, the job and its child; by tag the jobs; by subject the event and whom it concerns."""
    made = await engine.submit("test_timeline.buy", tags=("order:1",), correlation_id="c1")
    await engine.submit("test_timeline.buy", tags=("order:2",), correlation_id="c2")
    await engine.work()
    timeline, principal = engine.hub.timeline, engine.principal

    waiting = await timeline.about(principal, "p1", Part())
    assert {job.job for job in waiting.jobs} == {"test_timeline.buy"}
    await arrive(engine, "e1")
    assert len(of_kind(await timeline.about(principal, "p1", Part()), EntryKind.RECEIVED)) == 1
    await engine.work()
    await engine.work()

    together = await timeline.correlated(principal, "c1", Part())
    assert [job.job for job in together.jobs] == ["test_timeline.thank", "test_timeline.buy"]
    assert not together.more_jobs
    tagged = await timeline.tagged(principal, "order:1", Part())
    assert [job.job for job in tagged.jobs] == ["test_timeline.thank", "test_timeline.buy"]
    assert {entry.job_id for entry in tagged.items} == {job.id for job in tagged.jobs}
    assert tagged.jobs[-1].id == made
    assert (await timeline.tagged(principal, "order:3", Part())).items == []


async def test_of_very_many_jobs_the_newest_are_told_and_it_is_said(engine: Engine) -> None:
    """A hundred, and that there are more."""
    await engine.sql(
        """INSERT INTO jobs (id, name, args, queue, priority, state, run_at, correlation_id, tags)
           SELECT gen_random_uuid(), 'a.b', '{}', 'default', 5, 'queued', now(), 'c1', '["order:1"]'
           FROM generate_series(1, 101)"""
    )
    for view in (
        await engine.hub.timeline.correlated(engine.principal, "c1", Part()),
        await engine.hub.timeline.tagged(engine.principal, "order:1", Part()),
    ):
        assert (len(view.jobs), view.more_jobs, len(view.items)) == (100, True, 100)


async def test_nobody_is_told_of_another_s_jobs(engine: Engine) -> None:
    """Alone, by correlation id, or by tag."""
    made = await engine.submit("test_timeline.buy", tags=("order:1",), correlation_id="c1")
    stranger = replace(
        engine.principal, application=ApplicationId(uuid4()), scopes=frozenset({Scope.JOBS_READ})
    )
    with pytest.raises(NotFound):
        await engine.hub.timeline.of_job(stranger, made, Part())
    for view in (
        await engine.hub.timeline.correlated(stranger, "c1", Part()),
        await engine.hub.timeline.tagged(stranger, "order:1", Part()),
    ):
        assert (view.items, view.jobs) == ([], [])


async def test_an_application_is_not_told_where_its_jobs_run(engine: Engine) -> None:
    """What its attempts came to, and not on which machine."""
    made = await engine.submit("test_timeline.buy")
    await engine.work()
    own = replace(engine.principal, scopes=frozenset({Scope.JOBS_READ}))
    [attempt] = of_kind(await engine.hub.timeline.of_job(own, made, Part()), EntryKind.ATTEMPT)
    assert (attempt.detail["outcome"], attempt.detail["worker"]) == ("waiting", None)


async def test_a_cursor_that_is_none_is_refused(engine: Engine) -> None:
    """Not misread."""
    made = await engine.submit("test_timeline.buy")
    for cursor in ("nonsense", "AAAA" * 20, seal("timeline", struct.pack(">qB", 0, 0) + b"no event")):
        with pytest.raises(Invalid):
            await told(engine, made, Part(10, cursor))
