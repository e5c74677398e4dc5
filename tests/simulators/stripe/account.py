"""What the stand-in remembers: one Stripe account in test mode, all of it in plain dictionaries."""

import secrets
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Effect:
    """Something that Stripe did and cannot undo by itself; `kind` is named as the webhook event about it.

    `amount` is in the smallest unit of the currency, `at` in Unix seconds.
    """

    kind: str
    id: str
    idempotency_key: str | None
    amount: int
    at: float


@dataclass(frozen=True, slots=True)
class Decline:
    """Why a card refuses: https://docs.stripe.com/declines/codes."""

    code: str
    decline_code: str | None
    message: str


GENERIC_DECLINE = Decline("card_declined", "generic_decline", "Your card was declined.")

# https://docs.stripe.com/testing#three-ds-cards: the bank wants the customer's word, each time.
ASKING_CARDS = frozenset(("pm_card_authenticationRequired", "pm_card_threeDSecure2Required"))

# https://docs.stripe.com/testing#declined-payments
TEST_CARDS: dict[str, Decline | None] = {
    "pm_card_visa": None,
    "pm_card_mastercard": None,
    "pm_card_amex": None,
    "pm_card_chargeDeclined": GENERIC_DECLINE,
    "pm_card_visa_chargeDeclined": GENERIC_DECLINE,
    "pm_card_chargeDeclinedInsufficientFunds": Decline(
        "card_declined", "insufficient_funds", "Your card has insufficient funds."
    ),
    "pm_card_chargeDeclinedExpiredCard": Decline("expired_card", "expired_card", "Your card has expired."),
    "pm_card_chargeDeclinedProcessingError": Decline(
        "processing_error",
        "processing_error",
        "An error occurred while processing your card. Try again in a little bit.",
    ),
    **dict.fromkeys(ASKING_CARDS),
}


@dataclass(slots=True)
class Account:
    """The objects, the cards, and the ledger of effects."""

    now: Callable[[], float]
    customers: dict[str, Json] = field(default_factory=dict)
    payment_intents: dict[str, Json] = field(default_factory=dict)
    refunds: dict[str, Json] = field(default_factory=dict)
    intent_of_charge: dict[str, str] = field(default_factory=dict)
    refunded: Counter[str] = field(default_factory=Counter)
    effects: list[Effect] = field(default_factory=list)
    counts: Counter[str] = field(default_factory=Counter)
    cards: dict[str, Decline | None] = field(default_factory=lambda: dict(TEST_CARDS))
    customer_cards: dict[str, Decline | None] = field(default_factory=dict)
    on_effect: list[Callable[[Effect, Json], None]] = field(default_factory=list)

    def new_id(self, prefix: str) -> str:
        """An id of Stripe's length that nothing else has."""
        return f"{prefix}_{secrets.token_hex(12)}"

    def created(self) -> int:
        """The present, as Stripe writes it: whole Unix seconds."""
        return int(self.now())

    def record(self, kind: str, subject: Json, key: str | None, amount: int = 0) -> None:
        """Enter an effect into the ledger and tell those who wait for it."""
        effect = Effect(kind, subject["id"], key, amount, self.now())
        self.effects.append(effect)
        self.counts[kind] += 1
        self.counts[f"{kind}.amount"] += amount
        for listener in self.on_effect:
            listener(effect, subject)

    def asks_customer(self, payment_method: str) -> bool:
        """Whether the bank wants the customer's word before it says its own."""
        return payment_method in ASKING_CARDS

    def knows_card(self, payment_method: str) -> bool:
        """Whether the payment method exists."""
        return payment_method in self.cards

    def decline(self, payment_method: str, customer: str | None) -> Decline | None:
        """Why the charge is refused, or None; what was said of a customer outranks what is said of a card."""
        if customer is not None and customer in self.customer_cards:
            return self.customer_cards[customer]
        return self.cards[payment_method]

    def find(self, identifier: str) -> Json | None:
        """A customer, payment intent or refund by its id."""
        for shelf in (self.payment_intents, self.refunds, self.customers):
            if identifier in shelf:
                return shelf[identifier]
        return None

    def reset(self) -> None:
        """Forget everything but the listeners."""
        for store in (
            self.customers,
            self.payment_intents,
            self.refunds,
            self.intent_of_charge,
            self.refunded,
            self.effects,
            self.counts,
            self.customer_cards,
        ):
            store.clear()
        self.cards = dict(TEST_CARDS)


@dataclass(frozen=True, slots=True)
class Call:
    """One request to an endpoint: its parameters, the id in its URL, and its idempotency key."""

    params: Json
    id: str
    idempotency_key: str | None
