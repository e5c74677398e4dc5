"""The life of a job: its states, what an attempt can come to, and the one function that decides every move.

scheduled  submitted with a `run_at` ahead. In: submit. Out: queued when due (relay), cancelled.
queued     due, and waiting for a worker. In: submit, relay, retry by a person. Out: running (claim), held, cancelled.
running    a worker holds it under a lease. In: claim. Out: every state that `decide` can name.
retrying   a later attempt is due at `run_at`. In: decide. Out: queued when due (relay) or at once (a person), cancelled.
waiting    for time or an event, holding no worker. In: decide. Out: queued when it came (intake, relay), cancelled.
held       its queue is paused, or this release does not know the job, its arguments or its steps. Never failed for that.
           In: claim, relay, decide. Out: queued when the pause is over (relay); for a worker that knows the job, and has not
           tried it before where only an attempt can tell (recorded steps, arguments); for a person; cancelled.
succeeded  final.
failed     final until a person acts: the operators' inbox. Out: queued (a person retries it); of one whose undoing has
           stopped, what its ending says (a person cancels it and says that the rest is taken care of; so of a held one).
cancelled  final until a person acts. Out: queued (a person retries it).

A job that has recorded how to undo what it did does that before it is failed or cancelled: it is queued once more with an
`Ending`, its attempts run the recorded calls instead of its function, and when they are done it becomes what the ending says.
"""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum
from random import Random
from typing import assert_never

from hub.domain.causes import Cause, storable
from hub.domain.retry import Backoff


class JobState(StrEnum):
    """See the module's docstring: who moves a job in, and who out."""

    SCHEDULED = "scheduled"
    QUEUED = "queued"
    RUNNING = "running"
    RETRYING = "retrying"
    WAITING = "waiting"
    HELD = "held"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELLED = "cancelled"


SETTLED = frozenset({JobState.SUCCEEDED, JobState.FAILED, JobState.CANCELLED})
RETRYABLE = frozenset({JobState.FAILED, JobState.CANCELLED, JobState.RETRYING})
CANCELLABLE = frozenset(
    {JobState.SCHEDULED, JobState.QUEUED, JobState.RETRYING, JobState.WAITING, JobState.HELD}
)


class Reason(StrEnum):
    """Why a job is where it is, where the state alone does not tell."""

    DECLINED = "declined"  # the provider said no
    REJECTED = "rejected"  # the provider does not accept the request
    INVALID = "invalid"  # the arguments or the event do not fit
    STOPPED = "stopped"  # the job itself gave up
    EXHAUSTED = "exhausted"  # the retry budget is spent
    UNCERTAIN = "uncertain"  # an effect may exist; only a person may retry
    CRASH_LOOP = "crash_loop"  # it keeps killing its worker
    COMPENSATION_FAILED = "compensation_failed"  # what it did could not be undone; a person finishes that
    QUEUE_PAUSED = "queue_paused"
    UNKNOWN_JOB = "unknown_job"  # a name this release does not know
    ARGS_UNKNOWN = "args_unknown"  # arguments that another release accepted and that do not fit this one
    STEPS_CHANGED = "steps_changed"  # recorded steps that this release's code does not ask for
    BY_OPERATOR = "by_operator"


# Held for what only an attempt can tell: whether the arguments or the recorded steps fit. Each worker tries such a job
# once, since it may be of the release that they fit; a person may have it tried at any time.
TRIED_AGAIN = frozenset({Reason.ARGS_UNKNOWN, Reason.STEPS_CHANGED})
HELD_FOR = (Reason.QUEUE_PAUSED, Reason.UNKNOWN_JOB, *sorted(TRIED_AGAIN))


def is_retryable(state: JobState, reason: str | None, *, undone: bool = False) -> bool:
    """Whether a person may retry a job that stands so. One whose effects were undone has nothing to go on from."""
    return not undone and (state in RETRYABLE or (state is JobState.HELD and reason in TRIED_AGAIN))


class OutcomeKind(StrEnum):
    """How an attempt is recorded."""

    SUCCEEDED = "succeeded"
    FAILED = "failed"
    SNOOZED = "snoozed"
    INTERRUPTED = "interrupted"
    UNCERTAIN = "uncertain"
    WAITING = "waiting"
    HELD = "held"
    COMPENSATED = "compensated"


