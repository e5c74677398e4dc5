"""What is known of one request while it is answered."""

from collections.abc import Callable
from dataclasses import dataclass

from aiohttp import web

from hub.domain.ratelimit import Allowance
from hub.services.hub import Hub
from hub.web.problems import Explained

HUB = web.AppKey("hub", Hub)
UNMATCHED = "unmatched"


@dataclass(slots=True)
class Call:
    """One request. Filled in as it is taken apart.

    Attributes:
        correlation_id: in every answer, log line and job that follows from it.
        route: the path of the endpoint, for the metrics; never the path as asked for.
        allowance: what its key's rate limit said, once that was asked.
        waits: it is slow because it was asked to wait.
        tell: how an error is told; None for a problem document.
    """

    correlation_id: str
    route: str = UNMATCHED
    allowance: Allowance | None = None
    waits: bool = False
    tell: Callable[[Explained], web.Response] | None = None


_CALL = web.RequestKey("call", Call)


def begin(request: web.Request, correlation_id: str) -> Call:
    """Note that a request is being answered."""
    call = Call(correlation_id)
    request[_CALL] = call
    return call


def call_of(request: web.Request) -> Call:
    """What is known of a request."""
    return request[_CALL]
