"""Browsers without a screen: they keep cookies, follow no redirect, and fill in forms."""

import re
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from html import unescape

import aiohttp
from multidict import CIMultiDict
from yarl import URL

from hub import bootstrap, config
from hub.bootstrap import Surroundings
from hub.domain.access import Role
from hub.services.hub import Hub
from hub.web.server import running
from tests.clock import Clock
from tests.services.people import CHEAP, PASSWORD, somebody
from tests.web.client import Answer
from tests.web.conftest import ENVIRONMENT
from tests.web.registry import REGISTRY

LOGIN = "/console/login"


@dataclass(slots=True)
class Browser:
    """One browser at one hub. `base`: its address as the browser writes it."""

    session: aiohttp.ClientSession
    base: str

    async def get(self, path: str, **headers: str) -> Answer:
        """A page."""
        return await self.send("GET", path, headers)

    async def post(self, path: str, fields: dict[str, str] | None = None, **headers: str) -> Answer:
        """A form, as it is given: without a token unless one is among the fields."""
        return await self.send("POST", path, {"Origin": self.base, **headers}, fields or {})

    async def send(
        self, method: str, path: str, headers: dict[str, str], fields: dict[str, str] | None = None
    ) -> Answer:
        """Send it, and do not follow where it leads."""
        sent = {name.replace("_", "-"): value for name, value in headers.items()}
        async with self.session.request(
            method, self.base + path, headers=sent, data=fields, allow_redirects=False
        ) as response:
            return Answer(response.status, CIMultiDict(response.headers), await response.read())

    async def form(self, page: str, action: str, **fields: str) -> Answer:
        """Load a page, and post its form that leads to `action` with these fields filled in."""
        return await self.post(action, {**hidden(await self.get(page), action), **fields})

    async def log_in(self, email: str, password: str = PASSWORD) -> Answer:
        """By password."""
        return await self.form(LOGIN, LOGIN, email=email, password=password)

    @property
    def cookies(self) -> dict[str, str]:
        """What the browser keeps."""
        return {cookie.key: cookie.value for cookie in self.session.cookie_jar}


def hidden(answer: Answer, action: str) -> dict[str, str]:
    """The hidden fields of the form of a page that leads to `action`."""
    page = answer.body.decode()
    found = re.search(rf'<form[^>]*action="{re.escape(action)}".*?</form>', page, re.DOTALL)
    assert found, f"no form leads to {action}: {page}"
    fields = re.findall(r'<input type="hidden" name="(\w+)" value="([^"]*)"', found[0])
    return {name: unescape(value) for name, value in fields}


@dataclass(slots=True)
class Town:
    """A hub that is served, and browsers for it."""

    hub: Hub
    url: str
    stack: AsyncExitStack

    async def browser(self) -> Browser:
        """A new one, which knows nothing."""
        jar = aiohttp.CookieJar(unsafe=True)  # unsafe: of an address without a name
        session = await self.stack.enter_async_context(aiohttp.ClientSession(cookie_jar=jar))
        return Browser(session, self.url)

    async def logged_in(self, role: Role, email: str | None = None) -> Browser:
        """A browser of a new operator with this role."""
        email = email or f"{role}@example.com"
        await somebody(self.hub, email, role)
        browser = await self.browser()
        answer = await browser.log_in(email)
        assert answer.status == 303, answer.body
        return browser


@asynccontextmanager
async def town(
    database_url: str, redis_url: str, *, steady: Clock | None = None, **environment: str
) -> AsyncIterator[Town]:
    """A hub of these tests' registry, with cheap passwords."""
    settings = config.load(
        {**ENVIRONMENT, **environment}, sources=REGISTRY.sources, providers=REGISTRY.providers
    )
    around = Surroundings(password_cost=CHEAP, steady=steady or Clock())
    async with AsyncExitStack() as stack:
        hub = await stack.enter_async_context(
            bootstrap.build(
                settings, REGISTRY, database_url=database_url, redis_url=redis_url, surroundings=around
            )
        )
        await bootstrap.know_queues(hub)
        host, port = await stack.enter_async_context(running(hub, "127.0.0.1", 0))
        async with AsyncExitStack() as browsers:
            yield Town(hub, str(URL.build(scheme="http", host=host, port=port)), browsers)
