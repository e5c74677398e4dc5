"""Clients as providers are: they deliver, and deliver again what was not accepted."""

import asyncio
import itertools
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from typing import Any, Self

import aiohttp

from tests.services.deliveries import delivery
from tests.services.engine import Engine
from tests.until import until

Session = aiohttp.ClientSession

STARTED_WITHIN = 90.0  # seconds; a guard against hanging, not a measure

_AT_ONCE = 8
_AGAIN = 0.05


@asynccontextmanager
async def session(
    url: str, socket_factory: Callable[[Any], Any] | None = None
) -> AsyncIterator[aiohttp.ClientSession]:
    """A session without connections that are kept."""
    connector = aiohttp.TCPConnector(socket_factory=socket_factory, force_close=True)
    async with aiohttp.ClientSession(url, connector=connector) as opened:
        yield opened


async def serving(session: aiohttp.ClientSession) -> None:
    """Wait until a web process is ready."""

    async def answers() -> bool:
        with suppress(aiohttp.ClientError):
            async with session.get("/readyz") as answer:
                return answer.status == 200
        return False

    await until(answers, within=STARTED_WITHIN)


async def deliver(session: aiohttp.ClientSession, name: str) -> tuple[int, float]:
    """Deliver an event; gives the status and the seconds it took."""
    headers, body = delivery(name)
    began = time.monotonic()
    async with session.post("/webhooks/depot", headers=headers, data=body) as answer:
        await answer.read()
        return answer.status, time.monotonic() - began


async def settled(hub: Engine) -> bool:
    """Whether nothing is left to do."""
    return not await hub.sql("SELECT 1 FROM jobs WHERE settled_at IS NULL LIMIT 1")


class Flood:
    """Delivers event after event, several at once, each until it is accepted.

    Attributes:
        accepted: the events that were acknowledged, in their order.
        statuses: every answer that was given.
        longest_gap: the longest time between two acknowledgements, in seconds.
    """

    def __init__(self, session: aiohttp.ClientSession) -> None:
        self.accepted: list[str] = []
        self.statuses: set[int] = set()
        self.longest_gap = 0.0
        self._session = session
        self._last: float | None = None
        self._names = (f"event {number}" for number in itertools.count())
        self._stopping = False
        self._tasks: list[asyncio.Task[None]] = []

    async def __aenter__(self) -> Self:
        self._tasks = [asyncio.create_task(self._deliver()) for _ in range(_AT_ONCE)]
        return self

    async def __aexit__(self, *_: object) -> None:
        """What was begun is brought to its end."""
        self._stopping = True
        await asyncio.gather(*self._tasks)

    async def accepted_more(self, count: int, *, within: float = 60.0) -> None:
        """Wait for so many more acknowledgements."""
        most = len(self.accepted) + count
        await until(lambda: len(self.accepted) >= most, within=within)

    async def _deliver(self) -> None:
        while not self._stopping:
            name = next(self._names)
            while (status := (await deliver(self._session, name))[0]) != 200:
                self.statuses.add(status)
                await asyncio.sleep(_AGAIN)
            now = time.monotonic()
            self.longest_gap = max(self.longest_gap, now - (self._last or now))
            self._last = now
            self.accepted.append(name)
