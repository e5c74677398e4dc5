"""Received webhooks: look, and replay."""

from aiohttp import web

from hub.domain.search import EVENTS, parse
from hub.services.filters import EventFilter
from hub.web.answers import json_answer
from hub.web.endpoints import Context
from hub.web.reading import id_in, optional_body, query_of
from hub.web.schemas import EventsQuery, Why


async def list_events(request: web.Request, context: Context) -> web.StreamResponse:
    """A part of the events."""
    query = query_of(request, EventsQuery)
    wanted = EventFilter(
        source=query.source,
        type=query.type,
        external_id=query.external_id,
        correlation_id=query.correlation_id,
        received_after=query.received_after,
        received_before=query.received_before,
        search=parse(query.q, context.hub.clock(), EVENTS),
    )
    page = await context.hub.inspect.list_events(wanted, limit=query.limit, cursor=query.cursor)
    return json_answer(page)


async def read(request: web.Request, context: Context) -> web.StreamResponse:
    """One event with its raw body."""
    return json_answer(await context.hub.inspect.get_event(id_in(request, "event")))


async def replay(request: web.Request, context: Context) -> web.StreamResponse:
    """Make new jobs for an event."""
    event, why = id_in(request, "event"), await optional_body(request, context, Why)
    return json_answer(await context.hub.operate.replay_event(context.principal, event, reason=why.reason))
