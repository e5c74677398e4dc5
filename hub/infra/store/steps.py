"""The ledger's statements: steps are written in batches under the fence of their attempts, and read back."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from sqlalchemy import text

from hub.domain.effects import Certainty, Effect, Step, StepKind
from hub.domain.jobs import Failure
from hub.infra.store.arrays import literal
from hub.infra.store.database import Database


@dataclass(frozen=True, slots=True)
class StepRecord:
    """A line of the ledger as it is to be written, under the fence of an attempt.

    Attributes:
        sending: it is about to be sent, or to be waited for; the database's clock says when.
        unsent: what was to be sent was not, and does not count as sent.
        planned: of a call that is made later, if at all: which, and with what. JSON.
    """

    job: UUID
    attempt: int
    step: Step
    provider: str | None
    key: str | None
    sending: bool
    answer: str | None = field(default=None, repr=False)
    failure: Failure | None = None
    unsent: bool = False
    planned: str | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class RecordedStep:
    """A line of the ledger as it was read."""

    step: Step
    answer: Any = field(repr=False)
    error_code: str | None = None
    error_message: str | None = None
    error_kind: str | None = None
    planned: Any = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a job says it is; JSON."""

    job: UUID
    attempt: int
    value: str


# A line of a call that is sent once more: what changes nothing is written only with its answer, once in an attempt.
_SENT_AGAIN = "(excluded.answered_at IS NULL OR s.provider IS NOT NULL AND s.attempt <> excluded.attempt)"
# How often it was sent, as far as is known: counted before it is, and taken back once where it certainly was not.
_SENDS = f"""s.sends + CASE
            WHEN excluded.sends = 0 AND s.attempt = excluded.attempt AND s.answered_at IS NULL THEN -1
            WHEN excluded.sends = 1 AND {_SENT_AGAIN} THEN 1
            ELSE 0
        END"""
# The row of the job is locked while a step is written, so that a rescue and a step cannot both win.
_RECORD = text(f"""
WITH input AS (
    SELECT * FROM unnest(CAST(CAST(:job AS text) AS uuid[]), CAST(CAST(:attempt AS text) AS int[]), CAST(CAST(:position AS text) AS int[]), CAST(CAST(:name AS text) AS text[]),
        CAST(CAST(:provider AS text) AS text[]), CAST(CAST(:effect AS text) AS text[]), CAST(CAST(:certainty AS text) AS text[]), CAST(CAST(:serial AS text) AS int[]),
        CAST(CAST(:key AS text) AS text[]), CAST(:digest AS bytea[]), CAST(CAST(:sending AS text) AS boolean[]),
        CAST(CAST(:answer AS text) AS text[]), CAST(CAST(:code AS text) AS text[]), CAST(CAST(:message AS text) AS text[]), CAST(CAST(:error AS text) AS text[]),
        CAST(CAST(:kind AS text) AS text[]), CAST(CAST(:unsent AS text) AS boolean[]), CAST(CAST(:planned AS text) AS text[]))
    AS i(job, attempt, position, name, provider, effect, certainty, serial, key, digest, sending, answer, code,
         message, error, kind, unsent, planned)
), held AS (
    SELECT j.id, j.attempt, j.generation FROM jobs j JOIN input i ON j.id = i.job AND j.attempt = i.attempt
    WHERE j.state = 'running' AND j.worker_id = :worker
    ORDER BY j.id FOR SHARE OF j
), written AS (
    INSERT INTO steps AS s (job_id, position, name, provider, effect, certainty, serial, generation, attempt, sends,
        idempotency_key, digest, kind, planned, answer, error_code, error_message, error_kind, first_sent_at, last_sent_at,
        answered_at)
    SELECT i.job, i.position, i.name, i.provider, i.effect, i.certainty, i.serial, h.generation, i.attempt,
        CASE WHEN i.unsent OR i.planned IS NOT NULL THEN 0 ELSE 1 END,
        i.key, i.digest, i.kind, CAST(i.planned AS jsonb), CAST(i.answer AS jsonb), i.code, i.message, i.error,
        clock_timestamp(), clock_timestamp(), CASE WHEN NOT i.sending THEN clock_timestamp() END
    FROM input i JOIN (SELECT DISTINCT id, attempt, generation FROM held) h ON h.id = i.job AND h.attempt = i.attempt
    ON CONFLICT (job_id, position) DO UPDATE SET
        certainty = excluded.certainty, serial = excluded.serial, generation = excluded.generation,
        attempt = excluded.attempt, idempotency_key = excluded.idempotency_key, digest = excluded.digest,
        answer = excluded.answer, error_code = excluded.error_code, error_message = excluded.error_message,
        error_kind = excluded.error_kind, answered_at = excluded.answered_at,
        sends = {_SENDS},
        last_sent_at = CASE WHEN {_SENT_AGAIN} THEN excluded.last_sent_at ELSE s.last_sent_at END,
        first_sent_at = CASE WHEN excluded.serial > s.serial OR s.certainty = 'not_sent' AND excluded.answered_at IS NULL
                             THEN excluded.first_sent_at ELSE s.first_sent_at END
    RETURNING job_id, attempt, position
)
SELECT job_id, attempt, position FROM written
""")  # noqa: S608 - constants

