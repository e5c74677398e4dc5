"""What comes next for a job, and whether a retry is safe: pure, in words for people."""

from collections.abc import Sequence
from datetime import datetime
from typing import assert_never

from hub.domain.effects import Certainty, Effect, StepKind
from hub.domain.jobs import JobState, Reason, is_retryable
from hub.services.views import Next, NextAction, RetryAdvice, StepView, WaitView

WAITS_FOR_WORKER = Next(NextAction.RUN, None, "waits for a worker")


def due(attempt: int, at: datetime) -> Next:
    """A later attempt."""
    return Next(NextAction.RUN, at, f"attempt {attempt} is due at {_moment(at)}")


def waits_for(waits: Sequence[WaitView], until: datetime) -> Next:
    """An event, named."""
    events = "; ".join(f"{wait.source}:{'|'.join(wait.types)} about {wait.about}" for wait in waits)
    return Next(NextAction.WAIT, until, f"waits for {events}, until {_moment(until)} at the latest")


def next_of(  # noqa: PLR0911 - one for each state
    state: JobState,
    reason: str | None,
    *,
    queue: str,
    job: str,
    paused: bool,
    attempt: int,
    run_at: datetime,
    undoing: bool = False,
) -> Next:
    """Say what comes next for a job."""
    if undoing and state in {JobState.QUEUED, JobState.RUNNING}:
        return Next(NextAction.RUN, None, "what it did is being undone")
    match state:
        case JobState.SCHEDULED | JobState.RETRYING:
            return due(attempt + 1, run_at)
        case JobState.QUEUED:
            return _resumed(queue) if paused else WAITS_FOR_WORKER
        case JobState.RUNNING:
            return Next(NextAction.RUN, None, f"a worker is at attempt {attempt}")
        case JobState.WAITING:
            return Next(NextAction.WAIT, run_at, f"waits, until {_moment(run_at)} at the latest")
        case JobState.HELD:
            return _held(reason, queue, job)
        case JobState.FAILED:
            return Next(NextAction.DECIDE, None, _failed(reason))
        case JobState.SUCCEEDED:
            return Next(NextAction.NONE, None, "nothing: it has succeeded")
        case JobState.CANCELLED:
            return Next(NextAction.NONE, None, "nothing: it was cancelled; a person may retry it")
        case _:
            assert_never(state)


def retry_advice(
    state: JobState, reason: str | None, steps: Sequence[StepView], *, undone: bool = False
) -> RetryAdvice:
    """Say whether a person may retry a job, and whether an effect could be done twice by it."""
    if not is_retryable(state, reason, undone=undone):
        return RetryAdvice(allowed=False, safe=False, text=_not_retried(state, reason, undone=undone))
    if state is JobState.HELD:
        text = "it goes on where it stopped: finished steps are not done again, and what still does not fit is held again"
        return RetryAdvice(allowed=True, safe=True, text=text)
    doubtful = [
        step for step in steps if step.certainty is Certainty.UNKNOWN and step.effect is not Effect.READ
    ]
    if doubtful:
        return RetryAdvice(allowed=True, safe=False, text=_doubt(doubtful))
    if reason == Reason.UNCERTAIN:
        return RetryAdvice(
            allowed=True, safe=False, text="an effect may exist already: look it up at the provider first"
        )
    done = sum(
        step.certainty is Certainty.CONFIRMED and step.kind in {StepKind.CALL, StepKind.WORK}
        for step in steps
    )
    if done:
        return RetryAdvice(
            allowed=True, safe=True, text=f"{done} finished step(s) are remembered and not done again"
        )
    return RetryAdvice(allowed=True, safe=True, text="nothing was done yet that could be done twice")


def _not_retried(state: JobState, reason: str | None, *, undone: bool) -> str:
    if undone:
        return "what it did was undone, so there is nothing to go on from: submit a new job"
    match reason if state is JobState.HELD else None:
        case Reason.QUEUE_PAUSED:
            return "a job that is held for its queue cannot be retried: resume the queue"
        case Reason.UNKNOWN_JOB:
            return "a job that is held for its name cannot be retried: deploy the release that knows it"
        case _:
            return f"a job that is {state.value} cannot be retried"


def _doubt(steps: Sequence[StepView]) -> str:
    first = steps[0]
    key = f" under the key {first.idempotency_key}" if first.idempotency_key else ""
    return (
        f"step {first.position} ({first.name}) was sent {first.sends} time(s) and never answered: "
        f"look it up at the provider{key} before you retry"
    )


def _failed(reason: str | None) -> str:
    match reason:
        case Reason.UNCERTAIN:
            return "a person decides: an effect may exist at the provider; look it up there, then retry with a reason, or leave it"
        case Reason.EXHAUSTED:
            return (
                "a person decides: the retry budget is spent; retry it when the cause has gone, or leave it"
            )
        case Reason.COMPENSATION_FAILED:
            return (
                "a person decides: what it did could not be undone; finish that at the provider,"
                " or retry it to go on with the undoing"
            )
        case Reason.CRASH_LOOP:
            return "a person decides: it keeps killing its worker; retry it after a fix, or leave it"
        case _:
            return (
                "a person decides: it will not pass by itself; retry it when the cause has gone, or leave it"
            )


def _held(reason: str | None, queue: str, job: str) -> Next:
    match reason:
        case Reason.QUEUE_PAUSED:
            return _resumed(queue)
        case Reason.UNKNOWN_JOB:
            return Next(NextAction.WAIT, None, f"waits for a release that knows {job}")
        case Reason.ARGS_UNKNOWN:
            return Next(
                NextAction.WAIT,
                None,
                "waits for a release that its arguments fit; each worker tries it once, as does a retry",
            )
        case Reason.STEPS_CHANGED:
            return Next(
                NextAction.DECIDE,
                None,
                "a person decides: its recorded steps do not fit this release; deploy one they fit (each worker"
                " tries it once, as does a retry), or cancel it",
            )
        case _:
            return Next(NextAction.WAIT, None, "held until the reason has gone")


def _resumed(queue: str) -> Next:
    return Next(NextAction.WAIT, None, f"waits until the queue {queue} is resumed")


def _moment(at: datetime) -> str:
    return f"{at:%Y-%m-%d %H:%M:%S}Z"
