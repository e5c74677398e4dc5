"""How certain an effect is, and what may be done about a step that was recorded before.

This is the heart of "done once": a step is written down before it is sent, so that whoever runs the job again
knows what may already exist at the provider.
"""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum
from uuid import UUID


class Effect(StrEnum):
    """What a call changes in the world; READ changes nothing and may always be repeated."""

    READ = "read"
    WRITE = "write"
    MONEY = "money"
    MESSAGE = "message"


class StepKind(StrEnum):
    """What a line of the ledger is about."""

    CALL = "call"  # a provider was called
    WORK = "work"  # any other piece of work
    SLEEP = "sleep"
    WAIT = "wait"  # for an event
    ENQUEUE = "enqueue"  # another job, made when this one succeeds
    UNDO = "undo"  # a call that takes something back, made if the job fails for good


class Certainty(StrEnum):
    """What is known of an effect."""

    NOT_SENT = "not_sent"
    UNKNOWN = "unknown"
    CONFIRMED = "confirmed"
    REJECTED = "rejected"


class Resume(StrEnum):
    """What to do with a step that a job asks for."""

    SEND = "send"  # nothing is out there
    REPEAT = "repeat"  # something may be out there, and the same key makes a repeat harmless
    SEND_ANEW = "send_anew"  # it was refused, and a person asked for it to be tried again: with a new key
    REPLAY = "replay"  # it is done: hand the record back
    REFUSE = "refuse"  # it was refused, and still is
    ASK = "ask"  # something may be out there, and a repeat could do it twice: a person decides


@dataclass(frozen=True, slots=True)
class Step:
    """One line of the ledger.

    Attributes:
        position: 1 for the first step a job asks for, in the order of its code.
        serial: how many times the step was begun anew after a definite refusal; part of the key.
        generation: the job's generation in which it was last sent; raised when a person retries the job.
        first_sent_at: when the present key was first used (the database's clock), None if never.
    """

    position: int
    name: str
    effect: Effect
    certainty: Certainty
    serial: int
    generation: int
    first_sent_at: datetime | None
    digest: bytes
    kind: StepKind = StepKind.CALL

    def becoming(self, certainty: Certainty) -> "Step":
        """The same line with what is known now."""
        return replace(self, certainty=certainty)

    @property
    def is_effect(self) -> bool:
        """Whether it may have changed the world."""
        return self.effect is not Effect.READ and self.certainty in {Certainty.UNKNOWN, Certainty.CONFIRMED}


# Never trust a provider's window to the second: its clock and ours differ, and a request takes time to arrive.
WINDOW_MARGIN = timedelta(minutes=5)


def resume(step: Step | None, *, generation: int, now: datetime, kept_for: timedelta | None) -> Resume:
    """Say what to do with a step, from its record.

    Args:
        step: the record, or None if this step was never begun.
        generation: the job's present generation; higher than the step's once a person has asked for a retry.
        now: the database's clock.
        kept_for: how long the provider remembers idempotency keys; None if it has none.
    """
    if step is None or step.certainty is Certainty.NOT_SENT:
        return Resume.SEND
    if step.certainty is Certainty.CONFIRMED:
        return Resume.REPLAY
    if step.certainty is Certainty.REJECTED:
        return Resume.SEND_ANEW if generation > step.generation else Resume.REFUSE
    if step.effect is Effect.READ or generation > step.generation:
        return Resume.REPEAT
    return Resume.REPEAT if is_covered(step.first_sent_at, now=now, kept_for=kept_for) else Resume.ASK


def conclude(
    before: Step | None, seen: Certainty, *, generation: int, now: datetime, kept_for: timedelta | None
) -> Certainty:
    """Say what is known of a step's effect after it was sent (again), from the record and the new answer.

    An effect that may exist since an earlier send is not undone by a repeat that never arrived, nor by one that was
    refused by a provider that had forgotten the key by then: what was unknown stays so.

    Args:
        before: the record as it was before this send; None if there was none.
        seen: what the answer to this send alone says.
        generation: the job's present generation; a higher one than the step's vouches for the earlier send.
        now: the database's clock.
        kept_for: as for `resume`.
    """
    if before is None or before.certainty is not Certainty.UNKNOWN:
        return seen
    if seen is Certainty.NOT_SENT:
        return Certainty.UNKNOWN
    if seen is Certainty.REJECTED and generation <= before.generation:
        covered = is_covered(before.first_sent_at, now=now, kept_for=kept_for)
        return Certainty.REJECTED if covered or before.effect is Effect.READ else Certainty.UNKNOWN
    return seen


def is_covered(first_sent_at: datetime | None, *, now: datetime, kept_for: timedelta | None) -> bool:
    """Whether the provider still remembers the key, so that a repeat cannot do the thing twice."""
    until = covered_until(first_sent_at, kept_for)
    return until is not None and now < until


def covered_until(first_sent_at: datetime | None, kept_for: timedelta | None) -> datetime | None:
    """When a repeat stops to be harmless; None if it never was."""
    if kept_for is None or first_sent_at is None:
        return None
    return first_sent_at + kept_for - WINDOW_MARGIN


def idempotency_key(job: UUID, position: int, serial: int) -> str:
    """The key a provider is given: the same for every repeat of one step, new after a definite refusal."""
    return f"hub-{job}-{position}-{serial}"
