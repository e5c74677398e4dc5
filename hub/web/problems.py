"""Everything that goes wrong, told as RFC 9457 problem documents. https://www.rfc-editor.org/rfc/rfc9457"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from http import HTTPStatus

from aiohttp import web
from typing_extensions import TypedDict

from hub.domain.errors import (
    Conflict,
    CredentialRefused,
    Forbidden,
    HubError,
    Invalid,
    KeyReused,
    LoginRefused,
    NotFound,
    Problem,
    Refusal,
    SignatureRefused,
    TooManyLogins,
    Unavailable,
)
from hub.web.answers import PROBLEM_HEADERS, dumps


@dataclass(frozen=True, slots=True)
class Kind:
    """A type of problem: its name stands in `type`, and its meaning on the page that `type` leads to."""

    name: str
    status: int
    title: str
    meaning: str

    @property
    def type(self) -> str:
        """Where it is explained; a reference relative to the hub's own address."""
        return f"/docs#problem-{self.name}"


KINDS = (
    Kind("unreadable", 400, "The request cannot be read", "The bytes are not what they should be: broken JSON, invalid UTF-8, nested too deeply, malformed HTTP."),
    Kind("unauthenticated", 401, "Not authenticated", "The API key, or a webhook's signature, is missing or wrong, or the key was revoked."),
    Kind("forbidden", 403, "Not allowed", "The key is good, and does not have the scope that this takes."),
    Kind("not-found", 404, "Not found", "There is no such thing, or not for this caller."),
    Kind("method", 405, "Method not allowed", "The address exists, and does not take this method; `Allow` lists those it takes."),
    Kind("timeout", 408, "The request took too long", "The body did not arrive in time. Nothing was changed; send it again."),
    Kind("conflict", 409, "The state of things forbids it", "The detail says which state, and what would be allowed."),
    Kind("too-large", 413, "The request is too large", "The detail says what the limit is."),
    Kind("expectation", 417, "Expectation failed", "Only `Expect: 100-continue` is understood."),
    Kind("invalid", 422, "The request does not fit", "It was read, and something in it is wrong: each entry of `errors` points at one thing."),
    Kind("too-many", 429, "Too many requests", "The key's rate limit is used up; `Retry-After` says when to come back."),
    Kind("headers-too-large", 431, "The headers are too large", "A header, or all of them together, is larger than the hub takes."),
    Kind("internal", 500, "Something went wrong in the hub", "It was logged under the correlation id."),
    Kind("unavailable", 503, "Not available at the moment", "A store is away or full. Nothing is known to have been changed; send the same request again after `Retry-After`."),
)  # fmt: skip

# RFC 6750, 3.1
INVALID_TOKEN = {"WWW-Authenticate": 'Bearer realm="hub", error="invalid_token"'}

_BY_STATUS = {kind.status: kind for kind in KINDS}
_BY_ERROR: tuple[tuple[type[HubError], int], ...] = (
    (SignatureRefused, 401),
    (CredentialRefused, 401),
    (LoginRefused, 401),
    (TooManyLogins, 429),
    (Forbidden, 403),
    (NotFound, 404),
    (Conflict, 409),
    (KeyReused, 422),
    (Invalid, 422),
    (Refusal, 422),
)


class ProblemItem(TypedDict):
    """One thing that is wrong: a JSON pointer into the body, `/query/…` or `/headers/…`, and a sentence."""

    pointer: str
    message: str


class ProblemDocument(TypedDict):
    """What went wrong. RFC 9457."""

    type: str
    title: str
    status: int
    detail: str
    code: str
    errors: list[ProblemItem]
    correlation_id: str


class HttpProblem(Exception):
    """A problem of HTTP itself, raised by this layer; what the services raise is translated by `explain`."""

    def __init__(
        self,
        status: int,
        code: str,
        detail: str,
        *,
        problems: tuple[Problem, ...] = (),
        headers: Mapping[str, str] | None = None,
        close: bool = False,
    ) -> None:
        super().__init__(detail)
        self.explained = Explained(status, code, detail, problems, headers or {}, close)


@dataclass(frozen=True, slots=True)
class Explained:
    """What is told of something that went wrong. `close`: the connection is of no further use."""

    status: int
    code: str
    detail: str
    problems: tuple[Problem, ...] = ()
    headers: Mapping[str, str] = field(default_factory=dict)
    close: bool = False

    def document(self, correlation_id: str) -> ProblemDocument:
        """The problem document."""
        kind = _BY_STATUS.get(self.status)
        return {
            "type": kind.type if kind else "about:blank",
            "title": kind.title if kind else HTTPStatus(self.status).phrase,
            "status": self.status,
            "detail": self.detail,
            "code": self.code,
            "errors": [{"pointer": problem.pointer, "message": problem.message} for problem in self.problems],
            "correlation_id": correlation_id,
        }

    def response(self, correlation_id: str) -> web.Response:
        """The answer."""
        body = dumps(self.document(correlation_id))
        response = web.Response(body=body, status=self.status, headers=PROBLEM_HEADERS)
        response.headers.update(self.headers)
        if self.close:
            response.force_close()
        return response


def explain(error: Exception) -> Explained | None:
    """What is told of an error; None for one that nobody foresaw, of which nothing is told."""
    match error:
        case HttpProblem():
            return error.explained
        case Unavailable():
            seconds = max(1, math.ceil(error.retry_after.total_seconds()))
            return Explained(503, "unavailable", str(error), headers={"Retry-After": str(seconds)})
        case Refusal():
            status = next(status for kind, status in _BY_ERROR if isinstance(error, kind))
            headers = INVALID_TOKEN if isinstance(error, CredentialRefused) else {}
            return Explained(status, error.code, str(error), error.problems, headers)
        case web.HTTPException() if error.status >= 400:
            return _of_aiohttp(error)
        case _:
            return None


INTERNAL = Explained(500, "internal", "it was logged under the correlation id")


def _of_aiohttp(error: web.HTTPException) -> Explained:
    kind = _BY_STATUS.get(error.status)
    code = kind.name.replace("-", "_") if kind else f"status_{error.status}"
    match error:
        case web.HTTPMethodNotAllowed():
            allowed = ", ".join(sorted(error.allowed_methods))
            return Explained(405, code, f"this address takes {allowed}", headers={"Allow": allowed})
        case web.HTTPNotFound():
            return Explained(404, code, "there is nothing at this address")
        case _:
            return Explained(error.status, code, error.text or error.reason)
