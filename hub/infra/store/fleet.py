"""Workers and what they run, and what waits for providers."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
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
    """

    jobs: int
    next_at: datetime


@dataclass(frozen=True, slots=True)
class AllParked:
    """Jobs that wait for breakers, by provider.

    Attributes:
        bounded: looking stopped before all that is due later was seen, so that for any provider there may be more.
    """

    by_provider: Mapping[str, Parked]
    bounded: bool


_WORKERS = text("""
SELECT w.id, w.host, w.pid, w.release, w.queues, w.concurrency,
       (SELECT count(*) FROM jobs j WHERE j.worker_id = w.id AND j.state = 'running') AS running,
       w.started_at, w.lease_until, w.lease_until > now() AS alive
FROM workers w WHERE w.stopped_at IS NULL AND w.lease_until > now() - interval '1 day' ORDER BY w.id
""")

# Served by jobs_relay_due: the first to come, whatever they wait for, so that a million scheduled jobs are not gone through;
# then those of them that met a breaker, with the call that did.
_PARKED = text("""
WITH due AS MATERIALIZED (
    SELECT id, run_at, state, error_code FROM jobs
    WHERE state IN ('scheduled', 'retrying', 'waiting') ORDER BY run_at LIMIT :most
)
SELECT looked.bounded, parked.* FROM (SELECT count(*) >= :most AS bounded FROM due) looked
LEFT JOIN (
    SELECT s.provider, count(DISTINCT d.id) AS jobs, min(d.run_at) AS next_at FROM due d JOIN steps s ON s.job_id = d.id
    WHERE d.state = 'retrying' AND d.error_code = 'breaker_open' AND s.certainty = 'not_sent' AND s.provider IS NOT NULL
    GROUP BY s.provider
) parked ON true
""")

# The same of one provider: which jobs these are.
_PARKED_BY = text("""
WITH due AS MATERIALIZED (
    SELECT id, state, error_code FROM jobs
    WHERE state IN ('scheduled', 'retrying', 'waiting') AND run_at > now() + make_interval(secs => :within)
    ORDER BY run_at LIMIT :most
)
SELECT d.id FROM due d WHERE d.state = 'retrying' AND d.error_code = 'breaker_open' AND EXISTS (
    SELECT FROM steps s WHERE s.job_id = d.id AND s.provider = :provider AND s.certainty = 'not_sent'
)
""")

# Whoever holds the row of a job does something about it already, and one that has run meanwhile may wait for something else.
_BRING_FORWARD = text("""
WITH locked AS MATERIALIZED (
    SELECT j.id FROM jobs j
    WHERE j.id = ANY(CAST(:jobs AS uuid[])) AND j.state = 'retrying' AND j.error_code = 'breaker_open'
      AND j.run_at > now() + make_interval(secs => :within)
    ORDER BY j.id FOR NO KEY UPDATE OF j SKIP LOCKED
)
UPDATE jobs j SET run_at = now() + make_interval(secs => :within) FROM locked l WHERE j.id = l.id RETURNING j.id
""")


class FleetStore:
    """Reads about workers and providers, and lets jobs that wait for one of these go on."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def workers(self) -> list[WorkerRecord]:
        """Workers that have not stopped, those that went silent within a day included."""
        return [WorkerRecord(*row) for row in await self._database.run(_WORKERS)]

    async def parked(self, *, most: int = MOST) -> AllParked:
        """Jobs that wait for the breaker of a provider, among the next `most` that are due later."""
        rows = await self._database.run(_PARKED, {"most": most})
        found = {row.provider: Parked(row.jobs, row.next_at) for row in rows if row.provider is not None}
        return AllParked(found, any(row.bounded for row in rows))

    async def bring_forward(
        self, provider: str, within: timedelta, *, most: int = MOST, page: int = 1000
    ) -> int:
        """Let jobs that wait for a provider's breaker look again; gives how many.

        Page by page, each a transaction. What is beyond `most` keeps its time.

        Args:
            provider: whose.
            within: from now until they look.
            most: how many jobs are looked at, those that are due first, whatever they wait for.
            page: how many are moved at once.
        """
        seconds = within.total_seconds()
        rows = await self._database.run(_PARKED_BY, {"provider": provider, "within": seconds, "most": most})
        moved = 0
        for begin in range(0, len(rows), page):
            jobs = [row.id for row in rows[begin : begin + page]]
            moved += len(await self._database.run(_BRING_FORWARD, {"jobs": jobs, "within": seconds}))
        return moved
