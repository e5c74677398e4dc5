"""Edit and retry: other arguments for a job that failed, checked, shown as a difference, kept, and perhaps by two persons."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any
from uuid import UUID

import orjson

from hub.domain.access import Principal, Scope
from hub.domain.edits import EditState, OnRecord, Party, check_approval, difference, edited, objection, stands
from hub.domain.errors import Conflict, Forbidden, Invalid, NotFound, Problem, Refusal
from hub.domain.jobs import JobState
from hub.domain.tags import retagged, tags_of
from hub.infra.store.edits import EditRecord, EditStore, NewEdit
from hub.infra.store.operations import Audit, Reach
from hub.registry import Registry
from hub.services.edit_views import ChangeView, EditView
from hub.services.inspect import Inspect
from hub.services.intake import derived_tags
from hub.services.job_views import JobDetail
from hub.services.operate import actor_of
from hub.services.submit import check_args


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is to be changed, and why.

    Attributes:
        args: the new arguments, whole; or
        changes: new values by JSON pointer.
        version: of the job that was looked at; None for the present one.
        decided: the record was looked at, and the edit is wanted all the same.
    """

    reason: str
    args: Any = field(default=None, repr=False)
    changes: Mapping[str, Any] | None = field(default=None, repr=False)
    version: str | None = None
    decided: bool = False


class Edits:
    """Edits by people.

    Args:
        store: where they are kept.
        inspect: reads the job.
        registry: what arguments each job takes.
        new_id: makes UUIDv7s.
        need_approval: whether each takes two persons.
    """

    def __init__(
        self,
        store: EditStore,
        inspect: Inspect,
        registry: Registry,
        *,
        new_id: Callable[[], UUID],
        need_approval: bool,
    ) -> None:
        self._store = store
        self._inspect = inspect
        self._registry = registry
        self._new_id = new_id
        self.need_approval = need_approval

    async def current(self, principal: Principal, job: JobDetail) -> Any:
        """The arguments that an edit begins with: the job's own, or the body of the event that is its argument.

        Raises:
            Forbidden: the event's body is not for the caller.
            Conflict: it is gone.
        """
        if job.args is not None or job.event_id is None:
            return job.args
        if not principal.may(Scope.EVENTS_READ):
            message = f"its argument is the body of an event, which takes {Scope.EVENTS_READ}"
            raise Forbidden(message, code="scope_missing")
        event = await self._inspect.get_event(job.event_id)
        if event.body_text is None:
            raise Conflict("the event's body is gone, so there is nothing to edit", code="event_emptied")
        return orjson.loads(event.body_text)

    async def preview(self, principal: Principal, job: UUID, wanted: Wanted) -> EditView:
        """What an edit would change, and what stands against it; nothing is changed. Raises as `edit` does."""
        known = await self._inspect.get_job(principal, job)
        return self._shown(known, await self._edit(principal, known, wanted), principal)

    async def edit(self, principal: Principal, job: UUID, wanted: Wanted) -> EditView:
        """Put new arguments in place and queue the job again; or propose that, where it takes two persons.

        Raises:
            NotFound: there is no such job, or not for this caller.
            Invalid: the arguments do not fit the job, or change nothing; or no reason was given.
            Conflict: the job cannot be retried, has changed since, or its record stands against it.
            Forbidden: it takes somebody who may judge effects.
        """
        known = await self._inspect.get_job(principal, job)
        edit = await self._edit(principal, known, wanted)
        shown = self._shown(known, edit, principal)
        if self.need_approval:
            audit = self._audit(principal, reason=edit.reason)
            number = await self._store.propose(edit, _reach(principal), audit)
        else:
            _check_decided(principal, shown, decided=wanted.decided)
            audit = self._audit(principal, reason=edit.reason, changed=_pointers(shown))
            number = await self._store.apply(edit, _reach(principal), audit, decided=wanted.decided)
        if number is None:
            raise _changed(edit.job)
        return await self.one(principal, job, number)

    async def approve(
        self,
        principal: Principal,
        job: UUID,
        number: int,
        *,
        reason: str | None = None,
        decided: bool = False,
    ) -> EditView:
        """Apply what somebody else has proposed.

        Raises:
            NotFound: there is no such job or edit.
            Conflict: it is decided already, was proposed by the caller's side, or the job has changed since.
            Forbidden: it takes somebody who may judge effects.
        """
        known = await self._inspect.get_job(principal, job)
        shown = self._recorded(known, record := await self._record(job, number))
        if shown.state is not EditState.PROPOSED:
            raise Conflict(f"this edit is {shown.state} already", code="edit_decided")
        check_approval(Party(record.proposed_by, record.proposed_application), _party(principal))
        _check_decided(principal, shown, decided=decided)
        audit = self._audit(principal, reason=reason, number=number, changed=_pointers(shown))
        tags = self._retagged(known, record.before, record.after)
        if not await self._store.approve(
            job, number, _reach(principal), audit, tags=tags, decided=decided, decision=reason
        ):
            raise _changed(job)
        return await self.one(principal, job, number)

    async def reject(
        self, principal: Principal, job: UUID, number: int, *, reason: str | None = None
    ) -> EditView:
        """Say no to a proposed edit. Raises NotFound, Conflict."""
        await self.one(principal, job, number)
        audit = self._audit(principal, reason=reason, number=number)
        if not await self._store.reject(job, number, _reach(principal), audit, decision=reason):
            raise Conflict("this edit is decided already", code="edit_decided")
        return await self.one(principal, job, number)

    async def of_job(self, principal: Principal, job: UUID) -> list[EditView]:
        """The newest edits of a job; of what came in with an event, the values only for who may see those. Raises NotFound."""
        known = await self._inspect.get_job(principal, job)
        records = await self._store.of_job(job)
        return [_seen_by(principal, known, self._recorded(known, record)) for record in records]

    async def one(self, principal: Principal, job: UUID, number: int) -> EditView:
        """One edit. Raises NotFound."""
        known = await self._inspect.get_job(principal, job)
        return _seen_by(principal, known, self._recorded(known, await self._record(job, number)))

    async def _record(self, job: UUID, number: int) -> EditRecord:
        for record in await self._store.of_job(job):
            if record.number == number:
                return record
        raise NotFound(f"the job {job} has no edit {number}", code="unknown_edit")

    async def _edit(self, principal: Principal, job: JobDetail, wanted: Wanted) -> NewEdit:
        if not wanted.reason.strip():
            problem = Problem("/reason", "say why")
            raise Invalid("an edit takes a reason", code="reason_needed", problems=(problem,))
        if not job.retry.allowed or (job.ending is not None and job.undone_at is None):
            raise _not_to_be_edited(job)
        if wanted.version is not None and wanted.version != version_of(job):
            raise _changed(job.id)
        spec = self._registry.jobs.get(job.job)
        if spec is None:
            raise Conflict(f"this release does not know the job {job.job}", code="unknown_job")
        before = await self.current(principal, job)
        after = edited(before, wanted.changes) if wanted.changes is not None else wanted.args
        check_args(spec, after)
        if not difference(before, after):
            raise Invalid("the edit changes nothing", code="nothing_changed")
        tags = self._retagged(job, before, after)
        reason, application = wanted.reason.strip(), _party(principal).application
        return NewEdit(job.id, job.generation, job.attempt, before, after, reason, tags, application)

    def _retagged(self, job: JobDetail, before: Any, after: Any) -> tuple[str, ...]:
        spec = self._registry.jobs.get(job.job)
        if spec is None or not spec.tags:
            return tuple(job.tags)
        # As they stand, too: a job may be held because its old arguments do not fit this release.
        old = (*derived_tags(spec, before), *tags_of(spec.tags, before))
        return retagged(job.tags, old, derived_tags(spec, after))

    def _shown(self, job: JobDetail, edit: NewEdit, principal: Principal) -> EditView:
        return EditView(
            job_id=job.id,
            number=None,
            state=None,
            changes=_changes(edit.before, edit.after),
            reason=edit.reason,
            version=version_of(job),
            proposed_by=actor_of(principal),
            proposed_at=None,
            decided_by=None,
            decided_at=None,
            decision=None,
            **self._judged(job),
        )

    def _recorded(self, job: JobDetail, record: EditRecord) -> EditView:
        return EditView(
            job_id=job.id,
            number=record.number,
            state=EditState(record.state),
            changes=_changes(record.before, record.after),
            reason=record.reason,
            version=f"{record.generation}.{record.attempt}",
            proposed_by=record.proposed_by,
            proposed_at=record.proposed_at,
            decided_by=record.decided_by,
            decided_at=record.decided_at,
            decision=record.decision,
            **self._judged(job),
        )

    def _judged(self, job: JobDetail) -> dict[str, Any]:
        said = objection(
            OnRecord(step.position, step.name, step.kind, step.certainty)
            for step in job.steps
            if stands(step.kind, step.effect, step.certainty)
        )
        needed = bool(said) or job.retry.needs_decision
        return {
            "objection": said or (job.retry.text if job.retry.needs_decision else None),
            "needs_decision": needed,
            "needs_approval": self.need_approval,
        }

    def _audit(self, principal: Principal, **detail: Any) -> Audit:
        given = {name: value for name, value in detail.items() if value is not None}
        return Audit(self._new_id(), actor_of(principal), orjson.dumps(given).decode())


