"""A small HTTP/1.1 server over raw streams, whose every byte is in the hands of a behaviour."""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from socket import socket
from urllib.parse import parse_qs, urlsplit

from tests.simulators.connections import reset

LARGEST_HEAD = 1 << 20


@dataclass(frozen=True, slots=True)
class Request:
    """A request as it arrived; header names in lower case."""

    connection: int
    method: str
    path: str
    query: Mapping[str, list[str]]
    headers: Mapping[str, str]
    body: bytes

    def number(self, name: str, default: float) -> float:
        """A number from the query string: `/slow?interval=0.1`."""
        return float(self.query[name][0]) if name in self.query else default


@dataclass(slots=True)
class Connection:
    """One accepted connection."""

    id: int
    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    requests: int = 0

    async def send(self, *parts: bytes) -> None:
        """Write and flush."""
        self.writer.write(b"".join(parts))
        await self.writer.drain()

    def reset(self) -> None:
        """Break it: the client sees ECONNRESET."""
        reset(self.writer.transport)


Behaviour = Callable[[Connection, Request], Awaitable[bool]]
"""Answers one request on a connection; True keeps the connection open for the next."""


def answer(
    status: str, body: bytes = b"{}", headers: tuple[str, ...] = (), *, length: int | str | None = None
) -> bytes:
    """A response as bytes; `length` is the Content-Length to claim, the true one when None."""
    claimed = len(body) if length is None else length
    lines = [f"HTTP/1.1 {status}", "Content-Type: application/json", f"Content-Length: {claimed}", *headers]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


@dataclass(slots=True)
class FaultyServer:
    """The running server, and what it has seen."""

    url: str = ""
    behaviours: dict[str, Behaviour] = field(default_factory=dict)
    connections: int = 0
    open_connections: int = 0
    requests: list[Request] = field(default_factory=list)
    _tasks: set["asyncio.Task[None]"] = field(default_factory=set)
    _refusing: list[socket] = field(default_factory=list)
    _changed: asyncio.Condition = field(default_factory=asyncio.Condition)

    @property
    def counts(self) -> Counter[str]:
        """Requests by path."""
        return Counter(request.path for request in self.requests)

    def on(self, path: str, behaviour: Behaviour) -> str:
        """Add or replace a behaviour; gives its URL."""
        self.behaviours[path] = behaviour
        return self.url + path

    def refused_url(self) -> str:
        """The URL of a port that is held and does not listen, so that every connection is refused."""
        held = socket()
        held.bind(("127.0.0.1", 0))
        self._refusing.append(held)
        return f"http://127.0.0.1:{held.getsockname()[1]}"

    async def until(self, condition: Callable[["FaultyServer"], bool], *, within: float = 10.0) -> None:
        """Wait until what the server has seen satisfies `condition`; TimeoutError after `within` seconds."""
        async with asyncio.timeout(within), self._changed:
            await self._changed.wait_for(lambda: condition(self))

    async def accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Serve one connection until a behaviour or the client ends it."""
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        self.connections += 1
        self.open_connections += 1
        connection = Connection(self.connections, reader, writer)
        try:
            await self._notify()
            await self._serve(connection)
        except (OSError, EOFError):
            pass
        except asyncio.CancelledError:
            connection.reset()
        finally:
            self.open_connections -= 1
            self._tasks.discard(task)
            writer.close()
            with suppress(OSError):
                await writer.wait_closed()
            await self._notify()

    async def close(self) -> None:
        """Break every connection, the stalled ones too."""
        # One turn of the loop, so that a connection accepted just now is in the list.
        await asyncio.sleep(0)
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        for held in self._refusing:
            held.close()

    async def _serve(self, connection: Connection) -> None:
        kept = True
        while kept:
            if (request := await _read(connection)) is None:
                return
            connection.requests += 1
            self.requests.append(request)
            await self._notify()
            kept = await self.behaviours.get(request.path, not_found)(connection, request)

    async def _notify(self) -> None:
        async with self._changed:
            self._changed.notify_all()


async def not_found(connection: Connection, _: Request) -> bool:
    """404, and the connection stays."""
    await connection.send(answer("404 Not Found"))
    return True


async def _read(connection: Connection) -> Request | None:
    try:
        head = await connection.reader.readuntil(b"\r\n\r\n")
    except asyncio.IncompleteReadError:
        return None
    first, *lines = head.decode("latin-1").rstrip("\r\n").split("\r\n")
    method, target, _ = first.split(" ", 2)
    headers = {
        name.strip().lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)
    }
    url = urlsplit(target)
    body = await _body(connection.reader, headers)
    return Request(connection.id, method, url.path, parse_qs(url.query), headers, body)


async def _body(reader: asyncio.StreamReader, headers: Mapping[str, str]) -> bytes:
    if headers.get("transfer-encoding", "").lower() != "chunked":
        return await reader.readexactly(int(headers.get("content-length", "0")))
    body = bytearray()
    while size := int((await reader.readuntil(b"\r\n")).split(b";")[0], 16):
        body += (await reader.readexactly(size + 2))[:-2]
    await reader.readuntil(b"\r\n")
    return bytes(body)
