"""The sender against a server that misbehaves below HTTP: how certain is it that the request arrived?"""

import asyncio
import socket
import ssl
import time
from datetime import timedelta

import pytest

from hub import CallError, Effect, NoAnswer, ProviderFault, Rejected, Throttled
from hub.domain.effects import Certainty
from hub.domain.errors import BreakerOpen, NotSent, Unauthorized
from hub.domain.providers import Limits
from hub.infra.breaker_states import State
from hub.infra.breakers import Breakers
from tests.infra.calls import SECRET, Done, Order, call, operation, provider, sending
from tests.simulators.faulty import FaultyServer, faulty


async def failure(server: FaultyServer, path: str, *, method: str = "POST", within: float = 5.0) -> CallError:
    """The error of one call to a path of the faulty server."""
    async with sending() as sender:
        with pytest.raises(CallError) as caught:
            await sender.send(operation(path, method, provider(timeout=within)), Order(), call(server.url))
    return caught.value


async def test_a_good_answer_becomes_its_declared_result() -> None:
    """What comes back is the result's type, with only what it declares."""
    async with faulty() as server, sending() as sender:
        done = await sender.send(operation("/ok"), Order(), call(server.url))
    assert done == Done(method="POST", path="/ok")


async def test_what_is_sent_carries_key_correlation_and_credentials_in_headers_only() -> None:
    """Idempotency key, request id and bearer arrive; nothing of the client's environment does."""
    async with faulty() as server, sending() as sender:
        await sender.send(operation("/ok"), Order(), call(server.url))
    [request] = server.requests
    assert request.headers["idempotency-key"] == "hub-key-1"
    assert request.headers["x-request-id"] == "request-1"
    assert request.headers["authorization"] == f"Bearer {SECRET}"
    assert request.headers["content-length"] == str(len(request.body))
    assert "cookie" not in request.headers
    assert request.body == b'{"number": 7}'


@pytest.mark.parametrize(
    ("path", "code"),
    [
        ("/reset-before", "connection_lost"),
        ("/reset-mid-head", "connection_lost"),
        ("/reset-mid-body", "connection_lost"),
        ("/close-before", "connection_lost"),
        ("/short-body", "connection_lost"),
        ("/cut-chunk", "connection_lost"),
        ("/bad-length", "unreadable_answer"),
        ("/two-lengths", "unreadable_answer"),
        ("/garbage", "unreadable_answer"),
        ("/bad-json", "unreadable_answer"),
        ("/bad-gzip", "unreadable_answer"),
        ("/huge-headers", "unreadable_answer"),
        ("/empty", "unreadable_answer"),
        ("/huge-body", "answer_too_large"),
        ("/endless-body", "answer_too_large"),
    ],
)
@pytest.mark.parametrize("method", ["POST", "PUT", "GET"])
async def test_whatever_breaks_after_the_connection_stood_is_unknown_and_sent_once(
    path: str, code: str, method: str
) -> None:
    """No reset, no garbage, no flood counts as not sent; and nothing sends it again behind our back."""
    async with faulty() as server:
        error = await failure(server, path, method=method)
    assert isinstance(error, NoAnswer)
    assert error.certainty is Certainty.UNKNOWN
    assert error.code == code
    assert server.counts[path] == 1


async def test_a_chunk_of_nonsense_is_unknown() -> None:
    """However the parser calls it."""
    async with faulty() as server:
        error = await failure(server, "/bad-chunk")
    assert isinstance(error, NoAnswer)
    assert server.counts["/bad-chunk"] == 1


@pytest.mark.parametrize("path", ["/never", "/slow?bytes=1000", "/slow-head", "/only-informational"])
async def test_the_deadline_is_for_the_whole_call(path: str) -> None:
    """A server that sends a byte now and then is in time with each read, and late all the same."""
    async with faulty() as server:
        began = time.monotonic()
        error = await failure(server, path, within=0.4)
    assert isinstance(error, NoAnswer)
    assert error.code == "timeout"
    assert time.monotonic() - began < 2


