"""Searching over HTTP: lists, what could be typed next, and searches that are kept."""

from uuid import uuid4

import pytest

from hub.services.hub import Hub
from tests.web.client import Client
from tests.web.conftest import Query

JOB = {"job": "registry.send_receipt", "args": {"to": "a@example.com", "amount": 1}}


async def test_a_search_and_the_other_parameters_must_all_hold(shop: Client) -> None:
    """And a page says whether it was cut short."""
    made = (await shop.post("/v1/jobs", {**JOB, "tags": ["order:1"]})).json
    for text in ("q=order:1", "q=order:1%20state:queued&queue=payments", "q=-state:failed&tag=order:1"):
        page = (await shop.get(f"/v1/jobs?{text}")).json
        assert [job["id"] for job in page["items"]] == [made["id"]], text
        assert page["searched_to"] is None
    for text in ("q=order:2", "q=order:1&state=failed", "q=state:failed&tag=order:1"):
        assert (await shop.get(f"/v1/jobs?{text}")).json["items"] == [], text


@pytest.mark.parametrize("path", ["/v1/jobs", "/v1/events"])
async def test_a_search_that_cannot_be_read_is_refused_with_its_place(admin: Client, path: str) -> None:
    """As any parameter that does not fit."""
    answer = await admin.get(f"{path}?q=since:yesterday")
    assert (answer.status, answer.json["code"]) == (422, "invalid_search")
    assert answer.json["detail"].startswith("character 7 of the search: since: takes how long ago")
    assert [problem["pointer"] for problem in answer.json["errors"]] == ["/query/q"]


async def test_events_are_searched_alike(admin: Client, query: Query) -> None:
    """With fields of their own."""
    await query(
        "INSERT INTO events (id, source, external_id, type, headers, secret_index, correlation_id)"
        " VALUES ($1, 'shop', 'evt_1', 'order.paid', '{}', 0, 'c')",
        uuid4(),
    )
    assert len((await admin.get("/v1/events?q=type:order.*%20source:shop")).json["items"]) == 1
    assert (await admin.get("/v1/events?q=-type:order.*")).json["items"] == []
    assert (await admin.get("/v1/events?q=order:1")).status == 422


async def test_what_could_come_next_is_offered(admin: Client, shop: Client, query: Query) -> None:
    """Jobs, queues and providers by name; whose applications there are only for those who see all."""
    await shop.post("/v1/jobs", JOB)
    queues = (await shop.get("/v1/search/suggestions?q=state:failed%20queue:pay")).json
    assert queues == {"items": [{"start": 19, "end": 22, "text": "payments", "about": ""}]}
    among = "/v1/search/suggestions?among=events&q="
    assert [one["text"] for one in (await shop.get(f"{among}so")).json["items"]] == ["source:"]
    asked = "/v1/search/suggestions?q=application:s"
    assert [one["text"] for one in (await admin.get(asked)).json["items"]][:1] == ["shop"]
    assert (await shop.get(asked)).json["items"] == []
    assert (await shop.get("/v1/search/suggestions?q=st&cursor=1")).json["items"][0]["end"] == 1


async def test_views_are_kept_changed_and_deleted(admin: Client, query: Query) -> None:
    """What was done is in the audit log."""
    asked = {"name": "  My   declined ", "query": "state:failed   code:card_declined since:2h"}
    made = await admin.post("/v1/views", asked)
    assert made.status == 201
    assert (made.json["name"], made.json["query"], made.json["shared"]) == (
        "My declined", "state:failed code:card_declined since:2h", False,
    )  # fmt: skip
    path = f"/v1/views/{made.json['id']}"
    changed = await admin.post(path, {"name": "Refused", "query": "reason:declined"})
    assert (changed.json["name"], changed.json["query"]) == ("Refused", "reason:declined")
    assert (await admin.get("/v1/views")).json == {"items": [changed.json]}
    assert (await admin.post(f"{path}/delete")).json == {"items": []}
    assert (await admin.post(f"{path}/delete")).status == 404
    actions = await query("SELECT action FROM audit_log WHERE subject = $1 ORDER BY id", made.json["id"])
    assert actions == [("view.create",), ("view.change",), ("view.delete",)]


async def test_a_view_is_its_owner_s_unless_it_is_everybody_s(hub_admins: tuple[Client, Client]) -> None:
    """Nobody else sees it, and nobody else can change it."""
    one, other = hub_admins
    own = (await one.post("/v1/views", {"name": "Mine", "query": "state:held"})).json
    assert (await other.get("/v1/views")).json["items"] == []
    assert (await other.post(f"/v1/views/{own['id']}/delete")).status == 404
    assert (await other.post(f"/v1/views/{own['id']}", {"name": "x", "query": ""})).status == 404
    shared = (await one.post("/v1/views", {"name": "Mine", "query": "", "shared": True})).json
    assert [view["id"] for view in (await other.get("/v1/views")).json["items"]] == [shared["id"]]
    assert (await other.post(f"/v1/views/{shared['id']}/delete")).json["items"] == []


async def test_views_that_make_no_sense_are_refused(admin: Client) -> None:
    """A name that is taken or empty, a search that cannot be read, and more than can be looked through."""
    assert (await admin.post("/v1/views", {"name": " ", "query": ""})).status == 422
    wrong = await admin.post("/v1/views", {"name": "a", "query": "state:x"})
    assert (wrong.status, wrong.json["code"]) == (422, "invalid_search")
    for number in range(50):
        assert (await admin.post("/v1/views", {"name": f"v{number}", "query": ""})).status == 201
    taken = await admin.post("/v1/views", {"name": "v1", "query": "", "page": "events"})
    assert taken.status == 201
    taken = await admin.post("/v1/views", {"name": "v1", "query": "", "page": "events"})
    assert (taken.status, taken.json["code"]) == (409, "name_taken")
    many = await admin.post("/v1/views", {"name": "more", "query": ""})
    assert (many.status, many.json["code"]) == (409, "too_many_views")


@pytest.fixture
async def hub_admins(hub: Hub, anyone: Client, admin: Client) -> tuple[Client, Client]:
    """Two who may do everything, each with a key of their own."""
    made = await hub.keys.create("others", ["admin"], actor="test")
    return admin, anyone.with_key(made.token)


async def test_shared_views_are_not_for_applications(shop: Client, admin: Client) -> None:
    """What operators search for names other applications' customers."""
    kept = await admin.post("/v1/views", {"name": "Jenny", "query": "customer:12", "shared": True})
    assert (await admin.get("/v1/views")).json["items"] == [kept.json]
    assert (await shop.get("/v1/views")).json["items"] == []
