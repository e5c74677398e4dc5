"""What is read to be shown: jobs, events, queues. Nothing here changes anything."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import text

from hub.infra.store.database import Database
from hub.infra.store.depths import BY_STATE, SHOWN


@dataclass(frozen=True, slots=True)
class JobRecord:
    """A job's row, with the names of what it refers to, and what is open of a failed or cancelled job's effects.

    Attributes:
        undoable: it has recorded calls that undo what it did, and that were not made.
        doubts: the first step that may have been done: position, name, sends, key.
    """

    id: UUID
    name: str
    queue: str
    priority: int
    state: str
    reason: str | None
    run_at: datetime
    application: str | None
    event_id: UUID | None
    parent_id: UUID | None
    correlation_id: str
    idempotency_key: str | None
    tags: list[str]
    attempt: int
    failures: int
    generation: int
    error_code: str | None
    error_message: str | None
    error_kind: str | None
    error_signature: str | None
    progress: Any
    created_at: datetime
    started_at: datetime | None
    settled_at: datetime | None
    ending: Any
    undone_at: datetime | None
    queue_paused: bool
    undoable: bool
    doubts: Sequence[Sequence[Any]]


@dataclass(frozen=True, slots=True)
class JobFile:
    """All that is known of one job. `attempts`, `steps` and `waits` are rows in the order of _ATTEMPT, _STEP and _WAIT;
    `now` is the database's clock.
    """

    record: JobRecord
    args: Any = field(repr=False)
    result: Any = field(repr=False)
    attempts: Sequence[Sequence[Any]]
    steps: Sequence[Sequence[Any]]
    waits: Sequence[Sequence[Any]]
    now: datetime


@dataclass(frozen=True, slots=True)
class EventRecord:
    """An event's row, with the jobs it started."""

    id: UUID
    source: str
    external_id: str
    type: str
    correlation_id: str
    occurred_at: datetime | None
    received_at: datetime
    size: int | None
    jobs: list[UUID]


@dataclass(frozen=True, slots=True)
class EventFile:
    """An event with what was received; `body` is None when retention has emptied it."""

    record: EventRecord
    headers: dict[str, str] = field(repr=False)
    body: bytes | None = field(repr=False)


@dataclass(frozen=True, slots=True)
class Where:
    """Conditions that all hold: SQL that names its parameters, and their values."""

    conditions: tuple[str, ...] = ()
    values: dict[str, Any] = field(default_factory=dict)

    def and_(self, condition: str, **values: Any) -> "Where":
        """One condition more."""
        return Where((*self.conditions, condition), {**self.values, **values})

    def __str__(self) -> str:
        return " AND ".join(self.conditions) or "true"


# Of the steps a count, not EXISTS: the planner would answer that for a list by reading all steps there are into a hash.
_JOB = """
    j.id, j.name, j.queue, j.priority, j.state, j.reason, j.run_at, a.name AS application, j.event_id, j.parent_id,
    j.correlation_id, j.idempotency_key, j.tags, j.attempt, j.failures, j.generation, j.error_code, j.error_message,
    j.error_kind, j.error_signature, j.progress, j.created_at, j.started_at, j.settled_at, j.ending, j.undone_at,
    q.paused_at IS NOT NULL AS queue_paused,
    j.state IN ('failed', 'cancelled') AND (
        SELECT count(*) FROM steps s WHERE s.job_id = j.id AND s.kind = 'undo' AND s.certainty <> 'confirmed'
    ) > 0 AS undoable,
    CASE WHEN j.state IN ('failed', 'cancelled') THEN ARRAY(
        SELECT ROW(s.position, s.name, s.sends, s.idempotency_key) FROM steps s
        WHERE s.job_id = j.id AND s.certainty = 'unknown' AND s.effect <> 'read' ORDER BY s.position LIMIT 1
    ) ELSE '{}' END AS doubts
"""
_JOB_FROM = "jobs j JOIN queues q ON q.name = j.queue LEFT JOIN applications a ON a.id = j.application_id"
_JOB_WIDTH = 29

_ATTEMPT = "number, generation, outcome, error_code, error_message, error_kind, error_signature, worker_id, started_at, finished_at"
_STEP = """
    position, name, provider, effect, certainty, sends, serial, attempt, idempotency_key, encode(digest, 'hex'), answer,
    error_code, error_message, first_sent_at, last_sent_at, answered_at, kind, planned
"""
MOST_ATTEMPTS = 200  # of one job; the timeline has all
_WAIT = "source, types, subject"