async def test_a_deadline_on_a_kept_connection_is_unknown() -> None:
    """There is no connecting then: what was written has left at once."""
    hasty = provider(timeout=0.3)
    async with faulty() as server, sending() as sender:
        await sender.send(operation("/ok", of=hasty), Order(), call(server.url))
        with pytest.raises(NoAnswer) as caught:
            await sender.send(operation("/never", of=hasty), Order(), call(server.url))
    assert caught.value.code == "timeout"
    assert server.connections == 1


async def test_certificates_are_verified() -> None:
    """By authority and by name, unless a context is passed in that says otherwise."""
    async with sending() as sender:
        context = sender._pools.kept.ssl_context  # type: ignore[attr-defined]
    assert context.verify_mode is ssl.CERT_REQUIRED
    assert context.check_hostname


async def test_a_refused_connection_is_not_sent_and_tried_three_times() -> None:
    """A refusal certainly sent nothing, so it is tried again within a moment."""
    async with faulty() as server, sending() as sender:
        with pytest.raises(NotSent) as caught:
            await sender.send(operation("/ok"), Order(), call(server.refused_url()))
    assert caught.value.code == "connect"
    assert caught.value.certainty is Certainty.NOT_SENT


async def test_a_refusal_that_passes_within_the_moment_goes_unnoticed() -> None:
    """The second try reaches a server that has come up in between."""
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        port = held.getsockname()[1]
        async with faulty() as server, sending() as sender:
            sent = asyncio.create_task(
                sender.send(operation("/ok"), Order(), call(f"http://127.0.0.1:{port}"))
            )
            await asyncio.sleep(0)
            held.close()
            listening = await asyncio.start_server(server.accept, "127.0.0.1", port)
            assert (await sent).path == "/ok"
            listening.close()


async def test_an_unknown_name_is_not_sent() -> None:
    """A name that does not resolve cannot have been sent to."""
    async with sending() as sender:
        with pytest.raises(NotSent) as caught:
            await sender.send(operation("/ok"), Order(), call("http://nowhere.invalid"))
    assert caught.value.code == "dns"


async def test_a_connection_that_never_comes_about_is_not_sent() -> None:
    """The deadline while connecting is told from the deadline after sending."""
    # A listener that accepts nothing: once its queue is full, further connections hang.
    with socket.socket() as full:
        full.bind(("127.0.0.1", 0))
        full.listen(0)
        address = full.getsockname()
        fillers = [socket.socket() for _ in range(3)]
        for filler in fillers:
            filler.setblocking(False)
            filler.connect_ex(address)
        async with sending() as sender:
            with pytest.raises(NotSent) as caught:
                await sender.send(
                    operation("/ok", of=provider(timeout=0.3)),
                    Order(),
                    call(f"http://127.0.0.1:{address[1]}"),
                )
        for filler in fillers:
            filler.close()
    assert caught.value.code == "connect_timeout"


async def test_no_tls_is_not_sent() -> None:
    """A handshake that fails comes before the request."""

    async def plain(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(1)
        writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")
        writer.close()
        await writer.wait_closed()

    server = await asyncio.start_server(plain, "127.0.0.1", 0)
    url = f"https://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    async with server, sending() as sender:
        with pytest.raises(NotSent) as caught:
            await sender.send(operation("/ok"), Order(), call(url))
    assert caught.value.code == "tls"


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "GET"])
async def test_a_kept_connection_that_dies_under_a_request_is_unknown_and_not_sent_again(method: str) -> None:
    """Left to itself, aiohttp sends idempotent methods again on a new connection."""
    async with faulty() as server, sending() as sender:
        await sender.send(operation("/second-dropped", method), Order(), call(server.url))
        with pytest.raises(NoAnswer) as caught:
            await sender.send(operation("/second-dropped", method), Order(), call(server.url))
    assert caught.value.code == "connection_lost"
    assert server.counts["/second-dropped"] == 2


