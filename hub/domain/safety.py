"""Is a retry safe? One answer for each job, from facts that a query can gather for hundreds of thousands at once.

It says beforehand what `hub.domain.effects.resume` will do, step by step, when the job runs again.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import assert_never

from hub.domain.effects import Certainty, Effect, StepKind
from hub.domain.jobs import JobState, Reason, is_retryable


class Verdict(StrEnum):
    """What a retry by a person would do, the least harmless of a job's steps deciding.

    INELIGIBLE    it cannot be retried.
    UNCERTAIN     something may exist at a provider, and no key makes a repeat harmless any more: a person looks first.
    COVERED       something may exist, and the provider still remembers the key: a repeat does nothing twice.
    REJECTED      a provider said no, so nothing exists of it; it is asked again, under a new key.
    CONFIRMED     what was done is on record and is not done again.
    NOTHING_SENT  nothing was sent that could be done twice.
    """

    INELIGIBLE = "ineligible"
    UNCERTAIN = "uncertain"
    COVERED = "covered"
    REJECTED = "rejected"
    CONFIRMED = "confirmed"
    NOTHING_SENT = "nothing_sent"


SAFE = frozenset({Verdict.COVERED, Verdict.REJECTED, Verdict.CONFIRMED, Verdict.NOTHING_SENT})


@dataclass(frozen=True, slots=True)
class Trace:
    """What the verdict needs of one line of the ledger.

    Attributes:
        covered: its provider surely still remembers the key it was sent with.
    """

    kind: StepKind
    effect: Effect
    certainty: Certainty
    covered: bool


@dataclass(frozen=True, slots=True)
class Facts:
    """What the verdict on one job depends on; equal for all jobs that it is the same for.

    Attributes:
        undone: what it did was undone, or a person has taken care of it.
        undoing: it is to be undone, and is not yet: then the calls that do it are what counts.
        uncertain: an effect may exist, and its key protects no more.
        covered: an effect may exist, and its key protects.
        rejected: a provider has refused something.
        confirmed: something is done that is not done again.
    """

    state: JobState
    reason: str | None
    undone: bool = False
    undoing: bool = False
    uncertain: bool = False
    covered: bool = False
    rejected: bool = False
    confirmed: bool = False


def counts(trace: Trace, *, undoing: bool) -> bool:
    """Whether a step is one that a retry would make, and that matters if it is made twice.

    A job that is being undone makes the recorded calls of that kind and no others; each other job leaves those alone.
    """
    if undoing:
        return trace.kind is StepKind.UNDO and trace.effect is not Effect.READ
    return trace.kind is StepKind.WORK or (trace.kind is StepKind.CALL and trace.effect is not Effect.READ)


def facts_of(
    state: JobState,
    reason: str | None,
    traces: Iterable[Trace],
    *,
    undone: bool = False,
    undoing: bool = False,
) -> Facts:
    """The facts of one job, from its ledger. `hub.infra.store.safety` does the same for many in SQL."""
    seen = [trace for trace in traces if counts(trace, undoing=undoing)]
    unknown = [trace for trace in seen if trace.certainty is Certainty.UNKNOWN]
    return Facts(
        state,
        reason,
        undone,
        undoing,
        uncertain=any(not trace.covered for trace in unknown),
        covered=any(trace.covered for trace in unknown),
        rejected=any(trace.certainty is Certainty.REJECTED for trace in seen),
        confirmed=any(trace.certainty is Certainty.CONFIRMED for trace in seen),
    )


def verdict_of(facts: Facts) -> Verdict:
    """Say whether a retry is safe. The only place where that is decided."""
    if not is_retryable(facts.state, facts.reason, undone=facts.undone):
        return Verdict.INELIGIBLE
    # A job that stopped as uncertain said so itself, even where its ledger does not show of what.
    if facts.uncertain or _stopped_in_doubt(facts):
        return Verdict.UNCERTAIN
    if facts.covered:
        return Verdict.COVERED
    if facts.rejected and opens_generation(facts.state):
        return Verdict.REJECTED
    if facts.confirmed or facts.rejected:
        return Verdict.CONFIRMED
    return Verdict.NOTHING_SENT


def needs_decision(facts: Facts) -> bool:
    """Whether a retry takes a person who may judge effects, and their reason: it vouches for what may exist.

    A planned retry that is run now, and a held job that is tried again, vouch for nothing: they would stop there by
    themselves.
    """
    return opens_generation(facts.state) and verdict_of(facts) is Verdict.UNCERTAIN


def opens_generation(state: JobState) -> bool:
    """Whether a retry by a person begins a new generation, in which what was refused is asked again."""
    return state not in {JobState.RETRYING, JobState.HELD}


def _stopped_in_doubt(facts: Facts) -> bool:
    return facts.state is JobState.FAILED and facts.reason == Reason.UNCERTAIN


@dataclass(frozen=True, slots=True)
class Doubt:
    """A step that may have been done: it was sent, and never answered.

    Attributes:
        sends: how many times; what was held back, or found no connection, does not count.
        key: what the provider was given to tell repeats by.
        covered_until: when a repeat under that key stops to be harmless; None if it never was.
        look_up: how to find out at the provider, a sentence; empty if it has not said.
        url: where, if there is a page.
    """

    position: int
    name: str
    sends: int
    key: str | None
    provider: str | None = None
    first_sent_at: datetime | None = None
    covered_until: datetime | None = None
    look_up: str = ""
    url: str | None = None

    def __str__(self) -> str:
        key = f" under the key {self.key}" if self.key else ""
        how = f" ({self.look_up})" if self.look_up else ""
        times = "once" if self.sends == 1 else f"{self.sends} times"
        return (
            f"step {self.position} ({self.name}) was sent {times} and never answered, so it may have"
            f" happened: look it up at the provider{key}{how}"
        )


def explain(facts: Facts, doubts: Iterable[Doubt] = (), *, done: int = 0) -> str:
    """The verdict in words for the person who would retry.

    Args:
        facts: what it is made of.
        doubts: what may have happened, the least protected first; without them it is said for any number of jobs.
        done: how many steps are done and remembered.
    """
    doubt = next(iter(doubts), None)
    match verdict_of(facts):
        case Verdict.INELIGIBLE:
            return _ineligible(facts)
        case Verdict.UNCERTAIN:
            text = _uncertain(facts, doubt)
        case Verdict.COVERED:
            text = _covered(doubt)
        case Verdict.REJECTED:
            text = "the provider refused it, so nothing exists of that; a retry asks again, under a new key"
        case Verdict.CONFIRMED | Verdict.NOTHING_SENT:
            text = ""
        case unreachable:
            assert_never(unreachable)
    return _joined(text, _remembered(done) if facts.confirmed else "", _held(facts), _undoing(facts))


def _joined(*parts: str) -> str:
    return "; ".join(part for part in parts if part) or "nothing was done yet that could be done twice"


def _ineligible(facts: Facts) -> str:
    if facts.undone:
        return "what it did was undone or taken care of, so there is nothing to go on from: submit a new job"
    match facts.reason if facts.state is JobState.HELD else None:
        case Reason.QUEUE_PAUSED:
            return "a job that is held for its queue cannot be retried: resume the queue"
        case Reason.UNKNOWN_JOB:
            return "a job that is held for its name cannot be retried: deploy the release that knows it"
        case _:
            return f"a job that is {facts.state.value} cannot be retried"


def _uncertain(facts: Facts, doubt: Doubt | None) -> str:
    what = str(doubt) if doubt else "an effect may exist already: look it up at the provider"
    if needs_decision(facts):
        return f"{what} before you retry, which repeats it under the same key, and that protects no more"
    return f"{what}; nothing is repeated without your decision: it will stop there as uncertain"


def _covered(doubt: Doubt | None) -> str:
    if doubt is None or doubt.covered_until is None:
        return (
            "an effect may exist; a retry repeats it under the same key, which the provider still remembers"
        )
    return (
        f"{doubt}; a retry repeats it under that key, which the provider remembers until"
        f" {doubt.covered_until:%Y-%m-%d %H:%M:%S} UTC: until then nothing is done twice, and after it the job stops as"
        " uncertain"
    )


def _remembered(done: int) -> str:
    what = {0: "what is done is", 1: "1 finished step is"}.get(done, f"{done} finished steps are")
    return f"{what} remembered and not done again"


def _held(facts: Facts) -> str:
    if facts.state is not JobState.HELD:
        return ""
    return "it goes on where it stopped, and what still does not fit is held again"


def _undoing(facts: Facts) -> str:
    return "a retry goes on with the undoing of what it did" if facts.undoing else ""
