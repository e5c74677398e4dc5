"""The arq worker: takes ids in batches, claims them in batches, and is woken by the producer instead of polling.

arq's Worker is kept for what it is good at (the client, the bookkeeping of tasks, the health record). What it does with a
job is replaced: the row in PostgreSQL is the truth, so there is one round trip to Redis for a whole batch, no payload, no
retry counter, no in-progress key and no result. See docs/decisions/.
"""

import asyncio
import contextlib
import math
import signal
from collections.abc import Coroutine, Sequence
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from typing import Any

import structlog
from arq.worker import Worker as ArqWorker
from arq.worker import func
from redis.exceptions import RedisError

from hub.bootstrap import know_queues, make_execute, make_plan_runner, make_relay
from hub.domain.errors import HubError, Unavailable
from hub.domain.jobs import is_suspect
from hub.infra.queue import Handed, ReadyQueue
from hub.infra.recurring import Recurring
from hub.infra.store.execution import Claimed, ExecutionStore
from hub.quarantine import Quarantine
from hub.services.execute import Execute, Held
from hub.services.hub import Hub
from hub.services.lease import Lease, Term
from hub.services.plan_runner import PlanRunner
from hub.services.relay import Relay

log = structlog.get_logger("hub.worker")


@dataclass(frozen=True, slots=True)
class Pace:
    """How a worker works.

    Attributes:
        concurrency: how many jobs run at once.
        lease: for how long a silent worker keeps its jobs.
        heartbeat: how often the lease is renewed.
        grace: how long running jobs may take to finish when the worker is asked to stop.
    """

    concurrency: int = 100
    lease: timedelta = timedelta(seconds=8)
    heartbeat: timedelta = timedelta(seconds=2)
    grace: timedelta = timedelta(seconds=20)


# After trouble with a store, how long to leave it alone.
_PAUSE = 0.5
# How long to sleep in Redis at a time; a stop is noticed at once all the same.
_WAIT = 1.0
_AGAIN = 0.1
# How long the end of a worker waits for one thing.
_PATIENCE = 10.0
# More ends waiting to be written than this means that the database is behind: start nothing new.
_MAX_UNSETTLED = 2_000


