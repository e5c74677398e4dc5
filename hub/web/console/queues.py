"""Queues: look, pause, resume."""

import asyncio

from aiohttp import web

from hub.domain.access import Scope
from hub.domain.spans import parse_since
from hub.web.console import pictures
from hub.web.console.overview import SPANS, span_of
from hub.web.console.page import Page, Visit


async def show(visit: Visit) -> web.StreamResponse:
    """Every queue."""
    return visit.render("queues.html", queues=await visit.hub.inspect.queues())


async def show_one(visit: Visit) -> web.StreamResponse:
    """One queue: what is in it, and how it goes."""
    name, since = visit.request.match_info["name"], span_of(visit)
    queue, statistics = await asyncio.gather(
        visit.hub.inspect.queue(name),
        visit.hub.statistics.over(parse_since(since), queue=name, providers=False),
    )
    charts = [
        pictures.throughput(statistics),
        pictures.run_times(statistics),
        pictures.depths(statistics),
        pictures.waits(statistics, name),
    ]
    return visit.render("queue.html", queue=queue, since=since, spans=SPANS, charts=charts)


async def pause(visit: Visit) -> web.StreamResponse:
    """Start nothing more from a queue."""
    name = visit.request.match_info["name"]
    await visit.hub.operate.pause(visit.principal, name, reason=visit.field("reason"))
    return visit.redirect("/console/queues", "paused")


async def resume(visit: Visit) -> web.StreamResponse:
    """Let a queue go on."""
    name = visit.request.match_info["name"]
    await visit.hub.operate.resume(visit.principal, name, reason=visit.field("reason"))
    return visit.redirect("/console/queues", "resumed")


PAGES = (
    Page("GET", "/console/queues", show, Scope.JOBS_READ, "queues"),
    Page("GET", "/console/queues/{name}", show_one, Scope.JOBS_READ_ALL, "queues"),
    Page("POST", "/console/queues/{name}/pause", pause, Scope.JOBS_OPERATE, "queues"),
    Page("POST", "/console/queues/{name}/resume", resume, Scope.JOBS_OPERATE, "queues"),
)
