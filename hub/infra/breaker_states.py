"""Where a breaker stands, as it is shown and as a person may have ordered."""

import math
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum

from hub.domain.overrides import Override


class State(StrEnum):
    """Where a breaker stands."""

    CLOSED = "closed"
    OPEN = "open"
    HALF_OPEN = "half_open"


@dataclass(frozen=True, slots=True)
class Standing:
    """An override that holds in this process; `ends_at` on its steady clock, infinite if a person ends it."""

    override: Override
    ends_at: float = math.inf


@dataclass(frozen=True, slots=True)
class BreakerState:
    """A breaker, as the API and the metrics show it.

    Attributes:
        target: the host, for a provider whose arguments say where to send; else empty.
        failures: in a row, while closed.
        retry_after: until the next probe may go, None unless open.
        calls: in the last minute, in this process.
        error_rate: the part of those calls that counted as failures, 0 to 1.
    """

    provider: str
    target: str
    state: State
    failures: int
    retry_after: timedelta | None
    calls: int
    error_rate: float
