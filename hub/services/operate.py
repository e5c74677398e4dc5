"""What people do to jobs, queues and events: each action conditional on the state it was decided in, and audited."""

from collections.abc import Callable
from typing import Any
from uuid import UUID

import orjson

from hub.domain.access import Principal, Scope
from hub.domain.effects import Certainty, StepKind
from hub.domain.errors import Conflict, Forbidden, Refusal
from hub.domain.ids import JobId
from hub.domain.jobs import CANCELLABLE, JobState, Reason, is_retryable
from hub.infra.store.operations import Audit, OperationsStore, Reach, ReplayedJob
from hub.registry import Registry
from hub.services.event_views import EventDetail, ReplayedEvent
from hub.services.fleet_views import QueueView
from hub.services.inspect import Inspect
from hub.services.job_views import JobDetail


class Operate:
    """Changes by people.

    Args:
        store: where they are made.
        inspect: reads what has become of the thing, or why it was refused.
        registry: which jobs want a replayed event.
        new_id: makes UUIDv7s.
    """

    def __init__(
        self, store: OperationsStore, inspect: Inspect, registry: Registry, *, new_id: Callable[[], UUID]
    ) -> None:
        self._store = store
        self._inspect = inspect
        self._registry = registry
        self._new_id = new_id

    async def retry(
        self, principal: Principal, job: UUID, *, reason: str | None = None, decided: bool = False
    ) -> JobDetail:
        """Queue a failed or cancelled job again with a fresh budget, or run a planned retry now.

        A job that is held for its arguments or its recorded steps is tried again as it stands, in the same generation.

        Args:
            principal: who asks.
            job: the job.
            reason: why; needed where an effect is uncertain, and kept in the audit log.
            decided: every effect in doubt was looked up. A job that failed as uncertain has asked for that, so that the
                reason is answer enough; one that ended for another reason has not, and takes this besides.

        Raises:
            NotFound: there is no such job, or not for this caller.
            Forbidden: its effect is uncertain, which the caller may not judge.
            Conflict: its state forbids it, or its effect is uncertain and no reason was given.
        """
        may = _decides(principal, reason)
        audit = self._audit(principal, reason=reason, decided=decided or None)
        if not await self._store.retry(
            JobId(job), _reach(principal), audit, decided=may, judged=may and decided
        ):
            raise _why_not_retried(principal, await self._inspect.get_job(principal, job))
        return await self._inspect.get_job(principal, job)

    async def cancel(self, principal: Principal, job: UUID, *, reason: str | None = None) -> JobDetail:
        """Cancel a job that no worker holds; what it has recorded an undoing for is undone first.

        A job whose undoing has stopped (failed or held) is closed instead: it becomes what it was to become, since a person
        says that the rest is taken care of.

        Args:
            principal: who asks.
            job: the job.
            reason: why, kept in the audit log; needed for a failed job whose uncertain effect was not undone, and for one
                whose undoing has stopped.

        Raises:
            NotFound: there is no such job, or not for this caller.
            Forbidden: what it has done is uncertain or half undone, which the caller may not judge.
            Conflict: its state forbids it, or it takes a reason and none was given.
        """
        decided = _decides(principal, reason)
        audit, reach = self._audit(principal, reason=reason), _reach(principal)
        cancelled = await self._store.cancel(JobId(job), reach, audit, decided=decided)
        if not cancelled and not (decided and await self._store.close(JobId(job), reach, audit)):
            raise _why_not_cancelled(principal, await self._inspect.get_job(principal, job), decided=decided)
        return await self._inspect.get_job(principal, job)

    async def pause(self, principal: Principal, queue: str, *, reason: str | None = None) -> QueueView:
        """Start nothing from a queue until it is resumed. Pausing it again changes nothing. Raises NotFound."""
        await self._store.pause(queue, self._audit(principal, reason=reason))
        return await self._inspect.queue(queue)

    async def resume(self, principal: Principal, queue: str, *, reason: str | None = None) -> QueueView:
        """Let a paused queue go on. Resuming it again changes nothing. Raises NotFound."""
        await self._store.resume(queue, self._audit(principal, reason=reason))
        return await self._inspect.queue(queue)

    async def replay_event(
        self, principal: Principal, event: UUID, *, reason: str | None = None
    ) -> ReplayedEvent:
        """Make new jobs for an event, one for each job that subscribes to it now.

        Raises:
            NotFound: there is no such event.
            Conflict: its body is gone, no job subscribes to it, or a job of the same name is still at work on it.
        """
        known = await self._inspect.get_event(event)
        subscribers = self._registry.subscribers(known.source, known.type)
        if not subscribers:
            message = f"no job subscribes to {known.source}:{known.type}, so a replay would do nothing"
            raise Conflict(message, code="no_subscriber")
        jobs = [ReplayedJob(self._new_id(), spec.name, spec.queue, spec.priority) for spec in subscribers]
        made = [job.id for job in jobs]
        if not await self._store.replay(event, jobs, self._audit(principal, reason=reason, jobs=made)):
            raise _why_not_replayed(await self._inspect.get_event(event))
        return ReplayedEvent(event, made)

    def _audit(self, principal: Principal, **detail: Any) -> Audit:
        given = {name: value for name, value in detail.items() if value is not None}
        return Audit(self._new_id(), actor_of(principal), orjson.dumps(given).decode())


