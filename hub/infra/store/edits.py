"""Edits of jobs' arguments: proposed, applied together with the retry they are for, or rejected."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

import orjson
from sqlalchemy import TextClause, text

from hub.domain.providers import Provider
from hub.infra.store import moves
from hub.infra.store.database import Database
from hub.infra.store.operations import LOCK_JOB, Audit, Reach, noted
from hub.infra.store.safety import UNCERTAIN, protection


@dataclass(frozen=True, slots=True)
class NewEdit:
    """An edit as it is to be written.

    Attributes:
        generation: of the job when it was looked at; so is `attempt`. To another job than that it is not applied.
        tags: what the job is to be found by with the new arguments.
        application: whose key proposes it; None for a person.
    """

    job: UUID
    generation: int
    attempt: int
    before: Any = field(repr=False)
    after: Any = field(repr=False)
    reason: str
    tags: tuple[str, ...]
    application: UUID | None


@dataclass(frozen=True, slots=True)
class EditRecord:
    """An edit as it was read. `proposed_application`: whose key proposed it; None for a person."""

    job: UUID
    number: int
    generation: int
    attempt: int
    before: Any = field(repr=False)
    after: Any = field(repr=False)
    reason: str
    state: str
    proposed_by: str
    proposed_application: UUID | None
    proposed_at: datetime
    decided_by: str | None
    decided_at: datetime | None
    decision: str | None


_COLUMNS = """
    job_id, number, generation, attempt, args_before, args_after, reason, state, proposed_by, proposed_application,
    proposed_at, decided_by, decided_at, decision
"""

# What other arguments would not fit: see hub.domain.edits.stands.
_STANDS = """EXISTS (
    SELECT FROM steps s WHERE s.job_id = j.id AND s.kind <> 'sleep'
        AND (s.kind <> 'call' OR s.effect <> 'read' AND s.certainty IN ('confirmed', 'unknown'))
)"""
_FITS = f"""
    j.id = :id AND (CAST(:application AS uuid) IS NULL OR j.application_id = :application)
    AND j.generation = :generation AND j.attempt = :attempt AND j.ending IS NULL AND j.undone_at IS NULL
    AND (j.state IN ('failed', 'cancelled', 'retrying')
         OR j.state = 'held' AND j.reason IN ('args_unknown', 'steps_changed'))
    AND (:decided OR NOT ({_STANDS} OR {UNCERTAIN}))
"""
# As a retry, and always a new generation: what was refused with the old arguments is asked anew with the new.
_MOVED = f"""
WITH before AS (SELECT j.id, j.state, {UNCERTAIN} AS uncertain FROM jobs j WHERE {_FITS}), moved AS (
    UPDATE jobs j SET args = CAST(:after AS jsonb), tags = CAST(:tags AS jsonb), generation = j.generation + 1,
        failures = 0, crashes = 0, state = 'queued', reason = NULL, run_at = now(), settled_at = NULL, dispatched_at = NULL
    FROM before b WHERE j.id = b.id RETURNING j.id, j.generation, NOT b.uncertain AS in_the_dark
), doubted AS ({moves.DOUBTED}), kept AS ({moves.KEPT})
"""  # noqa: S608 - the parts are constants
_INSERT = """
    INSERT INTO job_edits (job_id, number, generation, attempt, args_before, args_after, reason, state, proposed_by,
                           proposed_application, decided_by, decided_at)
    SELECT m.id, coalesce((SELECT max(e.number) FROM job_edits e WHERE e.job_id = m.id), 0) + 1, :generation, :attempt,
        CAST(:before AS jsonb), CAST(:after AS jsonb), :reason,
"""
_APPLIED = f"{_INSERT} 'applied', :actor, :proposer, :actor, now() FROM moved m RETURNING number"
_PROPOSED = f"{_INSERT} 'proposed', :actor, :proposer, NULL, NULL FROM moved m RETURNING number"
_DECIDED = """
    decided_by = :actor, decided_at = now(), decision = :decision
    FROM moved m WHERE e.job_id = m.id AND e.number = :number RETURNING e.number
