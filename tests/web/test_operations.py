"""Events, queues, providers, health, keys and limits over HTTP."""

import asyncio
import base64
from uuid import UUID, uuid4

import pytest

from hub.domain.errors import Invalid, NotFound
from hub.domain.ids import KeyId
from hub.services.hub import Hub
from hub.web.ratelimit import RateLimits
from tests.until import until
from tests.web.client import Client
from tests.web.conftest import Query, Serve, built_at, hub_at
from tests.web.test_jobs import WORKER, submit

EVENT = {"id": "evt_1", "type": "order.paid", "total": 7}
SETTLE = "UPDATE jobs SET state = 'succeeded', settled_at = now(), dispatched_at = NULL"


async def test_a_webhook_is_stored_once_and_starts_its_jobs_once(anyone: Client, query: Query) -> None:
    """However often it is delivered, and however many deliveries come at the same time."""
    answers = await asyncio.gather(*(anyone.webhook("shop", EVENT) for _ in range(10)))
    assert {answer.status for answer in answers} == {200}
    assert sorted(answer.json["duplicate"] for answer in answers) == [False] + [True] * 9
    assert len({answer.json["event_id"] for answer in answers}) == 1
    assert await query("SELECT count(*) FROM jobs") == [(2,)]


async def test_a_source_answers_in_its_own_words(anyone: Client, query: Query) -> None:
    """And a challenge is answered without being stored."""
    accepted = await anyone.webhook("terse", EVENT)
    assert (accepted.status, accepted.body, accepted.headers["Content-Type"]) == (
        202,
        b"[accepted]",
        "text/plain",
    )
    challenged = await anyone.webhook("terse", {"challenge": "abc"})
    assert (challenged.status, challenged.body) == (200, b"abc")
    assert await query("SELECT count(*) FROM events") == [(1,)]


async def test_an_event_is_shown_as_it_was_received(anyone: Client, admin: Client) -> None:
    """Byte for byte, without signatures; as text too where it is text."""
    body = b'{ "id": "evt_1",\n "type": "order.paid", "name": "\xc3\xa9" }'
    received = await anyone.webhook("shop", body, X_Request_Id="delivery-1")
    seen = (await admin.get(f"/v1/events/{received.json['event_id']}")).json
    assert base64.b64decode(seen["body_base64"]) == body
    assert seen["body_text"] == body.decode()
    assert (seen["size"], seen["correlation_id"], len(seen["jobs"])) == (len(body), "delivery-1", 2)
    assert "x-signature" not in seen["headers"]


async def test_events_are_found_by_what_is_known_of_them(anyone: Client, admin: Client) -> None:
    """Source, type, the provider's id, correlation id, time."""
    for number in (1, 2):
        await anyone.webhook(
            "shop", {"id": f"evt_{number}", "type": f"order.{number}"}, X_Request_Id=f"d-{number}"
        )
    for text in ("type=order.2", "external_id=evt_2", "correlation_id=d-2", "source=shop&limit=1"):
        items = (await admin.get(f"/v1/events?{text}")).json["items"]
        assert [item["external_id"] for item in items] == ["evt_2"], text
    assert (await admin.get("/v1/events?received_after=2999-01-01T00:00:00Z")).json["items"] == []
    first = (await admin.get("/v1/events?limit=1")).json
    rest = (await admin.get(f"/v1/events?cursor={first['next_cursor']}")).json
    assert [item["external_id"] for item in rest["items"]] == ["evt_1"]


async def test_a_replay_makes_new_jobs_for_the_same_event(
    anyone: Client, admin: Client, query: Query
) -> None:
    """One for each subscriber; audited with the jobs it made."""
    event = (await anyone.webhook("shop", EVENT)).json["event_id"]
    await query(SETTLE)
    answer = await admin.post(f"/v1/events/{event}/replay", {"reason": "a fix is out"})
    assert (answer.status, len(answer.json["jobs"])) == (200, 2)
    assert await query("SELECT DISTINCT event_id::text, state FROM jobs ORDER BY 2") == [
        (event, "queued"),
        (event, "succeeded"),
    ]
    assert await query("SELECT count(*) FROM jobs") == [(4,)]
    [(subject, detail)] = await query("SELECT subject, detail FROM audit_log WHERE action = 'event.replay'")
    assert subject == event
    assert answer.json["jobs"][0] in detail


