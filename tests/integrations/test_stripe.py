"""Stripe's wire format, its errors, and the whole of it against a stand-in that counts what it did."""

from typing import Any
from urllib.parse import parse_qsl

import httpx
import pytest
import respx

from hub import (
    Answer,
    Args,
    Call,
    CallError,
    Declined,
    NoAnswer,
    Operation,
    ProviderFault,
    Rejected,
    Throttled,
)
from hub.domain.effects import Certainty
from hub.domain.errors import Unauthorized
from hub.infra.sender import Sender
from integrations import stripe
from tests.infra.calls import sending
from tests.simulators.stripe import RunningStripe, payment_intents, running
from tests.simulators.stripe.account import GENERIC_DECLINE

KEY = "sk_test_0123456789abcdef"
INTENT = {
    "id": "pi_1",
    "status": "succeeded",
    "amount": 1999,
    "currency": "eur",
    "client_secret": "pi_1_secret_x",
}
REFUND = {"id": "re_1", "status": "pending", "amount": 500, "currency": "eur"}
CUSTOMER = {"id": "cus_1", "email": "jenny@example.com"}


def call(url: str = "https://api.stripe.com", key: str = "hub-key-1") -> Call:
    return Call(url, {"secret_key": KEY}, key, "request-1")


WIRE: list[tuple[Operation[Any, Any], dict[str, Any], str, str, dict[str, str], dict[str, Any]]] = [
    (
        stripe.create_payment_intent,
        {
            "amount": 1999,
            "currency": "EUR",
            "payment_method": "pm_card_visa",
            "receipt_email": "jenny@example.com",
            "metadata": {"order": "10&42", "größe": "L"},
        },
        "POST",
        "/v1/payment_intents",
        {
            "amount": "1999",
            "currency": "eur",
            "confirm": "true",
            "payment_method": "pm_card_visa",
            "automatic_payment_methods[enabled]": "true",
            "automatic_payment_methods[allow_redirects]": "never",
            "receipt_email": "jenny@example.com",
            "metadata[order]": "10&42",
            "metadata[größe]": "L",
        },
        INTENT,
    ),
    (
        stripe.create_payment_intent,
        {"amount": 500, "currency": "jpy", "capture_method": "manual", "automatic_payment_methods": None},
        "POST",
        "/v1/payment_intents",
        {"amount": "500", "currency": "jpy", "confirm": "true", "capture_method": "manual"},
        INTENT,
    ),
    (stripe.retrieve_payment_intent, {"id": "pi_1"}, "GET", "/v1/payment_intents/pi_1", {}, INTENT),
    (
        stripe.capture_payment_intent,
        {"id": "pi_1", "amount_to_capture": 1500},
        "POST",
        "/v1/payment_intents/pi_1/capture",
        {"amount_to_capture": "1500"},
        INTENT,
    ),
    (
        stripe.cancel_payment_intent,
        {"id": "pi_1", "cancellation_reason": "abandoned"},
        "POST",
        "/v1/payment_intents/pi_1/cancel",
        {"cancellation_reason": "abandoned"},
        INTENT,
    ),
    (
        stripe.create_refund,
        {"payment_intent": "pi_1", "amount": 500, "reason": "duplicate"},
        "POST",
        "/v1/refunds",
        {"payment_intent": "pi_1", "amount": "500", "reason": "duplicate"},
        REFUND,
    ),
    (stripe.retrieve_refund, {"id": "re_1"}, "GET", "/v1/refunds/re_1", {}, REFUND),
    (
        stripe.create_customer,
        {"email": "jenny@example.com", "name": "Jenny & Co"},
        "POST",
        "/v1/customers",
        {"email": "jenny@example.com", "name": "Jenny & Co"},
        CUSTOMER,
    ),
    (stripe.retrieve_customer, {"id": "cus_1"}, "GET", "/v1/customers/cus_1", {}, CUSTOMER),
]


