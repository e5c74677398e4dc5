"""What an attempt came to, judged by the error that ended it. Which errors may pass is decided here and nowhere else."""

from collections.abc import Callable
from datetime import timedelta

from hub.domain.causes import NOWHERE, Cause, Place, normalise, storable
from hub.domain.errors import (
    ArgsUnknown,
    CallError,
    Declined,
    Fail,
    Invalid,
    NotSent,
    Rejected,
    Snooze,
    StepsChanged,
    Throttled,
    Unavailable,
    UncertainEffect,
    WaitTimedOut,
)
from hub.domain.jobs import (
    Failed,
    FailedForGood,
    Failure,
    Holds,
    Outcome,
    Reason,
    Snoozed,
    Uncertain,
)

# Without a Retry-After, a throttled provider is left alone for this long.
_THROTTLED = timedelta(seconds=10)
_MAX_MESSAGE = 500
_MAX_CODE = 100
_MAX_CAUSES = 8
UNEXPECTED = "unexpected_error"  # the code of an error that has none of its own


def failure_of(error: BaseException, job: str, step: str, redact: Callable[[str], str]) -> Failure:
    """An error as it is kept: one redacted sentence and a signature.

    Args:
        error: what was raised.
        job: the job's name.
        step: the step it came from, empty if none, unless the error knows the call it came from.
        redact: takes out what must not be kept.
    """
    kind = type(error).__name__
    message = redact(str(error) or kind)
    code = storable(str(getattr(error, "code", None) or _code_of(error)), _MAX_CODE)
    # Of the whole message: an id that is cut in two is none.
    cause = Cause.of(job, kind, code, message, _place_of(error) or Place(normalise(step)))
    return Failure.of(cause, message[:_MAX_MESSAGE].replace("\x00", ""))


def _place_of(error: BaseException | None) -> Place | None:
    """Which call an error came from, also one that a job raised in its own words because of it."""
    for _ in range(_MAX_CAUSES):
        if error is None or (isinstance(error, CallError | UncertainEffect) and error.place != NOWHERE):
            break
        # A job that gives up while it handles a call's error does so because of that; other errors there may be its bugs.
        context = error.__context__ if isinstance(error, Fail) else None
        error = error.__cause__ or context
    return error.place if isinstance(error, CallError | UncertainEffect) else None


def judge(error: BaseException, failure: Failure) -> Outcome:  # noqa: C901, PLR0911, PLR0912 - one case for each error
    """Say what the attempt came to. Anything nobody foresaw may pass, and is tried again."""
    match error:
        case Snooze():
            return Snoozed(error.delay, failure)
        case Unavailable():
            # The hub's own store, not the job: it costs the job nothing.
            return Snoozed(error.retry_after, failure)
        case Throttled():
            return Snoozed(error.retry_after or _THROTTLED, failure)
        case NotSent(retry_after=timedelta() as delay):
            return Snoozed(delay, failure)
        case UncertainEffect():
            return Uncertain(failure)
        case ArgsUnknown():
            return Holds(failure, Reason.ARGS_UNKNOWN)
        case StepsChanged():
            return Holds(failure, Reason.STEPS_CHANGED)
        case Fail() | WaitTimedOut():
            return FailedForGood(failure, Reason.STOPPED)
        case Invalid():
            return FailedForGood(failure, Reason.INVALID)
        case Declined():
            return FailedForGood(failure, Reason.DECLINED)
        case Rejected():
            return FailedForGood(failure, Reason.REJECTED)
        case CallError():
            return Failed(failure, error.retry_after)
        case _:
            return Failed(failure)


_UNSAID = Failure("", "", "", "")
_WEIGHT = (Uncertain, Holds, FailedForGood, Failed, Snoozed)


def foremost(error: BaseException) -> BaseException:
    """Of several errors at once (as `asyncio.TaskGroup` raises them), the one that decides what becomes of the job."""
    if not isinstance(error, BaseExceptionGroup):
        return error
    return min(
        (foremost(inner) for inner in error.exceptions),
        key=lambda inner: _WEIGHT.index(type(judge(inner, _UNSAID))),
    )


def _code_of(error: BaseException) -> str:
    return "timeout" if isinstance(error, TimeoutError) else UNEXPECTED
