"""A webhook source: how a provider signs, and how its events are told apart. Data and pure functions."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from dataclasses import field as dataclass_field
from datetime import UTC, datetime, timedelta
from typing import Any

from hub.domain.errors import Invalid, NotFound
from hub.domain.signatures import HmacScheme

Headers = Mapping[str, str]
Payload = Mapping[str, Any]
Extract = Callable[[Headers, Payload], str | None]
Sign = Callable[["Sample", str], Mapping[str, str]]

MAX_IDENTIFIER = 255


@dataclass(frozen=True, slots=True)
class Reading:
    """What the hub must know of an event before it stores it."""

    external_id: str
    type: str
    occurred_at: datetime | None
    subject: str | None


@dataclass(frozen=True, slots=True)
class Reply:
    """What a source wants answered, where it is not the hub's own `{"event_id", "duplicate"}`."""

    status: int
    body: bytes = b""
    content_type: str = "application/json"


@dataclass(frozen=True, slots=True)
class Sample:
    """A made-up event, ready to be signed.

    Attributes:
        id: fresh for every event; what the source reads as the event's id holds it.
        type: one of the source's event types.
        body: the bytes to be posted.
        at: when it is sent, which is what a timestamped signature is made for.
    """

    id: str
    type: str
    body: bytes
    at: datetime


@dataclass(frozen=True, slots=True)
class Delivery:
    """What goes over the wire."""

    headers: Mapping[str, str]
    body: bytes


@dataclass(frozen=True, slots=True)
class Source:
    """One provider's webhooks.

    Attributes:
        name: stands in the path, `/webhooks/<name>`, and in `HUB_WEBHOOK_<NAME>_SECRET`.
        scheme: how a delivery is signed.
        event_id: what tells two events apart; equal for every delivery of one event.
        event_type: what jobs subscribe to, as `<source>:<type>`.
        occurred_at: when it happened, if the provider says.
        subject: what an event is about, such as a payment's id, for jobs that wait for it; None where no job may.
        answer_within: how long the provider waits for the answer.
        handshake: answers a verified delivery that is no event, such as a challenge; None for events.
        reply: what an accepted event is answered with, where the provider demands its own words.
        sign: the headers the provider would send with a sample, for the secret given: the inverse of `scheme`.
        samples: a body for each event type worth trying, shaped as the provider's own. `{{id}}` becomes the
            event's fresh id, `{{unix}}` its time in whole seconds, `{{iso}}` its time as RFC 3339.
    """

    name: str
    scheme: HmacScheme
    event_id: Extract
    event_type: Extract
    occurred_at: Extract | None = None
    subject: Extract | None = None
    answer_within: timedelta = timedelta(seconds=10)
    handshake: Callable[[Headers, Payload], Reply | None] | None = None
    reply: Reply | None = None
    sign: Sign | None = None
    samples: Mapping[str, bytes] = dataclass_field(default_factory=dict)

    def read(self, headers: Headers, payload: Payload) -> Reading:
        """Find an event's id, type and time. Raises Invalid when there is no usable id or type."""
        return Reading(
            _identifier("id", self.event_id(headers, payload)),
            _identifier("type", self.event_type(headers, payload)),
            _when(self.occurred_at(headers, payload)) if self.occurred_at else None,
            _subject(self.subject(headers, payload)) if self.subject else None,
        )

    def sample(self, event_type: str, *, id: str, at: datetime) -> Sample:  # noqa: A002 - as in Sample
        """Make up an event. Raises NotFound, naming the types there are, when there is none of this type."""
        template = self.samples.get(event_type)
        if template is None:
            known = ", ".join(sorted(self.samples)) or "none"
            raise NotFound(
                f"{self.name} has no sample for {event_type!r}; there is: {known}", code="no_sample"
            )
        return Sample(id, event_type, _filled(template, id, at), at)

    def deliver(self, sample: Sample, secret: str) -> Delivery:
        """Sign a sample as the provider would. Raises NotFound when the source does not say how it is signed."""
        if self.sign is None:
            raise NotFound(f"{self.name} does not say how a sample is signed", code="no_sample")
        headers = {"Content-Type": "application/json", **self.sign(sample, secret)}
        return Delivery(headers, sample.body)


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


def joined(first: Extract, *others: Extract, separator: str = ".") -> Extract:
    """Several values in one, leaving out those of `others` that are not there; None when `first` is not."""

    def extract(headers: Headers, payload: Payload) -> str | None:
        # Without its first part a value would pass for something else: an `issues.opened` for an `opened`.
        head = first(headers, payload)
        if not head:
            return None
        return separator.join([head, *(value for part in others if (value := part(headers, payload)))])

    return extract


def _filled(template: bytes, event_id: str, at: datetime) -> bytes:
    moment = at.astimezone(UTC)
    values = {"id": event_id, "unix": str(int(moment.timestamp())), "iso": f"{moment:%Y-%m-%dT%H:%M:%SZ}"}
    for name, value in values.items():
        template = template.replace(b"{{%s}}" % name.encode(), value.encode())
    return template


def _identifier(what: str, value: str | None) -> str:
    if not value or len(value) > MAX_IDENTIFIER or not value.isprintable():
        message = f"the event carries no usable {what} (1 to {MAX_IDENTIFIER} printable characters)"
        raise Invalid(message, code=f"no_event_{what}")
    return value


def _subject(value: str | None) -> str | None:
    # Nothing to refuse an event for: it is only not found by it.
    return value if value and len(value) <= MAX_IDENTIFIER and value.isprintable() else None


def _when(value: str | None) -> datetime | None:
    if value is None:
        return None
    try:
        moment = datetime.fromtimestamp(int(value), UTC) if value.isascii() and value.isdigit() else None
        moment = moment or datetime.fromisoformat(value)
        # Inside the `try`: a time at the edge of the calendar has no UTC.
        return moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC)
    except (ValueError, OverflowError, OSError):
        return None