@pytest.mark.parametrize(
    ("operation", "fields", "method", "path", "form", "answer"), WIRE, ids=[row[0].name for row in WIRE]
)
async def test_the_wire_format(
    operation: Operation[Any, Any],
    fields: dict[str, Any],
    method: str,
    path: str,
    form: dict[str, str],
    answer: dict[str, Any],
) -> None:
    """Method, path, form fields and headers, as https://docs.stripe.com/api has them."""
    router = respx.Router()
    route = router.request(method, f"https://api.stripe.com{path}").respond(200, json=answer)
    async with sending(transport=httpx.MockTransport(router.async_handler)) as sender:
        result = await sender.send(operation, operation.args.model_validate(fields), call())
    request = route.calls.last.request
    assert dict(parse_qsl(request.content.decode())) == form
    assert request.headers["authorization"] == f"Bearer {KEY}"
    assert request.headers["stripe-version"] == stripe.VERSION
    assert request.headers.get("idempotency-key") == ("hub-key-1" if method == "POST" else None)
    assert not request.url.query
    assert result.id == answer["id"]
    assert "secret" not in result.model_dump_json()


def _error(status: int, **error: Any) -> CallError | None:
    return stripe.error_of(Answer(status, {}, httpx.Response(status, json={"error": error}).content))


@pytest.mark.parametrize(
    ("status", "error", "kind", "code"),
    [
        (
            402,
            {"type": "card_error", "code": "card_declined", "decline_code": "x"},
            Declined,
            "card_declined",
        ),
        (402, {"type": "card_error", "code": "expired_card"}, Declined, "expired_card"),
        (402, {}, Declined, "card_declined"),
        (400, {"type": "card_error", "code": "incorrect_cvc"}, Declined, "incorrect_cvc"),
        (400, {"type": "invalid_request_error", "code": "amount_too_small"}, Rejected, "amount_too_small"),
        (400, {"type": "invalid_request_error"}, Rejected, "invalid_request_error"),
        (404, {"type": "invalid_request_error", "code": "resource_missing"}, Rejected, "resource_missing"),
        (401, {"type": "invalid_request_error"}, Unauthorized, "unauthorized"),
        (403, {"type": "invalid_request_error"}, Unauthorized, "unauthorized"),
        (429, {"type": "invalid_request_error", "code": "rate_limit"}, Throttled, "rate_limit"),
        (429, {"type": "invalid_request_error", "code": "lock_timeout"}, Throttled, "lock_timeout"),
        (409, {"type": "invalid_request_error", "code": "idempotency_key_in_use"}, ProviderFault, None),
        (400, {"type": "idempotency_error"}, NoAnswer, "idempotency_error"),
        (424, {"type": "api_error"}, NoAnswer, "status_424"),
        (500, {"type": "api_error"}, ProviderFault, "status_500"),
        (400, {"type": ["?"], "code": {"a": 1}, "message": 7}, Rejected, "status_400"),
    ],
)
def test_errors_keep_stripes_own_code(
    status: int, error: dict[str, Any], kind: type[CallError], code: str | None
) -> None:
    """https://docs.stripe.com/error-codes; what leaves an effect in doubt is never called a no."""
    found = _error(status, **error)
    assert type(found) is kind
    assert found.code == (code or error["code"])
    assert found.status == status


def test_a_decline_says_why() -> None:
    """The bank's reason stands before Stripe's sentence."""
    error = _error(
        402, type="card_error", code="card_declined", decline_code="insufficient_funds", message="No funds."
    )
    assert str(error) == "stripe: insufficient_funds: No funds."


@pytest.mark.parametrize(
    "secret",
    [
        "sk_live_51Habcdef",
        "rk_test_51Habcdef",
        "pi_1Abc_secret_Xyz123",
        "whsec_abcdef123",
        "4242 4242 4242 4242",
    ],
)
def test_messages_hold_no_secret(secret: str) -> None:
    """Nor a card number, whatever Stripe says back to us."""
    message = str(_error(400, message=f"Invalid value {secret}: try\nagain"))
    assert secret not in message
    assert "try again" in message


def test_long_messages_are_cut() -> None:
    """Nobody reads a megabyte."""
    assert len(str(_error(400, message="x" * 100_000))) < 400


@pytest.mark.parametrize("body", [b"", b"<html>", b"[]", b'{"error": "text"}', b'{"error": []}', b"1" * 5000])
def test_what_is_no_stripe_error_is_left_to_the_status(body: bytes) -> None:
    """A proxy in between speaks its own language."""
    assert stripe.error_of(Answer(502, {}, body)) is None