@dataclass(frozen=True, slots=True)
class Failure:
    """An error as it is kept: no traceback, no body, no secret; and nothing that PostgreSQL's text cannot hold.

    Attributes:
        code: for machines, such as `card_declined` or `timeout`.
        message: for people, one sentence.
        kind: the error's class.
        signature: equal for failures of one cause; see `hub.domain.causes`.
        cause: what the signature stands for; None for one that was read back from where it was stored.
    """

    code: str
    message: str
    kind: str
    signature: str
    cause: Cause | None = None

    @classmethod
    def of(cls, cause: Cause, message: str) -> "Failure":
        """A failure of this cause, with the message in full."""
        return cls(cause.code, message, cause.kind, cause.signature, cause)

    def __post_init__(self) -> None:
        # Settlements are written in batches: one message with a NUL in it would stop all the others.
        for name in ("code", "message", "kind"):
            object.__setattr__(self, name, storable(getattr(self, name), MAX_MESSAGE))


MAX_MESSAGE = 2000


@dataclass(frozen=True, slots=True)
class Succeeded:
    """The function returned."""


@dataclass(frozen=True, slots=True)
class Failed:
    """An error that may pass."""

    failure: Failure
    retry_after: timedelta | None = None


@dataclass(frozen=True, slots=True)
class FailedForGood:
    """An error that will not pass by itself."""

    failure: Failure
    reason: Reason


@dataclass(frozen=True, slots=True)
class Snoozed:
    """Not now: breaker open, throttled, or the job's own wish. Uses up no budget."""

    delay: timedelta
    failure: Failure


@dataclass(frozen=True, slots=True)
class Interrupted:
    """A deploy or a lost worker. Uses up no budget, but a crash is counted.

    Attributes:
        crashed: its process was lost while the job ran.
        alone: nothing else ran in that process, and whoever watched it lived on.
    """

    failure: Failure
    crashed: bool
    alone: bool = False


@dataclass(frozen=True, slots=True)
class Uncertain:
    """An effect may exist and a repeat is not protected."""

    failure: Failure


@dataclass(frozen=True, slots=True)
class Waits:
    """The job gave its worker back for a time (an event may wake it earlier)."""

    delay: timedelta


@dataclass(frozen=True, slots=True)
class Holds:
    """This release cannot run it; another may."""

    failure: Failure
    reason: Reason


Outcome = Succeeded | Failed | FailedForGood | Snoozed | Interrupted | Uncertain | Waits | Holds


@dataclass(frozen=True, slots=True)
class Ending:
    """What a job becomes once its effects are undone, and why it does: `failure` is None for a cancelled one."""

    state: JobState
    reason: Reason
    failure: Failure | None = None


@dataclass(frozen=True, slots=True)
class Standing:
    """What `decide` must know of a job.

    Attributes:
        failures: attempts of this generation that used up budget.
        crashes: times in a row that its worker was lost while running it.
        undoable: whether it has recorded calls that undo what it did.
        ending: given while it does that.
    """

    failures: int
    crashes: int
    retry: Backoff
    undoable: bool = False
    ending: Ending | None = None


@dataclass(frozen=True, slots=True)
class Transition:
    """What becomes of a job after an attempt.

    Attributes:
        run_at: when it is due; None where no time is.
        ending: its effects are to be undone, and then it becomes this.
        undone: they are.
    """

    state: JobState
    failures: int
    crashes: int
    outcome: OutcomeKind
    run_at: datetime | None = None
    reason: Reason | None = None
    failure: Failure | None = None
    ending: Ending | None = None
    undone: bool = False

    @property
    def is_lost(self) -> bool:
        """Whether the job has failed for good, perhaps once its effects are undone."""
        return self.outcome is not OutcomeKind.COMPENSATED and (
            self.state is JobState.FAILED or self.ending is not None
        )

    @property
    def is_failing(self) -> bool:
        """Whether this attempt counts as a failure of its cause; one that was put off or interrupted does not."""
        return self.is_lost or self.outcome in (OutcomeKind.FAILED, OutcomeKind.UNCERTAIN)


# Nobody knows which of a lost worker's jobs killed it. So all are counted, and what has been counted twice is a suspect:
# it runs in a process of its own from then on, whose end is its doing and takes nothing down. See docs/decisions/0021.
SUSPECT_AFTER = 2
CRASH_LIMIT = 3  # proven for the last one: the job died alone
# Lost together with whoever watched, as when a whole container is killed for its memory: proves little each time.
LOST_LIMIT = 10
MAX_DELAY = timedelta(days=366)  # a job or provider that asks for more is asked again then


