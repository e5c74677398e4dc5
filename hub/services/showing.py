"""From records to what is shown of them."""

import base64
from collections.abc import Mapping, Sequence
from typing import Any

from hub.domain.effects import Certainty, Effect, StepKind
from hub.domain.jobs import JobState, OutcomeKind
from hub.domain.providers import Provider
from hub.domain.safety import Doubt
from hub.infra.store.reading import EventFile, EventRecord, JobFile, JobRecord
from hub.services.advice import retry_advice
from hub.services.event_views import EventDetail, EventView
from hub.services.fleet_views import QueueView
from hub.services.job_views import AttemptView, EndingView, ErrorView, JobDetail, JobView, StepView, WaitView
from hub.services.outlook import Left, next_of, waits_for

_OPEN_STATES = ("scheduled", "queued", "running", "retrying", "waiting", "held", "failed")


def _error(
    code: str | None, message: str | None, kind: str | None, signature: str | None
) -> ErrorView | None:
    return ErrorView(code, message, kind, signature) if code or message else None


def _job_fields(record: JobRecord) -> dict[str, Any]:
    state = JobState(record.state)
    return {
        "id": record.id,
        "job": record.name,
        "state": state,
        "reason": record.reason,
        "queue": record.queue,
        "priority": record.priority,
        "run_at": record.run_at,
        "application": record.application,
        "correlation_id": record.correlation_id,
        "idempotency_key": record.idempotency_key,
        "tags": record.tags,
        "event_id": record.event_id,
        "parent_id": record.parent_id,
        "attempt": record.attempt,
        "failures": record.failures,
        "generation": record.generation,
        "error": _error(record.error_code, record.error_message, record.error_kind, record.error_signature),
        "progress": record.progress,
        "created_at": record.created_at,
        "started_at": record.started_at,
        "settled_at": record.settled_at,
        "ending": record.ending and EndingView(JobState(record.ending["state"]), record.ending["reason"]),
        "undone_at": record.undone_at,
        "next": next_of(
            state,
            record.reason,
            queue=record.queue,
            job=record.name,
            paused=record.queue_paused,
            attempt=record.attempt,
            run_at=record.run_at,
            left=_left(record),
        ),
    }


def _left(record: JobRecord) -> Left:
    return Left(
        undoing=record.ending is not None and record.undone_at is None,
        undone=record.undone_at is not None,
        undoable=record.undoable,
        doubt=next((Doubt(*row) for row in record.doubts), None),
    )


def job_view(record: JobRecord) -> JobView:
    """A job as lists show it."""
    return JobView(**_job_fields(record))


def job_detail(file: JobFile, providers: Mapping[str, Provider]) -> JobDetail:
    """A job with all that is known of it."""
    fields = _job_fields(file.record)
    steps = [_step_view(row) for row in file.steps]
    waits = [WaitView(source, list(types), about) for source, types, about in file.waits]
    if waits:
        fields["next"] = waits_for(waits, file.record.run_at)
    return JobDetail(
        **fields,
        args=file.args,
        result=file.result,
        attempts=[_attempt_view(row) for row in file.attempts],
        steps=steps,
        waits=waits,
        retry=retry_advice(
            fields["state"],
            file.record.reason,
            steps,
            providers=providers,
            now=file.now,
            undone=file.record.undone_at is not None,
            undoing=file.record.ending is not None and file.record.undone_at is None,
        ),
    )


def _attempt_view(row: Sequence[Any]) -> AttemptView:
    number, generation, outcome, code, message, kind, signature, worker, started_at, finished_at = row
    error = _error(code, message, kind, signature)
    return AttemptView(number, generation, OutcomeKind(outcome), error, worker, started_at, finished_at)


def _step_view(row: Sequence[Any]) -> StepView:
    position, name, provider, effect, certainty, sends, serial, attempt, key, digest, answer = row[:11]
    code, message, first_sent_at, last_sent_at, answered_at, kind, planned = row[11:]
    return StepView(
        position,
        name,
        provider,
        Effect(effect),
        Certainty(certainty),
        sends,
        serial,
        attempt,
        key,
        digest,
        answer,
        _error(code, message, None, None),
        first_sent_at,
        last_sent_at,
        answered_at,
        StepKind(kind),
        planned,
    )


def event_view(record: EventRecord) -> EventView:
    """An event as lists show it."""
    return EventView(
        record.id,
        record.source,
        record.external_id,
        record.type,
        record.correlation_id,
        record.occurred_at,
        record.received_at,
        record.size,
        record.jobs,
    )


def event_detail(file: EventFile) -> EventDetail:
    """An event with what was received."""
    view = event_view(file.record)
    return EventDetail(
        **{name: getattr(view, name) for name in EventView.__slots__},
        headers=file.headers,
        body_base64=None if file.body is None else base64.b64encode(file.body).decode(),
        body_text=_text(file.body),
    )


def _text(body: bytes | None) -> str | None:
    try:
        return None if body is None else body.decode()
    except UnicodeDecodeError:
        return None


def queue_view(name: str, rows: Sequence[Sequence[Any]], finished: tuple[int, int]) -> QueueView:
    """A queue, from the rows of its depths and what ended in the last minute."""
    depth, bounded = dict.fromkeys(_OPEN_STATES, 0), []
    oldest: float | None = None
    for _, _, state, count, due, now, more in rows:
        depth[state] = count
        if more:
            bounded.append(state)
        if due is not None:
            oldest = max(0.0, (now - due).total_seconds())
    paused_at = rows[0][1]
    return QueueView(name, paused_at is not None, paused_at, depth, bool(bounded), bounded, oldest, *finished)