def version_of(job: JobDetail) -> str:
    """What tells whether a job has changed since it was looked at."""
    return f"{job.generation}.{job.attempt}"


def _changes(before: Any, after: Any) -> list[ChangeView]:
    return [ChangeView(one.pointer, one.kind, one.old, one.new) for one in difference(before, after)]


def _seen_by(principal: Principal, job: JobDetail, edit: EditView) -> EditView:
    if job.event_id is None or principal.may(Scope.EVENTS_READ):
        return edit
    return replace(edit, changes=[one.veiled() for one in edit.changes])


def _pointers(edit: EditView) -> list[str]:
    return [change.pointer for change in edit.changes][:50]


def _check_decided(principal: Principal, edit: EditView, *, decided: bool) -> None:
    if not edit.needs_decision:
        return
    if not principal.may(Scope.JOBS_DECIDE):
        message = f"{edit.objection}; so the edit takes the scope {Scope.JOBS_DECIDE}"
        raise Forbidden(message, code="decision_needed")
    if not decided:
        message = f'{edit.objection}; if that is what you want, send {{"decided": true}} besides'
        raise Conflict(message, code="edit_against_record")


def _not_to_be_edited(job: JobDetail) -> Refusal:
    if job.state is JobState.SUCCEEDED:
        text = "it has succeeded: submit a new job to do it with other arguments"
    elif job.ending is not None and job.undone_at is None:
        text = "what it did is to be undone first, with the arguments of that time"
    else:
        text = job.retry.text
    return Conflict(f"its arguments cannot be edited: {text}", code="not_editable")


def _changed(job: UUID) -> Conflict:
    return Conflict(f"the job {job} has changed since it was looked at; look again", code="just_changed")


def _party(principal: Principal) -> Party:
    return Party(actor_of(principal), None if principal.acts_as else principal.application)


def _reach(principal: Principal) -> Reach:
    return Reach(None if principal.sees_all else principal.application)
