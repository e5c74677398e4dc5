"""Queues: look, pause, resume."""

from aiohttp import web

from hub.domain.access import Scope
from hub.web.console.page import Page, Visit


async def show(visit: Visit) -> web.StreamResponse:
    """Every queue."""
    return visit.render("queues.html", queues=await visit.hub.inspect.queues())


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
    Page("POST", "/console/queues/{name}/pause", pause, Scope.JOBS_OPERATE, "queues"),
    Page("POST", "/console/queues/{name}/resume", resume, Scope.JOBS_OPERATE, "queues"),
)
