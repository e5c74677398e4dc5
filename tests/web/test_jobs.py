"""Submitting, looking, waiting, retrying and cancelling over HTTP."""

import asyncio
import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from hub.services.hub import Hub
from hub.web.schemas import WaitQuery
from tests.web.client import Client
from tests.web.conftest import Query

RECEIPT: dict[str, Any] = {"job": "registry.send_receipt", "args": {"to": "ada@example.com", "amount": 7}}
WORKER = "01980a3b-0000-7000-8000-00000000002a"


async def submit(client: Client, **fields: Any) -> Any:
    """A job, as its 201 says."""
    answer = await client.post("/v1/jobs", {**RECEIPT, **fields})
    assert answer.status == 201, answer.body
    return answer.json


async def fail(query: Query, job: str, reason: str = "exhausted") -> None:
    """Let a job have failed with two attempts and a step that was never answered."""
    await query(
        "UPDATE jobs SET state = 'failed', reason = $2, settled_at = now(), attempt = 2, failures = 2, dispatched_at = NULL,"
        " error_code = 'timeout', error_message = 'no answer within 20 s (100%)', error_kind = 'NoAnswer',"
        " error_signature = 'abc' WHERE id = $1",
        job,
        reason,
    )
    for number in (1, 2):
        await query(
            "INSERT INTO attempts (job_id, number, generation, outcome, error_code, error_message, worker_id, started_at)"
            " VALUES ($1, $2, 1, 'failed', 'timeout', 'no answer', $3, now())",
            job,
            number,
            WORKER,
        )
    await query(
        "INSERT INTO steps (job_id, position, name, provider, effect, certainty, serial, generation, attempt, sends,"
        " idempotency_key, digest, first_sent_at, last_sent_at)"
        " VALUES ($1, 1, 'bank POST /charges', 'bank', 'money', 'unknown', 0, 1, 2, 2, 'hub-key', '\\x00', now(), now())",
        job,
    )


async def test_a_submitted_job_is_answered_as_it_is_stored(shop: Client) -> None:
    """The 201 is built without reading the database again, and says the same as a look at the job."""
    ahead = (datetime.now(UTC) + timedelta(hours=1)).isoformat()
    for fields in (
        {"tags": ["order:1"], "priority": 9},
        {"run_at": ahead},
        {"run_at": ahead.replace("+00:00", "-11:00")},
        {"run_at": "2001-01-01T00:00:00+02:00"},
    ):
        made = await shop.post("/v1/jobs", {**RECEIPT, **fields}, X_Request_Id="order-1")
        assert made.status == 201, made.body
        seen = await shop.get(made.headers["Location"])
        assert {name: seen.json[name] for name in made.json} == made.json
        assert made.json["correlation_id"] == made.headers["X-Request-Id"] == "order-1"


async def test_what_the_job_itself_says_holds_unless_the_request_says_otherwise(shop: Client) -> None:
    """Queue and priority."""
    own = await submit(shop)
    assert (own["queue"], own["priority"], own["state"]) == ("payments", 7, "queued")
    other = await submit(shop, queue="default", priority=0, correlation_id="mine")
    assert (other["queue"], other["priority"], other["correlation_id"]) == ("default", 0, "mine")


async def test_the_same_key_and_request_are_the_same_job(shop: Client, query: Query) -> None:
    """Sent ten times at once, it is made once; nine answers say so."""
    answers = await asyncio.gather(*(shop.post("/v1/jobs", RECEIPT, Idempotency_Key="k") for _ in range(10)))
    assert sorted(answer.status for answer in answers) == [200] * 9 + [201]
    assert len({answer.json["id"] for answer in answers}) == 1
    assert all(
        answer.headers.get("Idempotent-Replayed") == "true" for answer in answers if answer.status == 200
    )
    assert await query("SELECT count(*) FROM jobs") == [(1,)]


async def test_the_same_key_for_another_request_is_refused(shop: Client, query: Query) -> None:
    """And changes nothing."""
    await shop.post("/v1/jobs", RECEIPT, Idempotency_Key="k")
    answer = await shop.post("/v1/jobs", {**RECEIPT, "priority": 1}, Idempotency_Key="k")
    assert (answer.status, answer.json["code"]) == (422, "idempotency_key_reused")
    assert await query("SELECT count(*) FROM jobs") == [(1,)]


