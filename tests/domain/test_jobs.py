"""The one function that decides every move, and the signature of a failure."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hub.domain.causes import Cause
from hub.domain.jobs import (
    CANCELLABLE,
    CRASH_LIMIT,
    LOST_LIMIT,
    MAX_DELAY,
    RETRYABLE,
    SETTLED,
    TRIED_AGAIN,
    Ending,
    Failed,
    FailedForGood,
    Failure,
    Holds,
    Interrupted,
    JobState,
    Outcome,
    OutcomeKind,
    Reason,
    Snoozed,
    Standing,
    Succeeded,
    Uncertain,
    Waits,
    decide,
    is_retryable,
)
from hub.domain.retry import Backoff

NOW = datetime(2026, 11, 3, 12, tzinfo=UTC)
FAILURE = Failure("timeout", "no answer", "NoAnswer", "0" * 16)
any_delay = st.timedeltas()
reasons = st.sampled_from(Reason)
policies = st.builds(Backoff, attempts=st.integers(1, 20))


@st.composite
def standings(draw: st.DrawFn) -> Standing:
    retry = draw(policies)
    return Standing(draw(st.integers(0, retry.attempts - 1)), draw(st.integers(0, CRASH_LIMIT - 1)), retry)


outcomes = st.one_of(
    st.just(Succeeded()),
    st.builds(Failed, st.just(FAILURE), st.none() | any_delay),
    st.builds(FailedForGood, st.just(FAILURE), reasons),
    st.builds(Snoozed, any_delay, st.just(FAILURE)),
    st.builds(Interrupted, st.just(FAILURE), crashed=st.booleans()),
    st.just(Uncertain(FAILURE)),
    st.builds(Waits, any_delay),
    st.builds(Holds, st.just(FAILURE), reasons),
)


@given(
    job=standings(),
    outcome=outcomes,
    seed=st.integers(),
    now=st.datetimes(datetime(2000, 1, 1), datetime(2999, 1, 1), timezones=st.just(UTC)),  # noqa: DTZ001
)
def test_every_outcome_moves_every_job_to_one_consistent_place(
    job: Standing,
    outcome: Succeeded | Failed | FailedForGood | Snoozed | Interrupted | Uncertain | Waits | Holds,
    seed: int,
    now: datetime,
) -> None:
    """Whatever happens to whatever job, with any delay at all: a move that contradicts nothing."""
    move = decide(job, outcome, now, Random(seed))

    assert move.state not in {JobState.RUNNING, JobState.SCHEDULED, JobState.CANCELLED}
    assert (move.run_at is None) == (move.state in SETTLED or move.state is JobState.HELD)
    assert (move.reason is not None) == (move.state in {JobState.FAILED, JobState.HELD})
    assert (move.failure is None) == isinstance(outcome, Succeeded | Waits)
    assert job.failures <= move.failures <= job.retry.attempts
    assert 0 <= move.crashes <= LOST_LIMIT
    if move.state is JobState.RETRYING:
        assert move.run_at is not None
        assert now <= move.run_at <= now + MAX_DELAY


@given(job=standings(), outcome=outcomes)
def test_the_same_roll_of_the_die_gives_the_same_move(job: Standing, outcome: Failed) -> None:
    """Time and randomness are arguments: there is nothing else that the move depends on."""
    assert decide(job, outcome, NOW, Random(7)) == decide(job, outcome, NOW, Random(7))


@given(job=standings())
def test_success_is_final(job: Standing) -> None:
    """A function that returned has succeeded, whatever came before."""
    move = decide(job, Succeeded(), NOW, Random(0))

    assert (move.state, move.outcome, move.run_at) == (JobState.SUCCEEDED, OutcomeKind.SUCCEEDED, None)


@given(job=standings(), retry_after=st.none() | st.timedeltas(timedelta(0), timedelta(hours=6)))
def test_a_failure_uses_budget_until_it_is_spent(job: Standing, retry_after: timedelta | None) -> None:
    """Each failure counts once; the last of the budget fails the job as exhausted, every other one is retried."""
    move = decide(job, Failed(FAILURE, retry_after), NOW, Random(0))

    assert move.failures == job.failures + 1
    assert move.outcome is OutcomeKind.FAILED
    if move.failures == job.retry.attempts:
        assert (move.state, move.reason) == (JobState.FAILED, Reason.EXHAUSTED)
    else:
        assert move.state is JobState.RETRYING
        assert move.run_at is not None
        assert move.run_at >= NOW + (retry_after or timedelta(0))


@given(job=standings(), reason=reasons)
def test_what_will_not_pass_is_not_tried_again(job: Standing, reason: Reason) -> None:
    """A definite no fails the job at once, for the reason given, however much budget is left."""
    move = decide(job, FailedForGood(FAILURE, reason), NOW, Random(0))

    assert (move.state, move.reason, move.outcome) == (JobState.FAILED, reason, OutcomeKind.FAILED)


@given(job=standings(), delay=st.timedeltas(timedelta(0), MAX_DELAY))
def test_a_snooze_costs_nothing_and_is_as_long_as_asked(job: Standing, delay: timedelta) -> None:
    """Breaker, throttle or the job's own wish: no budget, no jitter, no crash."""
    move = decide(job, Snoozed(delay, FAILURE), NOW, Random(0))

    assert (move.state, move.run_at) == (JobState.RETRYING, NOW + delay)
    assert (move.failures, move.crashes, move.outcome) == (job.failures, 0, OutcomeKind.SNOOZED)


