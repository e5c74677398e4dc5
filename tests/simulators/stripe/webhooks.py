"""Stripe's webhook events, signed by Stripe's own library, and sent as Stripe sends them."""

import asyncio
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import aiohttp
import stripe

from tests.simulators.stripe.account import Account, Effect, Json
from tests.simulators.stripe.endpoints import API_VERSION


def signed_event(payload: bytes, secret: str, at: int) -> str:
    """The `Stripe-Signature` header for a body; `at` is in Unix seconds.

    https://docs.stripe.com/webhooks/signature
    """
    header: str = stripe.WebhookSignature.generate_signature_header(payload.decode(), secret, at)
    return header


def event(kind: str, subject: Mapping[str, Any], *, id: str, created: int, key: str | None = None) -> bytes:  # noqa: A002
    """The body of an event about `subject`: https://docs.stripe.com/api/events/object."""
    document = {
        "id": id,
        "object": "event",
        "api_version": API_VERSION,
        "created": created,
        "data": {"object": dict(subject)},
        "livemode": False,
        "pending_webhooks": 1,
        "request": {"id": None, "idempotency_key": key},
        "type": kind,
    }
    return json.dumps(document).encode()


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Where events are sent, and the secret that signs them."""

    url: str
    secret: str


@dataclass(frozen=True, slots=True)
class Delivery:
    """One attempt to deliver; `status` is None when nobody answered."""

    event_id: str
    type: str
    url: str
    attempt: int
    status: int | None
    answer: str


class Deliveries:
    """Sends events: on demand, and one for each effect to the endpoints that are registered."""

    attempts = 6

    def __init__(self, account: Account) -> None:
        self._account = account
        self._tasks: set[asyncio.Task[None]] = set()
        self._session: aiohttp.ClientSession | None = None
        self.first_pause = 0.25
        self.endpoints: list[Endpoint] = []
        self.made: list[Delivery] = []
        account.on_effect.append(self._on_effect)

    async def open(self) -> None:
        """Make the HTTP client, in the running loop."""
        self._session = aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=10))

    async def close(self) -> None:
        """Give up what is under way."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        if self._session is not None:
            await self._session.close()

    def listen(self, url: str, secret: str) -> None:
        """Send an event about each effect to this URL from now on."""
        self.endpoints.append(Endpoint(url, secret))

    async def settled(self) -> None:
        """Wait until nothing is under way."""
        while self._tasks:
            await asyncio.gather(*self._tasks)

    def listed(self) -> list[dict[str, Any]]:
        """Every attempt so far."""
        return [asdict(delivery) for delivery in self.made]

    async def send(
        self, endpoint: Endpoint, payload: bytes, *, at: int | None = None, attempt: int = 1
    ) -> Delivery:
        """One attempt, signed for the moment `at` (default: now)."""
        if self._session is None:
            raise RuntimeError("open() was not awaited")
        signature = signed_event(payload, endpoint.secret, self._account.created() if at is None else at)
        headers = {
            "Content-Type": "application/json; charset=utf-8",
            "Stripe-Signature": signature,
            "User-Agent": "Stripe/1.0 (+https://stripe.com/docs/webhooks)",
        }
        try:
            async with self._session.post(endpoint.url, data=payload, headers=headers) as response:
                status, answer = response.status, await response.text()
        except (aiohttp.ClientError, TimeoutError) as error:
            status, answer = None, repr(error)
        document = json.loads(payload)
        delivery = Delivery(document["id"], document["type"], endpoint.url, attempt, status, answer[:2000])
        self.made.append(delivery)
        return delivery

    def _on_effect(self, effect: Effect, subject: Json) -> None:
        if not self.endpoints:
            return
        payload = event(
            effect.kind,
            subject,
            id=self._account.new_id("evt"),
            created=int(effect.at),
            key=effect.idempotency_key,
        )
        for endpoint in self.endpoints:
            task = asyncio.get_running_loop().create_task(self._until_accepted(endpoint, payload))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _until_accepted(self, endpoint: Endpoint, payload: bytes) -> None:
        for attempt in range(1, self.attempts + 1):
            delivery = await self.send(endpoint, payload, attempt=attempt)
            if delivery.status is not None and delivery.status < 300:
                return
            await asyncio.sleep(self.first_pause * 2 ** (attempt - 1))
