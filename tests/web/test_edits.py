"""Edits on the console, where each takes two persons."""

import orjson

from hub.domain.access import Role, Scope
from hub.services.submit import JobRequest
from tests.web.conftest import Query
from tests.web.people import town

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
