"""A stateful stand-in for Stripe's API: https://docs.stripe.com/api.

As a process: `python -m tests.simulators.stripe --port 0` (prints `ready {"url": ...}`). In a test's event loop:
`async with running() as stripe: stripe.url`. What it did is at `GET /_control/effects`.
"""

from tests.simulators.stripe.account import Effect
from tests.simulators.stripe.application import (
    RunningStripe,
    StripeSimulator,
    application,
    running,
    simulator,
)
from tests.simulators.stripe.webhooks import event, signed_event

__all__ = [
    "Effect",
    "RunningStripe",
    "StripeSimulator",
    "application",
    "event",
    "running",
    "signed_event",
    "simulator",
]
