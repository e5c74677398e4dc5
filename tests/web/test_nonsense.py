"""What none of our own pages and clients would send: refused in words, never an error of ours."""

import asyncio
import struct
from collections.abc import AsyncIterator
from uuid import UUID, uuid4

import pytest

from hub.domain.access import Role
from hub.services.cursors import format_cursor, seal
from tests.services.people import somebody
from tests.web.client import Client
from tests.web.conftest import Query
from tests.web.people import Town, hidden, town
from tests.web.test_plans import failed

# They carry the sum that finds what was damaged, as whoever makes them up can read how it is made.
LAST_SEEN, TIMELINE = "errors last_seen", "timeline"
CURSORS = [
    ("errors?", seal(LAST_SEEN, b"9" * 30 + b" x")),
    ("errors?", seal(LAST_SEEN, b"soon x")),
    ("errors?", seal(LAST_SEEN, b"1 \0")),
    ("errors?sort=failed_for_good&", seal("errors failed_for_good", b"9" * 30 + b" x")),
    ("timeline?tag=x&", seal(TIMELINE, struct.pack(">qB", 1 << 62, 1) + b"x")),
    ("timeline?tag=x&", seal(TIMELINE, b"short")),
    ("audit?", format_cursor("audit", UUID(int=1 << 63))),
    ("jobs?", seal("jobs", b"short")),
]


@pytest.fixture
async def place(database_url: str, redis_url: str) -> AsyncIterator[Town]:
    """A hub that is served."""
    async with town(database_url, redis_url) as made:
        yield made


@pytest.mark.parametrize(("path", "cursor"), CURSORS)
async def test_a_cursor_that_was_made_up_is_refused(admin: Client, path: str, cursor: str) -> None:
    """Also one that holds numbers and times beyond all bounds."""
    answer = await admin.get(f"/v1/{path}cursor={cursor}")
    assert (answer.status, answer.json["code"]) == (422, "invalid_cursor")


async def test_a_place_beyond_all_plans_is_refused(shop: Client, admin: Client, query: Query) -> None:
    """The same for the jobs of a plan."""
    await failed(shop, query, 1)
    plan = (await admin.post("/v1/plans", {"filter": "state:failed"})).headers["Location"]
    answer = await admin.get(f"{plan}/items?cursor={format_cursor('plan_items', UUID(int=1 << 31))}")
    assert (answer.status, answer.json["code"]) == (422, "invalid_cursor")


@pytest.mark.parametrize("path", ["errors?q=%00", "timeline?tag=a%00b", "jobs?%00=1"])
async def test_a_query_with_a_nul_character_is_refused(admin: Client, path: str) -> None:
    """No text in the database can hold one."""
    answer = await admin.get(f"/v1/{path}")
    assert (answer.status, answer.json["code"]) == (422, "nul_character")
    assert (await admin.get("/v1/errors/%00")).status == 404


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("inbox/%00", 404),
        ("queues/%00", 404),
        ("inbox?text=%00", 422),
        ("timeline?tag=a%00b", 422),
        ("audit?actor=%00", 422),
    ],
)
async def test_a_page_with_a_nul_character_in_its_address_is_refused(
    place: Town, path: str, status: int
) -> None:
    """The same at the console, as a page."""
    browser = await place.logged_in(Role.ADMIN)
    answer = await browser.get(f"/console/{path}")
    assert answer.status == status
    assert b"NUL character" in answer.body


async def test_a_reason_is_as_short_as_the_api_wants_it(place: Town) -> None:
    """What is kept for good, and shown in every list of the audit log, is bounded."""
    browser = await place.logged_in(Role.ADMIN)
    await somebody(place.hub, "bob@example.com", Role.VIEWER)
    page = f"/console/people/{(await place.hub.operators.find('bob@example.com')).id}"
    assert (await browser.form(page, f"{page}/reset", reason="x" * 1_001)).status == 422
    assert (await browser.form(page, f"{page}/reset", reason="x" * 1_000)).status == 303


async def test_of_a_live_page_the_head_alone_is_the_head_alone(place: Town) -> None:
    """A body that nobody expects would be read as the answer to the next request of the connection."""
    browser = await place.logged_in(Role.OPERATOR)
    fields = hidden(await browser.get("/console/plans/new?q=state:failed"), "/console/plans")
    wanted = {"q": "state:failed", "action": "retry", "canary": "0", "rate": "5"}
    made = await browser.post("/console/plans", {**fields, **wanted, "stop_above": "5", "max_in_flight": "5"})
    live = made.headers["Location"].partition("?")[0] + "/live"
    host, port = place.url.removeprefix("http://").split(":")
    cookie = "; ".join(f"{name}={value}" for name, value in browser.cookies.items())
    reader, writer = await asyncio.open_connection(host, int(port))
    ask = f"HEAD {live} HTTP/1.1\r\nHost: {host}:{port}\r\nCookie: {cookie}\r\nConnection: close\r\n\r\n"
    writer.write(ask.encode())
    async with asyncio.timeout(5):
        head, _, rest = (await reader.read()).partition(b"\r\n\r\n")
    writer.close()
    assert b"200 OK" in head
    assert b"text/event-stream" in head
    assert rest == b""
    assert (await browser.send("HEAD", f"/console/plans/{uuid4()}/live", {})).status == 404
