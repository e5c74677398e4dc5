"""A webhook source: how a provider signs, and how its events are told apart. Data and pure functions."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from dataclasses import field as dataclass_field
from datetime import UTC, datetime, timedelta
from typing import Any

from hub.domain.errors import Invalid
from hub.domain.signatures import HmacScheme

Headers = Mapping[str, str]
Payload = Mapping[str, Any]
Extract = Callable[[Headers, Payload], str | None]

MAX_IDENTIFIER = 255


@dataclass(frozen=True, slots=True)
class Reading:
    """What the hub must know of an event before it stores it."""

    external_id: str
    type: str
    occurred_at: datetime | None


@dataclass(frozen=True, slots=True)
class Reply:
    """What a source wants answered, where it is not the hub's own `{"event_id", "duplicate"}`."""

    status: int
    body: bytes = b""
    content_type: str = "application/json"


@dataclass(frozen=True, slots=True)
class Source:
    """One provider's webhooks.

    Attributes:
        name: stands in the path, `/webhooks/<name>`, and in `HUB_WEBHOOK_<NAME>_SECRET`.
        scheme: how a delivery is signed.
        event_id: what tells two events apart; equal for every delivery of one event.
        event_type: what jobs subscribe to, as `<source>:<type>`.
        occurred_at: when it happened, if the provider says.
        answer_within: how long the provider waits for the answer.
        handshake: answers a verified delivery that is no event, such as a challenge; None for events.
        reply: what an accepted event is answered with, where the provider demands its own words.
        sign: the headers that make a sample acceptable: (body, secret, id, type, at) -> headers.
    """

    name: str
    scheme: HmacScheme
    event_id: Extract
    event_type: Extract
    occurred_at: Extract | None = None
    answer_within: timedelta = timedelta(seconds=10)
    handshake: Callable[[Headers, Payload], Reply | None] | None = None
    reply: Reply | None = None
    sign: Callable[["Sample", str], dict[str, str]] | None = None
    samples: Mapping[str, bytes] = dataclass_field(default_factory=dict)

    def read(self, headers: Headers, payload: Payload) -> Reading:
        """Find an event's id, type and time. Raises Invalid when there is no usable id or type."""
        return Reading(
            _identifier("id", self.event_id(headers, payload)),
            _identifier("type", self.event_type(headers, payload)),
            _when(self.occurred_at(headers, payload)) if self.occurred_at else None,
        )


@dataclass(frozen=True, slots=True)
class Sample:
    """A delivery to be signed."""

    id: str
    type: str
    body: bytes
    at: datetime


def field(path: str) -> Extract:
    """A value in the payload, by dotted path; None where there is none."""
    parts = path.split(".")

    def extract(_headers: Headers, payload: Payload) -> str | None:
        value: Any = payload
        for part in parts:
            if not isinstance(value, Mapping):
                return None
            value = value.get(part)
        return str(value) if isinstance(value, str | int) and not isinstance(value, bool) else None

    return extract


def header(name: str) -> Extract:
    """A header's value."""
    key = name.lower()
    return lambda headers, _payload: headers.get(key)


def joined(*parts: Extract, separator: str = ".") -> Extract:
    """Several values in one, leaving out those that are not there; None when none is."""

    def extract(headers: Headers, payload: Payload) -> str | None:
        values = [value for part in parts if (value := part(headers, payload))]
        return separator.join(values) or None

    return extract


def _identifier(what: str, value: str | None) -> str:
    if not value or len(value) > MAX_IDENTIFIER or not value.isprintable():
        message = f"the event carries no usable {what} (1 to {MAX_IDENTIFIER} printable characters)"
        raise Invalid(message, code=f"no_event_{what}")
    return value


def _when(value: str | None) -> datetime | None:
    if value is None:
        return None
    try:
        moment = datetime.fromtimestamp(int(value), UTC) if value.isascii() and value.isdigit() else None
        moment = moment or datetime.fromisoformat(value)
    except (ValueError, OverflowError, OSError):
        return None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
