"""Who looks at the console, as its pages know them."""

from dataclasses import dataclass, field
from typing import Protocol

from aiohttp import web

from hub.domain.access import Principal, Role, Scope
from hub.services.logins import Session


@dataclass(frozen=True, slots=True)
class Visitor:
    """An operator who has logged in.

    Attributes:
        principal: what they may do, for the services.
        name: how they are addressed.
        csrf: what their forms carry to show that they come from our own pages; bound to the session.
        session: how they came in.
    """

    principal: Principal
    name: str
    role: Role
    csrf: str = field(repr=False)
    session: Session | None = None

    def may(self, scope: Scope) -> bool:
        """Whether they hold a scope."""
        return self.principal.may(scope)


class Visitors(Protocol):
    """Whoever knows who has logged in."""

    async def of(self, request: web.Request, *, used: bool) -> Visitor | None:
        """Who sends this request; None if they have not logged in. `used`: it moves the end of their session."""
        ...