async def test_what_cannot_be_repeated_never_uses_a_kept_connection() -> None:
    """Without idempotency keys each write has a connection of its own, which nobody is about to close."""
    keyless = operation("/second-dropped", of=provider(idempotent=False))
    async with faulty() as server, sending() as sender:
        for _ in range(3):
            await sender.send(keyless, Order(), call(server.url))
    assert server.connections == 3


async def test_connections_are_kept_where_a_repeat_is_harmless() -> None:
    """Ten calls, one connection."""
    async with faulty() as server, sending() as sender:
        for _ in range(10):
            await sender.send(operation("/ok"), Order(), call(server.url))
    assert server.connections == 1


async def test_a_connection_closed_while_idle_is_replaced() -> None:
    """A promise of keep-alive that is not kept costs nothing."""
    async with faulty() as server, sending() as sender:
        await sender.send(operation("/close-after"), Order(), call(server.url))
        [kept] = sender._pools.kept.client.connector._conns.values()  # type: ignore[attr-defined]
        if (closed := kept[0][0].closed) is not None:
            await closed
        await sender.send(operation("/close-after"), Order(), call(server.url))
    assert server.connections == 2


async def test_200_cancelled_requests_leak_nothing() -> None:
    """Deploys cancel calls; the next one finds every place free and every connection gone."""
    slow = operation("/never", of=provider(limits=Limits(concurrent=200)))
    async with faulty() as server, sending() as sender:
        calls = [asyncio.create_task(sender.send(slow, Order(), call(server.url))) for _ in range(200)]
        await server.until(lambda seen: seen.counts["/never"] == 200)
        for sent in calls:
            sent.cancel()
        outcomes = await asyncio.gather(*calls, return_exceptions=True)
        assert all(isinstance(outcome, asyncio.CancelledError) for outcome in outcomes)
        await server.until(lambda seen: seen.open_connections == 0)
        done = await sender.send(
            operation("/ok", of=provider(limits=Limits(concurrent=200))), Order(), call(server.url)
        )
    assert done.path == "/ok"


async def test_redirects_are_not_followed() -> None:
    """What was meant for one address, credentials and all, does not go to another."""
    async with faulty() as server:
        error = await failure(server, "/redirect")
    assert isinstance(error, ProviderFault)
    assert server.counts == {"/redirect": 1}


async def test_proxies_of_the_environment_are_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    """Only the hub's own configuration decides where a request goes."""
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:1")
    monkeypatch.setenv("ALL_PROXY", "http://127.0.0.1:1")
    async with faulty() as server, sending() as sender:
        assert (await sender.send(operation("/ok"), Order(), call(server.url))).path == "/ok"


@pytest.mark.parametrize(
    ("status", "kind", "certainty"),
    [
        (400, Rejected, Certainty.REJECTED),
        (401, Unauthorized, Unauthorized.certainty),
        (403, Unauthorized, Unauthorized.certainty),
        (404, Rejected, Certainty.REJECTED),
        (408, ProviderFault, Certainty.UNKNOWN),
        (409, ProviderFault, Certainty.UNKNOWN),
        (422, Rejected, Certainty.REJECTED),
        (429, Throttled, Throttled.certainty),
        (500, ProviderFault, Certainty.UNKNOWN),
        (503, ProviderFault, Certainty.UNKNOWN),
    ],
)
async def test_a_status_says_what_kind_of_no_it_is(
    status: int, kind: type[CallError], certainty: Certainty
) -> None:
    """Every class of status has its certainty, and Retry-After is heard."""
    path = f"/status?code={status}&retry_after=7"
    async with faulty() as server:
        error = await failure(server, path)
    assert type(error) is kind
    assert error.certainty is certainty
    assert error.status == status
    assert error.retry_after == timedelta(seconds=7)
    assert server.counts["/status"] == 1


