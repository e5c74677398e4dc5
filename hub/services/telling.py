"""From records of what a job did to entries of a timeline, in words for people."""

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

from hub.domain.effects import Certainty, StepKind
from hub.domain.jobs import OutcomeKind
from hub.domain.redaction import Redactor
from hub.domain.timeline import Entry, EntryKind
from hub.infra.store.stories import StoryAttempt, StoryJob, StoryStep


def told_of_job(job: StoryJob) -> Iterable[Entry]:
    """How it began and ended, and what is to come."""
    yield _submitted(job)
    if job.state == "running" and job.started_at is not None:
        under_way = {"number": job.attempt, "generation": job.generation, "worker_id": job.worker_id}
        text = f"attempt {job.attempt} is under way"
        yield Entry(job.started_at, EntryKind.ATTEMPT, f"{job.attempt:09}", job.id, text, detail=under_way)
    if job.undone_at is not None:
        yield Entry(
            job.undone_at, EntryKind.UNDONE, "", job.id, "what it did was undone, or is taken care of"
        )
    if job.settled_at is not None:
        detail = {
            "state": job.state,
            "reason": job.reason,
            "error": _error(job.error_code, job.error_message),
        }
        yield Entry(job.settled_at, EntryKind.SETTLED, "", job.id, _settled(job), detail=detail)
    if planned := _planned(job):
        yield Entry(job.run_at, EntryKind.TO_COME, "", job.id, planned)


def _submitted(job: StoryJob) -> Entry:
    origin = (
        f"submitted by {job.application}"
        if job.application
        else f"enqueued by the job {job.parent_id}"
        if job.parent_id
        else f"started by the event {job.event_id}"
        if job.event_id
        else "made by the hub"
    )
    key = f", with the idempotency key {job.idempotency_key}" if job.idempotency_key else ""
    detail = {
        "job": job.name,
        "queue": job.queue,
        "priority": job.priority,
        "application": job.application,
        "idempotency_key": job.idempotency_key,
        "correlation_id": job.correlation_id,
        "tags": job.tags,
        "event_id": job.event_id,
        "parent_id": job.parent_id,
    }
    return Entry(
        job.created_at,
        EntryKind.SUBMITTED,
        str(job.id),
        job.id,
        f"{job.name} was {origin}{key}",
        detail=detail,
    )


def _settled(job: StoryJob) -> str:
    match job.state:
        case "succeeded":
            return "it succeeded"
        case "cancelled":
            return "it was cancelled"
        case _:
            said = f": {job.error_message}" if job.error_message else ""
            return f"it failed for good ({job.reason}){said}"


def _planned(job: StoryJob) -> str | None:
    match job.state:
        case "scheduled" | "retrying":
            return f"attempt {job.attempt + 1} is due"
        case "waiting":
            return "it goes on at the latest"
        case _:
            return None


def told_of_attempts(attempts: Iterable[StoryAttempt], jobs: Mapping[Any, StoryJob]) -> Iterable[Entry]:
    """What each attempt came to; of one that was put off, until when it was."""
    for one in attempts:
        again = one.next_at or _next_of(jobs[one.job], one)
        detail = {
            "number": one.number,
            "generation": one.generation,
            "outcome": one.outcome,
            "error": _error(one.error_code, one.error_message),
            "again_at": again,
            "worker_id": one.worker_id,
            "worker": f"{one.host}, process {one.pid}" if one.host else None,
            "release": one.release,
        }
        ref, text = f"{one.number:09}", _attempted(one, again)
        yield Entry(one.started_at, EntryKind.ATTEMPT, ref, one.job, text, one.finished_at, detail)


def _next_of(job: StoryJob, last: StoryAttempt) -> datetime | None:
    """When a job is tried again whose latest attempt this is."""
    if last.number != job.attempt or last.generation != job.generation:
        return None
    return (
        job.run_at
        if job.state in {"retrying", "waiting"}
        else job.started_at
        if job.state == "running"
        else None
    )


# Errors that say: not now. What they mean for whoever reads it.
_PUT_OFF = {
    "breaker_open": "the breaker of the provider was open",
    "rate_limited": "the limit of calls to the provider was reached",
    "too_many_at_once": "too many calls to the provider were under way",
    "throttled": "the provider asked to be left alone for a while",
    "unavailable": "a store of the hub was away",
}


