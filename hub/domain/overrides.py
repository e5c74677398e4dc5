"""What a person orders of a circuit breaker, over what it would do by itself."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

# For how long jobs wait that meet a breaker which a person holds open. Who gives it back lets them look at once; this is for
# those that have just looked, and for more than are brought forward.
LOOK_AGAIN = timedelta(seconds=30)
MAX_UNTIL = timedelta(days=366)


class Forced(StrEnum):
    """How a breaker can be held."""

    OPEN = "open"  # nothing is sent
    CLOSED = "closed"  # everything is sent, however often it fails


@dataclass(frozen=True, slots=True)
class Override:
    """A breaker that a person holds open or closed, for the whole fleet.

    Attributes:
        provider: whose; all of its targets are meant.
        by: who ordered it, as the audit log names them.
        until: when it ends by itself; None: when a person gives the breaker back.
    """

    provider: str
    state: Forced
    reason: str
    by: str
    since: datetime
    until: datetime | None = None

    def why(self) -> str:
        """Why the provider is not called, for a job's error; nothing in it changes while the override lasts."""
        return f"{self.provider} is not called: {self.by} holds its breaker open ({self.reason})"


def look_again(left: float | None) -> timedelta:
    """When to look again at a breaker that is held open, `left` seconds before the override ends by itself."""
    if left is None:
        return LOOK_AGAIN
    return min(LOOK_AGAIN, timedelta(seconds=max(left, 0.0)))
