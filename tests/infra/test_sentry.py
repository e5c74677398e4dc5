"""Error reports: they arrive, say what to look for, and carry no secret."""

import time
from collections.abc import Iterator

import pytest
import sentry_sdk

from hub.domain.redaction import Redactor
from hub.infra.sentry import Reporter, reporter
from tests.infra.envelopes import Receiver, receiving


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with receiving() as made:
        yield made


@pytest.fixture
def reports(receiver: Receiver) -> Iterator[Reporter]:
    made = reporter(
        receiver.dsn, environment="test", release="1.2.3", redactor=Redactor.knowing(["correct horse"])
    )
    yield made
    made.close()


def failing(local: str) -> BaseException:
    """An error that came of another, both with a secret in a variable and in the message."""
    try:
        inner(local)
    except ValueError as cause:
        error = RuntimeError(f"the outer one: {local}")
        error.__cause__ = cause
        error.add_note(f"while sending {local}")
        return error
    raise AssertionError


def inner(local: str) -> None:
    raise ValueError(f"the inner one: {local}")


def test_a_report_arrives_with_what_to_look_for(receiver: Receiver, reports: Reporter) -> None:
    """Its kind, its place, its tags, and what was running."""
    sent = reports.report(failing("nothing"), correlation_id="c-1", job="payments.capture", queue=None)
    event = receiver.event()
    assert event["event_id"] == sent
    assert event["tags"] == {"correlation_id": "c-1", "job": "payments.capture"}
    assert (event["environment"], event["release"]) == ("test", "1.2.3")
    cause, error = event["exception"]["values"]
    assert (cause["type"], error["type"]) == ("ValueError", "RuntimeError")
    assert [frame["function"] for frame in cause["stacktrace"]["frames"]] == ["failing", "inner"]


@pytest.mark.parametrize(
    "secret",
    ["sk_live_" + "x" * 24, "hub_" + "0" * 32 + "_" + "s" * 43, "correct horse", "4242 4242 4242 4242"],
)
def test_a_secret_does_not_leave_the_process(receiver: Receiver, reports: Reporter, secret: str) -> None:
    """From the message, the chain, the notes, the variables, the extra fields, the tags or a scope of others."""
    sentry_sdk.get_global_scope().set_extra("theirs", secret)
    try:
        reports.report(
            failing(secret),
            extra={"body": secret, "deep": [{"note": f"x {secret}"}], "password": "anything at all"},
            queue=secret,
        )
        envelope = receiver.received.get(timeout=10)
    finally:
        sentry_sdk.get_global_scope().clear()
    assert secret.encode() not in envelope
    assert secret[-12:].encode() not in envelope
    assert b"anything at all" not in envelope
    assert b'"vars"' not in envelope
    assert b"the outer one" in envelope
    assert b"the inner one" in envelope


def test_nothing_global_is_touched(reports: Reporter) -> None:
    """No integration is installed, and what others do with Sentry is theirs."""
    assert reports.client is not None
    assert reports.client.integrations == {}
    assert not sentry_sdk.get_client().is_active()


def test_without_a_dsn_nothing_happens() -> None:
    """And nothing fails."""
    silent = reporter(None, environment="test", release="1")
    assert silent.report(ValueError()) is None
    silent.close()


def test_a_sentry_that_is_away_delays_nobody() -> None:
    """The report is queued, and sent by another thread."""
    away = reporter("http://key@127.0.0.1:9/7", environment="test", release="1")
    began = time.monotonic()
    for _ in range(50):
        away.report(ValueError("x"))
    assert time.monotonic() - began < 5
    away.close(timeout=0.1)
