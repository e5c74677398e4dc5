"""A provider builds its requests and reads its answers without sending anything."""

import base64
import json
from datetime import timedelta
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hub.domain.effects import Certainty, Effect
from hub.domain.errors import (
    CallError,
    Declined,
    NoAnswer,
    ProviderFault,
    Rejected,
    Throttled,
    Unauthorized,
)
from hub.domain.providers import (
    MAX_RETRY_AFTER,
    NO_AUTH,
    Answer,
    Auth,
    Call,
    HttpRequest,
    Idempotency,
    Limits,
    Mail,
    Operation,
    Provider,
    bearer,
    by_status,
    error_of,
    retry_after_of,
)
from hub.models import Args, Result


class Charge(Args):
    customer: str
    amount: int
    metadata: dict[str, str] | None = None


class Receipt(Result):
    id: str


SECRET = "sk_test_very_secret"
SHOP = Provider(
    "shop",
    base_url="https://api.shop.test",
    auth=bearer("secret_key"),
    idempotency=Idempotency("Idempotency-Key", timedelta(hours=24)),
    headers={"Shop-Version": "2026-10-28"},
)
CALL = Call("https://api.shop.test/", {"secret_key": SECRET}, "hub-1-1-0", "corr-1")
ARGS = Charge(customer="cus/1", amount=100, metadata={"order": "é"})


def built(method: str, path: str = "/v1/{customer}/charges", **options: Any) -> HttpRequest:
    request = SHOP.operation(method, path, Charge, Receipt, **options).request(ARGS, CALL)
    assert isinstance(request, HttpRequest)
    return request


def test_a_write_carries_its_key_and_its_arguments() -> None:
    """JSON unless said otherwise; what stands in the path is not in the body."""
    request = built("POST")

    assert (request.method, request.url) == ("POST", "https://api.shop.test/v1/cus%2F1/charges")
    assert json.loads(request.body) == {"amount": 100, "metadata": {"order": "é"}}
    assert request.headers == {
        "Accept": "application/json",
        "Authorization": f"Bearer {SECRET}",
        "Content-Type": "application/json",
        "Idempotency-Key": "hub-1-1-0",
        "Shop-Version": "2026-10-28",
        "X-Request-Id": "corr-1",
    }


def test_a_form_is_written_as_a_form() -> None:
    """With brackets, in UTF-8."""
    request = built("POST", encode="form")

    assert request.headers["Content-Type"] == "application/x-www-form-urlencoded"
    assert parse_qsl(request.body.decode()) == [("amount", "100"), ("metadata[order]", "é")]


@pytest.mark.parametrize("method", ["GET", "HEAD", "DELETE"])
def test_a_request_without_a_body_puts_its_arguments_in_the_query(method: str) -> None:
    """And carries no key: these methods are idempotent by themselves."""
    request = built(method)

    assert parse_qsl(urlsplit(request.url).query) == [("amount", "100"), ("metadata[order]", "é")]
    assert request.body == b""
    assert not {"Idempotency-Key", "Content-Type"} & set(request.headers)
    assert built(method, effect=Effect.READ, path="/v1/charges").url.startswith(
        "https://api.shop.test/v1/charges?customer="
    )


def test_a_provider_without_idempotency_gets_no_key() -> None:
    """Nothing is claimed that it would not honour."""
    bare = Provider("bare", base_url="https://bare.test")
    request = bare.operation("POST", "/x", Charge, Receipt).request(ARGS, CALL)

    assert isinstance(request, HttpRequest)
    assert not {"Idempotency-Key", "Authorization"} & set(request.headers)


@pytest.mark.parametrize(
    ("method", "effect"),
    [
        ("GET", Effect.READ),
        ("HEAD", Effect.READ),
        ("POST", Effect.WRITE),
        ("PUT", Effect.WRITE),
        ("DELETE", Effect.WRITE),
    ],
)
def test_what_is_not_known_to_read_counts_as_a_change(method: str, effect: Effect) -> None:
    """The careful reading is the default."""
    assert SHOP.operation(method, "/", Charge, Receipt).effect is effect
    assert SHOP.operation(method, "/", Charge, Receipt, effect=Effect.MONEY).effect is Effect.MONEY