async def test_of_many_replays_at_once_one_wins(anyone: Client, admin: Client, query: Query) -> None:
    """A button that is clicked twice does not send two mails; when the jobs have settled it may be clicked again."""
    event = (await anyone.webhook("shop", EVENT)).json["event_id"]
    refused = await admin.post(f"/v1/events/{event}/replay")
    assert (refused.status, refused.json["code"]) == (409, "replay_under_way")
    for replays in (1, 2):
        await query(SETTLE)
        answers = await asyncio.gather(*(admin.post(f"/v1/events/{event}/replay") for _ in range(5)))
        assert sorted(answer.status for answer in answers) == [200, 409, 409, 409, 409]
        assert {answer.json.get("code") for answer in answers} == {None, "replay_under_way"}
        assert await query("SELECT count(*) FROM jobs") == [(2 + 2 * replays,)]
    assert await query("SELECT count(*) FROM audit_log WHERE action = 'event.replay'") == [(2,)]


async def test_a_replay_that_waited_for_another_sees_its_jobs(
    anyone: Client, admin: Client, query: Query
) -> None:
    """Even where it had begun before the other's jobs were there."""
    event = (await anyone.webhook("shop", EVENT)).json["event_id"]
    await query(SETTLE)
    await query("BEGIN")
    await query("SELECT FROM events FOR NO KEY UPDATE")
    late = asyncio.create_task(admin.post(f"/v1/events/{event}/replay"))

    async def waits() -> bool:
        return await query("SELECT count(*) FROM pg_locks WHERE NOT granted") != [(0,)]

    await until(waits)
    await query("UPDATE jobs SET state = 'queued', settled_at = NULL")
    await query("COMMIT")
    answer = await late
    assert (answer.status, answer.json["code"]) == (409, "replay_under_way")


async def test_what_cannot_be_replayed_is_a_409(anyone: Client, admin: Client, query: Query) -> None:
    """An event that nobody wants, and one whose body retention has emptied."""
    unwanted = (await anyone.webhook("shop", {"id": "evt_2", "type": "order.lost"})).json["event_id"]
    emptied = (await anyone.webhook("shop", EVENT)).json["event_id"]
    await query("UPDATE events SET body = NULL WHERE id = $1", emptied)
    for event, code in ((unwanted, "no_subscriber"), (emptied, "event_emptied")):
        answer = await admin.post(f"/v1/events/{event}/replay")
        assert (answer.status, answer.json["code"]) == (409, code)
    assert await query("SELECT count(*) FROM jobs") == [(2,)]
    assert (await admin.get(f"/v1/events/{emptied}")).json["body_base64"] is None


async def test_a_queue_is_paused_and_resumed_once_however_often_it_is_asked(
    shop: Client, admin: Client, query: Query
) -> None:
    """The audit log has one line for each change."""
    job = await submit(shop)
    for _ in range(2):
        assert (await admin.post("/v1/queues/payments/pause", {"reason": "bank is down"})).json[
            "paused"
        ] is True
    seen = (await admin.get(f"/v1/jobs/{job['id']}")).json
    assert seen["next"]["text"] == "waits until the queue payments is resumed"
    for _ in range(2):
        assert (await admin.post("/v1/queues/payments/resume")).json["paused"] is False
    actions = await query("SELECT action FROM audit_log WHERE action LIKE 'queue%' ORDER BY id")
    assert actions == [("queue.pause",), ("queue.resume",)]


async def test_queues_say_how_much_waits_and_how_fast_it_goes(shop: Client, query: Query) -> None:
    """Depth by state, the oldest due, what ended in the last minute."""
    jobs = [await submit(shop) for _ in range(4)]
    await query("UPDATE jobs SET run_at = now() - interval '90 seconds' WHERE id = $1", jobs[0]["id"])
    await query("UPDATE jobs SET dispatched_at = NULL WHERE id = $1", jobs[1]["id"])
    await query(
        "UPDATE jobs SET state = 'failed', reason = 'exhausted', dispatched_at = NULL, settled_at = now() WHERE id = $1",
        jobs[2]["id"],
    )
    await query(
        "UPDATE jobs SET state = 'running', dispatched_at = NULL, worker_id = $2 WHERE id = $1",
        jobs[3]["id"],
        WORKER,
    )
    for number, outcome in ((1, "failed"), (2, "succeeded")):
        await query(
            "INSERT INTO attempts (job_id, number, generation, outcome, worker_id, started_at) VALUES ($1, $2, 1, $3, $4, now())",
            jobs[2]["id"],
            number,
            outcome,
            WORKER,
        )
    queues = {queue["name"]: queue for queue in (await shop.get("/v1/queues")).json["items"]}
    assert set(queues) == {"default", "payments"}
    payments = queues["payments"]
    assert payments["depth"] == {
        "scheduled": 0,
        "queued": 2,
        "running": 1,
        "retrying": 0,
        "waiting": 0,
        "held": 0,
        "failed": 1,
    }
    assert 89 < payments["oldest_due_seconds"] < 150
    assert (payments["succeeded_last_minute"], payments["finished_last_minute"]) == (1, 2)
    assert queues["default"]["oldest_due_seconds"] is None


