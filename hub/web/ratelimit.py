"""Rate limits of API keys, one token bucket each in every web process.

The fields are those of https://datatracker.ietf.org/doc/draft-ietf-httpapi-ratelimit-headers/, and their older form.
"""

import math
from collections.abc import Callable

from multidict import CIMultiDict

from hub.domain.ids import KeyId
from hub.domain.ratelimit import Allowance, TokenBucket
from hub.web.problems import HttpProblem


class RateLimits:
    """Counts what keys ask for. Only keys that exist are counted, so there are never more buckets than keys.

    Args:
        rate: requests a second; 0 for no limit.
        burst: requests at once.
        clock: steady seconds.
    """

    def __init__(self, rate: float, burst: int, clock: Callable[[], float]) -> None:
        self._rate = rate
        self._burst = burst
        self._clock = clock
        self._buckets: dict[KeyId, TokenBucket] = {}
        self._limit = str(burst)
        window = max(1, math.ceil(burst / rate)) if rate else 0
        self._policy = f'"key";q={burst};w={window}'

    def take(self, key: KeyId) -> Allowance | None:
        """Count one request; None where nothing is limited."""
        if not self._rate:
            return None
        now = self._clock()
        bucket = self._buckets.get(key)
        if bucket is None:
            bucket = self._buckets[key] = TokenBucket.full(self._rate, self._burst, now)
        return bucket.take(now)

    def announce(self, allowance: Allowance, headers: CIMultiDict[str]) -> None:
        """Tell the caller where it stands."""
        remaining, reset = allowance.remaining, math.ceil(allowance.reset)
        headers["RateLimit-Limit"] = self._limit
        headers["RateLimit-Remaining"] = str(remaining)
        headers["RateLimit-Reset"] = str(reset)
        headers["RateLimit"] = f'"key";r={remaining};t={reset}'
        headers["RateLimit-Policy"] = self._policy


def refuse(allowance: Allowance) -> None:
    """Raises HttpProblem, 429, unless the request may pass."""
    if not allowance.allowed:
        seconds = max(1, math.ceil(allowance.reset))
        detail = f"the rate limit of this key is used up; come back in {seconds} s"
        raise HttpProblem(429, "rate_limited", detail, headers={"Retry-After": str(seconds)})
