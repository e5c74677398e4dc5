"""The relay: keeps work moving from PostgreSQL to the ready buffers, and finds what was lost on the way.

Every worker runs one; they do not need to agree, because every statement takes its rows with SKIP LOCKED and every claim
is fenced. Only the look through all that was handed over, which costs the same for each, is taken in turns.
"""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from random import Random

import structlog

from hub.domain.errors import Unavailable
from hub.domain.jobs import decide
from hub.domain.plans import DRAFT_KEPT
from hub.infra.queue import Ready, ReadyQueue
from hub.infra.recurring import Recurring
from hub.infra.store.execution import Abandoned, ExecutionStore
from hub.infra.store.inbox import InboxStore
from hub.infra.store.plans import PlanStore
from hub.infra.store.relay import RelayStore
from hub.infra.store.settlements import Settlement
from hub.registry import Registry
from hub.services.execute import settlement_of, standing_of
from hub.services.interruptions import lost_worker
from hub.services.telemetry import Telemetry
from hub.services.waking import Waking

log = structlog.get_logger("hub.relay")

_BATCH = 1000
# A look at what is held rests for so many times as long as it took: a heap of what nobody can run must not cost much.
_REST = 50
# Workers that have gone are shown to operators for a while; every deploy leaves some behind.
_FORGET_AFTER = timedelta(days=1)
_PRUNE_EVERY = timedelta(minutes=1)
# Failures are grouped as they happen; this is for those of the release before, as during a deploy.
_ADOPT_EVERY = timedelta(minutes=5)
# Events and waits are joined by who writes them; the sweep is for a process that died in between.
_WAKE_EVERY = timedelta(seconds=5)


@dataclass(frozen=True, slots=True)
class Pace:
    """How often the relay looks.

    Attributes:
        bound: how many jobs one ready buffer may hold.
        tick: the longest time between two looks for due work.
        sweep: the time between two looks for lost workers and held work, and, of all relays together, for lost hand-overs.
        rehand_after: how old a hand-over must be before it is looked for.
    """

    bound: int = 5_000
    tick: timedelta = timedelta(seconds=0.5)
    sweep: timedelta = timedelta(seconds=1)
    rehand_after: timedelta = timedelta(seconds=2)


