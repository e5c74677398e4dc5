"""What requests are made of: the same types validate them and describe them in the API's document."""

import re
from datetime import UTC, datetime
from typing import Annotated, Any, Self
from uuid import UUID

from pydantic import (
    AfterValidator,
    AwareDatetime,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    StringConstraints,
    ValidationError,
    model_validator,
)

from hub.domain.correlation import is_request_id
from hub.domain.errors import Invalid, Problem
from hub.domain.jobs import JobState
from hub.domain.search import MAX_LENGTH
from hub.web.bodies import escape

MAX_ITEMS = 1_000
MAX_ARGS = 256 * 1024
MAX_WAIT = 30

# https://www.rfc-editor.org/rfc/rfc3339#section-5.6; an offset is required
_RFC3339 = re.compile(r"\d{4}-\d\d-\d\d[Tt ]\d\d:\d\d:\d\d(\.\d{1,9})?([Zz]|[+-]\d\d:\d\d)")


def _written_moment(value: object) -> object:
    # Pydantic alone would take numbers, and dates without a time.
    if not isinstance(value, str) or not _RFC3339.fullmatch(value):
        raise ValueError("must be a time with an offset, as RFC 3339 has it, such as 2027-01-31T09:00:00Z")
    return value


def _in_utc(value: datetime) -> datetime:
    try:
        return value.astimezone(UTC)
    except OverflowError:
        # With its offset it lies before the year 1 or after 9999, which nothing behind this can hold.
        raise ValueError("must lie within the years 1 to 9999 in UTC") from None


def _safe_id(value: str) -> str:
    if not is_request_id(value):
        raise ValueError("must be 1 to 128 of letters, digits and ._:/+=@-")
    return value


Moment = Annotated[AwareDatetime, BeforeValidator(_written_moment), AfterValidator(_in_utc)]
CorrelationId = Annotated[
    str,
    AfterValidator(_safe_id),
    Field(json_schema_extra={"pattern": "^[A-Za-z0-9._:/+=@-]{1,128}$"}),
]
Name = Annotated[str, StringConstraints(min_length=1, max_length=200)]
Search = Annotated[str, StringConstraints(max_length=MAX_LENGTH)]
Tag = Annotated[str, StringConstraints(min_length=1, max_length=64)]
Tags = Annotated[list[Tag], Field(max_length=20)]
Priority = Annotated[int, Field(ge=0, le=9, strict=True)]
IdempotencyKey = Annotated[str, StringConstraints(pattern=r"^[\x21-\x7e]{1,255}$")]


class Request(BaseModel):
    """What a caller sends: nothing unknown is let through, so that a misspelt field is not silently ignored."""

    model_config = ConfigDict(extra="forbid", use_attribute_docstrings=True, allow_inf_nan=False)


class JobSubmission(Request):
    """A job to be done."""

    job: Name
    """The name of the job."""
    args: dict[str, Any] = {}
    """Its arguments, at most 256 KiB of JSON."""
    queue: Name | None = None
    """The queue to wait in; by default the job's own."""
    priority: Priority | None = None
    """0 (last) to 9 (first); by default the job's own."""
    run_at: Moment | None = None
    """Not before this time, a year ahead at most; the past is now."""
    correlation_id: CorrelationId | None = None
    """What ties the job to your own records; by default the request's X-Request-Id."""
    tags: Tags = []
    """For finding it again."""


class BatchItem(JobSubmission):
    """One job of many."""

    idempotency_key: IdempotencyKey | None = None
    """Makes a repeat the same job, as the header Idempotency-Key does for a single one."""


class BatchSubmission(Request):
    """Many jobs to be done, committed together."""

    jobs: list[Any] = Field(min_length=1, max_length=MAX_ITEMS)
    """Each is judged by itself: one that does not fit does not stop the others."""


