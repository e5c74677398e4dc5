"""What a provider can bear from this process: so many calls at once, so many a second.

A short wait is waited out; a longer one is refused, so that the job gives its slot back and comes again.
"""

import asyncio
import math
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import timedelta

from hub.domain.errors import NotSent
from hub.domain.providers import Limits, Provider

PATIENCE = 1.0  # seconds
COME_AGAIN = timedelta(seconds=2)  # when all places are taken there is no telling when one will be free


class Pace:
    """A steady rate with bursts of one second's worth, in order of arrival (GCRA, the leaky bucket as a meter)."""

    def __init__(self, per_second: float) -> None:
        self._interval = 1 / per_second
        self._burst = max(0.0, math.ceil(per_second) - 1) * self._interval
        self._due = -math.inf

    def reserve(self, now: float, patience: float) -> float:
        """Seconds to wait for one's turn. More than `patience`: the turn is not taken."""
        due = max(self._due, now)
        wait = due - self._burst - now
        if wait <= patience:
            self._due = due + self._interval
        return max(0.0, wait)


class Gate:
    """The limits of one provider."""

    def __init__(self, provider: str, limits: Limits, clock: Callable[[], float]) -> None:
        self._provider = provider
        self._clock = clock
        self._places = asyncio.Semaphore(limits.concurrent)
        self._pace = Pace(limits.per_second) if limits.per_second else None

    @asynccontextmanager
    async def passing(self, patience: float = PATIENCE) -> AsyncIterator[None]:
        """Hold a place while the block runs.

        Raises:
            NotSent: the wait would be longer than `patience` seconds; `retry_after` says when to come again.
        """
        await self._take_place(patience)
        try:
            await self._take_turn(patience)
            yield
        finally:
            self._places.release()

    async def _take_place(self, patience: float) -> None:
        if not self._places.locked():
            await self._places.acquire()
            return
        try:
            async with asyncio.timeout(patience):
                await self._places.acquire()
        except TimeoutError:
            raise NotSent(
                f"{self._provider} has as many calls under way as it may have: not called",
                code="too_many_at_once",
                retry_after=COME_AGAIN,
            ) from None

    async def _take_turn(self, patience: float) -> None:
        wait = self._pace.reserve(self._clock(), patience) if self._pace else 0.0
        if wait > patience:
            raise NotSent(
                f"{self._provider} was called as often as it may be: not called",
                code="rate_limited",
                retry_after=timedelta(seconds=wait),
            )
        if wait:
            await asyncio.sleep(wait)


class Gates:
    """The gates of all providers of this process."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._gates: dict[str, Gate] = {}

    def of(self, provider: Provider) -> Gate:
        """The provider's gate; made when first asked for."""
        gate = self._gates.get(provider.name)
        if gate is None:
            gate = self._gates[provider.name] = Gate(provider.name, provider.limits, self._clock)
        return gate
