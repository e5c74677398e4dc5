"""The records that a timeline is told from, as rows: what they hold. `timeline`, beside it, holds the queries that read them."""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID


@dataclass(frozen=True, slots=True)
class StoryJob:
    """A job's row, as far as a timeline tells it."""

    id: UUID
    name: str
    state: str
    reason: str | None
    queue: str
    priority: int
    run_at: datetime
    created_at: datetime
    started_at: datetime | None
    settled_at: datetime | None
    undone_at: datetime | None
    application: str | None
    idempotency_key: str | None
    correlation_id: str
    tags: list[str]
    event_id: UUID | None
    parent_id: UUID | None
    attempt: int
    generation: int
    error_code: str | None
    error_message: str | None
    worker_id: UUID | None


@dataclass(frozen=True, slots=True)
class StoryAttempt:
    """A finished attempt, with whoever made it, if that worker is still known, and when the job's next was begun by itself."""

    job: UUID
    number: int
    generation: int
    outcome: str
    error_code: str | None
    error_message: str | None
    worker_id: UUID
    started_at: datetime
    finished_at: datetime
    host: str | None
    pid: int | None
    release: str | None
    next_at: datetime | None


@dataclass(frozen=True, slots=True)
class StoryStep:
    """A line of the ledger. `answer` is None where there is none, or where it is longer than is shown (`answer_size`).

    It is `past` where the call was made again after a person had the job tried again: this is what it had come to.
    """

    job: UUID
    position: int
    name: str
    provider: str | None
    effect: str
    certainty: str
    serial: int
    sends: int
    attempt: int
    idempotency_key: str | None
    digest: str
    kind: str
    answer: Any = field(repr=False)
    answer_size: int | None
    error_code: str | None
    error_message: str | None
    at: datetime
    last_sent_at: datetime | None
    answered_at: datetime | None
    past: bool


@dataclass(frozen=True, slots=True)
class StoryEvent:
    """A received webhook; `body` is at most the first BODY bytes, None when retention has emptied it."""

    id: UUID
    source: str
    external_id: str
    type: str
    subject: str | None
    correlation_id: str
    occurred_at: datetime | None
    received_at: datetime
    size: int | None
    headers: dict[str, str] = field(repr=False)
    body: bytes | None = field(repr=False)


@dataclass(frozen=True, slots=True)
class StoryNote:
    """A line of the audit log."""

    id: UUID
    at: datetime
    actor: str
    action: str
    subject: str
    detail: Any
