"""Edits on the console, where each takes two persons."""

import orjson

from hub.domain.access import Role, Scope
from hub.services.submit import JobRequest
from tests.web.conftest import Query
from tests.web.people import hidden, town

ARGS = {"to": "ada@example.com", "amount": 7, "note": ""}


async def test_whoever_proposed_an_edit_is_told_that_another_person_has_to_approve_it(
    database_url: str, redis_url: str, query: Query
) -> None:
    """And not offered to do it; the other one is, and does."""
    async with town(database_url, redis_url, HUB_EDITS_NEED_APPROVAL="yes") as there:
        made = await there.hub.keys.create("shop", [Scope.JOBS_WRITE], actor="test")
        principal = await there.hub.keys.authenticate(made.token)
        assert principal
        asked = JobRequest("registry.send_receipt", ARGS, "test")
        job = (await there.hub.submit.submit(principal, asked)).id
        await query(
            "UPDATE jobs SET state = 'failed', reason = 'exhausted', settled_at = now(), dispatched_at = NULL,"
            " attempt = 1, failures = 1, error_code = 'timeout' WHERE id = $1",
            job,
        )
        page = f"/console/jobs/{job}"
        ada = await there.logged_in(Role.OPERATOR, "ada@example.com")
        bob = await there.logged_in(Role.OPERATOR, "bob@example.com")
        args = orjson.dumps({**ARGS, "amount": 8}).decode()
        proposed = await ada.form(f"{page}/edit", f"{page}/edit", args=args, reason="a slip", meant="yes")
        assert proposed.status == 303, proposed.body
        own = (await ada.get(page)).body.decode()
        assert "another person has to approve it" in own
        assert f"{page}/edits/1/approve" not in own
        assert f"{page}/edits/1/reject" in own
        assert "another person has to approve it" not in (await bob.get(page)).body.decode()
        approved = await bob.form(page, f"{page}/edits/1/approve")
        assert approved.status == 303
        assert await query("SELECT state, args ->> 'amount' FROM jobs WHERE id = $1", job) == [
            ("queued", "8")
        ]


async def test_what_was_shown_is_put_in_place_and_nothing_else(
    database_url: str, redis_url: str, query: Query
) -> None:
    """Beside what changes there is no box that could say something else; going back keeps the text, and changes nothing."""
    async with town(database_url, redis_url) as there:
        job = there.hub.new_id()
        await query(
            "INSERT INTO jobs (id, name, args, queue, priority, state, reason, run_at, settled_at, correlation_id, attempt)"
            " VALUES ($1, 'registry.send_receipt', $2, 'default', 5, 'failed', 'rejected', now(), now(), 'c', 1)",
            job,
            orjson.dumps(ARGS).decode(),
        )
        page = f"/console/jobs/{job}/edit"
        ada = await there.logged_in(Role.OPERATOR)
        args = orjson.dumps({**ARGS, "amount": 1008}).decode()
        shown = await ada.form(page, page, args=args, reason="a slip")
        assert "<textarea" not in shown.body.decode()
        seen = hidden(shown, page)
        assert seen["args"] == args
        back = await ada.post(page, {**seen, "again": "yes"})
        assert (back.status, "1008" in back.body.decode(), "<textarea" in back.body.decode()) == (
            200, True, True,
        )  # fmt: skip
        changed = orjson.dumps({**ARGS, "amount": 77}).decode()
        await ada.post(page, {**hidden(back, page), "args": changed, "reason": "a slip"})
        assert await query("SELECT state, args ->> 'amount' FROM jobs WHERE id = $1", job) == [
            ("failed", "7")
        ]
        made = await ada.post(page, {**seen, "meant": "yes"})
        assert made.status == 303
        assert await query("SELECT state, args ->> 'amount' FROM jobs WHERE id = $1", job) == [
            ("queued", "1008")
        ]
