"""Edit and retry: checked, shown, kept, conditional, and by two persons where that is wanted."""

import asyncio
from dataclasses import replace
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest
from sqlalchemy import text

from hub import Backoff, EventModel, JobContext, job
from hub.domain.access import Principal, Role, Scope
from hub.domain.edits import EditState
from hub.domain.errors import Conflict, Forbidden, Invalid, NotFound
from hub.domain.ids import KeyId
from hub.domain.redaction import REDACTED
from hub.services.edits import Wanted
from hub.services.timeline import Part
from tests.services import shop
from tests.services.conftest import Start
from tests.services.deliveries import SETTINGS, delivery, source
from tests.services.engine import Engine, principal
from tests.services.shop import says

ADA = Principal.of_operator(uuid4(), "ada", Role.OPERATOR)
BOB = Principal.of_operator(uuid4(), "bob", Role.OPERATOR)
ROOT = Principal.of_operator(uuid4(), "root", Role.ADMIN)
APPROVED = {"HUB_EDITS_NEED_APPROVAL": "yes"}


class Lost(EventModel):
    item: str


@job(retry=Backoff(attempts=1))
async def charge(ctx: JobContext, args: shop.Order) -> None:
    await ctx.call(shop.charge, item=args.item)


@job(retry=Backoff(attempts=1), tags=("item:{item}",))
async def tagged(ctx: JobContext, args: shop.Order) -> None:
    await ctx.call(shop.charge, item=args.item)


@job(retry=Backoff(attempts=1))
async def both(ctx: JobContext, args: shop.Order) -> None:
    await ctx.call(shop.wrap, item="always the same")
    await ctx.call(shop.charge, item=args.item)


@job(retry=Backoff(attempts=1), on="depot:parcel.lost")
async def mourn(ctx: JobContext, event: Lost) -> None:
    await ctx.call(shop.charge, item=event.item)


@pytest.fixture
async def engine(start: Start) -> Engine:
    """An engine that knows these jobs."""
    return await start(charge, tagged, both, mourn, sources=(source,), environ=SETTINGS)


async def refused(engine: Engine, server: shop.Server, name: str = "charge", *before: Any) -> UUID:
    """A job that its provider has refused."""
    server.answers = [*before, says(402)]
    made = await engine.submit(f"test_edits.{name}", {"item": "bok"})
    await engine.work()
    assert (await engine.job(made)).state == "failed"
    return made


def to(item: Any, **more: Any) -> Wanted:
    """Another item."""
    return Wanted("a typing error", changes={"/item": item}, **more)


async def test_a_refused_job_is_retried_with_other_arguments(engine: Engine, server: shop.Server) -> None:
    """They are in place, the old ones are kept, and the provider gets them under a new key."""
    made = await refused(engine, server)
    done = await engine.hub.edits.edit(ADA, made, to("book"))
    assert (done.number, done.state, done.objection) == (1, EditState.APPLIED, None)
    assert [(one.pointer, one.old, one.new) for one in done.changes] == [("/item", "bok", "book")]
    await engine.work()
    row = await engine.job(made)
    assert (row.state, row.args, row.generation) == ("succeeded", {"item": "book"}, 2)
    assert server.effects == ["book"]
    assert len(set(server.keys)) == 2
    [kept] = await engine.sql("SELECT args_before, args_after, reason, proposed_by FROM job_edits")
    assert tuple(kept) == ({"item": "bok"}, {"item": "book"}, "a typing error", "ada")
    [noted] = await engine.sql("SELECT actor, action, detail FROM audit_log")
    assert tuple(noted) == ("ada", "job.edit", {"reason": "a typing error", "changed": ["/item"]})


async def test_a_dry_run_shows_and_changes_nothing(engine: Engine, server: shop.Server) -> None:
    """The same difference, and no trace."""
    made = await refused(engine, server)
    before = await engine.job(made)
    shown = await engine.hub.edits.preview(ADA, made, to("book"))
    assert (shown.number, shown.state, shown.version) == (None, None, "1.1")
    assert [one.new for one in shown.changes] == ["book"]
    assert await engine.job(made) == before
    assert not await engine.sql("SELECT 1 FROM job_edits UNION ALL SELECT 1 FROM audit_log")


@pytest.mark.parametrize(
    ("wanted", "code"),
    [
        (to({"a": 1}), "invalid_args"),
        (Wanted("why", args={"items": 1}), "invalid_args"),
        (Wanted("why", changes={"/no/such": 1}), "invalid_edit"),
        (to("bok"), "nothing_changed"),
        (Wanted(" ", changes={"/item": "book"}), "reason_needed"),
    ],
)
async def test_what_does_not_fit_is_refused(
    engine: Engine, server: shop.Server, wanted: Wanted, code: str
) -> None:
    """With a pointer to it, by the job's own schema; a reason is needed, and a change."""
    made = await refused(engine, server)
    with pytest.raises(Invalid) as said:
        await engine.hub.edits.edit(ADA, made, wanted)
    assert said.value.code == code
    if code == "invalid_args":
        assert said.value.problems[0].pointer.startswith("/args/")
    assert (await engine.job(made)).state == "failed"


