"""A provider made up for the tests of calls, and the sender that calls it."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any

from hub import Args, Call, Effect, Idempotency, Limits, Operation, Provider, Result, bearer
from hub.infra.breakers import Breakers
from hub.infra.sender import Sender

NO_LIMITS = Limits()
SECRET = "sk_live_0123456789abcdef"


class Order(Args):
    number: int = 7


class Done(Result):
    method: str = ""
    path: str = ""


def provider(
    *,
    timeout: float = 5.0,
    limits: Limits = NO_LIMITS,
    idempotent: bool = True,
) -> Provider:
    """A provider with everything a provider can have."""
    return Provider(
        "shop",
        auth=bearer("secret_key"),
        idempotency=Idempotency("Idempotency-Key", timedelta(hours=24)) if idempotent else None,
        limits=limits,
        timeout=timedelta(seconds=timeout),
    )


def operation(
    path: str, method: str = "POST", of: Provider | None = None, effect: Effect | None = None
) -> Operation[Order, Done]:
    """Its operation at a path."""
    return (of or provider()).operation(method, path, Order, Done, effect=effect)


def call(base_url: str, **credentials: Any) -> Call:
    """A call to it."""
    return Call(base_url, {"secret_key": SECRET, **credentials}, "hub-key-1", "request-1")


@asynccontextmanager
async def sending(breakers: Breakers | None = None, **options: Any) -> AsyncIterator[Sender]:
    """A sender whose breakers do not interfere, unless they are given."""
    async with Sender(breakers or Breakers(failures=1_000_000), **options) as sender:
        yield sender
