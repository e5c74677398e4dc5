"""An operator at the console, in a real browser."""

from dataclasses import dataclass, field
from uuid import UUID

from aiohttp import web
from axe_playwright_python.base import AXE_FILE_PATH
from playwright.async_api import Browser, BrowserContext, ConsoleMessage, Page, Response

from hub.domain.access import Principal, Role
from hub.services.hub import Hub
from hub.web.console.visitor import Visitor
from tests.browser.looks import Look

# The rules of WCAG at AAA are off unless they are asked for.
_RULES = {"resultTypes": ["violations"], "rules": {"color-contrast-enhanced": {"enabled": True}}}
# Of its results, which name every element of the page, the part that is read.
_VIOLATIONS = "rules => axe.run(document, rules).then(found => found.violations)"


class Known:
    """Visitors who need no login; what they may do can be changed."""

    def __init__(self, role: Role = Role.ADMIN) -> None:
        self.role = role

    async def of(self, _request: web.Request, *, used: bool = True) -> Visitor | None:  # noqa: ARG002 - theirs never ends
        """Ada, whatever she may do at the moment."""
        principal = Principal.of_operator(UUID(int=7), "ada@example.com", self.role)
        return Visitor(principal, "Ada Lovelace", self.role, "token-of-this-session")


@dataclass(slots=True)
class Desk:
    """A console that is served, and a browser to look at it with.

    Attributes:
        hub: what it shows.
        url: where it is served.
        visitors: who looks.
        troubles: what the browser has complained of: errors, refused loads, answers of 500 and more.
    """

    hub: Hub
    url: str
    visitors: Known
    browser: Browser
    troubles: list[str] = field(default_factory=list)
    contexts: list[BrowserContext] = field(default_factory=list)

    async def window(self, look: Look | None = None, *, judged: bool = False) -> Page:
        """A window of its own, in which nobody has logged in.

        Args:
            look: how the console is looked at.
            judged: its pages will be judged, for which axe must run there: without a script is without ours then.
        """
        look = look or Look()
        width, height = look.size
        context = await self.browser.new_context(
            base_url=self.url,
            java_script_enabled=look.script or judged,
            color_scheme=look.scheme,
            viewport={"width": width, "height": height},
        )
        self.contexts.append(context)
        await context.add_init_script(path=AXE_FILE_PATH)
        if not look.script and judged:
            await context.route("**/console.*.js", lambda route: route.fulfill(body=""))
        page = await context.new_page()
        # Not the methods themselves: Playwright keeps its own notes on the object that they belong to.
        page.on("console", lambda message: self._heard(message))  # noqa: PLW0108
        page.on("pageerror", lambda error: self.troubles.append(f"page error: {error}"))
        page.on("response", lambda response: self._answered(response))  # noqa: PLW0108
        return page

    async def open(self, path: str, look: Look | None = None, *, judged: bool = False) -> Page:
        """A page, loaded in a window of its own."""
        page = await self.window(look, judged=judged)
        response = await page.goto(path)
        assert response is not None
        assert response.status == 200, f"{path} answers {response.status}"
        return page

    async def enter(self, page: Page, operator: UUID) -> None:
        """Log in, by a one-time link."""
        link = await self.hub.operators.login_link(operator, actor="test")
        await page.goto(link.path)
        await page.get_by_role("button", name="Log in").click()
        await page.get_by_role("heading", name="Account", exact=True).wait_for()

    async def judge_at(self, path: str, look: Look | None = None) -> None:
        """Load a page and judge it, in a window that is closed again."""
        await self.judge(await self.open(path, look, judged=True))
        await self.contexts.pop().close()

    async def judge(self, page: Page) -> None:
        """Fail for anything that axe finds, of any level; for overflow; and for what the browser complained of."""
        violations = await page.evaluate(_VIOLATIONS, _RULES)
        told = [
            f"{found['id']} ({found['impact']}): {found['help']}: {[node['html'][:200] for node in found['nodes'][:3]]}"
            for found in violations
        ]
        assert not told, f"{page.url}:\n" + "\n".join(told)
        beyond = await page.evaluate(
            "document.documentElement.scrollWidth - document.documentElement.clientWidth"
        )
        assert beyond <= 0, f"{page.url} is {beyond} pixels wider than the window"
        self.check()

    def check(self) -> None:
        """Fail for what the browser complained of."""
        assert not self.troubles, self.troubles

    async def close(self) -> None:
        """Close every window."""
        while self.contexts:
            await self.contexts.pop().close()

    def _heard(self, message: ConsoleMessage) -> None:
        if message.type in {"error", "warning"}:
            self.troubles.append(f"{message.type}: {message.text}")

    def _answered(self, response: Response) -> None:
        if response.status >= 500:
            self.troubles.append(f"{response.url} answered {response.status}")
