"""Asking one question many times, and how long the server took."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import aiohttp
import orjson

from tests.scale.questions import Question

# One page after another of a list, so many times before it begins again.
_PAGES = 100


@dataclass(frozen=True, slots=True)
class Answered:
    """How long the server took for each answer to a question.

    Attributes:
        seconds: in the order of asking.
        urls: how it was asked, in the same order.
    """

    name: str
    seconds: Sequence[float]
    urls: Sequence[str] = ()

    def percentile(self, share: float) -> float:
        """The time that this share of the answers was within."""
        ordered = sorted(self.seconds)
        return ordered[max(0, math.ceil(share * len(ordered)) - 1)]

    @property
    def slowest(self) -> str:
        """How it was asked when it took longest."""
        return max(zip(self.seconds, self.urls, strict=True))[1]


class NotAnswered(Exception):
    """The hub did not answer 200."""


class Asker:
    """Asks a web process, and reads what it noted.

    Args:
        session: with the key's header, on the process's address.
        notes: where it writes its times.
    """

    def __init__(self, session: aiohttp.ClientSession, notes: Path) -> None:
        self._session = session
        self._notes = notes
        self._read = 0

    async def ask(self, question: Question, times: int) -> Answered:
        """Ask so many times, one after the other. Raises NotAnswered."""
        self._noted()
        cursor: str | None = None
        asked = []
        for turn in range(times):
            url = question.urls[turn % len(question.urls)]
            asked.append(f"{url}&cursor={cursor}" if cursor else url)
            body = await self._get(asked[-1])
            if question.follow:
                cursor = orjson.loads(body)["next_cursor"] if (turn + 1) % _PAGES else None
        return Answered(question.name, self._noted(), asked)

    async def plan(self) -> float:
        """Plan a retry of every failed job, which makes a dry run and is not begun; gives how long the server took."""
        self._noted()
        wanted = {"action": "retry", "filter": "state:failed"}
        async with self._session.post("/v1/plans", json=wanted) as response:
            if response.status != 201:
                raise NotAnswered(f"a plan was answered {response.status}: {await response.text()}")
        return self._noted()[0]

    async def _get(self, url: str) -> bytes:
        async with self._session.get(url, allow_redirects=False) as response:
            body = await response.read()
            if response.status != 200:
                raise NotAnswered(f"{url} answered {response.status}: {body[:500]!r}")
            return body

    def _noted(self) -> list[float]:
        """The times that were noted since the last look."""
        with self._notes.open() as notes:
            notes.seek(self._read)
            lines = notes.read()
            self._read = notes.tell()
        return [float(line.split()[2]) for line in lines.splitlines()]
