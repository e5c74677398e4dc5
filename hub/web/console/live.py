"""Pages that follow what happens: server-sent events, each a part of the page made anew.

https://html.spec.whatwg.org/multipage/server-sent-events.html
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress

from aiohttp import web
from multidict import CIMultiDict

from hub.domain.errors import Unavailable

# The browser comes back by itself, and whether it is still allowed is asked then.
_LASTS = 300.0
_SILENCE = 15.0  # proxies close what says nothing for long


class Streams:
    """The streams of one web process.

    Args:
        most: at once; each is a connection and a query a second.
    """

    def __init__(self, most: int = 200) -> None:
        self._free = most
        self._stopping = asyncio.Event()

    async def stop(self, _app: web.Application) -> None:
        """End all: the server stops."""
        self._stopping.set()

    async def follow(
        self,
        request: web.Request,
        headers: Mapping[str, str],
        part: Callable[[], Awaitable[str]],
        *,
        every: float = 1.0,
    ) -> web.StreamResponse:
        """Send a part of a page whenever it has changed, until the browser leaves or the server stops.

        Args:
            request: of the browser.
            headers: of every page.
            part: makes it; its errors end the stream.
            every: seconds between two looks.

        Raises:
            Unavailable: too many follow already.
        """
        if self._free <= 0:
            raise Unavailable("too many pages are followed live already")
        response = web.StreamResponse(headers=CIMultiDict(headers))
        response.headers["Content-Type"] = "text/event-stream"
        # Some proxies collect an answer before they pass it on.
        response.headers["X-Accel-Buffering"] = "no"
        self._free -= 1
        try:
            # A first one before anything is sent, so that an error is answered as one.
            first = await part()
            await response.prepare(request)
            if request.method != "HEAD":
                await response.write(_event(first))
                await self._go_on(response, part, first, every)
        except ConnectionError:
            pass  # the browser has left
        finally:
            self._free += 1
        return response

    async def _go_on(
        self, response: web.StreamResponse, part: Callable[[], Awaitable[str]], shown: str, every: float
    ) -> None:
        loop = asyncio.get_running_loop()
        ends, spoken = loop.time() + _LASTS, loop.time()
        while loop.time() < ends and not await self._stopped_within(every):
            made = await part()
            if made != shown:
                await response.write(_event(made))
                shown, spoken = made, loop.time()
            elif loop.time() - spoken > _SILENCE:
                await response.write(b":\n\n")
                spoken = loop.time()

    async def _stopped_within(self, seconds: float) -> bool:
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._stopping.wait()
        return self._stopping.is_set()


def _event(html: str) -> bytes:
    return "".join(f"data: {line}\n" for line in html.splitlines()).encode() + b"\n"
