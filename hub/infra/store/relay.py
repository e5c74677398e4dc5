"""The relay's statements: what is due, what has room, what was lost, whose worker is gone.

Every statement is bounded, takes its rows with SKIP LOCKED, and may run in many processes at once.
"""

from collections.abc import Sequence
from datetime import timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import text

from hub.domain.jobs import SUSPECT_AFTER, is_suspect
from hub.infra.queue import Ready
from hub.infra.store.database import Database
from hub.infra.store.execution import ABANDONED, Abandoned, abandoned

_PROMOTE = text("""
WITH due AS (
    SELECT id FROM jobs WHERE state IN ('scheduled', 'retrying', 'waiting') AND run_at <= now()
    ORDER BY run_at LIMIT :limit FOR UPDATE SKIP LOCKED
)
UPDATE jobs j SET state = 'queued', reason = NULL FROM due WHERE j.id = due.id RETURNING j.id
""")

_NEXT_DUE = text("""
SELECT extract(epoch FROM min(run_at) - now()) FROM jobs WHERE state IN ('scheduled', 'retrying', 'waiting')
""")

_REFILL = text("""
WITH next AS (
    SELECT id FROM jobs WHERE state = 'queued' AND dispatched_at IS NULL AND queue = :queue
    ORDER BY queue, priority DESC, run_at, id LIMIT :room FOR UPDATE SKIP LOCKED
)
UPDATE jobs j SET dispatch = j.dispatch + 1, dispatched_at = now() FROM next WHERE j.id = next.id
RETURNING j.id, j.dispatch, j.queue, j.priority, j.run_at, j.crashes
""")

_BACKLOG = text("""
SELECT q.name FROM queues q WHERE q.paused_at IS NULL AND EXISTS (
    SELECT FROM jobs j WHERE j.state = 'queued' AND j.dispatched_at IS NULL AND j.queue = q.name
)
""")

_HANDED_LONG_AGO = text("""
SELECT id, dispatch, queue, priority, run_at, crashes, dispatched_at FROM jobs
WHERE dispatched_at IS NOT NULL AND dispatched_at < now() - make_interval(secs => :age)
  AND (dispatched_at, id) > (coalesce(CAST(:after_at AS timestamptz), '-infinity'), CAST(:after_id AS uuid))
ORDER BY dispatched_at, id LIMIT :limit
""")

_TAKE_BACK = text("""
UPDATE jobs j SET dispatched_at = NULL
FROM unnest(CAST(:id AS uuid[]), CAST(:dispatch AS int[])) AS l(id, dispatch)
WHERE j.id = l.id AND j.dispatch = l.dispatch AND j.state = 'queued' RETURNING j.id
""")

_ABANDONED = text(f"""
SELECT {ABANDONED} FROM jobs j JOIN workers w ON w.id = j.worker_id
WHERE j.state = 'running' AND w.lease_until < now()
ORDER BY j.id LIMIT :limit
""")  # noqa: S608 - a constant

_NEXT_LAPSE = text("""
SELECT extract(epoch FROM min(lease_until) - clock_timestamp()) FROM workers WHERE lease_until > now()
""")

_FORGET_WORKERS = text("""
DELETE FROM workers WHERE id IN (
    SELECT w.id FROM workers w
    WHERE w.lease_until < now() - make_interval(secs => :age)
      AND NOT EXISTS (SELECT FROM jobs j WHERE j.worker_id = w.id AND j.state = 'running')
    LIMIT :limit FOR UPDATE SKIP LOCKED
)
RETURNING id
""")

_PAUSED = text("SELECT name FROM queues WHERE paused_at IS NOT NULL")

# Only what was not handed over, which its index finds; what was, is held by the claim.
_HOLD_PAUSED = text("""
WITH paused AS (
    SELECT id FROM jobs WHERE queue = ANY(CAST(:paused AS text[])) AND state = 'queued' AND dispatched_at IS NULL
    LIMIT :limit FOR UPDATE SKIP LOCKED
)
UPDATE jobs j SET state = 'held', reason = 'queue_paused' FROM paused p WHERE j.id = p.id
RETURNING j.id
""")

_RELEASE_HELD = text("""
WITH free AS (
    SELECT j.id FROM jobs j JOIN queues q ON q.name = j.queue
    WHERE j.state = 'held' AND q.paused_at IS NULL AND j.reason = 'queue_paused'
    LIMIT :limit FOR UPDATE OF j SKIP LOCKED
)
UPDATE jobs j SET state = 'queued', reason = NULL FROM free f WHERE j.id = f.id RETURNING j.id
""")

