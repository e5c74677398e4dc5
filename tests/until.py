"""Waiting for a condition, never for a time."""

import asyncio
import inspect
from collections.abc import Awaitable, Callable
from typing import Any

POLL = 0.005


async def until(condition: Callable[[], Any | Awaitable[Any]], *, within: float = 10.0) -> Any:
    """Return the first true value that `condition` gives (it may be async); fail after `within` seconds."""
    loop = asyncio.get_running_loop()
    deadline = loop.time() + within
    while True:
        value = condition()
        if inspect.isawaitable(value):
            value = await value
        if value:
            return value
        if loop.time() > deadline:
            raise AssertionError(f"not within {within} s: {inspect.getsource(condition).strip()}")
        await asyncio.sleep(POLL)
