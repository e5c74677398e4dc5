"""Where a run takes place: the servers, the providers and the processes of the hub, each of which can be killed."""

import asyncio
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Literal
from uuid import uuid4

import asyncpg
from redis.asyncio import Redis

from hub.infra import migrate
from hub.infra.embedded import shared
from hub.infra.embedded.postgres import PostgresServer
from hub.infra.embedded.redis import RedisServer
from tests.certify.hub_process import CLOCK, SABOTAGE
from tests.certify.sabotage import Sabotage
from tests.certify.schedule import SOURCES, Schedule
from tests.simulators.processes import ROOT, Child, start

MAX_CONNECTIONS = 80  # few enough to be used up in a moment
SECRET = "whsec_Y2VydGlmaWNhdGUtb2YtdGhlLWh1Yi0wMTIzNDU2Nzg5"
_GRACE = 60.0  # seconds to end in good order; it takes longer than ten only on a very busy machine
STARTING = 150.0  # seconds; half a second on a quiet machine
# Below the ports that systems give to connections, so that nobody takes one while its process is away.
_PORTS = range(20_000, 32_000)

Role = Literal["web", "worker"]


@dataclass(slots=True)
class Slot:
    """A place for a process: whoever kills the one in it puts another there, as a supervisor does."""

    role: Role
    number: int
    environ: Mapping[str, str]
    turn: asyncio.Lock = field(default_factory=asyncio.Lock)
    child: Child | None = None
    logs: list[tuple[int, str]] = field(default_factory=list)  # pid, output

    @property
    def name(self) -> str:
        """Such as `worker 2`."""
        return f"{self.role} {self.number + 1}"

    @property
    def pid(self) -> int:
        """Of the process in it."""
        assert self.child is not None
        return self.child.pid

    def fill(self) -> None:
        """Start a process."""
        self.child = start([sys.executable, "-m", "tests.certify.hub_process", self.role], env=self.environ)

    async def refill(self) -> None:
        """Start another process; not in the loop's own thread, where a fork would hold up the clients."""
        await asyncio.to_thread(self.fill)

    async def kill(self) -> None:
        """SIGKILL."""
        await self._ended(lambda child: child.kill())

    async def stop(self) -> int:
        """SIGTERM; gives the exit status of an orderly end."""
        return await self._ended(lambda child: child.stop(grace=_GRACE))

    def signal(self, number: signal.Signals) -> None:
        """Any other."""
        assert self.child is not None
        self.child.signal(number)

    async def _ended(self, how: Callable[[Child], int]) -> int:
        assert self.child is not None
        child, self.child = self.child, None
        status = await asyncio.to_thread(how, child)
        self.logs.append((child.pid, child.output()))
        return status


@dataclass(frozen=True, slots=True)
class Stage:
    """All that runs."""

    postgres: PostgresServer
    redis: RedisServer
    providers: tuple[str, ...]
    webs: tuple[Slot, ...]
    workers: tuple[Slot, ...]
    ports: tuple[int, ...]
    key: str
    postgres_turn: asyncio.Lock = field(default_factory=asyncio.Lock)
    redis_turn: asyncio.Lock = field(default_factory=asyncio.Lock)

    @property
    def slots(self) -> tuple[Slot, ...]:
        """Every process of the hub."""
        return (*self.workers, *self.webs)

    def client(self) -> Redis:
        """A client of the run's Redis."""
        client: Redis = Redis.from_url(self.redis.url, socket_timeout=2)
        return client

    async def rows(self, statement: str, *values: object) -> list[asyncpg.Record]:
        """The rows of a statement, over a connection of its own."""
        connection = await asyncpg.connect(self.postgres.url, timeout=5, command_timeout=30)
        try:
            rows: list[asyncpg.Record] = await connection.fetch(statement, *values)
            return rows
        finally:
            await connection.close(timeout=5)


