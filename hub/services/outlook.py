"""What comes next for a job: pure, in words for people."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import assert_never

from hub.domain.jobs import JobState, Reason
from hub.domain.safety import Doubt
from hub.services.job_views import Next, NextAction, WaitView

WAITS_FOR_WORKER = Next(NextAction.RUN, None, "waits for a worker")


def due(attempt: int, at: datetime) -> Next:
    """A later attempt."""
    return Next(NextAction.RUN, at, f"attempt {attempt} is due at {_moment(at)}")


def waits_for(waits: Sequence[WaitView], until: datetime) -> Next:
    """An event, named."""
    events = "; ".join(f"{wait.source}:{'|'.join(wait.types)} about {wait.about}" for wait in waits)
    return Next(NextAction.WAIT, until, f"waits for {events}, until {_moment(until)} at the latest")


@dataclass(frozen=True, slots=True)
class Left:
    """What is open of a job's effects.

    Attributes:
        undoing: they are to be undone, and are not yet.
        undone: they are, or a person has said that they are taken care of.
        undoable: calls are recorded that undo something, and were not made.
        doubt: the first that may exist, unknown to the hub.
    """

    undoing: bool = False
    undone: bool = False
    undoable: bool = False
    doubt: Doubt | None = None


_NOTHING_LEFT = Left()


def next_of(  # noqa: PLR0911 - one for each state
    state: JobState,
    reason: str | None,
    *,
    queue: str,
    job: str,
    paused: bool,
    attempt: int,
    run_at: datetime,
    left: Left = _NOTHING_LEFT,
) -> Next:
    """Say what comes next for a job."""
    match state:
        case JobState.SCHEDULED | JobState.RETRYING:
            return _said_of(left, due(attempt + 1, run_at))
        case JobState.QUEUED:
            return _said_of(left, _resumed(queue) if paused else WAITS_FOR_WORKER)
        case JobState.RUNNING:
            return _said_of(left, Next(NextAction.RUN, None, f"a worker is at attempt {attempt}"))
        case JobState.WAITING:
            return Next(NextAction.WAIT, run_at, f"waits, until {_moment(run_at)} at the latest")
        case JobState.HELD:
            return _held(reason, queue, job, undoing=left.undoing)
        case JobState.FAILED:
            return _failed(reason, left)
        case JobState.SUCCEEDED:
            return Next(NextAction.NONE, None, "nothing: it has succeeded")
        case JobState.CANCELLED:
            return _cancelled(left)
        case _:
            assert_never(state)


def _said_of(left: Left, plain: Next) -> Next:
    return replace(plain, text=f"what it did is being undone: {plain.text}") if left.undoing else plain


def _cancelled(left: Left) -> Next:
    if left.undone:
        return Next(NextAction.NONE, None, f"nothing: it was cancelled, and {_taken_back(left)}")
    if left.doubt:
        text = f"a person decides: it was cancelled, but {left.doubt}, and retry the job or leave it"
        return Next(NextAction.DECIDE, None, text)
    return Next(NextAction.NONE, None, "nothing: it was cancelled; a person may retry it")


def _taken_back(left: Left) -> str:
    if left.undoable:
        return "a person has said that what is left of its effects is taken care of"
    return "what it did was undone"


def _failed(reason: str | None, left: Left) -> Next:
    if left.undone:
        text = f"nothing: it has failed, and {_taken_back(left)}; submit a new job to try again"
        return Next(NextAction.NONE, None, text)
    doubt = f"; {left.doubt}" if left.doubt else ""
    text = f"a person decides: {_why_failed(reason, left)}{doubt}; {_choice(reason, left)}"
    return Next(NextAction.DECIDE, None, text)


def _why_failed(reason: str | None, left: Left) -> str:
    match reason:
        case Reason.UNCERTAIN:
            effect = "an effect may exist at the provider"
            return effect if left.doubt else f"{effect}; look it up there"
        case Reason.EXHAUSTED:
            return "the retry budget is spent"
        case Reason.COMPENSATION_FAILED:
            return "what it did could not be undone"
        case Reason.CRASH_LOOP:
            return "it keeps killing its worker"
        case _:
            return "it will not pass by itself"


def _choice(reason: str | None, left: Left) -> str:
    match reason:
        case Reason.UNCERTAIN if left.undoing:
            return (
                "then retry it with a reason, which goes on with the undoing, or cancel it with a reason once"
                " everything is taken care of"
            )
        case Reason.UNCERTAIN if left.undoable:
            return "then retry it with a reason, or cancel it with a reason, which undoes what was recorded for it"
        case Reason.UNCERTAIN:
            return "then retry it with a reason, or leave it"
        case Reason.COMPENSATION_FAILED:
            return "retry it to go on with the undoing, or finish that at the provider and cancel it with a reason"
        case Reason.CRASH_LOOP:
            return "retry it after a fix, or leave it"
        case _:
            return "retry it when the cause has gone, or leave it"


def _held(reason: str | None, queue: str, job: str, *, undoing: bool) -> Next:
    closing = "undo the rest at the provider and cancel it with a reason"
    or_closed = f"; or {closing}" if undoing else ""
    match reason:
        case Reason.QUEUE_PAUSED:
            return _resumed(queue)
        case Reason.UNKNOWN_JOB:
            return Next(NextAction.WAIT, None, f"waits for a release that knows {job}{or_closed}")
        case Reason.ARGS_UNKNOWN:
            return Next(
                NextAction.WAIT,
                None,
                "waits for a release that its arguments fit; each worker tries it once, as does a retry"
                + or_closed,
            )
        case Reason.STEPS_CHANGED:
            return Next(
                NextAction.DECIDE,
                None,
                "a person decides: its recorded steps do not fit this release; deploy one they fit (each worker"
                f" tries it once, as does a retry), or {closing if undoing else 'cancel it'}",
            )
        case _:
            return Next(NextAction.WAIT, None, "held until the reason has gone")


def _resumed(queue: str) -> Next:
    return Next(NextAction.WAIT, None, f"waits until the queue {queue} is resumed")


def _moment(at: datetime) -> str:
    return f"{at:%Y-%m-%d %H:%M:%S}Z"