def decide(job: Standing, outcome: Outcome, now: datetime, rng: Random) -> Transition:
    """Say what becomes of a running job. The only place where that is decided.

    Args:
        job: where it stands.
        outcome: what the attempt came to.
        now: the time that delays count from.
        rng: the source of jitter.
    """
    move = _moved(job, outcome, now, rng)
    if job.ending is not None:
        return _undoing(job.ending, move)
    if job.undoable and move.state is JobState.FAILED and move.reason is not Reason.UNCERTAIN:
        return _to_be_undone(move, now)
    return move


def _to_be_undone(move: Transition, now: datetime) -> Transition:
    """What failed for good undoes its effects first, with a fresh budget.

    An uncertain effect is not undone blindly: a person looks first, and retries the job or cancels it.
    """
    reason = move.reason or Reason.STOPPED
    ending = Ending(JobState.FAILED, reason, move.failure)
    return Transition(JobState.QUEUED, 0, 0, move.outcome, run_at=now, failure=move.failure, ending=ending)


def _undoing(ending: Ending, move: Transition) -> Transition:
    match move.state:
        case JobState.SUCCEEDED:
            return replace(
                move,
                state=ending.state,
                outcome=OutcomeKind.COMPENSATED,
                reason=ending.reason,
                failure=ending.failure,
                undone=True,
            )
        case JobState.FAILED if move.reason is not Reason.UNCERTAIN:
            return replace(move, reason=Reason.COMPENSATION_FAILED)
        case _:
            return move


def _moved(  # noqa: PLR0911 - one return for each outcome
    job: Standing, outcome: Outcome, now: datetime, rng: Random
) -> Transition:
    match outcome:
        case Succeeded():
            return Transition(JobState.SUCCEEDED, job.failures, 0, OutcomeKind.SUCCEEDED)
        case Failed(failure, retry_after):
            return _failed(job, failure, retry_after, now, rng)
        case FailedForGood(failure, reason):
            return Transition(
                JobState.FAILED, job.failures + 1, 0, OutcomeKind.FAILED, reason=reason, failure=failure
            )
        case Snoozed(delay, failure):
            return Transition(
                JobState.RETRYING, job.failures, 0, OutcomeKind.SNOOZED, _due(now, delay), failure=failure
            )
        case Interrupted():
            return _interrupted(job, outcome, now)
        case Uncertain(failure):
            return Transition(
                JobState.FAILED,
                job.failures + 1,
                0,
                OutcomeKind.UNCERTAIN,
                reason=Reason.UNCERTAIN,
                failure=failure,
            )
        case Waits(delay):
            return Transition(JobState.WAITING, job.failures, 0, OutcomeKind.WAITING, _due(now, delay))
        case Holds(failure, reason):
            return Transition(
                JobState.HELD, job.failures, 0, OutcomeKind.HELD, reason=reason, failure=failure
            )
        case _:
            assert_never(outcome)


def clamped(delay: timedelta) -> timedelta:
    """A delay that can be kept: neither in the past nor beyond MAX_DELAY."""
    return min(max(delay, timedelta(0)), MAX_DELAY)


def _due(now: datetime, delay: timedelta) -> datetime:
    return now + clamped(delay)


def _failed(
    job: Standing, failure: Failure, retry_after: timedelta | None, now: datetime, rng: Random
) -> Transition:
    failures = job.failures + 1
    if job.retry.is_spent(failures):
        return Transition(
            JobState.FAILED, failures, 0, OutcomeKind.FAILED, reason=Reason.EXHAUSTED, failure=failure
        )
    due = _due(now, job.retry.delay(failures, rng, retry_after=retry_after))
    return Transition(JobState.RETRYING, failures, 0, OutcomeKind.FAILED, run_at=due, failure=failure)


def is_suspect(crashes: int) -> bool:
    """Whether a job may be what kills workers, so that it must not run beside others."""
    return crashes >= SUSPECT_AFTER


def _interrupted(job: Standing, outcome: Interrupted, now: datetime) -> Transition:
    crashes = job.crashes + outcome.crashed
    if outcome.crashed and crashes >= (CRASH_LIMIT if outcome.alone else LOST_LIMIT):
        return Transition(
            JobState.FAILED,
            job.failures,
            crashes,
            OutcomeKind.INTERRUPTED,
            reason=Reason.CRASH_LOOP,
            failure=outcome.failure,
        )
    return Transition(
        JobState.QUEUED, job.failures, crashes, OutcomeKind.INTERRUPTED, run_at=now, failure=outcome.failure
    )
