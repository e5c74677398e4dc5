"""Running a claimed job, as a pipeline of named steps: find, read its arguments, run, judge, decide, settle."""

import asyncio
from collections.abc import Awaitable, Callable, Collection, Sequence
from datetime import datetime
from random import Random
from typing import Any, TypeVar
from uuid import UUID

import structlog

from hub.domain.causes import Cause
from hub.domain.errors import Unavailable
from hub.domain.jobs import FailedForGood, Failure, Interrupted, Reason, Standing, Transition, decide
from hub.domain.retry import Backoff
from hub.infra.batch import Batcher, Bounds
from hub.infra.store.database import is_data_error, is_unstorable
from hub.infra.store.execution import Abandoned, Claimed, ExecutionStore
from hub.infra.store.settlements import Settlement
from hub.registry import Registry
from hub.services.attempt import Tools
from hub.services.interruptions import lost_claim, stopped
from hub.services.ledger import Superseded
from hub.services.run import Finished, run
from hub.services.telemetry import Telemetry
from hub.services.waking import Waking

T = TypeVar("T")

log = structlog.get_logger("hub.execute")

Held = tuple[UUID, int]
"""A job and the attempt under which it is held."""

Apart = Callable[[Claimed], Awaitable[Interrupted | None]]
"""Runs an attempt in another process; gives how it was interrupted, None if it came to an end of its own."""

# While the database is away, settlements wait, however long: the fence refuses those whose lease has lapsed meanwhile.
_SETTLE_PAUSE = 0.2

_UNSTORABLE = "unstorable"