# Handed over to the worker that asks and not to Redis, where a worker of another release might take it and hold it again.
# Whether arguments and recorded steps fit can only be told by trying: each worker tries a job once in its life.
_FITTING = """
    SELECT j.id FROM jobs j JOIN queues q ON q.name = j.queue
    WHERE j.state = 'held' AND j.queue = ANY(CAST(:queues AS text[])) AND q.paused_at IS NULL
      AND j.name = ANY(CAST(:known AS text[]))
      AND (j.reason = 'unknown_job' OR j.reason IN ('args_unknown', 'steps_changed') AND NOT EXISTS (
          SELECT FROM attempts a WHERE a.job_id = j.id AND a.worker_id = :worker AND a.outcome = 'held'
      ))
"""
_TAKE_HELD = text(f"""
WITH suspects AS (
    {_FITTING} AND j.crashes >= {SUSPECT_AFTER} LIMIT least(CAST(:limit AS int), CAST(:suspects AS int)) FOR UPDATE OF j SKIP LOCKED
), others AS (
    {_FITTING} AND j.crashes < {SUSPECT_AFTER}
    LIMIT CAST(:limit AS int) - (SELECT count(*) FROM suspects) FOR UPDATE OF j SKIP LOCKED
)
UPDATE jobs j SET state = 'queued', reason = NULL, dispatch = j.dispatch + 1, dispatched_at = now()
FROM (SELECT id FROM suspects UNION ALL SELECT id FROM others) m WHERE j.id = m.id
RETURNING j.id, j.dispatch, j.queue, j.priority, j.run_at, j.crashes
""")  # noqa: S608 - constants

_KNOW_QUEUES = text("INSERT INTO queues (name) SELECT unnest(CAST(:names AS text[])) ON CONFLICT DO NOTHING")

NOBODY = UUID(int=0)
_SOON = 0.01


class RelayStore:
    """Bounded sweeps over unfinished work."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def know_queues(self, names: Sequence[str]) -> None:
        """Make sure that the queues exist."""
        await self._database.run(_KNOW_QUEUES, {"names": sorted(names)})

    async def promote_due(self, limit: int) -> int:
        """Queue what has become due; gives how many."""
        return len(await self._database.run(_PROMOTE, {"limit": limit}))

    async def until_next_due(self) -> float | None:
        """Seconds until the next job becomes due; None if none is scheduled."""
        [(seconds,)] = await self._database.run(_NEXT_DUE)
        return None if seconds is None else float(seconds)

    async def backlog(self) -> list[str]:
        """The queues with work that was not handed over and that are not paused."""
        return [row[0] for row in await self._database.run(_BACKLOG)]

    async def refill(self, queue: str, room: int) -> list[Ready]:
        """Mark the next jobs of a queue as handed over; the caller hands them over."""
        rows = await self._database.run(_REFILL, {"queue": queue, "room": room})
        return [_ready(row) for row in rows]

    async def handed_long_ago(self, age: timedelta, limit: int) -> list[list[Ready]]:
        """Everything handed over longer ago and not begun, in pages."""
        pages: list[list[Ready]] = []
        after_at, after_id = None, NOBODY
        while True:
            rows = await self._database.run(
                _HANDED_LONG_AGO,
                {"age": age.total_seconds(), "after_at": after_at, "after_id": after_id, "limit": limit},
            )
            if rows:
                pages.append([_ready(row) for row in rows])
                after_at, after_id = rows[-1].dispatched_at, rows[-1].id
            if len(rows) < limit:
                return pages

    async def take_back(self, lost: Sequence[Ready]) -> int:
        """Make lost hand-overs eligible again; a claim that is under way makes this a no-op for its job."""
        lost = sorted(lost, key=lambda entry: entry.job)
        parameters = {"id": [entry.job for entry in lost], "dispatch": [entry.dispatch for entry in lost]}
        return len(await self._database.run(_TAKE_BACK, parameters))

    async def abandoned(self, limit: int) -> list[Abandoned]:
        """Running jobs whose worker's lease has lapsed."""
        return [abandoned(row) for row in await self._database.run(_ABANDONED, {"limit": limit})]

    async def until_next_lapse(self, most: float) -> float:
        """Seconds until a worker's lease lapses unless it is renewed, `most` if none does before."""
        [(seconds,)] = await self._database.run(_NEXT_LAPSE)
        return most if seconds is None else min(most, max(_SOON, float(seconds)))

    async def forget_workers(self, age: timedelta, limit: int) -> int:
        """Forget workers that went longer ago and hold nothing; gives how many."""
        parameters = {"age": age.total_seconds(), "limit": limit}
        return len(await self._database.run(_FORGET_WORKERS, parameters))

    async def hold_paused(self, limit: int) -> int:
        """Hold what is queued in paused queues."""
        paused = [row[0] for row in await self._database.run(_PAUSED)]
        # Asked apart, so that the usual case, nothing paused, touches no job.
        return (
            len(await self._database.run(_HOLD_PAUSED, {"paused": paused, "limit": limit})) if paused else 0
        )

    async def release_held(self, limit: int) -> int:
        """Queue again what was held for a pause that is over."""
        return len(await self._database.run(_RELEASE_HELD, {"limit": limit}))

    async def take_held(
        self, worker: UUID, queues: Sequence[str], known: Sequence[str], limit: int, suspects: int
    ) -> list[Ready]:
        """Hand to this worker what was held by workers of another release, and what it has not tried itself."""
        parameters = {
            "worker": worker,
            "queues": list(queues),
            "known": list(known),
            "limit": limit,
            "suspects": suspects,
        }
        return [_ready(row) for row in await self._database.run(_TAKE_HELD, parameters)]


def _ready(row: Any) -> Ready:
    return Ready(row.id, row.dispatch, row.queue, row.priority, row.run_at, is_suspect(row.crashes))
