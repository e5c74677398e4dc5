"""Stripe's webhooks: https://docs.stripe.com/webhooks."""

from datetime import timedelta

from hub import Sample, Source, field, timestamped_hex

# https://docs.stripe.com/webhooks#verify-manually; five minutes is what Stripe's libraries allow. They let the future
# pass, the hub does not.
scheme = timestamped_hex("Stripe-Signature", tolerance=timedelta(minutes=5))


def sign(sample: Sample, secret: str) -> dict[str, str]:
    """Sign `timestamp.body` with the whole secret, `whsec_` included."""
    at = int(sample.at.timestamp())
    signature = scheme.sign(b"%d.%s" % (at, sample.body), secret).hex()
    return {
        "User-Agent": "Stripe/1.0 (+https://stripe.com/docs/webhooks)",
        "Stripe-Signature": f"t={at},v1={signature}",
    }


def about(event_type: bytes, subject: bytes) -> bytes:
    """An event about `subject`: https://docs.stripe.com/api/events/object."""
    return b"""\
{
  "id": "evt_{{id}}",
  "object": "event",
  "api_version": "2026-10-28.endive",
  "created": {{unix}},
  "data": {
    "object": %s
  },
  "livemode": false,
  "pending_webhooks": 1,
  "request": {
    "id": "req_Zc8hVZfyj0kMMl",
    "idempotency_key": "3f1c5a0e-2f0b-4f43-93a4-0ea9d3b1ad2e"
  },
  "type": "%s"
}""" % (subject, event_type)