async def test_a_job_that_has_changed_since_is_not_edited(engine: Engine, server: shop.Server) -> None:
    """Whoever looked before it was retried and failed again is told to look again."""
    made = await refused(engine, server)
    looked = await engine.hub.edits.preview(ADA, made, to("book"))
    await engine.retry(made)
    server.answers = [says(402)]
    await engine.work()
    with pytest.raises(Conflict) as said:
        await engine.hub.edits.edit(ADA, made, to("book", version=looked.version))
    assert said.value.code == "just_changed"


async def test_only_what_may_be_retried_is_edited(engine: Engine, server: shop.Server) -> None:
    """Not what runs, waits for its turn, or has succeeded."""
    made = await engine.submit("test_edits.charge")
    with pytest.raises(Conflict, match="cannot be edited"):
        await engine.hub.edits.edit(ADA, made, to("book"))
    await engine.work()
    with pytest.raises(Conflict, match="submit a new job"):
        await engine.hub.edits.edit(ADA, made, to("book"))


async def test_what_is_done_is_said_before_and_takes_a_decision(engine: Engine, server: shop.Server) -> None:
    """A step is confirmed: an operator may not, an admin has to say so, and the step is not done again."""
    made = await refused(engine, server, "both", server.do)
    shown = await engine.hub.edits.preview(ADA, made, to("book"))
    assert shown.needs_decision
    assert "step 1 (shop POST /wraps) is done" in (shown.objection or "")
    with pytest.raises(Forbidden, match="jobs:decide"):
        await engine.hub.edits.edit(ADA, made, to("book", decided=True))
    with pytest.raises(Conflict) as said:
        await engine.hub.edits.edit(ROOT, made, to("book"))
    assert said.value.code == "edit_against_record"
    await engine.hub.edits.edit(ROOT, made, to("book", decided=True))
    await engine.work()
    assert (await engine.job(made)).state == "succeeded"
    assert server.effects == ["always the same", "book"]


@pytest.mark.parametrize("answer", ["done", "lost"])
async def test_an_effect_is_never_made_again_with_other_arguments(
    engine: Engine, server: shop.Server, answer: str
) -> None:
    """Confirmed or unknown: even decided, the job is held, and nothing is sent."""
    server.answers = [server.do if answer == "done" else server.do_and_vanish]
    made = await engine.submit("test_edits.charge", {"item": "bok"})
    await engine.work()
    await engine.sql(
        "UPDATE jobs SET state = 'failed', reason = 'stopped', settled_at = now() WHERE id = :id", id=made
    )
    await engine.hub.edits.edit(ROOT, made, to("book", decided=True))
    await engine.work()
    row = await engine.job(made)
    assert (row.state, row.reason) == ("held", "steps_changed")
    assert server.effects == ["bok"]


async def test_what_a_webhook_started_gets_arguments_of_its_own(engine: Engine, server: shop.Server) -> None:
    """The event stays as it was received; the edit begins with its body, for those who may see it."""
    server.answers = [says(402)]
    await engine.hub.intake.receive("depot", *delivery("e1", "parcel.lost", item="bok"), "test")
    await engine.hub.intake.drain()
    await engine.work()
    [[made]] = await engine.sql("SELECT id FROM jobs")
    blind = replace(ADA, scopes=frozenset({Scope.JOBS_OPERATE}))
    with pytest.raises(Forbidden, match="events:read"):
        await engine.hub.edits.preview(blind, made, to("book"))
    done = await engine.hub.edits.edit(ADA, made, to("book"))
    assert [(one.pointer, one.old, one.new) for one in done.changes] == [("/item", "bok", "book")]
    [veiled] = await engine.hub.edits.of_job(blind, made)
    assert [(one.pointer, one.old, one.new) for one in veiled.changes] == [("/item", REDACTED, REDACTED)]
    await engine.work()
    assert (await engine.job(made)).state == "succeeded"
    assert server.effects == ["book"]
    [[body]] = await engine.sql("SELECT body FROM events")
    assert b"bok" in body


async def test_another_person_approves(start: Start, server: shop.Server) -> None:
    """Proposed, it changes nothing; whoever proposed it cannot approve it; approved, it is applied, once."""
    engine = await start(charge, environ=APPROVED)
    edits = engine.hub.edits
    made = await refused(engine, server)
    proposed = await edits.edit(ADA, made, to("book"))
    assert (proposed.state, proposed.needs_approval) == (EditState.PROPOSED, True)
    assert (await engine.job(made)).state == "failed"
    with pytest.raises(Conflict) as said:
        await edits.approve(ADA, made, 1)
    assert said.value.code == "edit_own"
    done = await edits.approve(BOB, made, 1, reason="as in the order")
    assert (done.state, done.proposed_by, done.decided_by, done.decision) == (
        EditState.APPLIED,
        "ada",
        "bob",
        "as in the order",
    )
    with pytest.raises(Conflict) as said:
        await edits.approve(ROOT, made, 1)
    assert said.value.code == "edit_decided"
    await engine.work()
    assert server.effects == ["book"]
    noted = await engine.sql("SELECT actor, action FROM audit_log ORDER BY id")
    assert [tuple(row) for row in noted] == [("ada", "job.edit_propose"), ("bob", "job.edit_approve")]


