"""What keeps a job from running, as far as the database knows: one bounded statement."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import text

from hub.infra.store.database import Database

MOST = 10_000  # jobs ahead that are counted; 15 ms of the database at most


@dataclass(frozen=True, slots=True)
class WhyRecord:
    """A job, and what it needs.

    Attributes:
        paused: since when its queue is paused, by whom and why, as far as the audit log knows.
        provider: whom its latest call that did not succeed concerns.
        held_open: who holds that provider's breaker open, why, and until when.
        workers: how many that are alive serve its queue.
        holder: host, pid, release and lease of the worker that holds it.
        waits: source, types, subject, since.
        ahead: jobs of its queue that come before it and were not handed over; None unless it waits among them.
    """

    state: str
    reason: str | None
    name: str
    queue: str
    run_at: datetime
    now: datetime
    attempt: int
    started_at: datetime | None
    paused: Any
    error_code: str | None
    dispatch: int
    dispatched_at: datetime | None
    undoing: bool
    provider: str | None
    held_open: Any
    workers: int
    holder: Any
    waits: Any
    ahead: int


# Both parts of what is ahead are one range of jobs_relay_refill each, and stop at the bound.
_AHEAD = """
    SELECT count(*) FROM (
        (SELECT FROM jobs o WHERE o.state = 'queued' AND o.dispatched_at IS NULL AND o.queue = j.queue
            AND o.priority > j.priority LIMIT :most)
        UNION ALL
        (SELECT FROM jobs o WHERE o.state = 'queued' AND o.dispatched_at IS NULL AND o.queue = j.queue
            AND o.priority = j.priority AND (o.run_at, o.id) < (j.run_at, j.id) LIMIT :most)
    ) before_it
"""

_WHY = text(f"""
SELECT j.state, j.reason, j.name, j.queue, j.run_at, clock_timestamp(), j.attempt, j.started_at,
    CASE WHEN q.paused_at IS NULL THEN '{{}}' ELSE ARRAY(
        SELECT ROW(q.paused_at, a.actor, a.detail ->> 'reason') FROM (SELECT) once LEFT JOIN LATERAL (
            SELECT actor, detail FROM audit_log WHERE subject = q.name AND action = 'queue.pause' AND at >= q.paused_at
            ORDER BY seq DESC LIMIT 1
        ) a ON true
    ) END,
    j.error_code, j.dispatch, j.dispatched_at, j.ending IS NOT NULL AND j.undone_at IS NULL,
    p.provider,
    ARRAY(SELECT ROW(b.actor, b.reason, b.until) FROM breaker_overrides b WHERE b.provider = p.provider
        AND b.state = 'open' AND (b.until IS NULL OR b.until > clock_timestamp())),
    (SELECT count(*) FROM workers w WHERE w.stopped_at IS NULL AND w.lease_until > now() AND j.queue = ANY(w.queues)),
    ARRAY(SELECT ROW(w.host, w.pid, w.release, w.lease_until) FROM workers w WHERE w.id = j.worker_id),
    CASE WHEN j.state = 'waiting' THEN ARRAY(
        SELECT ROW(s.source, s.types, s.subject, s.since) FROM waits s WHERE s.job_id = j.id ORDER BY s.position
    ) ELSE '{{}}' END,
    CASE WHEN j.state = 'queued' AND j.dispatched_at IS NULL THEN ({_AHEAD}) ELSE 0 END
FROM jobs j JOIN queues q ON q.name = j.queue LEFT JOIN LATERAL (
    SELECT s.provider FROM steps s WHERE s.job_id = j.id AND s.provider IS NOT NULL AND s.error_code IS NOT NULL
    ORDER BY s.last_sent_at DESC LIMIT 1
) p ON true
WHERE j.id = :id AND (CAST(:application AS uuid) IS NULL OR j.application_id = :application)
""")  # noqa: S608 - constants


class WhyStore:
    """Reads why a job is where it is."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def of(self, job: UUID, application: UUID | None) -> WhyRecord | None:
        """One job, if it is there and within reach."""
        values = {"id": job, "application": application, "most": MOST}
        rows = await self._database.run(_WHY, values)
        return WhyRecord(*rows[0]) if rows else None
