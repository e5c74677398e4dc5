"""The worker's statements: leases, fenced claims, the ledger of steps, settlement."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import text

from hub.domain.effects import Certainty, Effect, Step
from hub.domain.jobs import Failure, Transition
from hub.infra.store.arrays import literal
from hub.infra.store.database import Database


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

    def abandoned(self, worker: UUID) -> "Abandoned":
        """What is left when nobody runs it any more."""
        return Abandoned(
            self.id, self.name, self.attempt, self.failures, self.crashes, worker, self.correlation_id
        )


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


@dataclass(frozen=True, slots=True)
class Settlement:
    """The end of an attempt. `delay` is counted from the database's clock."""

    job: UUID
    attempt: int
    transition: Transition
    delay: timedelta | None
    result: str | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class StepRecord:
    """A line of the ledger as it is to be written, under the fence of an attempt.

    Attributes:
        sending: it is about to be sent; the database's clock says when.
    """

    job: UUID
    attempt: int
    step: Step
    provider: str | None
    key: str | None
    sending: bool
    answer: str | None = field(default=None, repr=False)
    failure: Failure | None = None


@dataclass(frozen=True, slots=True)
class RecordedStep:
    """A line of the ledger as it was read."""

    step: Step
    answer: Any = field(repr=False)
    error_code: str | None
    error_message: str | None
    error_kind: str | None


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
              j.event_id, j.state
)
SELECT c.id, c.name, c.args, c.queue, c.attempt, c.failures, c.crashes, c.generation, c.correlation_id,
       CASE WHEN c.args IS NULL THEN e.body END, clock_timestamp()
FROM claimed c LEFT JOIN events e ON e.id = c.event_id
WHERE c.state = 'running'
""")

_RUNNING = text("""
SELECT id, name, attempt, failures, crashes, worker_id, correlation_id FROM jobs WHERE state = 'running' AND worker_id = :worker
""")

_SETTLE = text("""
WITH done AS (
    SELECT * FROM unnest(CAST(CAST(:job AS text) AS uuid[]), CAST(CAST(:attempt AS text) AS int[]), CAST(CAST(:state AS text) AS text[]),
        CAST(CAST(:reason AS text) AS text[]), CAST(CAST(:delay AS text) AS float8[]), CAST(CAST(:failures AS text) AS int[]), CAST(CAST(:crashes AS text) AS int[]),
        CAST(CAST(:outcome AS text) AS text[]), CAST(CAST(:code AS text) AS text[]), CAST(CAST(:message AS text) AS text[]), CAST(CAST(:kind AS text) AS text[]),
        CAST(CAST(:signature AS text) AS text[]), CAST(CAST(:result AS text) AS text[]))
    AS d(job, attempt, state, reason, delay, failures, crashes, outcome, code, message, kind, signature, result)
), moved AS (
    UPDATE jobs j SET
        state = d.state,
        reason = d.reason,
        run_at = CASE WHEN d.delay IS NULL THEN j.run_at ELSE now() + make_interval(secs => d.delay) END,
        failures = d.failures,
        crashes = d.crashes,
        worker_id = NULL,
        error_code = d.code, error_message = d.message, error_kind = d.kind, error_signature = d.signature,
        result = CAST(d.result AS jsonb),
        settled_at = CASE WHEN d.state IN ('succeeded', 'failed', 'cancelled') THEN clock_timestamp() END
    FROM done d
    WHERE j.id = d.job AND j.attempt = d.attempt AND j.state = 'running' AND j.worker_id = :worker
    RETURNING j.id, j.attempt, j.generation, j.started_at
), logged AS (
    INSERT INTO attempts (job_id, number, generation, outcome, error_code, error_message, error_kind, error_signature,
                          worker_id, started_at)
    SELECT m.id, m.attempt, m.generation, d.outcome, d.code, d.message, d.kind, d.signature, :worker, m.started_at
    FROM moved m JOIN done d ON d.job = m.id AND d.attempt = m.attempt
)
SELECT id FROM moved
""")

# The row of the job is locked while a step is written, so that a rescue and a step cannot both win.
_RECORD_STEPS = text("""
WITH input AS (
    SELECT * FROM unnest(CAST(CAST(:job AS text) AS uuid[]), CAST(CAST(:attempt AS text) AS int[]), CAST(CAST(:position AS text) AS int[]), CAST(CAST(:name AS text) AS text[]),
        CAST(CAST(:provider AS text) AS text[]), CAST(CAST(:effect AS text) AS text[]), CAST(CAST(:certainty AS text) AS text[]), CAST(CAST(:serial AS text) AS int[]),
        CAST(CAST(:key AS text) AS text[]), CAST(:digest AS bytea[]), CAST(CAST(:sending AS text) AS boolean[]),
        CAST(CAST(:answer AS text) AS text[]), CAST(CAST(:code AS text) AS text[]), CAST(CAST(:message AS text) AS text[]), CAST(CAST(:kind AS text) AS text[]))
    AS i(job, attempt, position, name, provider, effect, certainty, serial, key, digest, sending, answer, code,
         message, kind)
), held AS (
    SELECT j.id, j.attempt, j.generation FROM jobs j JOIN input i ON j.id = i.job AND j.attempt = i.attempt
    WHERE j.state = 'running' AND j.worker_id = :worker
    ORDER BY j.id FOR SHARE OF j
), written AS (
    INSERT INTO steps AS s (job_id, position, name, provider, effect, certainty, serial, generation, attempt, sends,
        idempotency_key, digest, answer, error_code, error_message, error_kind, first_sent_at, last_sent_at, answered_at)
    SELECT i.job, i.position, i.name, i.provider, i.effect, i.certainty, i.serial, h.generation, i.attempt, 1,
        i.key, i.digest, CAST(i.answer AS jsonb), i.code, i.message, i.kind, clock_timestamp(), clock_timestamp(),
        CASE WHEN NOT i.sending THEN clock_timestamp() END
    FROM input i JOIN (SELECT DISTINCT id, attempt, generation FROM held) h ON h.id = i.job AND h.attempt = i.attempt
    ON CONFLICT (job_id, position) DO UPDATE SET
        certainty = excluded.certainty, serial = excluded.serial, generation = excluded.generation,
        attempt = excluded.attempt, idempotency_key = excluded.idempotency_key, digest = excluded.digest,
        answer = excluded.answer, error_code = excluded.error_code, error_message = excluded.error_message,
        error_kind = excluded.error_kind, answered_at = excluded.answered_at,
        sends = s.sends + CASE WHEN excluded.answered_at IS NULL THEN 1 ELSE 0 END,
        last_sent_at = CASE WHEN excluded.answered_at IS NULL THEN excluded.last_sent_at ELSE s.last_sent_at END,
        first_sent_at = CASE WHEN excluded.serial > s.serial OR s.certainty = 'not_sent' AND excluded.answered_at IS NULL
                             THEN excluded.first_sent_at ELSE s.first_sent_at END
    RETURNING job_id, attempt, position
)
SELECT job_id, attempt, position FROM written
""")

_LOAD_STEPS = text("""
SELECT position, name, effect, certainty, serial, generation, first_sent_at, digest, answer, error_code, error_message,
       error_kind
