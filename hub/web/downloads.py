"""Answers that may be long: sent as they are made, so that they take no more memory than one part."""

from collections.abc import AsyncIterator

from aiohttp import web
from multidict import CIMultiDict

from hub.web.answers import PLAIN_HEADERS
from hub.web.calls import Call


async def download(
    request: web.Request, call: Call, name: str, kind: str, parts: AsyncIterator[bytes]
) -> web.StreamResponse:
    """Answer with a file of this name and media type."""
    call.waits = True
    headers = CIMultiDict(PLAIN_HEADERS)
    headers["Content-Type"] = kind
    headers["Content-Disposition"] = f'attachment; filename="{name}"'
    headers["X-Request-Id"] = call.correlation_id
    response = web.StreamResponse(headers=headers)
    await response.prepare(request)
    if request.method != "HEAD":
        async for part in parts:
            await response.write(part)
    await response.write_eof()
    return response
