"""The inbox over HTTP: failures grouped by cause."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from hub.services.hub import Hub
from tests.web.client import Client
from tests.web.conftest import Query
from tests.web.test_jobs import submit

NOW = datetime.now(UTC)
GROUP = """
INSERT INTO error_groups (signature, job, step, provider, operation, kind, code, message, state, attempts, lost,
                          first_seen_at, last_seen_at, first_release, last_release, example_id)
VALUES ($1, $2, '', $3, '', 'Declined', 'card_declined', $4, $5, $6, $7, $8, $8, '1', '2', gen_random_uuid())
"""
FAIL = """
UPDATE jobs SET state = 'failed', reason = 'declined', settled_at = now(), dispatched_at = NULL, error_signature = $2,
                error_code = 'card_declined', error_message = 'declined' WHERE id = $1
"""


@pytest.fixture
async def groups(query: Query) -> None:
    """Five groups: the first happened last, the last failed most."""
    for number, (state, lost) in enumerate(
        [("open", 1), ("open", 0), ("acknowledged", 2), ("resolved", 3), ("ignored", 4)]
    ):
        await query(
            GROUP, f"sig{number}", "payments.charge" if number % 2 else "email.send", "stripe" if number else "",
            f"no card {number}", state, lost + 5, lost, NOW - timedelta(hours=number),
        )  # fmt: skip


async def signatures(client: Client, **query: Any) -> list[str]:
    wanted = "&".join(f"{name}={value}" for name, value in query.items())
    answer = await client.get(f"/v1/errors?{wanted}")
    assert answer.status == 200, answer.json
    return [item["signature"] for item in answer.json["items"]]


@pytest.mark.usefixtures("groups")
@pytest.mark.parametrize(
    ("wanted", "found"),
    [
        ({}, ["sig0", "sig1", "sig2", "sig3", "sig4"]),
        ({"state": "open"}, ["sig0", "sig1"]),
        ({"state": "open,resolved", "failed": "true"}, ["sig0", "sig3"]),
        ({"failed": "false"}, ["sig1"]),
        ({"job": "payments.charge"}, ["sig1", "sig3"]),
        ({"provider": "stripe", "state": "ignored"}, ["sig4"]),
        ({"q": "NO%20CARD%202"}, ["sig2"]),
        ({"q": "Email.send%20nothing"}, []),
        ({"since": f"{NOW - timedelta(hours=1, minutes=1):%Y-%m-%dT%H:%M:%SZ}"}, ["sig0", "sig1"]),
        ({"sort": "failed_for_good"}, ["sig4", "sig3", "sig2", "sig0", "sig1"]),
    ],
)
async def test_groups_are_found_by_what_is_known_of_them(
    admin: Client, wanted: dict[str, str], found: list[str]
) -> None:
    """State, whether a job failed for good, job, provider, text, time; in two orders."""
    assert await signatures(admin, **wanted) == found


@pytest.mark.usefixtures("groups")
@pytest.mark.parametrize("sort", ["last_seen", "failed_for_good"])
async def test_a_list_is_read_part_by_part(admin: Client, sort: str) -> None:
    """Each group once, in the order of the whole; another order's cursor is refused."""
    whole = await signatures(admin, sort=sort)
    page = (await admin.get(f"/v1/errors?sort={sort}&limit=2")).json
    found = page["items"]
    while cursor := page["next_cursor"]:
        other = "last_seen" if sort == "failed_for_good" else "failed_for_good"
        refused = await admin.get(f"/v1/errors?sort={other}&cursor={cursor}")
        assert (refused.status, refused.json["code"]) == (422, "invalid_cursor")
        page = (await admin.get(f"/v1/errors?sort={sort}&limit=2&cursor={cursor}")).json
        found += page["items"]
    assert [item["signature"] for item in found] == whole