def actor_of(principal: Principal) -> str:
    """How the audit log names who acted."""
    return principal.acts_as or f"{principal.application_name} (key {principal.key})"


def _reach(principal: Principal) -> Reach:
    return Reach(None if principal.sees_all else principal.application)


def _why_not_replayed(event: EventDetail) -> Conflict:
    if event.body_base64 is None:
        return Conflict(
            "the event's body is gone (retention), so it cannot be replayed", code="event_emptied"
        )
    return Conflict(
        "a job of this event is not settled yet, and a replay would do the same beside it: wait for it, or cancel it",
        code="replay_under_way",
    )


def _decides(principal: Principal, reason: str | None) -> bool:
    """Whether somebody who may judge effects has judged, and says why."""
    return bool(reason and reason.strip()) and principal.may(Scope.JOBS_DECIDE)


def _may_not_judge(job: JobDetail, what: str) -> Forbidden:
    return Forbidden(
        f"only a person can judge what this job has done, so to {what} it takes the scope {Scope.JOBS_DECIDE}:"
        f" {job.retry.text}",
        code="decision_needed",
    )


def _why_not_retried(principal: Principal, job: JobDetail) -> Refusal:
    if job.retry.needs_decision:
        if not principal.may(Scope.JOBS_DECIDE):
            return _may_not_judge(job, "retry")
        asked = '"reason": "what you found"' + ("" if job.reason == Reason.UNCERTAIN else ', "decided": true')
        return Conflict(f"{job.retry.text}; then retry with {{{asked}}}", code="uncertain_effect")
    if job.undone_at is not None:
        return Conflict(job.retry.text, code="job_undone")
    # Between the refusal and this look somebody else may have acted: then what is seen would allow it.
    if is_retryable(job.state, job.reason):
        return Conflict("the job has just changed; look again", code="just_changed")
    if job.state is JobState.HELD:
        return Conflict(job.retry.text, code="job_held")
    return Conflict(
        f"a job that is {job.state.value} cannot be retried: {_hint(job)}", code=f"job_{job.state.value}"
    )


def _why_not_cancelled(principal: Principal, job: JobDetail, *, decided: bool) -> Refusal:
    if not decided and _takes_a_reason(job):
        if not principal.may(Scope.JOBS_DECIDE):
            return _may_not_judge(job, "cancel")
        message = f'{job.next.text}; to cancel, give {{"reason": "what you found or did"}}'
        return Conflict(message, code="reason_needed")
    if job.ending is not None and job.undone_at is None and job.state not in _STOPPED:
        message = f"{job.next.text}; then it is {job.ending.state.value}"
        return Conflict(message, code="job_being_undone")
    if job.state in CANCELLABLE or _takes_a_reason(job):
        return Conflict("the job has just changed; look again", code="just_changed")
    return Conflict(
        f"a job that is {job.state.value} cannot be cancelled: {_hint(job)}", code=f"job_{job.state.value}"
    )


# States in which an undoing has stopped until a person or another release comes.
_STOPPED = frozenset({JobState.FAILED, JobState.HELD})


def _takes_a_reason(job: JobDetail) -> bool:
    """Whether it can be cancelled by whoever says why: an undoing has stopped, or was kept from beginning by a doubt."""
    if job.undone_at is not None:
        return False
    if job.ending is not None:
        return job.state in _STOPPED
    undoable = any(
        step.kind is StepKind.UNDO and step.certainty is not Certainty.CONFIRMED for step in job.steps
    )
    return undoable and job.state is JobState.FAILED and job.reason == Reason.UNCERTAIN


def _hint(job: JobDetail) -> str:
    match job.state:
        case JobState.RUNNING:
            return "a worker is at it, and what it has sent cannot be called back"
        case JobState.SUCCEEDED:
            return "it is done; submit a new job to do it again"
        case JobState.SCHEDULED | JobState.QUEUED | JobState.WAITING | JobState.HELD:
            return f"it will run without that ({job.next.text})"
        case _:
            return "it is settled already"
