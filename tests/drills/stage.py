"""Where a drill takes place: a PostgreSQL and a Redis of its own, processes of the hub, and a view into the database."""

import os
import re
import resource
import sys
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import ExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from uuid import UUID

import asyncpg
from redis.asyncio import Redis

from hub.domain.access import Scope, digest_of, format_token
from hub.domain.ids import KeyId
from hub.infra import migrate
from hub.infra.embedded.postgres import PostgresServer
from hub.infra.embedded.redis import RedisServer
from hub.infra.embedded.sharing import shared
from tests.services.deliveries import SETTINGS
from tests.simulators.processes import Child, free_port, start

APPLICATION = UUID(int=1)
_KEY, _SECRET = KeyId(UUID(int=2)), "s" * 43
TOKEN = format_token(_KEY, _SECRET)
MIB = 1024 * 1024
_RESIDENT = re.compile(r"^VmRSS:\s+(\d+) kB", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class View:
    """One connection to the database, as an onlooker."""

    connection: Any

    async def rows(self, statement: str, *arguments: Any) -> Sequence[Any]:
        """The rows of a statement."""
        found: Sequence[Any] = await self.connection.fetch(statement, *arguments)
        return found

    async def value(self, statement: str, *arguments: Any) -> Any:
        """The one value of a statement."""
        return await self.connection.fetchval(statement, *arguments)

    async def backlog(self, count: int, job: str = "crew.noop") -> None:
        """Queued jobs that wait in PostgreSQL, as if they had been submitted while buffers were full."""
        await self.connection.execute(
            """INSERT INTO jobs (id, name, args, queue, priority, state, run_at, application_id, correlation_id)
               SELECT uuidv7(), $2, '{}', 'default', 5, 'queued', clock_timestamp(), $3, 'drill'
               FROM generate_series(1, $1::int)""",
            count,
            job,
            APPLICATION,
        )
        await self.connection.execute("ANALYZE jobs")


@dataclass(frozen=True, slots=True)
class Stage:
    """The servers of one drill, and how its processes are started.

    Attributes:
        notes: where the job `stay` notes that an attempt began.
    """

    postgres: PostgresServer
    redis: RedisServer
    notes: Path
    _leaving: ExitStack = field(repr=False)

    def hire(self, **settings: str) -> Child:
        """Start a worker process."""
        return self._started("worker", settings)

    def serve(self, **settings: str) -> tuple[Child, int]:
        """Start a web process; gives its port once it listens."""
        port = free_port()
        child = self._started("web", {"HUB_PORT": str(port), **settings})
        child.wait_for_port(port)
        return child, port

    @asynccontextmanager
    async def view(self) -> AsyncIterator[View]:
        """Look into the database."""
        connection = await asyncpg.connect(self.postgres.url)
        try:
            yield View(connection)
        finally:
            await connection.close()

    @asynccontextmanager
    async def buffer(self) -> AsyncIterator["Redis"]:
        """Look into Redis."""
        client = Redis.from_url(self.redis.url)
        try:
            yield client
        finally:
            await client.aclose()

    def _started(self, role: str, settings: Mapping[str, str]) -> Child:
        environ = {
            "HUB_DATABASE_URL": self.postgres.url,
            "HUB_REDIS_URL": self.redis.url,
            "HUB_RATE_LIMIT": "0",
            "DRILL_NOTES": str(self.notes),
            **SETTINGS,
            **settings,
        }
        child = start([sys.executable, "-m", "tests.drills.process", role], env=environ)
        self._leaving.callback(child.stop)
        return child


@contextmanager
def staged(directory: Path, settings: Mapping[str, str] | None = None) -> Iterator[Stage]:
    """Servers with their data in a directory, migrated; enter it outside of any event loop."""
    postgres, redis = PostgresServer(directory, settings or {}), RedisServer(directory)
    with shared(directory, [postgres, redis]), ExitStack() as leaving:
        migrate.upgrade(postgres.url)
        yield Stage(postgres, redis, directory / "notes", leaving)


async def prepare(view: View) -> None:
    """The application that owns the jobs, its key, and the queue."""
    await view.connection.execute("INSERT INTO queues (name) VALUES ('default') ON CONFLICT DO NOTHING")
    await view.connection.execute("INSERT INTO applications (id, name) VALUES ($1, 'drills')", APPLICATION)
    await view.connection.execute(
        "INSERT INTO api_keys (id, application_id, name, digest, scopes) VALUES ($1, $2, 'drills', $3, $4)",
        _KEY,
        APPLICATION,
        digest_of(_SECRET),
        [Scope.ADMIN.value],
    )


def resident(child: Child) -> float:
    """MiB of memory that a process has in use."""
    found = _RESIDENT.search(Path(f"/proc/{child.pid}/status").read_text())
    assert found is not None
    return int(found[1]) * 1024 / MIB


def processor(child: Child) -> float:
    """Seconds of processor that a process has used."""
    fields = Path(f"/proc/{child.pid}/stat").read_text().rpartition(")")[2].split()
    # https://man7.org/linux/man-pages/man5/proc_pid_stat.5.html: utime and stime, counted after the name.
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def lines(child: Child) -> int:
    """How many lines a process has printed."""
    return child.output().count("\n")


def open_files(wanted: int) -> None:
    """Let this process, and those it starts, have so many files open at least, if the system lets it."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if resource.RLIM_INFINITY != soft < wanted:
        most = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))