@pytest.mark.usefixtures("groups")
async def test_a_group_tells_how_it_goes(admin: Client, shop: Client, query: Query) -> None:
    """Jobs that stand failed, jobs by state, hours without gaps, and the example's own words."""
    made = [(await submit(shop))["id"] for _ in range(3)]
    for job in made:
        await query(FAIL, job, "sig0")
    await query("UPDATE jobs SET state = 'queued', reason = NULL, settled_at = NULL WHERE id = $1", made[0])
    await query("UPDATE error_groups SET example_id = $1 WHERE signature = 'sig0'", made[2])
    await query("INSERT INTO error_hours VALUES ('sig0', date_trunc('hour', now()), 4, 2)")
    await query(
        "INSERT INTO error_hours VALUES ('sig0', date_trunc('hour', now()) - interval '30 hours', 7, 0)"
    )
    group = (await admin.get("/v1/errors/sig0")).json
    assert (group["failed_jobs"], group["bounded"]) == (2, False)
    assert group["jobs"] == {"failed": 2, "queued": 1}
    assert group["example_message"] == "declined"
    assert [hour["failed_attempts"] for hour in group["hours"]] == [0] * 17 + [7] + [0] * 29 + [4]
    assert group["trend"] == [0] * 23 + [4]
    assert group["actions"] == ["acknowledge", "resolve", "ignore"]
    [listed] = [item for item in (await admin.get("/v1/errors")).json["items"] if item["signature"] == "sig0"]
    assert (listed["failed_jobs"], listed["trend"]) == (2, group["trend"])


@pytest.mark.usefixtures("groups")
async def test_a_group_is_moved_by_people_who_are_noted(admin: Client, query: Query) -> None:
    """The state, who and why; a move that the state forbids is refused and not noted."""
    moved = await admin.post("/v1/errors/sig0/acknowledge", {"reason": "on it"})
    assert (moved.status, moved.json["state"]) == (200, "acknowledged")
    assert (moved.json["change"]["reason"], moved.json["change"]["by"][:9]) == ("on it", "operators")
    again = await admin.post("/v1/errors/sig0/acknowledge", {})
    assert (again.status, again.json["code"]) == (409, "error_group_acknowledged")
    assert "resolve, ignore, reopen" in again.json["detail"]
    for action, state in [("ignore", "ignored"), ("reopen", "open"), ("resolve", "resolved")]:
        assert (await admin.post(f"/v1/errors/sig0/{action}")).json["state"] == state
    noted = await query("SELECT action, subject FROM audit_log WHERE subject = 'sig0' ORDER BY id")
    assert noted == [(f"error.{action}", "sig0") for action in ("acknowledge", "ignore", "reopen", "resolve")]


async def test_a_group_that_is_not_there_is_not_found(admin: Client, query: Query) -> None:
    """Looked up or moved; nothing is noted."""
    for answer in (await admin.get("/v1/errors/none"), await admin.post("/v1/errors/none/resolve")):
        assert (answer.status, answer.json["code"]) == (404, "unknown_error_group")
    assert not await query("SELECT FROM audit_log WHERE subject = 'none'")


@pytest.mark.usefixtures("groups")
async def test_an_application_sees_nothing_of_the_groups(hub: Hub, anyone: Client, shop: Client) -> None:
    """They are made of everybody's jobs: it takes a key that may read them all, and one that may act to act."""
    assert (await shop.get("/v1/errors")).status == 403
    assert (await shop.get("/v1/errors/sig0")).status == 403
    made = await hub.keys.create("viewer", ["jobs:read-all"], actor="test")
    viewer = anyone.with_key(made.token)
    assert (await viewer.get("/v1/errors/sig0")).status == 200
    assert (await viewer.post("/v1/errors/sig0/resolve")).status == 403


async def test_counting_stops_at_its_bound_and_says_so(
    admin: Client, shop: Client, query: Query, groups: None
) -> None:
    """Ten thousand, and more."""
    made = (await submit(shop))["id"]
    await query(FAIL, made, "sig0")
    await query(
        """INSERT INTO jobs (id, name, args, queue, priority, state, reason, run_at, correlation_id, settled_at, error_signature)
           SELECT gen_random_uuid(), name, args, queue, priority, state, reason, run_at, correlation_id, settled_at, error_signature
           FROM jobs, generate_series(1, 10000) WHERE id = $1""",
        made,
    )
    group = (await admin.get("/v1/errors/sig0")).json
    assert (group["failed_jobs"], group["bounded"], group["jobs_bounded"]) == (10_000, True, True)
