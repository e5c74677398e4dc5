"""What the faulty server does, by path; a number in the query string changes the size or the pace."""

import asyncio
import json

from tests.simulators.raw_http import Behaviour, Connection, Request, answer

_CHUNK = b"x" * 65536


async def ok(connection: Connection, request: Request) -> bool:
    """200 with what was asked, as JSON; the connection stays."""
    document = {
        "method": request.method,
        "path": request.path,
        "headers": dict(request.headers),
        "body": request.body.decode(errors="replace"),
    }
    await connection.send(answer("200 OK", json.dumps(document).encode()))
    return True


async def status(connection: Connection, request: Request) -> bool:
    """The status `?code=503`, with `?retry_after=2` (seconds) if given; the connection stays."""
    code = int(request.number("code", 503))
    headers = tuple(f"Retry-After: {value}" for value in request.query.get("retry_after", ()))
    await connection.send(answer(f"{code} Status", b'{"error": "ordered"}', headers))
    return True


async def never(connection: Connection, _: Request) -> bool:
    """Reads the request and never answers; ends when the client gives up."""
    await connection.reader.read()
    return False


async def slow(connection: Connection, request: Request) -> bool:
    """Sends `?bytes=20` one by one, `?interval=0.05` seconds apart: each read is in time, the whole is not."""
    body = b"x" * int(request.number("bytes", 20))
    whole = answer("200 OK", body)
    head = len(whole) - len(body)
    await connection.send(whole[:head])
    for position in range(head, len(whole)):
        await asyncio.sleep(request.number("interval", 0.05))
        await connection.send(whole[position : position + 1])
    return True


async def slow_head(connection: Connection, request: Request) -> bool:
    """As `slow`, from the first byte of the status line."""
    whole = answer("200 OK")
    for position in range(len(whole)):
        await asyncio.sleep(request.number("interval", 0.05))
        await connection.send(whole[position : position + 1])
    return True


async def reset_before(connection: Connection, _: Request) -> bool:
    """Resets when the request has been read: sent, no answer."""
    connection.reset()
    return False


async def reset_mid_head(connection: Connection, _: Request) -> bool:
    """Resets inside the headers."""
    await connection.send(b"HTTP/1.1 200 OK\r\nContent-Ty")
    connection.reset()
    return False


async def reset_mid_body(connection: Connection, _: Request) -> bool:
    """Resets when 10 of 1,000 bytes have been sent."""
    await connection.send(answer("200 OK", b"x" * 10, length=1000))
    connection.reset()
    return False


async def close_before(connection: Connection, _: Request) -> bool:
    """Closes in good order without a byte of an answer."""
    return False


async def short_body(connection: Connection, _: Request) -> bool:
    """Closes in good order with fewer bytes than Content-Length says."""
    await connection.send(answer("200 OK", b'{"short": true', length=1000))
    return False


async def long_body(connection: Connection, _: Request) -> bool:
    """Sends more bytes than Content-Length says, which spoils the next answer on a kept connection."""
    await connection.send(answer("200 OK", b"{}surplus", length=2))
    return True


async def bad_length(connection: Connection, _: Request) -> bool:
    """A Content-Length that is no number."""
    await connection.send(answer("200 OK", length="banana"))
    return False


async def two_lengths(connection: Connection, _: Request) -> bool:
    """Two Content-Lengths that differ (RFC 9112 section 6.3 demands refusal)."""
    await connection.send(answer("200 OK", b"{}", ("Content-Length: 7",)))
    return False


async def bad_chunk(connection: Connection, _: Request) -> bool:
    """A chunk whose size is no number."""
    await connection.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n{}\r\n0\r\n\r\n")
    return False


async def cut_chunk(connection: Connection, _: Request) -> bool:
    """A chunked body that ends without its last chunk."""
    await connection.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n")
    return False


async def garbage(connection: Connection, _: Request) -> bool:
    """Bytes that are not HTTP."""
    await connection.send(bytes(range(256)) * 4, b"\r\n\r\n")
    return False


async def bad_json(connection: Connection, _: Request) -> bool:
    """200 and JSON by its type, not by its bytes."""
    await connection.send(answer("200 OK", b"<html>It works!</html>"))
    return True


async def bad_gzip(connection: Connection, _: Request) -> bool:
    """Says gzip and is not."""
    await connection.send(answer("200 OK", b"not gzip at all", ("Content-Encoding: gzip",)))
    return True


async def empty(connection: Connection, _: Request) -> bool:
    """204 without a body."""
    await connection.send(b"HTTP/1.1 204 No Content\r\n\r\n")
    return True


async def huge_headers(connection: Connection, request: Request) -> bool:
    """`?bytes=1000000` of headers."""
    lines = int(request.number("bytes", 1_000_000)) // 1000
    await connection.send(answer("200 OK", b"{}", tuple(f"X-Filler-{n}: {'x' * 980}" for n in range(lines))))
    return False


async def huge_body(connection: Connection, request: Request) -> bool:
    """`?bytes=100000000` of body, as fast as they are read."""
    left = int(request.number("bytes", 100_000_000))
    await connection.send(answer("200 OK", b"", length=left))
    while left > 0:
        await connection.send(_CHUNK[:left])
        left -= len(_CHUNK)
    return True


async def endless_body(connection: Connection, _: Request) -> bool:
    """A chunked body without an end."""
    await connection.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
    while True:
        await connection.send(b"10000\r\n", _CHUNK, b"\r\n")


async def informational(connection: Connection, _: Request) -> bool:
    """100 and 103 before the 200."""
    early = b"HTTP/1.1 103 Early Hints\r\nLink: </style.css>; rel=preload\r\n\r\n"
    await connection.send(b"HTTP/1.1 100 Continue\r\n\r\n", early, answer("200 OK"))
    return True


async def only_informational(connection: Connection, _: Request) -> bool:
    """100, and then nothing."""
    await connection.send(b"HTTP/1.1 100 Continue\r\n\r\n")
    await connection.reader.read()
    return False


async def redirect_loop(connection: Connection, request: Request) -> bool:
    """Redirects to itself."""
    await connection.send(answer("302 Found", b"", (f"Location: {request.path}",)))
    return True


async def redirect(connection: Connection, request: Request) -> bool:
    """Redirects to `?to=`, with 307, so that a client that follows sends the body there as well."""
    target = request.query.get("to", ["/ok"])[0]
    await connection.send(answer("307 Temporary Redirect", b"", (f"Location: {target}",)))
    return True


async def close_after(connection: Connection, request: Request) -> bool:
    """Promises keep-alive, and closes right after the answer: the next request finds a dead connection."""
    await connection.send(answer("200 OK", b"{}", ("Connection: keep-alive", "Keep-Alive: timeout=60")))
    return False


async def second_dropped(connection: Connection, _: Request) -> bool:
    """Answers the first request of a connection, reads the second, and closes without an answer."""
    if connection.requests > 1:
        return False
    await connection.send(answer("200 OK"))
    return True


BEHAVIOURS: dict[str, Behaviour] = {
    f"/{behaviour.__name__.replace('_', '-')}": behaviour
    for behaviour in (
        ok,
        status,
        never,
        slow,
        slow_head,
        reset_before,
        reset_mid_head,
        reset_mid_body,
        close_before,
        short_body,
        long_body,
        bad_length,
        two_lengths,
        bad_chunk,
        cut_chunk,
        garbage,
        bad_json,
        bad_gzip,
        empty,
        huge_headers,
        huge_body,
        endless_body,
        informational,
        only_informational,
        redirect_loop,
        redirect,
        close_after,
        second_dropped,
    )
}