@pytest.mark.parametrize(
    ("delay", "given_"),
    [
        (timedelta.max, MAX_DELAY),
        (timedelta.min, timedelta(0)),
        (timedelta(seconds=-1), timedelta(0)),
    ],
)
def test_an_absurd_delay_is_brought_back_to_the_calendar(delay: timedelta, given_: timedelta) -> None:
    """A delay below nothing or beyond the calendar settles the attempt all the same."""
    job = Standing(0, 0, Backoff())

    assert decide(job, Snoozed(delay, FAILURE), NOW, Random(0)).run_at == NOW + given_
    run_at = decide(job, Failed(FAILURE, delay), NOW, Random(0)).run_at
    assert run_at is not None
    assert NOW <= run_at <= NOW + MAX_DELAY


@given(job=standings())
def test_a_deploy_costs_nothing_and_never_fails_a_job(job: Standing) -> None:
    """An interruption that was no crash puts the job back at once and counts nothing."""
    move = decide(job, Interrupted(FAILURE, crashed=False), NOW, Random(0))

    assert (move.state, move.run_at) == (JobState.QUEUED, NOW)
    assert (move.failures, move.crashes) == (job.failures, job.crashes)


@given(job=standings(), alone=st.booleans())
def test_a_crash_costs_no_budget_but_a_crash_loop_ends(job: Standing, *, alone: bool) -> None:
    """A lost process is counted; at the limit, which is lower where nothing else can have done it, the job is failed."""
    move = decide(job, Interrupted(FAILURE, crashed=True, alone=alone), NOW, Random(0))

    assert move.failures == job.failures
    assert move.crashes == job.crashes + 1
    if move.crashes >= (CRASH_LIMIT if alone else LOST_LIMIT):
        assert (move.state, move.reason) == (JobState.FAILED, Reason.CRASH_LOOP)
    else:
        assert move.state is JobState.QUEUED


@given(job=standings())
def test_an_uncertain_effect_is_left_to_a_person(job: Standing) -> None:
    """However much budget is left, an effect that may exist is not repeated."""
    move = decide(job, Uncertain(FAILURE), NOW, Random(0))

    assert (move.state, move.reason, move.run_at) == (JobState.FAILED, Reason.UNCERTAIN, None)
    assert move.outcome is OutcomeKind.UNCERTAIN