async def test_an_error_too_large_to_read_is_told_by_its_status() -> None:
    """A flood behind a 4xx does not make a clear no unclear."""
    async with faulty() as server, sending() as sender:

        async def flood(connection: object, _: object) -> bool:
            await connection.send(b"HTTP/1.1 422 No\r\nTransfer-Encoding: chunked\r\n\r\n")  # type: ignore[attr-defined]
            while True:
                await connection.send(b"10000\r\n", b"x" * 65536, b"\r\n")  # type: ignore[attr-defined]

        server.on("/flood", flood)
        with pytest.raises(Rejected) as caught:
            await sender.send(operation("/flood"), Order(), call(server.url))
    assert caught.value.status == 422


async def test_a_missing_credential_is_named_and_nothing_is_sent() -> None:
    """The error says which variable to set."""
    async with faulty() as server, sending() as sender:
        call_without = call(server.url)
        object.__setattr__(call_without, "credentials", {})
        with pytest.raises(Unauthorized, match="HUB_SHOP_SECRET_KEY is not set") as caught:
            await sender.send(operation("/ok"), Order(), call_without)
    assert caught.value.code == "not_configured"
    assert not server.requests


async def test_a_missing_address_is_named() -> None:
    """As with credentials."""
    async with sending() as sender:
        with pytest.raises(Unauthorized, match="HUB_SHOP_BASE_URL is not set"):
            await sender.send(operation("/ok"), Order(), call(""))


async def test_secrets_are_taken_out_of_errors() -> None:
    """A provider that says our key back to us does not get it into the ledger."""

    def tells(_: object) -> CallError:
        return Rejected(f"the key {SECRET} is not welcome")

    shop = provider()
    object.__setattr__(shop, "error", tells)
    async with faulty() as server, sending() as sender:
        with pytest.raises(Rejected) as caught:
            await sender.send(operation("/status?code=400", of=shop), Order(), call(server.url))
    assert "0123456789abcdef" not in str(caught.value)
    assert "is not welcome" in str(caught.value)


async def test_a_provider_that_keeps_failing_is_left_alone() -> None:
    """After so many failures the breaker answers in its place; what tripped it was the provider's own error."""
    breakers = Breakers(failures=3)
    async with faulty() as server, sending(breakers) as sender:
        for _ in range(3):
            with pytest.raises(ProviderFault):
                await sender.send(operation("/status?code=500"), Order(), call(server.url))
        with pytest.raises(BreakerOpen):
            await sender.send(operation("/ok"), Order(), call(server.url))
    assert server.counts == {"/status": 3}
    assert breakers.of("shop").state is State.OPEN


async def test_answers_that_say_no_leave_the_breaker_alone() -> None:
    """A declined card is no reason to stop selling."""
    breakers = Breakers(failures=2)
    async with faulty() as server, sending(breakers) as sender:
        for status in (400, 401, 404, 409, 429) * 2:
            with pytest.raises(CallError):
                await sender.send(operation(f"/status?code={status}"), Order(), call(server.url))
    assert breakers.of("shop").state is State.CLOSED


async def test_a_full_provider_is_refused_at_once_and_says_when() -> None:
    """A job that would wait long gives its slot back."""
    narrow = provider(limits=Limits(per_second=1, concurrent=50))
    async with faulty() as server, sending(clock=lambda: 0.0) as sender:
        await sender.send(operation("/ok", of=narrow), Order(), call(server.url))
        # The second waits its second out on a clock that stands still; the third would wait longer.
        second = asyncio.create_task(sender.send(operation("/ok", of=narrow), Order(), call(server.url)))
        await asyncio.sleep(0)
        with pytest.raises(NotSent) as caught:
            await sender.send(operation("/ok", of=narrow), Order(), call(server.url))
        second.cancel()
    assert caught.value.code == "rate_limited"
    assert caught.value.retry_after == timedelta(seconds=2)
    assert server.counts["/ok"] == 1


async def test_a_read_that_declares_itself_as_such_keeps_connections() -> None:
    """A POST that only asks is a read."""
    asks = operation("/ok", of=provider(idempotent=False), effect=Effect.READ)
    async with faulty() as server, sending() as sender:
        for _ in range(3):
            await sender.send(asks, Order(), call(server.url))
    assert server.connections == 1