@contextmanager
def servers(directory: Path) -> Iterator[tuple[PostgresServer, RedisServer]]:
    """A PostgreSQL and a Redis of the run's own; enter it before the event loop runs."""
    postgres = PostgresServer(directory, {"max_connections": str(MAX_CONNECTIONS)})
    redis = RedisServer(directory)
    with shared(directory, [postgres, redis]):
        migrate.upgrade(postgres.url)
        try:
            yield postgres, redis
        finally:
            # Should a fault have been cut short: what is to be stopped must run.
            for server in (postgres, redis):
                with suppress(Exception):
                    server.ensure()


@asynccontextmanager
async def staged(
    postgres: PostgresServer, redis: RedisServer, schedule: Schedule, sabotage: Sabotage | None
) -> AsyncIterator[Stage]:
    """Everything started and ready; nothing of it left behind."""
    providers = start([sys.executable, "-m", "tests.certify.providers"])
    slots: list[Slot] = []
    try:
        ready = await asyncio.to_thread(providers.wait_for_line, r"^ready (\{.*\})$", within=STARTING)
        urls: dict[str, str] = json.loads(ready[1])
        environ = _environ(postgres, redis, urls, schedule, sabotage)
        key = await asyncio.to_thread(_key, environ)
        ports = _free_ports(schedule.webs)
        webs = tuple(
            Slot("web", number, {**environ, "HUB_PORT": str(port)}) for number, port in enumerate(ports)
        )
        workers = tuple(
            Slot("worker", number, {**environ, CLOCK: str(off)}) for number, off in enumerate(schedule.clocks)
        )
        slots = [*webs, *workers]
        stage = Stage(postgres, redis, (urls["bank"], urls["courier"]), webs, workers, ports, key)
        for slot in slots:
            slot.fill()
        await _ready(stage)
        yield stage
    finally:
        await asyncio.gather(*[slot.stop() for slot in slots if slot.child])
        providers.stop()


def _environ(
    postgres: PostgresServer,
    redis: RedisServer,
    urls: Mapping[str, str],
    schedule: Schedule,
    sabotage: Sabotage | None,
) -> dict[str, str]:
    return {
        "HUB_DATABASE_URL": postgres.url,
        "HUB_REDIS_URL": redis.url,
        "HUB_STRIPE_BASE_URL": urls["bank"],
        "HUB_STRIPE_SECRET_KEY": "sk_test_of_the_certificate",
        "HUB_COURIER_BASE_URL": urls["courier"],
        **{f"HUB_WEBHOOK_{source.upper()}_SECRET": SECRET for source in SOURCES},
        "HUB_WORKER_LEASE": f"{schedule.lease:g}",
        "HUB_WORKER_HEARTBEAT": f"{schedule.lease / 4:g}",
        "HUB_WORKER_SHUTDOWN_GRACE": "5",
        "HUB_LOG_LEVEL": "warning",
        "HUB_LOG_FORMAT": "json",
        **({SABOTAGE: sabotage.value} if sabotage else {}),
    }


def _key(environ: Mapping[str, str]) -> str:
    command = [
        sys.executable,
        "-m",
        "hub",
        "keys",
        "create",
        "--name",
        "certificate",
        "--scopes",
        "jobs:write",
        "--json",
    ]
    ended = subprocess.run(  # noqa: S603 - ours
        command, env={**os.environ, **environ}, cwd=ROOT, capture_output=True, text=True, check=True
    )
    key: str = json.loads(ended.stdout)["key"]
    return key


def _free_ports(count: int) -> tuple[int, ...]:
    found: list[int] = []
    for port in Random(uuid4().int).sample(_PORTS, len(_PORTS)):
        with socket.socket() as probe, suppress(OSError):
            probe.bind(("127.0.0.1", port))
            found.append(port)
        if len(found) == count:
            return tuple(found)
    raise OSError("no port is free")


async def _ready(stage: Stage) -> None:
    for slot, port in zip(stage.webs, stage.ports, strict=True):
        assert slot.child is not None
        await asyncio.to_thread(slot.child.wait_for_port, port, within=STARTING)
    deadline = time.monotonic() + STARTING
    while len(await stage.rows("SELECT FROM workers")) < len(stage.workers):
        if time.monotonic() > deadline:
            raise TimeoutError(
                "the workers did not start: " + "\n".join(s.child.output() for s in stage.workers if s.child)
            )
        await asyncio.sleep(0.05)
