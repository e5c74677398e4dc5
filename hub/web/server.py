"""Serving: sockets, limits of the protocol, and a stop that loses nothing."""

import asyncio
import signal
import socket
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from typing import Any

import uuid_utils
from aiohttp import web
from aiohttp.web_protocol import RequestHandler

from hub.infra.logs import logger
from hub.services.hub import Hub
from hub.web.application import BODY_TIMEOUT, create_app
from hub.web.console.visitor import Visitors
from hub.web.problems import INTERNAL, Explained

_LIMITS: dict[str, Any] = {
    "access_log": None,
    "max_line_size": 8_190,
    "max_field_size": 8_190,
    "max_headers": 100,
    # Longer than the idle timeout of common load balancers (60 s), so that they close connections and not we.
    # It also ends a connection whose headers do not come.
    "keepalive_timeout": 75.0,
    # How long an answered request's body is read on, so that its sender sees the answer and not a reset.
    "lingering_time": 2.0,
}


@asynccontextmanager
async def running(
    hub: Hub,
    host: str,
    port: int,
    *,
    body_timeout: float = BODY_TIMEOUT,
    keepalive_timeout: float = 75.0,
    reuse_port: bool = False,
    visitors: Visitors | None = None,
) -> AsyncIterator[tuple[str, int]]:
    """Serve while inside; gives the address and port that it listens on.

    On leaving, no new connection is accepted, what waits for a job to settle is answered, requests under way get
    `config.web.shutdown_grace` to end, and what was accepted is stored and handed over.
    """
    grace = hub.config.web.shutdown_grace.total_seconds()
    runner = _Runner(
        create_app(hub, body_timeout=body_timeout, visitors=visitors),
        shutdown_timeout=grace,
        **{**_LIMITS, "keepalive_timeout": keepalive_timeout},
    )
    await runner.setup()
    watch = asyncio.create_task(hub.handover.watch())
    try:
        site = web.TCPSite(runner, host, port, backlog=1024, reuse_port=reuse_port or None)
        await site.start()
        address: Sequence[Any] = runner.addresses[0]
        yield address[0], address[1]
    finally:
        hub.inspect.waiting.release()
        await runner.cleanup()
        watch.cancel()
        with suppress(asyncio.CancelledError):
            await watch
        await drain(hub)


async def drain(hub: Hub) -> None:
    """Wait until everything that was accepted is stored and handed over."""
    await hub.intake.drain()
    await hub.submit.drain()
    await hub.keys.drain()


async def serve(hub: Hub, host: str, port: int) -> None:
    """Serve until the process is told to stop (SIGTERM, SIGINT)."""
    log = logger("hub.web")
    stopped = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopped.set)
    try:
        async with running(hub, host, port) as (address, bound):
            log.info("serving", url=f"http://{_bracketed(address)}:{bound}")
            await stopped.wait()
            log.info("stopping: finishing what is under way")
    finally:
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.remove_signal_handler(number)


def _bracketed(address: str) -> str:
    with suppress(OSError):
        socket.inet_pton(socket.AF_INET6, address)
        return f"[{address}]"
    return address


class _Protocol(RequestHandler):
    """Tells what goes wrong before there is a request, such as broken HTTP, as a problem document too."""

    __slots__ = ()

    def handle_error(
        self,
        request: web.BaseRequest,
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,
    ) -> web.StreamResponse:
        """The answer to a request that no handler got."""
        if request.writer.output_size > 0:
            raise ConnectionError("an answer was begun already")
        correlation_id = uuid_utils.uuid7().hex
        if status >= 500:
            logger("hub.web").error("request failed", exc_info=exc, correlation_id=correlation_id)
            code, detail = "internal", INTERNAL.detail
        else:
            code, detail = _unreadable(message or "")
            status = 431 if code == "headers_too_large" else status
        response = Explained(status, code, detail, close=True).response(correlation_id)
        response.headers["X-Request-Id"] = correlation_id
        return response


def _unreadable(message: str) -> tuple[str, str]:
    if "Got more than" in message or "Too many headers" in message:
        return "headers_too_large", "the request line or a header is larger than the hub takes"
    return "unreadable_http", "this is not HTTP as the hub understands it"


class _Server(web.Server):
    def __call__(self) -> RequestHandler:
        return _Protocol(self, loop=self._loop, **self._kwargs)


class _Runner(web.AppRunner):
    async def _make_server(self) -> web.Server:
        made = await super()._make_server()
        return _Server(made.request_handler, request_factory=made.request_factory, **self._kwargs)
