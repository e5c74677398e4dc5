"""What happens around every request: one middleware, because each one costs every request something."""

from collections.abc import Awaitable, Callable
from time import perf_counter

import uuid_utils
from aiohttp import web
from aiohttp.typedefs import Middleware

from hub.domain.correlation import correlation_id
from hub.infra.logs import logger
from hub.infra.recurring import Recurring
from hub.services.hub import Hub
from hub.web.calls import UNMATCHED, Call, begin
from hub.web.problems import INTERNAL, explain
from hub.web.ratelimit import RateLimits

SLOW = 1.0  # seconds from which a request is worth a line in the log


def edge(hub: Hub, limits: RateLimits) -> Middleware:
    """Give every request its correlation id, every error its problem document, and count it."""
    log = logger("hub.web")
    # Thousands a second while a store is away; `hub_http_requests` counts them.
    refused = Recurring(log, "request refused", again=10.0)

    @web.middleware
    async def around(
        request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
    ) -> web.StreamResponse:
        began = perf_counter()
        call = begin(request, correlation_id(request.headers, uuid_utils.uuid7().hex))
        try:
            response = await handler(request)
        except Exception as error:  # noqa: BLE001 - every error becomes an answer here
            response = _answer_for(error, request, call)
        headers = response.headers
        headers["X-Request-Id"] = call.correlation_id
        if call.allowance is not None:
            limits.announce(call.allowance, headers)
        seconds = perf_counter() - began
        hub.metrics.request(request.method, call.route, response.status, seconds)
        if seconds > SLOW and not call.waits and response.status != 503:
            log.warning("slow request", seconds=round(seconds, 3), **_described(request, call))
        return response

    def _answer_for(error: Exception, request: web.Request, call: Call) -> web.Response:
        explained = explain(error)
        if explained is None:
            # Nothing is told of what nobody foresaw: it could hold anything.
            log.error("request failed", exc_info=error, **_described(request, call))
            hub.reporter.report(error, route=call.route, correlation_id=call.correlation_id)
            explained = INTERNAL
        elif explained.status >= 500:
            refused.note(explained.detail, **_described(request, call))
        return call.tell(explained) if call.tell else explained.response(call.correlation_id)

    return around


def _described(request: web.Request, call: Call) -> dict[str, str]:
    # The path as asked for may hold anything; it is shown where no endpoint's own path can be.
    path = request.path[:200] if call.route == UNMATCHED else call.route
    return {"method": request.method, "route": path, "correlation_id": call.correlation_id}
