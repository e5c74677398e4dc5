"""Reading bodies under limits: size, time, depth, and what PostgreSQL can hold."""

import asyncio
import re
from collections.abc import Iterator
from typing import Any

import orjson
from aiohttp import web

from hub.domain.errors import Invalid, Problem, Unavailable
from hub.web.problems import HttpProblem

_UNSIGNED, _SIGNED = 2**64 - 1, -(2**63)
# Plain runs are taken in one go: a character at a time, 16 MiB would hold the event loop for seconds.
_STRING = re.compile(rb'"[^"\\]*(?:\\.[^"\\]*)*"')
_LONG = re.compile(rb"[0-9]{19}")
_INTEGER = re.compile(rb"(?<![0-9.eE+-])(-?[0-9]{19,})(?![0-9.eE])")


class Bodies:
    """Reads the bodies of one server's requests.

    Args:
        timeout: seconds for one body to arrive.
        most: how many bytes may be held of all bodies that have arrived in part.
    """

    def __init__(self, timeout: float, most: int) -> None:
        self._timeout = timeout
        self._most = most
        self._held = 0

    async def read(self, request: web.Request, limit: int) -> bytes:
        """Read a body of at most `limit` bytes.

        Raises:
            HttpProblem: 413 when it is larger, 408 when it does not arrive in time, 400 when it breaks off.
            Unavailable: too much is being read already.
        """
        if (request.content_length or 0) > limit:
            raise _too_large(limit)
        content = request.content
        try:
            # Most bodies arrive with their headers; a timer would cost more than reading them.
            body = content.read_nowait() if content.is_eof() else await self._collect(request, limit)
        except ConnectionError:
            # Also of a body that is whole: aiohttp tells of a client that hung up wherever it is asked next.
            raise HttpProblem(400, "unreadable_body", "the client has hung up", close=True) from None
        if len(body) > limit:
            raise _too_large(limit)
        return body

    async def _collect(self, request: web.Request, limit: int) -> bytes:
        body = bytearray()
        try:
            async with asyncio.timeout(self._timeout):
                while chunk := await request.content.readany():
                    body += chunk
                    self._held += len(chunk)
                    if len(body) > limit:
                        raise _too_large(limit)
                    if self._held > self._most:
                        raise Unavailable("too much is being received")
        except TimeoutError:
            detail = f"the body did not arrive within {self._timeout:g} seconds"
            raise HttpProblem(408, "body_timeout", detail, close=True) from None
        except web.RequestPayloadError as error:
            raise HttpProblem(400, "unreadable_body", f"the body breaks off: {error}", close=True) from None
        finally:
            self._held -= len(body)
        return bytes(body)


def parse_json(body: bytes, max_depth: int) -> Any:
    """Read JSON as RFC 8259 has it: no NaN, no Infinity; of two equal keys the last one counts.

    Raises:
        HttpProblem: 400 where it is not JSON, or nested deeper than `max_depth`.
        Invalid: it holds what cannot be stored as it stands, each with its pointer.
    """
    if not body:
        raise HttpProblem(400, "unreadable_body", "the body is empty; it should be JSON")
    try:
        value = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        detail = f"the body is not JSON: {error.msg} at line {error.lineno}, column {error.colno}"
        raise HttpProblem(400, "unreadable_body", detail) from None
    # Counting brackets costs next to nothing, and most bodies have fewer than they might be deep.
    if body.count(b"[") + body.count(b"{") > max_depth and _is_deeper(value, max_depth):
        raise HttpProblem(400, "too_deep", f"the body is nested deeper than {max_depth} levels")
    if b"\\u0000" in body and (problems := tuple(_nul_characters("", value))):
        raise Invalid("the body holds NUL characters", code="nul_character", problems=problems[:50])
    if _LONG.search(body):
        _check_integers(body)
    return value


def _is_deeper(value: Any, limit: int) -> bool:
    level = [value]
    for _ in range(limit + 1):
        level = [
            child
            for node in level
            if type(node) is dict or type(node) is list
            for child in (node.values() if type(node) is dict else node)
        ]
        if not level:
            return False
    return True


def _nul_characters(pointer: str, value: Any) -> Iterator[Problem]:
    """Depth was checked before, so that this cannot recurse far."""
    if isinstance(value, str) and "\0" in value:
        yield Problem(pointer, "holds the NUL character \\u0000, which cannot be stored")
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield from _nul_characters(f"{pointer}/{index}", item)
    elif isinstance(value, dict):
        for key, item in value.items():
            if "\0" in key:
                yield Problem(pointer, "has a key with the NUL character \\u0000, which cannot be stored")
            yield from _nul_characters(f"{pointer}/{escape(key)}", item)


def _check_integers(body: bytes) -> None:
    """Beyond 64 bits an integer would silently become a float, and another number."""
    for digits in _INTEGER.findall(_STRING.sub(b'""', body)):
        if len(digits) > 20 or not _SIGNED <= int(digits) <= _UNSIGNED:
            shown = digits[:30].decode()
            raise Invalid(
                f"the integer {shown} needs more than 64 bits; send it as a string",
                code="number_out_of_range",
            )


def escape(part: object) -> str:
    """One part of a JSON pointer. RFC 6901, 3."""
    return str(part).replace("~", "~0").replace("/", "~1")


def _too_large(limit: int) -> HttpProblem:
    return HttpProblem(413, "too_large", f"the body is larger than {limit} bytes", close=True)
