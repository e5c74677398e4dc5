"""Providers and workers: how they are; holding a breaker, and probing."""

import asyncio
from collections.abc import Mapping
from types import MappingProxyType

from aiohttp import web

from hub.domain.access import Scope
from hub.domain.errors import Invalid, Problem
from hub.domain.overrides import Forced
from hub.domain.spans import parse_since
from hub.services.fleet_views import ProbeView
from hub.web.console import pictures
from hub.web.console.overview import SPANS, span_of
from hub.web.console.page import Page, Visit

PROVIDERS = "/console/providers"
# How long a breaker may be held, as the form offers it; the API and the command line take any time.
ENDS: Mapping[str, str] = MappingProxyType(
    {
        "": "until somebody gives it back",
        "15m": "for 15 minutes",
        "1h": "for an hour",
        "4h": "for 4 hours",
        "24h": "for a day",
    }
)


async def providers(visit: Visit) -> web.StreamResponse:
    """Every provider."""
    return visit.render("providers.html", providers=await visit.hub.fleet.providers())


async def provider(visit: Visit) -> web.StreamResponse:
    """One provider, and what can be done about it."""
    return await _page(visit, None)


async def hold(visit: Visit) -> web.StreamResponse:
    """Hold a breaker, or give it back."""
    name, fleet = visit.request.match_info["provider"], visit.hub.fleet
    state, reason = visit.field("state"), visit.field("reason")
    if state == "auto":
        await fleet.give_back(visit.principal, name, reason=reason)
        return visit.redirect(f"{PROVIDERS}/{name}", "breaker-auto")
    if state not in list(Forced) or visit.field("confirmed") is None:
        problem = Problem("/confirmed", "say that you mean the whole fleet: nothing was changed")
        raise Invalid("a breaker is held only by who confirms it", problems=(problem,))
    ends = visit.form.get("until", "")
    if ends not in ENDS:
        raise Invalid("the form offers no such time", problems=(Problem("/until", "is none of the choices"),))
    until = visit.hub.clock() + parse_since(ends) if ends else None
    await fleet.force(visit.principal, name, Forced(state), reason=reason or "", until=until)
    return visit.redirect(f"{PROVIDERS}/{name}", f"breaker-{state}")


async def probe(visit: Visit) -> web.StreamResponse:
    """Ask a provider once, and show what came of it: an answer is of this moment, so it is not kept in the address."""
    probed = await visit.hub.fleet.probe(visit.principal, visit.request.match_info["provider"])
    return await _page(visit, probed)


async def workers(visit: Visit) -> web.StreamResponse:
    """Every worker."""
    return visit.render("workers.html", workers=await visit.hub.fleet.workers())


async def _page(visit: Visit, probed: ProbeView | None) -> web.Response:
    name, since = visit.request.match_info["provider"], span_of(visit)
    view, series = await asyncio.gather(
        visit.hub.fleet.provider(name), visit.hub.statistics.calls(parse_since(since), name)
    )
    points = series[name].points if name in series else []
    charts = [pictures.calls(points), pictures.latency(points)] if points else []
    return visit.render(
        "provider.html",
        provider=view,
        probed=probed,
        ends=ENDS,
        since=since,
        spans=SPANS,
        charts=charts,
    )


PAGES = (
    Page("GET", PROVIDERS, providers, Scope.JOBS_READ, "providers"),
    Page("GET", f"{PROVIDERS}/{{provider}}", provider, Scope.JOBS_READ_ALL, "providers"),
    Page("POST", f"{PROVIDERS}/{{provider}}/breaker", hold, Scope.PROVIDERS_OPERATE, "providers"),
    Page("POST", f"{PROVIDERS}/{{provider}}/probe", probe, Scope.PROVIDERS_OPERATE, "providers"),
    Page("GET", "/console/workers", workers, Scope.JOBS_READ_ALL, "workers"),
)
