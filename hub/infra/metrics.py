"""What is counted and measured, for Prometheus. Every process has its own registry; nothing is global.

Labels come from what is written in code and configuration (routes, sources, jobs, providers, queues), never from a
request: what a caller can make up must be passed as `unknown`, or it would grow the registry without end.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import product
from typing import Final, Generic, Literal, TypeVar

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    PlatformCollector,
    ProcessCollector,
    generate_latest,
)
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

CONTENT_TYPE: Final = "text/plain; version=0.0.4; charset=utf-8"

BreakerState = Literal["closed", "half_open", "open"]
_BREAKER_VALUES: Final[Mapping[BreakerState, int]] = {"closed": 0, "half_open": 1, "open": 2}

_METHODS: Final = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
_REQUEST_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)
_WORK_SECONDS = (0.005, 0.025, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300)
_BATCH_SIZES = (1, 2, 5, 10, 20, 50, 100, 200, 500, 1_000)

M = TypeVar("M", Counter, Gauge, Histogram)


@dataclass(frozen=True, slots=True)
class Family(Generic[M]):
    """A metric with labels, whose children are kept: finding one is a look into a dict, without the library's lock."""

    metric: M
    children: dict[tuple[str, ...], M] = field(default_factory=dict, repr=False)

    def of(self, *labels: str) -> M:
        """The child for these label values."""
        child = self.children.get(labels)
        return child if child is not None else self.children.setdefault(labels, self.metric.labels(*labels))


