"""When a failed attempt is tried again: exponential backoff, full jitter, a cap, and the provider's own wish."""

from dataclasses import dataclass
from datetime import timedelta
from random import Random


@dataclass(frozen=True, slots=True)
class Backoff:
    """A retry policy.

    Full jitter (any delay between nothing and the ceiling) spreads a crowd of failures best and costs the least work;
    see https://aws.amazon.com/blogs/architecture/exponential-backoff-and-jitter/

    Attributes:
        attempts: how many failures a job may have in all before it is failed for good, at least 1.
        base: the ceiling of the first delay.
        factor: by what the ceiling grows with each failure.
        cap: the highest ceiling.
    """

    attempts: int = 10
    base: timedelta = timedelta(seconds=2)
    factor: float = 2.0
    cap: timedelta = timedelta(hours=1)

    def __post_init__(self) -> None:
        # `not (...)`, so that a factor that is not a number is refused as well.
        if not (self.attempts >= 1 and timedelta(0) < self.base <= self.cap and self.factor >= 1):
            raise ValueError("a Backoff needs attempts >= 1, base > 0, factor >= 1 and cap >= base")

    def ceiling(self, failures: int) -> timedelta:
        """The longest delay after this many failures (1 for the first)."""
        try:
            grown = self.base.total_seconds() * self.factor ** (failures - 1)
        except OverflowError:
            return self.cap
        return min(self.cap, timedelta(seconds=min(grown, self.cap.total_seconds())))

    def delay(self, failures: int, rng: Random, *, retry_after: timedelta | None = None) -> timedelta:
        """How long to wait after this many failures; never shorter than the provider asked for."""
        jittered = self.ceiling(failures) * rng.random()
        return max(jittered, retry_after) if retry_after else jittered

    def is_spent(self, failures: int) -> bool:
        """Whether no attempt is left after this many failures."""
        return failures >= self.attempts
