"""Providers and workers: look, hold a breaker, probe."""

from datetime import timedelta
from typing import Annotated, Literal

from aiohttp import web
from pydantic import StringConstraints

from hub.domain.access import Scope
from hub.domain.overrides import Forced
from hub.services.fleet_views import BreakerView, OverrideView, ProbeView, ProviderView, WorkerView
from hub.services.listings import Listing
from hub.services.statistics_views import CallsSummary, Percentiles
from hub.web.answers import json_answer
from hub.web.api.examples import AT, WORKER
from hub.web.endpoints import Context, Endpoint, Outcome, Shape
from hub.web.reading import json_of, validated
from hub.web.schemas import Moment, Request

TAG = "Queues and providers"


class BreakerOrder(Request):
    """What a provider's breakers are to do, in the whole fleet."""

    state: Literal["open", "closed", "auto"]
    """`open`: send nothing; `closed`: send everything, however often it fails; `auto`: as the provider's answers say."""
    reason: Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=500)]
    """Why; kept in the audit log, and shown with every job that waits for it."""
    until: Moment | None = None
    """When it ends by itself, a year ahead at most; by default when somebody says `auto`."""


async def list_providers(_request: web.Request, context: Context) -> web.StreamResponse:
    """Every provider."""
    return json_answer(Listing(await context.hub.fleet.providers()))


async def read_provider(request: web.Request, context: Context) -> web.StreamResponse:
    """One provider."""
    return json_answer(await context.hub.fleet.provider(request.match_info["provider"]))


async def order_breaker(request: web.Request, context: Context) -> web.StreamResponse:
    """Hold a provider's breakers, or give them back."""
    name, fleet = request.match_info["provider"], context.hub.fleet
    body, _ = await json_of(request, context, context.hub.config.web.max_body)
    order = validated(BreakerOrder, body)
    if order.state == "auto":
        return json_answer(await fleet.give_back(context.principal, name, reason=order.reason))
    held = await fleet.force(
        context.principal, name, Forced(order.state), reason=order.reason, until=order.until
    )
    return json_answer(held)


async def probe(request: web.Request, context: Context) -> web.StreamResponse:
    """Send a provider one harmless request."""
    return json_answer(await context.hub.fleet.probe(context.principal, request.match_info["provider"]))


async def list_workers(_request: web.Request, context: Context) -> web.StreamResponse:
    """Every worker."""
    return json_answer(Listing(await context.hub.fleet.workers()))


_STRIPE = ProviderView(
    name="stripe",
    base_url="https://api.stripe.com",
    per_second=80,
    concurrent=50,
    timeout_seconds=20,
    idempotent_seconds=86_400,
    breakers=[BreakerView("", "closed", 0, None, 214, 0.005)],
    forced=None,
    parked_jobs=0,
    parked_bounded=False,
    next_parked_at=None,
    probe="stripe GET /v1/balance",
    no_probe=None,
    last_hour=CallsSummary(5_214, 26, 12, 0, 0.005, Percentiles(0.212, 0.611, 1.42)),
)
_HELD = ProviderView(
    **{
        **{name: getattr(_STRIPE, name) for name in ProviderView.__slots__},
        "breakers": [BreakerView("", "open", 0, AT + timedelta(hours=2), 0, 0.0)],
        "forced": OverrideView(Forced.OPEN, "announced maintenance", "ada", AT, AT + timedelta(hours=2)),
        "parked_jobs": 12,
        "next_parked_at": AT + timedelta(seconds=30),
    }
)
_PROBED = ProbeView("stripe", "stripe GET /v1/balance", True, None, None, None, 118.4, AT)
_WORKER = WorkerView(
    WORKER, "hub-worker-1", 7, "2027.1", ["default", "payments"], 100, 8, True, AT, AT + timedelta(seconds=8)
)
_ORDER = {"state": "open", "reason": "announced maintenance", "until": "2027-01-31T11:00:00Z"}


def endpoints() -> tuple[Endpoint, ...]:
    """Where they are found."""
    return (
        Endpoint(
            "GET", "/v1/providers", list_providers, Scope.JOBS_READ, "listProviders", TAG,
            "List providers", "Their breakers, limits, recent errors, and how many jobs wait for them.",
            (Outcome(200, "Every provider", Shape(Listing[ProviderView], Listing([_STRIPE]))),),
        ),
        Endpoint(
            "GET", "/v1/providers/{provider}", read_provider, Scope.JOBS_READ, "getProvider", TAG,
            "Look a provider up", "The same of one.",
            (Outcome(200, "The provider", Shape(ProviderView, _STRIPE)),), refusals=(404,),
        ),
        Endpoint(
            "POST", "/v1/providers/{provider}/breaker", order_breaker, Scope.PROVIDERS_OPERATE, "orderBreaker", TAG,
            "Hold a provider's breaker, or give it back",
            "For every process of the hub, within a second, and over restarts. Jobs that meet a breaker held `open` wait, at no"
            " cost to their retries, and say who holds it and why.",
            (Outcome(200, "The provider", Shape(ProviderView, _HELD)),),
            body=Shape(BreakerOrder, _ORDER), refusals=(404,),
        ),
        Endpoint(
            "POST", "/v1/providers/{provider}/probe", probe, Scope.PROVIDERS_OPERATE, "probeProvider", TAG,
            "Probe a provider",
            "Sends one read that changes nothing, whatever the breaker says, and leaves the breaker as it is. 200 says that it"
            " was sent; `ok` whether it was answered well. Waits 10 seconds at most.",
            (Outcome(200, "What came of it", Shape(ProbeView, _PROBED)),), refusals=(404, 409),
        ),
        Endpoint(
            "GET", "/v1/workers", list_workers, Scope.JOBS_READ_ALL, "listWorkers", TAG,
            "List workers", "Every worker that has not stopped, with what it runs now.",
            (Outcome(200, "Every worker", Shape(Listing[WorkerView], Listing([_WORKER]))),),
        ),
    )  # fmt: skip
