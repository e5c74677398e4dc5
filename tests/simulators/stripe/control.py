"""The control address, which Stripe does not have: what happened, and what shall go wrong next."""

import json
from collections.abc import Awaitable, Callable
from dataclasses import asdict
from typing import Any

from aiohttp import web

from tests.simulators.stripe import payment_intents
from tests.simulators.stripe.account import GENERIC_DECLINE
from tests.simulators.stripe.endpoints import Endpoints
from tests.simulators.stripe.webhooks import Deliveries, Endpoint, event

_Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class Control:
    """The handlers below `/_control`."""

    def __init__(self, endpoints: Endpoints, deliveries: Deliveries) -> None:
        self._endpoints = endpoints
        self._account = endpoints.account
        self._deliveries = deliveries

    def routes(self) -> list[web.RouteDef]:
        """Every route, with bad orders answered by 400 and the reason."""
        return [
            web.get("/_control/effects", self.effects),
            web.get("/_control/counts", self.counts),
            web.get("/_control/faults", self.faults),
            web.post("/_control/faults", _explained(self.order_fault)),
            web.delete("/_control/faults", self.clear_faults),
            web.post("/_control/cards", _explained(self.set_card)),
            web.post("/_control/answers", _explained(self.answer)),
            web.post("/_control/expirations", _explained(self.expire)),
            web.delete("/_control/idempotency_keys", self.forget_keys),
            web.post("/_control/webhooks", _explained(self.send_webhook)),
            web.post("/_control/webhook_endpoints", _explained(self.register_endpoint)),
            web.get("/_control/deliveries", self.deliveries),
            web.post("/_control/reset", self.reset),
        ]

    async def effects(self, request: web.Request) -> web.Response:
        """The ledger, oldest first; `?kind=`, `?id=` and `?idempotency_key=` narrow it."""
        wanted = {
            name: request.query[name] for name in ("kind", "id", "idempotency_key") if name in request.query
        }
        rows = [asdict(effect) for effect in self._account.effects]
        return web.json_response(
            {"effects": [row for row in rows if all(row[name] == value for name, value in wanted.items())]}
        )

    async def counts(self, _: web.Request) -> web.Response:
        """How often each thing happened, and how much money it moved (`<kind>.amount`).

        Of holds: how many were `authorised`, `captured`, `voided`, and how many have `expired`.
        """
        return web.json_response(self._account.counts | {"idempotency_keys": len(self._endpoints.keys)})

    async def faults(self, _: web.Request) -> web.Response:
        """The orders that stand."""
        return web.json_response({"faults": self._endpoints.faults.listed()})

    async def order_fault(self, request: web.Request) -> web.Response:
        """Order a fault."""
        order = self._endpoints.faults.add(await _document(request))
        return web.json_response(asdict(order), status=201)

    async def clear_faults(self, _: web.Request) -> web.Response:
        """Forget the orders, and let go of the requests that hang."""
        self._endpoints.faults.clear()
        self._endpoints.release_stalled()
        return web.json_response({"faults": []})

    async def set_card(self, request: web.Request) -> web.Response:
        """`{"customer" | "payment_method": id, "declines": bool}`: break a card, or mend it."""
        document = await _document(request)
        decline = GENERIC_DECLINE if bool(document["declines"]) else None
        if "customer" in document:
            self._account.customer_cards[document["customer"]] = decline
        else:
            self._account.cards[document["payment_method"]] = decline
        return web.json_response(document)

    async def answer(self, request: web.Request) -> web.Response:
        """`{"payment_intent": id, "agrees": bool}`: what the customer tells the bank that asked."""
        document = await _document(request)
        payment = payment_intents.answer(
            self._account, document["payment_intent"], agrees=bool(document["agrees"])
        )
        return web.json_response(payment)

    async def expire(self, request: web.Request) -> web.Response:
        """`{"payment_intent": id}`: as if seven days had passed since it was authorised."""
        document = await _document(request)
        return web.json_response(payment_intents.expire(self._account, document["payment_intent"]))

    async def forget_keys(self, _: web.Request) -> web.Response:
        """As if 24 hours had passed since the last request."""
        self._endpoints.keys.forget()
        return web.json_response({"idempotency_keys": 0})

    async def send_webhook(self, request: web.Request) -> web.Response:
        """Send one signed event, as often as `copies` says, and tell what was answered."""
        document = await _document(request)
        endpoint = Endpoint(document["url"], document["secret"])
        identifier = document.get("id") or self._account.new_id("evt")
        created = document.get("created") or self._account.created()
        payload = event(document["type"], self._subject(document), id=identifier, created=created)
        made = [
            await self._deliveries.send(endpoint, payload, at=document.get("at"), attempt=attempt)
            for attempt in range(1, document.get("copies", 1) + 1)
        ]
        return web.json_response(
            {"event_id": identifier, "deliveries": [asdict(delivery) for delivery in made]}
        )

    def _subject(self, document: dict[str, Any]) -> dict[str, Any]:
        if isinstance(document.get("data"), dict):
            subject: dict[str, Any] = document["data"]
            return subject
        if (found := self._account.find(document["object"])) is None:
            raise ValueError(f"there is no object {document['object']!r}")
        return found

    async def register_endpoint(self, request: web.Request) -> web.Response:
        """From now on, send an event for each effect, and repeat it until it is accepted."""
        document = await _document(request)
        self._deliveries.listen(document["url"], document["secret"])
        return web.json_response({"url": document["url"]}, status=201)

    async def deliveries(self, _: web.Request) -> web.Response:
        """Every attempt to deliver an event."""
        return web.json_response({"deliveries": self._deliveries.listed()})

    async def reset(self, _: web.Request) -> web.Response:
        """Start from nothing."""
        self._account.reset()
        self._endpoints.keys.forget()
        self._endpoints.faults.clear()
        self._endpoints.release_stalled()
        self._deliveries.endpoints.clear()
        self._deliveries.made.clear()
        return web.json_response({"reset": True})


async def _document(request: web.Request) -> dict[str, Any]:
    document = json.loads(await request.read())
    if not isinstance(document, dict):
        raise ValueError("the body must be a JSON object")  # noqa: TRY004 - what was sent is at fault, not a caller in this program
    return document


def _explained(handler: _Handler) -> _Handler:
    async def handle(request: web.Request) -> web.StreamResponse:
        try:
            return await handler(request)
        except KeyError as error:
            return web.json_response({"error": f"{error} is missing"}, status=400)
        except ValueError as error:
            return web.json_response({"error": str(error)}, status=400)

    return handle
