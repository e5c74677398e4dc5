"""What persons ordered of the breakers, learnt by every process within a second: `run` it as a task."""

import asyncio
import math
from datetime import timedelta

import structlog

from hub.domain.errors import Unavailable
from hub.infra.breaker_states import Standing
from hub.infra.breakers import Breakers
from hub.infra.store.overrides import OverrideStore

log = structlog.get_logger("hub.breakers")

EVERY = timedelta(seconds=0.5)


class Overrides:
    """Keeps the breakers of this process as ordered. While the database is away, what was learnt last holds.

    Args:
        store: where the orders are.
        breakers: of this process.
        interval: the time between two looks.
    """

    def __init__(self, store: OverrideStore, breakers: Breakers, *, interval: timedelta = EVERY) -> None:
        self._store = store
        self._breakers = breakers
        self._interval = interval.total_seconds()

    async def learn(self) -> None:
        """Look once. Raises Unavailable."""
        held = await self._store.standing()
        now = self._breakers.clock()
        self._breakers.override(
            {
                one.override.provider: Standing(
                    one.override, math.inf if one.left is None else now + one.left
                )
                for one in held
            }
        )

    async def run(self) -> None:
        """Look until cancelled."""
        while True:
            try:
                await self.learn()
            except Unavailable:
                pass  # whoever works with the database tells
            except Exception:
                log.exception("orders not learnt")
            await asyncio.sleep(self._interval)
