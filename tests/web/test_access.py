"""Who may reach what: every route is found by discovery, so that none that is added later can be forgotten."""

import re
from collections.abc import AsyncIterator
from typing import Any
from uuid import uuid4

import asyncpg
import pytest
from aiohttp import web

from hub.domain.access import PERMISSIONS, Role
from hub.infra.tables import metadata
from hub.web.api.table import endpoints_of
from hub.web.application import create_app
from hub.web.console.page import Page
from hub.web.console.table import pages
from tests.web.client import Answer
from tests.web.people import Browser, Town, hidden, town
from tests.web.registry import REGISTRY

# Whoever has not logged in reaches these alone.
OPEN = {
    ("GET", "/console/login"),
    ("POST", "/console/login"),
    ("GET", "/console/login/link"),
    ("POST", "/console/login/link"),
    ("GET", "/console/login/oidc"),
    ("GET", "/console/login/oidc/done"),
}
# What everybody may do who has logged in: to their own session, password and browser.
OWN = {
    ("POST", "/console/logout"),
    ("POST", "/console/theme"),
    ("POST", "/console/account/password"),
    ("POST", "/console/account/sessions/{id}/revoke"),
}
# Without a key.
PUBLIC = {"/webhooks/{source}", "/livez", "/readyz", "/metrics", "/v1/openapi.json", "/docs"}
SECURE = {
    "Cache-Control": "no-store",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
}
DIRECTIVES = {
    "default-src 'none'",
    "script-src 'self'",
    "style-src 'self'",
    "form-action 'self'",
    "base-uri 'none'",
    "frame-ancestors 'none'",
}


@pytest.fixture
async def place(database_url: str, redis_url: str) -> AsyncIterator[Town]:
    """A hub that is served."""
    async with town(database_url, redis_url) as made:
        yield made


@pytest.fixture
async def database(database_url: str) -> AsyncIterator[asyncpg.Connection]:
    """The tables, behind the hub's back."""
    connection = await asyncpg.connect(database_url)
    yield connection
    await connection.close()


async def everything(database: Any) -> dict[str, str]:
    """What is stored, in short: when somebody was seen last is nobody's doing."""
    left_out = {"sessions", "workers"}
    return {
        name: await database.fetchval(f"SELECT md5(coalesce(string_agg(t::text, '' ORDER BY t::text), '')) FROM {name} t")  # noqa: S608
        for name in metadata.tables
        if name not in left_out
    }  # fmt: skip


def canonical(pattern: str) -> str:
    """A pattern without the expressions in it, as the router names it."""
    return web.UrlDispatcher().add_resource(pattern).canonical


def path_of(pattern: str) -> str:
    """An address that a pattern takes: a queue that there is, ids of nothing."""
    values = {"name": "payments", "number": "1"}
    return re.sub(r"\{(\w+)\}", lambda found: values.get(found[1]) or str(uuid4()), canonical(pattern))


def posts() -> list[Page]:
    """Every page that may change something."""
    return [page for page in pages() if page.method != "GET"]


async def token_of(browser: Browser) -> dict[str, str]:
    """What a form of this session brings along."""
    return {"csrf": hidden(await browser.get("/console/account"), "/console/logout")["csrf"]}


async def head(browser: Browser, page: Page) -> Answer:
    """The answer of a page, without the body of one that never ends."""
    async with browser.session.get(browser.base + path_of(page.path), allow_redirects=False) as response:
        body = b"" if page.streams else await response.read()
        return Answer(response.status, response.headers, body)


async def test_every_route_is_in_a_table(place: Town) -> None:
    """The tables are what all other tests here go by: nothing is routed beside them."""
    known = {(one.method, canonical(one.path)) for one in endpoints_of(REGISTRY)} | {
        (one.method, canonical(one.path)) for one in pages()
    }
    known |= {("GET", path) for path in ("/v1/openapi.json", "/docs", "/console", "/console/static/{name}")}
    known |= {("GET", "/console/{rest}"), ("*", "/")}
    app: web.Application = create_app(place.hub)
    routed = {
        (route.method, route.resource.canonical)
        for route in app.router.routes()
        if route.resource is not None and route.method != "HEAD"
    }
    assert routed == known


async def test_nobody_who_is_not_logged_in_sees_a_page(place: Town) -> None:
    """All lead to the login but the login itself; with a cookie of nothing, too."""
    await place.logged_in(Role.ADMIN)
    assert {(page.method, page.path) for page in pages() if page.open} == OPEN
    stranger = await place.browser()
    for cookie in ("", f"hub-session={'A' * 43}", "hub-session=nonsense"):
        for page in pages():
            if page.open:
                continue
            method, path = page.method, path_of(page.path)
            answer = await stranger.send(method, path, {"Cookie": cookie, "Origin": stranger.base}, {})
            assert answer.status == 303, page
            assert answer.headers["Location"].startswith("/console/login?next=/console"), page
            assert answer.body == b"", page