_EVENT = """
    e.id, e.source, e.external_id, e.type, e.correlation_id, e.occurred_at, e.received_at, octet_length(e.body),
    ARRAY(SELECT j.id FROM jobs j WHERE j.event_id = e.id ORDER BY j.id LIMIT 100) AS jobs
"""

_UNSETTLED = text("SELECT id FROM jobs WHERE id = ANY(CAST(:ids AS uuid[])) AND settled_at IS NULL")

_FINISHED = text("""
SELECT j.queue, count(*) FILTER (WHERE t.outcome = 'succeeded'), count(*)
FROM attempts t JOIN jobs j ON j.id = t.job_id
WHERE t.finished_at > now() - make_interval(secs => :seconds) GROUP BY j.queue
""")

_REVISION = text("SELECT version_num FROM alembic_version")


class ReadingStore:
    """Reads, each one statement."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def jobs(self, where: Where, limit: int) -> list[JobRecord]:
        """Jobs that satisfy all conditions, newest first."""
        statement = f"SELECT {_JOB} FROM {_JOB_FROM} WHERE {where} ORDER BY j.id DESC LIMIT :limit"  # noqa: S608 - conditions are constants, values are bound
        rows = await self._database.run(text(statement), {**where.values, "limit": limit})
        return [JobRecord(*row) for row in rows]

    async def job(self, where: Where) -> JobFile | None:
        """One job with its attempts and steps, as they were at one moment."""
        statement = f"""
            SELECT {_JOB}, j.args, j.result,
                ARRAY(SELECT ROW({_ATTEMPT}) FROM (
                    SELECT * FROM attempts WHERE job_id = j.id ORDER BY number DESC LIMIT {MOST_ATTEMPTS}
                ) latest ORDER BY number),
                ARRAY(SELECT ROW({_STEP}) FROM steps WHERE job_id = j.id ORDER BY position),
                CASE WHEN j.state = 'waiting'
                     THEN ARRAY(SELECT ROW({_WAIT}) FROM waits WHERE job_id = j.id ORDER BY position) ELSE '{{}}' END,
                now()
            FROM {_JOB_FROM} WHERE {where}
        """  # noqa: S608 - conditions are constants, values are bound
        rows = await self._database.run(text(statement), where.values)
        if not rows:
            return None
        return JobFile(JobRecord(*rows[0][:_JOB_WIDTH]), *rows[0][_JOB_WIDTH:])

    async def unsettled(self, jobs: Sequence[UUID]) -> set[UUID]:
        """Those of the jobs that are there and not settled yet."""
        return {row[0] for row in await self._database.run(_UNSETTLED, {"ids": list(jobs)})}

    async def events(self, where: Where, limit: int) -> list[EventRecord]:
        """Events that satisfy all conditions, newest first."""
        statement = f"SELECT {_EVENT} FROM events e WHERE {where} ORDER BY e.id DESC LIMIT :limit"  # noqa: S608 - conditions are constants, values are bound
        rows = await self._database.run(text(statement), {**where.values, "limit": limit})
        return [EventRecord(*row) for row in rows]

    async def event(self, event: UUID) -> EventFile | None:
        """One event with what was received."""
        statement = f"SELECT {_EVENT}, e.headers, e.body FROM events e WHERE e.id = :id"  # noqa: S608 - constants
        rows = await self._database.run(text(statement), {"id": event})
        return EventFile(EventRecord(*rows[0][:9]), rows[0][9], rows[0][10]) if rows else None

    async def depths(self, queue: str | None = None, *, most: int = SHOWN) -> Sequence[Sequence[Any]]:
        """Per queue, of all or of one, and state: name, paused since, state, count, oldest due time, now, and whether there
        may be more, as counting stopped at `most`.
        """
        return await self._database.run(BY_STATE, {"name": queue, "most": most})

    async def finished(self, within: timedelta) -> dict[str, tuple[int, int]]:
        """Per queue: attempts that succeeded, and all that ended, within this time."""
        rows = await self._database.run(_FINISHED, {"seconds": within.total_seconds()})
        return {row[0]: (row[1], row[2]) for row in rows}

    async def revision(self) -> str | None:
        """The revision of the schema that the database is at."""
        rows = await self._database.run(_REVISION)
        return rows[0][0] if rows else None
