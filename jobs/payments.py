"""Payments through Stripe, and the receipts for them."""

from datetime import timedelta
from typing import Annotated, Literal

from pydantic import AliasPath, ConfigDict, EmailStr, Field

from hub import Args, Backoff, EventModel, JobContext, Result, job
from integrations import email, stripe

# https://docs.stripe.com/currencies#zero-decimal and #three-decimal
ZERO_DECIMAL = frozenset(
    [
        "bif",
        "clp",
        "djf",
        "gnf",
        "jpy",
        "kmf",
        "krw",
        "mga",
        "pyg",
        "rwf",
        "ugx",
        "vnd",
        "vuv",
        "xaf",
        "xof",
        "xpf",
    ]
)
THREE_DECIMAL = frozenset(["bhd", "jod", "kwd", "omr", "tnd"])


class Charge(Args):
    """A payment to take now, with nobody in front of a browser.

    Attributes:
        amount: in the smallest unit of the currency: 1999 is 19.99 EUR, or 1999 JPY.
    """

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "amount": 1999,
                    "currency": "eur",
                    "customer": "cus_NffrFeUfNV2Hib",
                    "payment_method": "pm_1MqLiJLkdIwHu7ixUEgbFdYF",
                    "description": "Order 1042",
                    "receipt_email": "jenny.rosen@example.com",
                    "metadata": {"order": "1042"},
                }
            ]
        }
    )

    amount: stripe.Amount
    currency: stripe.Currency
    customer: stripe.CustomerId | None = None
    payment_method: stripe.PaymentMethodId | None = None
    description: stripe.Text | None = None
    receipt_email: EmailStr | None = None
    metadata: stripe.Metadata | None = None


class Payment(Result):
    """The payment at Stripe; `status` is `succeeded` when the money is on its way."""

    id: str
    status: str
    amount: int
    currency: str


@job(
    # A charge is of use while the customer still expects it: eight tries take about twenty minutes.
    retry=Backoff(attempts=10, base=timedelta(seconds=2), cap=timedelta(minutes=10)),
    queue="payments",
    priority=8,
    timeout=timedelta(minutes=3),
    tags=("order:{metadata.order}", "customer:{customer}"),
)
async def charge(ctx: JobContext, args: Charge) -> Payment:
    """Charge a card once: create a payment at Stripe and confirm it."""
    fields = args.model_dump(exclude_none=True)
    if args.customer:
        # https://docs.stripe.com/api/payment_intents/create#create_payment_intent-off_session
        fields["off_session"] = True
    intent = await ctx.call(stripe.create_payment_intent, **fields)
    return Payment(id=intent.id, status=intent.status, amount=intent.amount, currency=intent.currency)


class Refund(Args):
    """Money to give back: all that is left of a payment, or `amount` in the currency's smallest unit."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "payment_intent": "pi_3MtwBwLkdIwHu7ix28a3tqPa",
                    "amount": 500,
                    "reason": "requested_by_customer",
                }
            ]
        }
    )

    payment_intent: stripe.PaymentIntentId
    amount: stripe.Amount | None = None
    reason: Literal["duplicate", "fraudulent", "requested_by_customer"] | None = None
    metadata: stripe.Metadata | None = None


class Refunded(Result):
    """The refund at Stripe."""

    id: str
    status: str | None
    amount: int
    currency: str


@job(
    retry=Backoff(attempts=12, base=timedelta(seconds=2), cap=timedelta(minutes=30)),
    queue="payments",
    priority=7,
    timeout=timedelta(minutes=3),
    tags=("payment:{payment_intent}", "order:{metadata.order}"),
)
async def refund(ctx: JobContext, args: Refund) -> Refunded:
    """Give a payment back, all of it or a part."""
    made = await ctx.call(stripe.create_refund, **args.model_dump(exclude_none=True))
    return Refunded(id=made.id, status=made.status, amount=made.amount, currency=made.currency)


class PaymentSucceeded(EventModel):
    """What a receipt needs of https://docs.stripe.com/api/events/types#event_types-payment_intent.succeeded."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "data": {
                        "object": {
                            "id": "pi_3MtwBwLkdIwHu7ix28a3tqPa",
                            "amount": 1999,
                            "currency": "eur",
                            "receipt_email": "jenny.rosen@example.com",
                        }
                    }
                }
            ]
        }
    )

    payment_intent: stripe.PaymentIntentId = Field(validation_alias=AliasPath("data", "object", "id"))
    receipt_email: Annotated[str, Field(max_length=512)] | None = Field(
        default=None, validation_alias=AliasPath("data", "object", "receipt_email")
    )


class Receipt(Result):
    """What became of the receipt; `message_id` is there when it was sent, `reason` when it was not."""

    status: Literal["sent", "skipped"]
    message_id: str | None = None
    reason: str | None = None


@job(
    retry=Backoff(attempts=10, base=timedelta(seconds=30), cap=timedelta(hours=2)),
    queue="email",
    timeout=timedelta(minutes=3),
    on="stripe:payment_intent.succeeded",
    tags="payment:{payment_intent}",
)
async def send_receipt(ctx: JobContext, event: PaymentSucceeded) -> Receipt:
    """Mail a receipt when Stripe says that a payment succeeded, to the address the payment names."""
    # Asked for anew: an event may be old, and says what was, not what is.
    intent = await ctx.call(stripe.retrieve_payment_intent, id=event.payment_intent)
    to = intent.receipt_email or event.receipt_email
    if not to:
        return Receipt(status="skipped", reason="the payment names no address for a receipt")
    if intent.status != "succeeded":
        return Receipt(status="skipped", reason=f"the payment is {intent.status} at Stripe")
    money = money_text(intent.amount, intent.currency)
    sent = await ctx.call(
        email.send,
        to=to,
        subject=f"Your receipt for {money}",
        text=f"Thank you.\n\nWe have received your payment of {money}.\nReference: {intent.id}\n",
    )
    return Receipt(status="sent", message_id=sent.id)


def money_text(amount: int, currency: str) -> str:
    """An amount in the smallest unit, as people write it: 19.99 EUR, 1999 JPY."""
    places = 0 if currency in ZERO_DECIMAL else 3 if currency in THREE_DECIMAL else 2
    if not places:
        return f"{amount} {currency.upper()}"
    whole, part = divmod(amount, 10**places)
    return f"{whole}.{part:0{places}} {currency.upper()}"
