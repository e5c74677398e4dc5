"""Edits of a job's arguments, as they are shown."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from hub.domain.edits import EditState
from hub.domain.redaction import REDACTED


@dataclass(frozen=True, slots=True)
class ChangeView:
    """One difference.

    Attributes:
        pointer: where, a JSON pointer into the arguments.
        kind: `added`, `removed` or `changed`.
        old: what was there; null where nothing was.
        new: what is to be there; null where nothing is.
    """

    pointer: str
    kind: str
    old: Any
    new: Any

    def veiled(self) -> "ChangeView":
        """Where something changes, and not what."""
        old, new = (None if value is None else REDACTED for value in (self.old, self.new))
        return ChangeView(self.pointer, self.kind, old, new)


@dataclass(frozen=True, slots=True)
class EditView:
    """An edit of a job's arguments.

    Attributes:
        job_id: the job.
        number: 1 for the job's first; null for a dry run.
        state: `proposed`, `applied` or `rejected`; null for a dry run.
        changes: what differs.
        reason: why.
        objection: what of the job's record stands against it; null if nothing does.
        needs_decision: it takes the scope `jobs:decide` and `decided`.
        needs_approval: somebody else must approve it.
        version: the job as it was looked at; hand it back, and the edit is applied to that or refused.
        proposed_by: who wanted it.
        proposed_at: when; null for a dry run.
        decided_by: who applied, approved or rejected it.
        decided_at: when.
        decision: what they said.
    """

    job_id: UUID
    number: int | None
    state: EditState | None
    changes: list[ChangeView]
    reason: str
    objection: str | None
    needs_decision: bool
    needs_approval: bool
    version: str
    proposed_by: str
    proposed_at: datetime | None
    decided_by: str | None
    decided_at: datetime | None
    decision: str | None
