"""A small world for these tests: two jobs, a source and a provider."""

from datetime import timedelta

from hub.domain.providers import Idempotency, Limits, LookUp, Provider
from hub.domain.retry import Backoff
from hub.domain.signatures import prefixed_hex
from hub.domain.sources import Reply, Source, field
from hub.domain.specs import JobContext, job
from hub.models import Args, EventModel
from hub.registry import Registry


class Receipt(Args):
    """What a receipt needs."""

    to: str
    amount: int
    note: str = ""


class Order(EventModel):
    """What a shop's event holds."""

    id: str


@job(queue="payments", retry=Backoff(attempts=3), priority=7)
async def send_receipt(ctx: JobContext, args: Receipt) -> None:
    """Mail a receipt."""


@job(on="shop:order.paid")
async def ship(ctx: JobContext, order: Order) -> None:
    """Send the goods."""


@job(on="shop:order.paid", queue="payments")
async def book(ctx: JobContext, order: Order) -> None:
    """Write the order into the books."""


shop = Source("shop", prefixed_hex("X-Signature"), event_id=field("id"), event_type=field("type"))
terse = Source(
    "terse",
    prefixed_hex("X-Signature"),
    event_id=field("id"),
    event_type=field("type"),
    reply=Reply(202, b"[accepted]", "text/plain"),
    handshake=lambda _headers, payload: (
        Reply(200, str(payload["challenge"]).encode(), "text/plain") if "challenge" in payload else None
    ),
)
silent = Source("silent", prefixed_hex("X-Signature"), event_id=field("id"), event_type=field("type"))
bank = Provider(
    "bank",
    base_url="https://bank.example",
    idempotency=Idempotency("Idempotency-Key", timedelta(hours=24)),
    limits=Limits(per_second=5),
    look_up=LookUp("in the bank's ledger, look for {key}", url="https://bank.example/ledger?key={key}"),
)

REGISTRY = Registry.of(providers=[bank], sources=[shop, terse, silent], jobs=[send_receipt, ship, book])
SECRET = "shop-secret"
