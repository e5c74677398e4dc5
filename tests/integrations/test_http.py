"""Requests to anybody: what is sent, how it is signed, what is kept of the answer."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest
import respx
from standardwebhooks import Webhook

from hub import Call, Effect, Rejected
from hub.domain.effects import is_covered
from hub.domain.errors import Unauthorized
from integrations import http
from tests.infra.calls import sending

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
URL = "https://api.example.com/v1/orders"


def call(**credentials: str) -> Call:
    return Call("", credentials, "hub-key-1", "request-1")


async def sent(
    args: http.Send, answer: httpx.Response | None = None, **credentials: str
) -> tuple[http.HttpAnswer, httpx.Request]:
    router = respx.Router()
    route = router.route(url__startswith="https://api.example.com/").mock(answer or httpx.Response(200))
    async with sending(transport=httpx.MockTransport(router.async_handler)) as sender:
        return await sender.send(http.send, args, call(**credentials)), route.calls.last.request


def order(**fields: Any) -> http.Send:
    return http.Send.model_validate({"url": URL, **fields})


async def test_json_is_sent_as_json() -> None:
    """With the key and the correlation id."""
    _, request = await sent(order(method="PUT", body={"größe": [1, None]}, headers={"X-Shop": "berlin"}))
    assert request.method == "PUT"
    assert json.loads(request.content) == {"größe": [1, None]}
    assert request.headers["content-type"] == "application/json"
    assert request.headers["x-shop"] == "berlin"
    assert request.headers["idempotency-key"] == "hub-key-1"
    assert request.headers["x-request-id"] == "request-1"


async def test_text_is_sent_as_it_is() -> None:
    """And a content type that is given wins."""
    _, request = await sent(order(body="<order/>", headers={"Content-Type": "application/xml"}))
    assert request.content == b"<order/>"
    assert request.headers.get_list("content-type") == ["application/xml"]


async def test_the_signature_is_one_that_standard_webhooks_verifies() -> None:
    """By the reference library, which also looks at the time."""
    _, request = await sent(order(body={"order": 1042}), signing_secret=SECRET)
    Webhook(SECRET).verify(request.content, dict(request.headers))
    assert request.headers["webhook-id"] == "hub-key-1"


async def test_the_signatures_time_is_the_clocks() -> None:
    """The clock is passed in."""
    request = http.building(lambda: 1_700_000_000.9)(http.send, order(), call(signing_secret=SECRET))
    assert request.headers["webhook-timestamp"] == "1700000000"


async def test_without_a_secret_nothing_is_signed() -> None:
    """A signature that nobody can check is none."""
    _, request = await sent(order())
    assert not [name for name in request.headers if name.startswith("webhook-")]


async def test_a_secret_that_cannot_be_one_is_told_without_showing_it() -> None:
    """The error names the variable."""
    with pytest.raises(Unauthorized, match="HUB_HTTP_SIGNING_SECRET") as caught:
        await sent(order(), signing_secret="whsec_not!base64")
    assert "not!base64" not in str(caught.value)


async def test_the_answer_is_kept_in_part() -> None:
    """Some headers, and 64 KiB of text."""
    answer = httpx.Response(
        201,
        headers={"Location": "/1", "Set-Cookie": "a=b", "X-Internal": "x"},
        content=b"\0" + b"x" * 100_000,
    )
    kept, _ = await sent(order(), answer)
    assert (kept.status, kept.headers, kept.truncated) == (201, {"location": "/1"}, True)
    assert len(kept.body) == http.MAX_BODY
    assert kept.body.startswith("\ufffdx")


@pytest.mark.parametrize(
    ("content_type", "content", "text"),
    [
        ("text/plain; charset=iso-8859-1", b"Gr\xfc\xdfe", "Grüße"),
        ("text/plain; charset=nonsense", "Grüße".encode(), "Grüße"),
        ("text/plain; charset=hex", "Grüße".encode(), "Grüße"),
        ("text/plain", b"\xff\xfe", "\ufffd\ufffd"),
    ],
)
async def test_any_answer_becomes_text(content_type: str, content: bytes, text: str) -> None:
    """In whatever it says it is written, and in UTF-8 where that says nothing."""
    kept, _ = await sent(
        order(), httpx.Response(200, headers={"Content-Type": content_type}, content=content)
    )
    assert kept.body == text


@pytest.mark.parametrize("status", [301, 400, 404, 500])
async def test_only_2xx_is_a_result(status: int) -> None:
    """The rest is an error, by its status."""
    with pytest.raises(Exception, match=f"http answered {status}"):
        await sent(order(), httpx.Response(status, headers={"Location": "http://10.0.0.1/"}))


@pytest.mark.parametrize(
    "fields",
    [
        {"url": "ftp://example.com/"},
        {"url": "file:///etc/passwd"},
        {"url": "https://user:password@example.com/"},
        {"url": "https://example.com/", "headers": {"Host": "other"}},
        {"url": "https://example.com/", "headers": {"Webhook-Signature": "v1,x"}},
        {"url": "https://example.com/", "headers": {"X-A": "b\r\nX-C: d"}},
        {"url": "https://example.com/", "headers": {"X-A\r\nX-C": "d"}},
        {"url": "https://example.com/", "headers": {"": "d"}},
        {"url": "https://example.com/", "method": "CONNECT"},
        {"url": "https://example.com/", "body": float("inf")},
    ],
)
def test_what_could_break_out_of_a_request_is_refused(fields: dict[str, Any]) -> None:
    """No other schemes, no credentials in URLs, no second header in a first one."""
    with pytest.raises(ValueError, match="validation error"):
        http.Send.model_validate(fields)


def test_nothing_is_promised_of_a_receiver_nobody_knows() -> None:
    """A repeat is not covered, unless whoever asks says that the receiver bears it."""
    now = datetime(2026, 11, 20, tzinfo=UTC)
    assert http.http.idempotency is not None
    assert not is_covered(now, now=now, kept_for=http.http.idempotency.kept_for)
    assert http.http.idempotency.kept_for == timedelta(0)
    assert http.send.effect is Effect.WRITE
    assert http.send_repeatable.effect is http.fetch.effect is Effect.READ
    assert len({http.send.name, http.send_repeatable.name, http.fetch.name}) == 3


async def test_a_url_the_network_cannot_use_is_refused_for_good() -> None:
    """It will not get better by trying again."""
    async with sending() as sender:
        with pytest.raises(Rejected):
            await sender.send(http.fetch, http.Fetch(url="http://169.254.169.254/latest"), call())  # type: ignore[arg-type]
