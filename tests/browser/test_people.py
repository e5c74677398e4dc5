"""Logging in, one's account, operators and the audit log, in a real browser."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack

import pytest
from playwright.async_api import async_playwright

from hub import bootstrap, config
from hub.bootstrap import Surroundings
from hub.domain.access import Role
from hub.web.server import running
from tests.browser.desk import Desk, Known
from tests.browser.looks import LOOKS, Look
from tests.services.people import CHEAP, PASSWORD, somebody
from tests.web.conftest import ENVIRONMENT
from tests.web.registry import REGISTRY


@pytest.fixture
async def door(chromium: str, database_url: str, redis_url: str) -> AsyncIterator[Desk]:
    """A console at which one has to log in."""
    settings = config.load(ENVIRONMENT, sources=REGISTRY.sources, providers=REGISTRY.providers)
    async with AsyncExitStack() as stack:
        hub = await stack.enter_async_context(
            bootstrap.build(
                settings,
                REGISTRY,
                database_url=database_url,
                redis_url=redis_url,
                surroundings=Surroundings(password_cost=CHEAP),
            )
        )
        await bootstrap.know_queues(hub)
        host, port = await stack.enter_async_context(running(hub, "127.0.0.1", 0))
        driver = await stack.enter_async_context(async_playwright())
        browser = await driver.chromium.connect_over_cdp(chromium)
        stack.push_async_callback(browser.close)
        made = Desk(hub, f"http://{host}:{port}", Known(), browser)
        stack.push_async_callback(made.close)
        yield made


@pytest.mark.parametrize("look", LOOKS, ids=str)
async def test_the_way_in_can_be_read_by_everyone(door: Desk, look: Look) -> None:
    """The login page with and without operators, a link that is good, and one's account behind it."""
    await door.judge_at("/console/login", look)
    ada = await somebody(door.hub, role=Role.ADMIN)
    link = await door.hub.operators.login_link(ada.id, actor="test")
    await door.judge_at(link.path, look)
    page = await door.open(link.path, look, judged=True)
    await page.get_by_role("button", name="Log in").click()
    await page.get_by_role("heading", name="Account", exact=True).wait_for()
    await door.judge(page)
    for path in (f"/console/people/{ada.id}", "/console/people", "/console/audit"):
        await page.goto(door.url + path)
        await door.judge(page)


async def test_an_operator_logs_in_and_out_without_a_script(door: Desk) -> None:
    """A wrong password first; then on to the page that was asked for."""
    await somebody(door.hub)
    page = await door.open("/console/queues?x=1", Look(script=False))
    await page.get_by_label("E-mail address").fill("ada@example.com")
    await page.get_by_label("Password").fill("wrong password")
    await page.get_by_role("button", name="Log in").click()
    await page.get_by_role("alert").wait_for()
    door.troubles.clear()  # the browser notes the 401
    await page.get_by_label("Password").fill(PASSWORD)
    await page.get_by_role("button", name="Log in").click()
    await page.wait_for_url("**/console/queues?x=1")
    await page.get_by_text("Ada", exact=True).click()
    await page.get_by_role("button", name="Log out").click()
    await page.get_by_text("You are logged out").wait_for()
    await page.goto(f"{door.url}/console/queues")
    await page.get_by_role("heading", name="Log in").wait_for()
    door.check()


async def test_an_admin_invites_somebody_who_sets_a_password(door: Desk) -> None:
    """From the form to the other's account, with what was done in the audit log."""
    await somebody(door.hub, "root@example.com", Role.ADMIN)
    admin = await door.open("/console/people")
    await admin.get_by_label("E-mail address").fill("root@example.com")
    await admin.get_by_label("Password").fill(PASSWORD)
    await admin.get_by_role("button", name="Log in").click()
    await admin.get_by_label("E-mail address").fill("ada@example.com")
    await admin.get_by_label("Name").fill("Ada Lovelace")
    await admin.get_by_role("button", name="Make the operator").click()
    link = await admin.get_by_role("region", name="One-time link").inner_text()
    other = await door.open(link.strip().removeprefix(door.url))
    await other.get_by_role("button", name="Log in").click()
    await other.get_by_label("New password", exact=True).fill(PASSWORD)
    await other.get_by_label("New password, again").fill(PASSWORD)
    await other.get_by_role("button", name="Set password").click()
    await other.get_by_text("The password is set").wait_for()
    assert await other.get_by_role("link", name="Operators").count() == 0, "a viewer sees no such entry"
    await admin.goto(f"{door.url}/console/audit?actor=ada@example.com")
    await admin.get_by_role("cell", name="operator.password").wait_for()
    door.check()
