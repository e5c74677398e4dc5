"""What a retry is said to do beforehand is what the worker does then."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hub.domain.effects import Certainty, Effect, Resume, Step, StepKind, covered_until, is_covered, resume
from hub.domain.jobs import JobState, Reason, is_retryable
from hub.domain.safety import (
    SAFE,
    Doubt,
    Facts,
    Trace,
    Verdict,
    explain,
    facts_of,
    needs_decision,
    opens_generation,
    verdict_of,
)

NOW = datetime(2026, 11, 3, 12, tzinfo=UTC)
DAY = timedelta(hours=24)
HALF_LIVES = st.sampled_from([None, timedelta(0), DAY])

FACTS = [
    Facts(state, reason, *flags)
    for state in JobState
    for reason in (None, *Reason)
    for flags in product([False, True], repeat=6)
]

steps = st.builds(
    Step,
    position=st.just(1),
    name=st.just("shop POST /charges"),
    effect=st.sampled_from(Effect),
    certainty=st.sampled_from(Certainty),
    serial=st.just(0),
    generation=st.just(1),
    first_sent_at=st.sampled_from([None, NOW, NOW - timedelta(hours=23), NOW - DAY, NOW - timedelta(days=9)]),
    digest=st.just(b""),
    kind=st.sampled_from([StepKind.CALL, StepKind.UNDO]),
)
ledgers = st.lists(st.tuples(steps, HALF_LIVES), max_size=4)
retried = st.sampled_from(
    [
        (JobState.FAILED, Reason.EXHAUSTED),
        (JobState.FAILED, Reason.DECLINED),
        (JobState.FAILED, Reason.UNCERTAIN),
        (JobState.FAILED, Reason.COMPENSATION_FAILED),
        (JobState.CANCELLED, Reason.BY_OPERATOR),
        (JobState.RETRYING, None),
        (JobState.HELD, Reason.STEPS_CHANGED),
    ]
)


def facts(
    state: JobState, reason: str | None, ledger: Sequence[tuple[Step, timedelta | None]], *, undoing: bool
) -> Facts:
    traces = [
        Trace(step.kind, step.effect, step.certainty, is_covered(step.first_sent_at, now=NOW, kept_for=kept))
        for step, kept in ledger
    ]
    return facts_of(state, reason, traces, undoing=undoing)


def replayed(
    known: Facts, ledger: Sequence[tuple[Step, timedelta | None]]
) -> list[tuple[Step, timedelta | None, Resume]]:
    """What the worker does with each step that the job asks for again, after a retry that was allowed."""
    kind = StepKind.UNDO if known.undoing else StepKind.CALL
    generation = 2 if opens_generation(known.state) else 1
    # A retry that vouches for nothing carries what is unknown into the new generation: hub.infra.store.operations.
    carried = generation if not needs_decision(known) else 1
    return [
        (
            step,
            kept,
            resume(
                Step(
                    step.position,
                    step.name,
                    step.effect,
                    step.certainty,
                    step.serial,
                    carried if step.certainty is Certainty.UNKNOWN else 1,
                    step.first_sent_at,
                    step.digest,
                    step.kind,
                ),
                generation=generation,
                now=NOW,
                kept_for=kept,
            ),
        )
        for step, kept in ledger
        if step.kind is kind
    ]


@given(standing=retried, ledger=ledgers, undoing=st.booleans())
def test_what_is_called_safe_repeats_nothing_that_could_be_done_twice(
    standing: tuple[JobState, Reason | None],
    ledger: list[tuple[Step, timedelta | None]],
    undoing: bool,  # noqa: FBT001
) -> None:
    """Under a safe verdict the worker repeats an unknown effect only where its key still protects, and never has to ask."""
    known = facts(*standing, ledger, undoing=undoing)
    if verdict_of(known) not in SAFE:
        return
    for step, kept, action in replayed(known, ledger):
        assert action is not Resume.ASK
        if action is Resume.REPEAT and step.effect is not Effect.READ:
            assert is_covered(step.first_sent_at, now=NOW, kept_for=kept)


@given(standing=retried, ledger=ledgers, undoing=st.booleans())
def test_each_verdict_is_borne_out_by_what_the_worker_does(
    standing: tuple[JobState, Reason | None],
    ledger: list[tuple[Step, timedelta | None]],
    undoing: bool,  # noqa: FBT001
) -> None:
    """Each verdict names the gravest thing that happens, and nothing graver than it does."""
    known = facts(*standing, ledger, undoing=undoing)
    done = [(step, action) for step, _, action in replayed(known, ledger) if step.effect is not Effect.READ]
    actions = {action for _, action in done}
    match verdict_of(known):
        case Verdict.UNCERTAIN if needs_decision(known):
            unprotected = any(
                action is Resume.REPEAT and not is_covered(step.first_sent_at, now=NOW, kept_for=kept)
                for step, kept, action in replayed(known, ledger)
                if step.effect is not Effect.READ
            )
            assert unprotected or known.reason == Reason.UNCERTAIN
        case Verdict.UNCERTAIN:
            assert Resume.ASK in actions
        case Verdict.COVERED:
            assert Resume.REPEAT in actions
        case Verdict.REJECTED:
            assert Resume.SEND_ANEW in actions
        case Verdict.CONFIRMED:
            assert actions & {Resume.REPLAY, Resume.REFUSE}
            assert actions <= {Resume.REPLAY, Resume.REFUSE, Resume.SEND}
        case Verdict.NOTHING_SENT:
            assert actions <= {Resume.SEND}
        case Verdict.INELIGIBLE:
            raise AssertionError(known)


def test_what_cannot_be_retried_is_never_judged_otherwise() -> None:
    """The verdict and the rule of states agree, for all facts there are."""
    for known in FACTS:
        eligible = is_retryable(known.state, known.reason, undone=known.undone)
        assert (verdict_of(known) is not Verdict.INELIGIBLE) == eligible


def test_only_an_uncertain_job_takes_a_decision_and_only_where_a_retry_vouches() -> None:
    """Whoever runs a planned retry now or has a held job tried again vouches for nothing."""
    for known in FACTS:
        settled = known.state in {JobState.FAILED, JobState.CANCELLED}
        assert needs_decision(known) == (settled and verdict_of(known) is Verdict.UNCERTAIN)


@pytest.mark.parametrize("known", FACTS[:: len(FACTS) // 97])
def test_every_verdict_has_words(known: Facts) -> None:
    """One sentence, with or without a step to name."""
    assert explain(known)
    assert explain(known, [Doubt(2, "shop POST /charges", 1, "hub-1-2-0")], done=1)


def test_the_words_name_what_to_look_for_and_until_when_the_key_protects() -> None:
    """The step, its key, and the time."""
    until = covered_until(NOW, DAY)
    doubt = Doubt(2, "shop POST /charges", 3, "hub-1-2-0", covered_until=until)

    covered = explain(Facts(JobState.FAILED, Reason.EXHAUSTED, covered=True, confirmed=True), [doubt], done=1)
    assert "step 2 (shop POST /charges) was sent 3 times and" in covered
    assert "under the key hub-1-2-0" in covered
    assert "until 2026-11-04 11:55:00 UTC" in covered
    assert "1 finished step is remembered and not done again" in covered

    known = Facts(JobState.FAILED, Reason.EXHAUSTED, covered=True, confirmed=True)
    once = explain(known, [replace(doubt, sends=1)], done=2)
    assert "was sent once and" in once
    assert "2 finished steps are remembered" in once

    uncertain = explain(Facts(JobState.FAILED, Reason.UNCERTAIN, uncertain=True), [doubt])
    assert "look it up at the provider under the key hub-1-2-0 before you retry" in uncertain
