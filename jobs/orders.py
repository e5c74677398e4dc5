"""An order, from the customer's card to the thank-you: several steps, none done twice, and all taken back if it fails.

    hold the money ──▶ the bank may ask the customer ──▶ take the money ──▶ receipt, and a week later a question
          │                        │                          │
          └────────────────────────┴──── fails for good ──────┴──▶ let go of the money, then apologise

The same as a picture, with every way it can end: docs/how-to/write-a-job-of-several-steps.md.
"""

from datetime import timedelta
from typing import Annotated, Any

from pydantic import AliasPath, ConfigDict, Field, StringConstraints

from hub import Args, Backoff, EventModel, Fail, JobContext, Result, WaitTimedOut, job
from integrations import email, stripe
from jobs import email as mails
from jobs.payments import money_text

ASK_AFTER = timedelta(days=7)


class Order(Args):
    """What a customer has bought, and how they pay.

    Attributes:
        amount: in the smallest unit of the currency: 1999 is 19.99 EUR, or 1999 JPY.
        confirm_within: how long the customer has to confirm the payment where their bank asks for it.
    """

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "number": "1042",
                    "amount": 1999,
                    "currency": "eur",
                    "payment_method": "pm_1MqLiJLkdIwHu7ixUEgbFdYF",
                    "email": "jenny.rosen@example.com",
                },
                {
                    "number": "1043",
                    "amount": 4900,
                    "currency": "eur",
                    "customer": "cus_NffrFeUfNV2Hib",
                    "payment_method": "pm_1MqLiJLkdIwHu7ixUEgbFdYF",
                    "email": "jenny.rosen@example.com",
                    "confirm_within": "PT2H",
                },
            ]
        }
    )

    number: Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9-]{1,40}$")]
    amount: stripe.Amount
    currency: stripe.Currency
    payment_method: stripe.PaymentMethodId
    customer: stripe.CustomerId | None = None
    email: email.Recipient
    # A hold lasts seven days: https://docs.stripe.com/payments/place-a-hold-on-a-payment-method
    confirm_within: Annotated[timedelta, Field(gt=timedelta(0), le=timedelta(days=6))] = timedelta(minutes=30)


class PaymentTurn(EventModel):
    """What has become of a payment: https://docs.stripe.com/payments/paymentintents/lifecycle."""

    status: stripe.Word = Field(validation_alias=AliasPath("data", "object", "status"))
    why: stripe.Word | None = Field(
        default=None, validation_alias=AliasPath("data", "object", "last_payment_error", "code")
    )


# https://docs.stripe.com/api/events/types
TURNS = (
    "stripe:payment_intent.amount_capturable_updated",
    "stripe:payment_intent.payment_failed",
    "stripe:payment_intent.canceled",
)


class Fulfilled(Result):
    """The order is paid; `receipt` is the job that mails the receipt."""

    payment: str
    amount: int
    currency: str
    receipt: str


@job(
    # Of use while the customer still expects it: ten tries take about an hour. Waiting for the customer uses up none.
    retry=Backoff(attempts=10, base=timedelta(seconds=2), cap=timedelta(minutes=10)),
    queue="payments",
    priority=8,
    timeout=timedelta(minutes=3),
    tags=("order:{number}", "customer:{customer}"),
)
async def fulfil(ctx: JobContext, order: Order) -> Fulfilled:
    """Take the money for an order and thank the customer; if it comes to nothing, let go of it and apologise."""
    # Taken back in reverse: the apology, first in this list, is sent last, when the money is known to be let go.
    await ctx.compensate(email.send, to=order.email, **apology(order))

    ctx.progress(0, 3, "asks the bank")
    payment = await ctx.call(
        stripe.create_payment_intent,
        amount=order.amount,
        currency=order.currency,
        customer=order.customer,
        payment_method=order.payment_method,
        capture_method="manual",
        description=f"Order {order.number}",
        metadata={"order": order.number},
        # No receipt_email: with one, payments.send_receipt would mail a receipt too.
    )
    await ctx.compensate(stripe.cancel_payment_intent, id=payment.id)

    if payment.status != "requires_capture":
        ctx.progress(1, 3, f"{payment.id} waits for the customer to confirm it")
        await confirmed(ctx, order, payment)

    ctx.progress(2, 3, "takes the money")
    captured = await ctx.call(stripe.capture_payment_intent, id=payment.id)

    # The sale stands, and no letter may undo it: what is left to do is handed to jobs of their own, which are made in the
    # very transaction that ends this one. An address that refuses the receipt fails that job, and only that.
    receipt = await ctx.enqueue(mails.send, to=order.email, **thanks(order))
    await ctx.enqueue(mails.send, delay=ASK_AFTER, to=order.email, **question(order))
    ctx.progress(3, 3, "paid")
    return Fulfilled(
        payment=payment.id, amount=captured.amount_received, currency=captured.currency, receipt=receipt
    )


async def confirmed(ctx: JobContext, order: Order, payment: stripe.PaymentIntent) -> None:
    """Return when the money is held. Raises Fail when it will not be, WaitTimedOut when the customer does not answer."""
    try:
        # No worker is held meanwhile. That the event may come before the job has begun to wait makes no difference.
        turn = await ctx.wait_for(TURNS, PaymentTurn, about=payment.id, timeout=order.confirm_within)
    except WaitTimedOut:
        # A webhook can be lost on the way. That is no reason to lose the order.
        now = await ctx.call(stripe.retrieve_payment_intent, id=payment.id)
        if now.status != "requires_capture":
            raise
    else:
        if turn.status != "requires_capture":
            raise Fail(f"the payment was not confirmed: it is {turn.status}", code=turn.why or turn.status)


def thanks(order: Order) -> dict[str, Any]:
    """The receipt."""
    money = money_text(order.amount, order.currency)
    return {
        "subject": f"Your receipt for order {order.number}",
        "text": f"Thank you.\n\nWe have received your payment of {money} for order {order.number}.\n",
    }


def question(order: Order) -> dict[str, Any]:
    """How it was."""
    return {
        "subject": f"How was order {order.number}?",
        "text": f"Hello,\n\na week ago you ordered from us (order {order.number}). Is all well? Just answer this mail.\n",
    }


def apology(order: Order) -> dict[str, Any]:
    """True whatever has happened, as it is sent when nothing is held any more."""
    return {
        "subject": f"We could not complete order {order.number}",
        "text": f"We are sorry: order {order.number} could not be completed.\n\n"
        "You have not been charged. If your bank shows a reservation, it will disappear within a few days.\n",
    }
