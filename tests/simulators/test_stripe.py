"""The Stripe stand-in, judged by Stripe's own library."""

import json
import time
from collections.abc import Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import httpx
import pytest
import stripe
from stripe.params import PaymentIntentCreateParams

from tests.simulators.stripe import event, signed_event


def paid(client: stripe.StripeClient, key: str | None = None, **changes: Any) -> stripe.PaymentIntent:
    """A payment that is confirmed at once."""
    params: dict[str, Any] = {
        "amount": 1999,
        "currency": "usd",
        "payment_method": "pm_card_visa",
        "confirm": True,
        "metadata": {"order": "7"},
    }
    wanted: PaymentIntentCreateParams = {**params, **changes}  # type: ignore[typeddict-item]
    return client.v1.payment_intents.create(wanted, {"idempotency_key": key} if key else {})


def effects(control: httpx.Client, **narrowed: str) -> list[dict[str, Any]]:
    """What Stripe says that it did."""
    found: list[dict[str, Any]] = control.get("/_control/effects", params=narrowed).json()["effects"]
    return found


def counts(control: httpx.Client) -> Mapping[str, int]:
    """How often it did each thing."""
    counted: dict[str, int] = control.get("/_control/counts").json()
    return counted


def order(
    control: httpx.Client, fault: Mapping[str, Any], *, times: int = 1, path: str = "/v1/payment"
) -> None:
    """Order a fault for POST requests."""
    document = {"match": {"method": "POST", "path": path}, "times": times, "fault": fault}
    assert control.post("/_control/faults", json=document).status_code == 201


def wait_for_count(control: httpx.Client, name: str, request: Future[stripe.PaymentIntent]) -> None:
    """Return when the stand-in counts `name`, which must be before the request has ended."""
    while name not in counts(control):
        assert not request.done()


def test_a_good_card_is_charged_once_and_the_payment_can_be_read_again(
    official: stripe.StripeClient, control: httpx.Client
) -> None:
    """Nested keys arrive, the intent succeeds, and the ledger names the charge with its key and amount."""
    intent = paid(official, "order-7", receipt_email="ada@example.com")
    again = official.v1.payment_intents.retrieve(intent.id)
    assert (again.status, again.amount_received, again.metadata["order"]) == ("succeeded", 1999, "7")
    (charged,) = effects(control, kind="payment_intent.succeeded")
    assert (charged["id"], charged["idempotency_key"], charged["amount"]) == (intent.id, "order-7", 1999)


def test_a_declined_card_is_a_402_with_the_intent_in_the_error(
    official: stripe.StripeClient, control: httpx.Client
) -> None:
    """Stripe's library reads the decline, and no money has moved."""
    with pytest.raises(stripe.CardError) as declined:
        paid(official, payment_method="pm_card_chargeDeclined")
    assert declined.value.http_status == 402
    assert declined.value.code == "card_declined"
    assert declined.value.error is not None
    assert declined.value.error.decline_code == "generic_decline"
    assert declined.value.error.payment_intent is not None
    assert declined.value.error.payment_intent.status == "requires_payment_method"
    assert "payment_intent.succeeded" not in counts(control)


def test_a_mended_card_succeeds_under_a_new_key_and_stays_declined_under_the_old_one(
    official: stripe.StripeClient, control: httpx.Client
) -> None:
    """A decline is kept for its idempotency key like any other answer; only a new key asks the card again."""
    customer = official.v1.customers.create({"email": "ada@example.com", "payment_method": "pm_card_visa"})
    control.post("/_control/cards", json={"customer": customer.id, "declines": True})
    for_customer = {"customer": customer.id, "payment_method": "pm_card_visa"}
    with pytest.raises(stripe.CardError):
        paid(official, "first", **for_customer)
    control.post("/_control/cards", json={"customer": customer.id, "declines": False})
    with pytest.raises(stripe.CardError):
        paid(official, "first", **for_customer)
    assert paid(official, "second", **for_customer).status == "succeeded"


def test_the_same_key_and_parameters_give_the_first_answer_again(
    official: stripe.StripeClient, control: httpx.Client
) -> None:
    """The body is the same, the replay says so, and one charge was made."""
    first, second = paid(official, "k"), paid(official, "k")
    assert first.id == second.id
    assert second.last_response is not None
    assert second.last_response.headers["Idempotent-Replayed"] == "true"
    assert counts(control)["payment_intent.succeeded"] == 1
    assert counts(control)["replayed"] == 1


def test_the_same_key_with_other_parameters_or_another_path_is_an_idempotency_error(
    official: stripe.StripeClient,
) -> None:
    """400 with the type that Stripe's library turns into IdempotencyError."""
    intent = paid(official, "k")
    with pytest.raises(stripe.IdempotencyError, match="same parameters"):
        paid(official, "k", amount=2000)
    with pytest.raises(stripe.IdempotencyError, match="same endpoint"):
        official.v1.refunds.create({"payment_intent": intent.id}, {"idempotency_key": "k"})


