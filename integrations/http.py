"""Any third party that speaks HTTP: a signed request to an address that the arguments name.

HUB_HTTP_SIGNING_SECRET (`whsec_…`) signs each request per Standard Webhooks, so that the receiver can tell that it is
the hub. HUB_HTTP_ALLOW_PRIVATE=1 lets requests go to private addresses; unless it is set, only public ones are called.
https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md
"""

import base64
import json
import re
import time
from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, ConfigDict, Field, HttpUrl, JsonValue, StringConstraints

from hub import (
    Answer,
    Args,
    Call,
    Effect,
    HttpRequest,
    Idempotency,
    Limits,
    Operation,
    Provider,
    Result,
    by_status,
    standard_webhooks,
)

MAX_BODY = 64 * 1024  # bytes of an answer that are kept
KEPT_HEADERS = ("content-type", "etag", "last-modified", "location", "request-id", "x-request-id")
# What the hub, its transport or the signature says itself.
RESERVED = frozenset(
    [
        "accept-encoding",
        "connection",
        "content-length",
        "expect",
        "host",
        "idempotency-key",
        "keep-alive",
        "proxy-authorization",
        "proxy-connection",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
        "webhook-id",
        "webhook-signature",
        "webhook-timestamp",
        "x-request-id",
    ]
)
_SCHEME = standard_webhooks()

http = Provider(
    "http",
    # The key is sent, but nobody knows what an unknown receiver makes of it: nothing is promised.
    idempotency=Idempotency("Idempotency-Key", kept_for=timedelta(0)),
    limits=Limits(concurrent=50),
    timeout=timedelta(seconds=30),
    settings=("signing_secret", "allow_private"),
    no_probe="its addresses come from the arguments of jobs: there is no one place to ask",
)


def _without_user(url: HttpUrl) -> HttpUrl:
    if url.username or url.password:
        raise ValueError("must not hold a user or password: send them as a header")
    return url


def _not_reserved(name: str) -> str:
    if name.lower() in RESERVED:
        raise ValueError("is the hub's own to send")
    return name


Url = Annotated[HttpUrl, AfterValidator(_without_user)]
# RFC 9110, 5.1 and 5.5: what cannot end a header.
HeaderName = Annotated[
    str,
    StringConstraints(pattern=r"^[A-Za-z0-9!#$%&'*+.^_`|~-]{1,100}$"),
    AfterValidator(_not_reserved),
]
HeaderValue = Annotated[str, StringConstraints(pattern=r"^[\x20-\x7e]{0,4000}$")]
Headers = Annotated[dict[HeaderName, HeaderValue], Field(max_length=50)]
NO_HEADERS: Headers = {}  # pydantic copies it for each model


class Fetch(Args):
    """A request that changes nothing."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"method": "GET", "url": "https://api.example.com/v1/orders/1042"}]}
    )

    method: Literal["GET", "HEAD"] = "GET"
    url: Url
    headers: Headers = NO_HEADERS


class Send(Args):
    """A request that may change something.

    Attributes:
        body: text is sent as it is; any other JSON value as JSON; null sends no body.
    """

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "method": "POST",
                    "url": "https://api.example.com/v1/orders",
                    "headers": {"X-Shop": "berlin"},
                    "body": {"order": 1042, "state": "paid"},
                }
            ]
        }
    )

    method: Literal["POST", "PUT", "PATCH", "DELETE"] = "POST"
    url: Url
    headers: Headers = NO_HEADERS
    body: JsonValue = None


class HttpAnswer(Result):
    """A good answer.

    Attributes:
        headers: a few that matter; names in lower case.
        body: as text, the first 64 KiB.
        truncated: whether there was more.
    """

    status: int
    headers: dict[str, str]
    body: str
    truncated: bool


def building(
    clock: Callable[[], float] = time.time,
) -> Callable[[Operation[Any, Any], Any, Call], HttpRequest]:
    """A builder whose signatures carry this clock's time, in Unix seconds."""

    def build(operation: Operation[Any, Any], args: Fetch | Send, call: Call) -> HttpRequest:
        own, content = _content(args)
        headers = {name.lower(): value for name, value in {**own, **args.headers}.items()}
        headers["x-request-id"] = call.correlation_id
        if operation.effect is not Effect.READ or isinstance(args, Send):
            headers["idempotency-key"] = call.idempotency_key
        headers |= _signature(call, content, int(clock()))
        return HttpRequest(args.method, str(args.url).partition("#")[0], headers, content)

    return build


def _content(args: Fetch | Send) -> tuple[dict[str, str], bytes]:
    match args:
        case Send(body=str() as text):
            return {"content-type": "text/plain; charset=utf-8"}, text.encode("utf-8", "replace")
        case Send(body=body) if body is not None:
            return {"content-type": "application/json"}, json.dumps(body, separators=(",", ":")).encode()
        case _:
            return {"accept": "*/*"}, b""


def _signature(call: Call, content: bytes, at: int) -> dict[str, str]:
    secret = call.credentials.get("signing_secret")
    if not secret:
        return {}
    try:
        signed = _SCHEME.sign(f"{call.idempotency_key}.{at}.".encode() + content, secret)
    except ValueError:
        message = "HUB_HTTP_SIGNING_SECRET must be base64 behind 'whsec_'"
        raise by_status("http", Answer(401), code="not_configured", message=message) from None
    return {
        "webhook-id": call.idempotency_key,
        "webhook-timestamp": str(at),
        "webhook-signature": "v1," + base64.b64encode(signed).decode(),
    }


def read(_operation: Operation[Any, Any], answer: Answer) -> Mapping[str, Any]:
    """Keep what can be stored: text, not too much of it."""
    charset = re.search(r"charset=[\"']?([\w-]{1,40})", answer.headers.get("content-type", ""), re.IGNORECASE)
    return {
        "status": answer.status,
        "headers": {name: answer.headers[name][:1000] for name in KEPT_HEADERS if name in answer.headers},
        "body": _text(answer.body[:MAX_BODY], charset[1] if charset else "utf-8"),
        "truncated": len(answer.body) > MAX_BODY,
    }


def _text(body: bytes, charset: str) -> str:
    try:
        text = body.decode(charset, "replace")
    except (LookupError, ValueError):
        text = body.decode("utf-8", "replace")
    return text.replace("\0", "\ufffd").encode("utf-8", "replace").decode()


fetch = http.operation("FETCH", "{url}", Fetch, HttpAnswer, effect=Effect.READ, build=building(), read=read)
send = http.operation("SEND", "{url}", Send, HttpAnswer, build=building(), read=read)
# READ is the ledger's word for "may always be repeated": whoever chose this said that the receiver does a thing once,
# however often it is told (it looks at the Idempotency-Key, or a PUT simply writes the same again).
send_repeatable = http.operation(
    "SEND", "{url}#repeatable", Send, HttpAnswer, effect=Effect.READ, build=building(), read=read
)
