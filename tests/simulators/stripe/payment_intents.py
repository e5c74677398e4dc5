"""https://docs.stripe.com/api/payment_intents, and https://docs.stripe.com/payments/paymentintents/lifecycle."""

from contextlib import suppress

from tests.simulators.stripe import params as p
from tests.simulators.stripe.account import Account, Call, Decline, Json
from tests.simulators.stripe.errors import StripeError, no_such, unexpected_state

_CREATE = frozenset(
    [
        "amount",
        "currency",
        "customer",
        "payment_method",
        "confirm",
        "receipt_email",
        "capture_method",
        "description",
        "metadata",
        "payment_method_types",
        "automatic_payment_methods",
        "off_session",
        "return_url",
        "setup_future_usage",
        "shipping",
        "statement_descriptor",
        "statement_descriptor_suffix",
        "confirmation_method",
        "expand",
        "payment_method_options",
        "transfer_group",
        "error_on_requires_action",
    ]
)
_CONFIRM = frozenset(
    [
        "payment_method",
        "receipt_email",
        "return_url",
        "off_session",
        "capture_method",
        "setup_future_usage",
        "expand",
        "error_on_requires_action",
        "payment_method_options",
        "shipping",
    ]
)
_CAPTURE = frozenset(["amount_to_capture", "metadata", "expand", "statement_descriptor", "final_capture"])
_CANCEL = frozenset(("cancellation_reason", "expand"))
_CANCELLABLE = frozenset(
    ("requires_payment_method", "requires_confirmation", "requires_action", "requires_capture")
)
_PAST = {"confirm": "confirmed", "capture": "captured", "cancel": "canceled"}
_CONFIRMABLE = frozenset(("requires_payment_method", "requires_confirmation", "requires_action"))
# https://docs.stripe.com/declines/codes#authentication_required
_NOBODY_TO_ASK = Decline(
    "authentication_required",
    "authentication_required",
    "Your card was declined. This transaction requires authentication.",
)
# https://docs.stripe.com/error-codes#payment-intent-authentication-failure
_CUSTOMER_REFUSED = Decline(
    "payment_intent_authentication_failure",
    None,
    "The provided PaymentMethod has failed authentication. You can provide payment_method_data or a new PaymentMethod "
    "to attempt to fulfill this PaymentIntent again.",
)


def create(account: Account, call: Call) -> Json:
    """Make an intent, and charge the card when `confirm` is true; a decline is 402 and leaves the intent."""
    p.only(call.params, _CREATE)
    confirm_now = p.flag(call.params, "confirm")
    intent = _new(account, call)
    if confirm_now and intent["payment_method"] is None:
        raise _no_payment_method("confirm")
    account.payment_intents[intent["id"]] = intent
    account.record("payment_intent.created", intent, call.idempotency_key, intent["amount"])
    return _charge(account, intent, call) if confirm_now else intent


def retrieve(account: Account, call: Call) -> Json:
    """The intent, or 404."""
    if (intent := account.payment_intents.get(call.id)) is None:
        raise no_such("payment_intent", call.id, param="intent", status=404)
    return intent


def confirm(account: Account, call: Call) -> Json:
    """Charge the card of an intent that has not been charged."""
    p.only(call.params, _CONFIRM)
    intent = retrieve(account, call)
    if intent["status"] not in _CONFIRMABLE:
        raise _wrong_status(intent, "confirm", _CONFIRMABLE)
    card = _card(account, call.params, intent["customer"]) or intent["payment_method"]
    if card is None:
        raise _no_payment_method("confirm")
    intent["payment_method"] = card
    intent["receipt_email"] = p.text(call.params, "receipt_email") or intent["receipt_email"]
    return _charge(account, intent, call)


def capture(account: Account, call: Call) -> Json:
    """Take the money of an authorised intent, all of it or a part."""
    p.only(call.params, _CAPTURE)
    wanted = p.amount(call.params, "amount_to_capture")
    intent = retrieve(account, call)
    if intent["status"] != "requires_capture":
        raise _wrong_status(intent, "capture", frozenset(("requires_capture",)))
    taken = wanted or intent["amount_capturable"]
    if taken > intent["amount_capturable"]:
        raise StripeError(
            400,
            "You cannot capture more than was authorized.",
            code="amount_too_large",
            param="amount_to_capture",
            executed=True,
        )
    if decline := account.decline(intent["payment_method"], intent["customer"]):
        # The hold stands, and a later capture may succeed.
        raise _card_error(intent, decline)
    account.counts["captured"] += 1
    return _succeed(account, intent, taken, call.idempotency_key)


def cancel(account: Account, call: Call) -> Json:
    """Give up an intent that has not succeeded."""
    p.only(call.params, _CANCEL)
    intent = retrieve(account, call)
    if intent["status"] not in _CANCELLABLE:
        raise _wrong_status(intent, "cancel", _CANCELLABLE)
    if intent["amount_capturable"]:
        account.counts["voided"] += 1
    return _cancel(account, intent, p.text(call.params, "cancellation_reason"), call.idempotency_key)


def answer(account: Account, identifier: str, *, agrees: bool) -> Json:
    """What the customer says when the bank asks: https://docs.stripe.com/payments/3d-secure."""
    intent = _asked(account, identifier, "requires_action")
    intent["next_action"] = None
    with suppress(StripeError):  # which the customer's browser sees, and the intent tells
        if not agrees:
            raise _decline(account, intent, _CUSTOMER_REFUSED, None)
        _decided(account, intent, None)
    return intent


