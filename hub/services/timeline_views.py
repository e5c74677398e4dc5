"""Timelines, as they are shown."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from hub.domain.jobs import JobState
from hub.domain.timeline import EntryKind


@dataclass(frozen=True, slots=True)
class TimelineEntry:
    """One thing that happened, or is to come.

    Attributes:
        at: when it happened, or began.
        ended_at: when it was over, for what takes time.
        kind: `received` a webhook came in; `submitted` the job was accepted; `operator` a person did something; `edit` its
            arguments were changed; `attempt`; `step` a provider was called, or another line of the ledger; `undone`;
            `settled`; `to_come` what is planned.
        job_id: whom it concerns; null for an event.
        text: in words, one sentence.
        detail: the rest, by kind; without secrets.
    """

    at: datetime
    ended_at: datetime | None
    kind: EntryKind
    job_id: UUID | None
    text: str
    detail: dict[str, Any]


@dataclass(frozen=True, slots=True)
class TimelineJob:
    """A job that a timeline tells of."""

    id: UUID
    job: str
    state: JobState
    created_at: datetime


@dataclass(frozen=True, slots=True)
class TimelineView:
    """What happened, in order of time.

    Attributes:
        items: at most `limit`.
        next_cursor: hand it back as `cursor` for what comes after; null at the end.
        jobs: whom it tells of, the newest first.
        more_jobs: whether there are more than these, which it does not tell of.
    """

    items: list[TimelineEntry]
    next_cursor: str | None
    jobs: list[TimelineJob]
    more_jobs: bool


@dataclass(frozen=True, slots=True)
class EventStory:
    """A received webhook.

    Attributes:
        headers: as received, or without secrets.
        body: the same of the body; text or JSON; null once retention has emptied it.
        body_cut: whether there is more of the body than is shown.
        raw: whether headers and body are as received.
    """

    event_id: UUID
    source: str
    type: str
    external_id: str
    subject: str | None
    correlation_id: str
    occurred_at: datetime | None
    received_at: datetime
    size: int | None
    headers: dict[str, str]
    body: Any
    body_cut: bool
    raw: bool
