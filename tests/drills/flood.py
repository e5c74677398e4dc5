"""Many clients that send without regard, as a process of its own: reads one JSON order, prints one JSON report.

Each connection sends its next request as soon as the last one is answered, and connects again when it is cut off.
"""

import asyncio
import json
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from itertools import count, cycle
from typing import Any, Literal

import uvloop

from tests.drills.stage import TOKEN, open_files
from tests.services.deliveries import delivery

Kind = Literal["webhook", "job", "batch"]
Request = tuple[str, bytes]
"""What it is called, and its bytes."""

_BATCH = 1_000
_TIMEOUT = 60.0
_LARGE = 16 * 1024
_FEW = 32


@dataclass(frozen=True, slots=True)
class Order:
    """What to send.

    Attributes:
        size: bytes of a body, about.
        name: what the ids of the events begin with.
    """

    port: int
    kind: Kind
    connections: int
    size: int
    seconds: float
    name: str


@dataclass(frozen=True, slots=True)
class Report:
    """What came back; times in seconds.

    Attributes:
        statuses: how often each status; `cut` for a connection that was lost before an answer.
        refusals: how long a 503 took, at each hundredth of all of them.
        longest: the longest that an answer of any kind took.
        bare: how many 503 came without Retry-After.
        acknowledged: the external ids of the events that were answered with 200.
    """

    seconds: float
    statuses: dict[str, int]
    refusals: list[float]
    longest: float
    bare: int
    acknowledged: list[str]

    def count(self, status: str) -> int:
        """How often this status came."""
        return self.statuses.get(status, 0)


@dataclass(slots=True)
class Tally:
    """What has come back so far."""

    statuses: Counter[str] = field(default_factory=Counter)
    refusals: list[float] = field(default_factory=list)
    longest: float = 0.0
    bare: int = 0
    acknowledged: set[str] = field(default_factory=set)

    def heard(self, name: str, status: str, head: bytes, took: float) -> None:
        """An answer came."""
        if status == "200":
            self.acknowledged.add(name)
        self.statuses[status] += 1
        self.longest = max(self.longest, took)
        if status == "503":
            self.refusals.append(took)
            self.bare += b"retry-after:" not in head

    def report(self, seconds: float) -> Report:
        """The sum of it."""
        ordered = sorted(self.refusals)
        hundredths = [ordered[len(ordered) * part // 100] for part in range(100)] if ordered else [0.0] * 100
        return Report(
            seconds, dict(self.statuses), hundredths, self.longest, self.bare, sorted(self.acknowledged)
        )


class Flood:
    """A flood under way, in a process of its own."""

    def __init__(self, order: Order) -> None:
        # Not a pipe: a long report would wait in it to be read, and nobody reads before it is over.
        self._printed = tempfile.TemporaryFile()  # noqa: SIM115 - closed by `stop`
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.drills.flood"], stdin=subprocess.PIPE, stdout=self._printed
        )
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(asdict(order)).encode())
        self._process.stdin.close()

    @property
    def over(self) -> bool:
        """Whether it has ended."""
        return self._process.poll() is not None

    def report(self) -> Report:
        """What came back, once it is over."""
        assert self._process.wait(_TIMEOUT) == 0
        self._printed.seek(0)
        return Report(**json.load(self._printed))

    def stop(self) -> None:
        """End it, whatever it is doing."""
        self._process.kill()
        self._process.wait()
        self._printed.close()


async def run(order: Order) -> Report:
    """Send until the time is up."""
    tally, make = Tally(), _maker(order)
    began = time.perf_counter()
    deadline = began + order.seconds
    await asyncio.gather(*[_client(order, make, deadline, tally) for _ in range(order.connections)])
    return tally.report(time.perf_counter() - began)


async def _client(order: Order, make: Callable[[], Request], deadline: float, tally: Tally) -> None:
    while time.perf_counter() < deadline:
        try:
            reader, writer = await asyncio.open_connection("127.0.0.1", order.port)
        except OSError:
            tally.statuses["cut"] += 1
            await asyncio.sleep(0.1)
            continue
        try:
            while time.perf_counter() < deadline:
                await _exchange(reader, writer, make(), tally)
        except (OSError, EOFError):
            tally.statuses["cut"] += 1
        finally:
            writer.close()
            with suppress(OSError):
                await writer.wait_closed()


async def _exchange(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, request: Request, tally: Tally
) -> None:
    sent = time.perf_counter()
    # Not drained: an answer may come before all has been sent, and is then read all the same.
    writer.write(request[1])
    head = (await reader.readuntil(b"\r\n\r\n")).lower()
    took = time.perf_counter() - sent
    length = int(head.split(b"content-length:")[1].split(b"\r\n")[0])
    await reader.readexactly(length)
    tally.heard(request[0], head[9:12].decode(), head, took)
    if b"connection: close" in head:
        raise EOFError


def _maker(order: Order) -> Callable[[], Request]:
    numbers, padding = count(), "x" * order.size
    bearer = {"Authorization": f"Bearer {TOKEN}"}
    one = {"job": "crew.noop", "args": {"text": "x" * (order.size // _BATCH)}}
    job = json.dumps({"job": "crew.noop", "args": {"text": padding}}).encode()
    batch = json.dumps({"jobs": [one] * _BATCH}).encode()

    def webhook() -> Request:
        name = f"{order.name}-{next(numbers)}"
        headers, body = delivery(name, padding=padding)
        return name, _post(order, "/webhooks/depot", {"X-Signature": headers["x-signature"]}, body)

    makers: dict[Kind, Callable[[], Request]] = {
        "webhook": webhook,
        "job": lambda: ("", _post(order, "/v1/jobs", bearer, job)),
        "batch": lambda: ("", _post(order, "/v1/jobs/batch", bearer, batch)),
    }
    make = makers[order.kind]
    if order.size <= _LARGE:
        return make
    # Making large ones would take the processor from those who are to be measured: a few are sent again and again.
    made = cycle([make() for _ in range(_FEW)])
    return lambda: next(made)


def _post(order: Order, path: str, headers: dict[str, str], body: bytes) -> bytes:
    own = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
    head = (
        f"POST {path} HTTP/1.1\r\nHost: 127.0.0.1:{order.port}\r\nContent-Type: application/json\r\n"
        f"Content-Length: {len(body)}\r\n{own}\r\n"
    )
    return head.encode() + body


def main() -> None:
    """Flood as ordered."""
    given: dict[str, Any] = json.load(sys.stdin)
    order = Order(**given)
    open_files(order.connections + 100)
    sys.stdout.write(json.dumps(asdict(uvloop.run(run(order)))))


if __name__ == "__main__":
    main()
