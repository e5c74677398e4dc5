"""The worker's own small server: whether it lives, whether it can work, and what it has counted."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

from aiohttp import web

from hub.infra.logs import logger
from hub.services.hub import Hub
from hub.web import health

Answer = Callable[[], Awaitable[web.Response]]


@asynccontextmanager
async def serving(hub: Hub) -> AsyncIterator[tuple[str, int] | None]:
    """Serve while inside, if HUB_WORKER_METRICS_PORT is set; gives the address and port. Raises OSError."""
    port = hub.config.worker.metrics_port
    if port is None:
        yield None
        return
    runner = web.AppRunner(create_app(hub), access_log=None, shutdown_timeout=1.0)
    await runner.setup()
    try:
        await web.TCPSite(runner, hub.config.web.host, port).start()
        host, bound = runner.addresses[0][:2]
        logger("hub.worker").info("serving metrics", host=host, port=bound)
        yield host, bound
    finally:
        await runner.cleanup()


def create_app(hub: Hub) -> web.Application:
    """The application: no key, no document, nothing that changes anything."""
    app = web.Application()
    app.router.add_get("/livez", _answering(health.live_answer))
    app.router.add_get("/readyz", _answering(lambda: health.ready_answer(hub)))
    app.router.add_get("/metrics", _answering(lambda: health.metrics_answer(hub)))
    return app


def _answering(answer: Answer) -> Callable[[web.Request], Awaitable[web.Response]]:
    async def handler(_request: web.Request) -> web.Response:
        return await answer()

    return handler
