"""Form-encoded requests with nested keys, as Stripe reads them: `metadata[order]=7`, `expand[]=customer`."""

import re
from collections.abc import Collection
from typing import Any
from urllib.parse import parse_qsl

from tests.simulators.stripe.errors import StripeError, missing

Params = dict[str, Any]

_KEY = re.compile(r"\[([^\]]*)\]")
_CURRENCY = re.compile(r"[a-z]{3}\Z")
MINIMUM_AMOUNT = 50
"""In the smallest unit of the currency: https://docs.stripe.com/currencies#minimum-and-maximum-charge-amounts."""


def parse(body: bytes) -> Params:
    """The parameters of a request body; raises StripeError when it is not form-encoded text."""
    try:
        pairs = parse_qsl(body.decode("utf-8"), keep_blank_values=True, strict_parsing=bool(body))
    except ValueError as error:
        raise StripeError(400, "Invalid request body: it is not form-encoded.") from error
    params: Params = {}
    for key, value in pairs:
        _put(params, key, value)
    return params


def _put(params: Params, key: str, value: str) -> None:
    name, bracket, _ = key.partition("[")
    path = [name, *_KEY.findall(key[len(name) :])] if bracket else [name]
    node = params
    for part, following in zip(path, [*path[1:], None], strict=True):
        position = part or str(len(node))
        if following is None:
            node[position] = value
            return
        child = node.setdefault(position, {})
        if not isinstance(child, dict):
            raise StripeError(400, "Invalid request: a parameter is both a value and a hash.", param=key)
        node = child


def only(params: Params, known: Collection[str]) -> None:
    """Stripe refuses what it does not know, so that a misspelt parameter is found at once."""
    for name in params:
        if name not in known:
            raise StripeError(
                400, f"Received unknown parameter: {name}", code="parameter_unknown", param=name
            )


def text(params: Params, name: str) -> str | None:
    """A plain string, or None when it was not sent or sent empty (which is how Stripe unsets)."""
    value = params.get(name)
    if value is None or isinstance(value, str):
        return value or None
    raise StripeError(400, f"Invalid string: {name}", param=name)


def required(params: Params, name: str) -> str:
    """A string that must be there."""
    if (value := text(params, name)) is None:
        raise missing(name)
    return value


def amount(params: Params, name: str) -> int | None:
    """A positive integer in the smallest unit of the currency."""
    if (value := text(params, name)) is None:
        return None
    if not re.fullmatch(r"-?\d{1,12}", value):
        raise StripeError(400, f"Invalid integer: {value}", code="parameter_invalid_integer", param=name)
    if int(value) < 1:
        raise StripeError(
            400,
            "This value must be greater than or equal to 1.",
            code="parameter_invalid_integer",
            param=name,
        )
    return int(value)


def charge_amount(params: Params) -> int:
    """The amount of a new payment, which has a least value."""
    value = amount(params, "amount")
    if value is None:
        raise missing("amount")
    if value < MINIMUM_AMOUNT:
        raise StripeError(
            400, "Amount must be no less than $0.50 usd", code="amount_too_small", param="amount"
        )
    return value


def currency(params: Params) -> str:
    """A three-letter code; Stripe answers in lower case."""
    value = required(params, "currency").lower()
    if not _CURRENCY.match(value):
        raise StripeError(400, f"Invalid currency: {value}.", param="currency")
    return value


def flag(params: Params, name: str) -> bool:
    """`true` or `false`; absent is false."""
    value = text(params, name)
    if value not in (None, "true", "false"):
        raise StripeError(400, f"Invalid boolean: {value}", param=name)
    return value == "true"


def choice(params: Params, name: str, options: tuple[str, ...]) -> str:
    """One of `options`, the first of which is the default."""
    value = text(params, name) or options[0]
    if value not in options:
        raise StripeError(400, f"Invalid {name}: must be one of {', '.join(options)}", param=name)
    return value


def metadata(params: Params) -> dict[str, str]:
    """Key-value pairs that the caller keeps on an object."""
    value = params.get("metadata") or {}
    if not isinstance(value, dict) or not all(isinstance(item, str) for item in value.values()):
        raise StripeError(400, "Invalid hash", param="metadata")
    return {key: item for key, item in value.items() if item}