def test_a_key_in_use_is_a_409_and_one_charge(official: stripe.StripeClient, control: httpx.Client) -> None:
    """While the first request of a key runs, a second one is refused and not queued."""
    order(control, {"delay": 60})
    with ThreadPoolExecutor(1) as pool:
        first = pool.submit(paid, official, "k")
        wait_for_count(control, "delayed", first)
        with pytest.raises(stripe.APIError) as refused:
            paid(official, "k")
        control.delete("/_control/faults").raise_for_status()
        assert first.result(10).status == "succeeded"
    assert refused.value.http_status == 409
    assert refused.value.error is not None
    assert refused.value.error.code == "idempotency_key_in_use"
    assert counts(control)["payment_intent.succeeded"] == 1


def test_a_validation_error_frees_the_key(official: stripe.StripeClient) -> None:
    """Stripe keeps an answer only after execution began, so a corrected request may use the key again."""
    with pytest.raises(stripe.InvalidRequestError) as refused:
        paid(official, "k", amount=1)
    assert (refused.value.code, refused.value.param) == ("amount_too_small", "amount")
    assert paid(official, "k").status == "succeeded"


def test_a_forgotten_key_charges_again(official: stripe.StripeClient, control: httpx.Client) -> None:
    """After 24 hours a repeat is a new request: the stand-in shows what the window protects from."""
    paid(official, "k")
    control.delete("/_control/idempotency_keys").raise_for_status()
    paid(official, "k")
    assert counts(control)["payment_intent.succeeded"] == 2


@pytest.mark.parametrize(("status", "error"), [(429, stripe.RateLimitError), (503, stripe.APIError)])
def test_an_injected_refusal_executes_nothing_and_is_not_remembered(
    official: stripe.StripeClient, control: httpx.Client, status: int, error: type[stripe.StripeError]
) -> None:
    """It carries Retry-After, and the same key works afterwards."""
    order(control, {"status": status, "retry_after": 2})
    with pytest.raises(error) as refused:
        paid(official, "k")
    assert refused.value.headers is not None
    assert refused.value.headers["Retry-After"] == "2"
    assert effects(control) == []
    assert paid(official, "k").status == "succeeded"


@pytest.mark.parametrize(("moment", "charges"), [("before", 0), ("after", 1)])
def test_a_reset_connection_hides_whether_the_charge_was_made(
    official: stripe.StripeClient, control: httpx.Client, moment: str, charges: int
) -> None:
    """The client sees the same error either way; the repeat with the key leaves one charge."""
    order(control, {"reset": moment})
    with pytest.raises(stripe.APIConnectionError):
        paid(official, "k")
    assert len(effects(control, kind="payment_intent.succeeded")) == charges
    assert paid(official, "k").status == "succeeded"
    assert counts(control)["payment_intent.succeeded"] == 1


@pytest.mark.parametrize(("moment", "charges"), [("before", 0), ("after", 1)])
def test_a_stalled_request_never_answers_until_it_is_let_go(
    official: stripe.StripeClient, control: httpx.Client, moment: str, charges: int
) -> None:
    """A client without a time limit would hang; clearing the faults breaks its connection."""
    order(control, {"stall": moment})
    with ThreadPoolExecutor(1) as pool:
        asked = pool.submit(paid, official, "k")
        wait_for_count(control, "stalled", asked)
        control.delete("/_control/faults").raise_for_status()
        assert isinstance(asked.exception(10), stripe.APIConnectionError)
    assert len(effects(control, kind="payment_intent.succeeded")) == charges


def test_faults_match_by_regular_expression_and_are_listed_with_how_often_they_fired(
    official: stripe.StripeClient, control: httpx.Client
) -> None:
    """Other paths go through, and a spent order no longer fires."""
    order(control, {"status": 500}, path=r"^/v1/payment_intents/[^/]+/capture$")
    intent = paid(official, capture_method="manual")
    with pytest.raises(stripe.APIError):
        official.v1.payment_intents.capture(intent.id)
    assert official.v1.payment_intents.capture(intent.id).status == "succeeded"
    (listed,) = control.get("/_control/faults").json()["faults"]
    assert (listed["fired"], listed["times"]) == (1, 1)


def test_an_unknown_fault_is_refused(control: httpx.Client) -> None:
    """A misspelt order must not pass for one that stands."""
    assert control.post("/_control/faults", json={"fault": {"statsu": 503}}).status_code == 400
    assert control.post("/_control/faults", json={}).status_code == 400


