"""How the hub does: what needs somebody, and how it has gone lately."""

import asyncio
from collections.abc import Mapping, Sequence
from types import MappingProxyType

from aiohttp import web

from hub.domain.access import Scope
from hub.domain.errors import NotFound
from hub.domain.spans import parse_since
from hub.services.fleet_views import QueueView
from hub.web.console import pictures
from hub.web.console.page import Page, Visit

SPANS: Mapping[str, str] = MappingProxyType(
    {"1h": "Hour", "6h": "6 hours", "24h": "Day", "7d": "Week", "30d": "Month"}
)


def span_of(visit: Visit) -> str:
    """How far back the page looks. Raises NotFound for a span that no page has."""
    asked = visit.request.query.get("since", "24h")
    if asked not in SPANS:
        raise NotFound(f"there is no view of {asked[:20]!r}")
    return asked


async def show(visit: Visit) -> web.StreamResponse:
    """Everything at one look."""
    since, hub = span_of(visit), visit.hub
    statistics, queues, providers, workers, alerts = await asyncio.gather(
        hub.statistics.over(parse_since(since), providers=False),
        hub.inspect.queues(),
        hub.fleet.providers(),
        hub.fleet.workers(),
        hub.alerts.open(),
    )
    return visit.render(
        "overview.html",
        since=since,
        spans=SPANS,
        statistics=statistics,
        providers=[
            provider
            for provider in providers
            if provider.forced or any(breaker.state != "closed" for breaker in provider.breakers)
        ],
        held=_total(queues, "held"),
        failed=_total(queues, "failed"),
        bounded={state for queue in queues for state in queue.bounded_states},
        paused=[queue for queue in queues if queue.paused],
        oldest=max(queues, key=lambda queue: queue.oldest_due_seconds or 0, default=None),
        workers=[worker for worker in workers if worker.alive],
        alerts=alerts,
        charts=[pictures.throughput(statistics), pictures.run_times(statistics), pictures.depths(statistics)],
    )


def _total(queues: Sequence[QueueView], state: str) -> int:
    return sum(queue.depth.get(state, 0) for queue in queues)


PAGES = (Page("GET", "/console/overview", show, Scope.JOBS_READ_ALL, "overview"),)
