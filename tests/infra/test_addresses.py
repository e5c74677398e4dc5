"""Where requests may go whose URL comes from arguments."""

import socket

import pytest
from aiohttp.abc import AbstractResolver, ResolveResult

from hub import Call, Operation, Rejected
from hub.domain.errors import BreakerOpen, NotSent
from hub.infra.addresses import is_public
from hub.infra.breakers import Breakers
from integrations import http
from tests.infra.calls import sending
from tests.simulators.faulty import FaultyServer, faulty

PRIVATE = [
    "0.0.0.0",  # noqa: S104 - no socket is bound to it
    "10.0.0.1",
    "100.64.0.1",
    "127.0.0.1",
    "127.8.8.8",
    "169.254.169.254",
    "172.16.0.1",
    "192.0.0.1",
    "192.168.1.1",
    "198.18.0.1",
    "203.0.113.1",
    "224.0.0.1",
    "240.0.0.1",
    "255.255.255.255",
    "::",
    "::1",
    "::ffff:127.0.0.1",
    "::ffff:10.0.0.1",
    "64:ff9b::7f00:1",
    "64:ff9b::a9fe:a9fe",
    "64:ff9b:1::1",
    "2001:db8::1",
    "2001::1",
    "2002:7f00:1::",
    "fc00::1",
    "fe80::1",
    "fe80::1%eth0",
    "fec0::1",
    "ff02::1",
    "localhost",
    "",
]
PUBLIC = ["1.1.1.1", "8.8.8.8", "2606:4700:4700::1111", "::ffff:1.1.1.1", "64:ff9b::101:101"]


@pytest.mark.parametrize("address", PRIVATE)
def test_an_address_that_is_not_public_is_told(address: str) -> None:
    """In each of its disguises."""
    assert not is_public(address)


@pytest.mark.parametrize("address", PUBLIC)
def test_a_public_address_is_let_through(address: str) -> None:
    """The guard is no wall."""
    assert is_public(address)


class Pointing(AbstractResolver):
    """Every name means the loopback, as in DNS rebinding."""

    def __init__(self, address: str = "127.0.0.1") -> None:
        self.address = address

    async def resolve(
        self,
        host: str,
        port: int = 0,
        family: socket.AddressFamily = socket.AF_INET,  # noqa: ARG002 - aiohttp's name
    ) -> list[ResolveResult]:
        return [
            ResolveResult(
                hostname=host, host=self.address, port=port, family=socket.AF_INET, proto=0, flags=0
            )
        ]

    async def close(self) -> None:
        pass


def _call(**credentials: str) -> Call:
    return Call("", credentials, "hub-key-1", "request-1")


def _url(server: FaultyServer, host: str) -> str:
    return server.url.replace("127.0.0.1", host) + "/ok"


@pytest.mark.parametrize(
    "host", ["127.0.0.1", "localhost", "[::ffff:127.0.0.1]", "innocent.example", "2130706433", "127.1"]
)
@pytest.mark.parametrize("operation", [http.send, http.send_repeatable, http.fetch])
async def test_the_guard_looks_at_the_address_that_is_connected_to(
    host: str, operation: Operation[http.Send | http.Fetch, http.HttpAnswer]
) -> None:
    """Whether it is written into the URL or a name resolves to it; refused for good, and nothing arrives."""
    async with faulty() as server, sending(resolver=Pointing()) as sender:
        args = operation.args.model_validate({"url": _url(server, host)})
        with pytest.raises(Rejected) as caught:
            await sender.send(operation, args, _call())
    assert caught.value.code in {"address_not_allowed", "invalid_url"}
    assert ("HUB_HTTP_ALLOW_PRIVATE" in str(caught.value)) is (caught.value.code == "address_not_allowed")
    assert server.connections == 0


async def test_private_addresses_are_called_when_they_are_allowed() -> None:
    """Internal receivers are what some hubs are for."""
    async with faulty() as server, sending(resolver=Pointing()) as sender:
        args = http.Send(url=_url(server, "innocent.example"), body={"a": 1})  # type: ignore[arg-type]
        answer = await sender.send(http.send, args, _call(allow_private="1"))
    assert answer.status == 200
    assert server.requests[0].headers["idempotency-key"] == "hub-key-1"


async def test_a_base_url_lends_its_trust_to_nothing_but_itself() -> None:
    """An address that only begins like the configured one is not the configured one."""
    async with faulty() as server, sending(resolver=Pointing()) as sender:
        call = Call("http://127.0.0.1", {}, "hub-key-1", "request-1")
        with pytest.raises(Rejected):
            await sender.send(http.fetch, http.Fetch(url=server.url + "/ok"), call)  # type: ignore[arg-type]
    assert server.connections == 0


async def test_each_receiver_has_its_own_breaker() -> None:
    """One receiver that is down does not stop what goes to the others."""
    breakers = Breakers(failures=1)
    async with faulty() as server, sending(breakers) as sender:
        call = _call(allow_private="true")
        down = http.Fetch(url=server.refused_url())  # type: ignore[arg-type]
        with pytest.raises(NotSent):
            await sender.send(http.fetch, down, call)
        with pytest.raises(BreakerOpen):
            await sender.send(http.fetch, down, call)
        up = http.Fetch(url=server.url + "/ok")  # type: ignore[arg-type]
        assert (await sender.send(http.fetch, up, call)).status == 200
