"""Watching for what people should be told: every relay runs it, one at a time looks, and the hub's own jobs tell."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from datetime import timedelta
from uuid import UUID

import structlog
from redis.exceptions import RedisError

from hub.domain.alerts import AlertRules, Finding, is_growing, is_time
from hub.domain.errors import Unavailable
from hub.infra.queue import ReadyQueue
from hub.infra.store.alarms import MOST, OWN, AlarmStore, NewAlert, breakers, waits
from hub.infra.store.alerts import AlertStore, Pending
from hub.infra.store.depths import DepthStore
from hub.services.alerts import Telling

log = structlog.get_logger("hub.alerts")

EVERY = timedelta(seconds=5)
_FORGET_EVERY = timedelta(hours=1)
# A queue is compared with how it was half a minute ago, not with a moment ago.
_COMPARE_AFTER = 30.0


class Alarms:
    """Finds, raises, ends and tells.

    Args:
        store: where findings come from and are kept.
        told: where they are told from.
        telling: makes the jobs that tell.
        rules: what is watched.
        depths: how long work has waited.
        open_breakers: the breakers that are not closed, anywhere.
        queue: where turns are taken.
        new_id: makes UUIDv7s.
        compare_after: seconds between two looks at how long work has waited that are compared.
    """

    def __init__(  # noqa: PLR0913 - it is where these meet
        self,
        store: AlarmStore,
        told: AlertStore,
        telling: Telling,
        rules: AlertRules,
        *,
        depths: DepthStore,
        open_breakers: Callable[[], Awaitable[Sequence[str]]],
        queue: ReadyQueue,
        new_id: Callable[[], UUID],
        compare_after: float = _COMPARE_AFTER,
    ) -> None:
        self._store = store
        self._told = told
        self._telling = telling
        self._rules = rules
        self._depths = depths
        self._open_breakers = open_breakers
        self._queue = queue
        self._new_id = new_id
        self._compare_after = compare_after
        self._before: tuple[float, dict[str, float]] | None = None
        self._growing: list[str] = []

    async def run(self) -> None:
        """Go on until cancelled. Raises Unavailable."""
        await self.begin()
        while True:
            if await self._queue.turn("alerts", EVERY * 0.8):
                await self.look()
            if await self._queue.turn("alerts:forget", _FORGET_EVERY):
                await self._store.forget()
            await asyncio.sleep(EVERY.total_seconds())

    async def begin(self) -> None:
        """Note when watching began, unless it was noted before."""
        await self._store.begin()

    async def look(self) -> None:
        """Look once at everything, and tell what there is to tell."""
        # Before the question: what ends while the rest is looked at is for the next look.
        began = await self._store.now()
        payments = await self._store.payments()
        found = [
            *await self._store.errors(),
            *payments,
            *breakers(await self._not_closed()),
            *await self._waits(),
        ]
        new = await self._store.raise_all([NewAlert(self._new_id(), finding) for finding in _once(found)])
        if len(payments) < MOST:
            await self._store.payments_seen(began)
        ended = await self._store.end()
        if new or ended:
            log.info("alerts", new=new, ended=ended)
        heard = bool(self._telling.channels)
        told = await self._told.tell(self._rules.remind, _is_time, self._telling.jobs, heard=heard)
        if told is not None:
            log.info("alerts told", alerts=told, channels=len(self._telling.channels))

    async def _not_closed(self) -> Sequence[str]:
        try:
            return await self._open_breakers()
        except (RedisError, OSError, TimeoutError) as error:
            raise Unavailable(f"Redis is not available ({type(error).__name__})") from error

    async def _waits(self) -> list[Finding]:
        if not self._rules.oldest_due:
            return []
        depths = {depth.queue: depth.oldest for depth in await self._depths.due() if depth.queue != OWN}
        now = asyncio.get_running_loop().time()
        if self._before is None:
            self._before = now, depths
        elif now - self._before[0] >= self._compare_after:
            self._growing = is_growing(self._before[1], depths, self._rules.oldest_due)
            self._before = now, depths
        limit = self._rules.oldest_due.total_seconds()
        # It is seen for as long as it is over the limit, so that it ends when it is not, and not when it shrinks a little.
        return waits([queue for queue in self._growing if depths.get(queue, 0.0) > limit], limit)


def _once(found: Sequence[Finding]) -> list[Finding]:
    return list({(finding.kind, finding.key): finding for finding in found}.values())


def _is_time(pending: Pending) -> bool:
    return is_time(pending.now, pending.oldest, pending.last)
