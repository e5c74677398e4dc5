"""GitHub's source, judged by gidgethub and by the example in GitHub's documentation."""

from datetime import UTC, datetime

import pytest
from gidgethub import ValidationFailure, sansio
from hypothesis import given
from hypothesis import strategies as st

from hub import Delivery, Refused
from hub.domain.errors import Invalid
from hub.domain.signatures import Verified
from webhooks.github import source

NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)
SECRET = "It's a Secret to Everybody"
DELIVERY = "72d3162e-cc78-11e3-81ab-4c9367dc0958"


def received(delivery: Delivery) -> dict[str, str]:
    """The headers with names in lower case, as both gidgethub and the hub ask for them."""
    return {name.lower(): value for name, value in delivery.headers.items()}


@pytest.mark.parametrize("event_type", sorted(source.samples))
def test_gidgethub_accepts_what_we_sign(event_type: str) -> None:
    """The judge accepts every sample, and reads the same event in it."""
    delivery = source.deliver(source.sample(event_type, id=DELIVERY, at=NOW), SECRET)

    event = sansio.Event.from_http(received(delivery), delivery.body, secret=SECRET)

    action = event.data.get("action")
    assert event.delivery_id == DELIVERY
    assert event_type == (f"{event.event}.{action}" if action else event.event)


def test_gidgethub_refuses_what_we_sign_with_another_secret() -> None:
    """The judge is awake: it does not accept everything."""
    delivery = source.deliver(source.sample("ping", id=DELIVERY, at=NOW), "another")

    with pytest.raises(ValidationFailure):
        sansio.Event.from_http(received(delivery), delivery.body, secret=SECRET)


@given(body=st.binary(), secret=st.text(st.characters(codec="utf-8"), min_size=1))
def test_we_and_gidgethub_agree_on_any_bytes(body: bytes, secret: str) -> None:
    """Any bytes with any secret: what one signs the other accepts, and both refuse what has changed."""
    signature = "sha256=" + source.scheme.sign(body, secret).hex()
    headers = {"x-hub-signature-256": signature}

    sansio.validate_event(body, signature=signature, secret=secret)
    assert source.scheme.verify(headers, body, [secret], NOW) == Verified(0)
    with pytest.raises(ValidationFailure):
        sansio.validate_event(body + b" ", signature=signature, secret=secret)
    assert source.scheme.verify(headers, body + b" ", [secret], NOW) is Refused.MISMATCH


def test_the_documented_example_is_accepted() -> None:
    """docs.github.com, "Validating webhook deliveries", "Testing the webhook payload validation"."""
    documented = "sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17"

    verdict = source.scheme.verify({"x-hub-signature-256": documented}, b"Hello, World!", [SECRET], NOW)

    assert verdict == Verified(0)


def test_the_old_sha1_signature_is_not_enough() -> None:
    """A delivery that carries nothing but `X-Hub-Signature` is refused: SHA-1 is not looked at."""
    headers = {"x-hub-signature": "sha1=01dc10d0c83e72ed246219cdd91669667fe2ca59"}

    assert source.scheme.verify(headers, b"Hello, World!", [SECRET], NOW) is Refused.MISSING


@pytest.mark.parametrize(
    ("event", "payload", "expected"),
    [
        ("issues", {"action": "opened"}, "issues.opened"),
        ("push", {"ref": "refs/heads/main"}, "push"),
        ("ping", {"zen": "Keep it logically awesome."}, "ping"),
        ("pull_request_review", {"action": "submitted"}, "pull_request_review.submitted"),
        ("issues", {"action": None}, "issues"),
    ],
)
def test_the_type_is_the_event_and_its_action(event: str, payload: dict[str, object], expected: str) -> None:
    """Jobs subscribe to `issues.opened`; an event without action is just its name."""
    headers = {"x-github-event": event, "x-github-delivery": DELIVERY}

    assert source.read(headers, payload).type == expected


@pytest.mark.parametrize("missing", ["x-github-event", "x-github-delivery"])
def test_an_event_without_its_headers_is_invalid(missing: str) -> None:
    """An action alone is no type: `opened` of what? And without an id a redelivery could not be told."""
    headers = {"x-github-event": "issues", "x-github-delivery": DELIVERY}
    del headers[missing]

    with pytest.raises(Invalid):
        source.read(headers, {"action": "opened"})
