"""A provider: its operations as typed data, and pure functions that build a request and read an answer.

Nothing here sends. One sender (`hub.infra.sender`) sends for all providers.
"""

import base64
import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from dataclasses import field as dataclass_field
from datetime import timedelta
from email.utils import parsedate_to_datetime
from typing import Any, Generic, Literal, Protocol, TypeVar
from urllib.parse import quote, urlencode

from hub.domain.effects import Effect
from hub.domain.encoding import fill, flatten
from hub.domain.errors import CallError, NoAnswer, ProviderFault, Rejected, Throttled, Unauthorized
from hub.domain.redaction import is_secret_name


class Model(Protocol):
    """A typed shape (a pydantic model in practice; the rules need no more of it than this)."""

    def model_dump(
        self, *, mode: str = ..., by_alias: bool = ..., exclude_none: bool = ...
    ) -> dict[str, Any]: ...  # pragma: no cover


A_contra = TypeVar("A_contra", bound=Model, contravariant=True)
R_co = TypeVar("R_co", bound=Model, covariant=True)
A = TypeVar("A", bound=Model)
R = TypeVar("R", bound=Model)


@dataclass(frozen=True, slots=True)
class HttpRequest:
    """One HTTP request, ready to be sent. Its repr shows its method alone: all else may hold secrets."""

    method: str
    url: str = dataclass_field(repr=False)
    headers: Mapping[str, str] = dataclass_field(repr=False)
    body: bytes = dataclass_field(default=b"", repr=False)


@dataclass(frozen=True, slots=True)
class Mail:
    """One message for SMTP, as complete RFC 5322 bytes with its envelope. Its repr shows no content."""

    sender: str = dataclass_field(repr=False)
    recipients: tuple[str, ...] = dataclass_field(repr=False)
    message: bytes = dataclass_field(repr=False)
    message_id: str


