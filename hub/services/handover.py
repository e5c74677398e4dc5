"""Handing freshly committed jobs to the ready buffer, without making anybody wait for Redis."""

import asyncio
from collections import Counter
from collections.abc import Callable, Sequence

from hub.domain.errors import Unavailable
from hub.infra.queue import Ready, ReadyQueue

# After a failure Redis is left alone for this long, and for longer while it does not answer `watch`; the relay hands over
# meanwhile, as soon as it can.
_PAUSE = 1.0
# A Redis that is slow must not fill this process with hand-overs: more than these are left to the relay.
_MOST_UNDER_WAY = 64


class Handover:
    """Knows, roughly, how much room the buffers have; puts committed jobs there in the background.

    Rough is enough: a buffer may overshoot its bound by what is in flight, and what does not fit waits in PostgreSQL.

    Args:
        queue: the ready buffers.
        bound: how many jobs one buffer may hold.
        failed: told how many jobs of which queue were not taken (for the metrics).
    """

    def __init__(self, queue: ReadyQueue, bound: int, failed: Callable[[Counter[str]], None]) -> None:
        self._queue = queue
        self._bound = bound
        self._failed = failed
        self._depths: dict[str, int] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._away_until = 0.0

    def fits(self, queue: str) -> bool:
        """Whether a job for this queue may be stored as handed over; if not, the relay will fetch it."""
        if self._depths.get(queue, 0) < self._bound and len(self._tasks) < _MOST_UNDER_WAY:
            return asyncio.get_running_loop().time() >= self._away_until
        return False

    def hand_over(self, ready: Sequence[Ready]) -> None:
        """Hand committed jobs over in the background. Never fails: what does not arrive is found by the relay."""
        if len(self._tasks) >= _MOST_UNDER_WAY:
            self._failed(Counter(entry.queue for entry in ready))
        elif ready:
            task = asyncio.create_task(self._hand_over(ready))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def drain(self) -> None:
        """Wait for the hand-overs under way."""
        while self._tasks:
            await asyncio.wait(self._tasks)

    async def watch(self, interval: float = 0.25) -> None:
        """Keep the known depths fresh while buffers are full, and see whether Redis is back while it is away.

        Run it for as long as the process lives.
        """
        while True:
            await asyncio.sleep(interval)
            full = [queue for queue, depth in self._depths.items() if depth >= self._bound]
            try:
                if full:
                    self._depths.update(await self._queue.depths(full))
                elif self._away_until:
                    await self._queue.ping()
                    self._away_until = 0.0
            except Unavailable:
                # Until it answers: what is stored as handed over in vain would have to be found again.
                self._note_away()

    async def _hand_over(self, ready: Sequence[Ready]) -> None:
        try:
            self._depths.update(await self._queue.hand_over(ready))
        except Unavailable:
            self._note_away()
            self._failed(Counter(entry.queue for entry in ready))

    def _note_away(self) -> None:
        self._depths.clear()
        self._away_until = asyncio.get_running_loop().time() + _PAUSE
