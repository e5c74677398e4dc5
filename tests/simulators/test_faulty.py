"""The faulty server, judged by an HTTP client that knows nothing of it."""

import asyncio
from collections.abc import AsyncIterator

import httpx
import pytest

from tests.simulators.faulty import BEHAVIOURS, Connection, FaultyServer, Request, answer, faulty


@pytest.fixture
async def server() -> AsyncIterator[FaultyServer]:
    """A server on a free port."""
    async with faulty() as running:
        yield running


@pytest.fixture
async def client(server: FaultyServer) -> AsyncIterator[httpx.AsyncClient]:
    """A client with a short patience."""
    async with httpx.AsyncClient(base_url=server.url, timeout=0.5, trust_env=False) as asking:
        yield asking


async def test_requests_and_connections_are_counted(server: FaultyServer, client: httpx.AsyncClient) -> None:
    """Two requests on one kept connection, with what they carried."""
    await client.post("/ok", content=b"one")
    echoed = await client.post("/ok", json={"a": 1})
    assert (server.connections, server.counts) == (1, {"/ok": 2})
    assert [request.body for request in server.requests] == [b"one", b'{"a":1}']
    assert echoed.json()["body"] == '{"a":1}'


async def test_a_chunked_request_is_read(server: FaultyServer, client: httpx.AsyncClient) -> None:
    """A client that streams its body is served as well."""

    async def parts() -> AsyncIterator[bytes]:
        yield b"one "
        yield b"two"

    await client.post("/ok", content=parts())
    assert server.requests[0].body == b"one two"


async def test_a_status_carries_retry_after(client: httpx.AsyncClient) -> None:
    """The query string says which."""
    refused = await client.get("/status?code=429&retry_after=7")
    assert (refused.status_code, refused.headers["retry-after"]) == (429, "7")


@pytest.mark.parametrize(
    ("path", "error"),
    [
        ("/never", httpx.ReadTimeout),
        ("/only-informational", httpx.ReadTimeout),
        ("/reset-before", httpx.ReadError),
        ("/reset-mid-head", httpx.ReadError),
        ("/reset-mid-body", httpx.ReadError),
        ("/close-before", httpx.RemoteProtocolError),
        ("/short-body", httpx.RemoteProtocolError),
        ("/cut-chunk", httpx.RemoteProtocolError),
        ("/bad-chunk", httpx.RemoteProtocolError),
        ("/bad-length", httpx.RemoteProtocolError),
        ("/two-lengths", httpx.RemoteProtocolError),
        ("/garbage", httpx.RemoteProtocolError),
        ("/huge-headers", httpx.RemoteProtocolError),
        ("/bad-gzip", httpx.DecodingError),
    ],
)
async def test_a_broken_answer_is_the_error_that_httpx_has_for_it(
    client: httpx.AsyncClient, path: str, error: type[Exception]
) -> None:
    """Each behaviour breaks what its name says, and nothing else."""
    with pytest.raises(error):
        await client.get(path)


async def test_a_slow_answer_passes_every_limit_for_one_read_and_none_for_the_whole(
    client: httpx.AsyncClient,
) -> None:
    """Every byte is in time; only a limit for the whole request ends it."""
    assert len((await client.get("/slow?bytes=5&interval=0.01")).content) == 5
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.6):
            await client.get("/slow?bytes=1000&interval=0.1")


@pytest.mark.parametrize("path", ["/huge-body", "/endless-body"])
async def test_a_body_beyond_measure_can_be_given_up(
    server: FaultyServer, client: httpx.AsyncClient, path: str
) -> None:
    """The client reads a little and closes; the server notices and lets go."""
    async with client.stream("GET", path) as response:
        async for chunk in response.aiter_raw():
            assert chunk
            break
    await server.until(lambda seen: seen.open_connections == 0)


async def test_informational_answers_are_passed_over(client: httpx.AsyncClient) -> None:
    """100 and 103 come before the 200."""
    assert (await client.get("/informational")).status_code == 200


async def test_redirects_lead_in_a_circle_or_elsewhere(
    server: FaultyServer, client: httpx.AsyncClient
) -> None:
    """307 carries the body along, which a client with a secret in it must not allow."""
    with pytest.raises(httpx.TooManyRedirects):
        await client.get("/redirect-loop", follow_redirects=True)
    await client.post("/redirect?to=/ok", content=b"secret", follow_redirects=True)
    assert server.requests[-1].body == b"secret"


async def test_a_promise_to_keep_the_connection_may_be_broken(
    server: FaultyServer, client: httpx.AsyncClient
) -> None:
    """Closed after the answer costs a new connection; dropped at the second request is an error."""
    await client.get("/close-after")
    await server.until(lambda seen: seen.open_connections == 0)
    await client.get("/close-after")
    assert server.connections == 2
    await client.get("/second-dropped")
    with pytest.raises(httpx.RemoteProtocolError):
        await client.get("/second-dropped")


async def test_a_refused_port_accepts_nothing(server: FaultyServer, client: httpx.AsyncClient) -> None:
    """The port is held, so nobody else can begin to listen there meanwhile."""
    with pytest.raises(httpx.ConnectError):
        await client.get(server.refused_url())
    assert server.connections == 0


async def test_a_test_may_add_its_own_behaviour(server: FaultyServer, client: httpx.AsyncClient) -> None:
    """A behaviour is a function of the connection and the request."""

    async def teapot(connection: Connection, request: Request) -> bool:
        await connection.send(answer("418 I'm a teapot", request.body))
        return True

    assert (await client.post(server.on("/tea", teapot), content=b"x")).status_code == 418
    assert (await client.get("/nothing")).status_code == 404


def test_every_behaviour_says_what_it_does() -> None:
    """The sentences are the reference."""
    assert [path for path, behaviour in BEHAVIOURS.items() if not behaviour.__doc__] == []