async def test_keys_of_one_application_are_one_party(start: Start, server: shop.Server) -> None:
    """Another key of the proposer's does not approve; another application's does, and a person."""
    engine = await start(charge, environ=APPROVED)
    edits, one = engine.hub.edits, await principal(engine.hub, "one")
    same, other = replace(one, key=KeyId(uuid4())), await principal(engine.hub, "two")
    for approver in (other, ADA):
        made = await refused(engine, server)
        await edits.edit(one, made, to("book"))
        with pytest.raises(Conflict) as said:
            await edits.approve(same, made, 1)
        assert said.value.code == "edit_own"
        assert (await engine.job(made)).args == {"item": "bok"}
        assert (await edits.approve(approver, made, 1)).state is EditState.APPLIED
        await engine.work()


async def test_a_key_does_not_approve_for_a_person(start: Start, server: shop.Server) -> None:
    """It may be their own."""
    engine = await start(charge, environ=APPROVED)
    made = await refused(engine, server)
    await engine.hub.edits.edit(ADA, made, to("book"))
    with pytest.raises(Conflict) as said:
        await engine.hub.edits.approve(await principal(engine.hub, "one"), made, 1)
    assert said.value.code == "person_needed"
    assert (await engine.job(made)).state == "failed"


@pytest.mark.parametrize("approved", [False, True])
async def test_an_edited_job_is_found_by_its_new_arguments(
    start: Start, server: shop.Server, *, approved: bool
) -> None:
    """The tags of the old ones go when the edit is applied, those it was given stay."""
    engine = await start(tagged, environ=APPROVED if approved else {})
    server.answers = [says(402)]
    made = await engine.submit("test_edits.tagged", {"item": "bok"}, tags=("batch:7",))
    await engine.work()
    await engine.hub.edits.edit(ADA, made, to("book"))
    if approved:
        assert (await engine.job(made)).tags == ["batch:7", "item:bok"]
        await engine.hub.edits.approve(BOB, made, 1)
    assert (await engine.job(made)).tags == ["batch:7", "item:book"]


async def test_of_an_approval_and_a_refusal_at_once_the_first_has_the_say(
    start: Start, server: shop.Server
) -> None:
    """What was applied does not stand there as rejected, nor is a refusal noted that came too late."""
    engine = await start(charge, environ=APPROVED)
    made = await refused(engine, server)
    await engine.hub.edits.edit(ADA, made, to("book"))
    async with engine.hub.database.transaction() as connection:
        # Whoever approves has done all but the line in the audit log.
        await connection.execute(text("SELECT pg_advisory_xact_lock(7527030522940516724)"))
        approving = asyncio.create_task(engine.hub.edits.approve(BOB, made, 1))
        await until_waiting(engine, 1)
        rejecting = asyncio.create_task(engine.hub.edits.reject(ROOT, made, 1))
        await until_waiting(engine, 2)
    assert (await approving).state is EditState.APPLIED
    with pytest.raises(Conflict, match="decided already"):
        await rejecting
    assert (await engine.hub.edits.one(ADA, made, 1)).decided_by == "bob"
    assert [row[0] for row in await engine.sql("SELECT action FROM audit_log ORDER BY seq")] == [
        "job.edit_propose",
        "job.edit_approve",
    ]


async def until_waiting(engine: Engine, count: int) -> None:
    """Until so many statements wait for locks of others."""
    async with asyncio.timeout(10):
        while True:
            [(waiting,)] = await engine.sql(
                "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
            )
            if waiting == count:
                return
            await asyncio.sleep(0.01)


async def test_a_proposal_for_a_job_that_went_on_is_not_applied(start: Start, server: shop.Server) -> None:
    """It was proposed for the job as it was."""
    engine = await start(charge, environ=APPROVED)
    made = await refused(engine, server)
    await engine.hub.edits.edit(ADA, made, to("book"))
    await engine.retry(made)
    server.answers = [says(402)]
    await engine.work()
    with pytest.raises(Conflict) as said:
        await engine.hub.edits.approve(BOB, made, 1)
    assert said.value.code == "just_changed"
    rejected = await engine.hub.edits.reject(BOB, made, 1, reason="too late")
    assert (rejected.state, rejected.decided_by) == (EditState.REJECTED, "bob")
    with pytest.raises(Conflict):
        await engine.hub.edits.reject(BOB, made, 1)
    with pytest.raises(NotFound):
        await engine.hub.edits.approve(BOB, made, 2)


async def test_edits_are_part_of_the_job_s_story(engine: Engine, server: shop.Server) -> None:
    """Who, why, and what they changed."""
    made = await refused(engine, server)
    await engine.hub.edits.edit(ADA, made, to("book"))
    view = await engine.hub.timeline.of_job(ROOT, made, Part())
    [told] = [entry for entry in view.items if entry.kind == "operator"]
    assert told.text == "ada edited its arguments and retried it: a typing error"
    assert told.detail["detail"]["changed"] == ["/item"]
    assert timedelta(0) <= view.items[-1].at - told.at
