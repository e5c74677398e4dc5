"""A job's whole life, as hypothesis would live it: claims, outcomes, crashes, waiting, people."""

from datetime import UTC, datetime, timedelta
from random import Random

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from hub.domain.jobs import (
    CANCELLABLE,
    CRASH_LIMIT,
    RETRYABLE,
    SETTLED,
    Failed,
    FailedForGood,
    Failure,
    Holds,
    Interrupted,
    JobState,
    Outcome,
    Reason,
    Snoozed,
    Standing,
    Succeeded,
    Transition,
    Uncertain,
    Waits,
    decide,
    is_suspect,
)
from hub.domain.retry import Backoff

FAILURE = Failure("code", "message", "Kind", "0" * 16)
TIMED = frozenset({JobState.SCHEDULED, JobState.RETRYING, JobState.WAITING})
delays = st.timedeltas(timedelta(days=-1), timedelta(days=400))


class Life(RuleBasedStateMachine):
    """One job. What the stores do is modelled by guards; every move of a running job is decided by `decide`."""

    def __init__(self) -> None:
        super().__init__()
        self.now = datetime(2026, 11, 3, tzinfo=UTC)
        self.rng = Random(0)
        self.retry = Backoff()
        self.state = JobState.QUEUED
        self.run_at: datetime | None = self.now
        self.failures = self.crashes = 0
        self.budget_used = self.crashes_in_a_row = 0
        self.settled_as: JobState | None = None

    @initialize(attempts=st.integers(1, 5), seed=st.integers(), scheduled=st.booleans())
    def submitted(self, *, attempts: int, seed: int, scheduled: bool) -> None:
        """A job comes in, for now or for later."""
        self.retry = Backoff(attempts=attempts)
        self.rng = Random(seed)
        if scheduled:
            self.state, self.run_at = JobState.SCHEDULED, self.now + timedelta(hours=1)

    @rule(span=st.timedeltas(timedelta(0), timedelta(days=1)))
    def time_passes(self, span: timedelta) -> None:
        """Time alone changes nothing."""
        self.now += span

    @precondition(lambda self: self.state in TIMED)
    @rule()
    def falls_due(self) -> None:
        """Time passes until the relay hands the job over."""
        assert self.run_at is not None
        self.now = max(self.now, self.run_at)
        self.state = JobState.QUEUED

    @precondition(lambda self: self.state is JobState.HELD)
    @rule()
    def is_released(self) -> None:
        """The reason for being held has gone."""
        self.state = JobState.QUEUED

    @precondition(lambda self: self.state is JobState.QUEUED)
    @rule()
    def is_claimed(self) -> None:
        """A worker takes it."""
        self.state = JobState.RUNNING

    @precondition(lambda self: self.state is JobState.RUNNING)
    @rule()
    def succeeds(self) -> None:
        """The function returned."""
        self._move(Succeeded())
        assert self.state is JobState.SUCCEEDED

    @precondition(lambda self: self.state is JobState.RUNNING)
    @rule(retry_after=st.none() | delays)
    def fails(self, retry_after: timedelta | None) -> None:
        """An error that may pass: it uses budget, and only it does."""
        self.budget_used += 1
        self._move(Failed(FAILURE, retry_after))
        spent = self.budget_used == self.retry.attempts
        assert self.state is (JobState.FAILED if spent else JobState.RETRYING)

    @precondition(lambda self: self.state is JobState.RUNNING)
    @rule(reason=st.sampled_from([Reason.DECLINED, Reason.REJECTED, Reason.INVALID, Reason.STOPPED]))
    def fails_for_good(self, reason: Reason) -> None:
        """An error that will not pass."""
        self.budget_used += 1
        move = self._move(FailedForGood(FAILURE, reason))
        assert (self.state, move.reason) == (JobState.FAILED, reason)

    @precondition(lambda self: self.state is JobState.RUNNING)
    @rule(delay=delays)
    def is_snoozed(self, delay: timedelta) -> None:
        """Any number of times, for nothing."""
        self._move(Snoozed(delay, FAILURE))
        assert self.state is JobState.RETRYING

    @precondition(lambda self: self.state is JobState.RUNNING)
    @rule()
    def is_interrupted(self) -> None:
        """A deploy: any number of times, for nothing."""
        crashes = self.crashes
        self._move(Interrupted(FAILURE, crashed=False), keeps_count=True)
        assert (self.state, self.crashes) == (JobState.QUEUED, crashes)

    @precondition(lambda self: self.state is JobState.RUNNING)
    @rule()
    def kills_its_worker(self) -> None:
        """A crash, which a suspect dies of alone: not for ever."""
        self.crashes_in_a_row += 1
        self._move(Interrupted(FAILURE, crashed=True, alone=is_suspect(self.crashes)), keeps_count=True)
        looped = self.crashes_in_a_row == CRASH_LIMIT
        assert self.state is (JobState.FAILED if looped else JobState.QUEUED)

    @precondition(lambda self: self.state is JobState.RUNNING)
    @rule()
    def becomes_uncertain(self) -> None:
        """An effect may exist: no time is due, so nothing but a person brings it back."""
        self.budget_used += 1
        move = self._move(Uncertain(FAILURE))
        assert (self.state, self.run_at, move.reason) == (JobState.FAILED, None, Reason.UNCERTAIN)

    @precondition(lambda self: self.state is JobState.RUNNING)
    @rule(delay=delays)
    def waits(self, delay: timedelta) -> None:
        """It gives its worker back."""
        self._move(Waits(delay))

    @precondition(lambda self: self.state is JobState.RUNNING)
    @rule(reason=st.sampled_from([Reason.STEPS_CHANGED, Reason.ARGS_UNKNOWN]))
    def is_held(self, reason: Reason) -> None:
        """This release cannot run it."""
        self._move(Holds(FAILURE, reason))

    @precondition(lambda self: self.state in RETRYABLE)
    @rule()
    def is_retried_by_a_person(self) -> None:
        """A person starts a new generation, with a whole budget."""
        self.state, self.run_at, self.settled_as = JobState.QUEUED, self.now, None
        self.failures = self.crashes = self.budget_used = self.crashes_in_a_row = 0

    @precondition(lambda self: self.state in CANCELLABLE)
    @rule()
    def is_cancelled_by_a_person(self) -> None:
        """A person ends it."""
        self.state, self.run_at, self.settled_as = JobState.CANCELLED, None, JobState.CANCELLED

    def _move(self, outcome: Outcome, *, keeps_count: bool = False) -> Transition:
        move = decide(Standing(self.failures, self.crashes, self.retry), outcome, self.now, self.rng)
        if move.state is JobState.RETRYING:
            assert move.run_at is not None
            assert move.run_at >= self.now
        self.state, self.run_at = move.state, move.run_at
        self.failures, self.crashes = move.failures, move.crashes
        self.crashes_in_a_row = self.crashes_in_a_row if keeps_count else 0
        self.settled_as = move.state if move.state in SETTLED else None
        return move

    @invariant()
    def the_budget_is_never_exceeded_and_counts_failures_only(self) -> None:
        """Snoozes, interruptions, waiting and being held use none of it."""
        assert self.failures == self.budget_used <= self.retry.attempts

    @invariant()
    def a_job_with_a_spent_budget_is_not_run(self) -> None:
        """Whoever still moves has budget left."""
        assert self.state in SETTLED or self.failures < self.retry.attempts

    @invariant()
    def crashes_are_bounded(self) -> None:
        """No job kills more workers in a row than the limit."""
        assert self.crashes == self.crashes_in_a_row <= CRASH_LIMIT
        assert self.state in SETTLED or self.crashes < CRASH_LIMIT

    @invariant()
    def settled_stays_settled(self) -> None:
        """Only a person's act brings back what was settled."""
        assert self.state is (self.settled_as or self.state)
        assert (self.state in SETTLED) == (self.settled_as is not None)


TestLife = Life.TestCase
