"""Waiting for jobs to settle: however many requests wait, one query looks for all of them."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from uuid import UUID

from hub.domain.errors import Unavailable

Unsettled = Callable[[Sequence[UUID]], Awaitable[set[UUID]]]


class Waiting:
    """Wakes whoever waits for a job that is settled.

    Args:
        unsettled: which of some jobs are not settled yet.
        interval: seconds between two looks.
    """

    def __init__(self, unsettled: Unsettled, *, interval: float = 0.075) -> None:
        self._unsettled = unsettled
        self._interval = interval
        self._waiters: dict[UUID, set[asyncio.Future[None]]] = {}
        self._watching: asyncio.Task[None] | None = None
        self._closed = False

    @property
    def count(self) -> int:
        """How many jobs are waited for."""
        return len(self._waiters)

    async def settled(self, jobs: Sequence[UUID], timeout: float) -> None:  # noqa: ASYNC109 - callers give seconds
        """Return when all of the jobs are settled or gone, after `timeout` seconds, or when the server stops."""
        waiters = {job: self._wait_for(job) for job in jobs if not self._closed}
        try:
            with suppress(TimeoutError):
                async with asyncio.timeout(timeout):
                    await asyncio.gather(*waiters.values())
        finally:
            for job, waiter in waiters.items():
                self._forget(job, waiter)

    def release(self) -> None:
        """Let everybody go, now and from now on: the server stops."""
        self._closed = True
        for job in list(self._waiters):
            self._wake(job)

    def _wait_for(self, job: UUID) -> asyncio.Future[None]:
        waiter: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiters.setdefault(job, set()).add(waiter)
        if self._watching is None:
            self._watching = asyncio.create_task(self._watch())
        return waiter

    def _forget(self, job: UUID, waiter: asyncio.Future[None]) -> None:
        others = self._waiters.get(job, set())
        others.discard(waiter)
        if not others:
            self._waiters.pop(job, None)

    def _wake(self, job: UUID) -> None:
        for waiter in self._waiters.pop(job, ()):
            if not waiter.done():
                waiter.set_result(None)

    async def _watch(self) -> None:
        try:
            while self._waiters:
                asked = list(self._waiters)
                # While the database is away nobody is woken; their own time-outs still hold.
                with suppress(Unavailable):
                    left = await self._unsettled(asked)
                    for job in asked:
                        if job not in left:
                            self._wake(job)
                if self._waiters:
                    await asyncio.sleep(self._interval)
        finally:
            self._watching = None
