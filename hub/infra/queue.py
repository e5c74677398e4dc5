"""The ready buffer: one bounded sorted set per queue in Redis, read and written through arq's client.

It holds only the next moments' work. A member is `<job id>:<dispatch number>`, and that is all there is: no payload, no
expiry, nothing that could be lost. The score orders by priority, then by due time. What is lost with Redis is handed over
again by the relay; what is handed over twice is refused by the claim.
"""

import asyncio
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import orjson
from arq.connections import ArqRedis
from redis.asyncio import BlockingConnectionPool
from redis.exceptions import RedisError

from hub.domain.errors import Unavailable

# Scores must stay exact in a double: 9 priorities of 10^13 ms (until the year 2286) are far below 2^53.
_PRIORITY_SPAN = 10**13
_FILLED = "hub:filled"

# Takes up to ARGV[1] members over all queues in one round trip: each queue gets an equal share first, so that a full
# queue does not starve the others, then whoever has more fills what is left.
_TAKE = """
local left, taken = tonumber(ARGV[1]), {}
local share = math.max(1, math.floor(left / #KEYS))
for _, quota in ipairs({share, left}) do
    for _, key in ipairs(KEYS) do
        if left <= 0 then return taken end
        local popped = redis.call('ZPOPMIN', key, math.min(quota, left))
        for i = 1, #popped, 2 do taken[#taken + 1] = popped[i] end
        left = left - #popped / 2
    end
end
return taken
"""


@dataclass(frozen=True, slots=True)
class Ready:
    """A job that is due, under the number of this hand-over."""

    job: UUID
    dispatch: int
    queue: str
    priority: int
    run_at: datetime

    @property
    def member(self) -> str:
        """How it stands in the sorted set."""
        return f"{self.job.hex}:{self.dispatch}"

    @property
    def score(self) -> float:
        """Higher priority first, then what has been due longest."""
        return (9 - self.priority) * _PRIORITY_SPAN + self.run_at.timestamp() * 1000


Handed = tuple[UUID, int]


@dataclass(frozen=True, slots=True)
class Look:
    """What the buffers look like.

    Attributes:
        depths: how many jobs stand in each.
        forgotten: Redis has lost what it held since somebody looked last: it was flushed, or is another one. One caller
            is told, once.
    """

    depths: dict[str, int]
    forgotten: bool


class ReadyQueue:
    """The ready buffers of all queues.

    Args:
        url: `redis://`, `rediss://` or `unix://`.
        connections: the most connections of this process.
    """

    def __init__(self, url: str, *, connections: int = 8) -> None:
        pool = BlockingConnectionPool.from_url(
            url, max_connections=connections, timeout=2, socket_timeout=5, socket_connect_timeout=2
        )
        # JSON, not arq's default pickle: whoever can write to Redis must not be able to run code here.
        self.redis = ArqRedis(pool, job_serializer=orjson.dumps, job_deserializer=orjson.loads)
        self._take = self.redis.register_script(_TAKE)

    async def hand_over(self, ready: Sequence[Ready]) -> dict[str, int]:
        """Put jobs into the buffers of their queues; gives the depth of each afterwards.

        Raises:
            Unavailable: Redis is away; the relay will hand them over again.
        """
        by_queue: dict[str, dict[str, float]] = {}
        for entry in ready:
            by_queue.setdefault(entry.queue, {})[entry.member] = entry.score
        pipe = self.redis.pipeline(transaction=False)
        for queue, members in by_queue.items():
            pipe.zadd(key_of(queue), dict(members))
            pipe.zcard(key_of(queue))
        answers = await _guard(pipe.execute())
        return dict(zip(by_queue, answers[1::2], strict=True))

    async def take(self, queues: Sequence[str], limit: int) -> list[Handed]:
        """Take up to `limit` jobs, fairly over the queues; an empty list if nothing is ready."""
        members = await _guard(self._take(keys=[key_of(queue) for queue in queues], args=[limit]))
        return [handed for member in members if (handed := parse_member(member))]

    async def wait(self, queues: Iterable[str], timeout: float) -> list[Handed]:  # noqa: ASYNC109 - Redis waits
        """Sleep until something is handed over, `timeout` seconds at most; takes and gives that one job."""
        found = await _guard(self.redis.bzpopmin([key_of(queue) for queue in queues], timeout=timeout))
        handed = parse_member(found[1]) if found else None
        return [handed] if handed else []

    async def depths(self, queues: Sequence[str]) -> dict[str, int]:
        """How many jobs stand ready in each buffer."""
        pipe = self.redis.pipeline(transaction=False)
        for queue in queues:
            pipe.zcard(key_of(queue))
        return dict(zip(queues, await _guard(pipe.execute()), strict=True))

    async def look(self, queues: Sequence[str]) -> Look:
        """The depths, and whether what was handed over before is still there, in one round trip."""
        pipe = self.redis.pipeline(transaction=False)
        for queue in queues:
            pipe.zcard(key_of(queue))
        # Lost with everything else, so whoever can set it is the first to look at an empty Redis.
        pipe.set(_FILLED, b"", nx=True)
        *depths, forgotten = await _guard(pipe.execute())
        return Look(dict(zip(queues, depths, strict=True)), bool(forgotten))

    async def missing(self, ready: Sequence[Ready]) -> list[Ready]:
        """Those that were handed over and do not stand in their buffer (taken, or lost)."""
        by_queue: dict[str, list[Ready]] = {}
        for entry in ready:
            by_queue.setdefault(entry.queue, []).append(entry)
        pipe = self.redis.pipeline(transaction=False)
        for queue, entries in by_queue.items():
            pipe.execute_command("ZMSCORE", key_of(queue), *(entry.member for entry in entries))
        answers = await _guard(pipe.execute())
        return [
            entry
            for entries, scores in zip(by_queue.values(), answers, strict=True)
            for entry, score in zip(entries, scores, strict=True)
            if score is None
        ]

    async def turn(self, of: str, lasting: timedelta) -> bool:
        """Whether it is the caller's turn to do what one process does for all; nobody else's for as long as it lasts."""
        milliseconds = max(1, int(lasting.total_seconds() * 1000))
        return bool(await _guard(self.redis.set(f"hub:turn:{of}", b"", nx=True, px=milliseconds)))

    async def ping(self) -> None:
        """Raise Unavailable unless Redis answers."""
        await _guard(self.redis.ping())

    async def close(self) -> None:
        """Close every connection."""
        await self.redis.aclose(close_connection_pool=True)


def key_of(queue: str) -> str:
    """The sorted set of a queue."""
    return f"hub:queue:{queue}"


def parse_member(member: bytes | str) -> Handed | None:
    """Read a member back; None for what the hub did not write."""
    text = member.decode("ascii", "replace") if isinstance(member, bytes) else member
    job, _, dispatch = text.partition(":")
    try:
        return UUID(hex=job), int(dispatch)
    except ValueError:
        return None


async def _guard(command: Any) -> Any:
    try:
        answer = await command
    except (TimeoutError, RedisError, OSError) as error:
        _heed_cancellation()
        message = f"Redis is not available ({type(error).__name__})"
        raise Unavailable(message) from error
    _heed_cancellation()
    return answer


def _heed_cancellation() -> None:
    """Cancelled at the wrong moment, redis-py answers or fails as if nothing had happened (seen with 5.3.1): a loop
    that is told to stop would go on.
    """
    task = asyncio.current_task()
    if task is not None and task.cancelling():
        raise asyncio.CancelledError