class Worker(ArqWorker):
    """Runs jobs of the given queues until it is stopped.

    Args:
        queue: the ready buffers.
        queues: the names of those to work on.
        store: the worker's statements; its id is the worker's.
        execute: what to do with a claimed job.
        relay: woken when the buffers run dry.
        plans: releases the jobs of plans.
        quarantine: where jobs run that may be what kills workers; without one, one at a time among the others.
        pace: how many at once, leases, grace.
        release: which release this is, for operators.
    """

    def __init__(  # noqa: PLR0913 - it is where these meet
        self,
        queue: ReadyQueue,
        queues: tuple[str, ...],
        store: ExecutionStore,
        execute: Execute,
        relay: Relay,
        plans: PlanRunner,
        quarantine: Quarantine | None = None,
        *,
        pace: Pace,
        release: str,
    ) -> None:
        super().__init__(
            functions=[func(_never, name="hub.job", max_tries=1, keep_result=0)],  # type: ignore[arg-type]  # it asks for *args
            queue_name="hub:queue",
            redis_pool=queue.redis,
            handle_signals=False,
            max_jobs=pace.concurrency,
            max_tries=1,
            keep_result=0,
            health_check_interval=10,
            # arq would share one key among all workers of a queue.
            health_check_key=f"hub:worker:{store.worker}",
        )
        self._queue = queue
        self._queues = queues
        self._store = store
        self._execute = execute
        self._relay = relay
        self._plans = plans
        self._quarantine = quarantine
        self._pace = pace
        self._release = release
        self._lease = Lease(
            store,
            Term(pace.lease, pace.heartbeat),
            self._drop_everything,
            queues=queues,
            concurrency=pace.concurrency,
            release=release,
        )
        # By attempt, too: a job that was lost and claimed again may run beside what is left of its former attempt.
        self._running: dict[Held, asyncio.Task[None]] = {}
        self._suspects = 0
        self._starting: asyncio.Future[int] | None = None
        self._compare_at = 0.0
        self._away = Recurring(log, "store away", ended="store back")
        self._room = asyncio.Event()
        self._stopping = asyncio.Event()

    @property
    def running(self) -> int:
        """How many jobs run now."""
        return len(self._running)

    def stop(self) -> None:
        """Ask for an orderly end: take nothing new, let what runs finish."""
        self._stopping.set()

    async def main(self) -> None:
        """Work until `stop` is called, then end in good order. Troubles of the stores are waited out."""
        await self._lease.take(self._stopping)
        log.info(
            "worker started",
            worker=str(self._store.worker),
            queues=self._queues,
            concurrency=self._pace.concurrency,
            release=self._release,
        )
        keepers = [
            asyncio.create_task(self._lease.keep(self._stopping), name="lease"),
            asyncio.create_task(self._relay.run(), name="relay"),
            asyncio.create_task(self._plans.run(), name="plans"),
            asyncio.create_task(self._take_forever(), name="take"),
        ]
        stopping = asyncio.create_task(self._stopping.wait(), name="stop")
        done, _ = await asyncio.wait([stopping, *keepers], return_when=asyncio.FIRST_COMPLETED)
        await self._finish(keepers)
        stopping.cancel()
        for task in done - {stopping}:
            task.result()

    async def close(self) -> None:
        """Nothing of arq's is open: the ready queue and the database belong to whoever built them."""

    async def start(self, handed: list[Handed]) -> int:
        """Claim what was taken and start it; gives how many were still to be had."""
        claimed = await self._execute.claim(handed)
        for job in claimed:
            # Claims do not wait for the disk: a crash of the database, or a failover, may have undone this one. Then the
            # same attempt is claimed again, and the fence cannot tell it from the one that runs on here.
            if (job.id, job.attempt) in self._running or self._execute.is_ending(job.id, job.attempt):
                log.warning("claimed what runs already", job_id=str(job.id), attempt=job.attempt)
                continue
            task = asyncio.create_task(self._run(job))
            self._running[job.id, job.attempt] = task
            self._suspects += is_suspect(job.crashes)
            task.add_done_callback(partial(self._ended, job))
        return len(claimed)

    def _run(self, job: Claimed) -> Coroutine[Any, Any, None]:
        if self._quarantine and is_suspect(job.crashes):
            return self._execute.run_apart(job, self._quarantine.run)
        return self._execute.run(job)

    async def _poll_iteration(self) -> None:
        """Take as many as there is room for; sleep in Redis when nothing is ready."""
        room = self._pace.concurrency - len(self._running)
        if room <= 0 or self._execute.unsettled > _MAX_UNSETTLED:
            self._room.clear()
            # Not wait_for, which on Python 3.11 may lose a cancellation.
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_PAUSE):
                    await self._room.wait()
            return
        suspects = max(0, (self._quarantine.cells if self._quarantine else 1) - self._suspects)
        # Half of the places at most: a backlog of what was held must not keep everything else waiting.
        held = await self._relay.take_held(self._queues, math.ceil(room / 2), suspects)
        handed = [(job.job, job.dispatch) for job in held]
        suspects -= sum(job.suspect for job in held)
        if room > len(handed):
            handed += await self._queue.take(self._queues, room - len(handed), suspects)
        if len(handed) < room:
            self._relay.nudge()
        if not handed:
            # While there is no place for a suspect, Redis cannot be asked to wake for one.
            handed = await self._queue.wait(self._queues, _WAIT if suspects else _AGAIN, suspects)
        if handed:
            # A claim that is under way when the worker is stopped must not be forgotten: see `_finish`.
            self._starting = asyncio.ensure_future(self.start(handed))
            await asyncio.shield(self._starting)

    async def _take_forever(self) -> None:
        while not self._stopping.is_set():
            try:
                await self._compare()
                await self._poll_iteration()
                await self.record_health()
                self._away.over()
            except (
                Unavailable,
                RedisError,
                OSError,
            ) as error:  # arq's own record of health speaks to Redis unguarded
                self._away.note(str(error))
                await self._recover()
            except Exception:
                log.exception("taking jobs failed")
                await self._recover()

    async def _recover(self) -> None:
        """Leave the stores alone for a moment; a claim may have been made and its answer lost."""
        self._compare_at = 0.0
        await asyncio.sleep(_PAUSE)

    async def _compare(self) -> None:
        """Now and then, give back what the database says that runs here, and does not."""
        now = asyncio.get_running_loop().time()
        if now >= self._compare_at:
            self._compare_at = now + self._pace.lease.total_seconds()
            if lost := await self._execute.give_back(self._running, crashed=True):
                log.warning("gave back what did not run", jobs=lost)

    def _ended(self, job: Claimed, task: "asyncio.Task[None]") -> None:
        del self._running[job.id, job.attempt]
        self._suspects -= is_suspect(job.crashes)
        self._room.set()
        if not task.cancelled() and (error := task.exception()):
            log.error("running a job failed", job_id=str(job.id), job=job.name, exc_info=error)

    def _drop_everything(self) -> None:
        log.error("lease lost", running=len(self._running))
        for task in self._running.values():
            task.cancel()

    async def _finish(self, keepers: list["asyncio.Task[None]"]) -> None:
        lease, *others = keepers
        await _end(others)
        if self._starting:
            await asyncio.wait([self._starting], timeout=_PATIENCE)
        if self._running:
            log.info("finishing", running=len(self._running), grace=self._pace.grace.total_seconds())
            await asyncio.wait(self._running.values(), timeout=self._pace.grace.total_seconds())
        # What is still running is handed back: interrupted, at no cost to its budget.
        await _cancel(list(self._running.values()))
        with contextlib.suppress(HubError, TimeoutError):
            # While the database is away there is no use in waiting longer than the lease: then everything is others'.
            async with asyncio.timeout(self._pace.lease.total_seconds()):
                await self._execute.drain()
                await self._execute.give_back(self._running, crashed=False)
                await self._execute.drain()
        if self._quarantine:
            await self._quarantine.close()
        await _end([lease])
        with contextlib.suppress(HubError, TimeoutError):
            async with asyncio.timeout(_PATIENCE):
                await self._store.retire()


