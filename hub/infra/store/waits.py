"""Waiting for events: what was heard already, and whom an event wakes.

No lock makes an event and a wait meet. Whoever writes either looks for the other after its own commit, so that of two that
cross, the later sees the earlier. Only a process that dies between its commit and its look leaves a pair apart, and the
relay's sweep joins them.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import TextClause, text

from hub.domain.jobs import is_suspect
from hub.infra.queue import Ready
from hub.infra.store.database import Database


@dataclass(frozen=True, slots=True)
class Wait:
    """What ends a wait of a job.

    Attributes:
        position: the step that waits.
        since: events received before do not count; None for the time the job was made.
        consumed: events that ended earlier waits of the job.
    """

    position: int
    source: str
    types: tuple[str, ...]
    subject: str
    since: datetime | None
    consumed: tuple[UUID, ...]


@dataclass(frozen=True, slots=True)
class Heard:
    """An event that ends a wait; `body` is None when retention has emptied it."""

    id: UUID
    type: str
    received_at: datetime
    body: bytes | None = field(repr=False)


@dataclass(frozen=True, slots=True)
class Woken:
    """What a look has woken.

    Attributes:
        count: how many jobs.
        ready: those that are to be handed over; the relay fetches the others.
        more: the look was cut short, and another may wake more.
    """

    count: int
    ready: list[Ready]
    more: bool


# The event that started the job is no answer to it.
_HEARD = text("""
SELECT e.id, e.type, e.received_at, e.body FROM jobs j JOIN events e ON e.source = :source AND e.subject = :subject
WHERE j.id = :job AND e.type = ANY(CAST(:types AS text[])) AND e.id <> ALL(CAST(:consumed AS uuid[]))
  AND e.received_at >= coalesce(CAST(:since AS timestamptz), j.created_at) AND e.received_at <= :until
  AND e.id IS DISTINCT FROM j.event_id
ORDER BY e.received_at, e.id LIMIT 1
""")


_ENDS = """
    e.source = w.source AND e.subject = w.subject AND e.type = ANY(w.types) AND e.received_at >= w.since
    AND e.id <> ALL(w.consumed) AND e.id IS DISTINCT FROM j.event_id AND j.state = 'waiting'
"""


def _waking(heard: str) -> TextClause:
    # Bounded, and whatever has no room is not marked as handed over: one event may wake a million. Should the bound have
    # been met, there may be more, so the number comes with every row, and without any.
    return text(f"""
    WITH heard AS MATERIALIZED (SELECT w.job_id {heard} LIMIT :limit), free AS (
        SELECT j.id, j.queue = ANY(CAST(:room AS text[])) AS direct FROM jobs j
        WHERE j.id IN (SELECT job_id FROM heard) AND j.state = 'waiting' ORDER BY j.id FOR UPDATE OF j
    ), woken AS (
        UPDATE jobs j SET state = 'queued', reason = NULL, run_at = now(),
            dispatch = j.dispatch + CASE WHEN f.direct THEN 1 ELSE 0 END, dispatched_at = CASE WHEN f.direct THEN now() END
        FROM free f WHERE j.id = f.id
        RETURNING j.id, j.dispatch, j.queue, j.priority, j.run_at, j.crashes, j.dispatched_at
    ), gone AS (DELETE FROM waits w USING woken WHERE w.job_id = woken.id)
    SELECT h.heard, w.* FROM (SELECT count(*) AS heard FROM heard) h LEFT JOIN woken w ON true
    """)  # noqa: S608 - the parts are constants


_WAKE_BY_EVENTS = _waking(f"""
    FROM events e JOIN waits w ON e.source = w.source AND e.subject = w.subject JOIN jobs j ON j.id = w.job_id
    WHERE e.id = ANY(CAST(:events AS uuid[])) AND {_ENDS}
""")
_WAKE_JOBS = _waking(f"""
    FROM waits w JOIN jobs j ON j.id = w.job_id, LATERAL (SELECT FROM events e WHERE {_ENDS} LIMIT 1) e
    WHERE w.job_id = ANY(CAST(:jobs AS uuid[]))
""")

_PAGE = text("SELECT DISTINCT job_id FROM waits WHERE job_id > :after ORDER BY job_id LIMIT :limit")
_FORGET = text("""
DELETE FROM waits w USING jobs j WHERE j.id = w.job_id AND j.state <> 'waiting' AND w.job_id = ANY(CAST(:jobs AS uuid[]))
""")

NOBODY = UUID(int=0)


class WaitStore:
    """Who waits, and for what."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def heard(self, job: UUID, wait: Wait, until: datetime) -> Heard | None:
        """The first event that ends a wait, if it came by then."""
        rows = await self._database.run(
            _HEARD,
            {
                "job": job,
                "source": wait.source,
                "subject": wait.subject,
                "types": list(wait.types),
                "consumed": list(wait.consumed),
                "since": wait.since,
                "until": until,
            },
        )
        return Heard(*rows[0]) if rows else None

    async def wake_by(self, events: Sequence[UUID], room: Sequence[str], limit: int) -> Woken:
        """Queue the jobs that waited for these events, up to so many."""
        return _woken(
            await self._database.run(
                _WAKE_BY_EVENTS, {"events": list(events), "room": list(room), "limit": limit}
            ),
            limit,
        )

    async def wake(self, jobs: Sequence[UUID], room: Sequence[str], limit: int) -> Woken:
        """Queue those of the jobs whose event is here already, up to so many."""
        return _woken(
            await self._database.run(_WAKE_JOBS, {"jobs": list(jobs), "room": list(room), "limit": limit}),
            limit,
        )

    async def waiting(self, after: UUID, limit: int) -> list[UUID]:
        """Jobs with waits on record, in the order of ids."""
        return [row[0] for row in await self._database.run(_PAGE, {"after": after, "limit": limit})]

    async def forget(self, jobs: Sequence[UUID]) -> None:
        """Remove the waits of those of the jobs that wait no more."""
        await self._database.run(_FORGET, {"jobs": list(jobs)})


def _woken(rows: Sequence[Any], limit: int) -> Woken:
    woken = [row for row in rows if row.id]
    ready = [
        Ready(row.id, row.dispatch, row.queue, row.priority, row.run_at, is_suspect(row.crashes))
        for row in woken
        if row.dispatched_at
    ]
    return Woken(len(woken), ready, more=any(row.heard == limit for row in rows))
