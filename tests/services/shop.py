"""Two providers made up for tests, and the server that plays both: one remembers idempotency keys, one does not."""

import asyncio
import json
from collections import Counter
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any

import httpx

from hub import Args, Effect, Idempotency, Provider, Result

KEPT_FOR = timedelta(hours=24)

shop = Provider(
    "shop",
    base_url="https://shop.test",
    idempotency=Idempotency("Idempotency-Key", KEPT_FOR),
    timeout=timedelta(seconds=5),
)
post = Provider(
    "post",
    base_url="https://post.test",
    timeout=timedelta(seconds=5),
    no_probe="letters cannot be called back",
)


once = Provider("shop_once", base_url="https://once.test", no_probe="made up")


class Order(Args):
    item: str = "book"


class Nothing(Args):
    pass


class Done(Result):
    number: int


charge = shop.operation("POST", "/charges", Order, Done, effect=Effect.MONEY)
charge_once = once.operation("POST", "/charges", Order, Done, effect=Effect.MONEY)
wrap = shop.operation("POST", "/wraps", Order, Done)
look = shop.operation("GET", "/stock", Order, Done)
hello = shop.operation("GET", "/hello", Nothing, Done, probe=True)
letter = post.operation("POST", "/letters", Order, Done, effect=Effect.MESSAGE)

Answer = Callable[[httpx.Request], httpx.Response | Exception | Awaitable[httpx.Response | Exception]]


class Server(httpx.AsyncBaseTransport):
    """Answers 200 with a number, or what `answers` says; counts effects as a provider would.

    Attributes:
        answers: what the next calls get, in order; then all is well again.
        requests: all that arrived.
        effects: what was done, once for each idempotency key, every time without one.
    """

    def __init__(self) -> None:
        self.answers: list[Answer] = []
        self.requests: list[httpx.Request] = []
        self.effects: list[str] = []
        self._known: dict[str, int] = {}

    @property
    def keys(self) -> list[str]:
        """The idempotency keys, in order of arrival."""
        return [request.headers["Idempotency-Key"] for request in self.requests]

    @property
    def items(self) -> Counter[str]:
        """What was done, by what was asked for."""
        return Counter(self.effects)

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        self.requests.append(request)
        answer = self.answers.pop(0) if self.answers else self.do
        given = answer(request)
        if not isinstance(given, httpx.Response | Exception):
            given = await given
        if isinstance(given, Exception):
            raise given
        return given

    def do(self, request: httpx.Request) -> httpx.Response:
        """All is well."""
        key = request.headers.get("Idempotency-Key")
        if key is None or key not in self._known:
            if request.method == "POST":
                self.effects.append(json.loads(request.content)["item"])
            number = len(self.requests)
            if key is not None:
                self._known[key] = number
        else:
            number = self._known[key]
        return httpx.Response(200, json={"number": number})

    def do_and_vanish(self, request: httpx.Request) -> Exception:
        """The effect exists, and the answer is lost."""
        self.do(request)
        return httpx.ReadTimeout("")

    def do_when(self, moment: asyncio.Event) -> Answer:
        """All is well, after a while."""

        async def later(request: httpx.Request) -> httpx.Response:
            await moment.wait()
            return self.do(request)

        return later


def says(status: int, body: Any = None, **headers: str) -> Answer:
    """An answer of this status."""
    return lambda _request: httpx.Response(status, json=body or {}, headers=headers)