async def test_nobody_without_a_key_sees_an_endpoint(place: Town) -> None:
    """A session of the console is none: its cookie opens nothing outside of it."""
    admin = await place.logged_in(Role.ADMIN)
    for endpoint in endpoints_of(REGISTRY):
        if endpoint.scope is None:
            assert endpoint.path in PUBLIC
            continue
        answer = await admin.send(endpoint.method, path_of(endpoint.path), {})
        assert answer.status == 401, endpoint


async def test_a_viewer_changes_nothing(place: Town, database: Any) -> None:
    """Every form of the console is refused, though it comes from their own session; but for what is their own."""
    viewer = await place.logged_in(Role.VIEWER)
    token, before = await token_of(viewer), await everything(database)
    for page in posts():
        if (page.method, page.path) in OWN | OPEN:
            assert page.scope is None
            continue
        answer = await viewer.post(path_of(page.path), token)
        assert (answer.status, b"scope_missing" in answer.body) == (403, True), page
        asked = (
            b"ask an operator or an admin" if page.scope in PERMISSIONS[Role.OPERATOR] else b"ask an admin"
        )
        assert asked in answer.body, page
    assert await everything(database) == before


async def test_a_key_with_what_a_viewer_may_do_changes_nothing(place: Town, database: Any) -> None:
    """Every endpoint that is not a look is refused."""
    viewer = await place.hub.keys.create("viewer", list(PERMISSIONS[Role.VIEWER]), actor="test")
    browser, before = await place.browser(), await everything(database)
    for endpoint in endpoints_of(REGISTRY):
        if endpoint.method == "GET" or endpoint.scope is None:
            continue
        headers = {"Authorization": f"Bearer {viewer.token}"}
        answer = await browser.send(endpoint.method, path_of(endpoint.path), headers)
        assert answer.status == 403, endpoint
    assert await everything(database) == before


async def test_each_role_reaches_what_the_table_of_permissions_says(place: Town) -> None:
    """Page by page: 403 where the scope is missing, and never where it is held."""
    for role in Role:
        browser = await place.logged_in(role)
        for page in pages():
            if page.method != "GET" or page.open:
                continue
            answer = await head(browser, page)
            allowed = page.scope is None or page.scope in PERMISSIONS[role]
            assert (answer.status != 403) is allowed, (role, page)
            assert answer.status < 500, (role, page)


async def test_every_form_is_refused_that_does_not_come_from_its_session(place: Town, database: Any) -> None:
    """Without a token, with another session's, from another site: an administrator's, too, and nothing changes."""
    admin = await place.logged_in(Role.ADMIN)
    other = await place.logged_in(Role.ADMIN, "other@example.com")
    own, foreign = await token_of(admin), await token_of(other)
    before = await everything(database)
    for page in posts():
        path = path_of(page.path)
        for fields, headers in (
            ({}, {}),
            ({"csrf": ""}, {}),
            (foreign, {}),
            (own, {"Origin": "https://evil.example"}),
            (own, {"Origin": "null"}),
            (own, {"Sec-Fetch-Site": "cross-site"}),
            (own, {"Sec-Fetch-Site": "same-site"}),
        ):
            answer = await admin.post(path, fields, **headers)
            assert (answer.status, b"csrf" in answer.body) == (403, True), (page, fields, headers)
    assert await everything(database) == before
    assert (await admin.get("/console/account")).status == 200


async def test_every_answer_of_the_console_has_the_security_headers(place: Town) -> None:
    """Pages, refusals, redirects, errors: no code or style in them, in no frame, kept by no cache."""
    admin, viewer = await place.logged_in(Role.ADMIN), await place.logged_in(Role.VIEWER)
    stranger = await place.browser()
    answers = [
        (browser, page.path, await head(browser, page))
        for browser in (admin, viewer, stranger)
        for page in pages()
        if page.method == "GET"
    ]
    answers += [(admin, page.path, await admin.post(path_of(page.path))) for page in posts()]
    answers += [
        (admin, path, await admin.get(path)) for path in ("/console", "/console/nothing", "/console/jobs/%00")
    ]
    for _, path, answer in answers:
        for name, value in SECURE.items():
            assert answer.headers.get(name) == value, (path, answer.status, name)
        policy = set(answer.headers["Content-Security-Policy"].split("; "))
        assert policy >= DIRECTIVES, path
        assert not any("unsafe" in part or "*" in part for part in policy), path
        assert answer.headers["Referrer-Policy"] in {"same-origin", "strict-origin"}, path
        page = answer.body.decode()
        assert not re.search(
            r"<script(?![^>]*\ssrc=\"/console/static/)|<style|\sstyle=|\son\w+=|javascript:", page
        ), path


async def test_what_pages_load_is_kept_and_nothing_else(place: Town) -> None:
    """The style sheet and the script are the same for everybody, and say what they are."""
    page = (await (await place.browser()).get("/console/login")).body.decode()
    found = re.findall(r'(?:href|src)="(/console/static/[^"]+)"', page)
    assert found
    for path in found:
        answer = await (await place.browser()).get(path)
        assert answer.status == 200
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
        assert "immutable" in answer.headers["Cache-Control"]
