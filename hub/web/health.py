"""Whether the process lives, whether it can serve, and what it has counted. Nothing here tells a secret."""

import asyncio
from collections.abc import Awaitable

import structlog
from aiohttp import web

from hub.domain.errors import Unavailable
from hub.infra import revisions
from hub.infra.metrics import CONTENT_TYPE
from hub.infra.revisions import Standing
from hub.services.hub import Hub
from hub.web.answers import JSON_HEADERS, PLAIN_HEADERS, json_answer
from hub.web.endpoints import Context

log = structlog.get_logger("hub.web")

_PATIENCE = 2.0  # seconds; an orchestrator asks again soon


async def live(_request: web.Request, _context: Context) -> web.StreamResponse:
    """The process answers. No store is asked: one that is away is no reason to restart the process."""
    return await live_answer()


async def ready(_request: web.Request, context: Context) -> web.StreamResponse:
    """Whether requests should be sent here: 200 with the database at the release's schema, else 503.

    Without Redis it is degraded and ready: everything is accepted, and starts a moment later.
    """
    return await ready_answer(context.hub)


async def metrics(_request: web.Request, context: Context) -> web.StreamResponse:
    """What was counted, for Prometheus."""
    return await metrics_answer(context.hub)


async def live_answer() -> web.Response:
    """`live`, for any server of a process."""
    return web.Response(body=b'{"status":"ok"}', headers=JSON_HEADERS)


async def ready_answer(hub: Hub) -> web.Response:
    """`ready`, for any server of a process."""
    database, redis = await asyncio.gather(_asked("database", _schema(hub)), _asked("redis", _redis(hub)))
    able = database in {"ok", "ahead"}
    status = "unavailable" if not able else "ok" if redis == "ok" else "degraded"
    checks = {"database": "away" if database == "away" else "ok", "schema": database, "redis": redis}
    return json_answer({"status": status, "checks": checks}, 200 if able else 503)


async def metrics_answer(hub: Hub) -> web.Response:
    """`metrics`, for any server of a process."""
    await hub.gauges.refresh()
    response = web.Response(body=hub.metrics.render(), headers=PLAIN_HEADERS)
    response.headers["Content-Type"] = CONTENT_TYPE
    return response


async def _asked(store: str, ask: Awaitable[str]) -> str:
    """How a store is; `away` where it does not say so in time."""
    try:
        async with asyncio.timeout(_PATIENCE):
            return await ask
    except (Unavailable, TimeoutError):
        return "away"
    except Exception as error:
        log.warning("not ready", store=store, exc_info=error)
        return "away"


async def _schema(hub: Hub) -> str:
    """`ok`, `behind` (migrate it) or `ahead` (of a newer release, which this one can live with)."""
    standing = revisions.standing(await hub.inspect.revision())
    return "ok" if standing is Standing.CURRENT else standing.value


async def _redis(hub: Hub) -> str:
    await hub.queue.ping()
    return "ok"