def expire(account: Account, identifier: str) -> Json:
    """A hold that nobody captured lapses: https://docs.stripe.com/payments/place-a-hold-on-a-payment-method."""
    intent = _asked(account, identifier, "requires_capture")
    account.counts["expired"] += 1
    return _cancel(account, intent, "automatic", None)


def _asked(account: Account, identifier: str, status: str) -> Json:
    intent = account.payment_intents.get(identifier)
    if intent is None or intent["status"] != status:
        raise ValueError(f"there is no payment intent {identifier!r} that {status.replace('_', ' ')}")
    return intent


def _cancel(account: Account, intent: Json, reason: str | None, key: str | None) -> Json:
    intent |= {
        "status": "canceled",
        "canceled_at": account.created(),
        "cancellation_reason": reason,
        "amount_capturable": 0,
        "next_action": None,
    }
    account.record("payment_intent.canceled", intent, key, intent["amount"])
    return intent


def _new(account: Account, call: Call) -> Json:
    params = call.params
    amount, currency = p.charge_amount(params), p.currency(params)
    customer = p.text(params, "customer")
    if customer is not None and customer not in account.customers:
        raise no_such("customer", customer, param="customer")
    card = _card(account, params, customer)
    identifier = account.new_id("pi")
    return {
        "id": identifier,
        "object": "payment_intent",
        "amount": amount,
        "amount_capturable": 0,
        "amount_received": 0,
        "canceled_at": None,
        "cancellation_reason": None,
        "capture_method": p.choice(params, "capture_method", ("automatic_async", "automatic", "manual")),
        "client_secret": f"{identifier}_secret_{identifier[-8:]}",
        "confirmation_method": p.choice(params, "confirmation_method", ("automatic", "manual")),
        "created": account.created(),
        "currency": currency,
        "customer": customer,
        "description": p.text(params, "description"),
        "last_payment_error": None,
        "latest_charge": None,
        "livemode": False,
        "metadata": p.metadata(params),
        "next_action": None,
        "payment_method": card,
        "payment_method_types": ["card"],
        "receipt_email": p.text(params, "receipt_email"),
        "statement_descriptor": p.text(params, "statement_descriptor"),
        "status": "requires_payment_method" if card is None else "requires_confirmation",
    }


def _card(account: Account, params: Json, customer: str | None) -> str | None:
    # Stripe itself does not fall back on the customer's default card; the stand-in does, so that a
    # demonstration can speak of "the customer's card" without a set-up flow.
    card = p.text(params, "payment_method")
    if card is None and customer is not None:
        card = account.customers[customer]["invoice_settings"]["default_payment_method"]
    if card is not None and not account.knows_card(card):
        raise no_such("PaymentMethod", card, param="payment_method")
    return card


def _charge(account: Account, intent: Json, call: Call) -> Json:
    if account.asks_customer(intent["payment_method"]):
        if p.flag(call.params, "off_session"):
            raise _decline(account, intent, _NOBODY_TO_ASK, call.idempotency_key)
        intent |= {
            "status": "requires_action",
            "next_action": {"type": "use_stripe_sdk", "use_stripe_sdk": {"type": "three_d_secure_redirect"}},
        }
        account.record("payment_intent.requires_action", intent, call.idempotency_key, intent["amount"])
        return intent
    return _decided(account, intent, call.idempotency_key)


def _decided(account: Account, intent: Json, key: str | None) -> Json:
    if (decline := account.decline(intent["payment_method"], intent["customer"])) is not None:
        raise _decline(account, intent, decline, key)
    charge = intent["latest_charge"] = account.new_id("ch")
    account.intent_of_charge[charge] = intent["id"]
    intent["last_payment_error"] = None
    if intent["capture_method"] == "manual":
        intent |= {"status": "requires_capture", "amount_capturable": intent["amount"]}
        account.counts["authorised"] += 1
        account.record("payment_intent.amount_capturable_updated", intent, key, intent["amount"])
        return intent
    return _succeed(account, intent, intent["amount"], key)


def _succeed(account: Account, intent: Json, taken: int, key: str | None) -> Json:
    intent |= {"status": "succeeded", "amount_received": taken, "amount_capturable": 0}
    account.record("payment_intent.succeeded", intent, key, taken)
    return intent


def _decline(account: Account, intent: Json, decline: Decline, key: str | None) -> StripeError:
    intent["latest_charge"] = account.new_id("ch")
    failure = {
        "type": "card_error",
        "code": decline.code,
        "decline_code": decline.decline_code,
        "message": decline.message,
        "charge": intent["latest_charge"],
    }
    intent |= {"status": "requires_payment_method", "last_payment_error": failure, "payment_method": None}
    account.record("payment_intent.payment_failed", intent, key, intent["amount"])
    return _card_error(intent, decline)


def _card_error(intent: Json, decline: Decline) -> StripeError:
    return StripeError(
        402,
        decline.message,
        type="card_error",
        code=decline.code,
        decline_code=decline.decline_code,
        extra={"charge": intent["latest_charge"], "payment_intent": dict(intent)},
        executed=True,
    )


def _no_payment_method(verb: str) -> StripeError:
    return unexpected_state(
        f"You cannot {verb} this PaymentIntent because it's missing a payment method. You can either update the "
        f"PaymentIntent with a payment method and then {verb} it again, or {verb} it again directly with a payment "
        "method."
    )


def _wrong_status(intent: Json, verb: str, allowed: frozenset[str]) -> StripeError:
    return unexpected_state(
        f"This PaymentIntent could not be {_PAST[verb]} because it has a status of {intent['status']}. Only a "
        f"PaymentIntent with one of the following statuses may be {_PAST[verb]}: {', '.join(sorted(allowed))}.",
        {"payment_intent": dict(intent)},
    )