Request = HttpRequest | Mail


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back: an HTTP answer, or an SMTP reply (its code as `status`, its text as `body`)."""

    status: int
    headers: Mapping[str, str] = dataclass_field(default_factory=dict, repr=False)
    body: bytes = dataclass_field(default=b"", repr=False)

    def json(self) -> Any:
        """The body as JSON; None if it is not JSON."""
        try:
            return json.loads(self.body)
        except (ValueError, RecursionError):
            return None


@dataclass(frozen=True, slots=True)
class Auth:
    """How a provider is told who calls.

    Attributes:
        kind: `bearer` or `basic` in the Authorization header, `header` for a header of its own, `url` where whoever knows
            the address may call it (the address is the secret, and no repr shows it), `none`.
        credential: the credential's name; `secret_key` of provider `stripe` is read from `HUB_STRIPE_SECRET_KEY`.
        header: the header's name for kind `header`.
    """

    kind: Literal["bearer", "basic", "header", "url", "none"]
    credential: str = ""
    header: str = "Authorization"

    def headers(self, credentials: Mapping[str, str]) -> dict[str, str]:
        """The headers that authenticate a request."""
        match self.kind:
            case "none" | "url":
                return {}
            case "bearer":
                return {self.header: f"Bearer {credentials[self.credential]}"}
            case "basic":
                return {
                    self.header: f"Basic {base64.b64encode(credentials[self.credential].encode()).decode()}"
                }
            case "header":
                return {self.header: credentials[self.credential]}


def bearer(credential: str) -> Auth:
    """`Authorization: Bearer <credential>`."""
    return Auth("bearer", credential)


NO_AUTH = Auth("none")


@dataclass(frozen=True, slots=True)
class Idempotency:
    """How a provider is told that two requests are one, and for how long it remembers."""

    header: str
    kept_for: timedelta


@dataclass(frozen=True, slots=True)
class LookUp:
    """How a person finds out whether something was done at a provider.

    Attributes:
        hint: where to look and for what, one sentence; `{key}` is the idempotency key.
        url: the page to look at, with `{key}` where it takes it; empty if there is none to name.
    """

    hint: str
    url: str = ""

    def __post_init__(self) -> None:
        for text in (self.hint, self.url):
            if _UNKNOWN_PLACE.search(text):
                raise ValueError("LookUp fills in {key} and nothing else")

    def hint_for(self, key: str) -> str:
        """The hint about one effect."""
        return self.hint.replace("{key}", key)

    def url_for(self, key: str) -> str | None:
        """The page for one effect."""
        return self.url.replace("{key}", quote(key, safe="")) or None


_UNKNOWN_PLACE = re.compile(r"\{(?!key\})")


@dataclass(frozen=True, slots=True)
class Limits:
    """What a provider can bear from the whole of one worker process.

    Attributes:
        per_second: requests a second; None for no limit.
        concurrent: requests at once.
    """

    per_second: float | None = None
    concurrent: int = 50

    def __post_init__(self) -> None:
        if self.concurrent < 1 or not (self.per_second is None or self.per_second > 0):
            raise ValueError("Limits need concurrent >= 1 and per_second > 0 (or None)")


@dataclass(frozen=True, slots=True)
class Call:
    """What a request is built from, besides its arguments."""

    base_url: str
    credentials: Mapping[str, str] = dataclass_field(repr=False)
    idempotency_key: str
    correlation_id: str


Build = Callable[["Operation[Any, Any]", Any, Call], Request]
Read = Callable[["Operation[Any, Any]", Answer], Mapping[str, Any]]
ErrorOf = Callable[[Answer], CallError | None]
Already = Callable[[Answer], Mapping[str, Any] | None]


@dataclass(frozen=True, slots=True)
class Provider:
    """A third party, as data.

    Attributes:
        name: stands in `HUB_<NAME>_BASE_URL`, in the ledger and in metrics.
        base_url: where it lives unless configured otherwise; empty if only configuration can say (or arguments do).
        auth: how it is told who calls.
        idempotency: how repeats are made harmless; None if it offers nothing.
        limits: what it can bear.
        timeout: for one whole call, connecting and reading included.
        error: turns an answer that is not 2xx into the provider's own error; None leaves it to the status.
        settings: names of further settings, optional, read from `HUB_<NAME>_<SETTING>` into the call's credentials.
        look_up: how a person finds out whether something was done there.
        no_probe: why none of its operations is its probe (see `operation`), for people.
    """

    name: str
    base_url: str = ""
    auth: Auth = NO_AUTH
    idempotency: Idempotency | None = None
    limits: Limits = Limits()
    timeout: timedelta = timedelta(seconds=20)
    headers: Mapping[str, str] = dataclass_field(default_factory=dict)
    error: ErrorOf | None = None
    settings: tuple[str, ...] = ()
    look_up: LookUp | None = None
    no_probe: str = ""

    def keeps_secret(self, name: str) -> bool:
        """Whether a credential or setting is a secret. The others (a sender's address, a mode) are ordinary words."""
        return name == self.auth.credential or is_secret_name(name)

    def operation(  # noqa: PLR0913 - the options are named where they are given
        self,
        method: str,
        path: str,
        args: type[A],
        result: type[R],
        *,
        effect: Effect | None = None,
        encode: Literal["json", "form"] = "json",
        build: Build | None = None,
        read: Read | None = None,
        already: Already | None = None,
        probe: bool = False,
    ) -> "Operation[A, R]":
        """Describe one thing the provider can do.

        Args:
            method: the HTTP method.
            path: joined to the base URL; `{name}` takes the argument of that name out of the body.
            args: what goes in.
            result: what comes back, only the fields that jobs use: what is not declared is not kept.
            effect: what it changes; by default READ for GET, else WRITE.
            encode: how the arguments are written.
            build: builds the request where method, path and arguments do not say enough.
            read: reads a good answer where it is not a JSON object.
            already: the fields of a refusal that says: what was asked for is so already (whoever did it); None for
                every other.
            probe: this is what a person sends to see whether the provider is well: it needs no arguments, and changes
                nothing.
        """
        effect = effect or (Effect.READ if method in {"GET", "HEAD"} else Effect.WRITE)
        return Operation(
            self,
            method,
            path,
            args,
            result,
            effect,
            encode,
            build or build_http,
            read or read_json,
            already,
            probe,
        )


@dataclass(frozen=True, slots=True)
class Operation(Generic[A, R]):
    """One thing a provider can do. Made by `Provider.operation`."""

    provider: Provider
    method: str
    path: str
    args: type[A]
    result: type[R]
    effect: Effect
    encode: Literal["json", "form"]
    build: Build
    read: Read
    already: Already | None = None
    probe: bool = False

    @property
    def name(self) -> str:
        """How the ledger names it, such as `stripe POST /v1/refunds`."""
        return f"{self.provider.name} {self.method} {self.path}"

    def request(self, args: A, call: Call) -> Request:
        """The request to send."""
        return self.build(self, args, call)

    def reading(self, answer: Answer) -> Mapping[str, Any]:
        """The fields of a good answer; raises the CallError that a bad one stands for."""
        error = error_of(self.provider, answer)
        if error is None:
            return self.read(self, answer)
        if isinstance(error, Rejected) and self.already and (fields := self.already(answer)) is not None:
            return fields
        raise error


def build_http(operation: Operation[Any, Any], args: Model, call: Call) -> HttpRequest:
    """Build a request from method, path and arguments: the path takes its own, the rest is body (or query).

    Raises Rejected where an argument cannot stand in the path.
    """
    path, fields = fill(operation.path, args.model_dump(mode="json", by_alias=True, exclude_none=True))
    provider = operation.provider
    headers = {"Accept": "application/json", **provider.headers, **provider.auth.headers(call.credentials)}
    headers["X-Request-Id"] = call.correlation_id
    url = call.base_url.rstrip("/") + path
    if operation.method in {"GET", "HEAD", "DELETE"}:
        query = urlencode(flatten(fields))
        return HttpRequest(operation.method, f"{url}?{query}" if query else url, headers)
    if provider.idempotency:
        headers[provider.idempotency.header] = call.idempotency_key
    if operation.encode == "form":
        headers["Content-Type"] = "application/x-www-form-urlencoded"
        return HttpRequest(operation.method, url, headers, urlencode(flatten(fields)).encode())
    headers["Content-Type"] = "application/json"
    return HttpRequest(operation.method, url, headers, json.dumps(fields, ensure_ascii=False).encode())


def read_json(operation: Operation[Any, Any], answer: Answer) -> Mapping[str, Any]:
    """Read a good answer that is a JSON object. Anything else means that we do not know what happened."""
    value = answer.json()
    if not isinstance(value, dict):
        message = f"{operation.provider.name} answered {answer.status} without a JSON object"
        raise NoAnswer(message, code="unreadable_answer", status=answer.status)
    return value


def error_of(provider: Provider, answer: Answer) -> CallError | None:
    """The error an answer stands for, None for 2xx. The provider's own reading comes first."""
    if 200 <= answer.status < 300:
        return None
    if provider.error and (known := provider.error(answer)):
        return known
    return by_status(provider.name, answer)


def by_status(name: str, answer: Answer, *, code: str | None = None, message: str | None = None) -> CallError:
    """The error that a status alone stands for (RFC 9110, RFC 6585)."""
    text = message or f"{name} answered {answer.status}"
    kind: type[CallError]
    match answer.status:
        case 429:
            kind, code = Throttled, code or "throttled"
        case 401 | 403:
            kind, code = Unauthorized, code or "unauthorized"
        # A conflict on a key in use, a timeout and a lock are about a request still under way: not a no.
        case 408 | 409 | 423 | 425:
            kind, code = ProviderFault, code or f"status_{answer.status}"
        case status if status >= 500 or status < 400:
            kind, code = ProviderFault, code or f"status_{answer.status}"
        case _:
            kind, code = Rejected, code or f"status_{answer.status}"
    return kind(text, code=code, retry_after=retry_after_of(answer), status=answer.status)


MAX_RETRY_AFTER = timedelta(hours=6)


def retry_after_of(answer: Answer) -> timedelta | None:
    """Retry-After (RFC 9110, 10.2.3), at most six hours; nonsense counts as not given.

    A date is measured against the answer's own Date, so that it does not matter whose clock is wrong.
    """
    value = answer.headers.get("retry-after", "").strip()
    if value.isascii() and value.isdigit():
        return min(timedelta(seconds=int(value[:9])), MAX_RETRY_AFTER)
    try:
        wait = parsedate_to_datetime(value) - parsedate_to_datetime(answer.headers.get("date", ""))
    except (ValueError, TypeError, OverflowError):
        return None
    return min(max(wait, timedelta(0)), MAX_RETRY_AFTER)
