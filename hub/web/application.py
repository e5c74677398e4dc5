"""The web application: routes, made of the table of endpoints, with one guard before each and one middleware around all."""

import time
from collections.abc import Awaitable, Callable
from uuid import UUID

from aiohttp import web

from hub.domain.access import Principal
from hub.domain.ids import ApplicationId, KeyId
from hub.services.hub import Hub
from hub.web.api.table import endpoints_of
from hub.web.auth import authenticate, authorise
from hub.web.bodies import Bodies
from hub.web.calls import HUB, call_of
from hub.web.console.console import Console
from hub.web.console.guard import Guard
from hub.web.console.visitor import Visitors
from hub.web.docs import docs_of
from hub.web.endpoints import Context, Endpoint
from hub.web.middleware import edge
from hub.web.ratelimit import RateLimits, refuse
from hub.web.reading import query_of, refuse_nul
from hub.web.schemas import NoQuery

BODY_TIMEOUT = 20.0  # seconds
_NOBODY = Principal(ApplicationId(UUID(int=0)), "nobody", KeyId(UUID(int=0)), frozenset())


def create_app(
    hub: Hub,
    *,
    body_timeout: float = BODY_TIMEOUT,
    clock: Callable[[], float] = time.monotonic,
    visitors: Visitors | None = None,
) -> web.Application:
    """The application that serves a hub.

    Args:
        hub: everything it works with.
        body_timeout: seconds that a body may take to arrive.
        clock: steady seconds, for the rate limits.
        visitors: who has logged in to the console; None for who shows a session.
    """
    config = hub.config.web
    limits = RateLimits(config.rate_limit, config.rate_burst, clock)
    largest = max(config.max_body, config.max_batch_body, config.max_webhook_body)
    bodies = Bodies(body_timeout, hub.config.pending.bytes)
    app = web.Application(middlewares=[edge(hub, limits)], client_max_size=largest)
    app[HUB] = hub
    for endpoint in (*endpoints_of(hub.registry), *docs_of(hub.registry).endpoints()):
        routed = _routed(endpoint, hub, limits, bodies)
        resource = app.router.add_resource(endpoint.path)
        resource.add_route(endpoint.method, routed)
        if endpoint.method == "GET":
            # Load balancers ask for the head alone, and aiohttp leaves the body out.
            resource.add_route("HEAD", routed)
    Console(hub, visitors or Guard(hub), bodies).mount(app)
    return app


def _routed(
    endpoint: Endpoint, hub: Hub, limits: RateLimits, bodies: Bodies
) -> Callable[[web.Request], Awaitable[web.StreamResponse]]:
    """The endpoint's handler behind its guard."""
    scope, handler, path = endpoint.scope, endpoint.handler, endpoint.path

    async def opened(request: web.Request) -> web.StreamResponse:
        call = call_of(request)
        call.route = path
        return await handler(request, Context(hub, call, _NOBODY, bodies))

    if scope is None:
        return opened

    async def guarded(request: web.Request) -> web.StreamResponse:
        call = call_of(request)
        call.route = path
        principal = await authenticate(hub.keys, request, confirms=endpoint.confirms)
        allowance = call.allowance = limits.take(principal.key)
        if allowance is not None:
            refuse(allowance)
        authorise(principal, scope)
        refuse_nul(request)
        if endpoint.query is NoQuery and request.query_string:
            query_of(request, NoQuery)
        return await handler(request, Context(hub, call, principal, bodies))

    return guarded
