"""Stripe's errors, in Stripe's shape: https://docs.stripe.com/api/errors."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(eq=False)
class StripeError(Exception):
    """An answer other than 2xx.

    `executed` tells whether the endpoint had begun to execute: only then does Stripe keep the answer for the
    idempotency key (https://docs.stripe.com/api/idempotent_requests).
    """

    status: int
    message: str
    type: str = "invalid_request_error"
    code: str | None = None
    param: str | None = None
    decline_code: str | None = None
    extra: Mapping[str, Any] = field(default_factory=dict)
    executed: bool = False

    def body(self) -> dict[str, Any]:
        """The JSON document that Stripe would send."""
        error: dict[str, Any] = {"type": self.type, "message": self.message}
        for name in ("code", "param", "decline_code"):
            if (value := getattr(self, name)) is not None:
                error[name] = value
        if self.code is not None:
            error["doc_url"] = f"https://stripe.com/docs/error-codes/{self.code.replace('_', '-')}"
        return {"error": error | dict(self.extra)}


def missing(param: str) -> StripeError:
    """A required parameter was not sent."""
    return StripeError(400, f"Missing required param: {param}.", code="parameter_missing", param=param)


def no_such(kind: str, identifier: str, *, param: str, status: int = 400) -> StripeError:
    """An object that does not exist: 404 when the URL names it, 400 when a parameter does."""
    return StripeError(
        status, f"No such {kind}: '{identifier}'", code="resource_missing", param=param, executed=True
    )


def unexpected_state(message: str, extra: Mapping[str, Any] | None = None) -> StripeError:
    """The object exists and cannot do this now."""
    return StripeError(400, message, code="payment_intent_unexpected_state", extra=extra or {}, executed=True)


def unauthenticated(key: str | None) -> StripeError:
    """No key, or not a secret test key; the message never carries the whole key."""
    if not key:
        return StripeError(
            401,
            "You did not provide an API key. You need to provide your API key in the Authorization header, "
            "using Bearer auth (e.g. 'Authorization: Bearer YOUR_SECRET_KEY').",
        )
    return StripeError(401, f"Invalid API Key provided: {key[:8]}{'*' * 8}{key[-4:]}")
