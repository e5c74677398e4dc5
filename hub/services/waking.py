"""Bringing events and the jobs that wait for them together; see `hub.infra.store.waits` for why no lock is needed."""

from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass
from uuid import UUID

import structlog

from hub.domain.errors import Unavailable
from hub.infra.batch import Batcher
from hub.infra.store.waits import NOBODY, WaitStore, Woken
from hub.services.handover import Handover

log = structlog.get_logger("hub.waking")

_BATCH = 500
_PAGE = 500
# More than either, so that one statement is enough where each event or wait wakes one job.
_MOST = 1000

Wake = Callable[[Sequence[UUID], Sequence[str], int], Awaitable[Woken]]


@dataclass(frozen=True, slots=True)
class Swept:
    """How many jobs a sweep has woken, and whether there are more to look at before the round is over."""

    woken: int
    more: bool


class Waking:
    """Looks, after every commit of an event or a wait, whether the other one is there already.

    In the background: nobody's answer waits for it, and what fails here is found by `sweep`.

    Args:
        store: who waits, and for what.
        handover: where woken jobs go.
        queues: the queues there are. What has no room in its buffer is left to the relay.
    """

    def __init__(self, store: WaitStore, handover: Handover, queues: Sequence[str]) -> None:
        self._store = store
        self._handover = handover
        self._queues = queues
        self._after = NOBODY
        self._events: Batcher[UUID, None] = self._looking(store.wake_by)
        self._jobs: Batcher[UUID, None] = self._looking(store.wake)

    def came(self, events: Iterable[UUID]) -> None:
        """Events were stored."""
        _note(self._events, events)

    def waits(self, jobs: Iterable[UUID]) -> None:
        """Jobs were stored as waiting."""
        _note(self._jobs, jobs)

    async def sweep(self) -> Swept:
        """Wake what should have been woken by a process that died before it looked: one page, from where the last ended."""
        before = self._after
        page = await self._store.waiting(before, _PAGE)
        # At once, so that a page that fails is left to the next round, and does not keep what is behind it from its turn.
        self._after = page[-1] if len(page) == _PAGE else NOBODY
        try:
            woken = await self._wake(self._store.wake, page)
            await self._store.forget(page)
        except Unavailable:
            self._after = before
            raise
        return Swept(woken, more=self._after != NOBODY)

    async def drain(self) -> None:
        """Wait until every look is over."""
        await self._events.drain()
        await self._jobs.drain()
        await self._handover.drain()

    async def _wake(self, wake: Wake, ids: Sequence[UUID]) -> int:
        count, more = 0, True
        while more:
            room = [queue for queue in self._queues if self._handover.fits(queue)]
            woken = await wake(ids, room, _MOST)
            self._handover.hand_over(woken.ready)
            count, more = count + woken.count, woken.more
        return count

    def _looking(self, wake: Wake) -> Batcher[UUID, None]:
        async def look(ids: list[UUID]) -> list[None]:
            try:
                await self._wake(wake, ids)
            except Unavailable as error:
                log.info("waking waits for the sweep", error=str(error))
            except Exception:
                log.exception("waking failed")
            return [None] * len(ids)

        return Batcher(look, limit=_BATCH)


def _note(batch: Batcher[UUID, None], ids: Iterable[UUID]) -> None:
    try:
        for one in ids:
            batch.submit(one)
    except Unavailable:
        log.warning("waking is behind; the sweep catches up")
