"""What a plan makes of a job, from its facts: whether it is part of it, and why. Decided once for all jobs that are alike."""

from dataclasses import dataclass
from enum import StrEnum

from hub.domain.jobs import CANCELLABLE, JobState, Reason
from hub.domain.plans import Action
from hub.domain.safety import SAFE, Facts, Verdict, explain, verdict_of


class Class(StrEnum):
    """The three kinds of verdict that a person who reads a report tells apart."""

    SAFE = "safe"
    UNCERTAIN = "uncertain"
    INELIGIBLE = "ineligible"


@dataclass(frozen=True, slots=True)
class Ruling:
    """What a plan makes of a job.

    Attributes:
        kind: whether it can be done without harm, only by a person's judgement, or not at all.
        verdict: more exactly, for machines.
        text: why, in words that fit any number of jobs.
    """

    kind: Class
    verdict: str
    text: str

    def includes(self, *, uncertain: bool) -> bool:
        """Whether the job is part of the plan; `uncertain`: a person answers for those that are."""
        return self.kind is Class.SAFE or (self.kind is Class.UNCERTAIN and uncertain)


_UNDONE_FIRST = "what it has recorded to undo is undone first"
_WORKER = "a worker is at it, and what it has sent cannot be called back"


def rule(action: Action, facts: Facts, *, undoable: bool) -> Ruling:
    """Say what a plan makes of a job.

    Args:
        action: what it is to do.
        facts: what is known of its effects.
        undoable: calls are recorded that take something back, and were not made.
    """
    match action:
        case Action.RETRY:
            return _retried(facts)
        case Action.CANCEL:
            return _cancelled(facts, undoable=undoable)
        case Action.DISCARD:
            return _discarded(facts, undoable=undoable)
        case Action.REQUEUE:
            return _requeued(facts)


def _retried(facts: Facts) -> Ruling:
    verdict = verdict_of(facts)
    kind = (
        Class.SAFE
        if verdict in SAFE
        else Class.UNCERTAIN
        if verdict is Verdict.UNCERTAIN
        else Class.INELIGIBLE
    )
    return Ruling(kind, verdict, explain(facts))


def _cancelled(facts: Facts, *, undoable: bool) -> Ruling:
    if facts.undoing:
        return _ineligible("what it did is being undone already")
    if facts.state is JobState.FAILED and undoable and facts.reason == Reason.UNCERTAIN:
        text = f"it may have done something that nobody has looked up; {_UNDONE_FIRST}"
        return Ruling(Class.UNCERTAIN, "undoes_uncertain", text)
    if facts.state not in CANCELLABLE:
        return _ineligible(_not_ended(facts.state, "it is settled already"))
    if undoable:
        return Ruling(Class.SAFE, "undoes", _UNDONE_FIRST)
    return Ruling(Class.SAFE, "ends", "it ends as it is, and what it has done stays done")


def _discarded(facts: Facts, *, undoable: bool) -> Ruling:
    if facts.state not in {JobState.FAILED, JobState.HELD}:
        return _ineligible(_not_ended(facts.state, "only what has failed or is held is discarded"))
    if facts.undoing or undoable:
        return _ineligible("it has something to undo: cancel it instead")
    if facts.uncertain or facts.covered or facts.reason == Reason.UNCERTAIN:
        return Ruling(
            Class.UNCERTAIN, "closes_uncertain", "it may have done something that nobody has looked up"
        )
    return Ruling(Class.SAFE, "closes", "it is closed, and what it has done stays done")


def _requeued(facts: Facts) -> Ruling:
    if facts.state in {JobState.SCHEDULED, JobState.RETRYING}:
        return Ruling(Class.SAFE, "runs_now", "it is planned for later, and runs now")
    if facts.state is not JobState.HELD:
        return _ineligible(_not_ended(facts.state, f"a job that is {facts.state.value} is not put off"))
    verdict = verdict_of(facts)
    if verdict is Verdict.INELIGIBLE:
        return _ineligible(explain(facts))
    return Ruling(
        Class.SAFE, "tried_again", "it is tried again as it stands, and held again if it still does not fit"
    )


def _not_ended(state: JobState, otherwise: str) -> str:
    return _WORKER if state is JobState.RUNNING else otherwise


def _ineligible(text: str) -> Ruling:
    return Ruling(Class.INELIGIBLE, "ineligible", text)
