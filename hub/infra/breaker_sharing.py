"""Breakers across the fleet: what one process finds out, the others know within a second.

One sorted set in Redis: the members are the open breakers, the scores when they may be probed (Redis's own clock, in
milliseconds, so that no two clocks are compared). Each process looks at it twice a second, in one round trip, and
writes only when a breaker opens or closes by a call of its own. Without Redis each process goes by what it sees itself.
"""

import asyncio
import contextlib
from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from redis.asyncio import Redis
from redis.exceptions import RedisError

from hub.infra.breaker_states import State
from hub.infra.breakers import Breakers, Circuit

KEY = "hub:breakers"
PATIENCE = 2.0  # seconds for one exchange
# Entries outlive their due time, so that their going can be told from their running out; then nobody cares any more.
FORGET_AFTER = 3600.0
# Two processes that open at about the same time need not take over each other's due time.
TOLERANCE = 0.5


class BreakerSharing:
    """Keeps the breakers of this process and those of the others in step. `run` it as a task."""

    def __init__(
        self,
        breakers: Breakers,
        redis: "Redis",
        *,
        interval: timedelta = timedelta(seconds=0.5),
        key: str = KEY,
    ) -> None:
        self._breakers = breakers
        self._redis = redis
        self._interval = interval.total_seconds()
        self._key = key
        self._changed: dict[str, Circuit] = {}
        self._wake = asyncio.Event()
        self._seen: set[str] = set()
        breakers.listen(self._note)

    async def run(self) -> None:
        """Exchange until cancelled; at once when a breaker of this process changes."""
        task = asyncio.current_task()
        # redis-py, while it connects, may swallow a cancellation: it is counted all the same.
        while task is None or not task.cancelling():
            # Fails open: a Redis that is away must not stop calls to providers that are well.
            with contextlib.suppress(RedisError, OSError, TimeoutError):
                async with asyncio.timeout(PATIENCE):
                    await self.exchange()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(self._interval):
                    await self._wake.wait()
            self._wake.clear()

    async def exchange(self) -> None:
        """Tell what changed here, and take over what changed elsewhere. Raises RedisError, OSError."""
        changed = dict(self._changed)
        now, listed = await self._read()
        await self._write(changed, now)
        for name, circuit in changed.items():
            if self._changed.get(name) is circuit:
                del self._changed[name]
        gone = self._seen - listed.keys() - changed.keys() - self._changed.keys()
        self._adopt({name: due - now for name, due in listed.items() if name not in changed}, gone)
        self._seen = {*listed, *changed}

    async def listed(self) -> list[str]:
        """The breakers that are not closed, anywhere in the fleet: `provider` or `provider target`. Raises RedisError."""
        now, entries = await self._read()
        return sorted(name for name, due in entries.items() if due > now - FORGET_AFTER)

    def _note(self, circuit: Circuit) -> None:
        self._changed[circuit.name] = circuit
        self._wake.set()

    async def _read(self) -> tuple[float, dict[str, float]]:
        pipe = self._redis.pipeline(transaction=False)
        pipe.time()
        pipe.zrange(self._key, 0, -1, withscores=True)
        (seconds, microseconds), entries = await pipe.execute()
        return seconds + microseconds / 1e6, {_text(name): score / 1000 for name, score in entries}

    async def _write(self, changed: Mapping[str, Circuit], now: float) -> None:
        if not changed:
            return
        pipe = self._redis.pipeline(transaction=False)
        for name, circuit in changed.items():
            if circuit.own_state is State.CLOSED:
                pipe.zrem(self._key, name)
            else:
                left = circuit.reopens_at - self._breakers.clock()
                pipe.zadd(self._key, {name: (now + left) * 1000})
        pipe.zremrangebyscore(self._key, "-inf", (now - FORGET_AFTER) * 1000)
        pipe.expire(self._key, int(FORGET_AFTER))
        await pipe.execute()

    def _adopt(self, elsewhere: Mapping[str, float], gone: set[str]) -> None:
        """`elsewhere` holds, for each breaker that is open, the seconds until it may be probed."""
        here = self._breakers.all()
        now = self._breakers.clock()
        for name, left in elsewhere.items():
            circuit = here.get(name) or (self._breakers.of(*_parts(name)) if left > 0 else None)
            if circuit and left > 0 and now + left > circuit.reopens_at + TOLERANCE:
                circuit.open_until(now + left)
        for name in gone:
            # It was listed and is no more: somebody's probe found the provider well.
            if circuit := here.get(name):
                circuit.close()


def _text(name: Any) -> str:
    return name.decode() if isinstance(name, bytes) else str(name)


def _parts(name: str) -> tuple[str, str]:
    provider, _, target = name.partition(" ")
    return provider, target