async def _cancel(tasks: list["asyncio.Task[None]"]) -> None:
    for task in tasks:
        task.cancel()
    if tasks:
        await asyncio.wait(tasks, timeout=_PATIENCE)


async def _end(loops: list["asyncio.Task[None]"]) -> None:
    """Cancel until it is heard: redis-py may lose a cancellation, and then sleeps on (see `hub.infra.queue`)."""
    left = set(loops)
    deadline = asyncio.get_running_loop().time() + _PATIENCE
    while left and asyncio.get_running_loop().time() < deadline:
        for task in left:
            task.cancel()
        _, left = await asyncio.wait(left, timeout=_AGAIN)
    for task in left:
        log.error("does not end", task=task.get_name())


async def _never(_ctx: dict[Any, Any]) -> None:
    """Arq wants a function to be registered; the hub's jobs are not run through it."""


def make(hub: Hub, alone: Sequence[str] = ()) -> Worker:
    """A worker over a built hub, with an id of its own; `alone` as for `run`."""
    config = hub.config.worker
    store = ExecutionStore(hub.database, hub.new_id())
    relay = make_relay(hub, store)
    return Worker(
        hub.queue,
        tuple(name for name in hub.registry.queues if not config.queues or name in config.queues),
        store,
        make_execute(hub, store),
        relay,
        make_plan_runner(hub, relay),
        Quarantine(alone, store.worker, config.lease.total_seconds()) if alone else None,
        pace=Pace(config.concurrency, config.lease, config.heartbeat, config.shutdown_grace),
        release=hub.config.release,
    )


async def run(hub: Hub, alone: Sequence[str]) -> None:
    """Run a worker until SIGTERM or SIGINT.

    Args:
        hub: what it works with.
        alone: the command that starts a process for one job at a time: given one argument more, it builds the same hub
            and calls `hub.quarantine.serve` with that. Empty: such jobs run one at a time, among the others.
    """
    await know_queues(hub)
    worker = make(hub, alone)
    await hub.companions.prepare()
    companions = asyncio.create_task(hub.companions.run(), name="companions")
    try:
        await _until_signalled(worker)
    finally:
        await _cancel([companions])


async def _until_signalled(worker: Worker) -> None:
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, worker.stop)
    await worker.async_run()
