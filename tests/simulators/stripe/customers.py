"""https://docs.stripe.com/api/customers."""

from tests.simulators.stripe import params as p
from tests.simulators.stripe.account import Account, Call, Json
from tests.simulators.stripe.errors import StripeError, no_such

_KNOWN = frozenset(
    [
        "id",
        "address",
        "balance",
        "description",
        "email",
        "expand",
        "invoice_settings",
        "metadata",
        "name",
        "payment_method",
        "phone",
        "preferred_locales",
        "shipping",
        "source",
        "tax_exempt",
    ]
)


def create(account: Account, call: Call) -> Json:
    """Make a customer; `id` may be chosen, as Stripe allows."""
    p.only(call.params, _KNOWN)
    card = _default_card(account, call.params)
    identifier = p.text(call.params, "id") or account.new_id("cus")
    if identifier in account.customers:
        raise StripeError(400, "Customer already exists.", code="resource_already_exists", param="id")
    customer: Json = {
        "id": identifier,
        "object": "customer",
        "balance": 0,
        "created": account.created(),
        "default_source": None,
        "description": p.text(call.params, "description"),
        "email": p.text(call.params, "email"),
        "invoice_settings": {"default_payment_method": card},
        "livemode": False,
        "metadata": p.metadata(call.params),
        "name": p.text(call.params, "name"),
        "phone": p.text(call.params, "phone"),
    }
    account.customers[identifier] = customer
    account.record("customer.created", customer, call.idempotency_key)
    return customer


def retrieve(account: Account, call: Call) -> Json:
    """The customer, or 404."""
    if (customer := account.customers.get(call.id)) is None:
        raise no_such("customer", call.id, param="id", status=404)
    return customer


def update(account: Account, call: Call) -> Json:
    """Change what was sent and leave the rest."""
    customer = retrieve(account, call)
    p.only(call.params, _KNOWN - {"id"})
    card = _default_card(account, call.params)
    for name in ("description", "email", "name", "phone"):
        if name in call.params:
            customer[name] = p.text(call.params, name)
    if card is not None:
        customer["invoice_settings"]["default_payment_method"] = card
    customer["metadata"] |= p.metadata(call.params)
    account.record("customer.updated", customer, call.idempotency_key)
    return customer


def _default_card(account: Account, params: Json) -> str | None:
    settings = params.get("invoice_settings") or {}
    if not isinstance(settings, dict):
        raise StripeError(400, "Invalid hash", param="invoice_settings")
    card = p.text(settings, "default_payment_method") or p.text(params, "payment_method")
    if card is not None and not account.knows_card(card):
        raise no_such("PaymentMethod", card, param="payment_method")
    return card