@given(job=standings(), delay=any_delay, reason=reasons)
def test_waiting_and_being_held_cost_nothing(job: Standing, delay: timedelta, reason: Reason) -> None:
    """A job that waits, or that this release cannot run, keeps its budget and is not failed."""
    waits = decide(job, Waits(delay), NOW, Random(0))
    holds = decide(job, Holds(FAILURE, reason), NOW, Random(0))

    assert (waits.state, waits.run_at, waits.failures) == (
        JobState.WAITING,
        NOW + min(max(delay, timedelta(0)), MAX_DELAY),
        job.failures,
    )
    assert (holds.state, holds.reason, holds.failures) == (JobState.HELD, reason, job.failures)


endings = st.builds(
    Ending, st.sampled_from([JobState.FAILED, JobState.CANCELLED]), reasons, st.none() | st.just(FAILURE)
)


@given(job=standings(), outcome=outcomes)
def test_what_fails_for_good_undoes_its_effects_first(job: Standing, outcome: Outcome) -> None:
    """With a fresh budget, and without losing why it failed; an uncertain effect is left to a person all the same."""
    plain = decide(job, outcome, NOW, Random(0))
    move = decide(replace(job, undoable=True), outcome, NOW, Random(0))

    if plain.state is not JobState.FAILED or plain.reason is Reason.UNCERTAIN:
        assert move == plain
    else:
        assert plain.reason is not None
        assert move.ending == Ending(JobState.FAILED, plain.reason, plain.failure)
        assert (move.state, move.run_at, move.failures, move.crashes) == (JobState.QUEUED, NOW, 0, 0)
        assert (move.outcome, move.undone) == (plain.outcome, False)


@given(job=standings(), outcome=outcomes, ending=endings)
def test_a_job_that_is_being_undone_becomes_what_its_ending_says(
    job: Standing, outcome: Outcome, ending: Ending
) -> None:
    """Never a success; and where the undoing itself fails for good, a person's case under a name of its own."""
    plain = decide(job, outcome, NOW, Random(0))
    move = decide(replace(job, undoable=True, ending=ending), outcome, NOW, Random(0))

    assert move.state is not JobState.SUCCEEDED
    assert move.undone == (plain.state is JobState.SUCCEEDED)
    if move.undone:
        assert (move.state, move.reason, move.failure) == (ending.state, ending.reason, ending.failure)
        assert move.outcome is OutcomeKind.COMPENSATED
    elif plain.state is JobState.FAILED and plain.reason is not Reason.UNCERTAIN:
        assert move == replace(plain, reason=Reason.COMPENSATION_FAILED)
    else:
        assert move == plain


def test_what_a_person_may_do_fits_the_states() -> None:
    """Nothing that runs or succeeded can be retried; nothing settled or running can be cancelled."""
    assert not RETRYABLE & {JobState.SUCCEEDED, JobState.RUNNING, JobState.QUEUED}
    assert not CANCELLABLE & (SETTLED | {JobState.RUNNING})
    assert {reason for reason in Reason if is_retryable(JobState.HELD, reason)} == TRIED_AGAIN
    assert all(is_retryable(state, None) is (state in RETRYABLE) for state in JobState)
    assert not any(is_retryable(state, None, undone=True) for state in JobState)
    assert set(JobState) == CANCELLABLE | SETTLED | {JobState.RUNNING}


@given(code=st.text(), message=st.text(), kind=st.text())
def test_a_failure_can_always_be_stored(code: str, message: str, kind: str) -> None:
    """No NUL and no lone surrogate is left, which PostgreSQL's text refuses, and no message is endless."""
    failure = Failure.of(Cause.of("job", kind, code, message), message * 3)

    stored = failure.code + failure.message + failure.kind
    assert "\0" not in stored
    assert stored.encode().decode() == stored
    assert len(failure.message) <= 2000


@pytest.mark.parametrize("message", ["a\0b", "a\ud800b", "x" * 10_000])
def test_a_hostile_message_is_stored_in_part(message: str) -> None:
    """A message that cannot be stored as it is keeps its readable part."""
    failure = Failure("code", message, "Kind", "0" * 16)

    assert failure.message[0] == message[0]
    assert len(failure.message) <= 2000
    assert failure.message.encode()
