"""What is shown of alerts: the shapes of the API's answers."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from hub.domain.alerts import AlertKind


@dataclass(frozen=True, slots=True)
class AlertView:
    """One episode of something that people are told of by themselves.

    Attributes:
        id: a UUIDv7: ids are in the order in which alerts were raised.
        kind: `new_error`, `error_came_back`, `uncertain_payment`, `breaker_open` or `work_waits`.
        subject: what it is about: a cause's signature, a job's id, a provider, a queue.
        title: one line.
        detail: one sentence more.
        path: of the console's page about it.
        raised_at: when it was seen first.
        last_seen_at: when it was seen last.
        count: how often it was seen.
        resolved_at: when it was over; null while it lasts.
        told_at: when people were told last that it is there; null if they were not.
        deliveries: messages that were sent about it, to all channels together.
    """

    id: UUID
    kind: AlertKind
    subject: str
    title: str
    detail: str
    path: str
    raised_at: datetime
    last_seen_at: datetime
    count: int
    resolved_at: datetime | None
    told_at: datetime | None
    deliveries: int


@dataclass(frozen=True, slots=True)
class TestedChannel:
    """A channel that a test message is on its way to.

    Attributes:
        channel: `slack`, `email` or `webhook`.
        to: whom; empty where the address is a secret.
        job: the job that tells it: look there for what became of it.
    """

    channel: str
    to: str
    job: UUID


@dataclass(frozen=True, slots=True)
class AlertTest:
    """A test message to every channel.

    Attributes:
        channels: those that are configured.
    """

    channels: list[TestedChannel]
