"""Workers and what they run, and what waits for providers."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import text

from hub.infra.store.database import Database

MOST = 10_000  # jobs of all providers together that are looked at


@dataclass(frozen=True, slots=True)
class WorkerRecord:
    """A worker's row; it is alive while its lease lasts."""

    id: UUID
    host: str
    pid: int
    release: str
    queues: list[str]
    concurrency: int
    running: int
    started_at: datetime
    lease_until: datetime
    alive: bool


@dataclass(frozen=True, slots=True)
class Parked:
    """Jobs that wait for a provider's breaker.

    Attributes:
        next_at: when the first of them tries again.
        bounded: whether counting stopped before all that is retrying was looked at.
    """

    jobs: int
    next_at: datetime
    bounded: bool


_WORKERS = text("""
SELECT w.id, w.host, w.pid, w.release, w.queues, w.concurrency,
       (SELECT count(*) FROM jobs j WHERE j.worker_id = w.id AND j.state = 'running') AS running,
       w.started_at, w.lease_until, w.lease_until > now() AS alive
FROM workers w WHERE w.stopped_at IS NULL AND w.lease_until > now() - interval '1 day' ORDER BY w.id
""")

# Served by jobs_relay_due: of what is retrying, the first to come, each with the call that met the breaker.
_PARKED = text("""
WITH due AS MATERIALIZED (
    SELECT id, run_at, error_code FROM jobs
    WHERE state IN ('scheduled', 'retrying', 'waiting') AND state = 'retrying' ORDER BY run_at LIMIT :most
)
SELECT s.provider, count(DISTINCT d.id), min(d.run_at), (SELECT count(*) FROM due) >= :most
FROM due d JOIN steps s ON s.job_id = d.id
WHERE d.error_code = 'breaker_open' AND s.certainty = 'not_sent' AND s.provider IS NOT NULL
GROUP BY s.provider
""")


class FleetStore:
    """Reads about workers and providers."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def workers(self) -> list[WorkerRecord]:
        """Workers that have not stopped, those that went silent within a day included."""
        return [WorkerRecord(*row) for row in await self._database.run(_WORKERS)]

    async def parked(self, *, most: int = MOST) -> dict[str, Parked]:
        """Per provider: jobs that wait for its breaker."""
        rows = await self._database.run(_PARKED, {"most": most})
        return {row[0]: Parked(row[1], row[2], row[3]) for row in rows}
