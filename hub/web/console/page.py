"""A page of the console as one value, and what its handler is given."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, Literal
from urllib.parse import urlencode

from aiohttp import web
from multidict import CIMultiDict, MultiDict

from hub.domain.access import Principal, Scope
from hub.domain.errors import Invalid, Problem
from hub.services.hub import Hub
from hub.web.addresses import public_url
from hub.web.calls import Call
from hub.web.console.live import Streams
from hub.web.console.rendering import Renderer
from hub.web.console.theme import theme_of
from hub.web.console.visitor import Visitor

_MOST_FIELD = 1_000  # characters, as the API takes of a reason


@dataclass(frozen=True, slots=True)
class Page:
    """One method of one path of the console.

    Attributes:
        scope: what the operator's role must hold; None where it is enough to have logged in.
        section: the entry of the navigation it belongs to.
        open: it needs no login.
        streams: it goes on answering until the browser leaves, so it is not a slow request; and it is loaded by itself,
            so it is no sign of anybody at the keyboard, which would move the end of their session.
    """

    method: Literal["GET", "POST"]
    path: str
    handler: "Handler"
    scope: Scope | None
    section: str = ""
    open: bool = False
    streams: bool = False


@dataclass(frozen=True, slots=True)
class Visit:
    """One request for a page.

    Attributes:
        visitor: who asks; None only on open pages.
        form: the fields of a posted form, empty otherwise.
    """

    hub: Hub
    call: Call
    request: web.Request
    page: Page
    visitor: Visitor | None
    form: MultiDict[str]
    renderer: Renderer
    streams: Streams

    @property
    def principal(self) -> Principal:
        """Who asks, for the services."""
        if self.visitor is None:
            raise RuntimeError("an open page has no principal")
        return self.visitor.principal

    @property
    def address(self) -> str:
        """Where the hub is reached, as configured or as the browser wrote it."""
        return public_url(self.hub.config.web, self.request)

    def may(self, scope: Scope) -> bool:
        """Whether they hold a scope."""
        return self.visitor is not None and self.visitor.may(scope)

    def field(self, name: str) -> str | None:
        """A field of one line, without blanks around it; None where it is absent or empty. Raises Invalid for a long one."""
        text = (self.form.get(name) or "").strip()
        if len(text) > _MOST_FIELD:
            problem = Problem(f"/{name}", f"must have at most {_MOST_FIELD:,} characters")
            raise Invalid("the form does not fit", problems=(problem,))
        return text or None

    def render(self, template: str, *, status: int = 200, **values: Any) -> web.Response:
        """An answer made of a template, which finds `visit` beside the values."""
        body = self.renderer.page(template, visit=self, theme=theme_of(self.request), **values)
        return web.Response(text=body, status=status, headers=CIMultiDict(self.renderer.headers))

    async def follow(self, part: Callable[[], Awaitable[str]], *, every: float = 1.0) -> web.StreamResponse:
        """Send a part of a page whenever it has changed; see `hub.web.console.live`."""
        if self.visitor is None:
            raise RuntimeError("an open page is followed by nobody")
        return await self.streams.follow(self.request, self.visitor, self.renderer.headers, part, every=every)

    def fragment(self, template: str, **values: Any) -> str:
        """A part of a page, as live updates send it."""
        return self.renderer.page(template, visit=self, **values)

    def redirect(self, path: str, notice: str | None = None) -> web.Response:
        """Go on elsewhere after a form was posted; `notice` names an entry of `hub.web.console.notices`."""
        if notice is not None:
            bare, _, anchor = path.partition("#")
            joint = "&" if "?" in bare else "?"
            path = f"{bare}{joint}{urlencode({'notice': notice})}" + (f"#{anchor}" if anchor else "")
        headers = CIMultiDict(self.renderer.headers)
        headers["Location"] = path
        return web.Response(status=303, headers=headers)


Handler = Callable[[Visit], Awaitable[web.StreamResponse]]
