"""Providers and workers over HTTP."""

import re
from collections.abc import AsyncIterator
from uuid import UUID

import pytest

from hub.infra.store.depths import SHOWN
from hub.infra.store.fleet import MOST
from hub.services.hub import Hub
from tests.services.people import somebody
from tests.web.client import Client
from tests.web.conftest import Query
from tests.web.people import Town, town

ORDER = {"state": "open", "reason": "announced maintenance"}


@pytest.fixture
async def place(database_url: str, redis_url: str) -> AsyncIterator[Town]:
    """A hub that is served to people."""
    async with town(database_url, redis_url) as made:
        yield made


async def test_a_breaker_is_held_and_given_back(hub: Hub, admin: Client, shop: Client, query: Query) -> None:
    """What is ordered is shown to everybody, and only who may operate providers orders it."""
    refused = await shop.post("/v1/providers/bank/breaker", ORDER)
    assert (refused.status, refused.json["code"]) == (403, "scope_missing")
    held = await admin.post("/v1/providers/bank/breaker", {**ORDER, "until": "2027-01-01T00:00:00Z"})
    assert (held.status, held.json["forced"]["state"]) == (200, "open")
    seen = (await shop.get("/v1/providers/bank")).json
    assert (seen["forced"]["reason"], seen["forced"]["until"]) == (
        "announced maintenance",
        "2027-01-01T00:00:00Z",
    )
    assert hub.breakers.of("bank").state == "open"
    freed = await admin.post("/v1/providers/bank/breaker", {"state": "auto", "reason": "it is over"})
    assert freed.json["forced"] is None
    assert hub.breakers.of("bank").state == "closed"
    assert await query("SELECT action, subject FROM audit_log WHERE action LIKE 'breaker%' ORDER BY id") == [
        ("breaker.open", "bank"),
        ("breaker.auto", "bank"),
    ]


async def test_an_order_that_does_not_fit_changes_nothing(admin: Client, query: Query) -> None:
    """Each thing that is wrong has its pointer."""
    for wrong, pointer in (
        ({"state": "open"}, "/reason"),
        ({**ORDER, "state": "ajar"}, "/state"),
        ({**ORDER, "until": "2001-01-01T00:00:00Z"}, "/until"),
        ({**ORDER, "for": "ever"}, "/for"),
    ):
        answer = await admin.post("/v1/providers/bank/breaker", wrong)
        assert (answer.status, answer.json["errors"][0]["pointer"]) == (422, pointer)
    assert (await admin.post("/v1/providers/nobody/breaker", ORDER)).status == 404
    assert await query("SELECT count(*) FROM breaker_overrides") == [(0,)]


async def test_a_probe_of_a_provider_without_one_is_a_409(admin: Client) -> None:
    """And of one that is not there a 404."""
    answer = await admin.post("/v1/providers/bank/probe")
    assert (answer.status, answer.json["code"]) == (409, "no_probe")
    assert (await admin.post("/v1/providers/nobody/probe")).json["code"] == "unknown_provider"


async def test_workers_are_listed(shop: Client, admin: Client, query: Query) -> None:
    """Those that have not stopped; where they run is no business of an application."""
    await query(
        "INSERT INTO workers (id, host, pid, release, queues, concurrency, lease_until)"
        " VALUES ($1, 'box', 7, '1.0', '{default}', 10, now() + interval '1 minute')",
        UUID(int=5),
    )
    assert (await shop.get("/v1/workers")).status == 403
    [worker] = (await admin.get("/v1/workers")).json["items"]
    assert (worker["host"], worker["pid"], worker["alive"], worker["running"]) == ("box", 7, True, 0)


async def test_statistics_are_for_those_who_see_everything(admin: Client, shop: Client) -> None:
    """They tell of every application's work; a length that cannot be read is refused."""
    assert (await shop.get("/v1/statistics")).status == 403
    view = (await admin.get("/v1/statistics?since=90m")).json
    assert view["step_seconds"] == 300
    assert len(view["attempts"]) == 18
    wrong = await admin.get("/v1/statistics?since=yesterday")
    assert (wrong.status, wrong.json["errors"][0]["pointer"]) == (422, "/query/since")


async def test_alerts_are_listed_open_and_past(admin: Client, shop: Client, query: Query) -> None:
    """For those who see everything; a test without a channel is refused with what to set."""
    assert (await shop.get("/v1/alerts")).status == 403
    for number, over in ((1, False), (2, True), (3, True)):
        await query(
            "INSERT INTO alerts (id, kind, subject, key, title, detail, path, resolved_at) VALUES"
            " ($1, 'work_waits', 'default', $2, 'due work waits', '', '/console/queues', CASE WHEN $3 THEN now() END)",
            UUID(int=number),
            str(number),
            over,
        )
    assert [alert["resolved_at"] for alert in (await admin.get("/v1/alerts")).json["items"]] == [None]
    first = (await admin.get("/v1/alerts?state=past&limit=1")).json
    assert [alert["id"] for alert in first["items"]] == [str(UUID(int=3))]
    rest = (await admin.get(f"/v1/alerts?state=past&limit=1&cursor={first['next_cursor']}")).json
    assert ([alert["id"] for alert in rest["items"]], rest["next_cursor"]) == ([str(UUID(int=2))], None)
    refused = await admin.post("/v1/alerts/test")
    assert (refused.status, refused.json["code"]) == (409, "no_channel")


async def test_pages_say_where_counting_stopped(place: Town, query: Query) -> None:
    """With a plus, also after a 0; what was counted to its end has none."""
    for state, reason, count in (
        ("failed", "exhausted", SHOWN),
        ("held", "queue_paused", SHOWN),
        ("scheduled", None, MOST),
    ):
        await query(
            "INSERT INTO jobs (id, name, args, queue, priority, state, reason, run_at, settled_at, correlation_id)"
            " SELECT gen_random_uuid(), 'a.b', '{}', 'payments', 5, $1, $2, now() + interval '1 hour',"
            " CASE WHEN $1 = 'failed' THEN now() END, 'c' FROM generate_series(1, CAST($3 AS int))",
            state,
            reason,
            count,
        )
    await somebody(place.hub)
    browser = await place.browser()
    await browser.log_in("ada@example.com")

    async def page(path: str) -> str:
        """Its words."""
        plain = re.sub(r"<[^>]+>", " ", (await browser.get(f"/console/{path}")).body.decode())
        return re.sub(r"\s+", " ", plain)

    overview = await page("overview")
    assert "5 000+ jobs stand failed" in overview
    assert "5 000+ jobs are held" in overview
    queue = await page("queues/default")
    assert "Failed 0+ " in queue
    assert "Scheduled 0+ " in queue
    assert "Held 0 " in queue
    assert "Queued 0 " in queue
    assert re.search(r" payments( 0\+?){3} 5 000\+ ", await page("queues"))
    assert "Jobs that wait for it 0+ " in await page("providers/bank")
    assert re.search(r" bank .*? 0\+ ", await page("providers"))
