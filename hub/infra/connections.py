"""Connections for HTTP out: httpx's requests and answers over aiohttp's pools.

httpx is used without its client. Whatever that would add is unwanted here: a cookie jar shared by all providers,
credentials taken from URLs, redirects, proxies from the environment, and a log line with the URL of each request.
"""

import ssl
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any

import aiohttp
import httpx
from aiohttp import ClientHandlerType, ClientRequest, ClientResponse
from aiohttp.abc import AbstractResolver
from httpx_aiohttp import AiohttpTransport

from hub import __version__
from hub.infra.addresses import public_socket

# Shorter than any common server's own (5 s at uvicorn's and Node's, 60 and more elsewhere), so that it is rarely the
# server that closes first, just when we write.
KEEP_ALIVE = 4.0
CONNECT = 5.0


@dataclass(slots=True)
class Progress:
    """How far the present request has come.

    `connecting` is true only while it is certain that no byte has left: it begins with aiohttp's first sign of life,
    so that under any other transport it stays false, and whatever goes wrong counts as sent.
    """

    connecting: bool = False


progress: ContextVar[Progress] = ContextVar("progress")


class AnswerLostError(aiohttp.ClientError):
    """The connection was lost after it had been handed over to the request."""


async def once(request: ClientRequest, handler: ClientHandlerType) -> ClientResponse:
    """Send a request one time only.

    aiohttp by itself sends GET, PUT, DELETE and the like again when the connection is lost before the answer
    (`retry_persistent_connection`), on a new connection as well. It knows which errors mean that by their class.
    """
    try:
        return await handler(request)
    except (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError):
        raise
    except (aiohttp.ClientOSError, aiohttp.ServerDisconnectedError) as error:
        raise AnswerLostError(type(error).__name__) from error


def _tracing() -> aiohttp.TraceConfig:
    async def begins(*_: Any) -> None:
        if state := progress.get(None):
            state.connecting = True

    async def connected(*_: Any) -> None:
        if state := progress.get(None):
            state.connecting = False

    trace = aiohttp.TraceConfig()
    trace.on_request_start.append(begins)
    trace.on_connection_reuseconn.append(connected)
    trace.on_connection_create_end.append(connected)
    return trace


def transport(
    tls: ssl.SSLContext,
    *,
    reuse: bool,
    public_only: bool = False,
    resolver: AbstractResolver | None = None,
) -> AiohttpTransport:
    """Make a pool of connections; must be called in a running event loop.

    Args:
        tls: how servers' certificates are verified.
        reuse: keep connections for later requests.
        public_only: connect to public addresses only.
        resolver: looks names up; None for the system's.
    """

    def session() -> aiohttp.ClientSession:
        connector = aiohttp.TCPConnector(
            limit=0,  # the providers' own limits hold
            ssl=tls,
            resolver=resolver,
            socket_factory=public_socket if public_only else None,
            **({"keepalive_timeout": KEEP_ALIVE} if reuse else {"force_close": True}),
        )
        return aiohttp.ClientSession(
            connector=connector,
            cookie_jar=aiohttp.DummyCookieJar(),
            # A short answer is not worth packing, and a packed one can be a bomb.
            headers={"User-Agent": f"hub/{__version__}", "Accept-Encoding": "identity"},
            middlewares=(once,),
            trace_configs=[_tracing()],
            trust_env=False,
        )

    return AiohttpTransport(verify=tls, trust_env=False, client=session)


@dataclass(frozen=True, slots=True)
class Pools:
    """The pools of one process.

    Attributes:
        kept: connections are kept for later requests.
        fresh: a connection for each request.
        public: as `fresh`, and to public addresses only.
    """

    kept: httpx.AsyncBaseTransport
    fresh: httpx.AsyncBaseTransport
    public: httpx.AsyncBaseTransport

    @classmethod
    def make(cls, tls: ssl.SSLContext, resolver: AbstractResolver | None = None) -> "Pools":
        """Pools of real connections, which are made when first needed."""
        return cls(
            kept=transport(tls, reuse=True, resolver=resolver),
            fresh=transport(tls, reuse=False, resolver=resolver),
            public=transport(tls, reuse=False, public_only=True, resolver=resolver),
        )

    async def close(self) -> None:
        """Close all connections."""
        for pool in (self.kept, self.fresh, self.public):
            await pool.aclose()


def httpx_request(method: str, url: str, headers: Any, body: bytes) -> httpx.Request:
    """A request for the transports above."""
    # The whole has its deadline (a read timeout is per read); connecting has a shorter one.
    timeout = {"connect": CONNECT, "pool": None, "read": None, "write": None}
    return httpx.Request(method, url, headers=headers, content=body, extensions={"timeout": timeout})
