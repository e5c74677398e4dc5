"""What is shown of statistics: the shapes of the API's answers."""

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True)
class Percentiles:
    """Below how many seconds half, 95 % and 99 % of them lie, estimated within the buckets they are counted in.

    Attributes:
        p50: seconds.
        p95: seconds.
        p99: seconds.
    """

    p50: float
    p95: float
    p99: float


@dataclass(frozen=True, slots=True)
class AttemptsPoint:
    """Attempts that ended in one step.

    Attributes:
        at: when the step begins.
        succeeded: those that succeeded.
        failed: those that failed, whether the job is tried again or not.
        uncertain: those after which a person has to look.
        other: those that gave their worker back: snoozed, waiting, held, interrupted.
        seconds: how long those that succeeded or failed ran; null if none did.
    """

    at: datetime
    succeeded: int
    failed: int
    uncertain: int
    other: int
    seconds: Percentiles | None


@dataclass(frozen=True, slots=True)
class DepthPoint:
    """How much waited in a queue in one step.

    Attributes:
        at: when the step begins.
        depth: jobs that were due and not running, at most; null where nobody looked.
        oldest_due_seconds: how long the longest waiting had waited, at most.
    """

    at: datetime
    depth: int | None
    oldest_due_seconds: float | None


@dataclass(frozen=True, slots=True)
class QueueSeries:
    """A queue over time.

    Attributes:
        queue: its name.
        points: one for each step.
    """

    queue: str
    points: list[DepthPoint]


@dataclass(frozen=True, slots=True)
class CallsPoint:
    """Calls to a provider in one step.

    Attributes:
        at: when the step begins.
        calls: that were sent.
        failed: of these, those after which the provider counts as unwell: no answer, 5xx, unreachable.
        refused: of these, those it said no to.
        skipped: that were not sent, because its breaker was open.
        seconds: how long they took; null if there were none.
    """

    at: datetime
    calls: int
    failed: int
    refused: int
    skipped: int
    seconds: Percentiles | None


@dataclass(frozen=True, slots=True)
class CallsSummary:
    """Calls to a provider over all of the time that was asked for.

    Attributes:
        calls: that were sent.
        failed: of these, those after which the provider counts as unwell.
        refused: of these, those it said no to.
        skipped: that were not sent, because its breaker was open.
        error_rate: the part of the calls that failed, 0 to 1; null if there were none.
        seconds: how long they took; null if there were none.
    """

    calls: int
    failed: int
    refused: int
    skipped: int
    error_rate: float | None
    seconds: Percentiles | None


@dataclass(frozen=True, slots=True)
class ProviderSeries:
    """A provider over time.

    Attributes:
        provider: its name.
        summary: all of it.
        points: one for each step.
    """

    provider: str
    summary: CallsSummary
    points: list[CallsPoint]


@dataclass(frozen=True, slots=True)
class StatisticsView:
    """What happened lately.

    Attributes:
        start: from when on.
        end: up to when.
        step_seconds: how long one step is.
        counted_until: up to when attempts are added up, about a minute behind; null before the first worker.
        attempts: one point for each step.
        queues: how much waited.
        providers: how they answered.
    """

    start: datetime
    end: datetime
    step_seconds: float
    counted_until: datetime | None
    attempts: list[AttemptsPoint]
    queues: list[QueueSeries]
    providers: list[ProviderSeries]
