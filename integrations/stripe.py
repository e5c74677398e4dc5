"""Stripe: payments, refunds, customers. https://docs.stripe.com/api"""

import re
from collections.abc import Mapping
from datetime import timedelta
from typing import Annotated, Any, Literal

from pydantic import ConfigDict, EmailStr, Field, StringConstraints

from hub import (
    Answer,
    Args,
    CallError,
    Declined,
    Effect,
    Idempotency,
    Limits,
    LookUp,
    NoAnswer,
    Provider,
    Rejected,
    Result,
    bearer,
    by_status,
)

# Pinned, so that Stripe's next version changes nothing here before somebody reads its changelog.
# https://docs.stripe.com/api/versioning
VERSION = "2026-10-28.endive"

# What looks like a key, and what lets a browser pay: neither belongs into a message that is kept.
_SECRET = re.compile(r"\b(?:[a-z]{2,5}_(?:test|live)_\w+|whsec_\w+|\w+_secret_\w+)|\d(?:[ -]?\d){11,}")


def error_of(answer: Answer) -> CallError | None:
    """Read Stripe's error object; None where the status says as much. https://docs.stripe.com/api/errors"""
    error = _error(answer)
    if error is None:
        return None
    kind, code = _word(error.get("type")), _word(error.get("code"))
    message = _message(answer, error)
    if answer.status == 402 or kind == "card_error":
        return Declined(message, code=code or "card_declined", status=answer.status)
    if kind == "idempotency_error":
        # The key was used with other parameters before: what that request did stays unknown, so this is no clean no.
        return NoAnswer(message, code=kind, status=answer.status)
    if answer.status == 424:
        # Something Stripe depends on broke: as indeterminate as a 5xx.
        return NoAnswer(message, code=code or "status_424", status=answer.status)
    if answer.status in {400, 404}:
        return Rejected(message, code=code or kind or f"status_{answer.status}", status=answer.status)
    return by_status("stripe", answer, code=code, message=message)


def is_cancelled(answer: Answer) -> Mapping[str, Any] | None:
    """The payment, where a cancellation was refused because it is cancelled: it lapsed, or a person was faster.

    https://docs.stripe.com/error-codes#payment-intent-unexpected-state
    """
    payment = (_error(answer) or {}).get("payment_intent")
    return payment if isinstance(payment, dict) and payment.get("status") == "canceled" else None


def _error(answer: Answer) -> dict[str, Any] | None:
    document = answer.json()
    error = document.get("error") if isinstance(document, dict) else None
    return error if isinstance(error, dict) else None


def _message(answer: Answer, error: dict[str, Any]) -> str:
    parts = [_word(error.get("decline_code")), str(error.get("message") or "")]
    text = ": ".join(part for part in parts if part) or f"status {answer.status}"
    return "stripe: " + _SECRET.sub("…", " ".join(text.split()))[:300]


def _word(value: object) -> str | None:
    return value if isinstance(value, str) and re.fullmatch(r"[a-z0-9_]{1,100}", value) else None


stripe = Provider(
    "stripe",
    base_url="https://api.stripe.com",
    auth=bearer("secret_key"),
    # https://docs.stripe.com/api/idempotent_requests
    idempotency=Idempotency("Idempotency-Key", kept_for=timedelta(hours=24)),
    # 100 a second in live mode: https://docs.stripe.com/rate-limits
    limits=Limits(per_second=80, concurrent=50),
    # Some calls wait for a card network: Stripe's own libraries wait for 80 seconds.
    timeout=timedelta(seconds=80),
    headers={"Stripe-Version": VERSION},
    error=error_of,
    # https://docs.stripe.com/development/dashboard/request-logs
    look_up=LookUp(
        "in the request logs of Stripe's Dashboard, the entry with the idempotency key {key} shows what became of it",
        url="https://dashboard.stripe.com/logs",
    ),
)


def _id(prefix: str) -> StringConstraints:
    # Ids stand in paths and in form fields, so they are held to what ids look like.
    return StringConstraints(pattern=rf"^{prefix}_[A-Za-z0-9_]{{1,250}}$")


PaymentIntentId = Annotated[str, _id("pi")]
RefundId = Annotated[str, _id("p?[a-z]{1,3}")]
CustomerId = Annotated[str, _id("cus")]
PaymentMethodId = Annotated[str, _id("(pm|card|src|ba)")]
# In the smallest unit of the currency, at most eight digits:
# https://docs.stripe.com/currencies#minimum-and-maximum-charge-amounts
Amount = Annotated[int, Field(gt=0, le=99_999_999, strict=True)]
Currency = Annotated[str, StringConstraints(pattern=r"^[A-Za-z]{3}$", to_lower=True)]
# https://docs.stripe.com/metadata: no square brackets in keys, which form encoding needs for itself.
MetadataKey = Annotated[str, StringConstraints(pattern=r"^[^\[\]]{1,40}$")]
MetadataValue = Annotated[str, StringConstraints(max_length=500)]
Metadata = Annotated[dict[MetadataKey, MetadataValue], Field(max_length=50)]
Text = Annotated[str, StringConstraints(min_length=1, max_length=1000)]
Word = Annotated[str, StringConstraints(max_length=255)]


class AutomaticPaymentMethods(Args):
    """Take what the dashboard allows, but nothing that needs a browser."""

    enabled: bool = True
    allow_redirects: Literal["never", "always"] = "never"