"""
_APPROVED = f"UPDATE job_edits e SET state = 'applied', {_DECIDED}"  # noqa: S608 - constants
_REJECTED = f"UPDATE job_edits e SET state = 'rejected', {_DECIDED}"  # noqa: S608 - constants


def _statement(moved: str, edited: str, action: str) -> TextClause:
    return text(f"{moved}, edited AS ({edited}), noted AS ({noted(action, 'id')}) SELECT number FROM edited")  # noqa: S608 - constants


_APPLY = _statement(_MOVED, _APPLIED, "job.edit")
_PROPOSE = _statement(
    f"WITH moved AS (SELECT j.id FROM jobs j WHERE {_FITS})",  # noqa: S608 - constants
    _PROPOSED,
    "job.edit_propose",
)
_APPROVE = _statement(_MOVED, _APPROVED, "job.edit_approve")
# Locked as it is found: if it waits for somebody who approves it, it is looked at again when they have.
_REJECT = _statement(
    """
    WITH moved AS (
        SELECT e.job_id AS id FROM job_edits e JOIN jobs j ON j.id = e.job_id
        WHERE e.job_id = :id AND e.number = :number AND e.state = 'proposed'
          AND (CAST(:application AS uuid) IS NULL OR j.application_id = :application)
        FOR UPDATE OF e
    )""",
    _REJECTED,
    "job.edit_reject",
)
_OF_JOB = text(f"SELECT {_COLUMNS} FROM job_edits WHERE job_id = :id ORDER BY number DESC LIMIT :most")  # noqa: S608 - constants
_ONE = text(f"SELECT {_COLUMNS} FROM job_edits WHERE job_id = :id AND number = :number FOR UPDATE")  # noqa: S608 - constants

MOST = 100  # edits of one job that are shown


class EditStore:
    """Edits. Each change says whether its conditions held; if not, nothing was changed or noted.

    Args:
        database: the pool.
        providers: whose keys make repeats harmless, and for how long.
    """

    def __init__(self, database: Database, providers: Mapping[str, Provider]) -> None:
        self._database = database
        self._protection = protection(providers)

    async def of_job(self, job: UUID) -> list[EditRecord]:
        """The newest edits of a job."""
        return [EditRecord(*row) for row in await self._database.run(_OF_JOB, {"id": job, "most": MOST})]

    async def apply(self, edit: NewEdit, reach: Reach, audit: Audit, *, decided: bool) -> int | None:
        """Put the new arguments in place and queue the job; gives the edit's number."""
        return await self._write(_APPLY, edit, reach, audit, decided=decided)

    async def propose(self, edit: NewEdit, reach: Reach, audit: Audit) -> int | None:
        """Write it down for another party to approve; gives its number."""
        return await self._write(_PROPOSE, edit, reach, audit, decided=True)

    async def approve(
        self,
        job: UUID,
        number: int,
        reach: Reach,
        audit: Audit,
        *,
        tags: Sequence[str],
        decided: bool,
        decision: str | None,
    ) -> bool:
        """Apply a proposed edit to the job it was proposed for, which then has these tags."""
        async with self._database.transaction() as connection:
            await connection.execute(LOCK_JOB, {"id": job, "application": reach.application})
            rows = (await connection.execute(_ONE, {"id": job, "number": number})).all()
            if not rows or rows[0].state != "proposed":
                return False
            edit = EditRecord(*rows[0])
            values = {
                "id": job,
                "number": number,
                "generation": edit.generation,
                "attempt": edit.attempt,
                "after": orjson.dumps(edit.after).decode(),
                "tags": orjson.dumps(tags).decode(),
                "decided": decided,
                "decision": decision,
            }
            values |= self._values(reach, audit)
            return bool((await connection.execute(_APPROVE, values)).all())

    async def reject(
        self, job: UUID, number: int, reach: Reach, audit: Audit, *, decision: str | None
    ) -> bool:
        """Say no to a proposed edit."""
        values = {"id": job, "number": number, "decision": decision, "application": reach.application}
        values |= {"audit": audit.id, "actor": audit.actor, "detail": audit.detail}
        return bool(await self._database.run(_REJECT, values))

    async def _write(
        self, statement: TextClause, edit: NewEdit, reach: Reach, audit: Audit, *, decided: bool
    ) -> int | None:
        values = {
            "id": edit.job,
            "generation": edit.generation,
            "attempt": edit.attempt,
            "before": None if edit.before is None else orjson.dumps(edit.before).decode(),
            "after": orjson.dumps(edit.after).decode(),
            "tags": orjson.dumps(edit.tags).decode(),
            "reason": edit.reason,
            "proposer": edit.application,
            "decided": decided,
        }
        values |= self._values(reach, audit)
        async with self._database.transaction() as connection:
            await connection.execute(LOCK_JOB, {"id": edit.job, "application": reach.application})
            rows: Sequence[Any] = (await connection.execute(statement, values)).all()
            return rows[0][0] if rows else None

    def _values(self, reach: Reach, audit: Audit) -> dict[str, Any]:
        return {
            "application": reach.application,
            "audit": audit.id,
            "actor": audit.actor,
            "detail": audit.detail,
            **self._protection,
        }