def _attempted(one: StoryAttempt, again: datetime | None) -> str:  # noqa: PLR0911 - one for each outcome
    number, error = f"attempt {one.number}", f": {one.error_message}" if one.error_message else ""
    then = f"; again at {again:%Y-%m-%d %H:%M:%S} UTC" if again else ""
    match OutcomeKind(one.outcome):
        case OutcomeKind.SUCCEEDED:
            return f"{number} succeeded"
        case OutcomeKind.FAILED:
            return f"{number} failed{error}{then}"
        case OutcomeKind.SNOOZED:
            because = _PUT_OFF.get(one.error_code or "", "it asked for it")
            return f"{number} was put off, since {because}{error}{then}"
        case OutcomeKind.INTERRUPTED:
            return f"{number} was cut off, and costs no try{error}{then}"
        case OutcomeKind.UNCERTAIN:
            return f"{number} stopped, since an effect is uncertain{error}"
        case OutcomeKind.WAITING:
            return f"{number} gave its worker back, to wait{then}"
        case OutcomeKind.HELD:
            return f"{number} was held{error}"
        case OutcomeKind.COMPENSATED:
            return f"{number} undid what the job had done"


def told_of_steps(steps: Iterable[StoryStep], redactor: Redactor) -> Iterable[Entry]:
    """Each line of the ledger, with what is known of it."""
    for one in steps:
        answer = redactor.value(one.answer) if one.answer is not None else None
        if one.answer is None and one.answer_size:
            answer = f"<{one.answer_size} bytes>"
        detail = {
            "position": one.position,
            "kind": one.kind,
            "name": one.name,
            "provider": one.provider,
            "effect": one.effect,
            "certainty": one.certainty,
            "sends": one.sends,
            "attempt": one.attempt,
            "idempotency_key": one.idempotency_key,
            "digest": one.digest or None,
            "answer": answer,
            "error": _error(one.error_code, one.error_message),
            "last_sent_at": one.last_sent_at,
            "past": one.past,
        }
        ref, told = f"{one.position:09} {one.attempt:09}", _stepped(one)
        if one.past:
            told = f"{told.removesuffix('.')}; it was made again later"
        yield Entry(one.at, EntryKind.STEP, ref, one.job, told, one.answered_at, detail)


def _stepped(one: StoryStep) -> str:  # noqa: PLR0911 - one for each kind
    name, answer = f"step {one.position}: {one.name}", one.answer or {}
    match StepKind(one.kind):
        case StepKind.CALL | StepKind.UNDO:
            return f"{name} {_called(one)}"
        case StepKind.WORK:
            return f"{name}, done"
        case StepKind.SLEEP:
            return f"step {one.position}: sleeps" + ("" if one.certainty == Certainty.UNKNOWN else ", over")
        case StepKind.ENQUEUE:
            return f"{name} as {answer.get('job')}, made when this job succeeds"
        case StepKind.WAIT if one.certainty == Certainty.UNKNOWN:
            return f"step {one.position}: waits for {one.name} about {answer.get('about')}"
        case StepKind.WAIT if "timed_out" in answer:
            return f"step {one.position}: {one.name} about {answer.get('about')} did not come in time"
        case StepKind.WAIT:
            return f"step {one.position}: {one.name} about {answer.get('about')} came, event {answer.get('event')}"


def _called(one: StoryStep) -> str:
    times = f" ({one.sends} times)" if one.sends > 1 else ""
    error = f": {one.error_message}" if one.error_message else ""
    undo = one.kind == StepKind.UNDO
    match Certainty(one.certainty):
        case Certainty.NOT_SENT:
            return f"was recorded, to undo what was done{error}" if undo else f"was not sent{error}"
        case Certainty.UNKNOWN:
            return f"was sent{times} and not answered: it may have happened{error}"
        case Certainty.CONFIRMED:
            return f"was {'called, to undo what was done' if undo else 'called'}{times}, and is confirmed"
        case Certainty.REJECTED:
            return f"was refused{times}{error}"


def _error(code: str | None, message: str | None) -> dict[str, Any] | None:
    return {"code": code, "message": message} if code or message else None
