"""Pages that follow what happens: server-sent events, each a part of the page made anew.

https://html.spec.whatwg.org/multipage/server-sent-events.html
"""

import asyncio
import re
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import contextmanager, suppress

from aiohttp import web
from multidict import CIMultiDict

from hub.domain.errors import HubError
from hub.web.console.audience import Audience, Reader
from hub.web.console.visitor import Visitor

_LASTS = 300.0  # then the browser comes back by itself
_SILENCE = 15.0  # proxies close what says nothing for long

_FULL = "This page does not update by itself, as too many are followed already: load it again to see how it stands."
_OUT = "This page no longer updates by itself, as you are logged out or have another role now: load it again."

_AGO = re.compile(r"(?<= data-ago>)[^<]*")

Part = Callable[[], Awaitable[str]]


class Streams:
    """The streams of one web process.

    Args:
        audience: who reads them.
        patience: seconds for a browser that takes nothing.
    """

    def __init__(self, audience: Audience, *, patience: float = 10.0) -> None:
        self._audience = audience
        self._patience = patience
        self._stopping = asyncio.Event()

    async def stop(self, _app: web.Application) -> None:
        """End all: the server stops."""
        self._stopping.set()

    async def follow(
        self,
        request: web.Request,
        visitor: Visitor,
        headers: Mapping[str, str],
        part: Part,
        *,
        every: float = 1.0,
    ) -> web.StreamResponse:
        """Send a part of a page whenever it has changed, until the browser leaves, its session ends or the server stops.

        Whoever finds no room is told so by an event: browsers show scripts nothing of another answer.

        Args:
            request: of the browser.
            visitor: who follows.
            headers: of every page.
            part: makes it; its errors end the stream.
            every: seconds between two looks.
        """
        response = web.StreamResponse(headers=CIMultiDict(headers))
        response.headers["Content-Type"] = "text/event-stream"
        # Some proxies collect an answer before they pass it on.
        response.headers["X-Accel-Buffering"] = "no"
        if not self._audience.has_room_for(visitor):
            with _begun(request):
                await self._begin(request, response, _event(_FULL, "note"))
            return response
        with self._audience.joined_by(visitor, lambda: _is_here(request)) as reader:
            # A first one before anything is sent, so that an error is answered as one.
            first = await part()
            with _begun(request):
                await self._begin(request, response, _event(first))
                if request.method != "HEAD":
                    await self._go_on(request, response, reader, part, first, every)
        return response

    async def _begin(self, request: web.Request, response: web.StreamResponse, event: bytes) -> None:
        await response.prepare(request)
        if request.method != "HEAD":
            await self._send(response, event)

    async def _go_on(
        self,
        request: web.Request,
        response: web.StreamResponse,
        reader: Reader,
        part: Part,
        shown: str,
        every: float,
    ) -> None:
        loop = asyncio.get_running_loop()
        ends, spoken = loop.time() + _LASTS, loop.time()
        while loop.time() < ends and not await self._stopped_within(every):
            if not _is_here(request):
                return  # the browser has left, which nothing else tells before something is sent
            if not await self._audience.is_in(reader):
                await self._send(response, _event(_OUT, "note"))
                return
            made = await part()
            if _lasting(made) != _lasting(shown):
                await self._send(response, _event(made))
                shown, spoken = made, loop.time()
            elif loop.time() - spoken > _SILENCE:
                await self._send(response, b":\n\n")
                spoken = loop.time()

    async def _send(self, response: web.StreamResponse, event: bytes) -> None:
        try:
            async with asyncio.timeout(self._patience):
                await response.write(event)
        except TimeoutError:
            raise ConnectionError("the browser takes nothing") from None

    async def _stopped_within(self, seconds: float) -> bool:
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._stopping.wait()
        return self._stopping.is_set()


@contextmanager
def _begun(request: web.Request) -> Iterator[None]:
    try:
        yield
    except HubError:
        pass  # the browser comes back, and is told as a page is
    except ConnectionError:
        _cut_off(request)
    except Exception:
        _cut_off(request)  # what was begun cannot be answered otherwise any more
        raise


def _is_here(request: web.Request) -> bool:
    return request.transport is not None and not request.transport.is_closing()


def _cut_off(request: web.Request) -> None:
    if request.transport is not None:
        request.transport.abort()


def _lasting(part: str) -> str:
    """Without what time alone changes, which the page's script keeps true: a list of times would be sent every second."""
    return _AGO.sub("", part)


def _event(text: str, kind: str = "") -> bytes:
    """As the standard writes them: a kind that is not given is `message`."""
    lines = [f"event: {kind}"] if kind else []
    lines += [f"data: {line}" for line in text.splitlines()]
    return "\n".join((*lines, "", "")).encode()