class Relay:
    """Runs for as long as its process; `nudge` wakes it early."""

    def __init__(  # noqa: PLR0913 - it is where these meet
        self,
        store: RelayStore,
        execution: ExecutionStore,
        queue: ReadyQueue,
        registry: Registry,
        pace: Pace,
        *,
        clock: Callable[[], datetime],
        rng: Random,
        telemetry: Telemetry,
        waking: Waking,
        inbox: InboxStore,
        plans: PlanStore,
        beside: Sequence[Callable[[], Awaitable[None]]] = (),
    ) -> None:
        self._store = store
        self._execution = execution
        self._queue = queue
        self._registry = registry
        self._pace = pace
        self._clock = clock
        self._rng = rng
        self._telemetry = telemetry
        self._waking = waking
        self._inbox = inbox
        self._plans = plans
        self._beside = beside
        self._moved = telemetry.metrics.relayed
        self._wanted = asyncio.Event()
        self._held_at = 0.0
        self._away = Recurring(log, "store away", ended="store back")
        # Redis was found empty, and what it had been handed is not looked for yet.
        self._forgotten = False

    def nudge(self) -> None:
        """A worker has run dry: look at once."""
        self._wanted.set()

    async def run(self) -> None:
        """Look for work until cancelled. Troubles of the stores are reported, and pass."""
        loops = (self._refill_loop, self._sweep_loop, self._wake_loop, self._prune_loop, *self._beside)
        await asyncio.gather(*[self._forever(loop) for loop in loops])

    async def refill(self) -> int:
        """Queue what is due and fill the buffers; gives how many jobs were handed over.

        Where Redis has been flushed or replaced, whatever it held is handed over again at once.
        """
        self._moved("promoted", await self._store.promote_due(_BATCH))
        backlog = await self._store.backlog()
        look = await self._queue.look(backlog)
        self._forgotten |= look.forgotten
        handed = 0
        for queue in backlog:
            room = min(self._pace.bound - look.depths[queue], _BATCH)
            if room > 0:
                ready = await self._store.refill(queue, room)
                handed += len(ready)
                self._moved("handed_over", len(ready))
                # Should this fail, the sweep takes them back.
                await self._queue.hand_over(ready)
        if self._forgotten:
            # After the refill: what waits in PostgreSQL keeps the workers busy meanwhile. One that is just being handed
            # over may be taken back here too; it is then handed over under another number, and claimed once.
            await self._find_lost(timedelta(0))
            self._forgotten = False
        return handed

    async def sweep(self) -> None:
        """Find what was lost: hand-overs, workers; and what was held for a reason that has gone."""
        await self.rescue()
        self._moved("held", await self._store.hold_paused(_BATCH))
        await self._release()
        # In Redis, so that a flush gives the turn back, and a worker that died with it keeps it no longer than that.
        if await self._queue.turn("sweep", self._pace.sweep):
            await self._find_lost(self._pace.rehand_after)
        if await self._queue.turn("adopt", _ADOPT_EVERY):
            await self._inbox.adopt(_BATCH)

    async def prune(self) -> None:
        """Delete what nobody asks for any more: one relay for all."""
        if await self._queue.turn("prune", _PRUNE_EVERY):
            await self._store.forget_workers(_FORGET_AFTER, _BATCH)
            await self._inbox.forget(_BATCH)
            await self._plans.forget_unstarted(DRAFT_KEPT)

    async def wake(self) -> None:
        """Join the events and waits that a dead process left apart: page by page, one relay for all."""
        more = await self._queue.turn("wake", _WAKE_EVERY)
        while more:
            swept = await self._waking.sweep()
            if swept.woken:
                self._moved("woken", swept.woken)
                self.nudge()
            # A turn that was lost is somebody else's; the next one goes on from here.
            more = swept.more and await self._queue.keep_turn("wake", _WAKE_EVERY)

    async def _find_lost(self, age: timedelta) -> None:
        for page in await self._store.handed_long_ago(age, _BATCH):
            lost = await self._queue.missing(page)
            if lost and (taken_back := await self._store.take_back(lost)):
                self._moved("rehanded", taken_back)
                self.nudge()

    async def _release(self) -> None:
        """All of it, batch by batch: a queue that is resumed goes on at full speed."""
        while released := await self._store.release_held(_BATCH):
            self._moved("released", released)
            self.nudge()
            if released < _BATCH:
                break

    async def take_held(self, queues: Sequence[str], limit: int, suspects: int) -> list[Ready]:
        """What other releases could not run and this worker may: for it alone, so that it does not go round in circles.

        At most so many suspects, as they run apart; the others of them are left to whoever has a place.
        Looked for once a sweep; at once again while there is more; and seldom where the look itself takes long.
        """
        loop = asyncio.get_running_loop()
        began = loop.time()
        if began < self._held_at:
            return []
        worker, known = self._execution.worker, sorted(self._registry.jobs)
        handed = await self._store.take_held(worker, queues, known, limit, suspects)
        self._moved("released", len(handed))
        if len(handed) < limit:
            now = loop.time()
            self._held_at = now + max(self._pace.sweep.total_seconds(), _REST * (now - began))
        return handed

    async def rescue(self) -> int:
        """Take running jobs from workers whose lease has lapsed; gives how many."""
        rescued = 0
        while abandoned := await self._store.abandoned(_BATCH):
            moved = 0
            for worker in {job.worker for job in abandoned}:
                ends = {job: self._end(job) for job in abandoned if job.worker == worker}
                settled = await self._execution.settle([*ends.values()], holder=worker)
                for job, end in ends.items():
                    if job.id in settled:
                        self._telemetry.lost(job, end.transition)
                moved += len(settled)
            rescued += moved
            if not moved:
                break
        if rescued:
            self._moved("rescued", rescued)
            self.nudge()
        return rescued

    def _end(self, job: Abandoned) -> Settlement:
        now = self._clock()
        move = decide(standing_of(job, self._registry), lost_worker(job.name), now, self._rng)
        return settlement_of(job.id, job.attempt, move, now)

    async def _refill_loop(self) -> None:
        while True:
            self._wanted.clear()
            handed = await self.refill()
            self._away.over()
            if handed == 0:
                due = await self._store.until_next_due()
                tick = self._pace.tick.total_seconds()
                # Not wait_for, which on Python 3.11 may lose a cancellation.
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(tick if due is None else max(0.01, min(due, tick))):
                        await self._wanted.wait()
            else:
                await asyncio.sleep(0)

    async def _sweep_loop(self) -> None:
        while True:
            await self.sweep()
            # When the lease of a worker that died lapses is known, so that nobody need look for it before or late.
            await asyncio.sleep(await self._store.until_next_lapse(self._pace.sweep.total_seconds()))

    async def _wake_loop(self) -> None:
        # Apart from the sweep, because a million waits take a while, and a worker that died must not wait for that.
        while True:
            await self.wake()
            await asyncio.sleep(self._pace.sweep.total_seconds())

    async def _prune_loop(self) -> None:
        # Apart from the sweep for the same reason: a long dry run is deleted part by part.
        while True:
            await self.prune()
            await asyncio.sleep(self._pace.sweep.total_seconds())

    async def _forever(self, loop: Callable[[], Awaitable[None]]) -> None:
        while True:
            try:
                await loop()
            except Unavailable as error:
                self._away.note(str(error))
            except Exception:
                # The relay outlives its own mistakes.
                log.exception("the relay failed")
            await asyncio.sleep(self._pace.tick.total_seconds())
