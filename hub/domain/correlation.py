"""What ties everything that followed from one request or event together.

A caller's own id is kept where it is safe to keep, so that its logs and the hub's can be searched for the same word.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass

# No blanks, quotes, commas or control characters: it goes into logs, headers and search boxes as it is.
_REQUEST_ID = re.compile(r"[A-Za-z0-9._:/+=@-]{1,128}")
# https://www.w3.org/TR/trace-context/#traceparent-header ; a higher version may add fields behind these four
_TRACEPARENT = re.compile(r"([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(-.*)?")


@dataclass(frozen=True, slots=True)
class TraceParent:
    """A W3C trace context: 32 hex digits of trace, 16 of the span that calls, and whether it is sampled."""

    trace_id: str
    span_id: str
    sampled: bool

    def __str__(self) -> str:
        return f"00-{self.trace_id}-{self.span_id}-{int(self.sampled):02x}"


def parse_traceparent(value: str | None) -> TraceParent | None:
    """Read a `traceparent` header; None where it is missing or, by the specification, to be ignored."""
    found = _TRACEPARENT.fullmatch(value.strip(" \t")) if value and len(value) <= 512 else None
    if found is None:
        return None
    version, trace_id, span_id, flags, rest = found.groups()
    if version == "ff" or (version == "00" and rest) or not trace_id.strip("0") or not span_id.strip("0"):
        return None
    return TraceParent(trace_id, span_id, sampled=bool(int(flags, 16) & 1))


def is_request_id(value: str) -> bool:
    """Whether an id is safe to keep: 1 to 128 of letters, digits and `._:/+=@-`."""
    return _REQUEST_ID.fullmatch(value) is not None


def correlation_id(headers: Mapping[str, str], new: str) -> str:
    """The caller's X-Request-Id, else the trace id of its traceparent, else `new`.

    An id that is not safe is passed over, not repaired: a repaired one would be found by nobody.

    Args:
        headers: looked up in lower case (aiohttp's are case-insensitive).
        new: a fresh id, used when the caller brings none.
    """
    given = headers.get("x-request-id", "")
    if is_request_id(given):
        return given
    trace = parse_traceparent(headers.get("traceparent"))
    return trace.trace_id if trace else new
