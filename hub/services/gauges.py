"""What is measured only when somebody reads the metrics: queues, stores, breakers, what runs here."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterable, Sequence
from typing import Final

import structlog

from hub.domain.errors import Unavailable
from hub.domain.jobs import HELD_FOR
from hub.infra.breaker_states import BreakerState, State
from hub.infra.breakers import Breakers
from hub.infra.metrics import Metrics
from hub.infra.queue import ReadyQueue
from hub.infra.store.depths import DepthStore

log = structlog.get_logger("hub.gauges")

FRESH = 5.0  # seconds for which what the stores said is good enough
_PATIENCE = 2.0  # seconds; a scrape must not wait for a store that is away
_WORST: Final = (State.OPEN, State.HALF_OPEN, State.CLOSED)


class Gauges:
    """Brings the gauges of a process up to date.

    What cannot be learnt now keeps the value it had, and `hub_store_up` says so.

    Args:
        depths: asks PostgreSQL how much is due.
        queue: the ready buffers.
        queues: their names.
        breakers: of this process.
        providers: the names to show.
        clock: steady seconds.
    """

    def __init__(
        self,
        metrics: Metrics,
        depths: DepthStore,
        queue: ReadyQueue,
        queues: Sequence[str],
        breakers: Breakers,
        providers: Iterable[str],
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._metrics = metrics
        self._depths = depths
        self._queue = queue
        self._queues = queues
        self._breakers = breakers
        self._providers = tuple(providers)
        self._clock = clock
        self._asked_at = float("-inf")
        self._asking = asyncio.Lock()
        self._looks: list[Callable[[], None]] = []

    def look(self, look: Callable[[], None]) -> None:
        """Call `look` before every reading; it sets gauges of its own and costs next to nothing."""
        self._looks.append(look)

    async def refresh(self) -> None:
        """Make the gauges worth reading; never raises, asks the stores at most once in FRESH seconds."""
        for look in self._looks:
            look()
        self._show_breakers()
        async with self._asking:
            if self._clock() - self._asked_at >= FRESH:
                await asyncio.gather(self._ask("postgresql", self._due), self._ask("redis", self._ready))
                self._asked_at = self._clock()

    def _show_breakers(self) -> None:
        """Of a provider with several targets the worst one."""
        snapshot = self._breakers.snapshot()
        for provider in self._providers:
            state = _worst(state for state in snapshot if state.provider == provider)
            self._metrics.breaker_is(provider, state.value)

    async def _ask(self, store: str, ask: Callable[[], Awaitable[None]]) -> None:
        up = True
        try:
            async with asyncio.timeout(_PATIENCE):
                await ask()
        except (Unavailable, TimeoutError):
            up = False
        except Exception:
            # Whatever it is, everything else is still worth reading.
            log.exception("a store could not be measured", store=store)
            up = False
        self._metrics.store_is(store, up=up)

    async def _due(self) -> None:
        for depth in await self._depths.due():
            self._metrics.queue_is(depth.queue, depth=depth.jobs, oldest_due_seconds=depth.oldest)
        for state, jobs in (await self._depths.later()).items():
            self._metrics.later_is(state, jobs)
        found = {held.reason: held for held in await self._depths.held()}
        for reason in HELD_FOR:
            held = found.get(reason)
            self._metrics.held_is(
                reason, held.jobs if held else 0, oldest_due_seconds=held.oldest if held else 0
            )

    async def _ready(self) -> None:
        for queue, count in (await self._queue.depths(self._queues)).items():
            self._metrics.ready_is(queue, count)


def _worst(states: Iterable[BreakerState]) -> State:
    return min((state.state for state in states), key=_WORST.index, default=State.CLOSED)