async def test_a_key_whose_job_was_pruned_still_makes_no_second_one(shop: Client, query: Query) -> None:
    """Keys outlive the jobs they stand for."""
    await shop.post("/v1/jobs", RECEIPT, Idempotency_Key="k")
    await query("DELETE FROM jobs")
    answer = await shop.post("/v1/jobs", RECEIPT, Idempotency_Key="k")
    assert (answer.status, answer.json["code"]) == (409, "job_pruned")


async def test_a_batch_answers_every_item_in_its_place(shop: Client, query: Query) -> None:
    """What fits is stored, what does not is explained, and the order is that of the request."""
    items = [
        RECEIPT,
        {"job": "registry.nothing"},
        {**RECEIPT, "args": {}},
        7,
        {**RECEIPT, "idempotency_key": "k"},
        {**RECEIPT, "idempotency_key": "k"},
        {**RECEIPT, "idempotency_key": "k", "priority": 0},
        {**RECEIPT, "run_at": "2999-01-01T00:00:00Z"},
    ]
    answer = await shop.post("/v1/jobs/batch", {"jobs": items})
    assert answer.status == 200, answer.body
    results = answer.json["results"]
    assert [result["status"] for result in results] == [201, 404, 422, 422, 201, 200, 422, 422]
    assert results[5]["job"]["id"] == results[4]["job"]["id"]
    assert results[2]["problem"]["errors"][0]["pointer"] == "/args/to"
    assert results[6]["problem"]["code"] == "idempotency_key_reused"
    assert await query("SELECT count(*) FROM jobs") == [(2,)]


async def test_a_batch_that_is_sent_again_is_answered_by_the_jobs_it_made(shop: Client, query: Query) -> None:
    """All of it, as after an answer that was lost; a job that was pruned since is told, and not made again."""
    items = [{**RECEIPT, "idempotency_key": f"k{number}"} for number in range(50)]
    first = (await shop.post("/v1/jobs/batch", items)).json["results"]
    again = (await shop.post("/v1/jobs/batch", items)).json["results"]
    assert {result["status"] for result in again} == {200}
    assert [result["job"]["id"] for result in again] == [result["job"]["id"] for result in first]
    await query("DELETE FROM jobs WHERE id = $1", first[7]["job"]["id"])
    last = (await shop.post("/v1/jobs/batch", items)).json["results"]
    assert (last[7]["status"], last[7]["problem"]["code"]) == (409, "job_pruned")
    assert {result["status"] for result in last[8:]} == {200}


async def test_a_thousand_jobs_go_in_at_once(shop: Client, query: Query) -> None:
    """As an array alone, too."""
    answer = await shop.post("/v1/jobs/batch", [RECEIPT] * 1_000)
    assert {result["status"] for result in answer.json["results"]} == {201}
    assert await query("SELECT count(*) FROM jobs") == [(1_000,)]


async def test_an_application_sees_its_own_jobs_and_operators_see_all(
    hub: Hub, anyone: Client, shop: Client, admin: Client
) -> None:
    """A job of another application is not there, for looking as for listing."""
    made = await hub.keys.create("other", ["jobs:write", "jobs:read"], actor="test")
    other = anyone.with_key(made.token)
    job = await submit(shop)
    assert (await other.get(f"/v1/jobs/{job['id']}")).status == 404
    assert (await other.get("/v1/jobs?application=shop")).json["items"] == []
    assert [item["id"] for item in (await shop.get("/v1/jobs")).json["items"]] == [job["id"]]
    assert (await admin.get(f"/v1/jobs/{job['id']}")).json["application"] == "shop"
    assert len((await admin.get("/v1/jobs?application=shop")).json["items"]) == 1


async def test_jobs_of_webhooks_are_seen_by_operators_only(
    anyone: Client, shop: Client, admin: Client
) -> None:
    """They belong to no application."""
    await anyone.webhook("shop", {"id": "evt_1", "type": "order.paid"})
    assert (await shop.get("/v1/jobs")).json["items"] == []
    jobs = (await admin.get("/v1/jobs")).json["items"]
    assert {item["job"] for item in jobs} == {"registry.ship", "registry.book"}
    event = jobs[0]["event_id"]
    assert len((await admin.get(f"/v1/jobs?event_id={event}")).json["items"]) == 2
    detail = (await admin.get(f"/v1/jobs/{jobs[0]['id']}")).json
    assert detail["args"] is None


async def test_a_list_is_walked_to_its_end_without_gaps(shop: Client) -> None:
    """Newest first; what is added meanwhile does not shift it."""
    made = [(await submit(shop))["id"] for _ in range(5)]
    seen: list[str] = []
    path = "/v1/jobs?limit=2"
    while True:
        page = (await shop.get(path)).json
        seen += [item["id"] for item in page["items"]]
        await submit(shop)
        if page["next_cursor"] is None:
            break
        path = f"/v1/jobs?limit=2&cursor={page['next_cursor']}"
    assert seen == made[::-1]