class CreatePaymentIntent(Args):
    """https://docs.stripe.com/api/payment_intents/create"""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [{"amount": 1999, "currency": "eur", "payment_method": "pm_card_visa"}]
        }
    )

    amount: Amount
    currency: Currency
    confirm: bool = True
    customer: CustomerId | None = None
    payment_method: PaymentMethodId | None = None
    off_session: bool | None = None
    capture_method: Literal["automatic", "automatic_async", "manual"] | None = None
    automatic_payment_methods: AutomaticPaymentMethods | None = AutomaticPaymentMethods()
    description: Text | None = None
    receipt_email: EmailStr | None = None
    metadata: Metadata | None = None


class RetrievePaymentIntent(Args):
    """https://docs.stripe.com/api/payment_intents/retrieve"""

    model_config = ConfigDict(json_schema_extra={"examples": [{"id": "pi_3MtwBwLkdIwHu7ix28a3tqPa"}]})

    id: PaymentIntentId


class CapturePaymentIntent(Args):
    """https://docs.stripe.com/api/payment_intents/capture"""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"id": "pi_3MrPBM2eZvKYlo2C1TEMacFD", "amount_to_capture": 1500}]}
    )

    id: PaymentIntentId
    amount_to_capture: Amount | None = None


class CancelPaymentIntent(Args):
    """https://docs.stripe.com/api/payment_intents/cancel"""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [{"id": "pi_3MtwBwLkdIwHu7ix28a3tqPa", "cancellation_reason": "abandoned"}]
        }
    )

    id: PaymentIntentId
    cancellation_reason: Literal["duplicate", "fraudulent", "requested_by_customer", "abandoned"] | None = (
        None
    )


class PaymentIntent(Result):
    """What jobs use of a payment.

    Attributes:
        status: https://docs.stripe.com/payments/paymentintents/lifecycle
        amount_received: what was captured; 0 while it is only held.
    """

    id: Word
    status: Word
    amount: int
    amount_received: int = 0
    currency: Word
    receipt_email: Word | None = None


class CreateRefund(Args):
    """https://docs.stripe.com/api/refunds/create; without an amount, all that is left."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"payment_intent": "pi_3MtwBwLkdIwHu7ix28a3tqPa", "amount": 500}]}
    )

    payment_intent: PaymentIntentId
    amount: Amount | None = None
    reason: Literal["duplicate", "fraudulent", "requested_by_customer"] | None = None
    metadata: Metadata | None = None


class RetrieveRefund(Args):
    """https://docs.stripe.com/api/refunds/retrieve"""

    model_config = ConfigDict(json_schema_extra={"examples": [{"id": "re_1Nispe2eZvKYlo2Cd31jOCgZ"}]})

    id: RefundId


class Refund(Result):
    """What jobs use of a refund."""

    id: Word
    status: Word | None = None
    amount: int
    currency: Word


class CreateCustomer(Args):
    """https://docs.stripe.com/api/customers/create"""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"email": "jenny.rosen@example.com", "name": "Jenny Rosen"}]}
    )

    email: EmailStr | None = None
    name: Annotated[str, StringConstraints(min_length=1, max_length=256)] | None = None
    description: Annotated[str, StringConstraints(min_length=1, max_length=350)] | None = None
    metadata: Metadata | None = None


class RetrieveCustomer(Args):
    """https://docs.stripe.com/api/customers/retrieve"""

    model_config = ConfigDict(json_schema_extra={"examples": [{"id": "cus_NffrFeUfNV2Hib"}]})

    id: CustomerId


class Customer(Result):
    """What jobs use of a customer. A deleted one has no more than its id, and says so."""

    id: Word
    email: Annotated[str, StringConstraints(max_length=512)] | None = None
    deleted: bool = False


create_payment_intent = stripe.operation(
    "POST",
    "/v1/payment_intents",
    CreatePaymentIntent,
    PaymentIntent,
    effect=Effect.MONEY,
    encode="form",
)
retrieve_payment_intent = stripe.operation(
    "GET", "/v1/payment_intents/{id}", RetrievePaymentIntent, PaymentIntent
)
capture_payment_intent = stripe.operation(
    "POST",
    "/v1/payment_intents/{id}/capture",
    CapturePaymentIntent,
    PaymentIntent,
    effect=Effect.MONEY,
    encode="form",
)
cancel_payment_intent = stripe.operation(
    "POST",
    "/v1/payment_intents/{id}/cancel",
    CancelPaymentIntent,
    PaymentIntent,
    effect=Effect.MONEY,
    encode="form",
    already=is_cancelled,
)
create_refund = stripe.operation(
    "POST", "/v1/refunds", CreateRefund, Refund, effect=Effect.MONEY, encode="form"
)
retrieve_refund = stripe.operation("GET", "/v1/refunds/{id}", RetrieveRefund, Refund)
create_customer = stripe.operation("POST", "/v1/customers", CreateCustomer, Customer, encode="form")
retrieve_customer = stripe.operation("GET", "/v1/customers/{id}", RetrieveCustomer, Customer)


class RetrieveBalance(Args):
    """https://docs.stripe.com/api/balance/balance_retrieve"""

    model_config = ConfigDict(json_schema_extra={"examples": [{}]})


class Balance(Result):
    """Only that there is one, and of which mode: how much it is, is nobody's business here."""

    object: Word
    livemode: bool


retrieve_balance = stripe.operation("GET", "/v1/balance", RetrieveBalance, Balance, probe=True)
