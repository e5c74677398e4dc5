"""One word follows a request from its caller's header to the provider's, and finds every line on the way; and what nobody
foresaw is reported once an attempt, without what it was about.
"""

import asyncio
import json
import logging
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import Any

import aiohttp
import pytest
from sqlalchemy import text

from hub import Args, Backoff, Declined, EventModel, JobContext, Snooze, job
from hub.bootstrap import Surroundings, build, know_queues
from hub.config import load
from hub.domain.redaction import Redactor
from hub.infra import logs
from hub.registry import Registry
from hub.services.hub import Hub
from hub.web.server import running
from hub.worker import make
from tests.infra.envelopes import Receiver, receiving
from tests.infra.test_logs import Output
from tests.services import shop
from tests.services.deliveries import SETTINGS, delivery, source
from tests.until import until

PRIVATE = "the buyer's own words"
WORD = "order-4711"


class Parcel(EventModel):
    id: str


class Wish(Args):
    item: str = "book"
    how: str = "well"


class Picky(Args):
    number: int


@job(on="depot:parcel.arrived", retry=Backoff(attempts=1))
async def unpack(ctx: JobContext, event: Parcel) -> None:
    ctx.log.info("unpacking")
    await ctx.call(shop.charge, item=event.id)
    raise ValueError("nobody foresaw this")


@job(retry=Backoff(attempts=1), queue="sales")
async def buy(ctx: JobContext, args: Wish) -> None:
    ctx.log.info("buying")
    await ctx.call(shop.charge, item="book")
    match args.how:
        case "oddly":
            Picky.model_validate({"number": args.item})
        case "leaking":
            raise RuntimeError(f"cannot use {SETTINGS['HUB_WEBHOOK_DEPOT_SECRET']}")
        case "not":
            raise Declined("not today", code="not_today")
        case "later":
            raise Snooze(shop.KEPT_FOR)


REGISTRY = Registry.of(providers=[shop.shop], sources=[source], jobs=[unpack, buy])


@dataclass
class House:
    """A web process and a worker, in one loop; their provider, their log and their Sentry."""

    hub: Hub
    url: str
    session: aiohttp.ClientSession
    token: str
    server: shop.Server
    output: Output

    async def submit(self, how: str = "well", item: str = "book", **headers: str) -> str:
        """Submit over HTTP; gives the job's id when it has settled or waits for later."""
        headers = {"Authorization": f"Bearer {self.token}", "X-Request-Id": WORD, **headers}
        body = {"job": "test_following.buy", "args": {"item": item, "how": how}}
        async with self.session.post(f"{self.url}/v1/jobs", json=body, headers=headers) as answer:
            assert answer.status == 201
            made = (await answer.json())["id"]
        await self.ended(made)
        return str(made)

    async def ended(self, made: str) -> Any:
        """Wait until an attempt of a job has ended."""

        async def attempts() -> Any:
            headers = {"Authorization": f"Bearer {self.token}"}
            async with self.session.get(f"{self.url}/v1/jobs/{made}", headers=headers) as answer:
                found = await answer.json()
                return found if found["attempts"] else None

        return await until(attempts)

    def lines(self, **wanted: str) -> list[dict[str, Any]]:
        """The lines of the log with these fields."""
        return [line for line in self.output.lines() if wanted.items() <= line.items()]


@pytest.fixture
def output() -> Iterator[Output]:
    root = logging.getLogger()
    level, before = root.level, list(root.handlers)
    yield Output()
    root.handlers[:] = before
    root.setLevel(level)


@pytest.fixture
def sentry() -> Iterator[Receiver]:
    with receiving() as made:
        yield made


@pytest.fixture
async def house(database_url: str, redis_url: str, output: Output, sentry: Receiver) -> AsyncIterator[House]:
    environ = {**SETTINGS, "HUB_SENTRY_DSN": sentry.dsn, "HUB_RELAY_TICK": "0.05"}
    config = load(environ, sources=REGISTRY.sources, providers=REGISTRY.providers)
    redactor, server = Redactor.knowing(config.secrets()), shop.Server()
    logs.configure(level="info", style="json", redactor=redactor, stream=output)
    async with AsyncExitStack() as stack:
        hub = await stack.enter_async_context(
            build(
                config,
                REGISTRY,
                database_url=database_url,
                redis_url=redis_url,
                surroundings=Surroundings(transport=server),
                redactor=redactor,
            )
        )
        await know_queues(hub)
        host, port = await stack.enter_async_context(running(hub, "127.0.0.1", 0))
        await stack.enter_async_context(working(hub))
        session = await stack.enter_async_context(aiohttp.ClientSession())
        made = await hub.keys.create("shop", ["jobs:write", "jobs:read", "events:read"], actor="test")
        yield House(hub, f"http://{host}:{port}", session, made.token, server, output)


