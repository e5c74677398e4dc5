"""The verdict on one job: whether a retry is safe, from its ledger, and how to look up what may have happened."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime

from hub.domain.effects import Certainty, covered_until
from hub.domain.jobs import JobState
from hub.domain.providers import Provider
from hub.domain.safety import (
    SAFE,
    Doubt,
    Facts,
    Trace,
    Verdict,
    counts,
    explain,
    facts_of,
    needs_decision,
    verdict_of,
)
from hub.services.job_views import StepView
from hub.services.verdicts import DoubtView, RetryAdvice

_NEVER = datetime.min.replace(tzinfo=UTC)


def retry_advice(
    state: JobState,
    reason: str | None,
    steps: Sequence[StepView],
    *,
    providers: Mapping[str, Provider],
    now: datetime,
    undone: bool = False,
    undoing: bool = False,
) -> RetryAdvice:
    """Say whether a person may retry a job, and whether an effect could be done twice by it.

    Args:
        state: the job's.
        reason: why it is in it.
        steps: its ledger.
        providers: what they promise about keys, and how things are looked up there.
        now: the database's clock.
        undone: what it did was undone, or taken care of.
        undoing: it is to be undone, and is not yet.
    """
    lines = [(_trace(step, providers, now), step) for step in steps]
    facts = facts_of(state, reason, [trace for trace, _ in lines], undone=undone, undoing=undoing)
    doubts = [
        _doubt(step, providers)
        for trace, step in lines
        if trace.certainty is Certainty.UNKNOWN and counts(trace, undoing=undoing)
    ]
    # The least protected first: it decides.
    doubts.sort(key=lambda doubt: doubt.covered_until or _NEVER)
    done = sum(
        trace.certainty is Certainty.CONFIRMED and counts(trace, undoing=undoing) for trace, _ in lines
    )
    return _advice(facts, doubts, done)


def _advice(facts: Facts, doubts: Sequence[Doubt], done: int) -> RetryAdvice:
    verdict = verdict_of(facts)
    until = doubts[0].covered_until if doubts and verdict is Verdict.COVERED else None
    return RetryAdvice(
        allowed=verdict is not Verdict.INELIGIBLE,
        safe=verdict in SAFE,
        text=explain(facts, doubts, done=done),
        verdict=verdict,
        needs_decision=needs_decision(facts),
        covered_until=until,
        doubts=[_shown(doubt) for doubt in doubts],
    )


def _trace(step: StepView, providers: Mapping[str, Provider], now: datetime) -> Trace:
    until = _protected(step, providers)
    return Trace(step.kind, step.effect, step.certainty, until is not None and now < until)


def _protected(step: StepView, providers: Mapping[str, Provider]) -> datetime | None:
    provider = providers.get(step.provider or "")
    kept_for = provider.idempotency.kept_for if provider and provider.idempotency else None
    return covered_until(step.first_sent_at, kept_for)


def _doubt(step: StepView, providers: Mapping[str, Provider]) -> Doubt:
    provider, key = providers.get(step.provider or ""), step.idempotency_key or ""
    how = provider.look_up if provider else None
    return Doubt(
        step.position,
        step.name,
        step.sends,
        step.idempotency_key,
        step.provider,
        step.first_sent_at,
        _protected(step, providers),
        how.hint_for(key) if how else "",
        how.url_for(key) if how else None,
    )


def _shown(doubt: Doubt) -> DoubtView:
    return DoubtView(
        doubt.position,
        doubt.name,
        doubt.provider,
        doubt.sends,
        doubt.key,
        doubt.first_sent_at,
        doubt.covered_until,
        doubt.look_up or None,
        doubt.url,
    )
