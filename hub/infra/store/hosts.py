"""Finding the PostgreSQL that can be written to, among the hosts that a URL names.

asyncpg knows such URLs, and gives all hosts together one time-out: where the first is cut off, it spends that there and
never comes to the second. Here each has its own, and the one that was good last is asked first.
"""

import asyncio
from typing import Any

import asyncpg

from hub.infra.sockets import CONNECT, watch
from hub.urls import each_host, session_attributes

# SQLSTATE of a server that cannot take us now: https://www.postgresql.org/docs/18/errcodes-appendix.html
_PASSING = ("08", "53", "57")
# While nobody answers, whoever asks again within this is refused at once, instead of waiting for the same.
_REMEMBERED = 1.0  # seconds


class _Watched(asyncpg.Connection):  # type: ignore[misc]  # asyncpg has no types
    """Ends by itself when its server has vanished."""

    def __init__(self, protocol: Any, transport: Any, *rest: Any) -> None:
        super().__init__(protocol, transport, *rest)
        watch(transport.get_extra_info("socket"))


class Hosts:
    """Connects to whichever host of a URL is the primary now.

    Args:
        url: as libpq reads it, with one host or several. Of several the hub wants one that it can write to.
        options: for `asyncpg.connect`.
    """

    def __init__(self, url: str, **options: Any) -> None:
        self._urls = each_host(url)
        if len(self._urls) > 1 and session_attributes(url) is None:
            options["target_session_attrs"] = "read-write"
        self._options = options
        self._away: OSError | None = None
        self._away_until = 0.0

    async def connect(self) -> asyncpg.Connection:
        """A connection, watched for a server that vanishes.

        Raises:
            OSError: no host answers, or none that does can be written to.
            asyncpg.PostgresError: a host refuses us.
        """
        now = asyncio.get_running_loop().time()
        if self._away is not None and now < self._away_until:
            raise self._away
        last: Exception | None = None
        for url in self._urls:
            try:
                connection = await self._connect(url)
            except OSError as error:
                last = error
            except asyncpg.PostgresError as error:
                if not (error.sqlstate or "").startswith(_PASSING):
                    raise
                last = error
            else:
                self._prefer(url)
                return connection
        self._remember(last)
        raise last or OSError("the URL names no host")

    async def _connect(self, url: str) -> asyncpg.Connection:
        try:
            return await asyncpg.connect(url, timeout=CONNECT, connection_class=_Watched, **self._options)
        except asyncpg.TargetServerAttributeNotMatched as error:
            raise ConnectionRefusedError("no host of the URL can be written to") from error

    def _prefer(self, good: str) -> None:
        self._away = None
        if self._urls[0] != good:
            self._urls = (good, *(url for url in self._urls if url != good))

    def _remember(self, error: Exception | None) -> None:
        # Only silence costs time; a refusal comes at once, and so does its end.
        if isinstance(error, TimeoutError):
            self._away = TimeoutError("no answer in time")
            self._away_until = asyncio.get_running_loop().time() + _REMEMBERED
