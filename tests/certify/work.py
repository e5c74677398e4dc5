"""The jobs of a run, and all that its hub knows. The first provider honours idempotency keys, the second does not."""

from dataclasses import replace
from datetime import timedelta

from hub import Args, Backoff, Effect, EventModel, JobContext, Provider, Result, field, job
from hub.registry import Registry
from integrations import stripe
from jobs import payments
from webhooks import github, standard
from webhooks import stripe as stripe_events

courier = Provider("courier", base_url="https://courier.test", timeout=timedelta(seconds=5))


class Letter(Args):
    """What the courier is asked to take."""

    reference: str


class Taken(Result):
    """The courier's receipt."""

    number: int


take_letter = courier.operation("POST", "/letters", Letter, Taken, effect=Effect.MESSAGE)

EVENT_TYPE = "certify.paid"
APPROVAL_TYPE = "certify.approved"


class Paid(EventModel):
    """The event of the run's webhooks."""

    reference: str


RETRY = Backoff(attempts=10, base=timedelta(seconds=1), cap=timedelta(seconds=10))


async def _charge(ctx: JobContext, reference: str) -> stripe.PaymentIntent:
    return await ctx.call(
        stripe.create_payment_intent,
        amount=1999,
        currency="eur",
        payment_method="pm_card_visa",
        description=reference,
    )


@job(
    retry=RETRY,
    queue="payments",
    on=tuple(f"{source}:{EVENT_TYPE}" for source in ("stripe", "github", "standard")),
)
async def charge_for_event(ctx: JobContext, event: Paid) -> str:
    """A charge that a webhook asks for."""
    return (await _charge(ctx, event.reference)).id


@job(retry=RETRY)
async def send_letter(ctx: JobContext, args: Letter) -> int:
    """An effect that cannot be repeated safely."""
    return (await ctx.call(take_letter, reference=args.reference)).number


@job(retry=RETRY)
async def charge_and_send(ctx: JobContext, args: Letter) -> int:
    """One effect of each sort, one after the other."""
    await _charge(ctx, args.reference)
    return (await ctx.call(take_letter, reference=args.reference)).number


@job(retry=RETRY)
async def charge_and_send_when_approved(ctx: JobContext, args: Letter) -> int:
    """The same, with a wait for a webhook in between."""
    await _charge(ctx, args.reference)
    await ctx.wait_for(f"standard:{APPROVAL_TYPE}", Paid, about=args.reference, timeout=timedelta(minutes=30))
    return (await ctx.call(take_letter, reference=args.reference)).number


REGISTRY = Registry.of(
    providers=[stripe.stripe, courier],
    sources=[
        stripe_events.source,
        github.source,
        # Standard Webhooks do not say what an event is about.
        replace(standard.source, subject=field("reference")),
    ],
    jobs=[payments.charge, charge_for_event, send_letter, charge_and_send, charge_and_send_when_approved],
)
