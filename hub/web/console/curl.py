"""The call of the API that gives what a page shows, to be pasted into a terminal."""

import shlex
from urllib.parse import urlencode

from aiohttp import web


def curl(request: web.Request, path: str, **query: str | None) -> str:
    """The command; the key is whatever the shell has in HUB_KEY, never one of ours."""
    given = {name: value for name, value in query.items() if value is not None}
    address = f"{request.scheme}://{request.host}{path}" + (f"?{urlencode(given)}" if given else "")
    return f'curl -H "Authorization: Bearer $HUB_KEY" {shlex.quote(address)}'
