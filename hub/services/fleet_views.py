"""What is shown of queues, providers and workers: the shapes of the API's answers."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from hub.domain.overrides import Forced
from hub.services.statistics_views import CallsSummary


@dataclass(frozen=True, slots=True)
class QueueView:
    """A queue.

    Attributes:
        name: its name.
        paused: nothing in it is started while it is paused.
        paused_at: since when.
        depth: how many jobs are in each unsettled state, and how many failed; states without jobs are 0.
        bounded: whether any of the counts stopped at its bound.
        bounded_states: whose counts did, so that there may be more than `depth` says, also where it says 0. Counting stops
            at 5,000 queued and 5,000 held jobs of a queue, and for all queues together at 5,000 jobs each of those handed
            over, due later, running and failed.
        oldest_due_seconds: how long the longest-waiting due job has waited; null if nothing waits.
        succeeded_last_minute: attempts that succeeded in the last minute.
        finished_last_minute: attempts that ended in the last minute, however they ended.
    """

    name: str
    paused: bool
    paused_at: datetime | None
    depth: dict[str, int]
    bounded: bool
    bounded_states: list[str]
    oldest_due_seconds: float | None
    succeeded_last_minute: int
    finished_last_minute: int


@dataclass(frozen=True, slots=True)
class BreakerView:
    """A circuit breaker, as this web process knows it.

    Attributes:
        target: the host, for a provider whose calls say where to send; else empty.
        state: `closed` calls pass; `open` they do not; `half_open` one is let through to see.
        failures: in a row.
        retry_at: when the provider is asked again.
        calls: in the last minute, by this process.
        error_rate: the part of them that failed, 0 to 1.
    """

    target: str
    state: str
    failures: int
    retry_at: datetime | None
    calls: int
    error_rate: float


@dataclass(frozen=True, slots=True)
class OverrideView:
    """A breaker that a person holds, for the whole fleet.

    Attributes:
        state: `open` nothing is sent; `closed` everything is, however often it fails.
        reason: why.
        by: who.
        since: from when on.
        until: when it ends by itself; null: when a person gives the breaker back.
    """

    state: Forced
    reason: str
    by: str
    since: datetime
    until: datetime | None


@dataclass(frozen=True, slots=True)
class ProviderView:
    """A third party.

    Attributes:
        name: its name.
        base_url: where it lives, as configured; empty if only arguments say.
        per_second: the most calls a second from one worker process; null for no limit.
        concurrent: the most calls at once from one worker process.
        timeout_seconds: for one whole call.
        idempotent_seconds: how long it remembers idempotency keys; null if it has none.
        breakers: one, or one for each host, once it was called.
        forced: what a person ordered of its breakers; null while they are left to themselves.
        parked_jobs: jobs that wait for its breaker.
        parked_bounded: whether there may be more, also where it says 0: only the first 10,000 of all jobs that are due
            later are looked at.
        next_parked_at: when the first of those met tries again.
        probe: the operation that a probe sends; null if it has none.
        no_probe: why it has none.
        last_hour: how it answered all workers within the last hour; null if it was not called.
    """

    name: str
    base_url: str
    per_second: float | None
    concurrent: int
    timeout_seconds: float
    idempotent_seconds: float | None
    breakers: list[BreakerView]
    forced: OverrideView | None
    parked_jobs: int
    parked_bounded: bool
    next_parked_at: datetime | None
    probe: str | None
    no_probe: str | None
    last_hour: CallsSummary | None


@dataclass(frozen=True, slots=True)
class ProbeView:
    """What one request to a provider came to.

    Attributes:
        provider: who was asked.
        operation: what was asked.
        ok: it answered, and what it answered could be read.
        status: the status of its answer, where there was one that was not good.
        code: what went wrong, for machines; null if nothing did.
        message: the same for people.
        milliseconds: how long it took.
        at: when it was sent.
    """

    provider: str
    operation: str
    ok: bool
    status: int | None
    code: str | None
    message: str | None
    milliseconds: float
    at: datetime


@dataclass(frozen=True, slots=True)
class WorkerView:
    """A worker process.

    Attributes:
        id: changes with every start.
        host: the machine or container it runs on.
        pid: its process there.
        release: what it runs.
        queues: what it works on.
        concurrency: how many jobs it runs at once.
        running: how many it runs now.
        alive: its lease lasts; a worker that is not alive went silent, and its jobs went to others.
        started_at: since when.
        lease_until: until when its jobs are its own unless it renews the lease.
    """

    id: UUID
    host: str
    pid: int
    release: str
    queues: list[str]
    concurrency: int
    running: int
    alive: bool
    started_at: datetime
    lease_until: datetime