async def test_every_filter_finds_what_it_names_and_nothing_else(shop: Client, query: Query) -> None:
    """Each alone, and all together."""
    wanted = await submit(shop, tags=["red", "order:1"], correlation_id="c-1", queue="default")
    await fail(query, wanted["id"])
    other = await submit(shop, tags=["blue"])
    before, after = other["created_at"].replace("+", "%2B"), wanted["created_at"].replace("+", "%2B")
    filters = [
        "state=failed",
        "state=failed,held",
        "queue=default",
        "tag=order:1",
        "correlation_id=c-1",
        "error_signature=abc",
        "text=ANSWER%20within",
        "text=(100%25)",
        f"created_after={after}&created_before={before}",
    ]
    for text in (
        *filters,
        "job=registry.send_receipt&application=shop&" + "&".join(filters[1:-2] + filters[-1:]),
    ):
        page = (await shop.get(f"/v1/jobs?{text}")).json
        assert [item["id"] for item in page["items"]] == [wanted["id"]], text
    for text in ("text=_answer", "tag=ord", "job=registry.ship", "queue=nowhere", "text=10%25%25"):
        assert (await shop.get(f"/v1/jobs?{text}")).json["items"] == [], text


async def test_a_job_is_shown_with_attempts_steps_and_what_comes_next(shop: Client, query: Query) -> None:
    """What was called, what was answered, and whether a retry is safe."""
    job = await submit(shop)
    await fail(query, job["id"], "uncertain")
    seen = (await shop.get(f"/v1/jobs/{job['id']}")).json
    assert [attempt["number"] for attempt in seen["attempts"]] == [1, 2]
    assert (seen["steps"][0]["certainty"], seen["steps"][0]["sends"]) == ("unknown", 2)
    assert seen["next"]["action"] == "decide"
    assert seen["next"]["text"].startswith("a person decides")
    assert (seen["retry"]["allowed"], seen["retry"]["safe"]) == (True, False)
    assert "hub-key" in seen["retry"]["text"]


NEXT = {
    "state = 'retrying', attempt = 2, dispatched_at = NULL, run_at = '2027-01-31T09:00:00Z'": "attempt 3 is due at 2027-01-31 09:00:00Z",
    "state = 'scheduled', dispatched_at = NULL, run_at = '2027-01-31T09:00:00Z'": "attempt 1 is due at 2027-01-31 09:00:00Z",
    "state = 'queued'": "waits for a worker",
    f"state = 'running', attempt = 1, dispatched_at = NULL, worker_id = '{WORKER}'": "a worker is at attempt 1",
    "state = 'held', reason = 'queue_paused', dispatched_at = NULL": "waits until the queue payments is resumed",
    "state = 'held', reason = 'unknown_job', dispatched_at = NULL": "waits for a release that knows registry.send_receipt",
    "state = 'succeeded', settled_at = now(), dispatched_at = NULL": "nothing: it has succeeded",
}


@pytest.mark.parametrize("state", NEXT)
async def test_what_comes_next_is_said_in_words(shop: Client, query: Query, state: str) -> None:
    """For every state."""
    job = await submit(shop)
    await query(f"UPDATE jobs SET {state}")  # noqa: S608 - a constant
    assert (await shop.get(f"/v1/jobs/{job['id']}")).json["next"]["text"] == NEXT[state]


async def test_waiting_returns_as_soon_as_the_job_settles(shop: Client, query: Query) -> None:
    """Many who wait are served by one query, and those whose job is not settled get it as it stands."""
    done, open_ = await submit(shop), await submit(shop)
    waiting = [asyncio.create_task(shop.get(f"/v1/jobs/{done['id']}?wait=30")) for _ in range(20)]
    late = asyncio.create_task(shop.get(f"/v1/jobs/{open_['id']}?wait=0.3"))
    await query(
        "UPDATE jobs SET state = 'succeeded', settled_at = now(), dispatched_at = NULL WHERE id = $1",
        done["id"],
    )
    answers = await asyncio.wait_for(asyncio.gather(*waiting), 10)
    assert {answer.json["state"] for answer in answers} == {"succeeded"}
    assert (await late).json["state"] == "queued"


