"""An endpoint as one value: what routes it, guards it and documents it, so that none of these can be forgotten."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any, Literal

from aiohttp import web

from hub.domain.access import Principal, Scope
from hub.services.hub import Hub
from hub.web.bodies import Bodies
from hub.web.calls import Call
from hub.web.schemas import NoQuery, Query


@dataclass(frozen=True, slots=True)
class Context:
    """What a handler is given.

    Attributes:
        principal: who calls; for an open endpoint nobody.
        bodies: reads the request's body.
    """

    hub: Hub
    call: Call
    principal: Principal
    bodies: Bodies


Handler = Callable[[web.Request, Context], Awaitable[web.StreamResponse]]


@dataclass(frozen=True, slots=True)
class Shape:
    """A body: its Python type, and an example.

    Attributes:
        model: what pydantic describes; None for what is not JSON.
        optional: a request may come without it.
    """

    model: Any
    example: Any
    media_type: str = "application/json"
    optional: bool = False


@dataclass(frozen=True, slots=True)
class Outcome:
    """A good answer; `2XX` for any that is not listed."""

    status: int | Literal["2XX"]
    description: str
    shape: Shape | None = None
    headers: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Endpoint:
    """One method of one path.

    Attributes:
        scope: what the caller's key must hold; None for an endpoint that takes no key.
        refusals: statuses besides those that every endpoint of its kind may answer.
        headers: the request headers it reads, with what they mean.
        confirms: its own statement confirms that the key is good, so the guard need not ask the database first.
    """

    method: str
    path: str
    handler: Handler
    scope: Scope | None
    id: str
    tag: str
    summary: str
    description: str
    outcomes: tuple[Outcome, ...]
    query: type[Query] = NoQuery
    body: Shape | None = None
    refusals: tuple[int, ...] = ()
    headers: dict[str, str] = field(default_factory=dict)
    confirms: bool = False

    @property
    def statuses(self) -> tuple[int, ...]:
        """Every status of a problem that it may answer with."""
        every = {400, 500, 503}
        guarded = {401, 403, 429} if self.scope else set()
        reads = {408, 413} if self.body else set()
        # A query that is not asked for is refused, except where providers may have one in the URL they call.
        queried = {422} if self.scope or self.body else set()
        return tuple(sorted(every | guarded | reads | queried | set(self.refusals)))