def test_each_way_to_say_who_calls() -> None:
    """Bearer, basic, a header of its own, nothing."""
    credentials = {"key": "user:pass"}

    assert Auth("bearer", "key").headers(credentials) == {"Authorization": "Bearer user:pass"}
    basic = Auth("basic", "key").headers(credentials)["Authorization"].removeprefix("Basic ")
    assert base64.b64decode(basic) == b"user:pass"
    assert Auth("header", "key", "X-Api-Key").headers(credentials) == {"X-Api-Key": "user:pass"}
    assert NO_AUTH.headers({}) == {}


def test_no_repr_shows_a_secret() -> None:
    """Requests, calls, answers, mails and operations may be logged as they are."""
    answer = Answer(200, {"set-cookie": SECRET}, SECRET.encode())
    mail = Mail(SECRET, (SECRET,), SECRET.encode(), "<1@hub.test>")

    for thing in (CALL, built("POST"), built("POST", encode="form"), answer, mail, SHOP):
        assert SECRET not in repr(thing)
    assert SECRET not in repr(SHOP.operation("POST", "/", Charge, Receipt))


# RFC 9110, RFC 6585: everything from 100 to 599, written out.
NOT_A_NO = {408, 409, 423, 425}


@pytest.mark.parametrize("status", range(100, 600))
def test_every_status_stands_for_one_error(status: int) -> None:
    """2xx is none; 429 passes; 401 and 403 are our own fault; other 4xx are a no; of the rest nothing is known."""
    error = error_of(SHOP, Answer(status, {"retry-after": "7"}))
    expected: tuple[type[CallError] | None, Certainty]
    if 200 <= status < 300:
        expected = None, Certainty.CONFIRMED
    elif status == 429:
        expected = Throttled, Certainty.NOT_SENT
    elif status in {401, 403}:
        expected = Unauthorized, Certainty.NOT_SENT
    elif 400 <= status < 500 and status not in NOT_A_NO:
        expected = Rejected, Certainty.REJECTED
    else:
        expected = ProviderFault, Certainty.UNKNOWN

    assert (type(error) if error else None) is expected[0]
    if error:
        assert error.certainty is expected[1]
        assert (error.status, error.retry_after) == (status, timedelta(seconds=7))
        assert error.code
        assert SECRET not in str(error)


@given(status=st.integers(600, 10_000) | st.integers(-1, 99))
def test_a_status_that_does_not_exist_tells_nothing(status: int) -> None:
    """What happened is unknown."""
    assert isinstance(by_status("shop", Answer(status)), ProviderFault)


def test_the_providers_own_reading_comes_first() -> None:
    """Where it has none, the status speaks; a good answer is never an error."""

    def read(answer: Answer) -> CallError | None:
        return Declined("card declined", code="card_declined") if answer.status == 402 else None

    shop = Provider("shop", error=read)

    assert isinstance(error_of(shop, Answer(402)), Declined)
    assert isinstance(error_of(shop, Answer(500)), ProviderFault)
    assert error_of(shop, Answer(200)) is None


DATE = "Tue, 03 Nov 2026 12:00:00 GMT"


