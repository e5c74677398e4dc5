"""Plans over HTTP: dry run, start, watch, report, and who may do which."""

import csv
import io
from uuid import uuid4

import orjson

from hub.services.hub import Hub
from tests.web.client import Client
from tests.web.conftest import Query
from tests.web.test_jobs import submit

FAIL = "UPDATE jobs SET state = 'failed', reason = 'exhausted', settled_at = now(), dispatched_at = NULL, error_code = '=1+1'"


async def failed(shop: Client, query: Query, count: int = 3) -> None:
    for _ in range(count):
        await submit(shop)
    await query(FAIL)


async def test_a_dry_run_is_made_read_and_started(shop: Client, admin: Client, query: Query) -> None:
    """201 with the report; found again in the list; started once."""
    await failed(shop, query)
    wanted = {"filter": "state:failed", "canary": 0, "rate": 50, "reason": "the shop is back"}
    made = await admin.post("/v1/plans", wanted)
    assert made.status == 201, made.body
    path = made.headers["Location"]
    assert (made.json["found"], made.json["safe"], made.json["expected_seconds"]) == (3, 3, 0.06)
    assert (await admin.get(path)).json == made.json
    assert (await admin.get("/v1/plans?state=draft,running")).json["items"] == [made.json]
    assert (await admin.get("/v1/plans?state=paused")).json["items"] == []
    started = await admin.post(f"{path}/start", {"reason": "now"})
    assert (started.status, started.json["state"], started.json["commands"]) == (
        200,
        "running",
        ["pause", "abort"],
    )
    again = await admin.post(f"{path}/start")
    assert (again.status, again.json["code"]) == (409, "plan_running")
    assert (await admin.post(f"{path}/pause")).json["state"] == "paused"
    assert (await admin.post(f"{path}/resume")).json["state"] == "running"
    assert (await admin.post(f"{path}/abort")).json["state"] == "aborted"
    items = (await admin.get(f"{path}/items?state=pending&limit=2")).json
    assert [item["position"] for item in items["items"]] == [1, 2]
    rest = (await admin.get(f"{path}/items?state=pending&cursor={items['next_cursor']}")).json
    assert [item["position"] for item in rest["items"]] == [3]


async def test_a_plan_is_downloaded_for_spreadsheets_and_programs(
    shop: Client, admin: Client, query: Query
) -> None:
    """Every job a line; nothing in it is taken for a formula."""
    await failed(shop, query)
    path = (await admin.post("/v1/plans", {"filter": "state:failed"})).headers["Location"]
    await query("UPDATE plan_items SET note = '=1+1'")
    answer = await admin._send("GET", f"{path}/report.csv", {}, None)
    assert answer.headers["Content-Disposition"].startswith('attachment; filename="plan-')
    rows = list(csv.DictReader(io.StringIO(answer.body.decode())))
    assert [(row["position"], row["state"], row["note"]) for row in rows] == [
        (str(n), "pending", "'=1+1") for n in (1, 2, 3)
    ]
    answer = await admin._send("GET", f"{path}/report.ndjson?state=pending", {}, None)
    assert [orjson.loads(line)["job_id"] for line in answer.body.splitlines()] == [
        row["job_id"] for row in rows
    ]
    assert (await admin._send("HEAD", f"{path}/report.csv", {}, None)).body == b""
    assert (await admin.get(f"/v1/plans/{uuid4()}/report.csv")).status == 404


async def test_what_is_wrong_with_a_plan_is_pointed_at(admin: Client, query: Query) -> None:
    """Before anything is kept."""
    answer = await admin.post("/v1/plans", {"filter": "state:broken", "rate": 1})
    assert (answer.status, answer.json["errors"][0]["pointer"]) == (422, "/filter")
    answer = await admin.post("/v1/plans", {"filter": "state:failed", "rate": 0, "stop_above": 2})
    assert [error["pointer"] for error in answer.json["errors"]] == ["/rate", "/stop_above"]
    assert (await admin.get(f"/v1/plans/{uuid4()}")).json["code"] == "unknown_plan_id"
    assert await query("SELECT count(*) FROM plans") == [(0,)]


async def test_who_may_do_what(hub: Hub, anyone: Client, shop: Client, admin: Client, query: Query) -> None:
    """Applications see no plans, as they hold everybody's jobs; operating does not bring the right to decide."""
    await failed(shop, query)
    assert (await shop.get("/v1/plans")).status == 403
    assert (await shop.post("/v1/plans", {"filter": "state:failed"})).status == 403
    made = await hub.keys.create("desk", ["jobs:operate"], actor="test")
    desk = anyone.with_key(made.token)
    assert (await desk.post("/v1/plans", {"filter": "state:failed"})).status == 201
    uncertain = {"filter": "state:failed", "include_uncertain": True, "reason": "looked"}
    refused = await desk.post("/v1/plans", uncertain)
    assert (refused.status, refused.json["code"]) == (403, "decision_needed")
    refused = await admin.post("/v1/plans", uncertain | {"reason": None})
    assert (refused.status, refused.json["code"]) == (409, "reason_needed")
    assert (await admin.post("/v1/plans", uncertain)).status == 201
