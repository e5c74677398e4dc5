"""What is shown of received webhooks: the shapes of the API's answers."""

from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID


@dataclass(frozen=True, slots=True)
class EventView:
    """A received webhook.

    Attributes:
        id: the hub's id, a UUIDv7.
        source: who sent it.
        external_id: the provider's id, unique per source.
        type: what happened, in the provider's words.
        correlation_id: what ties it to the jobs it started.
        occurred_at: when it happened, if the provider says.
        received_at: when the hub stored it.
        size: of its body in bytes; null once retention has emptied it.
        jobs: the jobs it started, the first hundred.
    """

    id: UUID
    source: str
    external_id: str
    type: str
    correlation_id: str
    occurred_at: datetime | None
    received_at: datetime
    size: int | None
    jobs: list[UUID]


@dataclass(frozen=True, slots=True)
class EventDetail(EventView):
    """A received webhook with what was received.

    Attributes:
        headers: as received, without signatures and credentials.
        body_base64: the body exactly as received; null once retention has emptied it.
        body_text: the body as text, if it is UTF-8.
    """

    headers: dict[str, str] = field(repr=False)
    body_base64: str | None = field(repr=False)
    body_text: str | None = field(repr=False)


@dataclass(frozen=True, slots=True)
class ReplayedEvent:
    """The jobs that a replay made.

    Attributes:
        event_id: the event that was replayed.
        jobs: the new jobs, one for each job that subscribes to it now.
    """

    event_id: UUID
    jobs: list[UUID]