source = Source(
    "stripe",
    scheme=scheme,
    # https://docs.stripe.com/webhooks#handle-duplicate-events
    event_id=field("id"),
    event_type=field("type"),
    occurred_at=field("created"),
    # The object the event is about: https://docs.stripe.com/api/events/object#event_object-data-object
    subject=field("data.object.id"),
    # Stripe asks for a quick 2xx and names no number; this one is the hub's own.
    answer_within=timedelta(seconds=10),
    sign=sign,
    samples={
        # https://docs.stripe.com/api/payment_intents/object
        "payment_intent.succeeded": about(
            b"payment_intent.succeeded",
            b"""{
      "id": "pi_3PqY2eLkdIwHu7ix0V3nA1bC",
      "object": "payment_intent",
      "amount": 2000,
      "amount_capturable": 0,
      "amount_received": 2000,
      "automatic_payment_methods": {"allow_redirects": "always", "enabled": true},
      "canceled_at": null,
      "cancellation_reason": null,
      "capture_method": "automatic_async",
      "client_secret": "pi_3PqY2eLkdIwHu7ix0V3nA1bC_secret_sample",
      "confirmation_method": "automatic",
      "created": {{unix}},
      "currency": "usd",
      "customer": "cus_QhT3xVbW1sYd9k",
      "description": "Order 4711",
      "last_payment_error": null,
      "latest_charge": "ch_3PqY2eLkdIwHu7ix0kJ8pQrS",
      "livemode": false,
      "metadata": {"order": "4711"},
      "next_action": null,
      "payment_method": "pm_1PqY2dLkdIwHu7ixN5mT6uVw",
      "payment_method_types": ["card", "link"],
      "receipt_email": "amina.haddad@example.com",
      "status": "succeeded"
    }""",
        ),
        "payment_intent.payment_failed": about(
            b"payment_intent.payment_failed",
            b"""{
      "id": "pi_3PqY7kLkdIwHu7ix1D4eF5gH",
      "object": "payment_intent",
      "amount": 2000,
      "amount_capturable": 0,
      "amount_received": 0,
      "capture_method": "automatic_async",
      "client_secret": "pi_3PqY7kLkdIwHu7ix1D4eF5gH_secret_sample",
      "created": {{unix}},
      "currency": "usd",
      "customer": "cus_QhT3xVbW1sYd9k",
      "last_payment_error": {
        "charge": "ch_3PqY7kLkdIwHu7ix1R2sT3uV",
        "code": "card_declined",
        "decline_code": "insufficient_funds",
        "message": "Your card has insufficient funds.",
        "type": "card_error"
      },
      "latest_charge": "ch_3PqY7kLkdIwHu7ix1R2sT3uV",
      "livemode": false,
      "metadata": {"order": "4712"},
      "payment_method": null,
      "payment_method_types": ["card", "link"],
      "receipt_email": "amina.haddad@example.com",
      "status": "requires_payment_method"
    }""",
        ),
        # A hold that may be captured: https://docs.stripe.com/payments/place-a-hold-on-a-payment-method
        "payment_intent.amount_capturable_updated": about(
            b"payment_intent.amount_capturable_updated",
            b"""{
      "id": "pi_3PqZ4nLkdIwHu7ix0aB2cD3e",
      "object": "payment_intent",
      "amount": 2000,
      "amount_capturable": 2000,
      "amount_received": 0,
      "capture_method": "manual",
      "client_secret": "pi_3PqZ4nLkdIwHu7ix0aB2cD3e_secret_sample",
      "created": {{unix}},
      "currency": "usd",
      "customer": "cus_QhT3xVbW1sYd9k",
      "last_payment_error": null,
      "latest_charge": "ch_3PqZ4nLkdIwHu7ix0Zk9yX8w",
      "livemode": false,
      "metadata": {"order": "4713"},
      "next_action": null,
      "payment_method": "pm_1PqZ4mLkdIwHu7ixA7bC8dE9",
      "payment_method_types": ["card", "link"],
      "receipt_email": null,
      "status": "requires_capture"
    }""",
        ),
        "payment_intent.canceled": about(
            b"payment_intent.canceled",
            b"""{
      "id": "pi_3PqZ4nLkdIwHu7ix0aB2cD3e",
      "object": "payment_intent",
      "amount": 2000,
      "amount_capturable": 0,
      "amount_received": 0,
      "canceled_at": {{unix}},
      "cancellation_reason": "automatic",
      "capture_method": "manual",
      "client_secret": "pi_3PqZ4nLkdIwHu7ix0aB2cD3e_secret_sample",
      "created": {{unix}},
      "currency": "usd",
      "customer": "cus_QhT3xVbW1sYd9k",
      "last_payment_error": null,
      "latest_charge": "ch_3PqZ4nLkdIwHu7ix0Zk9yX8w",
      "livemode": false,
      "metadata": {"order": "4713"},
      "next_action": null,
      "payment_method": "pm_1PqZ4mLkdIwHu7ixA7bC8dE9",
      "payment_method_types": ["card", "link"],
      "receipt_email": null,
      "status": "canceled"
    }""",
        ),
        # https://docs.stripe.com/api/charges/object
        "charge.refunded": about(
            b"charge.refunded",
            b"""{
      "id": "ch_3PqY2eLkdIwHu7ix0kJ8pQrS",
      "object": "charge",
      "amount": 2000,
      "amount_captured": 2000,
      "amount_refunded": 2000,
      "billing_details": {"email": "amina.haddad@example.com", "name": "Amina Haddad", "phone": null},
      "captured": true,
      "created": {{unix}},
      "currency": "usd",
      "customer": "cus_QhT3xVbW1sYd9k",
      "disputed": false,
      "failure_code": null,
      "livemode": false,
      "metadata": {"order": "4711"},
      "paid": true,
      "payment_intent": "pi_3PqY2eLkdIwHu7ix0V3nA1bC",
      "receipt_email": "amina.haddad@example.com",
      "refunded": true,
      "status": "succeeded"
    }""",
        ),
        # https://docs.stripe.com/api/customers/object
        "customer.created": about(
            b"customer.created",
            b"""{
      "id": "cus_QhT3xVbW1sYd9k",
      "object": "customer",
      "address": null,
      "balance": 0,
      "created": {{unix}},
      "currency": null,
      "delinquent": false,
      "description": null,
      "email": "amina.haddad@example.com",
      "invoice_prefix": "7E2F5C1B",
      "livemode": false,
      "metadata": {},
      "name": "Amina Haddad",
      "phone": null,
      "preferred_locales": []
    }""",
        ),
    },
)
