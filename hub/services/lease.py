"""A worker's lease: one row, renewed for everything the worker holds at once. Who lets it lapse has lost all of it."""

import asyncio
import math
import os
import socket
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta

import structlog

from hub.domain.errors import HubError, Unavailable
from hub.infra.recurring import Recurring
from hub.infra.store.execution import ExecutionStore

log = structlog.get_logger("hub.worker")

# How long a database that is away is left alone. Seconds.
_PAUSE = 0.5


@dataclass(frozen=True, slots=True)
class Term:
    """How long a silent worker keeps its jobs, and how often it makes itself heard."""

    lease: timedelta
    heartbeat: timedelta


class Lease:
    """Keeps a worker known.

    Args:
        store: the worker's statements.
        term: how long, how often.
        lost: called when the lease has lapsed: whatever the worker holds is others' by then.
        queues: what it works on, for operators.
        concurrency: how many jobs at once, likewise.
        release: likewise.
    """

    def __init__(
        self,
        store: ExecutionStore,
        term: Term,
        lost: Callable[[], None],
        *,
        queues: Sequence[str],
        concurrency: int,
        release: str,
    ) -> None:
        self._store = store
        self._term = term
        self._lost = lost
        self._queues = queues
        self._concurrency = concurrency
        self._release = release
        self._away = Recurring(log, "not registered", ended="registered")
        self._unrenewed = Recurring(log, "lease not renewed", ended="lease renewed")

    async def take(self, stopping: asyncio.Event) -> None:
        """Become known, however long it takes, unless the worker is stopped before."""
        while not stopping.is_set():
            try:
                await self._store.register(
                    host=socket.gethostname(),
                    pid=os.getpid(),
                    release=self._release,
                    queues=self._queues,
                    concurrency=self._concurrency,
                    lease=self._term.lease,
                )
            except Unavailable as error:
                self._away.note(str(error))
                await asyncio.sleep(_PAUSE)
            else:
                self._away.over()
                return

    async def keep(self, stopping: asyncio.Event) -> None:
        """Renew it until cancelled; give everything up when it has lapsed meanwhile."""
        loop = asyncio.get_running_loop()
        lease = self._term.lease.total_seconds()
        lapses = loop.time() + lease
        while True:
            await asyncio.sleep(min(self._term.heartbeat.total_seconds(), max(0.0, lapses - loop.time())))
            # Measured before asking: a frozen process wakes here, its jobs long given to others.
            if loop.time() >= lapses:
                self._lost()
                lapses = math.inf
            began = loop.time()
            if (known := await self._renewed(lapses)) is None:
                continue
            if not known:
                log.error("this worker is not known any more")
                self._lost()
                await self.take(stopping)
            lapses = began + lease

    async def _renewed(self, lapses: float) -> bool | None:
        """Whether the worker is still known; None where nobody can tell now."""
        try:
            # A slow answer must not hide that the lease lapses.
            async with asyncio.timeout_at(lapses if lapses < math.inf else None):
                known = await self._store.heartbeat(self._term.lease)
        except (HubError, TimeoutError) as error:
            self._unrenewed.note(str(error) or "no answer in time")
            return None
        except Exception:
            log.exception("lease not renewed")
            return None
        self._unrenewed.over()
        return known
