"""Stripe's source and Stripe's own library must be of one mind."""

import json
from datetime import UTC, datetime

import pytest
import stripe
from hypothesis import given
from hypothesis import strategies as st

from hub import Refused
from hub.domain.signatures import Verified
from webhooks.stripe import source

SECRET = "whsec_c2VjcmV0IG9mIGEgdGVzdA"
OTHER = "whsec_b3RoZXI"


@pytest.mark.parametrize("event_type", sorted(source.samples))
def test_stripe_accepts_what_we_sign(event_type: str) -> None:
    """Stripe's library accepts every sample, and reads the same event in it."""
    at = datetime.now(UTC).replace(microsecond=0)
    delivery = source.deliver(source.sample(event_type, id="1PqY2e", at=at), SECRET)

    event = stripe.Webhook.construct_event(delivery.body, delivery.headers["Stripe-Signature"], SECRET)

    assert (event.id, event.type, event.created) == ("evt_1PqY2e", event_type, int(at.timestamp()))
    assert source.read({}, json.loads(delivery.body)).subject == event.data.object["id"]


def test_stripe_refuses_what_we_sign_with_another_secret() -> None:
    """The judge is awake: it does not accept everything."""
    delivery = source.deliver(source.sample("payment_intent.succeeded", id="1", at=datetime.now(UTC)), OTHER)

    with pytest.raises(stripe.SignatureVerificationError):
        stripe.Webhook.construct_event(delivery.body, delivery.headers["Stripe-Signature"], SECRET)


@given(payload=st.text(), secret=st.text(st.characters(codec="utf-8"), min_size=1))
def test_we_accept_what_stripe_signs(payload: str, secret: str) -> None:
    """Any payload and any secret, signed by Stripe's library, is accepted."""
    now = datetime.now(UTC)
    value = stripe.WebhookSignature.generate_signature_header(payload, secret, int(now.timestamp()))

    verdict = source.scheme.verify({"stripe-signature": value}, payload.encode(), [secret], now)

    assert verdict == Verified(0)


def test_one_of_several_signatures_is_enough() -> None:
    """While Stripe rolls a secret it signs with both, and sends a v0 in test mode; one good v1 is enough."""
    now = datetime.now(UTC)
    at = int(now.timestamp())
    good = stripe.WebhookSignature.generate_signature_header("{}", SECRET, at).partition("v1=")[2]
    value = f"t={at},v1={'0' * 64},v1={good},v0={'1' * 64}"

    assert stripe.WebhookSignature.verify_header("{}", value, SECRET, 300)
    assert source.scheme.verify({"stripe-signature": value}, b"{}", [SECRET], now) == Verified(0)


def test_a_signature_of_the_old_scheme_is_not_enough() -> None:
    """A good signature under `v0` is no signature: a downgrade is refused."""
    now = datetime.now(UTC)
    value = stripe.WebhookSignature.generate_signature_header("{}", SECRET, int(now.timestamp()))

    verdict = source.scheme.verify({"stripe-signature": value.replace("v1=", "v0=")}, b"{}", [SECRET], now)

    assert verdict is Refused.MALFORMED


def test_the_event_says_what_it_is() -> None:
    """Id, type and time come from the body."""
    payload = json.loads('{"id": "evt_1", "type": "charge.refunded", "created": 1763640000}')

    reading = source.read({}, payload)

    assert (reading.external_id, reading.type) == ("evt_1", "charge.refunded")
    assert reading.occurred_at == datetime(2025, 11, 20, 12, tzinfo=UTC)
