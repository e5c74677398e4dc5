"""What a job's steps are, and what became of them, in words that fit their kind; and how far their undoing is."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import orjson

from hub.domain.effects import Certainty, Effect, StepKind
from hub.domain.jobs import SETTLED, JobState
from hub.services.job_views import JobDetail, StepView

from .output import moment

# What is long comes last, a line for each: the call, the key to look up at the provider, the answer.
STEPS = ("STEP", "KIND", "STATE", "SENT", "WHAT")

_UNDOING_STOPPED = frozenset({JobState.FAILED, JobState.HELD})
_SENT = frozenset({StepKind.CALL, StepKind.UNDO})


def step_row(step: StepView, job: JobDetail) -> Sequence[object]:
    """A step of this job, as a row of STEPS."""
    return (
        step.position,
        step.kind if step.effect is Effect.READ else f"{step.kind}, {step.effect}",
        step_state(step, job),
        step.sends if step.kind in _SENT else None,
        "\n".join(_told(step)),
    )


def step_state(step: StepView, job: JobDetail) -> str:
    """What became of a step; of one that is not sent anywhere its certainty alone would mislead."""
    match step.kind:
        case StepKind.UNDO:
            return _undo_state(step, job)
        case StepKind.WAIT:
            return _wait_state(step, job)
        case StepKind.SLEEP:
            return _sleep_state(step, job)
        case StepKind.ENQUEUE:
            return _enqueue_state(job)
        case StepKind.WORK if step.certainty is Certainty.CONFIRMED:
            return "done"
        case _:
            return step.certainty


def undoing(job: JobDetail) -> str | None:
    """What a job becomes once its effects are undone, while they are not."""
    if job.ending is None or job.undone_at is not None:
        return None
    then = f"then {job.ending.state} ({job.ending.reason})"
    return f"stopped; when it is finished, {then}" if job.state in _UNDOING_STOPPED else then


def undone(job: JobDetail) -> str | None:
    """When its effects were undone, and who says so."""
    if job.undone_at is None:
        return None
    left = [
        str(step.position)
        for step in job.steps
        if step.kind is StepKind.UNDO and step.certainty is not Certainty.CONFIRMED
    ]
    by_a_person = (
        f", but for step {', '.join(left)}: a person has said that it is taken care of" if left else ""
    )
    return f"at {moment(job.undone_at)}{by_a_person}"


def _undo_state(step: StepView, job: JobDetail) -> str:
    if step.certainty is Certainty.CONFIRMED:
        return "undone"
    if step.certainty is not Certainty.NOT_SENT:
        return step.certainty
    if job.undone_at is not None:
        return "not made"
    return "not needed" if job.state is JobState.SUCCEEDED else "planned"


def _wait_state(step: StepView, job: JobDetail) -> str:
    if step.certainty is Certainty.CONFIRMED:
        return "timed out" if "timed_out" in _answer(step) else "came"
    return "given up" if _is_given_up(job) else "still waiting"


def _sleep_state(step: StepView, job: JobDetail) -> str:
    until = datetime.fromisoformat(_answer(step)["until"])
    if until <= (job.settled_at or datetime.now(UTC)):
        return "over"
    return "given up" if _is_given_up(job) else "still sleeping"


def _enqueue_state(job: JobDetail) -> str:
    if job.state is JobState.SUCCEEDED:
        return "made"
    return "not made" if _is_given_up(job) else "planned"


def _is_given_up(job: JobDetail) -> bool:
    """Whether its function will not go on, unless a person retries it."""
    return job.ending is not None or job.state in SETTLED


def _told(step: StepView) -> list[str]:
    lines = [step.name]
    if step.idempotency_key:
        lines.append(f"key {step.idempotency_key}")
    if step.kind is StepKind.UNDO and step.planned:
        lines.append(_json(step.planned.get("args")))
    answer = _answer(step)
    match step.kind:
        case StepKind.WAIT:
            lines.append(
                ", ".join(f"{name} {_plain(value)}" for name, value in answer.items() if name != "timed_out")
            )
        case StepKind.SLEEP:
            lines.append(f"until {moment(datetime.fromisoformat(answer['until']))}")
        case StepKind.ENQUEUE:
            lines.append(f"job {answer['job']}")
        case _ if step.answer is not None:
            lines.append(_json(step.answer))
        case _ if step.error is not None:
            lines.append(f"{step.error.code}: {step.error.message}")
    return lines


def _answer(step: StepView) -> dict[str, Any]:
    return step.answer if isinstance(step.answer, dict) else {}


def _plain(value: Any) -> str:
    return value if isinstance(value, str) else _json(value)


def _json(value: Any) -> str:
    return orjson.dumps(value).decode()
