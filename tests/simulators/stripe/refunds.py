"""https://docs.stripe.com/api/refunds."""

from tests.simulators.stripe import params as p
from tests.simulators.stripe.account import Account, Call, Json
from tests.simulators.stripe.errors import StripeError, missing, no_such

_KNOWN = frozenset(["payment_intent", "charge", "amount", "reason", "metadata", "expand"])
_REASONS = ("requested_by_customer", "duplicate", "fraudulent")


def create(account: Account, call: Call) -> Json:
    """Give back all that is left of a payment, or `amount` of it."""
    p.only(call.params, _KNOWN)
    wanted = p.amount(call.params, "amount")
    reason = p.choice(call.params, "reason", _REASONS) if "reason" in call.params else None
    intent = _intent(account, call.params)
    amount = _refundable(intent, account.refunded[intent["id"]], wanted)
    refund: Json = {
        "id": account.new_id("re"),
        "object": "refund",
        "amount": amount,
        "charge": intent["latest_charge"],
        "created": account.created(),
        "currency": intent["currency"],
        "metadata": p.metadata(call.params),
        "payment_intent": intent["id"],
        "reason": reason,
        "status": "succeeded",
    }
    account.refunded[intent["id"]] += amount
    account.refunds[refund["id"]] = refund
    account.record("refund.created", refund, call.idempotency_key, amount)
    return refund


def retrieve(account: Account, call: Call) -> Json:
    """The refund, or 404."""
    if (refund := account.refunds.get(call.id)) is None:
        raise no_such("refund", call.id, param="id", status=404)
    return refund


def _intent(account: Account, params: Json) -> Json:
    charge = p.text(params, "charge")
    if charge is not None and charge not in account.intent_of_charge:
        raise no_such("charge", charge, param="charge")
    identifier = account.intent_of_charge[charge] if charge else p.text(params, "payment_intent")
    if identifier is None:
        raise missing("payment_intent")
    if (intent := account.payment_intents.get(identifier)) is None:
        raise no_such("payment_intent", identifier, param="payment_intent")
    return intent


def _refundable(intent: Json, refunded: int, wanted: int | None) -> int:
    if intent["status"] != "succeeded":
        raise StripeError(
            400,
            f"This PaymentIntent ({intent['id']}) does not have a successful charge to refund.",
            param="payment_intent",
            executed=True,
        )
    left: int = intent["amount_received"] - refunded
    if left == 0:
        raise StripeError(
            400,
            f"Charge {intent['latest_charge']} has already been refunded.",
            code="charge_already_refunded",
            executed=True,
        )
    if wanted is not None and wanted > left:
        raise StripeError(
            400,
            f"Refund amount ({wanted}) is greater than unrefunded amount on charge ({left})",
            param="amount",
            executed=True,
        )
    return wanted or left