class Why(Request):
    """Why a person does something; kept in the audit log."""

    reason: (
        Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=1_000)] | None
    ) = None
    """In words. Needed to retry a job whose effect is uncertain: say what you found at the provider."""


class WhyRetry(Why):
    """Why a job is retried."""

    decided: bool = False
    """You have looked up, at the provider, every effect that `retry.doubts` names. Needed with a reason, and the scope
    `jobs:decide`, where `retry.needs_decision`; without it, a reason alone answers a job that failed as `uncertain`."""


class Query(BaseModel):
    """What stands behind the question mark."""

    model_config = ConfigDict(extra="forbid", use_attribute_docstrings=True)


class NoQuery(Query):
    """Nothing."""


class WaitQuery(Query):
    """Whether to wait for the job."""

    wait: Annotated[
        float,
        Field(ge=0, examples=[5], allow_inf_nan=False),
        AfterValidator(lambda wait: min(wait, MAX_WAIT)),
    ] = 0
    """Seconds to hold the request until the job has settled; more than 30 is taken for 30."""


class PageQuery(Query):
    """Which part of a list."""

    limit: int = Field(default=50, ge=1, le=200)
    """The most items to give."""
    cursor: Annotated[str, StringConstraints(min_length=1, max_length=200)] | None = None
    """The `next_cursor` of the part before."""


def comma_separated(value: object) -> object:
    """A list that stands in a query with commas between."""
    return [part.strip() for part in value.split(",")] if isinstance(value, str) else value


class JobsQuery(PageQuery):
    """Which jobs."""

    q: Search = ""
    """A search, as `state:failed provider:stripe order:1234 since:2h`; its terms and the other parameters must all hold."""
    state: Annotated[list[JobState], BeforeValidator(comma_separated)] = Field(
        default=[], examples=[["failed", "held"]]
    )
    """In one of these states, with commas between."""
    job: Name | None = None
    """Of this name."""
    queue: Name | None = None
    """Of this queue."""
    application: Name | None = None
    """Submitted by the application of this name."""
    error_signature: Name | None = None
    """Failed for this cause: the `error.signature` of another job."""
    tag: Tag | None = None
    """With this tag."""
    correlation_id: Name | None = None
    """Of this request or event."""
    event_id: UUID | None = None
    """Started by this event."""
    created_after: Moment | None = None
    """Created at this time or later."""
    created_before: Moment | None = None
    """Created before this time."""
    text: Annotated[str, StringConstraints(min_length=1, max_length=200)] | None = None
    """With this text in the latest error, in capitals or not."""

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        _check_order(self.created_after, self.created_before)
        return self


class EventsQuery(PageQuery):
    """Which events."""

    q: Search = ""
    """A search, as `source:stripe type:payment_intent.* since:2h`; its terms and the other parameters must all hold."""
    source: Name | None = None
    """From this source."""
    type: Name | None = None
    """Of this type."""
    external_id: Annotated[str, StringConstraints(min_length=1, max_length=255)] | None = None
    """With this id of the provider's."""
    correlation_id: Name | None = None
    """Under this correlation id."""
    received_after: Moment | None = None
    """Received at this time or later."""
    received_before: Moment | None = None
    """Received before this time."""

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        _check_order(self.received_after, self.received_before)
        return self


def _check_order(after: datetime | None, before: datetime | None) -> None:
    if after is not None and before is not None and after >= before:
        raise ValueError("the time after must lie before the time before")


def refused(error: ValidationError, prefix: str = "") -> Invalid:
    """One problem for each thing that is wrong, with a pointer to it."""
    problems = tuple(
        Problem(prefix + "".join(f"/{escape(part)}" for part in item["loc"]), _sentence(item["msg"]))
        for item in error.errors(include_input=False, include_url=False, include_context=False)
    )
    return Invalid("the request does not fit; `errors` says where", code="invalid", problems=problems[:50])


def _sentence(message: str) -> str:
    return message.removeprefix("Value error, ")
