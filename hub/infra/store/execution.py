"""The worker's statements: leases, fenced claims, and the settlement of what was claimed."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import text

from hub.domain.jobs import Ending
from hub.infra.store.arrays import literal
from hub.infra.store.database import Database
from hub.infra.store.settlements import Settlement, ending_from_json, settling


@dataclass(frozen=True, slots=True)
class Claimed:
    """A job this worker holds. `attempt` is the fence: whatever is written for the job is written under it."""

    id: UUID
    name: str
    args: Any = field(repr=False)
    queue: str
    attempt: int
    failures: int
    crashes: int
    generation: int
    correlation_id: str
    event_body: bytes | None = field(repr=False)
    now: datetime
    ending: Ending | None = None


@dataclass(frozen=True, slots=True)
class Abandoned:
    """A running job that nobody runs: its process has died, or its worker does not know of it."""

    id: UUID
    name: str
    attempt: int
    failures: int
    crashes: int
    worker: UUID
    correlation_id: str
    undoable: bool = False
    ending: Ending | None = None


_REGISTER = text("""
INSERT INTO workers (id, host, pid, release, queues, concurrency, lease_until)
VALUES (:id, :host, :pid, :release, CAST(:queues AS text[]), :concurrency, now() + make_interval(secs => :lease))
ON CONFLICT (id) DO UPDATE SET lease_until = excluded.lease_until, stopped_at = NULL
""")

_HEARTBEAT = text("""
UPDATE workers SET lease_until = now() + make_interval(secs => :lease)
WHERE id = :id AND stopped_at IS NULL RETURNING id
""")

_RETIRE = text("UPDATE workers SET stopped_at = now(), lease_until = now() WHERE id = :id")

# The claim does not wait for the disk. Nothing is lost by that: the log is written in order, so a step that is recorded
# before it is sent, and the settlement, make the claim durable too; a claim lost in a crash had no effect yet.
# A job whose queue is paused, or whose name this release does not know, is held instead, and uses up no attempt.
_CLAIM = text("""
WITH relaxed AS (SELECT set_config('synchronous_commit', 'off', true) AS off),
handed AS (
    SELECT h.id, h.dispatch FROM unnest(CAST(CAST(:id AS text) AS uuid[]), CAST(CAST(:dispatch AS text) AS int[])) AS h(id, dispatch), relaxed
    WHERE relaxed.off = 'off' AND EXISTS (SELECT FROM workers w WHERE w.id = :worker AND w.lease_until > now())
), claimed AS (
    UPDATE jobs j SET
        state = CASE WHEN q.paused_at IS NULL AND j.name = ANY(CAST(:known AS text[])) THEN 'running' ELSE 'held' END,
        reason = CASE WHEN q.paused_at IS NOT NULL THEN 'queue_paused'
                      WHEN j.name <> ALL(CAST(:known AS text[])) THEN 'unknown_job' END,
        worker_id = CASE WHEN q.paused_at IS NULL AND j.name = ANY(CAST(:known AS text[])) THEN CAST(:worker AS uuid) END,
        attempt = j.attempt
            + CASE WHEN q.paused_at IS NULL AND j.name = ANY(CAST(:known AS text[])) THEN 1 ELSE 0 END,
        started_at = CASE WHEN q.paused_at IS NULL AND j.name = ANY(CAST(:known AS text[])) THEN clock_timestamp() ELSE j.started_at END,
        dispatched_at = NULL
    FROM handed h, queues q
    WHERE j.id = h.id AND j.dispatch = h.dispatch AND j.state = 'queued' AND q.name = j.queue
    RETURNING j.id, j.name, j.args, j.queue, j.attempt, j.failures, j.crashes, j.generation, j.correlation_id,
              j.event_id, j.state, j.ending
)
SELECT c.id, c.name, c.args, c.queue, c.attempt, c.failures, c.crashes, c.generation, c.correlation_id,
       CASE WHEN c.args IS NULL THEN e.body END, clock_timestamp(), c.ending
FROM claimed c LEFT JOIN events e ON e.id = c.event_id
WHERE c.state = 'running'
""")

# Of a running job that nobody runs, what is needed to end its attempt.
ABANDONED = """
    j.id, j.name, j.attempt, j.failures, j.crashes, j.worker_id, j.correlation_id,
    EXISTS (SELECT FROM steps s WHERE s.job_id = j.id AND s.kind = 'undo'), j.ending
"""

_RUNNING = text(f"SELECT {ABANDONED} FROM jobs j WHERE j.state = 'running' AND j.worker_id = :worker")  # noqa: S608 - a constant


class ExecutionStore:
    """What one worker reads and writes, always under its own id.

    Args:
        database: the pool.
        worker: this worker's id.
    """

    def __init__(self, database: Database, worker: UUID) -> None:
        self._database = database
        self.worker = worker

    async def register(
        self, *, host: str, pid: int, release: str, queues: Sequence[str], concurrency: int, lease: timedelta
    ) -> None:
        """Make this worker known (again), with a lease."""
        await self._database.run(
            _REGISTER,
            {
                "id": self.worker,
                "host": host,
                "pid": pid,
                "release": release,
                "queues": list(queues),
                "concurrency": concurrency,
                "lease": lease.total_seconds(),
            },
        )

    async def heartbeat(self, lease: timedelta) -> bool:
        """Renew the lease on everything this worker holds; False if the worker is not known any more."""
        rows = await self._database.run(_HEARTBEAT, {"id": self.worker, "lease": lease.total_seconds()})
        return bool(rows)

    async def retire(self) -> None:
        """Say that this worker has stopped; whatever it still holds can be rescued at once."""
        await self._database.run(_RETIRE, {"id": self.worker})

    async def claim(self, handed: Sequence[tuple[UUID, int]], known: Sequence[str]) -> list[Claimed]:
        """Claim what was handed over; gives only the jobs that this worker now holds."""
        # Whoever moves many jobs at once locks them in this order, so that nobody is in deadlock.
        handed = sorted(handed)
        parameters = {
            "id": literal([job for job, _ in handed]),
            "dispatch": literal([dispatch for _, dispatch in handed]),
            "worker": self.worker,
            "known": list(known),
        }
        rows = await self._database.run(_CLAIM, parameters)
        return [Claimed(*[*row[:11], ending_from_json(row[11])]) for row in rows]

    async def running(self) -> list[Abandoned]:
        """What this worker holds, as the database sees it."""
        return [abandoned(row) for row in await self._database.run(_RUNNING, {"worker": self.worker})]

    async def settle(self, settlements: Sequence[Settlement], holder: UUID | None = None) -> set[UUID]:
        """Write the ends of attempts in one transaction; gives the jobs that were still the holder's to settle.

        Args:
            settlements: the ends.
            holder: whose they are, by default this worker's; a rescue names the worker that was lost.
        """
        statement, columns = settling(settlements)
        rows = await self._database.run(statement, {"worker": holder or self.worker, **columns})
        return {row[0] for row in rows}


def abandoned(row: Sequence[Any]) -> Abandoned:
    """A row of ABANDONED."""
    return Abandoned(*[*row[:8], ending_from_json(row[8])])
