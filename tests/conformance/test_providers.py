"""The questions that every provider and operation must answer, found by discovery: a new one needs no edit here."""

import json
import math
import re
import traceback
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hub import Answer, Call, CallError, Effect, HttpRequest, Mail, Operation, Provider, Result
from hub.domain.effects import Certainty
from hub.infra.breakers import Breakers
from hub.infra.mailer import Mailer
from hub.infra.sender import Sender
from hub.registry import load

REGISTRY = load()
# Recognisable wherever it turns up; a mail address and base64 behind `whsec_`, so that every setting can be read.
SECRET = "whsec_c2VjcmV0LXNlY3JldC1zZWNyZXQ="
ADDRESS = "hub@example.org"
KEY = "hub-0198b2f4-6c5e-7d10-9a3b-5f0c2d1e4a77-1-0"
CORRELATION = "0198b2f4c5e7d109a3b5f0c2d1e4a77"

every_provider = pytest.mark.parametrize("provider", REGISTRY.providers.values(), ids=REGISTRY.providers)
every_operation = pytest.mark.parametrize("operation", REGISTRY.operations.values(), ids=REGISTRY.operations)
AnyOperation = Operation[Any, Any]


def examples(operation: AnyOperation) -> list[dict[str, Any]]:
    """The arguments' own examples."""
    found: list[dict[str, Any]] = operation.args.model_json_schema().get("examples", [])
    return found


def call_of(provider: Provider) -> Call:
    """A call with every credential and setting."""
    credentials = {name: ADDRESS if name in {"from", "notify_to"} else SECRET for name in provider.settings}
    credentials.pop("starttls", None)
    if provider.auth.credential:
        credentials[provider.auth.credential] = SECRET
    # Where the provider itself says nothing about where it lives, it is mail, or arguments say so.
    return Call(provider.base_url or "smtp://mail.example.org", credentials, KEY, CORRELATION)


def request_of(operation: AnyOperation, number: int = 0) -> HttpRequest | Mail:
    args = operation.args.model_validate(examples(operation)[number])
    return operation.request(args, call_of(operation.provider))


@every_provider
def test_a_provider_says_what_it_can_bear(provider: Provider) -> None:
    """A timeout that a job can outlive, limits above nothing, TLS wherever it lives by default."""
    assert 1 <= provider.timeout.total_seconds() <= 120
    assert provider.limits.concurrent >= 1
    assert provider.limits.per_second is None or provider.limits.per_second > 0
    assert not provider.base_url or provider.base_url.startswith("https://")
    assert any(operation.provider is provider for operation in REGISTRY.operations.values())


@every_provider
def test_a_provider_has_one_harmless_probe_or_says_why_none(provider: Provider) -> None:
    """Something a person may send at any time: a read that needs nothing to be asked."""
    probes = [one for one in REGISTRY.operations.values() if one.provider is provider and one.probe]
    assert len(probes) == (0 if provider.no_probe else 1), (
        "mark one operation with probe=True, or give no_probe"
    )
    for probe in probes:
        assert probe.effect is Effect.READ
        request = probe.request(probe.args(), call_of(provider))
        assert isinstance(request, HttpRequest)
        assert request.method in {"GET", "HEAD"}
        assert not request.body


@every_operation
def test_it_has_arguments_with_examples_and_a_minimal_result(operation: AnyOperation) -> None:
    """Examples stand in the documents; what a result does not declare is not kept."""
    assert examples(operation), "an example is what people read first"
    for example in examples(operation):
        operation.args.model_validate(example)
    assert issubclass(operation.result, Result)
    assert operation.result.model_config.get("extra") == "ignore"
    assert 1 <= len(operation.result.model_fields) <= 12
    assert all("Any" not in str(field.annotation) for field in operation.result.model_fields.values())


@every_operation
def test_unknown_arguments_are_refused(operation: AnyOperation) -> None:
    """A misspelt argument is found before anything is sent."""
    with pytest.raises(ValueError, match=r"[Ee]xtra"):
        operation.args.model_validate({**examples(operation)[0], "nobody_knows_this": 1})


@every_operation
def test_its_request_is_well_formed(operation: AnyOperation) -> None:
    """A URL with a host, headers without line ends, a body in the encoding that is announced."""
    for number in range(len(examples(operation))):
        request = request_of(operation, number)
        if isinstance(request, Mail):
            assert request.message.startswith(b"From: ")
            assert request.sender == ADDRESS
            assert request.recipients
            continue
        assert request.method in {"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"}
        assert urlsplit(request.url).scheme == "https"
        assert urlsplit(request.url).netloc
        assert "{" not in request.url
        assert all(re.fullmatch(r"[!-~]+", name) for name in request.headers)
        assert all(re.fullmatch(r"[ -~]*", value) for value in request.headers.values())
        if request.body and "json" in lowered(request.headers)["content-type"]:
            json.loads(request.body)