async def test_a_wait_that_is_too_long_is_taken_for_the_longest(shop: Client, query: Query) -> None:
    """A caller that asks for a minute is served, and asks again after half of it."""
    assert WaitQuery.model_validate({"wait": "31"}).wait == 30
    job = await submit(shop)
    await query("UPDATE jobs SET state = 'succeeded', settled_at = now(), dispatched_at = NULL")
    assert (await shop.get(f"/v1/jobs/{job['id']}?wait=60")).json["state"] == "succeeded"


@pytest.mark.parametrize("reason", ["steps_changed", "args_unknown"])
async def test_what_did_not_fit_a_release_is_tried_again_as_it_stands(
    shop: Client, admin: Client, query: Query, reason: str
) -> None:
    """In its own generation, whose record still counts, and with the budget it has left; audited."""
    job = await submit(shop)
    await fail(query, job["id"])
    await query("UPDATE jobs SET state = 'held', reason = $1, settled_at = NULL, failures = 1", reason)
    seen = (await shop.get(f"/v1/jobs/{job['id']}")).json
    assert (seen["retry"]["allowed"], seen["retry"]["safe"]) == (True, True)
    assert "tries it once" in seen["next"]["text"]
    answer = await admin.post(f"/v1/jobs/{job['id']}/retry", {"reason": "the old release is back"})
    assert answer.status == 200, answer.body
    assert [answer.json[name] for name in ("state", "reason", "generation", "failures")] == [
        "queued",
        None,
        1,
        1,
    ]
    assert await query("SELECT generation, certainty FROM steps") == [(1, "unknown")]
    assert await query("SELECT subject FROM audit_log WHERE action = 'job.retry'") == [(job["id"],)]


@pytest.mark.parametrize(
    ("reason", "hint"), [("queue_paused", "resume the queue"), ("unknown_job", "deploy the release")]
)
async def test_what_waits_for_something_else_is_not_retried_but_explained(
    shop: Client, admin: Client, query: Query, reason: str, hint: str
) -> None:
    """A retry would be held again at once."""
    job = await submit(shop)
    await query("UPDATE jobs SET state = 'held', reason = $1, dispatched_at = NULL", reason)
    answer = await admin.post(f"/v1/jobs/{job['id']}/retry")
    assert (answer.status, answer.json["code"]) == (409, "job_held")
    assert hint in answer.json["detail"]
    assert await query("SELECT state, reason FROM jobs") == [("held", reason)]


async def test_a_failed_job_is_retried_with_a_fresh_budget_and_audited(
    shop: Client, admin: Client, query: Query
) -> None:
    """A new generation, due now, to be handed over by the relay; who did it and why is kept."""
    job = await submit(shop)
    await fail(query, job["id"])
    answer = await admin.post(f"/v1/jobs/{job['id']}/retry", {"reason": "the bank is back"})
    assert answer.status == 200, answer.body
    assert (answer.json["state"], answer.json["generation"], answer.json["failures"]) == ("queued", 2, 0)
    assert answer.json["settled_at"] is None
    assert await query("SELECT dispatched_at, reason FROM jobs") == [(None, None)]
    [(action, subject, actor, detail)] = await query(
        "SELECT action, subject, actor, detail FROM audit_log WHERE action LIKE 'job%'"
    )
    assert (action, subject) == ("job.retry", job["id"])
    assert actor.startswith("operators")
    assert "the bank is back" in detail


async def test_of_two_retries_at_once_one_wins(shop: Client, admin: Client, query: Query) -> None:
    """A nervous operator does not run a job twice."""
    job = await submit(shop)
    await fail(query, job["id"])
    answers = await asyncio.gather(*(admin.post(f"/v1/jobs/{job['id']}/retry") for _ in range(5)))
    assert sorted(answer.status for answer in answers) == [200, 409, 409, 409, 409]
    assert await query("SELECT generation FROM jobs") == [(2,)]


async def test_an_uncertain_effect_is_retried_with_a_reason_only(
    shop: Client, admin: Client, query: Query
) -> None:
    """The refusal says where to look; a blank reason is none."""
    job = await submit(shop)
    await fail(query, job["id"], "uncertain")
    refused = await admin.post(f"/v1/jobs/{job['id']}/retry")
    assert (refused.status, refused.json["code"]) == (409, "uncertain_effect")
    assert "hub-key" in refused.json["detail"]
    assert (await admin.post(f"/v1/jobs/{job['id']}/retry", {"reason": "  "})).status == 422
    assert await query("SELECT state, generation FROM jobs") == [("failed", 1)]
    allowed = await admin.post(f"/v1/jobs/{job['id']}/retry", {"reason": "not charged, looked it up"})
    assert (allowed.status, allowed.json["state"]) == (200, "queued")