@asynccontextmanager
async def working(hub: Hub) -> AsyncIterator[None]:
    worker = make(hub)
    task = asyncio.create_task(worker.async_run())
    yield
    worker.stop()
    await task


async def test_a_submission_is_followed_to_its_end(house: House) -> None:
    """Header, job, the provider's header, the job's own line, and the line of its end."""
    made = await house.submit("not")
    assert [request.headers["X-Request-Id"] for request in house.server.requests] == [WORD]
    own, end = house.lines(correlation_id=WORD)
    assert (own["event"], own["job_id"], own["attempt"]) == ("buying", made, 1)
    assert (end["event"], end["job_id"], end["code"], end["reason"]) == (
        "job failed",
        made,
        "not_today",
        "declined",
    )


async def test_a_webhook_is_followed_to_its_end(house: House) -> None:
    """A trace of the caller's does as well; and the answer names the word."""
    headers, body = delivery("parcel-1")
    trace = "0af7651916cd43dd8448eb211c80319c"
    headers["traceparent"] = f"00-{trace}-b7ad6b7169203331-01"
    async with house.session.post(f"{house.url}/webhooks/depot", data=body, headers=headers) as answer:
        assert (answer.status, answer.headers["X-Request-Id"]) == (200, trace)
    lines = await until(lambda: found if len(found := house.lines(correlation_id=trace)) == 2 else None)
    assert [request.headers["X-Request-Id"] for request in house.server.requests] == [trace]
    assert [(line["event"], line["job"]) for line in lines] == [
        ("unpacking", "test_following.unpack"),
        ("job failed", "test_following.unpack"),
    ]
    assert "nobody foresaw this" in lines[1]["exception"]


async def test_what_nobody_foresaw_is_reported_once(house: House, sentry: Receiver) -> None:
    """With what to search for, and nothing of what was submitted; what was foreseen is not."""
    await house.submit("later")
    await house.submit("not")
    await house.submit("oddly", item=PRIVATE)
    envelope = await asyncio.to_thread(sentry.received.get, timeout=10)
    event = json.loads(envelope.split(b"\n")[2])
    assert event["tags"] == {"job": "test_following.buy", "queue": "sales", "correlation_id": WORD}
    assert event["exception"]["values"][-1]["type"] == "ValidationError"
    assert PRIVATE.encode() not in envelope
    assert "request" not in event
    house.hub.reporter.close()
    assert sentry.received.empty()


async def test_a_secret_reaches_neither_the_report_nor_the_log(house: House, sentry: Receiver) -> None:
    """Both go by the same rules, which know every secret of the configuration."""
    made = await house.submit("leaking")
    envelope = await asyncio.to_thread(sentry.received.get, timeout=10)
    secret = SETTINGS["HUB_WEBHOOK_DEPOT_SECRET"]
    assert b"cannot use [redacted]" in envelope
    [line] = house.lines(event="job failed", job_id=made)
    assert line["error"] == "cannot use [redacted]"
    for written in (envelope.decode(), house.output.text(), json.dumps(await house.ended(made))):
        assert secret not in written
        assert house.token not in written


async def test_an_error_of_the_web_is_reported_once(house: House, sentry: Receiver) -> None:
    """With the route and the word, and without the request."""
    # The database refuses what the program takes to be there, which is as good a mistake as any.
    await house.hub.database.run(text("ALTER TABLE events RENAME COLUMN external_id TO elsewhere"))
    headers, body = delivery("parcel-2", private=PRIVATE)
    headers["x-request-id"] = WORD
    async with house.session.post(f"{house.url}/webhooks/depot", data=body, headers=headers) as answer:
        assert answer.status == 500
        assert (await answer.json())["correlation_id"] == WORD
    envelope = await asyncio.to_thread(sentry.received.get, timeout=10)
    event = json.loads(envelope.split(b"\n")[2])
    assert event["tags"] == {"route": "/webhooks/{source}", "correlation_id": WORD}
    [line] = house.lines(event="request failed", correlation_id=WORD)
    assert line["route"] == "/webhooks/{source}"
    for written in (envelope.decode(), house.output.text()):
        assert PRIVATE not in written
        assert PRIVATE.encode().hex() not in written


async def test_a_worker_says_that_it_has_started(house: House) -> None:
    """What it works on, and how much at once."""
    [line] = await until(lambda: house.lines(event="worker started"))
    assert (line["queues"], line["concurrency"]) == (["default", "sales"], 100)