@pytest.mark.parametrize(
    ("model", "fields"),
    [
        (stripe.CreatePaymentIntent, {"amount": 0, "currency": "eur"}),
        (stripe.CreatePaymentIntent, {"amount": -5, "currency": "eur"}),
        (stripe.CreatePaymentIntent, {"amount": 19.99, "currency": "eur"}),
        (stripe.CreatePaymentIntent, {"amount": "1999", "currency": "eur"}),
        (stripe.CreatePaymentIntent, {"amount": True, "currency": "eur"}),
        (stripe.CreatePaymentIntent, {"amount": 100_000_000, "currency": "eur"}),
        (stripe.CreatePaymentIntent, {"amount": 1999, "currency": "euro"}),
        (stripe.CreatePaymentIntent, {"amount": 1999, "currency": "eur", "metadata": {"a[b]": "c"}}),
        (stripe.CreatePaymentIntent, {"amount": 1999, "currency": "eur", "metadata": {"a": "c" * 501}}),
        (stripe.RetrievePaymentIntent, {"id": ".."}),
        (stripe.RetrievePaymentIntent, {"id": "pi_1/../../customers"}),
        (stripe.RetrievePaymentIntent, {"id": "pi_1\n"}),
        (stripe.RetrieveCustomer, {"id": "pi_1"}),
    ],
)
def test_nonsense_is_found_before_stripe_hears_it(model: type[Args], fields: dict[str, Any]) -> None:
    """Amounts are whole and positive, ids look like ids."""
    with pytest.raises(ValueError, match="validation error"):
        model.model_validate(fields)


@pytest.fixture
async def account() -> Any:
    async with running() as account:
        yield account


async def test_a_repeat_with_the_same_key_charges_once(account: RunningStripe) -> None:
    """What the promise of the hub rests on."""
    args = stripe.CreatePaymentIntent(amount=1999, currency="eur", payment_method="pm_card_visa")
    async with sending() as sender:
        first = await sender.send(stripe.create_payment_intent, args, call(account.url))
        again = await sender.send(stripe.create_payment_intent, args, call(account.url))
        other = await sender.send(stripe.create_payment_intent, args, call(account.url, "hub-key-2"))
    assert first == again
    assert first.id != other.id
    assert account.simulator.account.counts["payment_intent.succeeded"] == 2


async def test_a_reset_after_the_charge_is_unknown_and_the_repeat_finds_it(account: RunningStripe) -> None:
    """The card is charged once, though the first answer never came."""
    account.simulator.endpoints.faults.add({"match": {"method": "POST"}, "fault": {"reset": "after"}})
    args = stripe.CreatePaymentIntent(amount=1999, currency="eur", payment_method="pm_card_visa")
    async with sending() as sender:
        with pytest.raises(NoAnswer) as caught:
            await sender.send(stripe.create_payment_intent, args, call(account.url))
        assert caught.value.certainty is Certainty.UNKNOWN
        intent = await sender.send(stripe.create_payment_intent, args, call(account.url))
    assert intent.status == "succeeded"
    assert account.simulator.account.counts["payment_intent.succeeded"] == 1


async def test_the_life_of_a_payment(account: RunningStripe) -> None:
    """Customer, authorisation, capture, refund, and looking each of them up."""
    async with sending() as sender:
        customer = await sender.send(
            stripe.create_customer, stripe.CreateCustomer(email="jenny@example.com"), call(account.url, "1")
        )
        found = await sender.send(
            stripe.retrieve_customer, stripe.RetrieveCustomer(id=customer.id), call(account.url)
        )
        assert found.email == "jenny@example.com"
        authorised = await sender.send(
            stripe.create_payment_intent,
            stripe.CreatePaymentIntent(
                amount=1999,
                currency="eur",
                customer=customer.id,
                payment_method="pm_card_visa",
                capture_method="manual",
            ),
            call(account.url, "2"),
        )
        assert authorised.status == "requires_capture"
        captured = await sender.send(
            stripe.capture_payment_intent,
            stripe.CapturePaymentIntent(id=authorised.id),
            call(account.url, "3"),
        )
        assert captured.status == "succeeded"
        refund = await sender.send(
            stripe.create_refund,
            stripe.CreateRefund(payment_intent=authorised.id, amount=500),
            call(account.url, "4"),
        )
        assert (
            await sender.send(stripe.retrieve_refund, stripe.RetrieveRefund(id=refund.id), call(account.url))
        ).amount == 500
        with pytest.raises(Rejected) as caught:
            await sender.send(
                stripe.cancel_payment_intent,
                stripe.CancelPaymentIntent(id=authorised.id),
                call(account.url, "5"),
            )
    assert caught.value.code == "payment_intent_unexpected_state"