@pytest.mark.parametrize(
    ("headers", "wait"),
    [
        ({}, None),
        ({"retry-after": ""}, None),
        ({"retry-after": "0"}, 0),
        ({"retry-after": " 30 "}, 30),
        ({"retry-after": "21600"}, 21600),
        ({"retry-after": "21601"}, 21600),
        ({"retry-after": "9" * 5000}, 21600),
        ({"retry-after": "-1"}, None),
        ({"retry-after": "1.5"}, None),
        ({"retry-after": "1_0"}, None),
        ({"retry-after": "٣"}, None),
        ({"retry-after": "soon"}, None),
        ({"retry-after": "Tue, 03 Nov 2026 12:01:30 GMT", "date": DATE}, 90),
        ({"retry-after": "Tue, 03 Nov 2026 11:00:00 GMT", "date": DATE}, 0),
        ({"retry-after": "Fri, 31 Dec 9999 23:59:59 GMT", "date": DATE}, 21600),
        ({"retry-after": "Tue, 03 Nov 2026 12:01:30 -0000", "date": DATE}, None),
        ({"retry-after": "Tue, 03 Nov 2026 12:01:30 GMT"}, None),
        ({"retry-after": "Tue, 03 Nov 2026 12:01:30 GMT", "date": "soon"}, None),
    ],
    ids=lambda value: f"{value!r:.60}",
)
def test_retry_after_is_read(headers: dict[str, str], wait: int | None) -> None:
    """Seconds, or a date against the answer's own; at most six hours; nonsense is not given."""
    assert retry_after_of(Answer(429, headers)) == (None if wait is None else timedelta(seconds=wait))


@given(value=st.text(), date=st.text() | st.just(DATE))
def test_no_retry_after_breaks_reading(value: str, date: str) -> None:
    """Whatever a provider writes there."""
    wait = retry_after_of(Answer(503, {"retry-after": value, "date": date}))

    assert wait is None or timedelta(0) <= wait <= MAX_RETRY_AFTER


@pytest.mark.parametrize(
    "body", [b"", b"[]", b"1", b"null", b"<html>", b"\xff\xfe", b"{", b"[" * 100_000, b'{"a":']
)
def test_a_good_status_without_an_object_tells_nothing(body: bytes) -> None:
    """The effect may exist: that is no success, and no refusal either."""
    operation: Operation[Charge, Receipt] = SHOP.operation("POST", "/", Charge, Receipt)

    with pytest.raises(NoAnswer) as unknown:
        operation.reading(Answer(200, {}, body))
    assert (unknown.value.code, unknown.value.certainty) == ("unreadable_answer", Certainty.UNKNOWN)


@given(body=st.binary())
def test_any_bytes_are_json_or_nothing(body: bytes) -> None:
    """Reading an answer's JSON raises nothing."""
    Answer(200, {}, body).json()


def test_a_good_answer_is_read_and_a_bad_one_raises() -> None:
    """Through the operation, as the sender does."""
    operation = SHOP.operation("POST", "/v1/charges", Charge, Receipt)

    assert operation.name == "shop POST /v1/charges"
    assert operation.reading(Answer(201, {}, b'{"id": "1", "more": 2}')) == {"id": "1", "more": 2}
    with pytest.raises(Rejected):
        operation.reading(Answer(422, {}, b'{"id": "1"}'))


def test_a_refusal_may_say_that_it_is_so_already() -> None:
    """Then it is a good answer; only a definite no is asked, never what leaves the effect in doubt."""

    def is_done(answer: Answer) -> dict[str, Any] | None:
        done: dict[str, Any] | None = answer.json().get("done")
        return done

    operation = SHOP.operation("POST", "/v1/charges", Charge, Receipt, already=is_done)

    assert operation.reading(Answer(400, {}, b'{"done": {"id": "1"}}')) == {"id": "1"}
    with pytest.raises(Rejected):
        operation.reading(Answer(400, {}, b"{}"))
    with pytest.raises(ProviderFault):
        operation.reading(Answer(500, {}, b'{"done": {"id": "1"}}'))


@pytest.mark.parametrize(
    "wrong", [{"concurrent": 0}, {"per_second": 0.0}, {"per_second": -1.0}, {"per_second": float("nan")}]
)
def test_limits_that_let_nothing_through_are_refused(wrong: dict[str, Any]) -> None:
    """When they are described, not when the first call waits for ever."""
    with pytest.raises(ValueError, match="Limits need"):
        Limits(**wrong)
