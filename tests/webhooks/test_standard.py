"""The source for Standard Webhooks, judged by the reference library."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from standardwebhooks import Webhook, WebhookVerificationError

from hub import Delivery, Refused
from hub.domain.signatures import Verified
from webhooks.standard import source

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
OTHER = "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD"


def received(delivery: Delivery) -> dict[str, str]:
    """The headers with names in lower case."""
    return {name.lower(): value for name, value in delivery.headers.items()}


def signed_by_the_library(body: str, at: datetime, *secrets: str) -> dict[str, str]:
    """The headers of a delivery that the reference library signed, with one signature for each secret."""
    signatures = [Webhook(secret).sign("msg_2KWPBgLlAfxdpx2AI54pPJ85f4W", at, body) for secret in secrets]
    return {
        "webhook-id": "msg_2KWPBgLlAfxdpx2AI54pPJ85f4W",
        "webhook-timestamp": str(int(at.timestamp())),
        "webhook-signature": " ".join(signatures),
    }


@pytest.mark.parametrize("event_type", sorted(source.samples))
def test_the_library_accepts_what_we_sign(event_type: str) -> None:
    """The reference library accepts every sample, and reads the same event in it."""
    delivery = source.deliver(source.sample(event_type, id="2KWP", at=datetime.now(UTC)), SECRET)

    event = Webhook(SECRET).verify(delivery.body, received(delivery))

    assert event["type"] == event_type


@pytest.mark.parametrize(
    ("secret", "ago"),
    [(OTHER, timedelta()), (SECRET, timedelta(minutes=6)), (SECRET, -timedelta(minutes=6))],
    ids=["another secret", "stale", "from the future"],
)
def test_we_and_the_library_refuse_the_same(secret: str, ago: timedelta) -> None:
    """What the reference library refuses, the hub refuses."""
    now = datetime.now(UTC)
    delivery = source.deliver(source.sample("invoice.paid", id="2KWP", at=now - ago), secret)

    with pytest.raises(WebhookVerificationError):
        Webhook(SECRET).verify(delivery.body, received(delivery))
    assert isinstance(source.scheme.verify(received(delivery), delivery.body, [SECRET], now), Refused)


@given(body=st.text())
def test_we_accept_what_the_library_signs(body: str) -> None:
    """Any text that the reference library signs is accepted."""
    now = datetime.now(UTC)
    headers = signed_by_the_library(body, now, SECRET)

    assert source.scheme.verify(headers, body.encode(), [SECRET], now) == Verified(0)


def test_one_of_several_signatures_is_enough() -> None:
    """While the sender rotates its secret it signs with both; a v1a beside them is passed over."""
    now = datetime.now(UTC)
    headers = signed_by_the_library("{}", now, OTHER, SECRET)
    headers["webhook-signature"] = "v1a,aG5P " + headers["webhook-signature"]

    Webhook(SECRET).verify("{}", headers)
    assert source.scheme.verify(headers, b"{}", [SECRET], now) == Verified(0)


def test_an_asymmetric_signature_alone_is_refused() -> None:
    """A delivery with nothing but a `v1a` cannot be judged with a shared secret, and is not let through."""
    now = datetime.now(UTC)
    headers = signed_by_the_library("{}", now, SECRET)
    headers["webhook-signature"] = headers["webhook-signature"].replace("v1,", "v1a,")

    assert source.scheme.verify(headers, b"{}", [SECRET], now) is Refused.MALFORMED


def test_the_event_says_when_it_happened() -> None:
    """The time is the event's own, from the body, not that of the delivery."""
    payload = {"type": "contact.created", "timestamp": "2022-11-03T20:26:10.344522Z"}

    reading = source.read({"webhook-id": "msg_1", "webhook-timestamp": "1763640000"}, payload)

    assert reading.occurred_at == datetime(2022, 11, 3, 20, 26, 10, 344522, tzinfo=UTC)
    assert (reading.external_id, reading.type) == ("msg_1", "contact.created")
