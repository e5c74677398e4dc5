"""The audit log: who did what, when and why."""

from datetime import UTC, datetime, timedelta

from aiohttp import web

from hub.domain.access import Scope
from hub.domain.errors import Invalid
from hub.services.audit import AuditFilter
from hub.web.console.page import Page, Visit

# What leads from a subject to its page, by the first word of the action.
_PAGES = {
    "job": "/console/jobs/{}",
    "event": "/console/events/{}",
    "operator": "/console/people/{}",
    "plan": "/console/plans/{}",
}


async def show(visit: Visit) -> web.StreamResponse:
    """A part of the log, newest first."""
    query = visit.request.query
    given = {
        name: query.get(name, "").strip()[:300] for name in ("actor", "action", "subject", "since", "until")
    }
    since, until = _day(given["since"], "since"), _day(given["until"], "until")
    wanted = AuditFilter(
        actor=given["actor"] or None,
        action=given["action"] or None,
        subject=given["subject"] or None,
        since=since,
        # The day itself is part of what is asked for.
        until=until + timedelta(days=1) if until else None,
    )
    page = await visit.hub.audit.list(wanted, cursor=query.get("cursor"))
    return visit.render(
        "audit.html",
        entries=page.items,
        next_cursor=page.next_cursor,
        actions=await visit.hub.audit.actions(),
        given=given,
        filtered=any(given.values()),
        pages=_PAGES,
    )


def _day(text: str, name: str) -> datetime | None:
    if not text:
        return None
    try:
        return datetime.strptime(text, "%Y-%m-%d").replace(tzinfo=UTC)
    except ValueError:
        raise Invalid(f"{name} must be a day, as 2027-01-31", code="invalid") from None


PAGES = (Page("GET", "/console/audit", show, Scope.AUDIT_READ, "audit"),)
