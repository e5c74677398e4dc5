"""What each fault does, and how it is undone. Each waits for its turn with what it touches, and for nothing else."""

import asyncio
import os
import signal
import time
from collections.abc import Awaitable, Callable, Mapping
from contextlib import AsyncExitStack, suppress
from dataclasses import dataclass
from typing import Any

import aiohttp
import asyncpg

from hub.infra.queue import key_of
from tests.certify.schedule import Fault, Kind
from tests.certify.stage import STARTING, Slot, Stage
from tests.certify.work import REGISTRY

_POLL = 0.02
# A process that is stopped longer than this may lose its lease, which is another fault.
_HOLD = 1.5
_BUFFERED = 20
# So many calls answered late, so that a worker that is frozen is in the middle of some.
_SLOW = {"delay": 0.7}
_SLOW_CALLS = 40
_IN_THE_MIDDLE = 5


@dataclass(frozen=True, slots=True)
class Happened:
    """A fault that took place; times in Unix seconds.

    Attributes:
        began: when it struck.
        ended: when its cause was gone: the process replaced, the server back, the provider well.
        web: the port's number, where it is about one web process.
        detail: what it hit, for people.
        pid: of the process that was killed or frozen.
    """

    fault: Fault
    began: float
    ended: float
    web: int | None = None
    detail: str = ""
    pid: int | None = None


Act = Callable[["Injector", Fault], Awaitable[Happened]]