_LOAD = text("""
SELECT position, name, effect, certainty, serial, generation, first_sent_at, digest,
       -- What the release before wrote, which knew no kinds.
       CASE WHEN kind = 'call' AND provider IS NULL THEN 'work' ELSE kind END AS kind, answer, error_code, error_message,
       error_kind, planned
FROM steps WHERE job_id = :job ORDER BY position
""")

_PROGRESS = text("""
UPDATE jobs j SET progress = CAST(p.value AS jsonb)
FROM unnest(CAST(CAST(:job AS text) AS uuid[]), CAST(CAST(:attempt AS text) AS int[]), CAST(CAST(:value AS text) AS text[]))
     AS p(job, attempt, value)
WHERE j.id = p.job AND j.attempt = p.attempt AND j.state = 'running' AND j.worker_id = :worker
""")


class StepStore:
    """One worker's lines of the ledger.

    Args:
        database: the pool.
        worker: the id of the worker that writes.
    """

    def __init__(self, database: Database, worker: UUID) -> None:
        self._database = database
        self._worker = worker

    async def record(self, records: Sequence[StepRecord]) -> set[tuple[UUID, int, int]]:
        """Write lines of the ledger; gives (job, attempt, position) of those that were still this worker's to write."""
        rows = await self._database.run(_RECORD, {"worker": self._worker, **_columns(records)})
        return {(row[0], row[1], row[2]) for row in rows}

    async def load(self, job: UUID) -> dict[int, RecordedStep]:
        """The ledger of one job, by position."""
        rows = await self._database.run(_LOAD, {"job": job})
        return {row.position: _recorded(row) for row in rows}

    async def show(self, progress: Sequence[Progress]) -> None:
        """Keep how far jobs are; of those that this worker holds no more, nothing."""
        columns = {
            "job": literal([one.job for one in progress]),
            "attempt": literal([one.attempt for one in progress]),
            "value": literal([one.value for one in progress]),
        }
        await self._database.run(_PROGRESS, {"worker": self._worker, **columns})


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
        StepKind(row.kind),
    )
    return RecordedStep(step, row.answer, row.error_code, row.error_message, row.error_kind, row.planned)


def _columns(records: Sequence[StepRecord]) -> dict[str, Any]:
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
        "error": literal([r.failure.kind if r.failure else None for r in records]),
        "kind": literal([r.step.kind.value for r in records]),
        "unsent": literal([r.unsent for r in records]),
        "planned": literal([r.planned for r in records]),
    }
