"""The authoring surface: all that a provider, source or job file may import from the hub."""

from hub.domain.effects import Effect
from hub.domain.errors import (
    CallError,
    Declined,
    Fail,
    NoAnswer,
    ProviderFault,
    Rejected,
    Snooze,
    Throttled,
    WaitTimedOut,
)
from hub.domain.providers import (
    NO_AUTH,
    Answer,
    Auth,
    Call,
    HttpRequest,
    Idempotency,
    Limits,
    LookUp,
    Mail,
    Operation,
    Provider,
    bearer,
    by_status,
    retry_after_of,
)
from hub.domain.retry import Backoff
from hub.domain.signatures import (
    HmacScheme,
    Presented,
    Refused,
    prefixed_hex,
    standard_webhooks,
    timestamped_hex,
    utf8_key,
)
from hub.domain.sources import Delivery, Headers, Payload, Reply, Sample, Source, field, header, joined
from hub.domain.specs import JobContext, job
from hub.models import Args, EventModel, Result

__version__ = "0.1.0"

__all__ = [
    "NO_AUTH",
    "Answer",
    "Args",
    "Auth",
    "Backoff",
    "Call",
    "CallError",
    "Declined",
    "Delivery",
    "Effect",
    "EventModel",
    "Fail",
    "Headers",
    "HmacScheme",
    "HttpRequest",
    "Idempotency",
    "JobContext",
    "Limits",
    "LookUp",
    "Mail",
    "NoAnswer",
    "Operation",
    "Payload",
    "Presented",
    "Provider",
    "ProviderFault",
    "Refused",
    "Rejected",
    "Reply",
    "Result",
    "Sample",
    "Snooze",
    "Source",
    "Throttled",
    "WaitTimedOut",
    "bearer",
    "by_status",
    "field",
    "header",
    "job",
    "joined",
    "prefixed_hex",
    "retry_after_of",
    "standard_webhooks",
    "timestamped_hex",
    "utf8_key",
]