async def test_queues_name_the_states_of_which_there_may_be_more(shop: Client, query: Query) -> None:
    """Also where none was met, as failed jobs are counted for all queues together."""
    await query(
        "INSERT INTO jobs (id, name, args, queue, priority, state, reason, run_at, settled_at, correlation_id)"
        " SELECT gen_random_uuid(), 'a.b', '{}', 'payments', 5, 'failed', 'exhausted', now(), now(), 'c'"
        " FROM generate_series(1, 5001)"
    )
    for queue in (await shop.get("/v1/queues")).json["items"]:
        assert (queue["bounded"], queue["bounded_states"]) == (True, ["failed"])
        assert queue["depth"]["failed"] == (5_000 if queue["name"] == "payments" else 0)


async def test_providers_are_shown_with_limits_and_breakers(hub: Hub, shop: Client) -> None:
    """As this process knows them."""
    hub.breakers.of("bank")
    [bank] = (await shop.get("/v1/providers")).json["items"]
    assert (bank["name"], bank["per_second"], bank["idempotent_seconds"]) == ("bank", 5, 86_400)
    assert bank["breakers"][0]["state"] == "closed"


async def test_health_tells_living_from_ready(anyone: Client) -> None:
    """With everything there, both."""
    assert (await anyone.get("/livez")).json == {"status": "ok"}
    ready = await anyone.get("/readyz")
    assert (ready.status, ready.json["status"]) == (200, "ok")


async def test_without_redis_it_is_degraded_and_takes_everything(
    database_url: str, serve: Serve, query: Query
) -> None:
    """The promise does not depend on Redis."""
    async with hub_at(database_url, "redis://127.0.0.1:1/0") as hub:
        client = await serve(hub)
        ready = await client.get("/readyz")
        assert (ready.status, ready.json["status"], ready.json["checks"]["redis"]) == (
            200,
            "degraded",
            "away",
        )
        assert (await client.webhook("shop", EVENT)).status == 200
        assert await query("SELECT count(*) FROM jobs") == [(2,)]


async def test_a_database_of_an_older_schema_is_not_ready(anyone: Client, query: Query) -> None:
    """Until it is migrated."""
    await query("UPDATE alembic_version SET version_num = '0000'")
    answer = await anyone.get("/readyz")
    assert (answer.status, answer.json["checks"]["schema"]) == (503, "behind")


async def test_metrics_count_by_endpoint_and_never_by_what_was_asked_for(shop: Client) -> None:
    """A scanner cannot fill the memory with made-up addresses."""
    await submit(shop)
    await shop.get("/v1/jobs/01980a3c-7d1e-7cc3-9a41-5f0c2b7e8d10")
    await shop.get("/made/up/address")
    text = (await shop.get("/metrics")).body.decode()
    assert 'route="/v1/jobs/{id}"' in text
    assert 'route="unmatched"' in text
    assert "made/up" not in text
    assert 'hub_jobs_submitted_total{job="registry.send_receipt"} 1.0' in text