@dataclass(frozen=True, slots=True)
class Metrics:
    """All metrics of one process. Made by `make`; use the verbs."""

    registry: CollectorRegistry
    http_requests: Family[Counter]
    http_seconds: Family[Histogram]
    events: Family[Counter]
    submitted: Family[Counter]
    attempts: Family[Counter]
    attempt_seconds: Family[Histogram]
    calls: Family[Counter]
    call_seconds: Family[Histogram]
    breaker: Family[Gauge]
    depth: Family[Gauge]
    oldest_due: Family[Gauge]
    later: Family[Gauge]
    held: Family[Gauge]
    held_oldest: Family[Gauge]
    running: Family[Gauge]
    batch_size: Family[Histogram]
    handover_failures: Family[Counter]
    failed_jobs: Family[Counter]
    breaker_changes: Family[Counter]
    relayed_jobs: Family[Counter]
    fenced_writes: Family[Counter]
    ready: Family[Gauge]
    stores: Family[Gauge]
    plan_jobs: Family[Counter]
    plan_turns: Family[Counter]

    @classmethod
    def make(cls, *, version: str, process: bool = True) -> "Metrics":
        """Metrics with a registry of their own, at nought; with the process's own (memory, files) unless told not to."""
        registry = CollectorRegistry()
        info = Gauge("hub_info", "What is running; always 1.", ("version",), registry=registry)
        info.labels(version).set(1)
        if process:
            ProcessCollector(registry=registry)
            PlatformCollector(registry=registry)
        return cls(
            registry=registry,
            http_requests=_counter(
                registry, "http_requests", "Requests answered.", "method", "route", "status"
            ),
            http_seconds=_histogram(
                registry, "http_request_seconds", "Time to answer.", _REQUEST_SECONDS, "route"
            ),
            events=_counter(
                registry, "events", "Deliveries of webhooks, by what became of them.", "source", "outcome"
            ),
            submitted=_counter(registry, "jobs_submitted", "Jobs committed.", "job"),
            attempts=_counter(
                registry, "attempts", "Attempts that ended, by what they came to.", "job", "outcome"
            ),
            attempt_seconds=_histogram(
                registry, "attempt_seconds", "Time an attempt took.", _WORK_SECONDS, "job"
            ),
            calls=_counter(
                registry, "provider_calls", "Calls to providers.", "provider", "operation", "outcome"
            ),
            call_seconds=_histogram(
                registry, "provider_call_seconds", "Time a call took.", _WORK_SECONDS, "provider", "operation"
            ),
            breaker=_gauge(
                registry, "breaker_state", "0 closed, 1 half open, 2 open (not called).", "provider"
            ),
            depth=_gauge(registry, "queue_depth", "Jobs that are due and not running; above 10,000 not counted on.", "queue"),
            oldest_due=_gauge(
                registry, "queue_oldest_due_seconds", "How long the longest waiting due job has waited.", "queue"
            ),
            later=_gauge(
                registry, "jobs_later", "Jobs whose time or event is yet to come; above 10,000 of all not counted on.", "state"
            ),
            held=_gauge(registry, "jobs_held", "Jobs that are held; above 10,000 not counted on.", "reason"),
            held_oldest=_gauge(
                registry, "held_oldest_due_seconds", "How long the longest waiting held job has been due.", "reason"
            ),
            running=_gauge(registry, "jobs_running", "Jobs this process is running.", "queue"),
            batch_size=_histogram(
                registry, "batch_size", "How many were committed together.", _BATCH_SIZES, "batch"
            ),
            handover_failures=_counter(
                registry, "handover_failures", "Jobs that Redis did not take at once; the relay does.", "queue"
            ),
            failed_jobs=_counter(
                registry, "jobs_failed", "Jobs that failed for good: a person decides.", "job", "reason"
            ),
            breaker_changes=_counter(
                registry, "breaker_changes", "Times a call made here opened or closed a breaker.", "provider", "state"
            ),
            relayed_jobs=_counter(
                registry, "relay_jobs", "Jobs the relay moved: promoted, handed_over, rehanded, rescued, released, held.", "move"
            ),
            fenced_writes=_counter(
                registry, "fenced_writes", "Ends of attempts refused, as the job was no longer this worker's.", "write"
            ),
            ready=_gauge(registry, "queue_ready", "Jobs that stand ready in Redis.", "queue"),
            stores=_gauge(registry, "store_up", "Whether a store answered when last asked.", "store"),
            plan_jobs=_counter(
                registry, "plan_jobs", "Jobs of plans: released, skipped, succeeded, failed, cancelled.", "move"
            ),
            plan_turns=_counter(
                registry, "plan_turns", "Times a plan went on by itself: running, awaiting, stopped, finished.", "state"
            ),
        )  # fmt: skip

    def request(self, method: str, route: str, status: int, seconds: float) -> None:
        """A request was answered; `route` is the template, such as `/v1/jobs/{id}`."""
        method = method if method in _METHODS else "other"
        self.http_requests.of(method, route, f"{status // 100}xx").inc()
        self.http_seconds.of(route).observe(seconds)

    def event(self, source: str, outcome: str) -> None:
        """A delivery was `accepted`, a `duplicate`, or refused for the reason given."""
        self.events.of(source, outcome).inc()

    def submit(self, job: str, count: int = 1) -> None:
        """Jobs were committed."""
        self.submitted.of(job).inc(count)

    def attempt(self, job: str, outcome: str, seconds: float | None) -> None:
        """An attempt ended; None where nobody knows how long it took."""
        self.attempts.of(job, outcome).inc()
        if seconds is not None:
            self.attempt_seconds.of(job).observe(seconds)

    def call(self, provider: str, operation: str, outcome: str, seconds: float) -> None:
        """A call to a provider ended, `confirmed` or with the code of its error."""
        self.calls.of(provider, operation, outcome).inc()
        self.call_seconds.of(provider, operation).observe(seconds)

    def plan_item(self, move: str, count: int) -> None:
        """Jobs of a plan were released, or something became of them."""
        self.plan_jobs.of(move).inc(count)

    def plan_turned(self, state: str) -> None:
        """A plan has come to a state by itself."""
        self.plan_turns.of(state).inc()

    def breaker_is(self, provider: str, state: BreakerState) -> None:
        """A provider's breaker is in this state."""
        self.breaker.of(provider).set(_BREAKER_VALUES[state])

    def queue_is(self, queue: str, *, depth: int, oldest_due_seconds: float) -> None:
        """A queue was looked at."""
        self.depth.of(queue).set(depth)
        self.oldest_due.of(queue).set(oldest_due_seconds)

    def later_is(self, state: str, jobs: int) -> None:
        """So many are `scheduled`, `retrying` or `waiting`."""
        self.later.of(state).set(jobs)

    def held_is(self, reason: str, jobs: int, *, oldest_due_seconds: float) -> None:
        """What is held was looked at."""
        self.held.of(reason).set(jobs)
        self.held_oldest.of(reason).set(oldest_due_seconds)

    def running_is(self, queue: str, count: int) -> None:
        """This process runs so many jobs of a queue."""
        self.running.of(queue).set(count)

    def batch(self, name: str, size: int) -> None:
        """So many were committed together: of `submit`, `intake`, `claim` or `settle`."""
        self.batch_size.of(name).observe(size)

    def handover_failed(self, queue: str, count: int = 1) -> None:
        """Jobs are committed, and Redis did not take them."""
        self.handover_failures.of(queue).inc(count)

    def failed(self, job: str, reason: str) -> None:
        """A job failed for good."""
        self.failed_jobs.of(job, reason).inc()

    def expect(self, jobs: Iterable[str], reasons: Iterable[str], moves: Iterable[str]) -> None:
        """Begin at nought what may never happen: of a counter that begins at one, Prometheus sees no increase."""
        for job, reason in product(jobs, reasons):
            self.failed_jobs.of(job, reason)
        for move in moves:
            self.relayed_jobs.of(move)
        self.fenced_writes.of("settlement")

    def breaker_changed(self, provider: str, state: BreakerState) -> None:
        """A call made by this process opened or closed a breaker."""
        self.breaker_changes.of(provider, state).inc()

    def relayed(self, move: str, count: int) -> None:
        """The relay `promoted`, `handed_over`, `rehanded`, `rescued`, `released` or `held` jobs."""
        if count:
            self.relayed_jobs.of(move).inc(count)

    def fenced(self, write: str, count: int) -> None:
        """Writes came too late: somebody else holds the job by now."""
        if count:
            self.fenced_writes.of(write).inc(count)

    def ready_is(self, queue: str, count: int) -> None:
        """So many jobs stand in a ready buffer."""
        self.ready.of(queue).set(count)

    def store_is(self, store: str, *, up: bool) -> None:
        """A store, `postgresql` or `redis`, was asked."""
        self.stores.of(store).set(up)

    def render(self) -> bytes:
        """The text that Prometheus reads, to be answered with CONTENT_TYPE."""
        return generate_latest(_WithoutCreated(self.registry))


class _WithoutCreated(CollectorRegistry):
    """Leaves out the time each child was made: a third of all lines, and switched off for whole processes only."""

    def __init__(self, registry: Collector) -> None:
        super().__init__()
        self._of = registry

    def collect(self) -> Iterator[Metric]:
        for metric in self._of.collect():
            metric.samples = [s for s in metric.samples if not s.name.endswith("_created")]
            yield metric


def _counter(registry: CollectorRegistry, name: str, what: str, *labels: str) -> Family[Counter]:
    return Family(Counter(f"hub_{name}", what, labels, registry=registry))


def _gauge(registry: CollectorRegistry, name: str, what: str, *labels: str) -> Family[Gauge]:
    return Family(Gauge(f"hub_{name}", what, labels, registry=registry))


def _histogram(
    registry: CollectorRegistry, name: str, what: str, buckets: tuple[float, ...], *labels: str
) -> Family[Histogram]:
    return Family(Histogram(f"hub_{name}", what, labels, buckets=buckets, registry=registry))
