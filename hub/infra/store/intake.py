"""Storing what comes in: events with the jobs they start, and submitted jobs with their idempotency keys."""

from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import text

from hub.domain.errors import CredentialRefused
from hub.infra.store.arrays import literal
from hub.infra.store.database import Database


@dataclass(frozen=True, slots=True)
class NewJob:
    """A job to be stored. `direct` says that it is handed to the ready buffer right after the commit."""

    id: UUID
    name: str
    args: str | None
    queue: str
    priority: int
    correlation_id: str
    tags: str = "[]"
    run_at: datetime | None = None
    direct: bool = False
    parent_id: UUID | None = None


@dataclass(frozen=True, slots=True)
class NewEvent:
    """An event to be stored with the jobs it starts."""

    id: UUID
    source: str
    external_id: str
    type: str
    body: bytes = field(repr=False)
    headers: str = field(repr=False)
    secret_index: int
    correlation_id: str
    occurred_at: datetime | None
    jobs: tuple[NewJob, ...]
    subject: str | None = None


@dataclass(frozen=True, slots=True)
class NewSubmission:
    """A submitted job to be stored, with the key that makes a repeat the same job.

    Attributes:
        confirm: the API key that must not be revoked when this is stored; None where it was confirmed before.
    """

    job: NewJob
    application: UUID
    key: str | None
    fingerprint: bytes
    confirm: UUID | None = None


@dataclass(frozen=True, slots=True)
class Stored:
    """What became of an item: its own id, or the one that was there before; and the fingerprint of that one."""

    id: UUID
    duplicate: bool
    fingerprint: bytes | None = None
    created_at: datetime | None = None


_JOB_INPUT = """
    unnest(CAST(CAST(:job_id AS text) AS uuid[]), CAST(CAST(:name AS text) AS text[]), CAST(CAST(:args AS text) AS text[]), CAST(CAST(:queue AS text) AS text[]),
           CAST(CAST(:priority AS text) AS smallint[]), CAST(CAST(:job_correlation AS text) AS text[]), CAST(CAST(:tags AS text) AS text[]),
           CAST(CAST(:run_at AS text) AS timestamptz[]), CAST(CAST(:direct AS text) AS boolean[]), CAST(CAST(:origin AS text) AS uuid[]))
    AS j(id, name, args, queue, priority, correlation_id, tags, run_at, direct, origin)
"""

# A job that is due at once is handed over right after the commit, so it is stored as handed over (dispatch 1).
# Should the hand-over never happen, the relay's sweep finds it.
_JOB_VALUES = """
    j.id, j.name, CAST(j.args AS jsonb), j.queue, j.priority, j.correlation_id, CAST(j.tags AS jsonb),
    CASE WHEN j.run_at > now() THEN 'scheduled' ELSE 'queued' END, coalesce(j.run_at, now()),
    CASE WHEN j.direct THEN 1 ELSE 0 END, CASE WHEN j.direct THEN now() END
"""

_JOB_COLUMNS = """
    id, name, args, queue, priority, correlation_id, tags, state, run_at, dispatch, dispatched_at
"""

# Rows go in sorted by their unique key, so that two batches that share keys wait for each other and never deadlock.
_STORE_EVENTS = text(f"""
WITH stored AS (
    INSERT INTO events (id, source, external_id, type, body, headers, secret_index, correlation_id, occurred_at, subject)
    SELECT id, source, external_id, type, body, CAST(headers AS jsonb), secret_index, correlation_id, occurred_at, subject
    FROM unnest(CAST(CAST(:id AS text) AS uuid[]), CAST(CAST(:source AS text) AS text[]), CAST(CAST(:external_id AS text) AS text[]), CAST(CAST(:type AS text) AS text[]),
                CAST(:body AS bytea[]), CAST(CAST(:headers AS text) AS text[]), CAST(CAST(:secret_index AS text) AS smallint[]),
                CAST(CAST(:correlation AS text) AS text[]), CAST(CAST(:occurred_at AS text) AS timestamptz[]), CAST(CAST(:subject AS text) AS text[]))
         AS e(id, source, external_id, type, body, headers, secret_index, correlation_id, occurred_at, subject)
    ORDER BY source, external_id
    ON CONFLICT (source, external_id) DO NOTHING
    RETURNING id
), made AS (
    INSERT INTO jobs ({_JOB_COLUMNS}, event_id)
    SELECT {_JOB_VALUES}, j.origin FROM {_JOB_INPUT} JOIN stored ON stored.id = j.origin
)
SELECT id FROM stored
""")  # noqa: S608 - the parts are constants

_FIND_EVENTS = text("""
SELECT e.source, e.external_id, e.id FROM events e
JOIN unnest(CAST(CAST(:source AS text) AS text[]), CAST(CAST(:external_id AS text) AS text[])) AS k(source, external_id)
  ON e.source = k.source AND e.external_id = k.external_id
""")

