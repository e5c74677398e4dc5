"""Who uses the embedded servers: the first one in starts them, the last one out stops them."""

import fcntl
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from .postgres import PostgresServer
from .process import Server, locked
from .redis import RedisServer
from .sockets import remove_socket_directory


@dataclass(frozen=True, slots=True)
class EmbeddedServers:
    """Where the embedded servers are reached.

    `database_url` is what libpq and asyncpg take, `postgresql://hub@/hub?host=/directory/of/the/socket`;
    SQLAlchemy takes it too, once its scheme names the driver (`postgresql+asyncpg`).
    `redis_url` is `unix:///path/of/the/socket`, for redis-py and arq.
    """

    database_url: str
    redis_url: str


@contextmanager
def embedded(var_dir: Path, settings: Mapping[str, str] | None = None) -> Iterator[EmbeddedServers]:
    """The embedded servers, running, with their data under `var_dir`.

    Blocks while they start (under a second; two the first time), so enter it before the event loop runs.
    `settings` are PostgreSQL's, over the hub's own; they do not reach a server that runs already.
    Raises `EmbeddedServerError` when a server does not come up.
    """
    postgres, redis = PostgresServer(var_dir, settings or {}), RedisServer(var_dir)
    with shared(var_dir, [postgres, redis]):
        yield EmbeddedServers(postgres.url, redis.url)


@contextmanager
def shared(var_dir: Path, servers: Sequence[Server]) -> Iterator[None]:
    """Keep `servers` running while inside, together with every other process that does so on `var_dir`.

    Presence is a shared lock, which the kernel drops however a process ends: nobody has to be counted.
    """
    var_dir.mkdir(parents=True, exist_ok=True)
    with locked(_presence(var_dir), fcntl.LOCK_SH) as presence:
        try:
            with _startup(var_dir):
                for server in servers:
                    server.ensure()
            yield
        finally:
            with _startup(var_dir):
                if _alone(presence):
                    _stop(var_dir, servers)


def stop(var_dir: Path) -> None:
    """Stop what runs under `var_dir`, whoever uses it."""
    with _startup(var_dir):
        _stop(var_dir, [PostgresServer(var_dir, {}), RedisServer(var_dir)])


def _presence(var_dir: Path) -> Path:
    return var_dir / "embedded.lock"


@contextmanager
def _startup(var_dir: Path) -> Iterator[None]:
    """Starting and stopping happen one at a time."""
    with locked(var_dir / "embedded-startup.lock"):
        yield


def _alone(presence: int) -> bool:
    """Whether nobody else is present. Asking gives up our own presence, so it is for leaving only."""
    try:
        fcntl.flock(presence, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _stop(var_dir: Path, servers: Sequence[Server]) -> None:
    for server in servers:
        server.stop()
    remove_socket_directory(var_dir)
