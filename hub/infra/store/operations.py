"""What people change: each action is one conditional statement, and its line in the audit log is part of it.

Where it depends on other rows than the one it changes, that one is locked in a statement of its own before: a statement
that waits for a lock goes on to look at the other rows as they were before it waited.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import TextClause, text

from hub.domain.providers import Provider
from hub.infra.store import moves
from hub.infra.store.database import Database
from hub.infra.store.safety import UNCERTAIN, protection


@dataclass(frozen=True, slots=True)
class Audit:
    """Who does something, and why. `detail` is JSON."""

    id: UUID
    actor: str
    detail: str = "{}"


@dataclass(frozen=True, slots=True)
class Reach:
    """Whose jobs may be changed: everybody's if `application` is None."""

    application: UUID | None


@dataclass(frozen=True, slots=True)
class ReplayedJob:
    """A job to be made for an event that was received before."""

    id: UUID
    name: str
    queue: str
    priority: int


def noted(action: str, subject: str) -> str:
    """The line in the audit log, as a part of a statement: of what `moved` gives, `subject` is what it is about."""
    return f"""
        INSERT INTO audit_log (id, actor, action, subject, detail)
        SELECT CAST(:audit AS uuid), :actor, '{action}', CAST(m.{subject} AS text), CAST(:detail AS jsonb) FROM moved m
    """  # noqa: S608 - the parts are constants


# Before `_RETRY` and `_CANCEL`, which look at the job's steps. Writers of steps hold the row FOR SHARE. Not FOR UPDATE,
# which foreign keys to the job would wait for.
LOCK_JOB = text("""
SELECT FROM jobs WHERE id = :id AND (CAST(:application AS uuid) IS NULL OR application_id = :application)
FOR NO KEY UPDATE
""")

_RETRY = text(f"""
WITH before AS (
    SELECT j.id, j.state, {UNCERTAIN} AS uncertain FROM jobs j
    WHERE j.id = :id AND (CAST(:application AS uuid) IS NULL OR j.application_id = :application)
      AND {moves.RETRYABLE}
), moved AS (
    UPDATE jobs j SET {moves.RETRIED} FROM before b WHERE j.id = b.id
    RETURNING j.id, j.generation, {moves.IN_THE_DARK}
), doubted AS ({moves.DOUBTED}), kept AS ({moves.KEPT}), noted AS ({noted("job.retry", "id")})
SELECT id FROM moved
""")  # noqa: S608 - the parts are constants

_CANCEL = text(f"""
WITH before AS (
    SELECT j.id, j.state, {moves.UNDOABLE} AS undoable FROM jobs j
    WHERE j.id = :id AND (CAST(:application AS uuid) IS NULL OR j.application_id = :application)
      AND {moves.CANCELLABLE}
), moved AS (
    UPDATE jobs j SET {moves.CANCELLED} FROM before b WHERE j.id = b.id AND {moves.CANCEL_FITS}
    RETURNING j.id
), noted AS ({noted("job.cancel", "id")})
SELECT id FROM moved
""")  # noqa: S608 - the parts are constants

# Whose undoing has stopped for a person: it becomes what its ending says. Nothing more is undone, and nothing goes on from it.
_CLOSE = text(f"""
WITH moved AS (
    UPDATE jobs j SET
        state = j.ending ->> 'state', reason = j.ending ->> 'reason',
        error_code = j.ending -> 'failure' ->> 'code', error_message = j.ending -> 'failure' ->> 'message',
        error_kind = j.ending -> 'failure' ->> 'kind', error_signature = j.ending -> 'failure' ->> 'signature',
        settled_at = now(), undone_at = now(), dispatched_at = NULL
    WHERE j.id = :id AND (CAST(:application AS uuid) IS NULL OR j.application_id = :application)
      AND j.ending IS NOT NULL AND j.undone_at IS NULL AND j.state IN ('failed', 'held')
    RETURNING j.id
), noted AS ({noted("job.close", "id")})
SELECT id FROM moved
""")  # noqa: S608 - the parts are constants

_PAUSE = text(f"""
WITH moved AS (
    UPDATE queues SET paused_at = now() WHERE name = :name AND paused_at IS NULL RETURNING name
), noted AS ({noted("queue.pause", "name")})
SELECT name FROM moved
""")  # noqa: S608 - the parts are constants

