"""Alerts: what is open, what was, whom they are told."""

from aiohttp import web

from hub.domain.access import Scope
from hub.domain.errors import NotFound
from hub.web.console.page import Page, Visit

ALERTS = "/console/alerts"


async def show(visit: Visit) -> web.StreamResponse:
    """What is open, or what is over, page by page."""
    view, alerts = visit.request.query.get("view", "open"), visit.hub.alerts
    if view not in {"open", "past"}:
        raise NotFound(f"there is no view {view[:50]!r} of the alerts")
    opened = await alerts.open()
    page = (
        await alerts.list_all(cursor=visit.request.query.get("cursor"), past=True) if view == "past" else None
    )
    return visit.render(
        "alerts.html",
        view=view,
        open_count=len(opened),
        alerts=page.items if page else opened,
        next_cursor=page.next_cursor if page else None,
        channels=alerts.channels,
    )


async def test(visit: Visit) -> web.StreamResponse:
    """Send a test message to every channel."""
    await visit.hub.alerts.test(visit.principal)
    return visit.redirect(ALERTS, "alerts-tested")


PAGES = (
    Page("GET", ALERTS, show, Scope.JOBS_READ_ALL, "alerts"),
    Page("POST", f"{ALERTS}/test", test, Scope.PROVIDERS_OPERATE, "alerts"),
)