def test_an_authorised_payment_is_captured_in_part_or_cancelled(
    official: stripe.StripeClient, control: httpx.Client
) -> None:
    """Manual capture moves no money until it is asked to; a cancelled intent stays cancelled."""
    held = paid(official, capture_method="manual")
    assert (held.status, held.amount_capturable) == ("requires_capture", 1999)
    assert "payment_intent.succeeded" not in counts(control)
    captured = official.v1.payment_intents.capture(held.id, {"amount_to_capture": 500})
    assert (captured.status, captured.amount_received) == ("succeeded", 500)
    other = paid(official, capture_method="manual")
    assert official.v1.payment_intents.cancel(other.id).status == "canceled"
    with pytest.raises(stripe.InvalidRequestError) as refused:
        official.v1.payment_intents.capture(other.id)
    assert refused.value.code == "payment_intent_unexpected_state"


def test_a_payment_is_captured_or_voided_once(official: stripe.StripeClient, control: httpx.Client) -> None:
    """Whatever has happened to it, the second order is refused with the state it is in; each is counted once."""
    taken, given_up = paid(official, capture_method="manual"), paid(official, capture_method="manual")
    api = official.v1.payment_intents
    assert (api.capture(taken.id).status, api.cancel(given_up.id).status) == ("succeeded", "canceled")
    for ask, intent, state in (
        (api.capture, taken, "succeeded"),
        (api.cancel, taken, "succeeded"),
        (api.capture, given_up, "canceled"),
        (api.cancel, given_up, "canceled"),
    ):
        with pytest.raises(stripe.InvalidRequestError, match=f"status of {state}") as refused:
            ask(intent.id)
        assert refused.value.code == "payment_intent_unexpected_state"
        assert refused.value.error is not None
        assert refused.value.error.payment_intent is not None
        assert refused.value.error.payment_intent.status == state
    counted = counts(control)
    assert (counted["authorised"], counted["captured"], counted["voided"]) == (2, 1, 1)


def test_a_capture_may_be_declined_and_the_hold_stands(
    official: stripe.StripeClient, control: httpx.Client
) -> None:
    """A card that was blocked after the authorisation: 402, and the hold can still be voided."""
    held = paid(official, capture_method="manual")
    control.post("/_control/cards", json={"payment_method": "pm_card_visa", "declines": True})
    with pytest.raises(stripe.CardError):
        official.v1.payment_intents.capture(held.id)
    assert official.v1.payment_intents.cancel(held.id).status == "canceled"
    assert "captured" not in counts(control)


def test_a_hold_that_nobody_captures_lapses(official: stripe.StripeClient, control: httpx.Client) -> None:
    """After that it can be neither captured nor voided."""
    held = paid(official, capture_method="manual")
    lapsed = control.post("/_control/expirations", json={"payment_intent": held.id}).json()
    assert (lapsed["status"], lapsed["cancellation_reason"]) == ("canceled", "automatic")
    with pytest.raises(stripe.InvalidRequestError, match="status of canceled"):
        official.v1.payment_intents.capture(held.id)
    counted = counts(control)
    assert (counted["expired"], counted.get("voided")) == (1, None)


@pytest.mark.parametrize(
    ("says", "status", "kind"),
    [
        ("yes", "requires_capture", "payment_intent.amount_capturable_updated"),
        ("no", "requires_payment_method", "payment_intent.payment_failed"),
    ],
)
def test_a_bank_may_ask_the_customer_first(
    official: stripe.StripeClient, control: httpx.Client, says: str, status: str, kind: str
) -> None:
    """Nothing is held until the customer has answered; and nobody is asked twice."""
    asked = paid(official, capture_method="manual", payment_method="pm_card_authenticationRequired")
    assert asked.status == "requires_action"
    assert asked.next_action is not None
    assert "authorised" not in counts(control)
    said = {"payment_intent": asked.id, "agrees": says == "yes"}
    assert control.post("/_control/answers", json=said).json()["status"] == status
    assert control.post("/_control/answers", json=said).status_code == 400
    (told,) = effects(control, kind=kind)
    assert told["id"] == asked.id


def test_a_customer_who_is_away_cannot_be_asked(official: stripe.StripeClient) -> None:
    """Off session, a card that needs its holder is declined."""
    with pytest.raises(stripe.CardError) as declined:
        paid(official, payment_method="pm_card_authenticationRequired", off_session=True)
    assert declined.value.code == "authentication_required"


def test_an_intent_is_confirmed_in_a_second_step(official: stripe.StripeClient) -> None:
    """Without a card it waits for one, and a declined card can be replaced."""
    intent = official.v1.payment_intents.create({"amount": 1999, "currency": "EUR"})
    assert (intent.status, intent.currency) == ("requires_payment_method", "eur")
    with pytest.raises(stripe.CardError):
        official.v1.payment_intents.confirm(intent.id, {"payment_method": "pm_card_chargeDeclined"})
    confirmed = official.v1.payment_intents.confirm(intent.id, {"payment_method": "pm_card_visa"})
    assert confirmed.status == "succeeded"