# What was held for the pause is queued again by the relay, in bounded steps.
_RESUME = text(f"""
WITH moved AS (
    UPDATE queues SET paused_at = NULL WHERE name = :name AND paused_at IS NOT NULL RETURNING name
), noted AS ({noted("queue.resume", "name")})
SELECT name FROM moved
""")  # noqa: S608 - the parts are constants

# Before `_REPLAY`, so that retention cannot empty the body while jobs are made that need it, and of two replays at once
# the later sees the jobs of the earlier.
_LOCK_EVENT = text("SELECT FROM events WHERE id = :id FOR NO KEY UPDATE")

_REPLAY = text(f"""
WITH moved AS (
    SELECT id, correlation_id FROM events e WHERE id = :id AND body IS NOT NULL AND NOT EXISTS (
        SELECT FROM jobs j WHERE j.event_id = e.id AND j.name = ANY(CAST(:name AS text[]))
                             AND j.state NOT IN ('succeeded', 'failed', 'cancelled')
    )
), made AS (
    INSERT INTO jobs (id, name, queue, priority, state, run_at, event_id, correlation_id)
    SELECT n.id, n.name, n.queue, n.priority, 'queued', now(), m.id, m.correlation_id
    FROM moved m, unnest(CAST(:job_id AS uuid[]), CAST(:name AS text[]), CAST(:queue AS text[]),
                         CAST(:priority AS smallint[])) AS n(id, name, queue, priority)
), noted AS ({noted("event.replay", "id")})
SELECT id FROM moved
""")  # noqa: S608 - the parts are constants


class OperationsStore:
    """Changes by people. Each method says whether its condition held; if not, nothing was changed or noted.

    Args:
        database: the pool.
        providers: whose keys make repeats harmless, and for how long.
    """

    def __init__(self, database: Database, providers: Mapping[str, Provider]) -> None:
        self._database = database
        self._protection = protection(providers)

    async def retry(self, job: UUID, reach: Reach, audit: Audit, *, decided: bool, judged: bool) -> bool:
        """Queue a job again; `decided` and `judged` as in `hub.infra.store.moves`."""
        values = {"decided": decided, "judged": judged, **self._protection}
        return await self._act_on_job(_RETRY, job, reach, audit, **values)

    async def cancel(self, job: UUID, reach: Reach, audit: Audit, *, decided: bool) -> bool:
        """Cancel a job that no worker holds; `decided`: a person has judged its uncertain effect."""
        return await self._act_on_job(_CANCEL, job, reach, audit, decided=decided)

    async def close(self, job: UUID, reach: Reach, audit: Audit) -> bool:
        """End a job whose undoing has stopped, as its ending says: a person has taken care of the rest."""
        return await self._act(_CLOSE, audit, id=job, application=reach.application)

    async def pause(self, queue: str, audit: Audit) -> bool:
        """Pause a queue that is not paused."""
        return await self._act(_PAUSE, audit, name=queue)

    async def resume(self, queue: str, audit: Audit) -> bool:
        """Resume a queue that is paused."""
        return await self._act(_RESUME, audit, name=queue)

    async def replay(self, event: UUID, jobs: Sequence[ReplayedJob], audit: Audit) -> bool:
        """Make new jobs for an event whose body is still there and that no job of these names is still at work on."""
        values = _values(
            audit,
            id=event,
            job_id=[job.id for job in jobs],
            name=[job.name for job in jobs],
            queue=[job.queue for job in jobs],
            priority=[job.priority for job in jobs],
        )
        async with self._database.transaction() as connection:
            await connection.execute(_LOCK_EVENT, {"id": event})
            return bool((await connection.execute(_REPLAY, values)).all())

    async def _act_on_job(
        self, statement: TextClause, job: UUID, reach: Reach, audit: Audit, **values: object
    ) -> bool:
        which = {"id": job, "application": reach.application}
        async with self._database.transaction() as connection:
            await connection.execute(LOCK_JOB, which)
            moved = await connection.execute(statement, _values(audit, **which, **values))
            return bool(moved.all())

    async def _act(self, statement: TextClause, audit: Audit, **values: object) -> bool:
        return bool(await self._database.run(statement, _values(audit, **values)))


def _values(audit: Audit, **values: object) -> dict[str, object]:
    return {**values, "audit": audit.id, "actor": audit.actor, "detail": audit.detail}
