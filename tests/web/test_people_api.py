"""`/v1/operators` and `/v1/audit`, each answer checked against the document."""

from uuid import uuid4

from hub.services.hub import Hub
from hub.services.logins import Visitor
from tests.web.client import Client

ADA = {"email": "Ada@example.com", "name": "Ada", "role": "admin"}


async def test_an_admin_key_makes_and_changes_operators(hub: Hub, admin: Client) -> None:
    """The link lets them in once; every change says which key made it."""
    made = await admin.post("/v1/operators", ADA)
    assert (made.status, made.json["email"]) == (201, "ada@example.com")
    path = f"/v1/operators/{made.json['id']}"
    link = await admin.post(f"{path}/link")
    assert link.status == 201
    assert await hub.logins.by_link(link.json["url"].partition("token=")[2], Visitor("192.0.2.7", ""))
    eve = (await admin.post("/v1/operators", {**ADA, "email": "eve@example.com"})).json
    changed = await admin.post(f"{path}/role", {"role": "viewer", "reason": "less is enough"})
    assert (changed.status, changed.json["role"]) == (200, "viewer")
    assert (await admin.post(f"{path}/disable", {"reason": "left"})).json["disabled_at"] is not None
    assert (await admin.post(f"{path}/link")).status == 409
    assert (await admin.post(f"{path}/enable")).json["disabled_at"] is None
    assert (await admin.post(f"{path}/reset", {"reason": "lost laptop"})).json["has_password"] is False
    assert [one["email"] for one in (await admin.get("/v1/operators")).json["items"]] == [
        "ada@example.com",
        "eve@example.com",
    ]
    last = await admin.post(f"/v1/operators/{eve['id']}/disable")
    assert (last.status, last.json["code"]) == (409, "last_admin")
    entries = (await admin.get(f"/v1/audit?subject={made.json['id']}")).json["items"]
    assert {entry["actor"].partition(" ")[0] for entry in entries} >= {"operators", "ada@example.com"}


async def test_what_is_no_operator_is_refused(admin: Client) -> None:
    """With pointers; nobody by that id is a 404."""
    assert (await admin.post("/v1/operators", {**ADA, "role": "root"})).status == 422
    wrong = await admin.post("/v1/operators", {**ADA, "email": "nobody"})
    assert [error["pointer"] for error in wrong.json["errors"]] == ["/email"]
    assert (await admin.post("/v1/operators", ADA)).status == 201
    again = await admin.post("/v1/operators", ADA)
    assert (again.status, again.json["code"]) == (409, "operator_exists")
    for verb, body in (
        ("role", {"role": "viewer"}),
        ("disable", None),
        ("enable", None),
        ("reset", None),
        ("link", None),
    ):
        assert (await admin.post(f"/v1/operators/{uuid4()}/{verb}", body)).status == 404
        assert (await admin.post(f"/v1/operators/nonsense/{verb}", body)).status == 404


async def test_the_audit_log_takes_its_scope(hub: Hub, anyone: Client, admin: Client) -> None:
    """And is listed by who, what, to what and when, page by page."""
    made = await hub.keys.create("auditor", ["audit:read"], actor="test")
    auditor = anyone.with_key(made.token)
    assert (await auditor.get("/v1/operators")).status == 403
    reader = await hub.keys.create("reader", ["jobs:read"], actor="test")
    assert (await anyone.with_key(reader.token).get("/v1/audit")).status == 403
    first = (await auditor.get("/v1/audit?limit=1")).json
    second = (await auditor.get(f"/v1/audit?limit=1&cursor={first['next_cursor']}")).json
    assert first["items"][0]["previous"] == second["items"][0]["hash"]
    assert (await auditor.get("/v1/audit?actor=nobody")).json["items"] == []
    between = "since=2001-01-01T00:00:00Z&until=2999-01-01T00:00:00Z"
    assert len((await auditor.get(f"/v1/audit?action=key.create&{between}")).json["items"]) >= 3
    wrong = "since=2999-01-01T00:00:00Z&until=2001-01-01T00:00:00Z"
    assert (await auditor.get(f"/v1/audit?{wrong}")).status == 422