class Injector:
    """Makes the faults of a schedule happen."""

    def __init__(self, stage: Stage, session: aiohttp.ClientSession) -> None:
        self.stage = stage
        self.happened: list[Happened] = []
        self.complaints: list[str] = []
        self._session = session
        self._provider_turns = [asyncio.Lock() for _ in stage.providers]

    async def run(self, faults: tuple[Fault, ...]) -> None:
        """Each at its time, or as soon as it can be."""
        loop = asyncio.get_running_loop()
        start = loop.time()

        async def one(fault: Fault) -> None:
            await asyncio.sleep(max(0.0, start + fault.at - loop.time()))
            self.happened.append(await _ACTS[fault.kind](self, fault))

        async with asyncio.TaskGroup() as group:
            for fault in faults:
                group.create_task(one(fault))

    async def supervise(self) -> None:
        """Put a process where one has ended by itself, and complain."""
        while True:
            for slot in self.stage.slots:
                if slot.child is not None and slot.child.returncode is not None and not slot.turn.locked():
                    async with slot.turn:
                        output = slot.child.output()
                        status = await slot.stop()
                        self.complaints.append(f"{slot.name} ended by itself with {status}: {output[-2000:]}")
                        await slot.refill()
            await asyncio.sleep(0.2)

    async def kill_worker(self, fault: Fault) -> Happened:
        """SIGKILL; another takes its place after a moment."""
        return await self._kill(self.stage.workers[fault.target], fault)

    async def kill_web(self, fault: Fault) -> Happened:
        """SIGKILL; another listens on the same port after a moment."""
        return await self._kill(self.stage.webs[fault.target], fault, web=fault.target)

    async def _kill(self, slot: Slot, fault: Fault, web: int | None = None) -> Happened:
        async with slot.turn:
            pid, began = slot.pid, time.time()
            await slot.kill()
            await asyncio.sleep(fault.lasts)
            await slot.refill()
            return Happened(fault, began, time.time(), web, slot.name, pid)

    async def freeze_worker(self, fault: Fault) -> Happened:
        """SIGSTOP in the middle of calls, for longer than the lease; SIGCONT: it finds its jobs with others."""
        slot = self.stage.workers[fault.target]
        async with slot.turn:
            await self._order(0, _SLOW, times=_SLOW_CALLS)
            held = await self._busy(slot)
            began = time.time()
            slot.signal(signal.SIGSTOP)
            await asyncio.sleep(fault.lasts)
            slot.signal(signal.SIGCONT)
            return Happened(fault, began, time.time(), None, f"{slot.name}, amid {held} jobs", slot.pid)

    async def _busy(self, slot: Slot) -> int:
        """Wait until a worker is in the middle of jobs, for a moment at most; gives how many."""
        held = 0
        for _ in range(100):
            held = len(
                await self._asked(
                    "SELECT FROM jobs j JOIN workers w ON w.id = j.worker_id WHERE w.pid = $1", slot.pid
                )
            )
            if held >= _IN_THE_MIDDLE:
                break
            await asyncio.sleep(_POLL)
        return held

    async def rolling_restart(self, fault: Fault) -> Happened:
        """Each process in turn is asked to stop, and replaced when it has: a deploy under load."""
        began = time.time()
        for slot in self.stage.slots:
            async with slot.turn:
                # One that is still starting has nothing to end in good order.
                await self._ready(slot)
                if (status := await slot.stop()) != 0:
                    self.complaints.append(
                        f"{slot.name} was asked to stop and ended with {status}: {slot.logs[-1][1][-2000:]}"
                    )
                await slot.refill()
                # As every deploy does: the next one is only stopped when this one is back.
                await self._ready(slot)
        return Happened(fault, began, time.time(), None, f"{len(self.stage.slots)} processes")

    async def _ready(self, slot: Slot) -> None:
        deadline = time.monotonic() + STARTING
        while time.monotonic() < deadline:
            if await self._is_ready(slot):
                return
            await asyncio.sleep(_POLL)
        self.complaints.append(f"{slot.name} was not ready in time")

    async def _is_ready(self, slot: Slot) -> bool:
        if slot.role == "worker":
            return bool(
                await self._asked("SELECT FROM workers WHERE pid = $1 AND stopped_at IS NULL", slot.pid)
            )
        with suppress(aiohttp.ClientError, TimeoutError):
            url = f"http://127.0.0.1:{self.stage.ports[slot.number]}/livez"
            async with self._session.get(url, timeout=aiohttp.ClientTimeout(total=2)) as response:
                return response.status == 200
        return False

    async def _asked(self, statement: str, *values: object) -> list[asyncpg.Record]:
        """The rows of a statement; none while PostgreSQL is away."""
        with suppress(OSError, asyncpg.PostgresError, asyncpg.InterfaceError, TimeoutError):
            return await self.stage.rows(statement, *values)
        return []

    async def flush_redis(self, fault: Fault) -> Happened:
        """FLUSHALL at a moment when the buffers hold something: the workers are held until they do."""
        async with AsyncExitStack() as turns:
            for slot in self.stage.workers:
                await turns.enter_async_context(slot.turn)
            await turns.enter_async_context(self.stage.redis_turn)
            for slot in self.stage.workers:
                slot.signal(signal.SIGSTOP)
            try:
                async with self.stage.client() as client:
                    lost = await self._buffered(client)
                    began = time.time()
                    await client.flushall()
            finally:
                for slot in self.stage.workers:
                    slot.signal(signal.SIGCONT)
        return Happened(fault, began, time.time(), None, f"with {lost} jobs handed over")

    async def _buffered(self, client: Any) -> int:
        count, deadline = 0, time.monotonic() + _HOLD
        while count < _BUFFERED and time.monotonic() < deadline:
            count = sum([await client.zcard(key_of(queue)) for queue in REGISTRY.queues])
            await asyncio.sleep(_POLL)
        return count

    async def kill_redis(self, fault: Fault) -> Happened:
        """SIGKILL; back, empty, after a moment."""
        async with self.stage.redis_turn:
            async with self.stage.client() as client:
                pid = (await client.info("server"))["process_id"]
            began = time.time()
            os.kill(pid, signal.SIGKILL)
            await asyncio.sleep(fault.lasts)
            await asyncio.to_thread(self.stage.redis.ensure)
            return Happened(fault, began, time.time())

    async def kill_postgres(self, fault: Fault) -> Happened:
        """End it without a checkpoint, by SIGKILL or an immediate shutdown; a new one recovers from the log."""
        async with self.stage.postgres_turn:
            pid = int((self.stage.postgres.data / "postmaster.pid").read_text().splitlines()[0])
            began = time.time()
            how = (signal.SIGKILL, signal.SIGQUIT)[fault.target]
            os.kill(pid, how)
            await asyncio.sleep(fault.lasts)
            await asyncio.to_thread(self.stage.postgres.ensure)
            return Happened(fault, began, time.time(), None, how.name)

    async def fill_postgres(self, fault: Fault) -> Happened:
        """Hold every connection there is, the hub's own taken from it, for a while."""
        async with self.stage.postgres_turn:
            held: list[asyncpg.Connection[asyncpg.Record]] = []
            began, until = time.time(), time.monotonic() + fault.lasts
            try:
                while time.monotonic() < until:
                    await self._take_connections(held)
                    await asyncio.sleep(_POLL)
            finally:
                await asyncio.gather(
                    *[connection.close(timeout=5) for connection in held], return_exceptions=True
                )
            return Happened(fault, began, time.time(), None, f"{len(held)} connections held")

    async def _take_connections(self, held: list["asyncpg.Connection[asyncpg.Record]"]) -> None:
        try:
            while True:
                held.append(await asyncpg.connect(self.stage.postgres.url, timeout=5))
        except (asyncpg.PostgresError, OSError, TimeoutError):
            # All are taken. What the hub still holds is cut off; whoever asks first gets what that frees.
            if held:
                await held[0].execute(
                    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'hub'"
                )

    async def provider(self, fault: Fault) -> Happened:
        """The next requests to a provider go wrong; a stall ends with a reset."""
        async with self._provider_turns[fault.target]:
            began = time.time()
            await self._order(fault.target, _ordered(fault), times=fault.times)
            if fault.lasts:
                await asyncio.sleep(fault.lasts)
                await self.heal(fault.target)
            name = ("with keys", "without keys")[fault.target]
            return Happened(fault, began, time.time(), None, f"the provider {name}, {fault.times} requests")

    async def heal(self, provider: int) -> None:
        """No more faults of a provider; what it holds is broken off."""
        async with self._session.delete(f"{self.stage.providers[provider]}/_control/faults") as response:
            response.raise_for_status()

    async def books(self, provider: int) -> list[str]:
        """What a provider did: the references, one for each effect."""
        async with self._session.get(f"{self.stage.providers[provider]}/_books") as response:
            references: list[str] = await response.json()
            return references

    async def _order(self, provider: int, fault: Mapping[str, object], times: int) -> None:
        order = {"match": {"method": "POST"}, "times": times, "fault": fault}
        async with self._session.post(
            f"{self.stage.providers[provider]}/_control/faults", json=order
        ) as response:
            response.raise_for_status()