@every_operation
def test_its_request_can_be_built_again(operation: AnyOperation) -> None:
    """A repeat is the same request, but for the time in a signature."""
    first, again = request_of(operation), request_of(operation)
    if isinstance(first, Mail) or isinstance(again, Mail):
        assert first == again
        return
    assert (first.method, first.url, first.body) == (again.method, again.url, again.body)


@every_operation
def test_it_carries_the_correlation_id(operation: AnyOperation) -> None:
    """So that the provider's log and the hub's can be laid side by side."""
    request = request_of(operation)
    if isinstance(request, Mail):
        assert f"X-Request-Id: {CORRELATION}\r\n".encode() in request.message
    else:
        assert lowered(request.headers)["x-request-id"] == CORRELATION


@every_operation
def test_it_carries_the_idempotency_key_where_the_provider_has_one(operation: AnyOperation) -> None:
    """On everything that is no plain read."""
    request, keys = request_of(operation), operation.provider.idempotency
    if isinstance(request, Mail):
        assert KEY in request.message_id
    elif keys and request.method not in {"GET", "HEAD", "DELETE"}:
        assert lowered(request.headers)[keys.header.lower()] == KEY


@every_operation
def test_no_secret_stands_where_it_would_be_seen(operation: AnyOperation) -> None:
    """Not in the URL, not in a repr, not in a mail."""
    request, call = request_of(operation), call_of(operation.provider)
    seen = [repr(request), repr(call), repr(operation)]
    seen += [request.message.decode()] if isinstance(request, Mail) else [request.body.decode()]
    if isinstance(request, HttpRequest) and operation.provider.auth.kind != "url":
        seen.append(request.url)
    assert not [text for text in seen if SECRET in text]


@every_operation
def test_without_its_credentials_nothing_is_sent_and_the_setting_is_named(operation: AnyOperation) -> None:
    """An error that says what to do."""
    if not operation.provider.auth.credential:
        return
    args = operation.args.model_validate(examples(operation)[0])
    with pytest.raises(KeyError, match=operation.provider.auth.credential):
        operation.request(args, Call(operation.provider.base_url, {}, KEY, CORRELATION))


EXPECTED = {
    400: {Certainty.REJECTED},
    401: {Certainty.REJECTED, Certainty.NOT_SENT},
    403: {Certainty.REJECTED, Certainty.NOT_SENT},
    404: {Certainty.REJECTED},
    409: {Certainty.UNKNOWN},
    422: {Certainty.REJECTED},
    429: {Certainty.REJECTED, Certainty.NOT_SENT},
    500: {Certainty.UNKNOWN},
    502: {Certainty.UNKNOWN},
    503: {Certainty.UNKNOWN},
    504: {Certainty.UNKNOWN},
}


@every_operation
@pytest.mark.parametrize("status", EXPECTED)
def test_each_class_of_status_has_its_certainty(operation: AnyOperation, status: int) -> None:
    """A 5xx is never a no, a 4xx about the request is never a maybe."""
    for body in (b"", b"<html></html>", b'{"error": {"message": "x"}}', b'{"errors": [{"message": "x"}]}'):
        with pytest.raises(CallError) as caught:
            operation.reading(Answer(status, {"retry-after": "3"}, body))
        assert caught.value.certainty in EXPECTED[status]
        assert caught.value.status == status
        assert caught.value.code
        assert "\n" not in str(caught.value)
        assert len(str(caught.value)) < 500


def fitting(operation: AnyOperation) -> dict[str, Any]:
    """A document with everything that the result asks for."""
    values: dict[str, Any] = {"string": "text", "integer": 1, "number": 1.5, "boolean": True, "object": {}}
    schema = operation.result.model_json_schema()
    return {
        name: values.get(part.get("type") or part["anyOf"][0]["type"], "text")
        for name, part in schema["properties"].items()
    }


@every_operation
def test_its_result_ignores_what_it_does_not_declare(operation: AnyOperation) -> None:
    """A provider may add fields without asking us."""
    result = operation.result.model_validate({**fitting(operation), "added_last_week": {"a": [1]}})
    assert "added_last_week" not in result.model_dump_json()


class Replying(Mailer):
    """A mail server that gives every mail the same reply."""

    def __init__(self, answer: Answer) -> None:
        self.answer = answer

    async def send(self, _provider: str, mail: Mail, _call: Call, _deadline: float) -> Answer:
        return Answer(self.answer.status, {"message-id": mail.message_id}, self.answer.body)