async def test_a_payment_is_captured_once_and_not_voided_after(account: RunningStripe) -> None:
    """Under another key Stripe refuses, with the state in its words; a void of what was captured stays a no."""
    async with sending() as sender:
        held = await authorised(sender, account)
        captured = await sender.send(
            stripe.capture_payment_intent,
            stripe.CapturePaymentIntent(id=held.id),
            call(account.url, "capture"),
        )
        again: list[tuple[Operation[Any, Any], Args]] = [
            (stripe.capture_payment_intent, stripe.CapturePaymentIntent(id=held.id)),
            (stripe.cancel_payment_intent, stripe.CancelPaymentIntent(id=held.id)),
        ]
        for operation, args in again:
            with pytest.raises(Rejected, match="status of succeeded") as caught:
                await sender.send(operation, args, call(account.url, operation.path))
            assert caught.value.code == "payment_intent_unexpected_state"
    assert (held.status, captured.status, captured.amount_received) == ("requires_capture", "succeeded", 1999)
    assert account.simulator.account.counts["captured"] == 1


async def test_a_payment_is_void_however_often_it_is_voided(account: RunningStripe) -> None:
    """That it is cancelled already, by a person or because it lapsed, is as good as having done it; not for a capture."""
    async with sending() as sender:
        held = await authorised(sender, account)
        payment_intents.expire(account.simulator.account, held.id)
        void = stripe.CancelPaymentIntent(id=held.id)
        result = await sender.send(stripe.cancel_payment_intent, void, call(account.url, "void"))
        with pytest.raises(Rejected, match="status of canceled"):
            await sender.send(
                stripe.capture_payment_intent,
                stripe.CapturePaymentIntent(id=held.id),
                call(account.url, "capture"),
            )
    assert (result.id, result.status) == (held.id, "canceled")
    assert account.simulator.account.counts["payment_intent.canceled"] == 1


async def test_a_declined_capture_is_declined(account: RunningStripe) -> None:
    """A card that was blocked since."""
    async with sending() as sender:
        held = await authorised(sender, account)
        account.simulator.account.cards["pm_card_visa"] = GENERIC_DECLINE
        with pytest.raises(Declined):
            await sender.send(
                stripe.capture_payment_intent,
                stripe.CapturePaymentIntent(id=held.id),
                call(account.url, "capture"),
            )


async def authorised(sender: Sender, account: RunningStripe) -> stripe.PaymentIntent:
    args = stripe.CreatePaymentIntent(
        amount=1999, currency="eur", payment_method="pm_card_visa", capture_method="manual"
    )
    return await sender.send(stripe.create_payment_intent, args, call(account.url, "hold"))


async def test_a_declined_card_is_declined(account: RunningStripe) -> None:
    """By the test card that https://docs.stripe.com/testing#declined-payments names."""
    args = stripe.CreatePaymentIntent(amount=1999, currency="eur", payment_method="pm_card_chargeDeclined")
    async with sending() as sender:
        with pytest.raises(Declined) as caught:
            await sender.send(stripe.create_payment_intent, args, call(account.url))
    assert caught.value.code == "card_declined"
    assert "generic_decline" in str(caught.value)


async def test_the_probe_asks_for_the_balance_and_keeps_none_of_it() -> None:
    """Whether the key is good, and of which mode: how much there is stays with Stripe."""
    router = respx.Router()
    route = router.get("https://api.stripe.com/v1/balance")
    route.respond(200, json={"object": "balance", "livemode": False, "available": [{"amount": 1999}]})
    async with sending(transport=httpx.MockTransport(router.async_handler)) as sender:
        found = await sender.probe(stripe.retrieve_balance, stripe.RetrieveBalance(), call(), 5)
    assert found.model_dump() == {"object": "balance", "livemode": False}
    assert route.call_count == 1
