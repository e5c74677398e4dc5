"""Queues: look, pause, resume."""

from aiohttp import web

from hub.domain.errors import NotFound
from hub.domain.specs import QUEUE_NAME
from hub.services.listings import Listing
from hub.web.answers import json_answer
from hub.web.endpoints import Context
from hub.web.reading import optional_body
from hub.web.schemas import Why


async def list_queues(_request: web.Request, context: Context) -> web.StreamResponse:
    """Every queue."""
    return json_answer(Listing(await context.hub.inspect.queues()))


async def pause(request: web.Request, context: Context) -> web.StreamResponse:
    """Pause a queue."""
    queue, why = _name(request), await optional_body(request, context, Why)
    return json_answer(await context.hub.operate.pause(context.principal, queue, reason=why.reason))


async def resume(request: web.Request, context: Context) -> web.StreamResponse:
    """Let a queue go on."""
    queue, why = _name(request), await optional_body(request, context, Why)
    return json_answer(await context.hub.operate.resume(context.principal, queue, reason=why.reason))


def _name(request: web.Request) -> str:
    name = request.match_info["name"]
    if not QUEUE_NAME.fullmatch(name):
        raise NotFound(f"there is no queue {name[:100]!r}", code="unknown_queue")
    return name
