"""The console in the web application: each page behind its guard, and errors told as pages."""

from collections.abc import Awaitable, Callable
from http import HTTPStatus
from urllib.parse import parse_qsl, quote

from aiohttp import web
from multidict import MultiDict

from hub.domain.access import PERMISSIONS, Scope, is_same
from hub.services.hub import Hub
from hub.web.bodies import Bodies
from hub.web.calls import Call, call_of
from hub.web.console import guard
from hub.web.console.addresses import HOME
from hub.web.console.assets import Assets
from hub.web.console.audience import Audience
from hub.web.console.live import Streams
from hub.web.console.page import Page, Visit
from hub.web.console.rendering import HEADERS, Renderer
from hub.web.console.table import pages
from hub.web.console.visitor import Visitor, Visitors
from hub.web.problems import Explained, HttpProblem
from hub.web.reading import refuse_nul

LOGIN = "/console/login"
_MOST_FORM = 256 * 1024
_MOST_FIELDS = 2000


class Console:
    """The console of one web application.

    Args:
        hub: everything its pages show and do.
        visitors: who has logged in.
        bodies: reads posted forms.
    """

    def __init__(self, hub: Hub, visitors: Visitors, bodies: Bodies) -> None:
        self._hub = hub
        self._visitors = visitors
        self._bodies = bodies
        self._assets = Assets.make()
        self._streams = Streams(Audience(hub.logins.standing))
        self._pages = pages()
        self._shown = frozenset(page.path for page in self._pages if page.method == "GET")
        self._renderer = Renderer(self._assets, hub.clock, [page.path for page in self._pages])

    def mount(self, app: web.Application) -> None:
        """Serve it."""
        for page in self._pages:
            route = app.router.add_route(page.method, page.path, self._routed(page))
            if page.method == "GET":
                route.resource.add_route("HEAD", route.handler)  # type: ignore[union-attr]  # a route of a path has one
        app.router.add_get("/console/static/{name}", self._asset)
        app.router.add_route("*", "/", _door)
        app.router.add_get("/console", _home)
        app.router.add_get("/console/{rest:.*}", self._routed(Page("GET", "/console/*", _nothing, None)))
        app.on_shutdown.append(self._streams.stop)

    async def _asset(self, request: web.Request) -> web.StreamResponse:
        call_of(request).route = "/console/static"
        return self._assets.answer(request.match_info["name"])

    def _routed(self, page: Page) -> Callable[[web.Request], Awaitable[web.StreamResponse]]:
        async def guarded(request: web.Request) -> web.StreamResponse:
            call = call_of(request)
            call.route, call.waits = page.path, page.streams
            visitor = None
            call.tell = lambda told: self._told(told, self._visit(request, call, page, visitor))
            refuse_nul(request)
            visitor = await self._visitors.of(request, used=not page.streams)
            if visitor is None and not page.open:
                return _to_login(request, page)
            if visitor is not None and page.scope is not None and not visitor.may(page.scope):
                raise HttpProblem(403, "scope_missing", _not_theirs(page.scope))
            form = await self._form(request, visitor) if page.method == "POST" else MultiDict[str]()
            return await page.handler(self._visit(request, call, page, visitor, form))

        return guarded

    async def _form(self, request: web.Request, visitor: Visitor | None) -> MultiDict[str]:
        guard.check_origin(self._hub.config.web, request)
        body = await self._bodies.read(request, _MOST_FORM)
        try:
            fields = parse_qsl(body.decode(), keep_blank_values=True, max_num_fields=_MOST_FIELDS)
        except ValueError:
            raise HttpProblem(400, "unreadable_form", "the form cannot be read") from None
        form = MultiDict(fields)
        if any("\0" in name or "\0" in value for name, value in fields):
            raise HttpProblem(400, "unreadable_form", "the form holds NUL characters")
        expected = visitor.csrf if visitor is not None else guard.browser_token(self._hub.config.web, request)
        if expected is None or not is_same(expected.encode(), form.get("csrf", "").encode()):
            raise HttpProblem(
                403, "csrf", "the form is not from this session; load the page again and repeat it"
            )
        return form

    def _visit(
        self,
        request: web.Request,
        call: Call,
        page: Page,
        visitor: Visitor | None,
        form: MultiDict[str] | None = None,
    ) -> Visit:
        return Visit(
            self._hub, call, request, page, visitor, form or MultiDict(), self._renderer, self._streams
        )

    def _told(self, told: Explained, visit: Visit) -> web.Response:
        title = HTTPStatus(told.status).phrase
        answer = visit.render(
            "error.html",
            status=told.status,
            told=told,
            title=title,
            back=None if told.status == 404 else self._page_of(visit),
        )
        answer.headers.update({name: value for name, value in told.headers.items() if name == "Retry-After"})
        return answer

    def _page_of(self, visit: Visit) -> str | None:
        """The page whose form was posted, as it is now: what was refused is often told by what it has become."""
        pattern, path = visit.page.path, visit.request.rel_url.raw_path
        if visit.page.method != "POST":
            return None
        while pattern not in self._shown and "/" in pattern:
            pattern, path = pattern.rpartition("/")[0], path.rpartition("/")[0]
        return path or None


def _not_theirs(scope: Scope) -> str:
    holders = " or an ".join(role for role, scopes in PERMISSIONS.items() if scope in scopes)
    return f"this takes {scope}, which your role does not have: ask an {holders}"


def _to_login(request: web.Request, page: Page) -> web.Response:
    """What was asked for comes after the login; what was posted is not kept."""
    after = quote(request.path_qs, safe="/") if page.method == "GET" and not page.streams else "/console"
    return web.Response(status=303, headers={**HEADERS, "Location": f"{LOGIN}?next={after}"})


async def _door(request: web.Request) -> web.StreamResponse:
    """Nothing is here; but whoever types the hub's address into a browser wants the console."""
    if request.method not in {"GET", "HEAD"} or "text/html" not in request.headers.get("Accept", ""):
        raise web.HTTPNotFound
    return await _home(request)


async def _home(_request: web.Request) -> web.StreamResponse:
    return web.Response(status=303, headers={**HEADERS, "Location": HOME})


async def _nothing(_visit: Visit) -> web.StreamResponse:
    raise web.HTTPNotFound
