"""The call of the API that gives what a page shows, to be pasted into a terminal."""

import shlex
from typing import Any
from urllib.parse import urlencode

import orjson


def curl(address: str, path: str, *, body: Any = None, **query: str | None) -> str:
    """The command; the key is whatever the shell has in HUB_KEY, never one of ours.

    Args:
        address: where the hub is reached.
        path: of the API.
        body: what is posted, if anything.
        query: what is asked; None is left out.
    """
    given = {name: value for name, value in query.items() if value is not None}
    url = f"{address}{path}" + (f"?{urlencode(given)}" if given else "")
    posted = (
        ""
        if body is None
        else f" -H 'Content-Type: application/json' -d {shlex.quote(orjson.dumps(body).decode())}"
    )
    return f'curl -H "Authorization: Bearer $HUB_KEY" {shlex.quote(url)}{posted}'
