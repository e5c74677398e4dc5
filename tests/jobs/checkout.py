"""A hub with the jobs of this repository, between a stand-in for Stripe that tells it what happens, and a mailbox."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from hub.registry import Registry
from hub.web.server import running as serving
from tests.services.engine import Engine, engine
from tests.simulators.mailbox import RunningMailbox
from tests.simulators.mailbox import running as mailbox_running
from tests.simulators.stripe import Effect, RunningStripe, payment_intents
from tests.simulators.stripe import running as stripe_running
from tests.simulators.stripe.account import GENERIC_DECLINE

SECRET = "whsec_checkout"
GOOD = "pm_card_visa"
ASKING = "pm_card_authenticationRequired"
REFUSED = "pm_card_chargeDeclined"


@dataclass
class Checkout:
    """What a customer and an operator can do, and what can be counted afterwards.

    Attributes:
        environ: the settings, for another process on the same stores.
    """

    engine: Engine
    stripe: RunningStripe
    mailbox: RunningMailbox
    environ: Mapping[str, str]
    _orders: int = 0
    _numbers: dict[UUID, str] = field(default_factory=dict)

    async def order(self, card: str = GOOD, **more: Any) -> UUID:
        """Order something; gives the job."""
        self._orders += 1
        number = f"A-{self._orders}"
        wanted = {"number": number, "amount": 1999, "currency": "eur", "payment_method": card}
        made = await self.engine.submit("orders.fulfil", {**wanted, "email": address(number), **more})
        self._numbers[made] = number
        return made

    async def work(self) -> None:
        """Do all that can be done now, and hear all that Stripe has to say about it."""
        while await self.engine.work():
            await self.hear()

    async def hear(self) -> None:
        """Let everything that Stripe has to say arrive, and wake whom it wakes."""
        await self.stripe.simulator.deliveries.settled()
        await self.engine.hub.waking.drain()

    def payment(self, order: UUID) -> dict[str, Any]:
        """The one payment of an order, as Stripe sees it."""
        found = self.payments(order)
        assert len(found) == 1, f"order {self._numbers[order]} has {len(found)} payments"
        return found[0]

    def payments(self, order: UUID) -> list[dict[str, Any]]:
        """Every payment of an order."""
        known = self.stripe.simulator.account.payment_intents.values()
        return [payment for payment in known if payment["metadata"].get("order") == self._numbers[order]]

    def happened(self, order: UUID) -> Counter[str]:
        """What Stripe did for an order, by kind; the money it took is `captured`."""
        ids = {payment["id"] for payment in self.payments(order)}
        effects = self.stripe.simulator.account.effects
        return Counter(
            _KINDS.get(name := effect.kind.removeprefix("payment_intent."), name)
            for effect in effects
            if effect.id in ids
        )

    def mails(self, order: UUID) -> list[str]:
        """The subjects of what the customer got, without the order's number."""
        number = self._numbers[order]
        kept = [mail for mail in self.mailbox.mails.kept if mail.to == (address(number),)]
        return [mail.subject.replace(f" order {number}", "") for mail in kept]

    async def customer_says(self, order: UUID, *, yes: bool) -> None:
        """Answer the bank, and let the hub hear of it."""
        payment_intents.answer(self.stripe.simulator.account, self.payment(order)["id"], agrees=yes)
        await self.hear()

    def have_a_quick_customer(self) -> None:
        """Who says yes the moment that the bank asks."""
        account = self.stripe.simulator.account

        def answer(effect: Effect, _: object) -> None:
            if effect.kind == "payment_intent.requires_action":
                payment_intents.answer(account, effect.id, agrees=True)

        account.on_effect.append(answer)

    async def hold_lapses(self, order: UUID) -> None:
        """Seven days pass at Stripe."""
        payment_intents.expire(self.stripe.simulator.account, self.payment(order)["id"])
        await self.hear()

    def block_captures(self) -> None:
        """From now on every card is good for a hold, and declined when the money is to be taken."""
        account = self.stripe.simulator.account

        def block(effect: Effect, _: object) -> None:
            asking = effect.kind == "payment_intent.amount_capturable_updated"
            account.cards[ASKING] = GENERIC_DECLINE if asking else None

        account.on_effect.append(block)

    def block_card(self, card: str = GOOD) -> None:
        """From now on the card is declined."""
        self.stripe.simulator.account.cards[card] = GENERIC_DECLINE

    def unplug_webhooks(self) -> None:
        """Nothing that Stripe says arrives any more."""
        self.stripe.simulator.deliveries.endpoints.clear()

    def fault(self, what: Mapping[str, Any], path: str, times: int = 1) -> None:
        """Have Stripe fail a request whose path ends so."""
        match = {"method": "POST", "path": f"^/v1/payment_intents{path}$"}
        self.stripe.simulator.endpoints.faults.add({"match": match, "times": times, "fault": what})

    async def letters(self, order: UUID) -> list[Any]:
        """The jobs that write to the customer of an order, oldest first."""
        return list(
            await self.engine.sql(
                "SELECT * FROM jobs WHERE name = 'email.send' AND args->>'to' = :to ORDER BY id",
                to=address(self._numbers[order]),
            )
        )


_KINDS = {"amount_capturable_updated": "held", "succeeded": "captured"}


def address(number: str) -> str:
    """Each order has a customer of its own."""
    return f"{number.lower()}@example.com"


@asynccontextmanager
async def open_checkout(registry: Registry, database_url: str, redis_url: str) -> AsyncIterator[Checkout]:
    """Everything in this event loop; the worker is driven by hand."""
    async with AsyncExitStack() as stack:
        stripe = await stack.enter_async_context(stripe_running())
        mailbox = await stack.enter_async_context(mailbox_running())
        environ = {
            "HUB_DATABASE_URL": database_url,
            "HUB_REDIS_URL": redis_url,
            "HUB_STRIPE_BASE_URL": stripe.url,
            "HUB_STRIPE_SECRET_KEY": "sk_test_checkout",
            "HUB_WEBHOOK_STRIPE_SECRET": SECRET,
            "HUB_EMAIL_BASE_URL": f"smtp://127.0.0.1:{mailbox.smtp_port}",
            "HUB_EMAIL_FROM": "shop@example.org",
        }
        made = await stack.enter_async_context(engine(registry, database_url, redis_url, environ=environ))
        host, port = await stack.enter_async_context(serving(made.hub, "127.0.0.1", 0))
        stripe.simulator.deliveries.listen(f"http://{host}:{port}/webhooks/stripe", SECRET)
        yield Checkout(made, stripe, mailbox, environ)
        await asyncio.wait_for(stripe.simulator.deliveries.settled(), 10)
