"""Who follows pages live: how many at once, and for how long they may."""

import asyncio
from collections.abc import Awaitable, Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from uuid import UUID

from hub.domain.access import Role
from hub.web.console.visitor import Visitor

Standing = Callable[[Collection[UUID]], Awaitable[Mapping[UUID, Role]]]


@dataclass(slots=True, eq=False)
class Reader:
    """Whoever follows a page.

    Attributes:
        is_here: whether their browser has not left; what serves them learns of it later.
        out: their session has ended, or they have another role now.
    """

    visitor: Visitor
    is_here: Callable[[], bool]
    out: bool = False


class Audience:
    """The readers of one web process.

    Args:
        standing: which of these sessions have not ended, and the role that each gives now.
        most: at once; each is a connection and a query a second.
        each: of one person. A browser opens six connections to a host over HTTP/1.1, and its other pages need one, too.
        every: seconds for which one look at all sessions holds.
    """

    def __init__(self, standing: Standing, *, most: int = 200, each: int = 5, every: float = 2.0) -> None:
        self._standing = standing
        self._most = most
        self._each = each
        self._every = every
        self._readers: set[Reader] = set()
        self._looking = asyncio.Lock()
        self._looked = 0.0

    def has_room_for(self, visitor: Visitor) -> bool:
        """Whether one more can be read."""
        here = [reader.visitor.principal.key for reader in self._readers if reader.is_here()]
        return len(here) < self._most and here.count(visitor.principal.key) < self._each

    @contextmanager
    def joined_by(self, visitor: Visitor, is_here: Callable[[], bool] = lambda: True) -> Iterator[Reader]:
        """Count somebody in while inside, and while their browser is there."""
        reader = Reader(visitor, is_here)
        self._readers.add(reader)
        try:
            yield reader
        finally:
            self._readers.remove(reader)

    async def is_in(self, reader: Reader) -> bool:
        """Whether they may read on. Whoever asks first after a while has all sessions looked at, by one statement.

        Raises Unavailable.
        """
        async with self._looking:
            now = asyncio.get_running_loop().time()
            if now - self._looked >= self._every:
                await self._look()
                # Of when it was begun: what was revoked meanwhile may not be seen.
                self._looked = now
        return not reader.out

    async def _look(self) -> None:
        readers = [(one, one.visitor.session.id) for one in self._readers if one.visitor.session]
        standing = await self._standing({session for _, session in readers}) if readers else {}
        for reader, session in readers:
            reader.out = standing.get(session) is not reader.visitor.role
