"""The events that the Stripe stand-in sends, received by a server that verifies them with Stripe's own library."""

from collections.abc import AsyncIterator
from dataclasses import dataclass, field

import httpx
import pytest
import stripe
from aiohttp import web

from tests.simulators.serving import serving
from tests.simulators.stripe import RunningStripe, running

SECRET = "whsec_receiver"


@dataclass
class Receiver:
    """Verifies what it gets, and refuses as often as it is told to."""

    url: str = ""
    refusals: int = 0
    events: list[stripe.Event] = field(default_factory=list)

    async def receive(self, request: web.Request) -> web.Response:
        """One event."""
        header = request.headers["Stripe-Signature"]
        construct = stripe.Webhook.construct_event
        received = construct(await request.read(), header, SECRET, api_key="sk_test_1")
        if self.refusals:
            self.refusals -= 1
            return web.Response(status=503)
        self.events.append(received)
        return web.Response(text="taken")


@pytest.fixture
async def receiver() -> AsyncIterator[Receiver]:
    """A receiver on a free port."""
    server, app = Receiver(), web.Application()
    app.router.add_post("/", server.receive)
    async with serving(app) as url:
        server.url = url + "/"
        yield server


@pytest.fixture
async def simulated() -> AsyncIterator[RunningStripe]:
    """A stand-in in this loop."""
    async with running() as stand_in:
        yield stand_in


@pytest.fixture
async def client(simulated: RunningStripe) -> AsyncIterator[httpx.AsyncClient]:
    """An HTTP client of the stand-in."""
    headers = {"Authorization": "Bearer sk_test_1"}
    async with httpx.AsyncClient(base_url=simulated.url, headers=headers, trust_env=False) as client:
        yield client


async def pay(client: httpx.AsyncClient) -> str:
    """One payment; gives its id."""
    form = {"amount": "1999", "currency": "usd", "payment_method": "pm_card_visa", "confirm": "true"}
    answered = await client.post("/v1/payment_intents", data=form)
    return str(answered.json()["id"])


ASKING = "pm_card_authenticationRequired"


async def hold(client: httpx.AsyncClient, card: str) -> str:
    """One payment that is authorised and not captured; gives its id."""
    form = {"amount": "1999", "currency": "usd", "payment_method": card, "confirm": "true"}
    answered = await client.post("/v1/payment_intents", data={**form, "capture_method": "manual"})
    return str(answered.json()["id"])


async def test_an_event_is_sent_on_demand_as_often_as_asked(
    client: httpx.AsyncClient, receiver: Receiver
) -> None:
    """Copies carry the same id, as Stripe's duplicates do, and the answers are told."""
    order = {"url": receiver.url, "secret": SECRET, "type": "payment_intent.succeeded", "copies": 3}
    sent = await client.post("/_control/webhooks", json={**order, "object": await pay(client)})
    assert [delivery["status"] for delivery in sent.json()["deliveries"]] == [200] * 3
    assert {received.id for received in receiver.events} == {sent.json()["event_id"]}


async def test_an_event_about_nothing_is_refused(client: httpx.AsyncClient, receiver: Receiver) -> None:
    """The order names an object that the account does not have, or lacks a part."""
    order = {"url": receiver.url, "secret": SECRET, "type": "payment_intent.succeeded"}
    for document in ({**order, "object": "pi_nothing"}, order):
        assert (await client.post("/_control/webhooks", json=document)).status_code == 400
    assert receiver.events == []


async def test_a_registered_endpoint_gets_an_event_for_each_effect_until_it_accepts(
    client: httpx.AsyncClient, receiver: Receiver, simulated: RunningStripe
) -> None:
    """A refused delivery is made again; each effect has one event."""
    receiver.refusals = 1
    simulated.simulator.deliveries.first_pause = 0.0
    registered = {"url": receiver.url, "secret": SECRET}
    assert (await client.post("/_control/webhook_endpoints", json=registered)).status_code == 201
    payment = await pay(client)
    await simulated.simulator.deliveries.settled()
    kinds = sorted(received.type for received in receiver.events)
    assert kinds == ["payment_intent.created", "payment_intent.succeeded"]
    assert {received.data.object["id"] for received in receiver.events} == {payment}
    made = (await client.get("/_control/deliveries")).json()["deliveries"]
    assert sorted(delivery["status"] for delivery in made) == [200, 200, 503]


async def test_each_turn_of_a_held_payment_is_told(
    client: httpx.AsyncClient, receiver: Receiver, simulated: RunningStripe
) -> None:
    """Asked, held, captured; asked, refused; held, cancelled: one event each, about the payment as it is then."""
    registered = {"url": receiver.url, "secret": SECRET}
    await client.post("/_control/webhook_endpoints", json=registered)
    captured, refused = await hold(client, ASKING), await hold(client, ASKING)
    await client.post("/_control/answers", json={"payment_intent": captured, "agrees": True})
    await client.post(f"/v1/payment_intents/{captured}/capture")
    await client.post("/_control/answers", json={"payment_intent": refused, "agrees": False})
    voided = await hold(client, "pm_card_visa")
    await client.post(f"/v1/payment_intents/{voided}/cancel")
    await simulated.simulator.deliveries.settled()
    told = {
        (
            received.data.object["id"],
            received.type.removeprefix("payment_intent."),
            received.data.object["status"],
        )
        for received in receiver.events
    }
    assert len(receiver.events) == len(told)
    assert {turn for turn in told if turn[1] != "created"} == {
        (captured, "requires_action", "requires_action"),
        (captured, "amount_capturable_updated", "requires_capture"),
        (captured, "succeeded", "succeeded"),
        (refused, "requires_action", "requires_action"),
        (refused, "payment_failed", "requires_payment_method"),
        (voided, "amount_capturable_updated", "requires_capture"),
        (voided, "canceled", "canceled"),
    }


async def test_an_endpoint_that_nobody_serves_is_told_as_no_answer(client: httpx.AsyncClient) -> None:
    """A refused connection has no status."""
    order = {"url": "http://127.0.0.1:9/", "secret": SECRET, "type": "ping", "data": {"id": "x"}}
    sent = await client.post("/_control/webhooks", json=order)
    (delivery,) = sent.json()["deliveries"]
    assert delivery["status"] is None
