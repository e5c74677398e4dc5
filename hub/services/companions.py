"""What every process of the hub does beside its work, for as long as it lives."""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Sequence

from hub.domain.errors import Unavailable
from hub.infra.breaker_sharing import BreakerSharing
from hub.services.overrides import Overrides


class Companions:
    """Keeps a process in step with the rest of the fleet. `run` it as a task; it ends when cancelled.

    Args:
        sharing: what other processes found out about providers.
        overrides: what persons ordered.
        others: run until cancelled, too.
    """

    def __init__(
        self,
        sharing: BreakerSharing,
        overrides: Overrides,
        others: Sequence[Callable[[], Awaitable[None]]] = (),
    ) -> None:
        self._overrides = overrides
        self._runs = (sharing.run, overrides.run, *others)

    async def run(self) -> None:
        """Go on until cancelled."""
        await asyncio.gather(*[run() for run in self._runs])

    async def prepare(self) -> None:
        """Before the first call: what persons ordered holds from the start, if the database can be asked."""
        with contextlib.suppress(Unavailable):
            await self._overrides.learn()
