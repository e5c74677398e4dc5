"""The stand-in as an aiohttp application."""

import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass

from aiohttp import web

from tests.simulators.serving import serving
from tests.simulators.stripe import customers, payment_intents, refunds
from tests.simulators.stripe.account import Account, Call, Json
from tests.simulators.stripe.control import Control
from tests.simulators.stripe.endpoints import Endpoints, Operation
from tests.simulators.stripe.errors import StripeError
from tests.simulators.stripe.webhooks import Deliveries

OPERATIONS: tuple[tuple[str, str, Operation], ...] = (
    ("GET", "/v1/balance", lambda _account, _call: {"object": "balance", "available": [], "livemode": False}),
    ("POST", "/v1/customers", customers.create),
    ("GET", "/v1/customers/{id}", customers.retrieve),
    ("POST", "/v1/customers/{id}", customers.update),
    ("POST", "/v1/payment_intents", payment_intents.create),
    ("GET", "/v1/payment_intents/{id}", payment_intents.retrieve),
    ("POST", "/v1/payment_intents/{id}/confirm", payment_intents.confirm),
    ("POST", "/v1/payment_intents/{id}/capture", payment_intents.capture),
    ("POST", "/v1/payment_intents/{id}/cancel", payment_intents.cancel),
    ("POST", "/v1/refunds", refunds.create),
    ("GET", "/v1/refunds/{id}", refunds.retrieve),
)


def _unknown(_: Account, call: Call) -> Json:
    raise StripeError(404, f"Unrecognized request URL (/v1/{call.id}).")


def _opened(deliveries: Deliveries) -> Callable[[web.Application], AsyncIterator[None]]:
    async def lifetime(_: web.Application) -> AsyncIterator[None]:
        await deliveries.open()
        yield
        await deliveries.close()

    return lifetime


@dataclass(frozen=True, slots=True)
class StripeSimulator:
    """One account with its HTTP face."""

    endpoints: Endpoints
    deliveries: Deliveries
    app: web.Application

    @property
    def account(self) -> Account:
        """The objects and the ledger of effects."""
        return self.endpoints.account


@dataclass(frozen=True, slots=True)
class RunningStripe:
    """A stand-in that is being served in this process."""

    url: str
    simulator: StripeSimulator


def simulator(*, now: Callable[[], float] = time.time) -> StripeSimulator:
    """A new account; must be called inside a running event loop."""
    endpoints = Endpoints(Account(now))
    deliveries = Deliveries(endpoints.account)
    app = web.Application()
    for method, path, operation in OPERATIONS:
        app.router.add_route(method, path, endpoints.handler(operation))
    app.router.add_routes(Control(endpoints, deliveries).routes())
    app.router.add_route("*", "/v1/{id:.*}", endpoints.handler(_unknown))
    app.cleanup_ctx.append(_opened(deliveries))

    async def let_go(_: web.Application) -> None:
        endpoints.release_stalled()

    app.on_shutdown.append(let_go)
    return StripeSimulator(endpoints, deliveries, app)


def application() -> web.Application:
    """A new account, as an application for a server of one's own."""
    return simulator().app


@asynccontextmanager
async def running(
    *, host: str = "127.0.0.1", port: int = 0, now: Callable[[], float] = time.time
) -> AsyncIterator[RunningStripe]:
    """Serve a new account in this event loop while the block runs."""
    stand_in = simulator(now=now)
    async with serving(stand_in.app, host=host, port=port) as url:
        yield RunningStripe(url, stand_in)