def _ordered(fault: Fault) -> Mapping[str, object]:
    if fault.kind is Kind.PROVIDER_STALLS:
        return {"stall": "after" if fault.times % 2 else "before"}
    return _PROVIDER_FAULTS[fault.kind]


_PROVIDER_FAULTS: Mapping[Kind, Mapping[str, object]] = {
    Kind.PROVIDER_STALLS: {},
    Kind.PROVIDER_503: {"status": 503},
    Kind.PROVIDER_429: {"status": 429, "retry_after": 1},
    Kind.RESET_BEFORE: {"reset": "before"},
    Kind.RESET_AFTER: {"reset": "after"},
}
_ACTS: Mapping[Kind, Act] = {
    Kind.WORKER_KILLED: Injector.kill_worker,
    Kind.WORKER_FROZEN: Injector.freeze_worker,
    Kind.WEB_KILLED: Injector.kill_web,
    Kind.ROLLING_RESTART: Injector.rolling_restart,
    Kind.REDIS_FLUSHED: Injector.flush_redis,
    Kind.REDIS_KILLED: Injector.kill_redis,
    Kind.POSTGRES_KILLED: Injector.kill_postgres,
    Kind.POSTGRES_FULL: Injector.fill_postgres,
    **dict.fromkeys(_PROVIDER_FAULTS, Injector.provider),
}