async def outcome(operation: AnyOperation, answer: Answer) -> Result | CallError:
    """What a call comes to that is answered with this; anything but a result or a CallError is a crash."""

    def respond(_: httpx.Request) -> httpx.Response:
        return httpx.Response(answer.status, headers=dict(answer.headers), content=answer.body)

    args = operation.args.model_validate(examples(operation)[0])
    sender = Sender(
        Breakers(failures=1_000_000), transport=httpx.MockTransport(respond), mailer=Replying(answer), tls=TLS
    )
    result: Result | CallError
    try:
        result = await sender.send(operation, args, call_of(operation.provider))
    except CallError as error:
        result = error
    return result


TLS = httpx.create_ssl_context(trust_env=False)
DEEP = b'{"a":' * 5000 + b"1" + b"}" * 5000
HOSTILE = [
    b"",
    b"null",
    b"[]",
    b"[" * 100_000,
    DEEP,
    b"true",
    b'"text"',
    b"1" * 10_000,
    b"NaN",
    b"<html>",
    b"\xff\xfe\x00",
    b'{"id": null, "status": null, "amount": null, "currency": null}',
    b'{"id": 7, "status": [], "amount": "x", "currency": {}}',
    b'{"id": "x", "status": "y", "amount": 1e400, "currency": "eur"}',
    b'{"id": "x", "status": "y", "amount": %s, "currency": "eur"}' % (b"9" * 400),
    b'{"id": "x", "status": "y", "amount": 18446744073709551616, "currency": "eur"}',
    b'{"id": "%s", "status": "y", "amount": 1, "currency": "eur"}' % (b"x" * 100_000),
    b'{"id": "\\ud800", "status": "\\u0000", "amount": 1, "currency": "eur", "email": "\\u0000"}',
    b'{"error": null}',
    b'{"error": {"type": 1, "code": [], "message": {}}}',
    b'{"errors": [null]}',
    b'{"errors": {"a": 1}}',
    SECRET.encode(),
    b'{"error": {"message": "%s"}, "errors": [{"message": "%s"}]}' % (SECRET.encode(), SECRET.encode()),
]


@every_operation
@pytest.mark.parametrize("status", [200, 202, 204, 302, 400, 500])
async def test_hostile_answers_crash_nothing(operation: AnyOperation, status: int) -> None:
    """Each becomes a result that can be kept, or a CallError that tells no secret."""
    for body in HOSTILE:
        got = await outcome(operation, Answer(status, {}, body))
        if isinstance(got, Result):
            assert_storable(got.model_dump(mode="json"))
            continue
        assert SECRET not in "".join(traceback.format_exception(got))
        assert not 200 <= status < 300 or got.certainty is Certainty.UNKNOWN


@every_operation
@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
async def test_any_json_at_all_crashes_nothing(operation: AnyOperation, data: st.DataObject) -> None:
    """Documents of the right names and the wrong everything else."""
    names = st.sampled_from(
        [*operation.result.model_fields, "error", "errors", "type", "code", "message", "x"]
    )
    document = data.draw(st.dictionaries(names, _any_json()))
    status = data.draw(st.sampled_from([200, 402, 404, 409, 429, 500]))
    got = await outcome(operation, Answer(status, {}, json.dumps(document).encode()))
    if isinstance(got, Result):
        assert_storable(got.model_dump(mode="json"))


def _any_json() -> st.SearchStrategy[Any]:
    leaves = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=50)
    return st.recursive(
        leaves,
        lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner, max_size=4),
        max_leaves=8,
    )


def assert_storable(value: Any) -> None:
    """What PostgreSQL and the ledger's JSON can hold."""
    match value:
        case Mapping():
            for name, item in value.items():
                assert_storable(name)
                assert_storable(item)
        case list():
            for item in value:
                assert_storable(item)
        case str():
            assert "\0" not in value
            value.encode()
        case float():
            assert math.isfinite(value)
        case int():
            assert -(2**63) <= value < 2**63


def lowered(headers: Mapping[str, str]) -> dict[str, str]:
    return {name.lower(): value for name, value in headers.items()}


def test_effects_are_declared() -> None:
    """What moves money or reaches people says so: a plain WRITE would be treated too lightly in the console."""
    effects = {name: operation.effect for name, operation in REGISTRY.operations.items()}
    for name, effect in effects.items():
        if re.search(r"refund|payment|charge", name) and REGISTRY.operations[name].method != "GET":
            assert effect is Effect.MONEY, name
        if re.search(r"mail|message|sms", name):
            assert effect is Effect.MESSAGE, name
