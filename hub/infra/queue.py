"""The ready buffer: one bounded sorted set per queue in Redis, read and written through arq's client.

It holds only the next moments' work. A member is `<job id>:<dispatch number>`, and that is all there is: no payload, no
expiry, nothing that could be lost. The score orders by priority, then by due time. What is lost with Redis is handed over
again by the relay; what is handed over twice is refused by the claim.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import orjson
from arq.connections import ArqRedis
from redis.exceptions import RedisError

from hub.domain.errors import Unavailable
from hub.domain.situation import Place
from hub.infra.redis_pool import pool

# Scores must stay exact in a double: 9 priorities of 10^13 ms (until the year 2286) are far below 2^53.
_PRIORITY_SPAN = 10**13
_FILLED = "hub:filled"

# Takes up to ARGV[1] members over all queues in one round trip: each queue gets an equal share first, so that a full
# queue does not starve the others, then whoever has more fills what is left. Of these at most ARGV[2] are suspects, whose
# sets are the second half of the keys and come first: there are few, and they have waited longest.
_TAKE = """
local left, suspects, queues, taken = tonumber(ARGV[1]), tonumber(ARGV[2]), #KEYS / 2, {}
local function take(key, most)
    if most <= 0 then return 0 end
    local popped = redis.call('ZPOPMIN', key, most)
    for i = 1, #popped, 2 do taken[#taken + 1] = popped[i] end
    left = left - #popped / 2
    return #popped / 2
end
for i = queues + 1, #KEYS do suspects = suspects - take(KEYS[i], math.min(suspects, left)) end
local share = math.max(1, math.floor(left / queues))
for _, quota in ipairs({share, left}) do
    for i = 1, queues do
        if left <= 0 then return taken end
        take(KEYS[i], math.min(quota, left))
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
    suspect: bool = False

    @property
    def key(self) -> str:
        """The sorted set it stands in."""
        return suspects_of(self.queue) if self.suspect else key_of(self.queue)

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
        url: `redis://`, `rediss://`, `unix://`, or `redis+sentinel://` with the Sentinels.
        connections: the most connections of this process.
    """

    def __init__(self, url: str, *, connections: int = 8) -> None:
        # JSON, not arq's default pickle: whoever can write to Redis must not be able to run code here.
        self.redis = ArqRedis(
            pool(url, most=connections), job_serializer=orjson.dumps, job_deserializer=orjson.loads
        )
        self._take = self.redis.register_script(_TAKE)

    async def hand_over(self, ready: Sequence[Ready]) -> dict[str, int]:
        """Put jobs into the buffers of their queues; gives the depth of each afterwards, suspects not counted.

        Raises:
            Unavailable: Redis is away; the relay will hand them over again.
        """
        by_key: dict[tuple[str, str], dict[str, float]] = {}
        for entry in ready:
            by_key.setdefault((entry.queue, entry.key), {})[entry.member] = entry.score
        pipe = self.redis.pipeline(transaction=False)
        for (queue, key), members in by_key.items():
            pipe.zadd(key, dict(members))
            pipe.zcard(key_of(queue))
        answers = await _guard(pipe.execute())
        return dict(zip((queue for queue, _ in by_key), answers[1::2], strict=True))

    async def take(self, queues: Sequence[str], limit: int, suspects: int = 1) -> list[Handed]:
        """Take up to `limit` jobs, so many suspects among them, fairly over the queues; nothing if nothing is ready."""
        keys = [*(key_of(queue) for queue in queues), *(suspects_of(queue) for queue in queues)]
        members = await _guard(self._take(keys=keys, args=[limit, suspects]))
        return [handed for member in members if (handed := parse_member(member))]

    async def wait(
        self,
        queues: Sequence[str],
        timeout: float,  # noqa: ASYNC109 - Redis waits
        suspects: int = 1,
    ) -> list[Handed]:
        """Sleep until something is handed over, `timeout` seconds at most; takes and gives that one job."""
        keys = [key_of(queue) for queue in queues]
        if suspects > 0:
            keys += [suspects_of(queue) for queue in queues]
        found = await _guard(self.redis.bzpopmin(keys, timeout=timeout))
        handed = parse_member(found[1]) if found else None
        return [handed] if handed else []

    async def depths(self, queues: Sequence[str]) -> dict[str, int]:
        """How many jobs stand ready in each buffer."""
        pipe = self.redis.pipeline(transaction=False)
        for queue in queues:
            pipe.zcard(key_of(queue))
        return dict(zip(queues, await _guard(pipe.execute()), strict=True))

    async def place(self, queue: str, job: UUID, dispatch: int) -> Place:
        """Where a job stands under this hand-over, in one round trip. Suspects stand in a set of their own."""
        member, pipe = f"{job.hex}:{dispatch}", self.redis.pipeline(transaction=False)
        pipe.zrank(key_of(queue), member)
        pipe.zrank(suspects_of(queue), member)
        pipe.zcard(key_of(queue))
        ready, suspect, depth = await _guard(pipe.execute())
        return Place(suspect if ready is None else ready, depth)

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
        by_key: dict[str, list[Ready]] = {}
        for entry in ready:
            by_key.setdefault(entry.key, []).append(entry)
        pipe = self.redis.pipeline(transaction=False)
        for key, entries in by_key.items():
            pipe.execute_command("ZMSCORE", key, *(entry.member for entry in entries))
        answers = await _guard(pipe.execute())
        return [
            entry
            for entries, scores in zip(by_key.values(), answers, strict=True)
            for entry, score in zip(entries, scores, strict=True)
            if score is None
        ]

    async def turn(self, of: str, lasting: timedelta) -> bool:
        """Whether it is the caller's turn to do what one process does for all; nobody else's for as long as it lasts."""
        milliseconds = max(1, int(lasting.total_seconds() * 1000))
        return bool(await _guard(self.redis.set(f"hub:turn:{of}", b"", nx=True, px=milliseconds)))

    async def keep_turn(self, of: str, lasting: timedelta) -> bool:
        """Make the caller's turn last from now on, unless it is over already."""
        milliseconds = max(1, int(lasting.total_seconds() * 1000))
        return bool(await _guard(self.redis.set(f"hub:turn:{of}", b"", xx=True, px=milliseconds)))

    async def ping(self) -> None:
        """Raise Unavailable unless Redis answers."""
        await _guard(self.redis.ping())

    async def close(self) -> None:
        """Close every connection."""
        await self.redis.aclose(close_connection_pool=True)


def key_of(queue: str) -> str:
    """The sorted set of a queue."""
    return f"hub:queue:{queue}"


def suspects_of(queue: str) -> str:
    """The sorted set of those of a queue's jobs that may be what kills workers: taken a few at a time."""
    return f"hub:queue:{queue}:suspects"


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