async def test_a_planned_retry_runs_now_without_a_fresh_budget(
    shop: Client, admin: Client, query: Query
) -> None:
    """It is the same generation."""
    job = await submit(shop)
    await query(
        "UPDATE jobs SET state = 'retrying', failures = 2, dispatched_at = NULL, run_at = now() + interval '1 hour'"
    )
    answer = await admin.post(f"/v1/jobs/{job['id']}/retry")
    assert (answer.json["state"], answer.json["generation"], answer.json["failures"]) == ("queued", 1, 2)


@pytest.mark.parametrize(
    ("state", "action"),
    [
        ("state = 'queued'", "retry"),
        (f"state = 'running', dispatched_at = NULL, worker_id = '{WORKER}'", "retry"),
        (f"state = 'running', dispatched_at = NULL, worker_id = '{WORKER}'", "cancel"),
        ("state = 'succeeded', dispatched_at = NULL, settled_at = now()", "retry"),
        ("state = 'succeeded', dispatched_at = NULL, settled_at = now()", "cancel"),
        ("state = 'cancelled', dispatched_at = NULL, settled_at = now()", "cancel"),
    ],
)
async def test_what_a_state_forbids_is_a_409_that_says_why(
    shop: Client, admin: Client, query: Query, state: str, action: str
) -> None:
    """And neither the job nor the audit log changes."""
    job = await submit(shop)
    await query(f"UPDATE jobs SET {state}")  # noqa: S608 - a constant
    before = await query("SELECT * FROM jobs")
    answer = await admin.post(f"/v1/jobs/{job['id']}/{action}")
    assert answer.status == 409
    assert "cannot be" in answer.json["detail"]
    assert await query("SELECT * FROM jobs") == before
    assert await query("SELECT * FROM audit_log WHERE action LIKE 'job%'") == []


async def test_a_waiting_job_is_cancelled_and_can_be_retried(shop: Client, admin: Client) -> None:
    """Cancelling is not for ever."""
    job = await submit(shop)
    cancelled = await admin.post(f"/v1/jobs/{job['id']}/cancel", {"reason": "sent by hand"})
    assert (cancelled.json["state"], cancelled.json["next"]["action"]) == ("cancelled", "none")
    assert (await admin.post(f"/v1/jobs/{job['id']}/retry")).json["state"] == "queued"


async def test_a_job_whose_undoing_has_stopped_is_closed_with_a_reason(
    shop: Client, admin: Client, query: Query
) -> None:
    """It becomes what its ending says; who closed it and why is kept, and then nobody can change it."""
    job = await submit(shop)
    await fail(query, job["id"], "compensation_failed")
    failure = {"code": "sold_out", "message": "sold out", "kind": "Fail", "signature": "5f0c"}
    ending = json.dumps({"state": "failed", "reason": "stopped", "failure": failure})
    await query(f"UPDATE jobs SET ending = '{ending}'")  # noqa: S608 - a constant
    address = f"/v1/jobs/{job['id']}/cancel"
    refused = await admin.post(address)
    assert (refused.status, refused.json["code"]) == (409, "reason_needed")
    assert 'cancel, give {"reason"' in refused.json["detail"]
    closed = (await admin.post(address, {"reason": "refunded by hand"})).json
    assert (closed["state"], closed["reason"], closed["error"]) == ("failed", "stopped", failure)
    assert (closed["next"]["action"], closed["retry"]["allowed"]) == ("none", False)
    [(actor, detail)] = await query("SELECT actor, detail FROM audit_log WHERE action = 'job.close'")
    assert actor.startswith("operators")
    assert "refunded by hand" in detail
    for action in ("cancel", "retry"):
        again = await admin.post(f"/v1/jobs/{job['id']}/{action}", {"reason": "again"})
        assert again.status == 409
    assert await query("SELECT state, reason FROM jobs") == [("failed", "stopped")]


async def test_a_cancelled_job_names_what_may_have_happened(
    shop: Client, admin: Client, query: Query
) -> None:
    """In lists, too: it is not nothing that comes next."""
    job = await submit(shop)
    await fail(query, job["id"], "exhausted")
    await query("UPDATE jobs SET state = 'cancelled', reason = 'by_operator'")
    [listed] = (await shop.get("/v1/jobs")).json["items"]
    assert listed["next"]["action"] == "decide"
    assert "never answered, so it may have happened" in listed["next"]["text"]
    assert "hub-key" in listed["next"]["text"]
