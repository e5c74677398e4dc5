"""What comes over the socket before it is a request: broken, huge and slow."""

import asyncio
import time

import aiohttp
import orjson
import pytest

from hub.services.hub import Hub
from hub.web.server import running
from tests.web.client import Client
from tests.web.conftest import Query, Serve, hub_at
from tests.web.test_jobs import RECEIPT, submit


async def exchange(client: Client, *parts: bytes, pause: float = 0.0) -> bytes:
    """Send bytes over a connection of their own, and read until the server closes it."""
    host, port = client.url.removeprefix("http://").split(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    try:
        for part in parts:
            writer.write(part)
            await writer.drain()
            await asyncio.sleep(pause)
    except ConnectionError:
        pass  # it may close while we still write
    try:
        return await asyncio.wait_for(reader.read(), 30)
    except ConnectionError:
        return b""
    finally:
        writer.close()


def parsed(answer: bytes) -> tuple[int, dict[str, object]]:
    """The status and the problem document of a raw answer."""
    head, _, body = answer.partition(b"\r\n\r\n")
    assert b"application/problem+json" in head
    document: dict[str, object] = orjson.loads(body)
    return int(head.split(b" ", 2)[1]), document


async def test_ten_megabytes_of_headers_are_refused(anyone: Client) -> None:
    """Without being kept: one header of that size, and a hundred thousand small ones."""
    head = b"GET /livez HTTP/1.1\r\nHost: hub\r\n"
    one = await exchange(anyone, head + b"X-Large: ", *[b"x" * 65536] * 160, b"\r\n\r\n")
    many = await exchange(anyone, head, *[b"X-Small: 1\r\n" * 10_000] * 80, b"\r\n")
    for answer in (one, many):
        if answer:  # a client that goes on writing may see a reset instead
            status, document = parsed(answer)
            assert status in {400, 431}
            assert document["code"] in {"headers_too_large", "unreadable_http"}
    assert (await anyone.get("/livez")).status == 200


async def test_one_header_too_large_is_a_431(anyone: Client) -> None:
    """Just beyond the limit."""
    answer = await exchange(
        anyone, b"GET /livez HTTP/1.1\r\nHost: hub\r\nX-Large: " + b"x" * 9_000 + b"\r\n\r\n"
    )
    assert parsed(answer)[0] == 431


@pytest.mark.parametrize(
    "request_bytes",
    [
        b"\x16\x03\x01\x02\x00\x01\x00\r\n\r\n",
        b"GET / HTTP/1.1\r\nBad Header: x\r\n\r\n",
        b"POST /v1/jobs HTTP/1.1\r\nHost: h\r\nContent-Length: -5\r\n\r\n",
        b"POST /v1/jobs HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n",
        b"BREW\x00 /pot HTTP/1.1\r\n\r\n",
    ],
)
async def test_what_is_not_http_is_a_problem_document_too(anyone: Client, request_bytes: bytes) -> None:
    """Also what might be smuggled past a proxy."""
    status, document = parsed(await exchange(anyone, request_bytes))
    assert status == 400
    assert document["code"] == "unreadable_http"


async def test_a_body_that_does_not_come_is_a_408(hub: Hub, serve: Serve, query: Query) -> None:
    """A slow client holds a connection for so long, and no longer."""
    client = await serve(hub, body_timeout=0.2)
    key = (await hub.keys.create("shop", ["jobs:write"], actor="test")).token
    head = (
        b"POST /v1/jobs HTTP/1.1\r\nHost: h\r\nContent-Length: 100\r\nAuthorization: Bearer %s\r\n\r\n"
        % key.encode()
    )
    began = time.monotonic()
    status, document = parsed(await exchange(client, head + b'{"job":'))
    assert (status, document["code"]) == (408, "body_timeout")
    assert time.monotonic() - began < 5
    assert await query("SELECT count(*) FROM jobs") == [(0,)]


async def test_a_slow_webhook_is_a_408_as_well(hub: Hub, serve: Serve) -> None:
    """Before its signature could be judged."""
    client = await serve(hub, body_timeout=0.2)
    head = b'POST /webhooks/shop HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n{"id'
    assert parsed(await exchange(client, head))[0] == 408


async def test_headers_that_do_not_come_end_the_connection(hub: Hub) -> None:
    """A trickle of header lines does not hold a connection for ever."""
    async with running(hub, "127.0.0.1", 0, keepalive_timeout=0.3) as (host, port):
        reader, writer = await asyncio.open_connection(host, port)
        writer.write(b"GET /livez HTTP/1.1\r\nX-Slow: ")
        assert await asyncio.wait_for(reader.read(), 10) == b""
        writer.close()


async def test_a_client_that_leaves_in_the_middle_leaves_nothing(
    hub: Hub, shop: Client, query: Query
) -> None:
    """Half a body is no request."""
    host, port = shop.url.removeprefix("http://").split(":")
    _, writer = await asyncio.open_connection(host, int(port))
    writer.write(b"POST /v1/jobs HTTP/1.1\r\nHost: h\r\nContent-Length: 900\r\nAuthorization: Bearer ")
    writer.write(f"{shop.key}\r\n\r\n{{".encode())
    await writer.drain()
    writer.close()
    await writer.wait_closed()
    assert (await shop.get("/v1/jobs")).json["items"] == []
    assert await query("SELECT count(*) FROM jobs") == [(0,)]


async def test_stopping_finishes_what_is_under_way(database_url: str, redis_url: str, query: Query) -> None:
    """Requests that were accepted are answered and stored; who waits for a job is let go; new ones are turned away."""
    async with hub_at(database_url, redis_url) as hub, aiohttp.ClientSession() as session:
        key = (await hub.keys.create("shop", ["jobs:write", "jobs:read"], actor="test")).token
        async with running(hub, "127.0.0.1", 0) as (host, port):
            client = Client(session, f"http://{host}:{port}", key)
            job = await submit(client)
            waits = asyncio.create_task(client.get(f"/v1/jobs/{job['id']}?wait=30"))
            async with asyncio.timeout(10):
                while not hub.inspect.waiting.count:  # noqa: ASYNC110 - what is asked of is across a socket
                    await asyncio.sleep(0.005)
            submits = [asyncio.create_task(client.post("/v1/jobs", RECEIPT)) for _ in range(50)]
            await asyncio.sleep(0)
            began = time.monotonic()
        answers = await asyncio.gather(*submits, return_exceptions=True)
        assert (await waits).json["state"] == "queued"
        assert time.monotonic() - began < 8
        accepted = [
            answer for answer in answers if not isinstance(answer, BaseException) and answer.status == 201
        ]
        assert await query("SELECT count(*) FROM jobs") == [(len(accepted) + 1,)]
        with pytest.raises(aiohttp.ClientConnectorError):
            await client.get("/livez")