def test_refunds_add_up_to_what_was_paid_and_no_more(
    official: stripe.StripeClient, control: httpx.Client
) -> None:
    """Part, rest, and then an error that says why; by payment or by charge."""
    intent = paid(official)
    part = official.v1.refunds.create({"payment_intent": intent.id, "amount": 500})
    assert official.v1.refunds.retrieve(part.id).amount == 500
    with pytest.raises(stripe.InvalidRequestError, match="greater than"):
        official.v1.refunds.create({"payment_intent": intent.id, "amount": 1500})
    assert official.v1.refunds.create({"charge": str(intent.latest_charge)}).amount == 1499
    with pytest.raises(stripe.InvalidRequestError) as refused:
        official.v1.refunds.create({"payment_intent": intent.id})
    assert refused.value.code == "charge_already_refunded"
    assert counts(control)["refund.created.amount"] == 1999


def test_a_customer_is_created_read_and_changed(official: stripe.StripeClient) -> None:
    """What is not sent stays as it was."""
    customer = official.v1.customers.create({"email": "ada@example.com", "metadata": {"tier": "1"}})
    changed = official.v1.customers.update(customer.id, {"name": "Ada", "metadata": {"region": "eu"}})
    read = official.v1.customers.retrieve(customer.id)
    assert (read.email, read.name, read.metadata) == (changed.email, "Ada", changed.metadata)
    assert json.loads(str(read.metadata)) == {"tier": "1", "region": "eu"}


def test_what_does_not_exist_is_a_resource_missing(official: stripe.StripeClient) -> None:
    """404 when the URL names it, 400 when a parameter does; the code is the same."""
    for ask in (
        official.v1.payment_intents.retrieve,
        official.v1.refunds.retrieve,
        official.v1.customers.retrieve,
    ):
        with pytest.raises(stripe.InvalidRequestError) as absent:
            ask("nothing_1")
        assert (absent.value.http_status, absent.value.code) == (404, "resource_missing")
    with pytest.raises(stripe.InvalidRequestError) as refused:
        paid(official, customer="cus_nobody")
    assert (refused.value.http_status, refused.value.param) == (400, "customer")


@pytest.mark.parametrize(
    ("changes", "code", "param"),
    [
        ({"amount": None}, "parameter_missing", "amount"),
        ({"amount": "ten"}, "parameter_invalid_integer", "amount"),
        ({"currency": ""}, "parameter_missing", "currency"),
        ({"colour": "red"}, "parameter_unknown", "colour"),
        ({"payment_method": "pm_nothing"}, "resource_missing", "payment_method"),
        ({"capture_method": "later"}, None, "capture_method"),
    ],
)
def test_a_bad_parameter_is_named(
    official: stripe.StripeClient, changes: dict[str, Any], code: str | None, param: str
) -> None:
    """400 with Stripe's code and the parameter at fault."""
    with pytest.raises(stripe.InvalidRequestError) as refused:
        paid(official, **changes)
    assert (refused.value.http_status, refused.value.code, refused.value.param) == (400, code, param)


@pytest.mark.parametrize("key", ["", "Bearer sk_live_secretsecret", "Bearer wrong", "Basic c2tfdGVzdF8x"])
def test_only_a_secret_test_key_is_let_in(control: httpx.Client, key: str) -> None:
    """401 in Stripe's shape, which never repeats the key."""
    refused = control.get("/v1/customers/cus_1", headers={"Authorization": key})
    assert refused.status_code == 401
    assert refused.json()["error"]["type"] == "invalid_request_error"
    assert "secretsecret" not in refused.text


def test_an_unknown_url_is_a_404_in_the_same_shape(control: httpx.Client) -> None:
    """A client that misspells a path learns it from an error document."""
    refused = control.get("/v1/nothing", headers={"Authorization": "Bearer sk_test_1"})
    assert refused.status_code == 404
    assert "Unrecognized request URL" in refused.json()["error"]["message"]


def test_a_signed_event_is_accepted_by_stripes_library_and_a_changed_one_is_not(
    official: stripe.StripeClient,
) -> None:
    """The header is what construct_event verifies, its time included."""
    now = int(time.time())
    payload = event(
        "payment_intent.succeeded", {"id": "pi_1", "object": "payment_intent"}, id="evt_1", created=now
    )
    header = signed_event(payload, "whsec_1", now)
    assert official.construct_event(payload, header, "whsec_1").type == "payment_intent.succeeded"
    with pytest.raises(stripe.SignatureVerificationError):
        official.construct_event(payload + b" ", header, "whsec_1")
    with pytest.raises(stripe.SignatureVerificationError):
        official.construct_event(payload, signed_event(payload, "whsec_1", now - 301), "whsec_1")
