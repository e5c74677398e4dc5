"""What is configured of the workers, and of what hands them their work."""

from dataclasses import dataclass
from datetime import timedelta

from hub.config.environment import Environment
from hub.domain.specs import QUEUE_NAME


@dataclass(frozen=True, slots=True)
class WorkerConfig:
    """The worker process; no `queues` means all of them, no `metrics_port` that it serves nothing."""

    concurrency: int
    queues: tuple[str, ...]
    lease: timedelta
    heartbeat: timedelta
    shutdown_grace: timedelta
    metrics_port: int | None


@dataclass(frozen=True, slots=True)
class RelayConfig:
    """What moves due work from PostgreSQL into Redis; `buffer_limit` in jobs of one queue."""

    buffer_limit: int
    tick: timedelta
    rehand_after: timedelta


def read_worker(env: Environment) -> WorkerConfig:
    """Read how much a worker does, and when it is taken for dead."""
    worker = WorkerConfig(
        concurrency=env.integer("HUB_WORKER_CONCURRENCY", 100, "jobs at once", low=1, high=10_000),
        queues=env.parsed(
            "HUB_WORKER_QUEUES", (), "the queues to work on, comma-separated", _queues, shown="all"
        ),
        lease=env.seconds(
            "HUB_WORKER_LEASE", 8, "after how much silence a worker's jobs go to another", low=1, high=600
        ),
        heartbeat=env.seconds("HUB_WORKER_HEARTBEAT", 2, "how often leases are renewed", low=0.05, high=300),
        shutdown_grace=env.seconds(
            "HUB_WORKER_SHUTDOWN_GRACE", 20, "how long running jobs may take to end", low=0, high=3_600
        ),
        metrics_port=env.parsed(
            "HUB_WORKER_METRICS_PORT",
            None,
            "where a worker serves /metrics, /livez and /readyz, 0 for any free port",
            _port,
            shown="none",
        ),
    )
    if worker.heartbeat * 2 > worker.lease:
        env.problems.append(
            "HUB_WORKER_HEARTBEAT must be at most half of HUB_WORKER_LEASE: one late renewal would lose every job"
        )
    return worker


def read_relay(env: Environment) -> RelayConfig:
    """Read how work gets from PostgreSQL into Redis."""
    return RelayConfig(
        buffer_limit=env.integer(
            "HUB_RELAY_BUFFER_LIMIT", 5_000, "jobs of one queue that Redis holds ready", low=10, high=1_000_000
        ),
        tick=env.seconds("HUB_RELAY_TICK", 0.5, "how often due work is looked for", low=0.01, high=60),
        rehand_after=env.seconds(
            "HUB_RELAY_REHAND_AFTER", 2, "when a job that was handed over and not started is again", low=0.05, high=3_600
        ),
    )  # fmt: skip


def _port(text: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) <= 5 and int(text) <= 65_535):
        raise ValueError("must be a whole number from 0 to 65,535")
    return int(text)


def _queues(text: str) -> tuple[str, ...]:
    names = tuple(name.strip() for name in text.split(","))
    if not all(QUEUE_NAME.fullmatch(name) for name in names):
        raise ValueError(
            "must be names of queues (lower-case letters, digits, '-' and '_') with commas between"
        )
    return names
