"""A token bucket: so many at once, refilled at a steady rate."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Allowance:
    """The answer to one request: whether it may pass, what is left, and how many seconds until one more is there."""

    allowed: bool
    remaining: int
    reset: float


# Whoever waits for exactly `reset` seconds must pass, and not be turned away for the last bit of a float.
_ROUNDING = 1e-6


@dataclass(slots=True)
class TokenBucket:
    """Allows `rate` a second with bursts of `burst`. Mutable on purpose: one lives per key in each web process."""

    rate: float
    burst: int
    tokens: float
    updated: float

    def __post_init__(self) -> None:
        if not (self.rate > 0 and self.burst >= 1):
            raise ValueError("a TokenBucket needs rate > 0 and burst >= 1")

    @classmethod
    def full(cls, rate: float, burst: int, now: float) -> "TokenBucket":
        """A bucket that nothing was taken from yet; `now` in seconds on any steady clock."""
        return cls(rate, burst, float(burst), now)

    def take(self, now: float, cost: int = 1) -> Allowance:
        """Take tokens if they are there; a refused request takes none. More than `burst` at once never pass."""
        self.tokens = min(float(self.burst), self.tokens + max(0.0, now - self.updated) * self.rate)
        self.updated = max(now, self.updated)
        if self.tokens >= cost - _ROUNDING:
            self.tokens -= cost
            return Allowance(
                allowed=True, remaining=int(self.tokens), reset=max(0.0, (1 - self.tokens) / self.rate)
            )
        return Allowance(allowed=False, remaining=int(self.tokens), reset=(cost - self.tokens) / self.rate)
