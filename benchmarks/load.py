"""A load generator that costs as little as it can: prepared requests over kept-alive connections, one at a time on each.

Runs as a process of its own: `python -m benchmarks.load` reads one JSON order from standard input and prints one JSON
report. The requests are prepared before the clock starts.
"""

import asyncio
import hashlib
import hmac
import json
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from typing import cast

import uvloop
from uuid_utils import uuid7

_HEADER_END = b"\r\n\r\n"


@dataclass(frozen=True, slots=True)
class Order:
    """What to send, and for how long.

    Attributes:
        kind: `intake` (distinct signed events) or `submit` (distinct jobs with idempotency keys).
        seconds: how long to send.
        requests: the most requests that are prepared; fewer are sent when the time is up.
        secret: the webhook secret, or the API key.
    """

    kind: str
    host: str
    port: int
    path: str
    seconds: float
    requests: int
    connections: int
    secret: str


@dataclass(frozen=True, slots=True)
class Report:
    """What was measured; times in milliseconds."""

    requests: int
    seconds: float
    per_second: float
    p50: float
    p99: float
    statuses: dict[str, int]


class _Connection(asyncio.Protocol):
    """Sends the next request when the last one is answered."""

    def __init__(
        self, requests: Iterator[bytes], deadline: Callable[[], float], done: asyncio.Future[None]
    ) -> None:
        self._requests = requests
        self._deadline = deadline
        self._done = done
        self._buffer = b""
        self._sent = 0.0
        self.times: list[float] = []
        self.statuses: dict[str, int] = {}

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # uvloop's transports are not subclasses of asyncio's.
        self._transport = cast("asyncio.Transport", transport)
        self._next()

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        end = self._buffer.find(_HEADER_END)
        if end < 0:
            return
        head = self._buffer[:end].lower()
        at = head.index(b"content-length:") + 15
        length = int(head[at:].split(b"\r\n", 1)[0])
        if len(self._buffer) < end + 4 + length:
            return
        status = self._buffer[9:12].decode()
        self.statuses[status] = self.statuses.get(status, 0) + 1
        self.times.append(time.perf_counter() - self._sent)
        self._buffer = b""
        self._next()

    def connection_lost(self, _exc: Exception | None) -> None:
        if not self._done.done():
            self._done.set_result(None)

    def _next(self) -> None:
        request = next(self._requests, None) if time.perf_counter() < self._deadline() else None
        if request is None:
            self._transport.close()
            return
        self._sent = time.perf_counter()
        self._transport.write(request)


async def run(order: Order) -> Report:
    """Send until the time or the requests are used up."""
    prepared = iter(prepare(order))
    loop = asyncio.get_running_loop()
    began = time.perf_counter()
    connections = []
    ends = []
    for _ in range(order.connections):
        done = loop.create_future()
        ends.append(done)
        connection = _Connection(prepared, lambda: began + order.seconds, done)
        connections.append(connection)
        await loop.create_connection(lambda connection=connection: connection, order.host, order.port)  # type: ignore[misc]
    await asyncio.gather(*ends)
    seconds = time.perf_counter() - began
    times = sorted(moment * 1000 for connection in connections for moment in connection.times)
    statuses: dict[str, int] = {}
    for connection in connections:
        for status, count in connection.statuses.items():
            statuses[status] = statuses.get(status, 0) + count
    return Report(
        len(times),
        seconds,
        len(times) / seconds,
        times[len(times) // 2],
        times[len(times) * 99 // 100],
        statuses,
    )


def prepare(order: Order) -> list[bytes]:
    """The requests, ready to be written."""
    make = {"intake": _event, "submit": _job}[order.kind]
    return [make(order) for _ in range(order.requests)]


def _event(order: Order) -> bytes:
    # About what Stripe sends for a payment: 1.3 kB.
    body = json.dumps(
        {
            "id": f"evt_{uuid7().hex}",
            "object": "event",
            "type": "payment_intent.succeeded",
            "created": int(time.time()),
            "data": {"object": {"id": "pi_3PqY2eLkdIwHu7ix0V3nA1bC", "amount": 1999, "note": "x" * 1000}},
        }
    ).encode()
    at = int(time.time())
    signature = hmac.new(order.secret.encode(), b"%d.%s" % (at, body), hashlib.sha256).hexdigest()
    return _post(order, body, f"Stripe-Signature: t={at},v1={signature}\r\n")


def _job(order: Order) -> bytes:
    args = {"amount": 1999, "currency": "eur", "payment_method": "pm_card_visa", "description": "x" * 200}
    body = json.dumps({"job": "payments.charge", "args": args}).encode()
    return _post(order, body, f"Authorization: Bearer {order.secret}\r\nIdempotency-Key: {uuid7().hex}\r\n")


def _post(order: Order, body: bytes, headers: str) -> bytes:
    head = (
        f"POST {order.path} HTTP/1.1\r\nHost: {order.host}:{order.port}\r\nContent-Type: application/json\r\n"
        f"Content-Length: {len(body)}\r\n{headers}\r\n"
    )
    return head.encode() + body


def main() -> None:
    order = Order(**json.load(sys.stdin))
    print(json.dumps(asdict(uvloop.run(run(order)))))


if __name__ == "__main__":
    main()