_STORE_SUBMISSIONS = text(f"""
WITH good AS MATERIALIZED (
    SELECT id FROM api_keys WHERE id = ANY(CAST(:confirmed AS uuid[])) AND revoked_at IS NULL
), input AS (
    SELECT j.*, s.application_id, s.key, s.fingerprint, s.parent_id FROM {_JOB_INPUT}
    JOIN unnest(CAST(CAST(:job_id AS text) AS uuid[]), CAST(CAST(:application AS text) AS uuid[]), CAST(CAST(:key AS text) AS text[]),
                CAST(:fingerprint AS bytea[]), CAST(CAST(:parent AS text) AS uuid[]), CAST(CAST(:confirm AS text) AS uuid[]))
         AS s(id, application_id, key, fingerprint, parent_id, confirm) ON s.id = j.id
    WHERE s.confirm IS NULL OR s.confirm IN (SELECT id FROM good)
), keyed AS (
    INSERT INTO idempotency_keys (application_id, key, fingerprint, job_id)
    SELECT application_id, key, fingerprint, id FROM input WHERE key IS NOT NULL
    ORDER BY application_id, key
    ON CONFLICT (application_id, key) DO NOTHING
    RETURNING job_id
), made AS (
    INSERT INTO jobs ({_JOB_COLUMNS}, application_id, idempotency_key, parent_id)
    SELECT {_JOB_VALUES}, j.application_id, j.key, j.parent_id FROM input j
    WHERE j.key IS NULL OR j.id IN (SELECT job_id FROM keyed)
    RETURNING id, created_at
)
SELECT id, created_at FROM made UNION ALL SELECT id, NULL FROM good
""")  # noqa: S608 - the parts are constants

_FIND_KEYS = text("""
SELECT i.application_id, i.key, i.job_id, i.fingerprint FROM idempotency_keys i
JOIN unnest(CAST(CAST(:application AS text) AS uuid[]), CAST(CAST(:key AS text) AS text[])) AS k(application_id, key)
  ON i.application_id = k.application_id AND i.key = k.key
""")


class IntakeStore:
    """Inserts, in batches."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def store_events(self, events: Sequence[NewEvent]) -> list[Stored]:
        """Store events and their jobs in one transaction; an event that is there already changes nothing."""
        jobs = [(job, event.id) for event in events for job in event.jobs]
        rows = await self._database.run(_STORE_EVENTS, {**_event_columns(events), **_job_columns(jobs)})
        fresh = {row[0] for row in rows}
        known = await self._find_events([event for event in events if event.id not in fresh])
        return [
            Stored(event.id, duplicate=False)
            if event.id in fresh
            else Stored(known[event.source, event.external_id], duplicate=True)
            for event in events
        ]

    async def store_submissions(
        self, submissions: Sequence[NewSubmission]
    ) -> list[Stored | CredentialRefused]:
        """Store submitted jobs in one transaction; a key that is there already gives the job it stands for."""
        parameters = _job_columns([(item.job, None) for item in submissions])
        confirmed = {item.confirm for item in submissions if item.confirm}
        parameters |= {
            "application": literal([item.application for item in submissions]),
            "key": literal([item.key for item in submissions]),
            "fingerprint": [item.fingerprint for item in submissions],
            "parent": literal([item.job.parent_id for item in submissions]),
            "confirm": literal([item.confirm for item in submissions]),
            "confirmed": list(confirmed),
        }
        rows = await self._database.run(_STORE_SUBMISSIONS, parameters)
        fresh = {row[0]: row[1] for row in rows}
        refused = confirmed - fresh.keys()
        known = await self._find_keys(
            [item for item in submissions if item.job.id not in fresh and item.confirm not in refused]
        )
        return [_stored(item, fresh, refused, known) for item in submissions]

    async def _find_events(self, events: Sequence[NewEvent]) -> dict[tuple[str, str], UUID]:
        # A statement of its own: the one that met the conflict cannot see what it conflicted with.
        if not events:
            return {}
        columns = {
            "source": literal([e.source for e in events]),
            "external_id": literal([e.external_id for e in events]),
        }
        rows = await self._database.run(_FIND_EVENTS, columns)
        return {(row[0], row[1]): row[2] for row in rows}

    async def _find_keys(
        self, items: Sequence[NewSubmission]
    ) -> dict[tuple[UUID, str | None], tuple[UUID, bytes]]:
        if not items:
            return {}
        columns = {
            "application": literal([i.application for i in items]),
            "key": literal([i.key for i in items]),
        }
        rows = await self._database.run(_FIND_KEYS, columns)
        return {(row[0], row[1]): (row[2], row[3]) for row in rows}


def _stored(
    item: NewSubmission,
    fresh: Mapping[UUID, datetime | None],
    refused: AbstractSet[UUID],
    known: Mapping[tuple[UUID, str | None], tuple[UUID, bytes]],
) -> Stored | CredentialRefused:
    if item.job.id in fresh:
        return Stored(item.job.id, duplicate=False, created_at=fresh[item.job.id])
    if item.confirm in refused:
        return CredentialRefused()
    job, fingerprint = known[item.application, item.key]
    return Stored(job, duplicate=True, fingerprint=fingerprint)


def _event_columns(events: Sequence[NewEvent]) -> dict[str, Any]:
    return {
        "id": literal([e.id for e in events]),
        "source": literal([e.source for e in events]),
        "external_id": literal([e.external_id for e in events]),
        "type": literal([e.type for e in events]),
        "body": [e.body for e in events],
        "headers": literal([e.headers for e in events]),
        "secret_index": literal([e.secret_index for e in events]),
        "correlation": literal([e.correlation_id for e in events]),
        "occurred_at": literal([e.occurred_at for e in events]),
        "subject": literal([e.subject for e in events]),
    }


def _job_columns(jobs: Sequence[tuple[NewJob, UUID | None]]) -> dict[str, Any]:
    return {
        "job_id": literal([job.id for job, _ in jobs]),
        "name": literal([job.name for job, _ in jobs]),
        "args": literal([job.args for job, _ in jobs]),
        "queue": literal([job.queue for job, _ in jobs]),
        "priority": literal([job.priority for job, _ in jobs]),
        "job_correlation": literal([job.correlation_id for job, _ in jobs]),
        "tags": literal([job.tags for job, _ in jobs]),
        "run_at": literal([job.run_at for job, _ in jobs]),
        "direct": literal([job.direct for job, _ in jobs]),
        "origin": literal([origin for _, origin in jobs]),
    }
