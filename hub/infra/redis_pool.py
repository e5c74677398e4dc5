"""Connections to Redis: to one server, or to whichever server its Sentinels name the master.

A server that has become a replica answers on: reads are stale, and writes are refused for as long as the connection lives.
So a connection over which that is said is closed, and the next one asks anew who the master is.
"""

from typing import Any

from redis.asyncio import BlockingConnectionPool, Connection, ConnectionPool, SSLConnection
from redis.asyncio.connection import AbstractConnection, UnixDomainSocketConnection
from redis.asyncio.sentinel import (
    Sentinel,
    SentinelConnectionPool,
    SentinelManagedConnection,
    SentinelManagedSSLConnection,
)
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import ReadOnlyError, ResponseError

from hub.infra.sockets import TCP_OPTIONS
from hub.urls import SentinelUrl, sentinel_url

# READONLY in the words of a script; UNBLOCKED is said to who slept in a master that was demoted.
_DEMOTED = ("READONLY", "UNBLOCKED")
_TCP: dict[str, Any] = {"socket_keepalive": True, "socket_keepalive_options": dict(TCP_OPTIONS)}
_PATIENCE: dict[str, Any] = {"socket_timeout": 5, "socket_connect_timeout": 2}
# A Sentinel that does not answer is passed over for the next.
_SENTINELS_PATIENCE: dict[str, Any] = {"socket_timeout": 1, "socket_connect_timeout": 1}


class _LeavesReplicas(AbstractConnection):
    async def read_response(self, *args: Any, **named: Any) -> Any:
        try:
            return await super().read_response(*args, **named)
        except ResponseError as error:
            if not _says_demoted(error):
                raise
            await self.disconnect()
            raise RedisConnectionError("the server is not the master any more") from error


def _says_demoted(error: ResponseError) -> bool:
    # redis-py takes a READONLY that stands first away from the text.
    return isinstance(error, ReadOnlyError) or any(word in str(error) for word in _DEMOTED)


class _Tcp(_LeavesReplicas, Connection):
    pass


class _Tls(_LeavesReplicas, SSLConnection):
    pass


class _Unix(_LeavesReplicas, UnixDomainSocketConnection):
    pass


class _Managed(_LeavesReplicas, SentinelManagedConnection):
    pass


class _ManagedTls(_LeavesReplicas, SentinelManagedSSLConnection):
    pass


_OURS: dict[type, type[AbstractConnection]] = {
    Connection: _Tcp,
    SSLConnection: _Tls,
    UnixDomainSocketConnection: _Unix,
}


class _MasterPool(SentinelConnectionPool, BlockingConnectionPool):
    """Bounded as every pool of the hub's, and closes its connections to the Sentinels too."""

    async def disconnect(self, inuse_connections: bool = True) -> None:  # noqa: FBT001, FBT002 - redis-py's signature
        await super().disconnect(inuse_connections)
        if inuse_connections:
            for sentinel in self.sentinel_manager.sentinels:
                await sentinel.aclose()


def pool(url: str, *, most: int) -> ConnectionPool:
    """A pool of at most so many connections, for whoever finds none to wait two seconds.

    Args:
        url: as `hub.urls.check_redis` describes.
        most: connections.
    """
    bounds: dict[str, Any] = {"max_connections": most, "timeout": 2}
    if sentinels := sentinel_url(url):
        return _of_master(sentinels, bounds)
    tcp = {} if url.startswith("unix:") else _TCP
    made = BlockingConnectionPool.from_url(url, **bounds, **_PATIENCE, **tcp)
    made.connection_class = _OURS[made.connection_class]
    return made


def _of_master(url: SentinelUrl, bounds: dict[str, Any]) -> ConnectionPool:
    tls = {"ssl": True} if url.tls else {}
    logs_in = {"username": url.sentinel_username, "password": url.sentinel_password}
    sentinel = Sentinel(  # type: ignore[no-untyped-call]
        url.sentinels, sentinel_kwargs={**_SENTINELS_PATIENCE, **_TCP, **tls, **logs_in}
    )
    return _MasterPool(  # type: ignore[no-untyped-call]
        url.master,
        sentinel,
        connection_class=_ManagedTls if url.tls else _Managed,
        db=url.database,
        username=url.username,
        password=url.password,
        **bounds,
        **_PATIENCE,
        **_TCP,
    )