async def test_the_limit_of_a_key_is_told_and_kept(database_url: str, redis_url: str, serve: Serve) -> None:
    """In the old fields and the new; another key is not slowed down by it."""
    async with hub_at(database_url, redis_url, HUB_RATE_LIMIT="0.1", HUB_RATE_BURST="3") as hub:
        anyone = await serve(hub)
        busy, calm = [
            anyone.with_key((await hub.keys.create("shop", ["jobs:read"], actor="test")).token)
            for _ in range(2)
        ]
        answers = [await busy.get("/v1/jobs") for _ in range(4)]
        assert [answer.status for answer in answers] == [200, 200, 200, 429]
        assert [answer.headers["RateLimit-Remaining"] for answer in answers] == ["2", "1", "0", "0"]
        last = answers[-1].headers
        assert 1 <= int(last["Retry-After"]) <= 10
        assert last["RateLimit-Limit"] == "3"
        assert last["RateLimit"] == f'"key";r=0;t={last["RateLimit-Reset"]}'
        assert last["RateLimit-Policy"] == '"key";q=3;w=30'
        assert (await calm.get("/v1/jobs")).status == 200


def test_no_limit_is_no_limit() -> None:
    """A rate of 0 switches it off."""
    assert RateLimits(0, 1, lambda: 0.0).take(KeyId(UUID(int=1))) is None


async def test_an_application_may_have_several_keys(hub: Hub, anyone: Client) -> None:
    """Made on demand with the first; listed without their secrets; each revoked by itself, once."""
    first = await hub.keys.create("billing", ["jobs:read"], actor="test", name="old")
    second = await hub.keys.create("billing", ["jobs:read", "jobs:read"], actor="test", name="new")
    listed = [key for key in await hub.keys.list() if key.application == "billing"]
    assert [key.name for key in listed] == ["old", "new"]
    assert first.token not in repr(first) + repr(listed)
    for _ in range(2):
        await hub.keys.revoke(first.id, actor="test")
    assert (await anyone.with_key(first.token).get("/v1/jobs")).status == 401
    assert (await anyone.with_key(second.token).get("/v1/jobs")).status == 200


async def test_keys_are_made_and_revoked_with_a_line_in_the_audit_log(hub: Hub, query: Query) -> None:
    """Who did it, and what for."""
    made = await hub.keys.create("billing", ["admin"], actor="somebody")
    await hub.keys.revoke(made.id, actor="somebody else")
    rows = await query("SELECT action, actor, subject FROM audit_log ORDER BY id")
    assert rows == [("key.create", "somebody", str(made.id)), ("key.revoke", "somebody else", str(made.id))]


async def test_a_key_needs_a_name_and_scopes_that_exist(hub: Hub) -> None:
    """All that is wrong at once; a key that is not there cannot be revoked."""
    with pytest.raises(Invalid) as refused:
        await hub.keys.create(" ", ["jobs:write", "root"], actor="test")
    assert [problem.pointer for problem in refused.value.problems] == ["/application", "/scopes/1"]
    with pytest.raises(Invalid):
        await hub.keys.create("shop", [], actor="test")
    with pytest.raises(NotFound):
        await hub.keys.revoke(uuid4(), actor="test")


async def test_a_correlation_id_goes_in_and_out(anyone: Client) -> None:
    """A caller's own if it is safe, its trace, or a new one."""
    assert (await anyone.get("/livez", X_Request_Id="order-1")).headers["X-Request-Id"] == "order-1"
    trace = "4bf92f3577b34da6a3ce929d0e0e4736"
    traced = await anyone.get("/livez", traceparent=f"00-{trace}-00f067aa0ba902b7-01")
    assert traced.headers["X-Request-Id"] == trace
    unsafe = await anyone.get("/livez", X_Request_Id="a b<script>")
    assert unsafe.headers["X-Request-Id"] != "a b<script>"


async def test_what_nobody_foresaw_is_a_500_that_tells_nothing(
    database_url: str, redis_url: str, serve: Serve, query: Query
) -> None:
    """Logged under the correlation id, and no word of it in the answer."""
    async with built_at(database_url, redis_url) as hub:
        client = await serve(hub)
        key = (await hub.keys.create("shop", ["jobs:read"], actor="test")).token
        await query("ALTER TABLE jobs RENAME COLUMN progress TO secretly")
        answer = await client.with_key(key).get(f"/v1/jobs/{uuid4()}")
        assert (answer.status, answer.json["code"]) == (500, "internal")
        assert b"progress" not in answer.body


async def test_a_revoked_key_is_refused_at_once(hub: Hub, anyone: Client) -> None:
    """The very next request."""
    made = await hub.keys.create("brief", ["jobs:read"], actor="test")
    client = anyone.with_key(made.token)
    assert (await client.get("/v1/jobs")).status == 200
    await hub.keys.revoke(made.id, actor="test")
    assert (await client.get("/v1/jobs")).status == 401
