"""What is shown of jobs: the shapes of the API's answers, whose document says what the docstrings here say."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

from hub.domain.effects import Certainty, Effect, StepKind
from hub.domain.jobs import JobState, OutcomeKind
from hub.services.verdicts import RetryAdvice


class NextAction(StrEnum):
    """What comes next, for machines."""

    RUN = "run"
    WAIT = "wait"
    DECIDE = "decide"
    NONE = "none"


@dataclass(frozen=True, slots=True)
class Next:
    """What comes next for a job.

    Attributes:
        action: `run` it will run by itself; `wait` something else must happen first; `decide` a person decides; `none` it is done.
        at: when, where a time is known.
        text: the same in words.
    """

    action: NextAction
    at: datetime | None
    text: str


@dataclass(frozen=True, slots=True)
class ErrorView:
    """What went wrong.

    Attributes:
        code: for machines, such as `card_declined` or `timeout`.
        message: for people; holds no secret.
        kind: the error's class.
        signature: equal for failures of one cause; jobs can be listed by it.
    """

    code: str | None
    message: str | None
    kind: str | None
    signature: str | None


@dataclass(frozen=True, slots=True)
class EndingView:
    """What a job becomes, or became, once its effects were undone.

    Attributes:
        state: `failed` or `cancelled`.
        reason: why.
    """

    state: JobState
    reason: str


@dataclass(frozen=True, slots=True)
class JobView:
    """A job.

    Attributes:
        id: a UUIDv7: ids are in the order of creation.
        job: the name of the job.
        state: where it is in its life.
        reason: why it is there, where the state alone does not tell.
        queue: the queue it waits in.
        priority: 0 (last) to 9 (first).
        run_at: when it is due, or was.
        application: who submitted it; null for jobs started by webhooks.
        correlation_id: what ties it to the request or event it came from.
        idempotency_key: the key it was submitted with.
        tags: as submitted, and those that its arguments say.
        event_id: the event that started it.
        parent_id: the job that enqueued it.
        attempt: the number of the latest attempt, 0 before the first.
        failures: attempts that used up retry budget since a person last retried it.
        generation: 1, and one more for every retry by a person.
        error: the latest error, null if there was none.
        progress: what the job last reported.
        created_at: when it was accepted.
        started_at: when its latest attempt began.
        settled_at: when it succeeded, failed for good or was cancelled.
        ending: what it becomes once its effects are undone; null for jobs that have nothing to undo.
        undone_at: when they were, or a person said that they are taken care of.
        next: what comes next.
    """

    id: UUID
    job: str
    state: JobState
    reason: str | None
    queue: str
    priority: int
    run_at: datetime
    application: str | None
    correlation_id: str
    idempotency_key: str | None
    tags: list[str]
    event_id: UUID | None
    parent_id: UUID | None
    attempt: int
    failures: int
    generation: int
    error: ErrorView | None
    progress: Any
    created_at: datetime
    started_at: datetime | None
    settled_at: datetime | None
    ending: EndingView | None
    undone_at: datetime | None
    next: Next


@dataclass(frozen=True, slots=True)
class AttemptView:
    """One finished attempt.

    Attributes:
        number: 1 for the first.
        generation: the job's generation at the time.
        outcome: what it came to.
        error: what went wrong, if anything.
        worker_id: who ran it.
        started_at: when it was claimed.
        finished_at: when its end was recorded.
    """

    number: int
    generation: int
    outcome: OutcomeKind
    error: ErrorView | None
    worker_id: UUID
    started_at: datetime
    finished_at: datetime


@dataclass(frozen=True, slots=True)
class StepView:
    """One line of the ledger of effects: what was called, and what is known of it.

    Attributes:
        position: its place in the order of the job's code.
        name: the provider's operation, or the step's own name.
        provider: who was called; null for the job's own steps.
        effect: what it changes in the world.
        certainty: what is known: `not_sent`, `unknown` (sent, no answer; of a wait: not over), `confirmed` or `rejected`.
        sends: how many times it was sent; a call that was not made, as of a provider whose breaker is open, does not count.
        serial: how many times it was begun anew after a definite refusal.
        attempt: the attempt that wrote it last.
        idempotency_key: the key the provider was given; look it up there.
        digest: SHA-256 of what was sent, in hex.
        answer: what came back, reduced to what jobs use.
        error: what went wrong, if anything.
        first_sent_at: when its present key was first used.
        last_sent_at: when it was last sent.
        answered_at: when the answer came.
        kind: `call`, `work`, `sleep`, `wait`, `enqueue`, or `undo`: a call that is made only if the job fails for good.
        planned: of an undo step, which operation is to be called, and with what: its arguments, not a digest of them.
    """

    position: int
    name: str
    provider: str | None
    effect: Effect
    certainty: Certainty
    sends: int
    serial: int
    attempt: int
    idempotency_key: str | None
    digest: str
    answer: Any
    error: ErrorView | None
    first_sent_at: datetime | None
    last_sent_at: datetime | None
    answered_at: datetime | None
    kind: StepKind
    planned: Any


@dataclass(frozen=True, slots=True)
class WaitView:
    """What a waiting job goes on for.

    Attributes:
        source: whose event.
        types: any of these.
        about: the event's subject.
    """

    source: str
    types: list[str]
    about: str


@dataclass(frozen=True, slots=True)
class JobDetail(JobView):
    """A job with all that is known of it.

    Attributes:
        args: its arguments; null where the event is the argument.
        result: what it returned.
        attempts: its finished attempts, oldest first; of very many the latest 200 (the timeline has all).
        steps: its calls and other steps, in their order.
        waits: the events that would wake it, while it waits.
        retry: whether a retry is allowed, and safe.
    """

    args: Any
    result: Any
    attempts: list[AttemptView]
    steps: list[StepView]
    waits: list[WaitView]
    retry: RetryAdvice