class Execute:
    """Runs jobs for one worker.

    Args:
        store: the worker's statements.
        registry: the jobs this release knows.
        tools: what jobs work with.
        telemetry: told of every attempt.
        waking: told of jobs that wait.
        clock: the time that delays are measured from (only differences reach the database).
        rng: jitter.
    """

    def __init__(
        self,
        store: ExecutionStore,
        registry: Registry,
        tools: Tools,
        *,
        telemetry: Telemetry,
        waking: Waking,
        clock: Callable[[], datetime],
        rng: Random,
    ) -> None:
        self._store = store
        self._registry = registry
        self._tools = tools
        self._telemetry = telemetry
        self._waking = waking
        self._clock = clock
        self._rng = rng
        self._known = sorted(registry.jobs)
        self._settlements: Batcher[Settlement, bool] = Batcher(
            self._flush,
            limit=500,
            bounds=Bounds(items=100_000),
            lanes=2,
            apart=is_data_error,
            observe=lambda size: telemetry.metrics.batch("settle", size),
        )
        self._ending: set[Held] = set()

    @property
    def unsettled(self) -> int:
        """How many ends of attempts wait to be written."""
        return len(self._settlements)

    def is_ending(self, job: UUID, attempt: int) -> bool:
        """Whether the end of this attempt waits to be written."""
        return (job, attempt) in self._ending

    async def claim(self, handed: Sequence[tuple[Any, int]]) -> list[Claimed]:
        """Claim what was taken from the ready buffer."""
        self._telemetry.metrics.batch("claim", len(handed))
        return await self._store.claim(handed, self._known)

    async def run(self, claimed: Claimed) -> None:
        """Run one attempt to its end and hand the end over to be written. Never raises for what a job does."""
        running = self._telemetry.running
        running[claimed.queue] += 1
        try:
            await self._run(claimed)
        finally:
            running[claimed.queue] -= 1

    async def run_apart(self, claimed: Claimed, run: Apart) -> None:
        """Have one attempt run in another process, which writes its end itself unless it dies before."""
        running = self._telemetry.running
        running[claimed.queue] += 1
        try:
            end = await run(claimed)
        except asyncio.CancelledError:
            end = stopped(claimed.name)
        finally:
            running[claimed.queue] -= 1
        if end is not None:
            # It waits while the database is away: else how it ended is forgotten, and taken for a crash.
            for job in await _insisted(self._store.running):
                if (job.id, job.attempt) == (claimed.id, claimed.attempt):
                    self._interrupt(job, end)

    async def give_back(self, held: Collection[Held], *, crashed: bool) -> int:
        """Give back what the database says this worker runs, and it does not; gives how many jobs.

        A claim whose answer was lost leaves such a job. As the worker lives, nobody else would ever rescue it.
        No claim may be under way.

        Args:
            held: what it does run.
            crashed: whether this counts towards a crash loop.
        """
        lost = [
            job
            for job in await self._store.running()
            if (job.id, job.attempt) not in held and (job.id, job.attempt) not in self._ending
        ]
        for job in lost:
            self._interrupt(job, lost_claim(job.name, crashed=crashed))
        return len(lost)

    def _interrupt(self, job: Abandoned, outcome: Interrupted) -> None:
        now = self._clock()
        standing = standing_of(job, self._registry)
        move = decide(standing, outcome, now, self._rng)
        self._settle(settlement_of(job.id, job.attempt, move, now), standing, job.name)
        self._telemetry.lost(job, move)

    async def drain(self) -> None:
        """Wait until every end is written."""
        await self._settlements.drain()
        await self._waking.drain()

    async def _run(self, claimed: Claimed) -> None:
        spec = self._registry.jobs[claimed.name]
        began = asyncio.get_running_loop().time()
        try:
            finished = await run(spec, claimed, self._tools)
        except Superseded:
            return
        now = self._clock()
        standing = Standing(
            claimed.failures, claimed.crashes, spec.retry, undoable=finished.undoable, ending=claimed.ending
        )
        move = decide(standing, finished.outcome, now, self._rng)
        self._settle(settlement_of(claimed.id, claimed.attempt, move, now, finished), standing, spec.name)
        self._telemetry.ended(claimed, move, finished.error, asyncio.get_running_loop().time() - began)

    def _settle(self, settlement: Settlement, standing: Standing, name: str) -> None:
        future = self._settlements.submit(settlement)
        # Nobody waits for it: a settlement that is refused belongs to a job that somebody else holds by now.
        held = (settlement.job, settlement.attempt)
        self._ending.add(held)
        future.add_done_callback(lambda done: self._ended(settlement, standing, name, done))

    def _ended(
        self, settlement: Settlement, standing: Standing, name: str, future: "asyncio.Future[bool]"
    ) -> None:
        self._ending.discard((settlement.job, settlement.attempt))
        if future.cancelled() or not (error := future.exception()):
            return
        # Unless it can be written as a failure, it stays running until `give_back` finds it.
        log.error("the end of an attempt could not be written", job_id=str(settlement.job), exc_info=error)
        tried = settlement.transition.failure
        if (
            isinstance(error, Exception)
            and is_unstorable(error)
            and not (tried and tried.code == _UNSTORABLE)
        ):
            now = self._clock()
            move = decide(standing, FailedForGood(_unstorable(name), Reason.INVALID), now, self._rng)
            self._settle(settlement_of(settlement.job, settlement.attempt, move, now), standing, name)

    async def _flush(self, settlements: list[Settlement]) -> list[bool]:
        settled = await _insisted(lambda: self._store.settle(settlements))
        self._telemetry.settled(len(settlements), len(settled))
        self._waking.waits(one.job for one in settlements if one.waits and one.job in settled)
        return [settlement.job in settled for settlement in settlements]


def _unstorable(job: str) -> Failure:
    message = "what the job came to cannot be stored"
    return Failure.of(Cause.of(job, "Unstorable", _UNSTORABLE, message), message)


async def _insisted(ask: Callable[[], Awaitable[T]]) -> T:
    """What the database answers, however long it is away."""
    while True:
        try:
            return await ask()
        except Unavailable:
            await asyncio.sleep(_SETTLE_PAUSE)


def standing_of(job: Abandoned, registry: Registry) -> Standing:
    """Where a job stands whose attempt has ended out of sight."""
    spec = registry.jobs.get(job.name)
    retry = spec.retry if spec else Backoff()
    return Standing(job.failures, job.crashes, retry, undoable=job.undoable, ending=job.ending)


def settlement_of(
    job: UUID, attempt: int, move: Transition, now: datetime, finished: Finished | None = None
) -> Settlement:
    """The end of an attempt, as it is to be written."""
    delay = move.run_at - now if move.run_at else None
    if finished is None:
        return Settlement(job, attempt, move, delay)
    return Settlement(
        job, attempt, move, delay, finished.result, children=finished.children, waits=finished.waits
    )