FROM steps WHERE job_id = :job ORDER BY position
""")


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
        return [Claimed(*row) for row in await self._database.run(_CLAIM, parameters)]

    async def running(self) -> list[Abandoned]:
        """What this worker holds, as the database sees it."""
        return [Abandoned(*row) for row in await self._database.run(_RUNNING, {"worker": self.worker})]

    async def settle(self, settlements: Sequence[Settlement], holder: UUID | None = None) -> set[UUID]:
        """Write the ends of attempts in one transaction; gives the jobs that were still the holder's to settle.

        Args:
            settlements: the ends.
            holder: whose they are, by default this worker's; a rescue names the worker that was lost.
        """
        ordered = sorted(settlements, key=lambda settlement: settlement.job)
        rows = await self._database.run(
            _SETTLE, {"worker": holder or self.worker, **_settlement_columns(ordered)}
        )
        return {row[0] for row in rows}

    async def record_steps(self, records: Sequence[StepRecord]) -> set[tuple[UUID, int, int]]:
        """Write lines of the ledger; gives (job, attempt, position) of those that were still this worker's to write."""
        rows = await self._database.run(_RECORD_STEPS, {"worker": self.worker, **_step_columns(records)})
        return {(row[0], row[1], row[2]) for row in rows}

    async def load_steps(self, job: UUID) -> dict[int, RecordedStep]:
        """The ledger of one job, by position."""
        rows = await self._database.run(_LOAD_STEPS, {"job": job})
        return {row.position: _recorded(row) for row in rows}


def _recorded(row: Any) -> RecordedStep:
    step = Step(
        row.position,
        row.name,
        Effect(row.effect),
        Certainty(row.certainty),
        row.serial,
        row.generation,
        row.first_sent_at,
        row.digest,
    )
    return RecordedStep(step, row.answer, row.error_code, row.error_message, row.error_kind)


def _settlement_columns(settlements: Sequence[Settlement]) -> dict[str, Any]:
    moves = [s.transition for s in settlements]
    failures = [move.failure for move in moves]
    return {
        "job": literal([s.job for s in settlements]),
        "attempt": literal([s.attempt for s in settlements]),
        "state": literal([move.state.value for move in moves]),
        "reason": literal([move.reason.value if move.reason else None for move in moves]),
        "delay": literal([None if s.delay is None else s.delay.total_seconds() for s in settlements]),
        "failures": literal([move.failures for move in moves]),
        "crashes": literal([move.crashes for move in moves]),
        "outcome": literal([move.outcome.value for move in moves]),
        "code": literal([failure.code if failure else None for failure in failures]),
        "message": literal([failure.message if failure else None for failure in failures]),
        "kind": literal([failure.kind if failure else None for failure in failures]),
        "signature": literal([failure.signature if failure else None for failure in failures]),
        "result": literal([s.result for s in settlements]),
    }


def _step_columns(records: Sequence[StepRecord]) -> dict[str, Any]:
    return {
        "job": literal([r.job for r in records]),
        "attempt": literal([r.attempt for r in records]),
        "position": literal([r.step.position for r in records]),
        "name": literal([r.step.name for r in records]),
        "provider": literal([r.provider for r in records]),
        "effect": literal([r.step.effect.value for r in records]),
        "certainty": literal([r.step.certainty.value for r in records]),
        "serial": literal([r.step.serial for r in records]),
        "key": literal([r.key for r in records]),
        "digest": [r.step.digest for r in records],
        "sending": literal([r.sending for r in records]),
        "answer": literal([r.answer for r in records]),
        "code": literal([r.failure.code if r.failure else None for r in records]),
        "message": literal([r.failure.message if r.failure else None for r in records]),
        "kind": literal([r.failure.kind if r.failure else None for r in records]),
    }
