"""Fixtures of the simulators' own tests."""

from collections.abc import Iterator

import httpx
import pytest
import stripe

from tests.simulators.processes import simulator

KEY = "sk_test_simulated"


@pytest.fixture(scope="session")
def stripe_url() -> Iterator[str]:
    """The address of a Stripe stand-in in a process of its own."""
    with simulator("stripe") as ready:
        yield ready["url"]


@pytest.fixture
def control(stripe_url: str) -> Iterator[httpx.Client]:
    """The control address of the stand-in, which is empty at first."""
    with httpx.Client(base_url=stripe_url, trust_env=False) as client:
        client.post("/_control/reset").raise_for_status()
        yield client


@pytest.fixture
def official(control: httpx.Client) -> Iterator[stripe.StripeClient]:
    """Stripe's own library, aimed at the stand-in and told not to retry."""
    http_client = stripe.RequestsClient()
    yield stripe.StripeClient(
        KEY,
        base_addresses={"api": str(control.base_url).rstrip("/")},
        max_network_retries=0,
        http_client=http_client,
    )
    http_client.close()  # type: ignore[no-untyped-call]
