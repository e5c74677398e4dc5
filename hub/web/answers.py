"""Putting answers together: headers that are made once, and JSON."""

from typing import Any
from uuid import UUID

import orjson
from aiohttp import web
from multidict import CIMultiDict

_SECURITY = {
    "Server": "hub",
    "Cache-Control": "no-store",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
}
_NOTHING_LOADED = {"Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'"}

PLAIN_HEADERS: CIMultiDict[str] = CIMultiDict({**_SECURITY, **_NOTHING_LOADED})
JSON_HEADERS: CIMultiDict[str] = CIMultiDict({**PLAIN_HEADERS, "Content-Type": "application/json"})
PROBLEM_HEADERS: CIMultiDict[str] = CIMultiDict({**PLAIN_HEADERS, "Content-Type": "application/problem+json"})


def page_headers(style_hash: str) -> CIMultiDict[str]:
    """The headers of a page that loads nothing, runs nothing, and is styled by the one sheet with this hash."""
    policy = f"default-src 'none'; style-src '{style_hash}'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    return CIMultiDict(
        {**_SECURITY, "Content-Security-Policy": policy, "Content-Type": "text/html; charset=utf-8"}
    )


def dumps(value: Any) -> bytes:
    """JSON; times in UTC with a Z."""
    return orjson.dumps(value, _plain, orjson.OPT_UTC_Z)


def json_answer(value: Any, status: int = 200) -> web.Response:
    """An answer of JSON."""
    return web.Response(body=dumps(value), status=status, headers=JSON_HEADERS)


def _plain(value: Any) -> str:
    # asyncpg's UUIDs are a subclass, which orjson leaves to us.
    if isinstance(value, UUID):
        return str(value)
    raise TypeError(type(value).__name__)
