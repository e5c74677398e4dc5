"""Real workers that die in the middle, where they are told to: `python -m tests.processes.victims SOCKET`.

To import the hub takes longer than a victim lives. So this process does it once, and forks a worker for each that connects:
it is told its environment and after how many actions to die, and tells its process id and then every action, one a line.
An action is a job taken from Redis, a write to the record of a job, or a call to a provider. To die after one is to die before the next: whatever
a worker can leave behind, it leaves behind after one of its actions.
"""

import asyncio
import json
import os
import signal
import socket
import sys
from collections.abc import Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, replace
from typing import Any, cast

from sqlalchemy import TextClause

from hub.bootstrap import build, know_queues
from hub.config import load
from hub.domain.providers import Call, Operation
from hub.infra.queue import ReadyQueue
from hub.infra.sender import Sender
from hub.infra.store import execution, settlements, steps, waits
from hub.infra.store.database import Database
from hub.registry import Registry
from hub.registry import load as load_registry
from hub.services.hub import Hub
from hub.worker import run

# What is read, or written for the worker itself, or at some time or other: nothing is left behind by it.
_NO_ACTION = frozenset(
    (
        "_REGISTER",
        "_HEARTBEAT",
        "_RETIRE",
        "_RUNNING",
        "_LOAD",
        "_PROGRESS",
        "_HEARD",
        "_PAGE",
        "_FORGET",
        "_WAKE_JOBS",
    )
)
ACTIONS = {
    id(value): name.strip("_").lower()
    for store in (execution, settlements, steps, waits)
    for name, value in vars(store).items()
    if isinstance(value, TextClause) and name not in _NO_ACTION
} | {
    id(settlements._statement(more=more, failing=failing)): "settle_more" if more else "settle"
    for more in (True, False)
    for failing in (True, False)
}


@dataclass(slots=True)
class Fuse:
    """Burns down by one with each action; at the end of it the process is gone."""

    told: socket.socket
    length: int | None

    def burn(self, action: str) -> None:
        """An action was done."""
        self.told.sendall(f"{action}\n".encode())
        if self.length is not None:
            self.length -= 1
            if self.length == 0:
                os.kill(os.getpid(), signal.SIGKILL)


@dataclass(frozen=True, slots=True)
class FusedDatabase:
    """The database, and a fuse for what is written about jobs."""

    database: Database
    fuse: Fuse

    def __getattr__(self, name: str) -> Any:
        return getattr(self.database, name)

    async def run(self, statement: TextClause, parameters: Mapping[str, Any] | None = None) -> Any:
        """Run one statement."""
        rows = await self.database.run(statement, parameters)
        if action := ACTIONS.get(id(statement)):
            self.fuse.burn(f"{action}{_step(parameters or {})}")
        return rows


def _step(parameters: Mapping[str, Any]) -> str:
    """Which step is written, and whether it is about to be sent; nothing of what is no step."""
    if "sending" not in parameters:
        return ""
    sending = " sending" if parameters["sending"] == "{True}" else ""
    return "{} {}".format(sending, parameters["name"].strip('{}"'))


@dataclass(frozen=True, slots=True)
class FusedQueue:
    """The ready buffers, and a fuse for what is taken: Redis has it no more, and nobody has claimed it yet."""

    queue: ReadyQueue
    fuse: Fuse

    def __getattr__(self, name: str) -> Any:
        return getattr(self.queue, name)

    async def take(self, *asked: Any) -> Any:
        """Take what is there."""
        return self._taken(await self.queue.take(*asked))

    async def wait(self, *asked: Any) -> Any:
        """Take the first that comes."""
        return self._taken(await self.queue.wait(*asked))

    def _taken(self, handed: Any) -> Any:
        if handed:
            self.fuse.burn("take")
        return handed


@dataclass(frozen=True, slots=True)
class FusedSender:
    """The sender, and a fuse for every call: it has arrived and was answered, and nobody has heard the answer."""

    sender: Sender
    fuse: Fuse

    async def send(self, operation: Operation[Any, Any], args: Any, call: Call) -> Any:
        """Send one call."""
        try:
            return await self.sender.send(operation, args, call)
        finally:
            self.fuse.burn(operation.name)


async def work(registry: Registry, environ: Mapping[str, str], fuse: Fuse) -> None:
    """Be an ordinary worker for as long as it lasts."""
    async with built(registry, environ) as hub:
        fused = replace(
            hub,
            database=cast(Database, FusedDatabase(hub.database, fuse)),
            queue=cast(ReadyQueue, FusedQueue(hub.queue, fuse)),
            sender=cast(Sender, FusedSender(hub.sender, fuse)),
        )
        await run(fused, ())


def built(registry: Registry, environ: Mapping[str, str]) -> AbstractAsyncContextManager[Hub]:
    """A hub with these settings."""
    config = load(environ, sources=registry.sources, providers=registry.providers)
    assert config.database_url
    assert config.redis_url
    return build(
        config, registry, database_url=config.database_url.reveal(), redis_url=config.redis_url.reveal()
    )


async def warm_up(registry: Registry, environ: Mapping[str, str]) -> None:
    """Do once what every victim would do again: import what is imported when it is first used."""
    async with built(registry, environ) as hub:
        await know_queues(hub)
        await hub.queue.ping()


def main() -> None:
    """Fork a worker for each that connects."""
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # nobody asks how they ended: their connections tell
    registry, is_warm = load_registry(), False
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(sys.argv[1])
        server.listen()
        print("ready", flush=True)  # noqa: T201 - whoever started this waits for it
        while True:
            client, _ = server.accept()
            with client:
                asked = json.loads(client.makefile().readline())
                if not is_warm:
                    asyncio.run(warm_up(registry, asked["environ"]))
                    is_warm = True
                if os.fork() == 0:
                    server.close()
                    client.sendall(f"{os.getpid()}\n".encode())
                    asyncio.run(work(registry, asked["environ"], Fuse(client, asked["dies_after"])))
                    os._exit(0)


if __name__ == "__main__":
    main()
